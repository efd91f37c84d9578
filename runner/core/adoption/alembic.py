"""Alembic keeps the heads only: the revisions that nothing applied follows. What they build on, its scripts say.

https://alembic.sqlalchemy.org/en/latest/branches.html,
https://github.com/sqlalchemy/alembic/blob/main/alembic/runtime/migration.py
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from runner.core.adoption.history import Entry, History, Row, Source, stem_of
from runner.errors import Finding

ASSIGNED = re.compile(r"^(revision|down_revision|depends_on)\b[^=\n]*=\s*(\([^)]*\)|\[[^\]]*\]|[^\n]*)", re.MULTILINE)
QUOTED = re.compile(r"""(["'])([^"'\n]+)\1""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A file of Alembic's folder `versions`."""

    revision: str
    builds_on: tuple[str, ...]  # revisions that are applied before it
    stem: str  # of the file's name: "1975ea83b712_create_account_table"


def read_script(name: str, text: str) -> Script | None:
    """What a Python file says of its place; None when it is no script of Alembic's."""
    said: dict[str, list[str]] = {}
    for match in ASSIGNED.finditer(text):
        said.setdefault(match[1], [quoted[2] for quoted in QUOTED.finditer(match[2].partition("#")[0])])
    revision = said.get("revision")
    if not revision or "down_revision" not in said:
        return None
    builds_on = (*said["down_revision"], *said.get("depends_on", ()))
    return Script(revision=revision[0], builds_on=builds_on, stem=stem_of(name))


def with_scripts(heads: History, scripts: Iterable[Script]) -> History:
    """The heads and all that they build on, in the order in which they were applied. Where a script is missing, only
    the heads are known: then everything before one in our own order counts as applied, and there must not be two.
    """
    known = {script.revision: script for script in scripts}
    order: dict[str, None] = {}
    begun: set[str] = set()
    waiting = [head.name for head in reversed(heads.entries)]
    while waiting:
        revision = waiting[-1]
        if revision not in known:
            return _only_heads(heads)
        if revision in begun:
            order[waiting.pop()] = None
        else:
            begun.add(revision)
            waiting += [earlier for earlier in reversed(known[revision].builds_on) if earlier not in begun]
    return History(entries=tuple(_entry(known, revision) for revision in order))


def _entry(known: Mapping[str, Script], revision: str) -> Entry:
    stem = known[revision].stem
    return Entry(name=revision, aliases=(stem,), title=stem.removeprefix(f"{revision}_"))


def _only_heads(heads: History) -> History:
    if len(heads.entries) < 2:
        return heads
    names = ", ".join(entry.name for entry in heads.entries)
    problem = Finding(
        f"the database has several heads of Alembic, and the scripts that lead to them are not here: {names}",
        hint="run this in a checkout that has Alembic's folder `versions`, or merge the heads with `alembic merge`",
    )
    return History(entries=heads.entries, problems=(problem,))


def _heads(rows: Sequence[Row]) -> History:
    names = sorted(str(row["version_num"]) for row in rows)
    return History(entries=tuple(Entry(name=name, reaches_back=True) for name in names))


ALEMBIC = Source(tables=("alembic_version",), columns={"version_num": "text"}, read=_heads)

"""Flyway: versioned files, the files that undo them, and those that run whenever they change.

Names: https://documentation.red-gate.com/fd/migrations-271585107.html; versions are compared part by part, `_` is a
point: https://documentation.red-gate.com/fd/versioned-migrations-273973333.html; settings of one script:
https://documentation.red-gate.com/fd/script-configuration-files-277579000.html.
"""

import re
from collections.abc import Generator, Iterable, Iterator
from dataclasses import replace

from runner.core.convert.theirs import (
    IN_A_COPY,
    Draft,
    Folder,
    Found,
    filled_in,
    is_code,
    located,
    passed_over,
    twice,
    whole,
)
from runner.core.model import SourceFile
from runner.errors import Finding, Level

FILE = re.compile(
    r"(?:.*/)?(?P<kind>[VUB](?=[0-9])|R(?=__))(?P<version>(?:[0-9]+(?:[._][0-9]+)*)?)(?:__(?P<name>.*))?\.(?P<suffix>\w+)"
)
CALLBACK = re.compile(r"(?:.*/)?(?P<event>(?:before|after|create)[A-Z][A-Za-z]*)(?:__.*)?\.sql")
CODE = frozenset({"java", "kt", "groovy", "scala", "class"})
SETTING = re.compile(rb"^[ \t]*(?:flyway\.)?(?P<key>[A-Za-z]+)[ \t]*=[ \t]*(?P<value>[^\n]*)$", re.MULTILINE)
TAKEN_OVER = frozenset({"executeInTransaction", "placeholderReplacement"})

Version = tuple[int, ...]


def read_flyway(folder: Folder) -> Found:
    """`V1.2__users.sql` in the order of the versions, `U1.2__users.sql` that undoes it; behind them, as Flyway does,
    `R__views.sql`, by name.
    """
    drafts: dict[str, list[Draft]] = {kind: [] for kind in "VUBR"}
    for name in folder.names:
        match = FILE.fullmatch(name)
        if match and match["suffix"] in CODE:
            yield is_code(folder, name, f"write what it does as SQL, in a file of its version, {IN_A_COPY}")
        elif match and match["suffix"] == "sql":
            draft, problems = _draft(folder, name, match)
            drafts[match["kind"]].append(draft)
            yield from problems
        elif CALLBACK.fullmatch(name):
            yield _callback(folder.sources[name])
        elif name.endswith(".sql"):
            yield passed_over(folder, name, "V1.2__add_users.sql")
    versioned = yield from _by_version(drafts["V"])
    undo = yield from _by_version(drafts["U"])
    yield from _baselines(versioned, (yield from _by_version(drafts["B"])))
    yield from _with_undo(versioned, undo)
    for draft in sorted(drafts["R"], key=lambda draft: draft.name):
        yield _once_from_now_on(draft.up.source)
        yield draft


def _draft(folder: Folder, name: str, match: re.Match[str]) -> tuple[Draft, list[Finding]]:
    """What a file is, and what of it cannot be carried over."""
    source = folder.sources[name]
    settings, problems = _settings(folder.sources.get(f"{name}.conf"))
    if settings.get("placeholderReplacement") != "false":
        problems += filled_in(source, "Flyway")
    sql = whole(source, no_transaction=settings.get("executeInTransaction") == "false")
    return Draft(origin=name, name=match["name"] or "", version=match["version"], up=sql), problems


def _by_version(drafts: Iterable[Draft]) -> Generator[Finding, None, dict[Version, Draft]]:
    """Each by its version; of two with one the second is told."""
    known: dict[Version, Draft] = {}
    for draft in drafts:
        first = known.setdefault(_parts(draft.version), draft)
        if first is not draft:
            yield twice(draft.up.source, first.up.source)
    return known


def _parts(version: str) -> Version:
    """1.2.0 is 1.2."""
    parts = [int(part) for part in re.split("[._]", version)]
    while len(parts) > 1 and not parts[-1]:
        parts.pop()
    return tuple(parts)


def _settings(conf: SourceFile | None) -> tuple[dict[str, str], list[Finding]]:
    """What a script's own settings say, and those that cannot be carried over."""
    settings: dict[str, str] = {}
    problems = []
    for setting in SETTING.finditer(conf.data) if conf else ():
        key = setting["key"].decode()
        settings[key] = setting["value"].decode().strip().lower()
        if conf and key not in TAKEN_OVER:
            hint = f"see to it in the SQL, and take the line out, {IN_A_COPY}"
            problems.append(located(f"there is nothing like Flyway's `{key}` here", conf, setting.start(), hint=hint))
    return settings, problems


def _baselines(versioned: dict[Version, Draft], baselines: dict[Version, Draft]) -> Iterator[Finding]:
    """A baseline stands for all versions up to its own: the highest is a migration where those are gone."""
    for version in sorted(baselines, reverse=True):
        if not versioned or version < min(versioned):
            versioned[version] = baselines[version]
        else:
            yield located(
                "this baseline is left out, as the migrations that it stands for are there",
                baselines[version].up.source,
                hint="if it should be used, leave those out instead",
                level=Level.WARNING,
            )


def _with_undo(versioned: dict[Version, Draft], undo: dict[Version, Draft]) -> Found:
    """The versions in order, each with what undoes it. A version of several parts is none of ours."""
    for version in sorted(undo.keys() - versioned.keys()):
        source = undo[version].up.source
        yield located("there is no versioned migration that this undoes", source, hint="write it, or leave this out")
    plain = all(len(version) == 1 for version in versioned)
    for version in sorted(versioned):
        draft = versioned[version]
        down = undo[version].up if version in undo else None
        number = draft.version if draft.version.isdecimal() else str(version[0])
        yield replace(draft, version=number if plain else "", down=down)


def _once_from_now_on(source: SourceFile) -> Finding:
    return located(
        "this ran whenever it changed, and runs once from now on",
        source,
        hint="put each later change into a new migration",
        level=Level.WARNING,
    )


def _callback(source: SourceFile) -> Finding:
    hint = "move what it does into the migrations, or into a step of the workflow; then leave it out"
    return located("this is a callback, which Flyway runs around its migrations", source, hint=hint)

"""What somebody approves: the plan as canonical JSON, and its SHA-256, the plan digest.

Canonical: keys sorted, no blanks, UTF-8, text as it is. Two plans with one digest run the same bytes, in the same
order, by the same rules, on the same ground.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runner.core.checksum import checksum
from runner.core.migration import Migration
from runner.core.model import Plan, SourceFile, Target, Verdict
from runner.core.steps import SmokeTest

FORMAT = 1
WORDS = {
    "target.database": "the database",
    "target.system": "the database server",
    "target.search_path": "the schemas in which names are looked for",
    "target.head": "the version that the database is at",
    "target.applied": "the number of migrations that the database has",
    "command": "the command",
    "environment": "the environment",
    "lint": "the verdict of lint",
    "format": "the form of the plan, with the version of db-migrate",
}
OF_A_FILE = {"checksum": "its content", "sql_digest": "its SQL", "check": "its check file", "down": "its down file",
             "path": "its name"}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanDocument:
    """A plan in the form that is approved, made by `plan_document`."""

    content: Mapping[str, Any]

    @property
    def text(self) -> str:
        """The canonical JSON."""
        return json.dumps(self.content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    @property
    def digest(self) -> str:
        """SHA-256, hex."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Where statements land, whatever the address says."""

    system: str = ""  # the number of the cluster; empty where the role may not read it
    search_path: str = ""  # the schemas in which the session looks for names, as they resolve


class NoPlan(ValueError):
    """The text is not a plan that db-migrate wrote."""


def plan_document(
    plan: Plan,
    migrations: Sequence[Migration],
    *,
    target: Target,
    identity: Identity,
    command: str = "migrate",
    environment: str,
    settings: Mapping[str, str],
    lint: Verdict,
    smoke_tests: Sequence[SmokeTest] = (),
) -> PlanDocument:
    """`migrations`: those of the plan, parsed. `command`: what is to be done with them; an approval for applying some
    does not serve for undoing them. `settings`: the inputs that change what runs, by name. `smoke_tests`:
    what decides whether it is undone.
    """
    return PlanDocument(
        content={
            "format": FORMAT,
            "command": command,
            "environment": environment,
            "target": {
                "database": target.database,
                "system": identity.system,
                "search_path": identity.search_path,
                "head": plan.current_version,
                "applied": len(plan.applied),
            },
            "settings": dict(settings),
            "lint": {"passed": lint.passed, "verdict": lint.reason},
            "files": [_file(migration) for migration in migrations],
            "smoke_tests": {str(test.source.path): checksum(test.source.data) for test in smoke_tests},
        }
    )


def _file(migration: Migration) -> dict[str, Any]:
    file = migration.file
    return {
        "version": file.version,
        "path": str(file.path),
        "checksum": file.checksum,
        "sql_digest": migration.sql_digest,
        "check": _digest(file.check),
        "down": _digest(file.down),
    }


def _digest(source: SourceFile | None) -> str | None:
    return checksum(source.data) if source else None


def read_plan(text: str) -> PlanDocument:
    """A plan from its file, whose digest is that of the plan. Raises NoPlan."""
    try:
        content = json.loads(text)
        plan = PlanDocument(content=content)
        shaped = _has_the_shape(content) and bool(plan.digest)
    except (ValueError, RecursionError):  # a lone surrogate is of the former
        raise NoPlan("it is not JSON") from None
    if not shaped:
        raise NoPlan("it is JSON, but no plan")
    return plan


def _has_the_shape(content: Any) -> bool:
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        return False
    parts = all(isinstance(content.get(name), dict) for name in ("target", "settings", "lint"))
    files = content.get("files")
    return (
        parts
        and isinstance(files, list)
        and all(
            isinstance(file, dict) and isinstance(file.get("version"), str) and isinstance(file.get("path"), str)
            for file in files
        )
    )


def what_moved(approved: PlanDocument, now: PlanDocument) -> list[str]:
    """What is different, one short sentence each; empty when nothing is."""
    return [
        *_files_moved(approved, now),
        *_smoke_tests_moved(approved, now),
        *_settings_moved(approved, now),
        *_others_moved(approved, now),
    ]


def _files_moved(approved: PlanDocument, now: PlanDocument) -> Iterator[str]:
    before, after = _by_version(approved), _by_version(now)
    for version, file in after.items():
        if version not in before:
            yield f"{file['path']} is new"
        elif file != before[version]:
            changed = [words for key, words in OF_A_FILE.items() if file.get(key) != before[version].get(key)]
            if "its content" in changed and "its SQL" in changed:
                changed.remove("its SQL")
            yield f"{file['path']} changed: {', '.join(changed)}"
    yield from (f"{file['path']} is not to run any more" for version, file in before.items() if version not in after)
    if before.keys() == after.keys() and list(before) != list(after):
        yield "the files are in another order"


def _smoke_tests_moved(approved: PlanDocument, now: PlanDocument) -> Iterator[str]:
    before, after = approved.content.get("smoke_tests") or {}, now.content.get("smoke_tests") or {}
    for path in sorted(before.keys() | after.keys()):
        if before.get(path) != after.get(path):
            what = "changed" if path in before and path in after else "is new" if path in after else "is gone"
            yield f"the smoke test {path} {what}"


def _settings_moved(approved: PlanDocument, now: PlanDocument) -> Iterator[str]:
    before, after = approved.content.get("settings", {}), now.content.get("settings", {})
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            yield f"`{name}` is {after.get(name, 'not given')} and was {before.get(name, 'not given')}"


def _others_moved(approved: PlanDocument, now: PlanDocument) -> Iterator[str]:
    before, after = _flat(approved.content), _flat(now.content)
    for name, words in WORDS.items():
        if before.get(name) != after.get(name):
            yield f"{words} is {after.get(name)} and was {before.get(name)}"


def _flat(content: Mapping[str, Any]) -> dict[str, Any]:
    target, lint = content.get("target") or {}, content.get("lint") or {}
    return {
        **{f"target.{name}": value for name, value in target.items()},
        "command": content.get("command"),
        "environment": content.get("environment"),
        "format": content.get("format"),
        "lint": lint.get("verdict"),
    }


def _by_version(document: PlanDocument) -> dict[str, Mapping[str, Any]]:
    return {file["version"]: file for file in document.content["files"]}

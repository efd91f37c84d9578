"""The action as GitHub's runner starts it, and every place in which a step leaves words."""

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import pytest

from runner.cli import run
from runner.core.database_url import DatabaseUrl
from runner.inputs import variable_of
from tests.conftest import Database
from tests.container.workflow_commands import StepLog, read_log
from tests.github_api import REPOSITORY, TOKEN, GitHubServer

COMMAND_FILES = ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_STATE", "GITHUB_PATH")
MASK = "::add-mask::"
SHA = "3f1c0a2b9d8e7f605142a3b4c5d6e7f801928374"
OF_THE_LEDGER = """
    SELECT format('%I.%I', table_schema, table_name) FROM information_schema.tables
    WHERE table_name LIKE 'schema_migrations' OR table_name LIKE 'migration\\_%' ORDER BY 1"""
OF_OURS = "SELECT application_name, query FROM pg_stat_activity WHERE application_name LIKE 'db-migrate%'"
ROWS = "SELECT to_jsonb(t) - ARRAY['body', 'down_body', 'schema_snapshot'] FROM {table} t"
"""All columns but the copies of files and catalog: whoever may read those finds the same there."""


@dataclass(frozen=True)
class Step:
    """A step that has ended, and what it left in each place."""

    exit_code: int
    places: Mapping[str, str]

    @property
    def summary(self) -> str:
        return self.places["GITHUB_STEP_SUMMARY"]

    @property
    def output(self) -> str:
        return self.places["GITHUB_OUTPUT"]

    def as_read_by_github(self) -> StepLog:
        """The log with the commands in it obeyed."""
        return read_log(self.places["log"] + self.places["errors"])


@dataclass
class Action:
    """The action in one checkout, with one database."""

    database: Database
    checkout: Path
    capture: pytest.CaptureFixture[str]
    github: GitHubServer | None = None
    environ: dict[str, str] = field(default_factory=dict)

    def write(self, files: Mapping[str, str]) -> None:
        """Files of the checkout, by their paths; those without a folder are migrations."""
        for name, text in files.items():
            path = self.checkout / (name if "/" in name or name.endswith(".yml") else f"migrations/{name}")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, newline="")

    def __call__(self, environ: Mapping[str, str] | None = None, /, **inputs: str) -> Step:
        """Run it: keywords are inputs, `dry_run="true"` is `dry-run: true`."""
        files = {name: self.checkout.parent / name.lower() for name in COMMAND_FILES}
        for path in files.values():
            path.write_text("")
        there = set(self._files())
        self.capture.readouterr()
        given = {variable_of(name.replace("_", "-")): text for name, text in inputs.items()}
        exit_code = run(
            [],
            {
                "GITHUB_ACTIONS": "true",
                "GITHUB_ACTOR": "ada",
                "GITHUB_EVENT_NAME": "push",
                "GITHUB_REF": "refs/heads/main",
                "GITHUB_REPOSITORY": REPOSITORY,
                "GITHUB_RUN_ID": "42",
                "GITHUB_SHA": SHA,
                "GITHUB_WORKSPACE": str(self.checkout),
                "RUNNER_DEBUG": "1",
                "INPUT_LINT": "off",  # it costs a process
                "INPUT_VERBOSE": "true",
                variable_of("database-url"): self.database.url.value,
                variable_of("github-token"): TOKEN,
                **({"GITHUB_API_URL": self.github.url} if self.github else {}),
                **{name: str(path) for name, path in files.items()},
                **self.environ,
                **given,
                **(environ or {}),
            },
        )
        return Step(exit_code, self._surfaces(files, there))

    def _surfaces(self, files: Mapping[str, Path], there: set[Path]) -> dict[str, str]:
        """Every place in which somebody could read what a step has said: a new one belongs here."""
        log, errors = self.capture.readouterr()
        made = [path for path in self._files() if path not in there or "db-migrate-report" in path.parts]
        return {
            "log": log,
            "errors": errors,
            **{name: path.read_text() for name, path in files.items()},
            "names of files": "\n".join(str(path.relative_to(self.checkout)) for path in made),
            **{path.name: path.read_text() for path in made if path.suffix != ".dump"},  # which is the database itself
            "ledger": "\n".join(self._ledger()),
            "sessions": str(self.database.query(OF_OURS)),
            "requests": "\n".join(map(_told, self.github.requests)) if self.github else "",
        }

    def _files(self) -> list[Path]:
        return [path for path in self.checkout.rglob("*") if path.is_file() and ".git" not in path.parts]

    def _ledger(self) -> Iterator[str]:
        """Every row of its tables, and every column but for the copies."""
        for (table,) in self.database.query(OF_THE_LEDGER):
            yield from (json.dumps(row) for (row,) in self.database.query(ROWS.format(table=table)))


def action_in(folder: Path, database: Database, capture: pytest.CaptureFixture[str]) -> Action:
    """The action with an empty folder of migrations."""
    checkout = folder / "checkout"
    (checkout / "migrations").mkdir(parents=True)
    return Action(database, checkout, capture)


def _told(request: object) -> str:
    """A request as a whole, but for the header that carries the token."""
    parts = {name: getattr(request, name) for name in request.__dataclass_fields__ if name != "headers"}  # type: ignore[attr-defined]
    return json.dumps(parts, default=str)


def without_masks(log: str) -> str:
    """A log without the lines that tell the runner what to hide."""
    return "\n".join(line for line in log.split("\n") if not line.startswith(MASK))


# Processes


@dataclass(frozen=True)
class Process:
    """A process as `ps` and /proc show it."""

    number: int
    parent: int
    arguments: str
    environ: str


def processes() -> Iterator[Process]:
    """All of this machine that we may look at."""
    for folder in Path("/proc").iterdir():
        with suppress(OSError):  # it has ended meanwhile, or is somebody else's
            if folder.name.isdecimal():
                parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
                arguments, environ = ((folder / name).read_bytes().decode() for name in ("cmdline", "environ"))
                yield Process(int(folder.name), int(parent), arguments, environ)


# Secrets

FIRST, LAST = "Quokka7", "Wombat9"  # the words of a password: no escaping changes them, and no cut hides both


@dataclass(frozen=True)
class Secret:
    """A password: two words, and between them what is escaped in one place or another."""

    between: str
    first: str = FIRST
    last: str = LAST

    @property
    def text(self) -> str:
        return self.first + self.between + self.last

    @property
    def literal(self) -> str:
        """As SQL."""
        return "'{}'".format(self.text.replace("'", "''"))

    @property
    def name(self) -> str:
        """As a quoted name in SQL."""
        return '"{}"'.format(self.text.replace('"', '""'))

    @property
    def keyword(self) -> str:
        """As a value in a `keyword=value` string."""
        return "'{}'".format(self.text.replace("\\", "\\\\").replace("'", "\\'"))

    @property
    def address(self) -> str:
        """As a connection string in SQL, to a port where nobody answers."""
        return "'{}'".format(f"host=127.0.0.1 port=1 password={self.keyword}".replace("'", "''"))

    def as_url(self, database: Database, user: str = "postgres", **options: str) -> str:
        """The database's URL with this password."""
        options = {"host": str(database.server.folder), **options}
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in options.items())
        return f"postgresql://{user}:{quote(self.text, safe='')}@/{database.name}?{query}"

    def as_keywords(self, database: Database, user: str = "postgres", **options: str) -> str:
        """The same as a `keyword=value` string."""
        options = {"host": str(database.server.folder), **options}
        more = " ".join(f"{name}={value}" for name, value in options.items())
        return f"user={user} dbname={database.name} password={self.keyword} {more}"

    def through(self, url: DatabaseUrl, **options: str) -> str:
        """Another URL with this password."""
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in options.items())
        return url.value.replace("postgres@", f"postgres:{quote(self.text, safe='')}@") + f"?{query}"

    def seen_in(self, step: Step) -> dict[str, str]:
        """Where a part of it shows, whatever its form, with the words around it."""
        wanted = [self.first, self.last, *_in_base64(self.text)]
        return {
            place: text[max(at - 60, 0) : at + 60]
            for place, said in step.places.items()
            for text in [without_masks(said)]
            for at in [next((text.find(word) for word in wanted if word in text), -1)]
            if at >= 0
        }


def _in_base64(text: str) -> list[str]:
    """As base64 shows it at each of three alignments; what depends on the neighbours is left out."""
    data = text.encode()
    found = [base64.b64encode(bytes(shift) + data).decode().rstrip("=")[-(-shift * 8 // 6) : -2] for shift in range(3)]
    return [*found, *(each.replace("+", "-").replace("/", "_") for each in found)]

"""The commands of the pages work as they stand there: each walk of docs/troubleshooting.md from its failure to its end,
and the queries of docs/ledger.md.
"""

import os
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest

from runner.postgres.session import connect
from runner.postgres.watcher import mutex_key
from runner.resources import bundled
from tests.commands.conftest import CommandLine, Ran
from tests.commands.processes import running, wait_until
from tests.conftest import EXAMPLE, ON_NEWEST, Database

DOCS = bundled("docs")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
USERS = "CREATE TABLE users (id bigint PRIMARY KEY, email text, total int);\nINSERT INTO users VALUES (1);\n"
TASKS = "CREATE TABLE tasks (\n  id bigint PRIMARY KEY\n);\n"
WAITS = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name LIKE 'db-migrate worker%'"


@dataclass(frozen=True)
class Site(CommandLine):
    """A database and its checkout, in which somebody follows a page."""

    environ: dict[str, str] = field(default_factory=dict)

    def __call__(self, *argv: str, **environ: str) -> Ran:
        return super().__call__(*argv, **self.environ | environ)

    def follow(self, language: str, text: str) -> str:
        """Do what a block of a page says; returns what was printed."""
        if language == "sql":
            return self.run("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", self.database.url.value, given=text)
        return "".join(self._line(line) for line in text.strip().split("\n"))

    def _line(self, line: str) -> str:
        program, *arguments = shlex.split(line)
        if program != "db-migrate":
            return self.run("sh", "-ec", line)
        ran = self(*arguments)  # in this process: to start one takes longer than all that it does
        assert ran.exit_code == 0, ran.log
        return ran.log

    def run(self, *command: str, given: str = "", exit_code: int = 0) -> str:
        """A program as a shell in the checkout would run it."""
        path = f"{self.database.server.programs}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            command,
            input=given,
            cwd=self.checkout,
            env={**os.environ, "PATH": path, "DATABASE_URL": self.database.url.value},
            capture_output=True,
            text=True,
        )
        assert done.returncode == exit_code, done.stderr
        return done.stdout

    def commit(self) -> None:
        """Keep what the checkout has in a repository."""
        git = ("git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org")
        for arguments in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "a commit")):
            self.run(*git, *arguments)


def changed(site: Site) -> Iterator[Ran]:
    site.write(_01_users=USERS, _02_tasks=TASKS)
    assert site().exit_code == 0
    site.commit()
    site.write(_02_tasks=TASKS.replace("  id", "  due date,\n  id"))
    site.commit()
    yield site()


def edited(site: Site) -> Iterator[Ran]:
    site.write(_01_users=USERS, _02_tasks=TASKS)
    assert site().exit_code == 0
    site.write(_02_tasks=f"-- Purpose: what is to be done\n{TASKS}")
    yield site()


def failed(site: Site) -> Iterator[Ran]:
    site.write(_01_users=USERS, _02_tasks=TASKS.replace(" KEY", " KEY REFERENCES people"))
    yield site()


def died(site: Site) -> Iterator[Ran]:
    site.write(_01_users=USERS)
    applied = site()
    site.write(_02_names="ALTER TABLE users ADD COLUMN name text;")
    with closing(site.database.connect()) as reader:
        reader.execute("BEGIN; SELECT FROM users")
        with running(site, "--lock-timeout", "0") as process:
            wait_until(site.database, WAITS)
            process.kill()
            process.wait()
    yield applied


def half_built(site: Site) -> Iterator[Ran]:
    site.write(_01_users=USERS, _02_index="CREATE UNIQUE INDEX CONCURRENTLY users_email ON users (email);")
    assert site("--version", "01").exit_code == 0
    site.database.query("INSERT INTO users VALUES (2, 'ada@example.org'), (3, 'ada@example.org')")
    yield site()


def in_the_middle(site: Site) -> Iterator[Ran]:
    site.write(
        _01_users=f"{USERS}CREATE PROCEDURE count_all() LANGUAGE sql AS 'UPDATE users SET total = 1';",
        _02_totals="-- migrate: no-transaction\nCALL count_all();\nALTER TABLE users ALTER total SET NOT NULL;",
    )
    assert site().exit_code == 0
    site.database.query("UPDATE schema_migrations SET status = 'running', statements_done = 0 WHERE version = '02'")
    yield site()


def of_production(site: Site) -> Iterator[Ran]:
    site.write(_01_users=USERS)
    site.environ["NODE_ENV"] = "staging"
    assert site().exit_code == 0
    site.database.query("UPDATE migration_environment SET environment = 'production'")
    yield site()


def held(site: Site) -> Iterator[Ran]:
    site.write(_01_users=USERS)
    with closing(connect(site.database.url, application_name="db-migrate watcher 1a2b3c4d")) as watcher:
        watcher.execute("SELECT pg_advisory_lock(%s)", [mutex_key("public")])
        yield site("--lock-wait", "0")


def foreign(site: Site) -> Iterator[Ran]:
    site.write(_01_users=USERS)
    site.database.query("CREATE TABLE schema_migrations (version text PRIMARY KEY)")
    yield site()


def without_rights(site: Site) -> Iterator[Ran]:
    site.database.query("CREATE ROLE migrator LOGIN")
    try:
        site.write(_01_users=USERS)
        site.environ["DATABASE_URL"] = site.database.as_role("migrator")
        yield site()
    finally:
        site.database.query("DROP OWNED BY migrator CASCADE; DROP ROLE migrator")


def lost(site: Site) -> Iterator[Ran]:
    site.write(_01_users=USERS, _02_tasks=f"SELECT pg_terminate_backend(pg_backend_pid()) FROM storms;\n{TASKS}")
    site.database.query("CREATE TABLE storms AS SELECT 'of today'")
    ran = site()
    site.database.query("DELETE FROM storms")
    yield ran


def untrue(site: Site) -> Iterator[Ran]:
    site.write(_01_users=USERS)
    (site.checkout / "smoke-tests").mkdir()
    (site.checkout / "smoke-tests" / "users.sql").write_text("SELECT count(*) = 0 FROM users WHERE email IS NULL;")
    yield site("--smoke-tests", "smoke-tests/*.sql")


def half_undone(site: Site) -> Iterator[Ran]:
    site.write(
        _01_users=USERS,
        _02_tasks=f"{TASKS}CREATE INDEX tasks_id ON tasks (id);",
        _02_tasks__down="DROP INDEX CONCURRENTLY tasks_id;\nDROP TABLE tasks;",
    )
    assert site().exit_code == 0
    site.database.query("CREATE VIEW open_tasks AS SELECT id FROM tasks")
    assert site("rollback", "--steps", "1").exit_code == 1
    yield site("verify")


STATES: Mapping[str, Callable[[Site], Iterator[Ran]]] = {
    "A file was changed after it was applied": changed,
    "A file was changed in comments or layout": edited,
    "A file was changed and is to run again, in development": changed,
    "A migration failed": failed,
    "A migration failed and is given up": failed,
    "A run died": died,
    "An index was built half way": half_built,
    "A run ended in the middle of a statement": in_the_middle,
    "The database is of another environment": of_production,
    "Another run holds the mutex": held,
    "Another tool's table stands in the ledger's place": foreign,
    "A right is missing": without_rights,
    "The connection was lost": lost,
    "A smoke test failed": untrue,
    "A rollback stopped half way": half_undone,
    "A rollback stopped half way and is finished by hand": half_undone,
}


def blocks(text: str) -> list[tuple[str, str]]:
    """The blocks of a page, each with its language."""
    return BLOCK.findall(text)


def walks() -> dict[str, str]:
    """What stands under each heading of the walks."""
    page = (DOCS / "troubleshooting.md").read_text().partition("\n## Walks\n")[2].partition("\n## ")[0]
    return dict(part.split("\n", 1) for part in page.split("\n### ")[1:])


@pytest.fixture
def site(database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Site:
    (tmp_path / "checkout" / "migrations").mkdir(parents=True)
    return Site(database, tmp_path / "checkout", capsys)


@ON_NEWEST
@pytest.mark.parametrize("heading", STATES)
def test_a_walk_leads_from_its_message_to_its_end(site: Site, heading: str) -> None:
    with contextmanager(STATES[heading])(site) as failure:
        for language, text in blocks(walks()[heading]):
            if language == "text":
                parts = [part.strip() for part in text.split("…")]
                assert all(part in failure.log for part in parts), failure.log
            else:
                site.follow(language, text)
        schema = "db_migrate" if "db_migrate" in walks()[heading] else "public"
        unfinished = f"SELECT version FROM {schema}.schema_migrations WHERE status <> 'completed'"
        assert site.database.query(unfinished) == []
        ran = site("--tracking-schema", schema)
        assert ran.exit_code == 0, ran.log
        assert site("repair", "--tracking-schema", schema, "--dry-run").exit_code == 0


def test_every_walk_is_walked_and_no_command_stands_elsewhere() -> None:
    page = (DOCS / "troubleshooting.md").read_text()
    assert list(walks()) == list(STATES)
    assert sorted(blocks(page)) == sorted(block for text in walks().values() for block in blocks(text))


@ON_NEWEST
def test_the_queries_of_the_ledgers_page_answer_with_the_columns_that_it_shows(
    example_database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    site = Site(example_database, EXAMPLE, capsys)
    page = blocks((DOCS / "ledger.md").read_text())
    queries = [text for language, text in page if language == "sql"]
    assert "SELECT * FROM get_migration_status();\n" in queries
    assert any("migration_status_view" in text for text in queries)
    for (language, text), (_, shown) in pairwise(page):
        if language == "sql":
            headings = [name.strip() for name in shown.split("\n")[0].split("|")]
            assert [name.strip() for name in site.follow(language, text).split("\n")[0].split("|")] == headings


@ON_NEWEST
def test_the_text_that_the_ledger_keeps_is_that_of_the_file(
    example_database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    site = Site(example_database, EXAMPLE, capsys)
    [command] = [text for language, text in blocks((DOCS / "ledger.md").read_text()) if language == "sh"]
    assert re.fullmatch(r"\d+d\d+\n< \n", site.run("sh", "-c", command, exit_code=1))  # the last line, as the page says

"""A real standby that follows a primary: it is not migrated, and its primary knows it by name."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runner.core.ailments import missing_standbys
from runner.core.database_url import DatabaseUrl
from runner.core.health import HealthFacts, Synchronous
from runner.postgres.embedded import EmbeddedServer, embedded_server
from runner.postgres.health import health_facts
from runner.postgres.session import connect
from tests.commands.conftest import Ran, run_captured
from tests.conftest import VERSIONS, Database
from tests.faults.servers import SERVER_USER

pytestmark = pytest.mark.xdist_group("a standby")  # so that the servers are started once

PATIENCE = 30  # seconds


@contextmanager
def standby_of(primary: EmbeddedServer) -> Iterator[EmbeddedServer]:
    """A copy of a server that streams from it while the block runs, on a Unix socket of its own."""
    folder = Path(tempfile.mkdtemp(prefix="db-migrate-standby-"))
    user = SERVER_USER if os.geteuid() == 0 else None
    if user:
        shutil.chown(folder, user)
    data = folder / "data"

    def run(program: str, *arguments: object) -> None:
        """Its output must not be a pipe: the server would keep ours open."""
        done = subprocess.run(
            [primary.programs / program, "-D", data, *map(str, arguments)],
            cwd="/",
            user=user,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        assert done.returncode == 0, program

    try:
        # https://www.postgresql.org/docs/current/app-pgbasebackup.html
        run("pg_basebackup", "-R", "-X", "stream", "-c", "fast", "-h", primary.folder, "-U", "postgres")
        options = f"-c listen_addresses= -c unix_socket_directories={folder}"
        run("pg_ctl", "start", "-w", "-l", folder / "log", "-o", options)
        try:
            yield EmbeddedServer(folder, primary.programs)
        finally:
            run("pg_ctl", "stop", "-w", "-m", "immediate")
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module", params=VERSIONS, ids=lambda version: f"pg{version}")
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[Database, Database]]:
    """The database of a primary, and the same one of its standby."""
    with embedded_server(request.param) as primary, standby_of(primary) as standby:
        yield Database(primary, "postgres"), Database(standby, "postgres")


@pytest.fixture
def migrate(pair: tuple[Database, Database], checkout: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Runs `db-migrate` with one migration on the standby."""
    (checkout / "migrations" / "01_one.sql").write_text("CREATE TABLE one ();")
    environ = {"DATABASE_URL": pair[1].url.value, "GITHUB_WORKSPACE": str(checkout), "GITHUB_ACTOR": "ada"}
    return lambda *argv: run_captured(capsys, checkout, argv, environ)


def facts_of(database: Database, role: str = "postgres") -> HealthFacts:
    url = DatabaseUrl(value=database.as_role(role))
    with connect(url, application_name="db-migrate worker") as connection:
        connection.execute("SET synchronous_commit = on")
        return health_facts(connection)


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_standby_is_refused_and_its_primary_stays_as_it_is(
    pair: tuple[Database, Database], migrate: Callable[..., Ran]
) -> None:
    primary, standby = pair
    primary.query("CREATE TABLE followed ()")
    until(lambda: standby.tables() == {"followed"})
    before = primary.dump()
    ran = migrate()
    assert ran.exit_code == 6
    assert "this server is a standby" in ran.log
    assert "`database-url` must name the primary" in ran.log
    assert "this server is a standby" in ran.summary
    assert (primary.dump(), primary.tables()) == (before, {"followed"})


def test_a_dry_run_on_a_standby_is_only_warned(migrate: Callable[..., Ran]) -> None:
    ran = migrate("--dry-run", "--dry-run-mode", "preview")
    assert (ran.exit_code, "this server is a standby" in ran.log) == (0, True)


def test_the_health_of_a_standby_can_be_looked_at(pair: tuple[Database, Database]) -> None:
    facts = facts_of(pair[1])
    assert (facts.database, facts.synchronous.names, facts.link.local) == ("postgres", "", True)


def test_a_primary_tells_which_standbys_a_commit_would_wait_for(pair: tuple[Database, Database]) -> None:
    primary, _ = pair

    def asks_for(names: str, connected: int) -> HealthFacts:
        primary.query(f"ALTER SYSTEM SET synchronous_standby_names = '{names}'")
        primary.query("SELECT pg_reload_conf()")
        until(lambda: facts_of(primary).synchronous == Synchronous(names=names, connected=connected))
        return facts_of(primary)

    try:
        assert missing_standbys(asks_for("walreceiver", 1)) == []
        assert missing_standbys(asks_for("ANY 1 (*)", 1)) == []
        (finding,) = missing_standbys(asks_for("FIRST 2 (walreceiver, elsewhere)", 1))
        assert finding.message.endswith("which asks for 2, and there are 1")
        assert [row[0] for row in primary.query(finding.detail)] == ["walreceiver"]
        (finding,) = missing_standbys(asks_for("elsewhere", 0))
        assert finding.message.endswith("which asks for 1, and there are 0")
    finally:
        primary.query("ALTER SYSTEM RESET synchronous_standby_names")
        primary.query("SELECT pg_reload_conf()")


def test_a_role_that_does_not_see_what_standbys_confirm_says_nothing_of_them(pair: tuple[Database, Database]) -> None:
    primary, _ = pair
    primary.query("CREATE ROLE nobody LOGIN")
    try:
        facts = facts_of(primary, "nobody")
    finally:
        primary.query("DROP ROLE nobody")
    assert facts.synchronous.connected is None

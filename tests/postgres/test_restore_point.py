"""The place that a database can be restored to is really there: the log has it, and a recovery ends at it."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from runner.core.database_url import DatabaseUrl
from runner.core.model import RestorePointMode
from runner.core.restore_point import RestorePoint, RestorePointFacts
from runner.errors import DatabaseUnusable
from runner.postgres.embedded import EmbeddedServer
from runner.postgres.restore_point import make_restore_point, restore_point_facts
from runner.postgres.session import Connection, connect
from tests.conftest import Database
from tests.faults.servers import SERVER_USER, durable_server

NAME = "db_migrate_1a2b3c4d"
FUNCTIONS = "pg_catalog.pg_create_restore_point(text)", "pg_catalog.pg_current_wal_insert_lsn()"


def as_role(database: Database, role: str) -> Connection:
    return connect(DatabaseUrl(value=database.as_role(role)), application_name="a test")


def made(database: Database, role: str = "postgres") -> RestorePoint:
    with as_role(database, role) as connection:
        return make_restore_point(connection, NAME, facts=restore_point_facts(connection))


def log_since(database: Database, lsn: str) -> str:
    """The records of the write-ahead log from a place on, as pg_waldump shows them."""
    done = subprocess.run(
        [database.server.programs / "pg_waldump", "-p", database.server.folder / "pg_wal", "--start", lsn],
        capture_output=True, text=True,
    )  # fmt: skip  # it ends in an error where the log does
    return done.stdout


def test_a_superuser_makes_a_named_one(database: Database) -> None:
    before = str(database.value("SELECT pg_current_wal_insert_lsn()"))
    point = made(database)
    assert (point.name, point.text) == (NAME, NAME)
    assert point.at.tzinfo is UTC
    assert abs(point.at - datetime.now(UTC)) < timedelta(minutes=1)
    database.query("CHECKPOINT")  # brings the log to the disk
    log = log_since(database, before)
    assert f"RESTORE_POINT {NAME}" in log
    assert database.value("SELECT %s::pg_lsn > %s::pg_lsn", point.lsn, before)


def test_a_role_with_the_right_makes_a_named_one(database: Database) -> None:
    with as_role(database, "nobody") as connection:
        database.query(restore_point_facts(connection).grant.partition(";")[0])  # the grant that is told
    assert made(database, "nobody").name == NAME


def test_a_role_without_the_right_notes_position_and_time(database: Database) -> None:
    before = database.value("SELECT pg_current_wal_insert_lsn()")
    point = made(database, "nobody")
    assert point.name == ""
    assert database.value("SELECT %s::pg_lsn >= %s::pg_lsn", point.lsn, before)
    assert point.text == f"{point.lsn} at {point.at:%Y-%m-%d %H:%M:%S} UTC"


def test_a_role_that_may_not_even_ask_notes_the_time(database: Database) -> None:
    database.query(f"REVOKE EXECUTE ON FUNCTION {FUNCTIONS[1]} FROM PUBLIC")
    point = made(database, "nobody")
    assert (point.name, point.lsn) == ("", "")
    assert abs(point.at - datetime.now(UTC)) < timedelta(minutes=1)


def test_the_time_is_the_servers_in_whatever_zone_it_shows_it(database: Database) -> None:
    with database.connect() as connection:
        connection.execute("SET timezone = 'Asia/Kathmandu'")
        point = make_restore_point(connection, NAME, facts=restore_point_facts(connection))
    assert point.at.tzinfo is UTC
    assert abs(point.at - datetime.now(UTC)) < timedelta(minutes=1)


def test_a_right_that_is_lost_meanwhile_leaves_position_and_time(database: Database) -> None:
    with as_role(database, "nobody") as connection:
        facts = replace(restore_point_facts(connection), may_name=True)
        point = make_restore_point(connection, NAME, facts=facts)
        assert (point.name, bool(point.lsn)) == ("", True)
        database.query(f"REVOKE EXECUTE ON FUNCTION {FUNCTIONS[1]} FROM PUBLIC")
        assert make_restore_point(connection, NAME, facts=facts).lsn == ""


def test_a_right_that_is_lost_meanwhile_ends_a_run_that_requires_it(database: Database) -> None:
    with as_role(database, "nobody") as connection:
        facts = replace(restore_point_facts(connection), may_name=True)
        with pytest.raises(DatabaseUnusable, match="cannot be made: permission denied for function") as caught:
            make_restore_point(connection, NAME, facts=facts, mode=RestorePointMode.REQUIRED)
    assert caught.value.findings[0].hint == facts.grant


def test_a_lost_connection_is_not_a_lost_right(database: Database) -> None:
    with as_role(database, "nobody") as connection:
        facts = restore_point_facts(connection)
        database.query("SELECT pg_terminate_backend(%s)", connection.info.backend_pid)
        with pytest.raises(DatabaseUnusable, match="the restore point cannot be made: terminating connection"):
            make_restore_point(connection, NAME, facts=facts)


def test_facts_are_those_of_role_and_server(database: Database) -> None:
    with as_role(database, "nobody") as connection:
        assert restore_point_facts(connection) == RestorePointFacts(
            role="nobody", may_name=False, may_locate=True, wal_level="replica", in_recovery=False, archived=False
        )
        assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    with as_role(database, "postgres") as connection:
        assert restore_point_facts(connection).may_name


# A recovery


@dataclass(frozen=True)
class Archived:
    """A server with a base backup from its beginning, and with all of its log since."""

    server: EmbeddedServer
    base: Path
    log: Path
    points: dict[str, RestorePoint]


def as_the_server(*command: object) -> None:
    done = subprocess.run(
        [str(word) for word in command],
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,  # not a pipe: a server that is started would keep it open
        stderr=subprocess.DEVNULL,
        user=SERVER_USER if os.geteuid() == 0 else None,
    )
    assert done.returncode == 0, command


@contextmanager
def a_folder() -> Iterator[Path]:
    """One that is the server's."""
    folder = Path(tempfile.mkdtemp(prefix="db-migrate-test-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, SERVER_USER)
        yield folder
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module", params=[16, 18], ids=["pg16", "pg18"])
def archived(request: pytest.FixtureRequest) -> Iterator[Archived]:
    """A server with a table from before its restore points, one of each kind, and two from behind them."""
    with durable_server(request.param) as durable, a_folder() as folder:
        server = durable.server
        settings = {"archive_mode": "on", "archive_command": f"cp %p {folder}/log/%f"}
        (folder / "log").mkdir()
        if os.geteuid() == 0:
            shutil.chown(folder / "log", SERVER_USER)
        with connect(server.url(), application_name="a test") as connection:
            for name, value in settings.items():
                connection.execute(f"ALTER SYSTEM SET {name} = '{value}'".encode())
        durable.restart()
        as_the_server(server.programs / "pg_basebackup", "-D", folder / "base", "-h", server.folder, "-U", "postgres",
                      "--checkpoint=fast", "--wal-method=none")  # fmt: skip
        with connect(server.url(), application_name="a test") as connection:
            connection.execute("CREATE TABLE before_it ()")
            facts = restore_point_facts(connection)
            points = {
                "name": make_restore_point(connection, NAME, facts=facts),
                "position": make_restore_point(connection, NAME, facts=replace(facts, may_name=False)),
                "time": make_restore_point(connection, NAME, facts=replace(facts, may_name=False, may_locate=False)),
            }
            connection.execute("CREATE TABLE after_it ()")
            connection.execute("CREATE TABLE later ()")
            connection.execute("SELECT pg_switch_wal()")
        yield Archived(server, folder / "base", folder / "log", points)
        durable.stop()
        durable.restarted = False


@contextmanager
def restored(archived: Archived, target: dict[str, str]) -> Iterator[EmbeddedServer]:
    """A server that was restored to a place, as docs/restore.md tells."""
    with a_folder() as folder:
        data = folder / "data"
        as_the_server("cp", "-a", archived.base, data)
        settings = {"restore_command": f"cp {archived.log}/%f %p", "recovery_target_action": "promote", **target}
        lines = [f"{name} = '{value}'" for name, value in settings.items()]
        with (data / "postgresql.auto.conf").open("a") as file:
            file.write("\n".join([*lines, "archive_mode = off", ""]))
        (data / "recovery.signal").touch()
        control = [archived.server.programs / "pg_ctl", "-D", data, "-w"]
        where = f"-k {folder} -c listen_addresses="
        as_the_server(*control, "start", "-l", folder / "log", "-o", where)
        try:
            yield EmbeddedServer(folder, archived.server.programs)
        finally:
            as_the_server(*control, "stop", "-m", "immediate")


def target_of(point: RestorePoint) -> dict[str, Any]:
    if point.name:
        return {"recovery_target_name": point.name}
    if point.lsn:
        return {"recovery_target_lsn": point.lsn, "recovery_target_inclusive": "off"}
    return {"recovery_target_time": point.at.isoformat()}


def tables(server: EmbeddedServer) -> list[str]:
    query = b"SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY oid"
    with connect(server.url(), application_name="a test") as connection:
        return [name for (name,) in connection.execute(query).fetchall()]


@pytest.mark.parametrize("kind", ["name", "position", "time"])
def test_a_recovery_ends_at_the_point(archived: Archived, kind: str) -> None:
    point = archived.points[kind]
    assert point.archived is True
    assert (bool(point.name), bool(point.lsn)) == (kind == "name", kind != "time")
    with restored(archived, target_of(point)) as server:
        assert tables(server) == ["before_it"]


def test_a_recovery_without_one_goes_on_to_the_end(archived: Archived) -> None:
    with restored(archived, {}) as server:
        assert tables(server) == ["before_it", "after_it", "later"]


def test_an_archive_that_goes_nowhere_is_none(archived: Archived) -> None:
    with connect(archived.server.url(), application_name="a test") as connection:
        assert restore_point_facts(connection).archived is True
        connection.execute("ALTER SYSTEM SET archive_command = ''")
        connection.execute("SELECT pg_reload_conf()")
    with connect(archived.server.url(), application_name="a test") as connection:
        assert restore_point_facts(connection).archived is False

"""What is seen of a real server's health, what of it is told, and what becomes of a run that meets it."""

import itertools
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from runner.core.ailments import ailments
from runner.core.database_url import DatabaseUrl
from runner.core.health import HealthFacts, InvalidIndex
from runner.errors import DatabaseUnusable, Finding
from runner.postgres.embedded import EmbeddedServer
from runner.postgres.health import health_facts, is_local, link_of
from runner.postgres.session import Connection, connect
from tests.commands.conftest import Ran, run_captured
from tests.conftest import VERSIONS, Database
from tests.faults.servers import SERVER_USER, durable_server
from tests.ports import free_port
from tests.postgres.pgbouncer import PROGRAM as PGBOUNCER

LATER = timedelta(minutes=20)
PATIENCE = 20  # seconds
_numbers = itertools.count(1)


def looked(connection: Connection, later: timedelta = timedelta()) -> HealthFacts:
    """What is seen, as if so much time had gone by."""
    row = connection.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    now: datetime = row[0]
    return health_facts(connection, at=now + later)


def told(database: Database, later: timedelta = timedelta()) -> list[Finding]:
    """What a run would tell, as if so much time had gone by."""
    with connect(database.url, application_name="db-migrate worker") as connection:
        return ailments(looked(connection, later))


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def sql_of(hint: str) -> str:
    """The statement that a hint ends with."""
    found = re.search(r"(?:SELECT|ROLLBACK|GRANT|DROP) .*?;", hint)
    assert found is not None
    return found[0]


@contextmanager
def in_transaction(database: Database, name: str = "reporting", role: str = "postgres") -> Iterator[Connection]:
    """A session that has read something and does not go on."""
    url = DatabaseUrl(value=database.as_role(role))
    with connect(url, application_name=name) as connection:
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM pg_class WHERE relname = 'secret'")
        yield connection


# Transactions


def test_an_idle_transaction_is_told_when_it_is_old_and_the_hint_ends_it(database: Database) -> None:
    with in_transaction(database) as other:
        pid = other.info.backend_pid
        assert told(database) == []
        (finding,) = told(database, LATER)
        assert re.fullmatch(
            f"an old transaction stands idle: pid {pid}, reporting, role postgres, idle in transaction for "
            r"20 min 0\d s: SELECT count\(\*\) FROM pg_class WHERE relname = '…'",
            finding.message,
        )
        assert [row[1] for row in database.query(finding.detail)] == ["reporting"]
        assert database.query(sql_of(finding.hint)) == [(True,)]
        with pytest.raises(psycopg.OperationalError):
            other.execute("SELECT 1")
        until(lambda: told(database, LATER) == [])


def test_a_transaction_at_work_is_told_and_the_hint_ends_its_statement(database: Database) -> None:
    with in_transaction(database) as other:
        failed: list[BaseException] = []

        def work() -> None:
            try:
                other.execute("SELECT pg_sleep(60)")
            except psycopg.Error as error:
                failed.append(error)

        worker = threading.Thread(target=work)
        worker.start()
        until(lambda: database.query("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"))
        (finding,) = told(database, LATER)
        database.query(sql_of(finding.hint))
        worker.join(PATIENCE)
        assert finding.message.startswith(f"an old transaction is at work: pid {other.info.backend_pid}, reporting")
        assert [type(error) for error in failed] == [psycopg.errors.QueryCanceled]


def test_our_own_sessions_and_those_of_other_databases_are_not_told(
    database: Database, servers: Callable[[int], EmbeddedServer], version: int
) -> None:
    elsewhere = Database(servers(version), "postgres")
    with in_transaction(database, "db-migrate watcher"), in_transaction(elsewhere):
        assert told(database, LATER) == []


def test_idle_sessions_are_not_told(database: Database) -> None:
    with database.connect():
        assert told(database, LATER) == []


# Dumps


def test_a_dump_under_way_is_told(database: Database) -> None:
    database.query("CREATE TABLE held ()")
    program = database.server.programs / "pg_dump"
    with in_transaction(database, "the holder") as holder:
        holder.execute("LOCK TABLE held")
        dump = subprocess.Popen([program, "--dbname", database.url.value], stdout=subprocess.DEVNULL)
        try:
            until(lambda: told(database))
            (finding,) = told(database)
        finally:
            holder.execute("ROLLBACK")
            assert dump.wait(PATIENCE) == 0
    assert finding.message.startswith("a dump is running: pid ")
    assert ", pg_dump, role postgres, active for " in finding.message


def test_a_long_copy_to_a_client_is_a_dump(database: Database) -> None:
    endless = "COPY (SELECT repeat('x', 1000) FROM generate_series(1, 100000)) TO STDOUT"
    with database.connect() as other, other.cursor() as cursor, cursor.copy(endless) as copy:
        copy.read()
        (finding,) = told(database, LATER)
        other.close()
    assert finding.message.startswith("a dump is running: pid ")


# Indexes


def test_an_index_whose_build_failed_is_told_but_not_while_somebody_works_on_it(database: Database) -> None:
    database.query('CREATE TABLE "Twice" AS SELECT 1 AS a FROM generate_series(1, 2)')
    with suppress(psycopg.errors.UniqueViolation):
        database.query('CREATE UNIQUE INDEX CONCURRENTLY "one of" ON "Twice" (a)')
    (finding,) = told(database)
    assert 'index public."one of" of public."Twice" is invalid' in finding.message
    assert database.query(finding.detail) == [('"one of"', '"Twice"')]
    with in_transaction(database) as builder:
        builder.execute('LOCK TABLE "Twice" IN SHARE UPDATE EXCLUSIVE MODE')
        assert told(database) == []
        with database.connect() as connection:
            (index,) = looked(connection).invalid
        assert index.builder == builder.info.backend_pid
    database.query(sql_of(finding.hint))
    assert told(database) == []


def test_a_parent_that_waits_for_its_parts_is_told_apart(database: Database) -> None:
    database.query("CREATE TABLE parent (a int) PARTITION BY RANGE (a)")
    database.query("CREATE TABLE part PARTITION OF parent DEFAULT")
    database.query("CREATE INDEX parent_idx ON ONLY parent (a)")
    with database.connect() as connection:
        assert looked(connection).invalid == (
            InvalidIndex(name="public.parent_idx", table="public.parent", partitioned=True),
        )
    (finding,) = told(database)
    assert database.query(finding.detail) == []
    database.query("CREATE INDEX part_idx ON part (a)")
    database.query("ALTER INDEX parent_idx ATTACH PARTITION part_idx")
    assert database.query(finding.detail) == [("part_idx",)]
    assert told(database) == []


# What a role may see


def test_a_role_without_rights_sees_that_others_are_there_and_dumps_by_their_name(database: Database) -> None:
    url = DatabaseUrl(value=database.as_role("nobody"))
    with in_transaction(database, "secretive"), in_transaction(database, "pg_dump"):
        with connect(url, application_name="db-migrate worker") as connection:
            facts = looked(connection, LATER)
            assert facts.hidden == 2
            (finding,) = ailments(facts)
            assert re.fullmatch(r"a dump is running: pid \d+, pg_dump, role postgres", finding.message)
        database.query("GRANT pg_read_all_stats TO nobody")
        try:
            with connect(url, application_name="db-migrate worker") as connection:
                facts = looked(connection, LATER)
        finally:
            database.query("REVOKE pg_read_all_stats FROM nobody")
    assert facts.hidden == 0
    assert [session.application for session in facts.sessions] == ["pg_dump", "secretive"]


# The way to the server


@pytest.mark.parametrize(
    ("host", "address", "local"),
    [
        ("/var/run/postgresql", "", True),
        ("@abstract", "", True),
        ("localhost", "127.0.0.1", True),
        ("::1", "::1", True),
        ("postgres", "172.18.0.2", True),  # a service by its label
        ("postgres", "fd00::2", True),
        ("172.18.0.2", "172.18.0.2", False),
        ("db.internal", "10.0.0.7", False),
        ("db", "8.8.8.8", False),
        ("fe80::1%eth0", "fe80::1%eth0", False),
    ],
)
def test_a_way_is_local_when_nobody_else_stands_on_it(host: str, address: str, local: bool) -> None:
    assert is_local(host, address) is local


def test_a_socket_is_local_and_not_encrypted(database: Database) -> None:
    with database.connect() as connection:
        link = link_of(connection)
    assert (link.local, link.encrypted, link.sslmode) == (True, False, "")


@contextmanager
def tls_pooler(behind: Database) -> Iterator[tuple[str, Path]]:
    """A pooler in session mode that speaks TLS only: its address, and its certificate. The servers of the tests speak
    no TLS.
    """
    assert PGBOUNCER is not None, "PgBouncer is needed: apt-get install pgbouncer"
    folder = Path(tempfile.mkdtemp(prefix="db-migrate-tls-"))
    port = free_port()
    certificate, key = folder / "certificate", folder / "key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    (folder / "users").write_text('"postgres" ""\n')
    (folder / "config").write_text(
        f"[databases]\n* = host={behind.server.folder}\n[pgbouncer]\nunix_socket_dir =\nlisten_addr = 127.0.0.1\n"
        f"listen_port = {port}\nauth_type = trust\nauth_file = {folder}/users\npool_mode = session\n"
        f"client_tls_sslmode = require\nclient_tls_key_file = {key}\nclient_tls_cert_file = {certificate}\n"
    )
    user = SERVER_USER if os.geteuid() == 0 else None
    if user:
        for path in (folder, *folder.iterdir()):
            shutil.chown(path, user)
    process = subprocess.Popen([PGBOUNCER, "--quiet", folder / "config"], user=user, cwd="/", stderr=subprocess.DEVNULL)
    try:
        yield f"postgresql://postgres@localhost:{port}/{behind.name}?", certificate
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder)


@pytest.mark.parametrize("version", VERSIONS[-1:])
def test_tls_is_seen_with_how_the_server_was_verified(database: Database) -> None:
    with tls_pooler(database) as (address, certificate):

        def link(parameters: str) -> tuple[bool, bool, str]:
            with connect(DatabaseUrl(value=address + parameters), application_name="a test") as connection:
                facts = health_facts(connection)
            return facts.link.local, facts.link.encrypted, facts.link.sslmode

        def answers() -> bool:
            with suppress(DatabaseUnusable):
                link("")
                return True
            return False

        until(answers)
        assert link("") == (True, True, "prefer")
        assert link("sslmode=require") == (True, True, "require")
        root = quote(str(certificate), safe="")
        assert link(f"sslmode=verify-full&sslrootcert={root}") == (True, True, "verify-full")


# Limits, and servers of a test's own


ON_TIGHT = pytest.mark.xdist_group("a tight server")  # so that it is started once


@pytest.fixture(scope="module")
def tight() -> Iterator[Database]:
    """A server with six connections, two of them for superusers, with prepared transactions and an eager autovacuum."""
    settings = {
        "max_connections": "6",
        "superuser_reserved_connections": "2",
        "max_prepared_transactions": "2",
        "autovacuum": "on",
        "autovacuum_naptime": "1s",
        "fsync": "off",
    }
    with durable_server(VERSIONS[-1]) as durable:
        database = Database(durable.server, "postgres")
        for name, value in settings.items():
            database.query(f"ALTER SYSTEM SET {name} = '{value}'")
        durable.restart()
        database.query("CREATE ROLE nobody LOGIN")
        yield database


@ON_TIGHT
def test_a_full_server_says_so_and_is_seen_to_fill(tight: Database) -> None:
    plain = DatabaseUrl(value=tight.as_role("nobody"))
    with ExitStack() as stack:

        def another(url: DatabaseUrl) -> Connection:
            return stack.enter_context(connect(url, application_name="a test"))

        until(lambda: tight.value("SELECT count(*) FROM pg_stat_activity WHERE datname IS NOT NULL") == 1)
        first = another(plain)
        assert ailments(looked(first)) == []
        (server,) = [limit for limit in looked(first).limits if limit.scope == "server"]
        assert (server.used, server.allowed) == (1, 4)
        another(plain), another(plain)
        assert [finding.message for finding in ailments(looked(first))] == [
            "3 of 4 connections of the server are in use"
        ]
        another(plain)
        with pytest.raises(DatabaseUnusable, match="remaining connection slots are reserved") as reserved:
            another(plain)
        another(tight.url), another(tight.url)
        with pytest.raises(DatabaseUnusable, match="too many clients already") as full:
            another(tight.url)
    assert all("raise max_connections" in refused.value.findings[0].hint for refused in (reserved, full))


@ON_TIGHT
def test_an_old_prepared_transaction_is_told_and_the_hint_ends_it(tight: Database) -> None:
    with tight.connect() as other:
        other.execute("BEGIN")
        other.execute("CREATE TABLE promised ()")
        other.execute("PREPARE TRANSACTION 'it''s \\ ours'")
    assert told(tight) == []
    (finding,) = told(tight, LATER)
    assert "COMMIT PREPARED: it's \\ ours, role postgres, for 20 min 0" in finding.message
    assert len(tight.query(finding.detail)) == 1
    tight.query(sql_of(finding.hint.partition(" or ")[2]))
    assert told(tight, LATER) == []


@ON_TIGHT
def test_standbys_that_are_not_connected_are_told(tight: Database) -> None:
    with tight.connect() as connection:
        connection.execute("SET synchronous_commit = on")
        try:
            tight.query("ALTER SYSTEM SET synchronous_standby_names = 'FIRST 1 (elsewhere)'")
            tight.query("SELECT pg_reload_conf()")
            until(lambda: looked(connection).synchronous.names)
            (finding,) = ailments(looked(connection))
            assert finding.message.startswith("COMMIT would wait for standbys that are not connected")
            connection.execute("SET synchronous_commit = local")
            assert ailments(looked(connection)) == []
        finally:
            tight.query("ALTER SYSTEM RESET synchronous_standby_names")
            tight.query("SELECT pg_reload_conf()")
            until(lambda: not looked(connection).synchronous.names)


USE_UP = """
    DO $$ BEGIN FOR i IN 1..100100 LOOP
        BEGIN INSERT INTO used_up VALUES (i); EXCEPTION WHEN division_by_zero THEN NULL; END;
    END LOOP; END $$"""  # each block is a transaction of its own to those who count them


@ON_TIGHT
def test_an_autovacuum_to_prevent_wraparound_is_told(tight: Database) -> None:
    tight.query("CREATE TABLE aged WITH (autovacuum_freeze_max_age = 100000) AS SELECT 1 AS a")
    with tight.connect() as holder, tight.connect() as connection:
        holder.execute("BEGIN")
        holder.execute("LOCK TABLE aged")  # it gives way to nobody, and so it waits
        connection.execute("CREATE TEMP TABLE used_up (a int)")
        connection.execute(USE_UP.encode())
        until(lambda: looked(connection).vacuums)
        facts = looked(connection)
        (finding,) = ailments(facts)
        detail = tight.query(finding.detail)
        holder.execute("ROLLBACK")
        until(lambda: not looked(connection).vacuums)
    assert facts.oldest_transaction > 100_000
    assert finding.message.startswith("autovacuum works on public.aged to prevent wraparound")
    assert [row[0] for row in detail if "(to prevent wraparound)" in str(row[1])] != []


# The page


def test_the_statements_of_the_page_are_ones(database: Database) -> None:
    page = (Path(__file__).parents[2] / "docs" / "health.md").read_text()
    statements = re.findall(r"```sql\n(SELECT.*?;)\n```", page, re.DOTALL)
    assert len(statements) == 10
    for statement in statements:
        database.query(statement.replace("'NAME'", "'pg_class'"))


# Whole runs


@pytest.fixture
def migrate(database: Database, checkout: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Runs `db-migrate` with one migration on the database."""
    (checkout / "migrations" / "01_one.sql").write_text("CREATE TABLE one ();")

    def ran(*argv: str, url: str = "") -> Ran:
        environ = {"DATABASE_URL": url or database.url.value, "GITHUB_WORKSPACE": str(checkout), "GITHUB_ACTOR": "ada"}
        return run_captured(capsys, checkout, argv, environ)

    return ran


def test_a_read_only_database_is_refused_and_stays_as_it_is(database: Database, migrate: Callable[..., Ran]) -> None:
    database.query(f"ALTER DATABASE {database.name} SET default_transaction_read_only = on")
    ran = migrate()
    assert ran.exit_code == 6
    assert f"database {database.name} is read-only for role postgres" in ran.log
    assert database.tables() == set()


def test_a_role_that_may_not_connect_is_told_the_grant(database: Database, migrate: Callable[..., Ran]) -> None:
    database.query(f"REVOKE CONNECT ON DATABASE {database.name} FROM PUBLIC")
    ran = migrate(url=database.as_role("nobody"))
    assert ran.exit_code == 6
    assert "GRANT CONNECT ON DATABASE" in ran.log


def test_a_role_without_rights_is_refused(database: Database, migrate: Callable[..., Ran]) -> None:
    database.query("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    ran = migrate(url=database.as_role("nobody"))
    assert ran.exit_code == 6
    assert 'GRANT USAGE, CREATE ON SCHEMA "public" TO "nobody";' in ran.log
    assert database.tables() == set()


@pytest.fixture
def role(database: Database) -> str:
    """A role of one test, which may do all in its database."""
    name = f"limited_{database.name}_{next(_numbers)}"
    database.query(f"CREATE ROLE {name} LOGIN")
    database.query(f"GRANT ALL ON SCHEMA public TO {name}")
    return name


@pytest.mark.parametrize("limit", [0, 1])
@pytest.mark.parametrize("whose", ["role", "database"])
def test_a_limit_that_is_too_low_is_told_and_nothing_is_written(
    database: Database, migrate: Callable[..., Ran], role: str, whose: str, limit: int
) -> None:
    name = role if whose == "role" else database.name
    database.query(f"ALTER {whose} {name} CONNECTION LIMIT {limit}")
    ran = migrate(url=database.as_role(role))
    assert ran.exit_code == 6
    assert f'too many connections for {whose} "{name}"' in ran.log
    assert f"ALTER {whose.upper()} … CONNECTION LIMIT" in ran.log
    database.query(f"ALTER {whose} {name} CONNECTION LIMIT -1")
    assert database.tables() == set()


@pytest.mark.parametrize("whose", ["role", "database"])
def test_a_limit_that_may_be_too_low_is_seen(database: Database, role: str, whose: str) -> None:
    name = role if whose == "role" else database.name
    database.query(f"ALTER {whose} {name} CONNECTION LIMIT 2")
    with connect(DatabaseUrl(value=database.as_role(role)), application_name="a test") as connection:
        messages = [finding.message for finding in ailments(looked(connection))]
        assert messages == [f"1 of 2 connections of the {whose} {name} are in use"]
        database.query(f"ALTER {whose} {name} CONNECTION LIMIT 30")
        assert ailments(looked(connection)) == []


def test_a_role_that_may_not_log_in_is_told_so(database: Database, migrate: Callable[..., Ran], role: str) -> None:
    database.query(f"ALTER ROLE {role} NOLOGIN")
    ran = migrate(url=database.as_role(role))
    assert ran.exit_code == 6
    assert "ALTER ROLE … LOGIN" in ran.log


def test_a_database_that_lets_nobody_in_is_told_so(database: Database, migrate: Callable[..., Ran]) -> None:
    with connect(database.server.url(), application_name="a test") as connection:
        connection.execute(f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS false".encode())
    ran = migrate()
    assert ran.exit_code == 6
    assert "ALTER DATABASE … ALLOW_CONNECTIONS true" in ran.log


def test_a_finding_warns_or_refuses_as_it_is_asked_to(database: Database, migrate: Callable[..., Ran]) -> None:
    database.query("CREATE TABLE twice AS SELECT 1 AS a FROM generate_series(1, 2)")
    with suppress(psycopg.errors.UniqueViolation):
        database.query("CREATE UNIQUE INDEX CONCURRENTLY left_behind ON twice (a)")
    ran = migrate("--health", "error")
    assert ran.exit_code == 3
    assert "health: 1 finding about the server" in ran.log
    assert "DROP INDEX CONCURRENTLY public.left_behind;" in ran.log
    assert database.tables() == {"twice"}
    tried = migrate("--health", "error", "--dry-run")
    assert (tried.exit_code, "index public.left_behind of public.twice is invalid" in tried.log) == (0, True)
    warned = migrate("--health", "warn")
    assert (warned.exit_code, "index public.left_behind of public.twice is invalid" in warned.log) == (0, True)

"""What must hold whatever a file does to its session and its transaction."""

import pytest

from tests.commands.conftest import CommandLine
from tests.conftest import ON_NEWEST, Database

LARGE = "-- " + "x" * 1_100_000 + "\n"  # so large a file is not sent ahead
BOTH_WAYS = pytest.mark.parametrize("large", ["", LARGE], ids=["sent ahead", "waiting"])
OPERATORS = """
    CREATE SCHEMA app; CREATE FUNCTION app.no(text, text) RETURNS bool LANGUAGE sql AS 'SELECT false';
    CREATE OPERATOR app.= (LEFTARG = text, RIGHTARG = text, FUNCTION = app.no);
    SET search_path = app, pg_catalog;"""
DEFERRED = """
    CREATE TABLE seen (role text);
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN {work}; INSERT INTO seen VALUES (current_user); RETURN NULL; END $$;
    CREATE TABLE t (id int);
    CREATE CONSTRAINT TRIGGER note AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION note();
    GRANT ALL ON t, seen TO nobody"""


@BOTH_WAYS
def test_what_is_deferred_runs_with_the_role_of_the_file(
    db_migrate: CommandLine, database: Database, large: str
) -> None:
    database.query(DEFERRED.format(work="NULL"))
    db_migrate.write(_01_x=f"{large}SET ROLE nobody;\nINSERT INTO t VALUES (1);")
    ran = db_migrate()
    assert ran.exit_code == 0, ran.log
    assert database.query("SELECT role FROM seen") == [("nobody",)]


@BOTH_WAYS
def test_nothing_is_committed_when_the_mutex_is_lost_in_what_is_deferred(
    db_migrate: CommandLine, database: Database, large: str
) -> None:
    watcher = "application_name LIKE ''db-migrate watcher%''".replace("''", "'")
    work = f"PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE {watcher}; PERFORM pg_sleep(0.3)"
    database.query(DEFERRED.format(work=work))
    db_migrate.write(_01_x=f"{large}INSERT INTO t VALUES (1);")
    ran = db_migrate()
    assert ran.exit_code == 1
    assert "no longer holds the mutex" in ran.log
    assert database.query("SELECT id FROM t") == []


@BOTH_WAYS
@pytest.mark.parametrize(
    "sql",
    [
        OPERATORS,
        "CREATE TEMP TABLE pg_locks (x int);",
        "SET lock_timeout = '1ms'; SET statement_timeout = '5ms';",
        "RESET ALL;",
        "SET application_name = 'mine';",
        "SET standard_conforming_strings = off; SET client_min_messages = error;",
        "SET session_replication_role = replica; SET SESSION AUTHORIZATION nobody;",
    ],
    ids=["operators", "catalog", "limits", "reset", "name", "strings", "authorization"],
)
def test_what_a_file_sets_reaches_no_statement_of_ours(db_migrate: CommandLine, large: str, sql: str) -> None:
    db_migrate.write(_01_x=large + sql, _02_y="SELECT 1;")
    ran = db_migrate()
    assert ran.exit_code == 0, ran.log


@BOTH_WAYS
def test_a_transaction_that_may_not_write_is_said_to_be_that(db_migrate: CommandLine, large: str) -> None:
    db_migrate.write(_01_x=large + "SET TRANSACTION READ ONLY;")
    ran = db_migrate()
    assert ran.exit_code == 1
    assert "migrations/01_x.sql: the ledger's row could not be written: cannot execute" in ran.log


CHECKS = {
    "TABLE a": True,
    "VALUES (true), (true)": True,
    "SELECT true; -- the end": True,
    "WITH x AS (SELECT true AS ok) SELECT ok FROM x ORDER BY 1 LIMIT 1": True,
    "SELECT true AS first, 1 AS first, 2 AS number": True,
    "SELECT true, 'a % b' WHERE 5 % 2 = 1": True,
    "SELECT yes FROM (SELECT true::yes AS yes) AS x": True,
    "SELECT NULL::bool": False,
    "SELECT true WHERE false": False,
    "SELECT 1": False,
    "SELECT 'true'": False,
    "SELECT 'true'::json": False,
    "SELECT FROM a": False,
    "SELECT true, 1 / (id - 1) FROM b": False,
    "SELECT true, must_hold()": False,
    "SELECT true UNION ALL SELECT false": False,
}


@ON_NEWEST
@pytest.mark.parametrize("way", ["", " /* UPDATE: so it is not sent ahead */"], ids=["sent ahead", "waiting"])
@pytest.mark.parametrize("check", CHECKS)
def test_a_check_is_judged_alike_ahead_and_waiting(
    db_migrate: CommandLine, database: Database, check: str, way: str
) -> None:
    database.query(
        "CREATE TABLE a AS SELECT true AS ok; CREATE TABLE b AS SELECT 1 AS id; CREATE DOMAIN yes AS bool; "
        "CREATE FUNCTION must_hold() RETURNS int LANGUAGE plpgsql STABLE AS $$ BEGIN RAISE 'it does not'; END $$"
    )
    db_migrate.write(_01_x="SELECT 1;", _01_x__check=check + way)
    ran = db_migrate()
    assert (ran.exit_code == 0) is CHECKS[check], ran.log


def test_a_release_keeps_what_makes_the_server_notice_a_dead_runner(
    db_migrate: CommandLine, database: Database
) -> None:
    show = "SELECT current_setting('{0}') AS {0}"
    names = ["client_connection_check_interval", "idle_in_transaction_session_timeout", "lock_timeout"]
    look = "CREATE TABLE seen{} AS " + ", ".join(show.format(name) for name in names).replace(", SELECT", ",") + ";"
    db_migrate.write(_01_x=look.format(1), _02_y=look.format(2))
    assert db_migrate("--transaction", "release").exit_code == 0
    assert database.query("TABLE seen2") == database.query("TABLE seen1") == [("2s", "1min", "5s")]


def test_what_is_deferred_to_the_end_of_a_release_is_blamed_on_no_line(
    db_migrate: CommandLine, database: Database
) -> None:
    database.query("CREATE TABLE u (id int PRIMARY KEY); "
                   "CREATE TABLE p (id int REFERENCES u DEFERRABLE INITIALLY DEFERRED)")  # fmt: skip
    db_migrate.write(_01_x="INSERT INTO p VALUES (7);", _02_y="SELECT 1;")
    ran = db_migrate("--transaction", "release")
    assert ran.exit_code == 1
    assert "when all files were to be committed, one of which is the cause: insert or update on table" in ran.log
    db_migrate.write(_02_y="INSERT INTO u VALUES (7);")
    assert db_migrate("--transaction", "release").exit_code == 0


def test_a_limit_of_the_server_on_transactions_is_not_ours(db_migrate: CommandLine, database: Database) -> None:
    if database.server.programs.parent.name == "pginstall18":
        database.query(f"ALTER DATABASE {database.name} SET transaction_timeout = '200ms'")
    db_migrate.write(_01_x="SELECT pg_sleep(0.5);")
    assert db_migrate().exit_code == 0

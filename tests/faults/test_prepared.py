"""What the runner has prepared in its session, and what migrations do to that and to the session."""

import pytest

from tests.conftest import ON_NEWEST, Database
from tests.faults.runs import Checkout

RELEASE = "--transaction=release"
COUNTED = "CREATE TABLE ran AS SELECT nextval('starts')"
DEALLOCATE = f"DO $$ BEGIN {COUNTED}; EXECUTE 'DEALLOCATE ' || 'ALL'; END $$;"
PREPARE = "DO $$ BEGIN EXECUTE 'PREPARE of_the_file AS SELECT 1'; END $$;"
STATUS = "SELECT version, status FROM schema_migrations ORDER BY version"
RUNNING = "SELECT array_agg(version || ' ' || status ORDER BY version) FROM schema_migrations WHERE status <> 'pending'"
SESSION = """
    SELECT current_user || ' ' || session_user AS role, current_setting('search_path') AS path,
           current_setting('lock_timeout') AS lock_timeout, current_setting('synchronous_commit') AS commit,
           to_regclass('pg_temp.left_behind')::text AS left_behind,
           (SELECT count(*) FROM pg_cursors WHERE is_holdable) AS cursors,
           (SELECT count(*) FROM pg_listening_channels()) AS channels,
           (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()) AS locks"""
LEAVE = """
    SET search_path = pg_temp; SET lock_timeout = '7s'; SET synchronous_commit = local; SET ROLE nobody;
    CREATE TEMP TABLE left_behind (); DECLARE kept CURSOR WITH HOLD FOR SELECT 1; LISTEN channel;
    SELECT pg_advisory_lock(1);"""
EACH_WAY = pytest.mark.parametrize("argv", [(), (RELEASE,)], ids=["a transaction each", "release"])


def versions(status: str, number: int) -> list[tuple[str, str]]:
    return [(f"{n:02}", status) for n in range(1, number + 1)]


@EACH_WAY
def test_a_migration_that_deallocates_behind_our_back_is_applied_and_once(
    checkout: Checkout, database: Database, argv: tuple[str, ...]
) -> None:
    database.query("CREATE SEQUENCE starts")
    checkout.write({"01_a": "CREATE TABLE a ();", "02_b": DEALLOCATE, "03_c": "CREATE TABLE c ();"})
    ended = checkout.run(database.url, *argv)
    assert ended.exit_code == 0, ended.log
    assert database.query(STATUS) == versions("completed", 3)
    assert database.value("SELECT count(*) FROM migration_history WHERE status = 'success'") == 3
    assert database.query("SELECT * FROM ran") == [(2,)], "the first time it was rolled back"
    assert f"{'01 to 03' if argv else '02'}: changes prepared statements" in ended.log


@ON_NEWEST
@EACH_WAY
def test_what_migrations_prepare_where_nobody_sees_it_does_not_reach_the_next(
    checkout: Checkout, database: Database, argv: tuple[str, ...]
) -> None:
    checkout.write({"01_a": PREPARE, "02_b": PREPARE, "03_c": PREPARE, "04_d": "CREATE TABLE d ();"})
    ended = checkout.run(database.url, *argv)
    assert ended.exit_code == 0, ended.log
    assert database.query(STATUS) == versions("completed", 4)


@ON_NEWEST
def test_a_file_may_prepare_what_the_runner_has_prepared(checkout: Checkout, database: Database) -> None:
    own = 'PREPARE "db-migrate: record" AS SELECT 1; EXECUTE "db-migrate: record"; DEALLOCATE ALL;'
    checkout.write({"01_a": "CREATE TABLE a ();", "02_b": own, "03_c": own, "04_d": "CREATE TABLE d ();"})
    ended = checkout.run(database.url)
    assert ended.exit_code == 0, ended.log
    assert database.query(STATUS) == versions("completed", 4)


@ON_NEWEST
def test_an_unknown_statement_of_the_file_is_its_own_error(checkout: Checkout, database: Database) -> None:
    checkout.write({"01_a": "CREATE TABLE a ();", "02_b": "SELECT 1;\nEXECUTE nope;"})
    ended = checkout.run(database.url)
    assert ended.exit_code == 1
    assert 'migrations/02_b.sql:2:1: prepared statement "nope" does not exist' in ended.log
    assert database.query(STATUS) == [("01", "completed"), ("02", "failed")]


@EACH_WAY
def test_the_session_is_as_it_was_for_the_next_migration(
    checkout: Checkout, database: Database, argv: tuple[str, ...]
) -> None:
    files = {f"{n:02}_look": f"CREATE TABLE seen{n} AS {SESSION};\n{LEAVE}" for n in range(1, 4)}
    checkout.write(files)
    ended = checkout.run(database.url, *argv)
    assert ended.exit_code == 0, ended.log
    first, *rest = (database.query(f"SELECT * FROM seen{n}") for n in range(1, 4))
    assert rest == [first, first]
    assert first == [("postgres postgres", '"$user", public', "5s", "off", None, 0, 0, 0)]


@ON_NEWEST
def test_whoever_looks_sees_that_one_is_running_and_what_is_completed(checkout: Checkout, database: Database) -> None:
    """More than are sent in one go."""
    many = range(1, 70)
    checkout.write({f"{n:02}_look": f"CREATE TABLE seen{n} AS {RUNNING};" for n in many})
    ended = checkout.run(database.url)
    assert ended.exit_code == 0, ended.log
    for n in many:
        seen = [f"{before:02} completed" for before in range(1, n)] + [f"{n:02} running"]
        assert database.value(f"SELECT * FROM seen{n}") == seen


@ON_NEWEST
def test_a_file_may_still_set_its_transaction(checkout: Checkout, database: Database) -> None:
    own = "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE;\nCREATE TABLE {} AS SELECT current_setting({});"
    checkout.write({f"{n:02}_own": own.format(f"seen{n}", "'transaction_isolation'") for n in range(1, 4)})
    ended = checkout.run(database.url)
    assert ended.exit_code == 0, ended.log
    assert [database.value(f"SELECT * FROM seen{n}") for n in range(1, 4)] == ["serializable"] * 3


@ON_NEWEST
def test_a_successor_whose_row_is_taken_away_at_the_commit_does_not_run(checkout: Checkout, database: Database) -> None:
    checkout.write(
        {
            "01_take": "DO $$ BEGIN UPDATE schema_migrations SET run_id = gen_random_uuid() WHERE version = '02'; "
            "CREATE SEQUENCE begun; END $$;",
            "02_next": "SELECT nextval('begun');",
        }
    )
    ended = checkout.run(database.url)
    assert ended.exit_code == 1
    assert "the ledger no longer has this migration as one of this run" in ended.log
    assert ended.applied == ["01"]
    assert database.value("SELECT is_called FROM begun") is False
    assert database.query(STATUS) == [("01", "completed"), ("02", "pending")]


@ON_NEWEST
@pytest.mark.parametrize(
    "alter",
    [
        "DROP VIEW IF EXISTS migration_status_view; ALTER TABLE migration_history ALTER execution_time_ms TYPE bigint",
        "ALTER TABLE schema_migrations ALTER run_id TYPE text",
    ],
)
def test_a_migration_may_alter_the_ledger_where_nobody_sees_it(
    checkout: Checkout, database: Database, alter: str
) -> None:
    checkout.write(
        {"01_a": "CREATE TABLE a ();", "02_b": f"DO $$ BEGIN {alter}; END $$;", "03_c": "CREATE TABLE c ();"}
    )
    ended = checkout.run(database.url)
    assert ended.exit_code == 0, ended.log
    assert database.query(STATUS) == versions("completed", 3)


@ON_NEWEST
def test_a_ledger_of_the_users_own_may_have_other_types_than_ours(checkout: Checkout, database: Database) -> None:
    own = """
        CREATE TABLE schema_migrations (version text PRIMARY KEY, name text NOT NULL, applied_at timestamptz,
            checksum text NOT NULL, execution_time_ms integer, status text NOT NULL, error_message text,
            applied_by text, run_id text);
        CREATE TABLE migration_history (id uuid PRIMARY KEY, version text NOT NULL, action text NOT NULL,
            executed_at timestamptz, execution_time_ms integer, status text NOT NULL, error_message text,
            executed_by text, environment text);"""
    checkout.write({"00_migration_state_tracking": own, "01_a": "CREATE TABLE a ();", "02_b": "CREATE TABLE b ();"})
    ended = checkout.run(database.url)
    assert ended.exit_code == 0, ended.log
    assert database.query(STATUS) == [("00", "completed"), *versions("completed", 2)]


@ON_NEWEST
def test_the_role_that_a_file_sets_needs_no_right_to_call_functions(checkout: Checkout, database: Database) -> None:
    database.query("GRANT CREATE ON SCHEMA public TO nobody")
    database.query("REVOKE EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) FROM PUBLIC")
    checkout.write({"01_a": "SET ROLE nobody; CREATE TABLE a ();", "02_b": "CREATE TABLE b ();"})
    ended = checkout.run(database.url)
    assert ended.exit_code == 0, ended.log
    assert database.query(STATUS) == versions("completed", 2)


def test_a_successor_does_not_run_when_the_mutex_is_lost_with_the_commit_that_marks_it(
    checkout: Checkout, database: Database
) -> None:
    end = (
        "PERFORM pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'; "
        "PERFORM pg_sleep(0.3); "  # the server's own time to let go of its locks
    )
    function = (
        "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF NEW.status = 'running' AND NEW.version = '03' THEN {end} END IF; RETURN NEW; END $$;"
    )
    trigger = (
        "DO $$ BEGIN CREATE TRIGGER lose BEFORE UPDATE ON schema_migrations FOR EACH ROW EXECUTE FUNCTION lose(); "
        "CREATE SEQUENCE begun; END $$;"
    )
    checkout.write({"01_a": f"{function} {trigger}", "02_b": "CREATE TABLE b ();", "03_c": "SELECT nextval('begun');"})
    ended = checkout.run(database.url)
    assert ended.exit_code != 0
    assert database.value("SELECT is_called FROM begun") is False
    assert database.query("SELECT version FROM schema_migrations WHERE status = 'completed' ORDER BY 1") != versions(
        "completed", 3
    )

"""What a dry run shows, and that it leaves nothing behind."""

import threading
import time

import pytest

from tests.commands.conftest import CommandLine
from tests.conftest import ON_NEWEST, Database

USERS = "CREATE TABLE users (id bigserial PRIMARY KEY, email text, age int);"
FILL = "INSERT INTO users (email, age) SELECT 'u' || i, i FROM generate_series(1, 5000) AS i; ANALYZE users;"
MODES = pytest.mark.parametrize("mode", ["preview", "rehearse", "shadow"])
EXECUTING = pytest.mark.parametrize("mode", ["rehearse", "shadow"])


@pytest.fixture
def users(db_migrate: CommandLine, database: Database) -> CommandLine:
    """A database with a filled table of users, made by migration 01."""
    db_migrate.write(_01_users=USERS)
    assert db_migrate("--dry-run-mode", "preview").exit_code == 0
    database.query(FILL)
    return db_migrate


@MODES
def test_a_dry_run_leaves_the_database_as_it_was(users: CommandLine, database: Database, mode: str) -> None:
    users.write(
        _02_orders="CREATE TABLE orders (id serial PRIMARY KEY, user_id bigint REFERENCES users);",
        _03_more="ALTER TABLE users ALTER COLUMN age TYPE bigint; UPDATE users SET email = 'x'; DROP TABLE orders;",
    )
    before = database.dump()
    ran = users("--dry-run", "--dry-run-mode", mode)
    assert ran.exit_code == 0, ran.log
    assert database.dump() == before
    assert "outcome<<" in ran.output_file


@ON_NEWEST
@pytest.mark.parametrize("mode", ["preview", "shadow"])
def test_sequences_stay_where_they_are(users: CommandLine, database: Database, mode: str) -> None:
    users.write(_02_more="INSERT INTO users (email) VALUES ('a'), ('b'); SELECT nextval('users_id_seq');")
    before = database.dump()
    assert users("--dry-run", "--dry-run-mode", mode).exit_code == 0
    assert database.dump() == before


def test_a_sequence_that_a_rehearsal_moved_is_told(users: CommandLine, database: Database) -> None:
    users.write(_02_more="INSERT INTO users (email) VALUES ('a'), ('b');")
    ran = users("--dry-run", "--dry-run-mode", "rehearse")
    assert "sequence public.users_id_seq moved from 5000 to 5002" in ran.log
    assert "moved from 5000 to 5002" in ran.summary
    assert database.value("SELECT count(*) FROM users") == 5000


@EXECUTING
def test_what_a_statement_does_to_a_filled_table_is_told(users: CommandLine, mode: str) -> None:
    users.write(
        _02_wide="ALTER TABLE users ADD COLUMN note text;\n\nALTER TABLE users ALTER COLUMN age TYPE bigint;",
        _03_index="CREATE INDEX users_email_idx ON users (email);",
    )
    ran = users("--dry-run", "--dry-run-mode", mode)
    assert "migrations/02_wide.sql:1  short: ALTER TABLE users ADD COLUMN note text" in ran.log
    assert "migrations/02_wide.sql:3  rewrites the table: ALTER TABLE users ALTER COLUMN age TYPE bigint" in ran.log
    assert "5 k rows" in ran.log
    assert "still held: blocks reads and writes" in ran.log
    assert "rewrites public.users" in ran.log
    assert "migrations/03_index.sql:1  scales with the table: CREATE INDEX" in ran.log
    assert "SHARE on public.users" in ran.log
    assert "2 statements stop others for as long as the work on public.users takes" in ran.log
    assert "| 🔴 | 02:3 | `ALTER TABLE users ALTER COLUMN age TYPE bigint` |" in ran.summary
    assert "### Schema changes to come" in ran.summary
    assert "+ column note text" in ran.summary


@ON_NEWEST
@EXECUTING
def test_work_on_tables_that_the_plan_makes_is_no_risk(users: CommandLine, mode: str) -> None:
    users.write(
        _02_orders="CREATE TABLE orders (id int, total int);",
        _03_more="ALTER TABLE orders ALTER COLUMN total TYPE bigint; CREATE INDEX ON orders (id);",
    )
    ran = users("--dry-run", "--dry-run-mode", mode)
    assert "nobody who uses the database has to wait" in ran.log
    assert "+ table public.orders (2 columns, 1 index)" in ran.log


@ON_NEWEST
@EXECUTING
def test_a_migration_that_fails_fails_the_run_and_nothing_is_changed(
    users: CommandLine, database: Database, mode: str
) -> None:
    users.write(_02_fine="CREATE TABLE fine (id int);", _03_wrong="SELECT 1;\nALTER TABLE userz ADD COLUMN x int;")
    before = database.dump()
    ran = users("--environment", "development", "--dry-run-mode", mode)
    assert ran.exit_code == 1
    assert 'migrations/03_wrong.sql:2:13: relation "userz" does not exist' in ran.log.replace("2:1:", "2:13:")
    assert "Failed in the dry run: nothing was changed in development" in ran.log
    assert "Migration 03 was only tried" in ran.log
    assert database.dump() == before


def test_staging_is_rehearsed_and_then_applied(db_migrate: CommandLine) -> None:
    db_migrate.write(_01_users=USERS)
    ran = db_migrate("--environment", "staging")
    assert ran.exit_code == 0, ran.log
    assert "1 migration rehearsed on the database and rolled back" in ran.log
    assert "1 migration applied to staging" in ran.log
    assert "Dry run before it" in ran.summary
    assert "### Schema changes\n" in ran.summary


@ON_NEWEST
def test_production_is_tried_on_a_shadow(db_migrate: CommandLine) -> None:
    db_migrate.write(_01_users=USERS)
    ran = db_migrate(
        "--environment", "production", "--confirmation", "MIGRATE-PRODUCTION", "--review-delay", "0",
        "--shadow-database", "embedded",
    )  # fmt: skip
    assert ran.exit_code == 0, ran.log
    assert "1 migration executed on a shadow: PostgreSQL" in ran.log


@ON_NEWEST
@EXECUTING
def test_a_migration_finds_the_ledger_that_the_first_run_will_make(
    db_migrate: CommandLine, database: Database, mode: str
) -> None:
    db_migrate.write(_01_uses_it="CREATE VIEW applied AS SELECT version FROM schema_migrations;")
    assert db_migrate("--dry-run", "--dry-run-mode", mode).exit_code == 0
    assert database.tables() == set()


@ON_NEWEST
@EXECUTING
def test_what_one_file_sets_does_not_reach_the_next(db_migrate: CommandLine, mode: str) -> None:
    db_migrate.write(
        _01_sets="CREATE SCHEMA app; SET search_path = app; CREATE TEMP TABLE t (a int); SET TRANSACTION READ WRITE;",
        _02_other="CREATE TABLE public.t (a int); CREATE TABLE u (a int);",
    )
    ran = db_migrate("--dry-run", "--dry-run-mode", mode)
    assert ran.exit_code == 0, ran.log
    assert "+ table public.u (1 column)" in ran.log


# A rehearsal


def test_what_runs_outside_of_a_transaction_is_left_out_of_a_rehearsal(users: CommandLine) -> None:
    users.write(_02_index="CREATE INDEX CONCURRENTLY i ON users (email);", _03_more="CREATE TABLE more (id int);")
    ran = users("--dry-run", "--dry-run-mode", "rehearse")
    assert ran.exit_code == 0
    assert "1 migration rehearsed on the database and rolled back, 1 left out" in ran.log
    assert "02 was not rehearsed: it runs outside of a transaction" in ran.log


def test_a_failure_that_may_come_of_what_was_left_out_is_no_failure(users: CommandLine) -> None:
    users.write(
        _02_index="CREATE INDEX CONCURRENTLY i ON users (email);",
        _03_needs_it="CREATE TABLE seen (id int); ALTER INDEX i RENAME TO j;",
        _04_more="CREATE TABLE more (id int);",
    )
    ran = users("--dry-run", "--dry-run-mode", "rehearse")
    assert ran.exit_code == 0
    assert "03 was not rehearsed: it may need 02, which was left out" in ran.log
    assert "04 was not rehearsed: it stands behind 03" in ran.log
    assert "table public.seen" not in ran.log


def test_a_value_of_an_enum_that_an_earlier_migration_adds_is_no_failure(db_migrate: CommandLine) -> None:
    db_migrate.write(_01_mood="CREATE TYPE mood AS ENUM ('sad'); CREATE TABLE moods (m mood);")
    assert db_migrate().exit_code == 0
    db_migrate.write(_02_ok="ALTER TYPE mood ADD VALUE 'ok';", _03_uses_it="INSERT INTO moods VALUES ('ok');")
    ran = db_migrate("--dry-run", "--dry-run-mode", "rehearse")
    assert ran.exit_code == 0, ran.log
    assert "03 was not rehearsed: it uses a value of an enum that one before it adds" in ran.log
    assert db_migrate("--dry-run-mode", "rehearse").exit_code == 0


@ON_NEWEST
@EXECUTING
def test_with_one_transaction_for_a_release_it_is_a_failure(db_migrate: CommandLine, mode: str) -> None:
    db_migrate.write(_01_mood="CREATE TYPE mood AS ENUM ('sad'); CREATE TABLE moods (m mood);")
    assert db_migrate().exit_code == 0
    db_migrate.write(_02_ok="ALTER TYPE mood ADD VALUE 'ok';", _03_uses_it="INSERT INTO moods VALUES ('ok');")
    ran = db_migrate("--dry-run", "--dry-run-mode", mode, "--transaction", "release")
    assert ran.exit_code == 1
    assert "SQLSTATE 55P04" in ran.log
    assert db_migrate("--dry-run", "--dry-run-mode", "shadow").exit_code == 0


@ON_NEWEST
def test_a_lock_that_is_not_to_be_had_fails_the_rehearsal(users: CommandLine, database: Database) -> None:
    users.write(_02_more="ALTER TABLE users ADD COLUMN x int;")
    with database.connect() as other:
        other.execute("BEGIN; SELECT FROM users LIMIT 1")
        ran = users("--dry-run", "--dry-run-mode", "rehearse", "--lock-timeout", "200ms", "--lock-retries", "1")
    assert ran.exit_code == 1
    assert "attempt 2 in" in ran.log
    assert "SQLSTATE 55P03" in ran.log


@ON_NEWEST
def test_a_rehearsal_waits_for_a_lock_and_goes_on(users: CommandLine, database: Database) -> None:
    users.write(_02_more="ALTER TABLE users ADD COLUMN x int;")
    with database.connect() as other:
        other.execute("BEGIN; SELECT FROM users LIMIT 1")
        threading.Timer(0.7, other.execute, ["ROLLBACK"]).start()
        ran = users("--dry-run", "--dry-run-mode", "rehearse", "--lock-timeout", "300ms")
        time.sleep(0.1)
    assert ran.exit_code == 0, ran.log


@ON_NEWEST
def test_a_rehearsal_makes_way_for_others(users: CommandLine, database: Database) -> None:
    users.write(_02_slow="LOCK TABLE users; SELECT pg_sleep(3);")
    waited = []

    def read() -> None:
        time.sleep(0.5)
        began = time.monotonic()
        database.query("SELECT count(*) FROM users")
        waited.append(time.monotonic() - began)

    reader = threading.Thread(target=read)
    reader.start()
    ran = users("--dry-run", "--dry-run-mode", "rehearse", "--max-blocked-time", "200ms", "--lock-retries", "0")
    reader.join(20)
    assert ran.exit_code == 1
    assert waited[0] < 2.5


def test_a_rehearsal_on_production_is_told(db_migrate: CommandLine) -> None:
    db_migrate.write(_01_users=USERS)
    ran = db_migrate("--dry-run", "--environment", "production", "--dry-run-mode", "rehearse")
    assert "the rehearsal takes real locks on production" in ran.log


def test_a_sequence_that_was_put_back_is_set_again(users: CommandLine, database: Database) -> None:
    """Else the next row would get the number of one that is there."""
    users.write(_02_again="SELECT setval('users_id_seq', 1, false); ALTER SEQUENCE users_id_seq RESTART;")
    ran = users("--dry-run", "--dry-run-mode", "rehearse")
    assert ran.exit_code == 0, ran.log
    assert "sequence public.users_id_seq was put back from 5000 to its start by the rehearsal, and set again" in ran.log
    assert database.value("SELECT nextval('users_id_seq')") == 5001


def test_a_commit_that_no_parser_saw_is_found_out(users: CommandLine, database: Database) -> None:
    users.write(
        _02_smuggles="SET standard_conforming_strings = off;\n"
        "SELECT set_config('standard_conforming_strings', 'on', true);\n"
        "SELECT 'a\\'; CREATE TABLE left_behind (i int); COMMIT; --';\n"
    )
    ran = users("--dry-run", "--dry-run-mode", "rehearse", "--lint", "off")
    assert ran.exit_code == 6
    assert "the rehearsal, was committed: a statement has ended it" in ran.log
    assert "left_behind" in database.tables()  # it is told, as it cannot be taken back


@ON_NEWEST
def test_a_file_cannot_make_a_rehearsal_wait_longer(users: CommandLine, database: Database) -> None:
    users.write(_02_more="-- migrate: lock-timeout=1h\nALTER TABLE users ADD COLUMN x int;")
    with database.connect() as other:
        other.execute("BEGIN; SELECT FROM users LIMIT 1")
        began = time.monotonic()
        ran = users("--dry-run", "--dry-run-mode", "rehearse", "--lock-retries", "0")
    assert ran.exit_code == 1
    assert time.monotonic() - began < 15
    assert "in the way: pid" in ran.log


@ON_NEWEST
def test_a_lock_on_what_only_we_look_at_does_not_keep_others_waiting(users: CommandLine, database: Database) -> None:
    """Reading the definition of a view locks its tables."""
    database.query("CREATE TABLE seen (a int); CREATE VIEW v AS SELECT a FROM seen")
    users.write(_02_more="ALTER TABLE users ADD COLUMN x int;")
    with database.connect() as other:
        other.execute("BEGIN; LOCK TABLE seen")
        for argv in (("--dry-run", "--dry-run-mode", "rehearse"), ()):
            began = time.monotonic()
            ran = users(*argv)
            assert ran.exit_code == 0, ran.log
            assert time.monotonic() - began < 20
            assert "could not be read" in ran.log


@ON_NEWEST
@EXECUTING
def test_serializable_transactions_are_no_other_world(users: CommandLine, database: Database, mode: str) -> None:
    database.query(f"ALTER DATABASE {database.name} SET default_transaction_isolation = serializable")
    users.write(_02_more="UPDATE users SET age = age + 1 WHERE id < 100;")
    ran = users("--dry-run", "--dry-run-mode", mode)
    assert ran.exit_code == 0, ran.log


@ON_NEWEST
@EXECUTING
def test_rows_that_stay_locked_are_told(users: CommandLine, mode: str) -> None:
    users.write(_02_more="UPDATE users SET age = 1 WHERE id = 5;")
    ran = users("--dry-run", "--dry-run-mode", mode)
    assert "locks rows of public.users" in ran.log
    assert "1 statement locks a table for a moment, or rows until the migration ends" in ran.log


@ON_NEWEST
@EXECUTING
def test_what_takes_its_time_while_a_lock_is_held_stops_others(users: CommandLine, mode: str) -> None:
    users.write(_02_more="ALTER TABLE users ADD COLUMN x int; UPDATE users SET age = 1 WHERE id = 5; SELECT 1;")
    ran = users("--dry-run", "--dry-run-mode", mode)
    assert "2 statements stop others for as long as the work on public.users takes" in ran.log


# A shadow


@ON_NEWEST
@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE k (a int PRIMARY KEY); INSERT INTO k VALUES (1), (1);",
        "CREATE TABLE k (a int CHECK (a > 5)); INSERT INTO k VALUES (1);",
        "CREATE TABLE k (a int NOT NULL); INSERT INTO k VALUES (NULL);",
    ],
)
def test_an_error_that_no_row_would_mend_is_a_failure(users: CommandLine, sql: str) -> None:
    users.write(_02_wrong=sql)
    assert users("--dry-run", "--dry-run-mode", "shadow").exit_code == 1


@ON_NEWEST
def test_a_subscription_is_left_out_as_it_reaches_another_server(users: CommandLine) -> None:
    users.write(_02_follow="CREATE SUBSCRIPTION s CONNECTION 'host=elsewhere' PUBLICATION p;")
    ran = users("--dry-run", "--dry-run-mode", "shadow")
    assert ran.exit_code == 0, ran.log
    assert "a subscription reaches another server, which no copy may" in ran.log


def test_on_a_server_of_the_users_nothing_that_stays_is_executed(users: CommandLine, database: Database) -> None:
    users.write(_02_role="CREATE ROLE reporting_of_a_test;")
    database.query(f"CREATE DATABASE {database.name}_shadow")
    url = database.server.url(f"{database.name}_shadow").value
    try:
        ran = users("--dry-run", "--dry-run-mode", "shadow", "--shadow-database", url)
        assert ran.exit_code == 3, ran.log
        assert "CREATE ROLE would stay on the server of `shadow-database`" in ran.log
    finally:
        database.query(f"DROP DATABASE {database.name}_shadow WITH (FORCE)")


def test_a_shadow_executes_what_runs_outside_of_a_transaction(users: CommandLine) -> None:
    users.write(_02_index="CREATE INDEX CONCURRENTLY i ON users (email); VACUUM users; DROP INDEX CONCURRENTLY i;")
    ran = users("--dry-run", "--dry-run-mode", "shadow")
    assert ran.exit_code == 0, ran.log
    assert "scales with the table: CREATE INDEX CONCURRENTLY" in ran.log
    assert "SHARE UPDATE EXCLUSIVE on public.users" in ran.log
    assert "nobody who uses the database has to wait" in ran.log


@ON_NEWEST
@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE o (u bigint REFERENCES users); INSERT INTO o VALUES (17); ALTER TABLE users ADD COLUMN y int;",
        "INSERT INTO users (id) VALUES ((SELECT id FROM users WHERE email = 'u5')); SELECT 1;",
        "DO $$ BEGIN IF NOT EXISTS (SELECT FROM users) THEN RAISE EXCEPTION 'no users'; END IF; END $$;",
    ],
)
def test_a_statement_that_needs_rows_is_left_out(users: CommandLine, sql: str) -> None:
    users.write(
        _02_needs_rows=sql.replace("(SELECT id FROM users WHERE email = 'u5')", "(SELECT id FROM users LIMIT 1)")
    )
    ran = users("--dry-run", "--dry-run-mode", "shadow")
    assert ran.exit_code == 0, ran.log
    assert "left out of the dry run, on a copy without rows" in ran.log


@ON_NEWEST
def test_on_a_database_without_rows_there_is_no_such_excuse(db_migrate: CommandLine) -> None:
    db_migrate.write(_01_users=USERS)
    assert db_migrate().exit_code == 0
    db_migrate.write(_02_wrong="CREATE TABLE o (u bigint REFERENCES users); INSERT INTO o VALUES (17);")
    assert db_migrate("--dry-run", "--dry-run-mode", "shadow").exit_code == 1


@ON_NEWEST
def test_a_check_that_is_not_true_without_rows_is_a_warning(users: CommandLine) -> None:
    users.write(_02_more="ALTER TABLE users ADD COLUMN x int;", _02_more__check="SELECT count(*) > 0 FROM users;")
    ran = users("--dry-run", "--dry-run-mode", "shadow")
    assert ran.exit_code == 0
    assert "left out of the dry run, on a copy without rows: the check of migration 02 failed" in ran.log


@ON_NEWEST
def test_a_check_that_cannot_be_executed_fails(users: CommandLine) -> None:
    users.write(_02_more="ALTER TABLE users ADD COLUMN x int;", _02_more__check="SELECT count(nope) > 0 FROM users;")
    assert users("--dry-run", "--dry-run-mode", "shadow").exit_code == 1


@ON_NEWEST
def test_an_extension_that_the_shadow_lacks_names_the_way_out(db_migrate: CommandLine) -> None:
    db_migrate.write(_01_text="CREATE EXTENSION citext;")
    ran = db_migrate("--dry-run", "--dry-run-mode", "shadow", "--shadow-database", "embedded")
    assert ran.exit_code == 6
    assert "citext" in ran.log
    assert "docker://" in ran.log


@ON_NEWEST
def test_a_password_in_a_statement_is_not_shown(users: CommandLine) -> None:
    users.write(_02_role="ALTER TABLE users ADD COLUMN x int; DO $$ BEGIN END $$; CREATE ROLE r PASSWORD 'hush-hush';")
    ran = users("--dry-run", "--dry-run-mode", "shadow", "--lint", "off")
    assert "hush-hush" not in ran.log + ran.summary

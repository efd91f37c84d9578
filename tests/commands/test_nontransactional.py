"""Files that do not run in one transaction: step by step, counted, and taken up where they stopped."""

import re
import signal

import psycopg
import pytest

from runner.core import statements
from runner.core.statements import LARGE
from tests.commands.conftest import CommandLine, Ran
from tests.commands.processes import running, wait_until
from tests.conftest import ON_NEWEST, Database

# By what it waits for: the text of a file also stands in the statement that writes it to the ledger.
SLEEPING = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"
END_SLEEP = SLEEPING.replace("pid", "pg_terminate_backend(pid)", 1)

INDEXED = """\
CREATE TABLE users (id int, email text);
CREATE INDEX CONCURRENTLY users_email_idx ON users (email);
COMMENT ON INDEX users_email_idx IS 'for logging in';
"""


def row(database: Database, version: str = "01") -> tuple[object, ...]:
    return database.query(
        "SELECT status, transactional, statements_done, statements_total FROM schema_migrations WHERE version = %s",
        version,
    )[0]


def test_a_statement_that_refuses_a_transaction_takes_its_file_out_of_one(
    db_migrate: CommandLine, database: Database
) -> None:
    db_migrate.write(_01_index=INDEXED)
    ran = db_migrate()
    assert ran.exit_code == 0, ran.log
    assert row(database) == ("completed", False, 3, 3)
    assert database.value("SELECT indisvalid FROM pg_index WHERE indexrelid = 'users_email_idx'::regclass") is True
    assert "mixed-transaction" in ran.log


def test_a_value_added_to_an_enum_can_be_used_in_the_same_file(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(
        _01_mood="CREATE TYPE mood AS ENUM ('sad');",
        _02_happy="ALTER TYPE mood ADD VALUE 'happy';\nCREATE TABLE t AS SELECT 'happy'::mood AS mood;",
    )
    assert db_migrate().exit_code == 0
    assert database.value("SELECT mood::text FROM t") == "happy"
    assert row(database, "02") == ("completed", False, 2, 2)


def test_what_was_done_stays_and_the_next_run_goes_on_behind_it(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(
        _01_x="-- migrate: no-transaction\nCREATE TABLE a (id int);\nINSERT INTO a SELECT id FROM b;\nDROP TABLE b;"
    )
    ran = db_migrate()
    assert ran.exit_code == 1
    assert 'migrations/01_x.sql:3:30: relation "b" does not exist' in ran.log
    assert "1 of 3 statements done, they stay" in ran.log
    assert "1 of 3 statements are done and stay; the next run goes on there." in ran.summary
    assert row(database) == ("failed", False, 1, 3)
    database.query("CREATE TABLE b AS SELECT 7 AS id")
    ran = db_migrate()
    assert ran.exit_code == 0, ran.log
    assert database.query("SELECT id FROM a") == [(7,)]
    assert row(database) == ("completed", False, 3, 3)


HALF = "-- migrate: no-transaction\nCREATE TABLE a ();\nSELECT 1 / 0;"


@ON_NEWEST
def test_what_is_not_done_yet_may_be_mended(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_01_x=HALF)
    assert db_migrate().exit_code == 1
    db_migrate.write(_01_x="-- migrate: no-transaction\n-- mended\nCREATE TABLE a ();\nCREATE TABLE b ();")
    ran = db_migrate()
    assert ran.exit_code == 0, ran.log
    assert {"a", "b"} <= database.tables()
    assert row(database) == ("completed", False, 2, 2)


@ON_NEWEST
@pytest.mark.parametrize("size", [10_000, 1_000_000])
def test_a_large_file_goes_on_where_it_stopped_also_when_it_is_now_cut_into_other_steps(
    db_migrate: CommandLine, database: Database, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """As the next release of the runner may cut it: what counts are statements."""
    note = "x" * 60
    rows = [f"INSERT INTO items VALUES ({number}, '{note}');" for number in range(LARGE // len(note))]
    db_migrate.write(_01_items="-- migrate: no-transaction\n" + "\n".join(rows))
    database.query("CREATE TABLE items (id int UNIQUE, note text)")
    database.query("INSERT INTO items VALUES (5000)")
    assert db_migrate("--lint=off").exit_code == 1
    _, _, done, total = row(database)
    assert total == len(rows)
    assert done == database.value("SELECT count(*) - 1 FROM items")
    assert 0 < done < 5000  # type: ignore[operator]
    database.query("DELETE FROM items WHERE note IS NULL")
    monkeypatch.setattr(statements, "AT_ONCE", size)
    ran = db_migrate("--lint=off")
    assert ran.exit_code == 0, ran.log
    assert database.value("SELECT count(*) FROM items") == len(rows)
    assert row(database) == ("completed", False, len(rows), len(rows))


@ON_NEWEST
def test_what_is_done_may_not_be_edited(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_01_x=HALF)
    assert db_migrate().exit_code == 1
    db_migrate.write(_01_x="-- migrate: no-transaction\nCREATE TABLE b ();\nSELECT 1;")
    ran = db_migrate()
    assert ran.exit_code == 3
    assert "migration 01 was edited in statements that have run, or may have, outside of a transaction" in ran.log
    assert "b" not in database.tables()
    assert row(database) == ("failed", False, 1, 2)
    database.query("DROP TABLE a")
    assert db_migrate(*settling(ran)[0]).exit_code == 0
    assert db_migrate().exit_code == 0
    assert {"b"} <= database.tables()


def settling(ran: Ran) -> list[list[str]]:
    """The commands that the refusal proposes: where it tells apart, first that for a statement which was done."""
    return [[*found.split(), "--yes"] for found in re.findall(r"`db-migrate (repair --settle \S+)`", ran.log)]


COMMITS_AND_SLEEPS = "DO $$ BEGIN COMMIT; PERFORM pg_sleep(30); END $$;"


@ON_NEWEST
@pytest.mark.parametrize("done", [True, False])
def test_after_a_killed_run_nobody_guesses(db_migrate: CommandLine, database: Database, *, done: bool) -> None:
    db_migrate.write(_01_x=f"-- migrate: no-transaction\nCREATE TABLE a ();\n{COMMITS_AND_SLEEPS}\nCREATE TABLE c ();")
    with running(db_migrate) as process:
        wait_until(database, SLEEPING)
        process.kill()
    database.query(END_SLEEP)
    assert row(database) == ("running", False, 1, 3)
    refused = db_migrate()
    assert refused.exit_code == 3
    assert "01_x.sql:3: an earlier run of migration 01 ended in the middle of a statement" in refused.log
    assert row(database) == ("running", False, 1, 3)
    assert db_migrate(*settling(refused)[0 if done else 1]).exit_code == 0
    ran = db_migrate("--statement-timeout", "100ms")
    assert ran.exit_code == (0 if done else 1), ran.log
    assert row(database) == (("completed", False, 3, 3) if done else ("running", False, 1, 3))
    assert ("c" in database.tables()) is done


@ON_NEWEST
@pytest.mark.parametrize(
    ("step", "known"), [("SELECT pg_sleep(30);", True), (COMMITS_AND_SLEEPS, False)], ids=["counted", "in parts"]
)
def test_a_lost_connection_leaves_it_open_what_a_step_did_that_may_commit_on_the_way(
    db_migrate: CommandLine, database: Database, step: str, *, known: bool
) -> None:
    db_migrate.write(_01_x=f"-- migrate: no-transaction\nCREATE TABLE a ();\n{step}")
    with running(db_migrate) as process:
        wait_until(database, SLEEPING)
        database.query(END_SLEEP)
        log, _ = process.communicate(timeout=20)
    assert process.returncode == 1, log
    assert ("of the one behind them nobody knows" in log) is not known
    assert row(database) == ("failed" if known else "running", False, 1, 2)


@ON_NEWEST
@pytest.mark.parametrize(
    ("step", "exit_code"), [("SELECT pg_sleep(30);", 0), (COMMITS_AND_SLEEPS, 3)], ids=["counted", "in parts"]
)
def test_a_cancelled_run_goes_on_unless_a_step_may_have_committed_on_the_way(
    db_migrate: CommandLine, database: Database, step: str, exit_code: int
) -> None:
    db_migrate.write(_01_x=f"-- migrate: no-transaction\nCREATE TABLE a ();\n{step}")
    with running(db_migrate) as process:
        wait_until(database, SLEEPING)
        process.send_signal(signal.SIGTERM)
        log, _ = process.communicate(timeout=10)
    assert process.returncode == 143, log
    assert "1 of 2 statements done, they stay" in log
    assert database.query(SLEEPING) == []
    if exit_code == 0:
        db_migrate.write(_01_x="-- migrate: no-transaction\nCREATE TABLE a ();\nSELECT 1;")
    ran = db_migrate()
    assert ran.exit_code == exit_code, ran.log


def test_what_a_file_sets_for_its_session_reaches_neither_the_ledger_nor_the_next_file(
    db_migrate: CommandLine, database: Database
) -> None:
    database.query("GRANT CREATE, USAGE ON SCHEMA public TO nobody")
    db_migrate.write(
        _01_x="-- migrate: no-transaction\nSET search_path = pg_temp;\nSET ROLE nobody;\nCREATE TABLE public.a ();",
        _02_y="CREATE TABLE b AS SELECT current_user::text AS role, current_setting('search_path') AS path;",
    )
    ran = db_migrate()
    assert ran.exit_code == 0, ran.log
    assert database.query("SELECT role, path FROM b") == [("postgres", '"$user", public')]
    assert row(database) == ("completed", False, 3, 3)


OWN = """\
BEGIN;
CREATE TABLE a (id int);
INSERT INTO a VALUES (1);
COMMIT;
CREATE INDEX CONCURRENTLY a_idx ON a (id);
BEGIN ISOLATION LEVEL SERIALIZABLE;
INSERT INTO a VALUES (2);
INSERT INTO a VALUES (3 / %s);
COMMIT;
"""


def test_transactions_of_the_files_own_run_as_they_are_written(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_01_own=OWN % 0)
    assert db_migrate().exit_code == 2
    ran = db_migrate("--own-transactions", "honour")
    assert ran.exit_code == 1
    assert "migrations/01_own.sql:6:1: division by zero" in ran.log
    assert row(database) == ("failed", False, 2, 3)
    assert database.query("SELECT id FROM a") == [(1,)]
    database.query("DELETE FROM schema_migrations; DROP TABLE a")
    db_migrate.write(_01_own=OWN % 1)
    ran = db_migrate("--own-transactions", "honour")
    assert ran.exit_code == 0, ran.log
    assert database.query("SELECT id FROM a ORDER BY 1") == [(1,), (2,), (3,)]


def test_a_procedure_that_commits_is_told_the_directive_and_runs_with_it(
    db_migrate: CommandLine, database: Database
) -> None:
    sql = "CREATE TABLE a (id int);\nDO $$ BEGIN INSERT INTO a VALUES (1); COMMIT; END $$;\n"
    db_migrate.write(_01_x=sql)
    ran = db_migrate()
    assert ran.exit_code == 1
    assert "2D000" in ran.log
    assert "`-- migrate: no-transaction`" in ran.log
    db_migrate.write(_01_x="-- migrate: no-transaction\n" + sql)
    ran = db_migrate()
    assert ran.exit_code == 0, ran.log
    assert database.query("SELECT id FROM a") == [(1,)]


def test_a_check_file_is_asked_after_the_last_step(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_01_x=INDEXED, _01_x__check="SELECT count(*) = 1 FROM users;")
    ran = db_migrate()
    assert ran.exit_code == 1
    assert "the check of migration 01 failed" in ran.log
    assert row(database) == ("failed", False, 3, 3)
    database.query("INSERT INTO users VALUES (1)")
    assert db_migrate().exit_code == 0
    assert row(database) == ("completed", False, 3, 3)


def test_an_index_is_built_without_a_lock_timeout(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_01_users="CREATE TABLE users (id int);")
    assert db_migrate().exit_code == 0
    db_migrate.write(_02_index="CREATE INDEX CONCURRENTLY users_idx ON users (id);")
    with database.connect() as reader:
        reader.autocommit = False
        reader.execute("INSERT INTO users VALUES (1)")
        with running(db_migrate, "--lock-timeout", "100ms") as process:
            wait_until(database, "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'virtualxid'")
            wait_until(database, "SELECT 1 FROM pg_stat_activity WHERE clock_timestamp() - query_start > '300ms' "
                                 "AND query LIKE 'CREATE INDEX CONCURRENTLY%'")  # fmt: skip
            reader.commit()
            log, _ = process.communicate(timeout=20)
    assert process.returncode == 0, log


def half_done(rest: str) -> str:
    return f"-- migrate: no-transaction\n{rest}\nCREATE TABLE landed AS SELECT 1 / (SELECT count(*) FROM ready) AS one;"


def test_a_run_that_goes_on_has_the_settings_of_the_finished_statements(
    db_migrate: CommandLine, database: Database
) -> None:
    database.query("CREATE SCHEMA tenant; CREATE TABLE public.ready (); CREATE TABLE tenant.ready ()")
    database.query("GRANT ALL ON SCHEMA tenant TO nobody; GRANT SELECT ON tenant.ready TO nobody")
    db_migrate.write(_01_x=half_done("SELECT set_config('search_path', 'tenant', false);\nSET ROLE nobody;"))
    assert db_migrate().exit_code == 1
    assert row(database) == ("failed", False, 2, 3)
    database.query("ALTER TABLE tenant.ready ADD COLUMN id int; INSERT INTO tenant.ready VALUES (1)")
    ran = db_migrate()
    assert ran.exit_code == 0, ran.log
    assert database.query("SELECT schemaname, tableowner FROM pg_tables WHERE tablename = 'landed'") == [
        ("tenant", "nobody")
    ]


@ON_NEWEST
@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TEMP TABLE t ();",
        "SELECT 1 INTO TEMPORARY t;",
        "PREPARE q AS SELECT 1;",
        "SELECT pg_advisory_lock(1);",
        "BEGIN; SET search_path = public, tenant; COMMIT;",
        "DO $$ BEGIN PERFORM set_config('search_path', 'public, tenant', false); END $$;",
        "SELECT 1, set_config('search_path', 'public, tenant', false);",
    ],
)
def test_a_run_does_not_go_on_without_what_was_lost_with_the_session(
    db_migrate: CommandLine, database: Database, statement: str
) -> None:
    database.query("CREATE TABLE ready (id int)")
    db_migrate.write(_01_x=half_done(statement))
    assert db_migrate().exit_code == 1
    database.query("INSERT INTO ready VALUES (1)")
    ran = db_migrate()
    assert ran.exit_code == 3
    assert "01_x.sql:2: migration 01 would go on in a new session, without what this statement left" in ran.log
    assert "landed" not in database.tables()
    assert db_migrate(*settling(ran)[0]).exit_code == 0
    assert db_migrate().exit_code == 0


def test_timeouts_that_the_file_sets_are_left_alone(db_migrate: CommandLine, database: Database) -> None:
    show = "SELECT current_setting('lock_timeout') AS lock, current_setting('statement_timeout') AS statement"
    db_migrate.write(
        _01_x=f"-- migrate: no-transaction\nCREATE TABLE before AS {show};\n"
        "SET lock_timeout = '77ms';\nSET statement_timeout = '9s';\nCREATE TABLE t (id int);\n"
        f"CREATE INDEX CONCURRENTLY t_idx ON t (id);\nCREATE TABLE behind AS {show};",
        _02_y=f"CREATE INDEX CONCURRENTLY t_idx2 ON t (id);\nCREATE TABLE last AS {show};",
    )
    ran = db_migrate("--statement-timeout", "20s")
    assert ran.exit_code == 0, ran.log
    assert database.query("TABLE before") == [("5s", "20s")]
    assert database.query("TABLE behind") == [("77ms", "9s")]
    assert database.query("TABLE last") == [("5s", "20s")]


@pytest.mark.parametrize("unless", ["", "IF NOT EXISTS "])
def test_an_invalid_index_of_an_attempt_that_failed_is_built_anew(
    db_migrate: CommandLine, database: Database, unless: str
) -> None:
    database.query('CREATE SCHEMA "My App"; CREATE TABLE "My App".u (email text)')
    database.query("""INSERT INTO "My App".u VALUES ('a'), ('a')""")
    db_migrate.write(_01_x=f'CREATE UNIQUE INDEX CONCURRENTLY {unless}"U e" ON "My App".u (email);')
    assert "could not create unique index" in db_migrate().log
    ran = db_migrate()
    assert "could not create unique index" in ran.log
    assert row(database) == ("failed", False, 0, 1)
    assert """dropped the invalid index "My App"."U e", which an earlier attempt left""" in ran.log
    assert database.value("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == 1
    database.query("""TRUNCATE "My App".u""")
    ran = db_migrate()
    assert ran.exit_code == 0, ran.log
    assert database.query("SELECT indisvalid FROM pg_index WHERE indrelid = '\"My App\".u'::regclass") == [(True,)]


@pytest.mark.parametrize("concurrently", ["CONCURRENTLY ", ""])
def test_an_invalid_index_that_was_there_before_is_neither_taken_for_a_finished_one_nor_dropped(
    db_migrate: CommandLine, database: Database, concurrently: str
) -> None:
    database.query("CREATE TABLE t (a int)")
    leave_an_invalid_index(database)
    was = database.value("SELECT 't_idx'::regclass::oid")
    db_migrate.write(
        _01_x=f"-- migrate: no-transaction\nCREATE UNIQUE INDEX {concurrently}IF NOT EXISTS t_idx ON t (a);"
    )
    ran = db_migrate()
    assert ran.exit_code == 1
    assert "01_x.sql:2:1: this statement leaves t_idx as an invalid index" in ran.log
    assert "DROP INDEX CONCURRENTLY t_idx;" in ran.log
    assert row(database) == ("failed", False, 0, 1)
    assert database.value("SELECT 't_idx'::regclass::oid") == was


def test_an_invalid_index_of_a_step_that_was_not_reached_before_is_not_dropped(
    db_migrate: CommandLine, database: Database
) -> None:
    database.query("CREATE TABLE t (a int); CREATE TABLE ready (id int)")
    leave_an_invalid_index(database)
    db_migrate.write(
        _01_x="-- migrate: no-transaction\nSELECT 1 / count(*) FROM ready;\nCREATE INDEX CONCURRENTLY t_idx ON t (a);"
    )
    assert "division by zero" in db_migrate().log
    database.query("INSERT INTO ready VALUES (1)")
    ran = db_migrate()
    assert ran.exit_code == 1
    assert '01_x.sql:3:1: relation "t_idx" already exists' in ran.log
    assert row(database) == ("failed", False, 1, 2)


def leave_an_invalid_index(database: Database) -> None:
    """The index t_idx on t (a)."""
    database.query("INSERT INTO t VALUES (1), (1)")
    with pytest.raises(psycopg.errors.UniqueViolation):
        database.query("CREATE UNIQUE INDEX CONCURRENTLY t_idx ON t (a)")
    database.query("TRUNCATE t")


@pytest.mark.parametrize(
    "call",
    ["CALL p();", "DO $$ BEGIN INSERT INTO a VALUES (1); COMMIT; PERFORM 1 / 0; END $$;"],
)
def test_what_may_have_committed_on_the_way_is_not_run_again(
    db_migrate: CommandLine, database: Database, call: str
) -> None:
    database.query("CREATE TABLE a (id int)")
    database.query(
        "CREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO a VALUES (1); COMMIT; PERFORM 1 / 0; END $$"
    )
    db_migrate.write(_01_x=f"-- migrate: no-transaction\n{call}")
    ran = db_migrate()
    assert ran.exit_code == 1
    assert "of the one behind them nobody knows" in ran.log
    assert "Failed, with 01 half done in development" in ran.log
    assert db_migrate().exit_code == 3
    assert database.query("SELECT id FROM a") == [(1,)]


def test_why_a_file_does_not_run_in_one_transaction_is_shown_before_it_runs(db_migrate: CommandLine) -> None:
    db_migrate.write(_01_x="CREATE TABLE t (id int);\nVACUUM t;")
    ran = db_migrate("--dry-run")
    why = "PostgreSQL does not run VACUUM inside a transaction (line 2)"
    assert f"outside of a transaction: {why}" in ran.log
    assert f"**Outside of a transaction:** {why}" in ran.summary


def test_an_added_value_used_inside_of_one_transaction_is_the_servers_to_refuse(
    db_migrate: CommandLine, database: Database
) -> None:
    database.query("CREATE TYPE mood AS ENUM ('sad'); CREATE TABLE words (word text)")
    db_migrate.write(_01_x="BEGIN;\nALTER TYPE mood ADD VALUE 'happy';\nINSERT INTO words VALUES ('happy');\nCOMMIT;")
    ran = db_migrate()
    assert ran.exit_code == 0, ran.log
    assert "! migrations/01_x.sql:3:1: the value 'happy' cannot be used before the transaction that adds it" in ran.log
    db_migrate.write(_02_y="BEGIN;\nALTER TYPE mood ADD VALUE 'glad';\nSELECT 'glad'::mood;\nCOMMIT;")
    ran = db_migrate()
    assert ran.exit_code == 1
    assert "SQLSTATE 55P04" in ran.log
    assert "use it in a migration of its own" in ran.log


FILE_ROLES = {
    "role": "SET ROLE nobody",
    "session": "SET SESSION AUTHORIZATION nobody",
    "both": "SET SESSION AUTHORIZATION postgres;\nSET ROLE nobody",
    "from within a block": "BEGIN; SET ROLE nobody; COMMIT",
}


@pytest.mark.parametrize("become", FILE_ROLES.values(), ids=FILE_ROLES)
def test_each_step_runs_as_the_role_that_the_file_takes_on_and_is_counted_as_ours(
    db_migrate: CommandLine, database: Database, become: str
) -> None:
    database.query("CREATE TABLE seen (who text, path text); GRANT ALL ON seen TO nobody; CREATE SCHEMA app")
    look = "INSERT INTO public.seen SELECT current_user, current_setting('search_path')"
    db_migrate.write(
        _01_x=f"-- migrate: no-transaction\nSET search_path = app;\n{become};\n{look};\nBEGIN; {look}; COMMIT;\n"
        f"VACUUM public.seen;\n{look};\nRESET SESSION AUTHORIZATION;\nRESET ROLE;\nRESET search_path;\n{look};"
    )
    ran = db_migrate()
    assert ran.exit_code == 0, ran.log
    assert database.query("SELECT * FROM seen") == [*[("nobody", "app")] * 3, ("postgres", '"$user", public')]


def test_the_ledger_is_written_as_the_role_that_the_session_began_with(
    db_migrate: CommandLine, database: Database
) -> None:
    database.query("GRANT CREATE, USAGE ON SCHEMA public TO pg_monitor")
    database.query("GRANT pg_monitor TO nobody WITH INHERIT FALSE")
    database.query(f"ALTER ROLE nobody IN DATABASE {database.name} SET role = pg_monitor")
    db_migrate.write(_01_x="-- migrate: no-transaction\nSET ROLE nobody;\nSELECT 1;\nVACUUM;\nBEGIN; SELECT 2; END;")
    try:
        ran = db_migrate(DATABASE_URL=database.as_role("nobody"))
    finally:
        database.query("REVOKE pg_monitor FROM nobody")
    assert ran.exit_code == 0, ran.log
    assert row(database) == ("completed", False, 4, 4)
    assert database.value("SELECT tableowner FROM pg_tables WHERE tablename = 'schema_migrations'") == "pg_monitor"


@ON_NEWEST
def test_a_limit_that_the_file_sets_is_not_one_of_the_ledger(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_01_first="SELECT 1;")
    assert db_migrate().exit_code == 0
    database.query(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_catalog.pg_sleep(0.3); RETURN NEW; END $$; "
        "CREATE TRIGGER slow BEFORE UPDATE ON schema_migrations FOR EACH ROW EXECUTE FUNCTION slow()"
    )
    db_migrate.write(
        _02_x="-- migrate: no-transaction\nSET statement_timeout = '200ms';\n"
        "SELECT 1;\nBEGIN; SELECT 2; COMMIT;\nVACUUM schema_migrations;"
    )
    ran = db_migrate()
    assert ran.exit_code == 0, ran.log


DEFERRED = """\
-- migrate: no-transaction
CREATE TABLE a (id int PRIMARY KEY);
CREATE TABLE b (id int REFERENCES a DEFERRABLE INITIALLY DEFERRED);
{};
"""


@pytest.mark.parametrize("step", ["INSERT INTO b VALUES (1)", "BEGIN; INSERT INTO b VALUES (1); COMMIT"])
def test_what_a_deferred_constraint_refuses_is_neither_done_nor_counted(
    db_migrate: CommandLine, database: Database, step: str
) -> None:
    db_migrate.write(_01_x=DEFERRED.format(step))
    ran = db_migrate()
    assert ran.exit_code == 1
    assert "01_x.sql:4:1: insert or update on table" in ran.log
    assert row(database) == ("failed", False, 2, 3)
    assert database.query("SELECT id FROM b") == []


def test_a_step_that_may_not_write_is_run_and_counted_as_well(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(
        _01_x="-- migrate: no-transaction\nBEGIN READ ONLY; SELECT 1; COMMIT;\n"
        "SET default_transaction_read_only = on;\nSET search_path = nowhere;\nRESET default_transaction_read_only;\n"
        "CREATE TABLE public.t AS SELECT current_setting('search_path') AS path;"
    )
    ran = db_migrate()
    assert ran.exit_code == 0, ran.log
    assert row(database) == ("completed", False, 5, 5)
    assert database.query("SELECT path FROM t") == [("nowhere",)]


def test_what_only_the_catalog_shows_to_refuse_a_transaction_runs_without_one(
    db_migrate: CommandLine, database: Database
) -> None:
    database.query(
        "CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY LIST (id); CREATE TABLE part PARTITION OF parts DEFAULT"
    )
    before = database.value("SELECT relfilenode FROM pg_class WHERE relname = 'part_pkey'")
    db_migrate.write(_01_x="-- migrate: no-transaction\nREINDEX TABLE parts;\nCREATE TABLE t ();")
    ran = db_migrate()
    assert ran.exit_code == 0, ran.log
    assert database.value("SELECT relfilenode FROM pg_class WHERE relname = 'part_pkey'") != before
    assert row(database) == ("completed", False, 2, 2)


def test_an_index_of_a_partitioned_table_is_not_taken_for_one_that_failed(
    db_migrate: CommandLine, database: Database
) -> None:
    database.query("CREATE TABLE parts (id int) PARTITION BY LIST (id); CREATE TABLE part PARTITION OF parts DEFAULT")
    db_migrate.write(
        _01_x="-- migrate: no-transaction\nCREATE INDEX parts_idx ON ONLY parts (id);\n"
        "CREATE INDEX CONCURRENTLY part_idx ON part (id);\nALTER INDEX parts_idx ATTACH PARTITION part_idx;"
    )
    ran = db_migrate()
    assert ran.exit_code == 0, ran.log
    assert database.value("SELECT bool_and(indisvalid) FROM pg_index WHERE indexrelid::regclass::text LIKE 'part%'")


def test_a_step_of_which_the_row_is_gone_is_taken_back(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(
        _01_x="-- migrate: no-transaction\nCREATE TABLE a ();\n"
        "DO $$ BEGIN DELETE FROM schema_migrations; END $$;\nCREATE TABLE c ();"
    )
    ran = db_migrate()
    assert ran.exit_code == 1
    assert "the ledger no longer has this migration as one of this run, or its mutex is lost" in ran.log
    assert row(database) == ("failed", False, 1, 3)
    assert "c" not in database.tables()


def test_a_constraint_is_validated_without_a_lock_timeout(db_migrate: CommandLine, database: Database) -> None:
    database.query("CREATE TABLE t (id int); ALTER TABLE t ADD CONSTRAINT positive CHECK (id > 0) NOT VALID")
    db_migrate.write(_01_x="-- migrate: no-transaction\nALTER TABLE t VALIDATE CONSTRAINT positive;")
    with database.connect() as other:
        other.autocommit = False
        other.execute("LOCK TABLE t IN SHARE UPDATE EXCLUSIVE MODE")
        with running(db_migrate, "--lock-timeout", "100ms", "--lock-retries", "0") as process:
            wait_until(
                database,
                "SELECT 1 FROM pg_stat_activity WHERE clock_timestamp() - query_start > '400ms' "
                "AND query LIKE 'ALTER TABLE t VALIDATE%' AND wait_event_type = 'Lock'",
            )
            other.rollback()
            log, _ = process.communicate(timeout=20)
    assert process.returncode == 0, log

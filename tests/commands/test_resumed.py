"""Files outside of a transaction that were broken off: each step is done once, and the catalog says which are."""

import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from runner.postgres.orphans import end_dead_workers
from tests.commands.conftest import CommandLine
from tests.commands.processes import running, wait_until
from tests.conftest import ON_NEWEST, Database

AS_WRITTEN = "-- migrate: no-transaction\n"
AT_THE_GATE = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
OPEN = "TRUNCATE gate"
GATE = """
    CREATE TABLE gate (number int);
    CREATE FUNCTION wait_at_the_gate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF EXISTS (SELECT FROM public.gate WHERE number = NEW.statements_done) THEN PERFORM pg_sleep(60); END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER gate BEFORE UPDATE OF statements_done ON schema_migrations FOR EACH ROW
    WHEN (NEW.status = 'running' AND NEW.statements_done > OLD.statements_done) EXECUTE FUNCTION wait_at_the_gate()"""


def kill_at_the_count(db_migrate: CommandLine, database: Database, number: int) -> None:
    """Run, and kill the run when a step is done and is about to be counted as this one."""
    database.query(f"{OPEN}; INSERT INTO gate VALUES ({number})")
    with running(db_migrate, "--own-transactions", "honour") as process:
        wait_until(database, AT_THE_GATE)
        process.kill()
        process.wait()
    end_all_workers(database)
    database.query(OPEN)


def end_all_workers(database: Database) -> None:
    """As the server does by itself, sooner or later."""
    runners = "FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'db-migrate %'"
    database.query(f"SELECT pg_terminate_backend(pid) {runners}")
    wait_until(database, f"SELECT 1 WHERE NOT EXISTS (SELECT {runners})")


def a_ledger_with_a_gate(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_01_first="SELECT 1;")
    assert db_migrate().exit_code == 0
    database.query(GATE)


MIXED = [
    "INSERT INTO done VALUES (1)",
    "CREATE INDEX CONCURRENTLY done_idx ON done (step)",
    "BEGIN; INSERT INTO done VALUES (3); COMMIT",
    "ALTER TYPE mood ADD VALUE 'happy'",
    "DO $$ BEGIN INSERT INTO done VALUES (5); END $$",
    "DROP INDEX CONCURRENTLY done_idx",
    "VACUUM done",
    "ALTER TABLE parts DETACH PARTITION part CONCURRENTLY",
    "BEGIN; INSERT INTO done VALUES (0); ROLLBACK",
    "ALTER TABLE done VALIDATE CONSTRAINT positive",
    "INSERT INTO done VALUES (11)",
    "CREATE INDEX CONCURRENTLY last_idx ON done (step)",
]


@ON_NEWEST
def test_killed_between_each_step_and_its_count_a_file_is_done_once(
    db_migrate: CommandLine, database: Database
) -> None:
    database.query(
        "CREATE TABLE done (step int); ALTER TABLE done ADD CONSTRAINT positive CHECK (step > 0) NOT VALID;"
        "CREATE TYPE mood AS ENUM ('sad');"
        "CREATE TABLE parts (id int) PARTITION BY LIST (id); CREATE TABLE part PARTITION OF parts FOR VALUES IN (1)"
    )
    a_ledger_with_a_gate(db_migrate, database)
    db_migrate.write(_02_mixed=AS_WRITTEN + ";\n".join(MIXED).replace("VALUES (0)", "VALUES (99)"))
    for number in range(1, len(MIXED) + 1):
        kill_at_the_count(db_migrate, database, number)
    ran = db_migrate("--own-transactions", "honour")
    assert ran.exit_code == 0, ran.log
    assert "line 13 was done by an earlier attempt: public.last_idx is there and valid" in ran.log
    assert database.query("SELECT step FROM done ORDER BY 1") == [(1,), (3,), (5,), (11,)]
    assert database.query("SELECT enum_range(NULL::mood)::text") == [("{sad,happy}",)]
    assert database.query(
        "SELECT indexrelid::regclass::text, indisvalid FROM pg_index WHERE indrelid = 'done'::regclass"
    ) == [("last_idx", True)]
    assert database.value("SELECT count(*) FROM pg_inherits WHERE inhparent = 'parts'::regclass") == 0
    assert database.value("SELECT convalidated FROM pg_constraint WHERE conname = 'positive'") is True
    assert database.query(
        "SELECT version, count(*) FROM migration_history WHERE status = 'success' GROUP BY 1 ORDER BY 1"
    ) == [
        ("01", 1),
        ("02", 1),
    ]


@contextmanager
def waiting_for_an_old_transaction(
    db_migrate: CommandLine, database: Database, touch: str
) -> Iterator[subprocess.Popen[str]]:
    """A run whose statement waits for a transaction that has begun with `touch`; that ends with the block."""
    with database.connect() as old:
        old.autocommit = False
        old.execute(touch.encode())
        with running(db_migrate) as process:
            wait_until(
                database,
                "SELECT 1 FROM pg_stat_activity WHERE application_name LIKE 'db-migrate worker %' "
                "AND wait_event_type = 'Lock' AND query LIKE '%CONCURRENTLY%'",
            )
            yield process
        old.rollback()


INDEX = (
    AS_WRITTEN
    + "CREATE TABLE before ();\nCREATE UNIQUE INDEX CONCURRENTLY users_idx ON users (id);\nCREATE TABLE behind ();"
)
STATE = "SELECT indisvalid, indisready FROM pg_index WHERE indexrelid = 'users_idx'::regclass"


def test_a_build_that_was_killed_is_repaired_by_the_next_run(db_migrate: CommandLine, database: Database) -> None:
    database.query("CREATE TABLE users (id int)")
    db_migrate.write(_01_index=INDEX)
    with waiting_for_an_old_transaction(db_migrate, database, "INSERT INTO users VALUES (1)") as process:
        process.kill()
        process.wait()
        with database.connect() as connection:
            worker = connection.execute(
                "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'db-migrate worker %'"
            ).fetchall()
            assert [(pid,) for pid in end_dead_workers(connection, "public")] == worker
            assert end_dead_workers(connection, "public") == []
    assert database.value(STATE.replace(", indisready", "")) is False
    ran = db_migrate()
    assert ran.exit_code == 0, ran.log
    assert "dropped the invalid index public.users_idx, which an earlier attempt left" in ran.log
    assert database.query(STATE) == [(True, True)]
    assert {"before", "behind"} <= database.tables()


def test_a_build_that_was_cancelled_is_repaired_by_the_next_run(db_migrate: CommandLine, database: Database) -> None:
    database.query("CREATE TABLE users (id int)")
    db_migrate.write(_01_index=INDEX)
    with waiting_for_an_old_transaction(db_migrate, database, "INSERT INTO users VALUES (1)") as process:
        process.send_signal(signal.SIGTERM)
        log, _ = process.communicate(timeout=10)
    assert process.returncode == 143, log
    assert database.value(STATE.replace(", indisready", "")) is False
    ran = db_migrate()
    assert ran.exit_code == 0, ran.log
    assert database.query(STATE) == [(True, True)]


def test_a_partition_that_is_half_detached_is_finished(db_migrate: CommandLine, database: Database) -> None:
    database.query(
        'CREATE TABLE parts (id int) PARTITION BY LIST (id); CREATE TABLE "Part 1" PARTITION OF parts FOR VALUES IN (1)'
    )
    db_migrate.write(_01_detach='ALTER TABLE parts DETACH PARTITION "Part 1" CONCURRENTLY;')
    with waiting_for_an_old_transaction(db_migrate, database, "SELECT id FROM parts") as process:
        process.kill()
        process.wait()
        end_all_workers(database)
    assert database.query("SELECT inhdetachpending FROM pg_inherits") == [(True,)]
    ran = db_migrate()
    assert ran.exit_code == 0, ran.log
    assert 'finished what an earlier attempt began: ALTER TABLE "parts" DETACH PARTITION "Part 1" FINALIZE' in ran.log
    assert database.query("SELECT inhdetachpending FROM pg_inherits") == []
    assert "Part 1" in database.tables()


def test_what_a_killed_reindex_left_is_dropped_and_all_is_built_again(
    db_migrate: CommandLine, database: Database
) -> None:
    database.query("CREATE TABLE users (id int PRIMARY KEY, bio text)")
    db_migrate.write(_01_reindex="REINDEX TABLE CONCURRENTLY users;")
    with waiting_for_an_old_transaction(db_migrate, database, "INSERT INTO users VALUES (1)") as process:
        process.kill()
        process.wait()
        end_all_workers(database)
    left = [name for (name,) in database.query("SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid")]
    assert "users_pkey_ccnew" in left
    ran = db_migrate()
    assert ran.exit_code == 0, ran.log
    assert "dropped the invalid index public.users_pkey_ccnew" in ran.log
    assert database.query("SELECT 1 FROM pg_index WHERE NOT indisvalid") == []
    assert database.value("SELECT count(*) FROM pg_class WHERE relname ~ '_cc(new|old)'") == 0


def lose_the_count(database: Database, done: int, status: str = "running") -> None:
    """As if a run had been killed when it had not counted a step yet, or had failed there."""
    database.query("UPDATE schema_migrations SET status = %s, statements_done = %s", status, done)


FINISHED = {
    "index": "CREATE INDEX CONCURRENTLY users_idx ON users (id)",
    "index of a path": "SET search_path = app;\nCREATE INDEX CONCURRENTLY users_idx ON users (id)",
    "index dropped": "DROP INDEX CONCURRENTLY old_idx",
    "enum value": "ALTER TYPE mood ADD VALUE 'it''s fine' AFTER 'sad'",
    "constraint": "ALTER TABLE users VALIDATE CONSTRAINT positive",
    "partition": "ALTER TABLE parts DETACH PARTITION part CONCURRENTLY",
}


@pytest.mark.parametrize("sql", FINISHED.values(), ids=FINISHED)
def test_what_is_finished_is_not_repeated_when_its_count_was_lost(
    db_migrate: CommandLine, database: Database, sql: str
) -> None:
    database.query(
        "CREATE SCHEMA app; CREATE TABLE app.users (id int); CREATE TYPE mood AS ENUM ('sad', 'glad');"
        "CREATE TABLE users (id int); ALTER TABLE users ADD CONSTRAINT positive CHECK (id > 0) NOT VALID;"
        "CREATE INDEX old_idx ON users (id);"
        "CREATE TABLE parts (id int) PARTITION BY LIST (id); CREATE TABLE part PARTITION OF parts FOR VALUES IN (1)"
    )
    db_migrate.write(_01_x=f"{AS_WRITTEN}{sql};\nSELECT 1;")
    assert db_migrate().exit_code == 0
    before = database.dump(), database.query("SELECT oid, relname FROM pg_class WHERE relname = 'users_idx'")
    lose_the_count(database, sql.count("\n"))
    ran = db_migrate()
    assert ran.exit_code == 0, ran.log
    after = database.dump(), database.query("SELECT oid, relname FROM pg_class WHERE relname = 'users_idx'")
    assert without_the_ledger(after[0]) == without_the_ledger(before[0])
    assert after[1] == before[1]


def without_the_ledger(dump: str) -> str:
    return re.sub(r"(?s)COPY public\.(?:schema_migrations|migration_\w+) .*?\n\\\.\n", "", dump)


def test_a_cluster_wide_object_is_not_made_twice(db_migrate: CommandLine, database: Database) -> None:
    name = f"{database.name}_beside"
    db_migrate.write(_01_x=f"CREATE DATABASE {name};", _02_x=f"DROP DATABASE {name};")
    assert db_migrate("--version", "01").exit_code == 0
    lose_the_count(database, 0)
    ran = db_migrate()
    assert ran.exit_code == 0, ran.log
    assert f"line 1 was done by an earlier attempt: database {name} is there" in ran.log
    assert database.value("SELECT count(*) FROM pg_database WHERE datname = %s", name) == 0


NAMELESS = (
    "CREATE TABLE users (id int, email text);\nCREATE INDEX CONCURRENTLY ON users (email);\nCREATE TABLE behind ();"
)


@ON_NEWEST
def test_an_index_without_a_name_cannot_be_told_and_the_command_of_the_message_settles_it(
    db_migrate: CommandLine, database: Database
) -> None:
    db_migrate.write(_01_x=NAMELESS)
    assert db_migrate().exit_code == 0
    database.query("DROP TABLE behind")
    lose_the_count(database, 1)
    ran = db_migrate()
    assert ran.exit_code == 1
    assert "01_x.sql:2:1: this statement gives its index no name, and may have built public.users_email_idx" in ran.log
    settle(db_migrate, ran.log)
    ran = db_migrate()
    assert ran.exit_code == 0, ran.log
    assert "behind" in database.tables()
    assert database.value("SELECT count(*) FROM pg_index WHERE indrelid = 'users'::regclass") == 1


def test_an_index_without_a_name_is_built_when_there_is_none_like_it(
    db_migrate: CommandLine, database: Database
) -> None:
    db_migrate.write(_01_x=NAMELESS)
    assert db_migrate().exit_code == 0
    database.query("DROP TABLE behind; DROP INDEX users_email_idx; CREATE INDEX ON users (id)")
    lose_the_count(database, 1)
    ran = db_migrate()
    assert ran.exit_code == 0, ran.log
    assert database.value("SELECT indisvalid FROM pg_index WHERE indexrelid = 'users_email_idx'::regclass") is True


def settle(db_migrate: CommandLine, log: str) -> None:
    """Run the command that a message gives."""
    found = re.search(r"tell the ledger: `db-migrate (repair --settle 01=\d+)`", log)
    assert found, log
    assert db_migrate(*found[1].split(), "--yes").exit_code == 0


@ON_NEWEST
@pytest.mark.parametrize(
    ("there", "said"),
    [
        ("CREATE UNIQUE INDEX i ON users (email)", "public.i is there, and not as this statement builds it"),
        ("CREATE INDEX i ON users (id)", "public.i is there, and not as this statement builds it"),
        ("CREATE TABLE i ()", 'public.i is something else than an index on "users"'),
        ("CREATE INDEX i ON others (email)", 'public.i is something else than an index on "users"'),
    ],
)
def test_another_index_of_that_name_is_neither_taken_nor_dropped(
    db_migrate: CommandLine, database: Database, there: str, said: str
) -> None:
    database.query("CREATE TABLE others (email text); CREATE TABLE users (id int, email text)")
    db_migrate.write(_01_x="CREATE INDEX CONCURRENTLY i ON users (email);")
    database.query(there)
    assert "already exists" in db_migrate().log
    lose_the_count(database, 0)
    ran = db_migrate()
    assert ran.exit_code == 1
    assert f"01_x.sql:1:1: {said}" in ran.log
    assert database.value("SELECT 'i'::regclass::text") == "i"
    settle(db_migrate, ran.log)
    assert db_migrate().exit_code == 0


def test_an_index_that_was_there_when_a_build_failed_is_not_its_work(
    db_migrate: CommandLine, database: Database
) -> None:
    database.query("CREATE TABLE t (a text, b int); CREATE UNIQUE INDEX i ON t (upper(a)) WHERE b > 100")
    db_migrate.write(_01_x="CREATE INDEX CONCURRENTLY i ON t (lower(a)) WHERE b < 5;")
    for _ in range(2):
        ran = db_migrate()
        assert (ran.exit_code, "already exists" in ran.log) == (1, True), ran.log
    database.query("DROP INDEX i")
    assert db_migrate().exit_code == 0


def test_an_invalid_index_of_somebody_else_is_not_dropped(db_migrate: CommandLine, database: Database) -> None:
    database.query("CREATE TABLE t (a int, b int); CREATE INDEX i ON t (a, b)")
    database.query("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'i'::regclass")
    db_migrate.write(_01_x="CREATE INDEX CONCURRENTLY i ON t (b);")
    assert "already exists" in db_migrate().log
    ran = db_migrate()
    assert ran.exit_code == 1
    assert "01_x.sql:1:1: public.i is there, and not as this statement builds it" in ran.log
    assert "it is not valid, and is CREATE INDEX i ON public.t USING btree (a, b)" in ran.log
    assert database.value("SELECT indnatts FROM pg_index WHERE indexrelid = 'i'::regclass") == 2


@ON_NEWEST
def test_an_index_of_the_name_in_another_schema_is_not_dropped_as_well(
    db_migrate: CommandLine, database: Database
) -> None:
    database.query("CREATE SCHEMA app; CREATE TABLE app.t (a int); CREATE TABLE t (a int)")
    database.query("CREATE INDEX i ON app.t (a); CREATE INDEX i ON t (a)")
    db_migrate.write(_01_x="SET search_path = app, public;\nDROP INDEX CONCURRENTLY i;")
    assert db_migrate().exit_code == 0
    lose_the_count(database, 1)
    said = "this statement names no schema, and public.i may not be the index that it was to drop"
    assert said in db_migrate().log
    ran = db_migrate()
    assert (ran.exit_code, said in ran.log) == (1, True)
    assert database.value("SELECT 'public.i'::regclass::text") == "i"
    settle(db_migrate, ran.log)
    assert db_migrate().exit_code == 0


def test_an_index_that_somebody_else_builds_is_left_alone(db_migrate: CommandLine, database: Database) -> None:
    database.query("CREATE TABLE users (id int)")
    db_migrate.write(_01_x="CREATE TABLE a ();\nCREATE INDEX CONCURRENTLY users_idx ON users (id);")
    assert db_migrate().exit_code == 0
    database.query("DROP INDEX users_idx")
    lose_the_count(database, 1)
    with (
        database.connect() as old,
        subprocess.Popen(
            [
                database.server.programs / "psql",
                database.url.value,
                "-c",
                "CREATE INDEX CONCURRENTLY users_idx ON users (id)",
            ],
            stdout=subprocess.DEVNULL,
        ) as other,
    ):
        old.autocommit = False
        old.execute("INSERT INTO users VALUES (1)")
        try:
            wait_until(database, "SELECT 1 FROM pg_stat_progress_create_index WHERE index_relid <> 0")
            ran = db_migrate()
        finally:
            old.rollback()
            other.wait(timeout=20)
    assert ran.exit_code == 1
    assert "public.users_idx is just being built by another session, pid" in ran.log
    ran = db_migrate()
    assert ran.exit_code == 0, ran.log


def test_a_run_that_ends_before_it_could_ask_leaves_the_question_open(
    db_migrate: CommandLine, database: Database
) -> None:
    database.query("CREATE ROLE passing; CREATE TABLE users (id int)")
    try:
        database.query("ALTER TABLE users OWNER TO passing; CREATE INDEX users_idx ON users (id)")
        db_migrate.write(_01_x=f"{AS_WRITTEN}SET ROLE passing;\nDROP INDEX CONCURRENTLY users_idx;\nSELECT 1;")
        assert db_migrate().exit_code == 0
        lose_the_count(database, 1)
        database.query("ALTER ROLE passing RENAME TO away")
        ran = db_migrate()
        assert ran.exit_code == 1
        assert 'role "passing" does not exist' in ran.log
        assert database.query("SELECT status, statements_done FROM schema_migrations") == [("running", 1)]
        database.query("ALTER ROLE away RENAME TO passing")
        ran = db_migrate()
        assert ran.exit_code == 0, ran.log
        assert 'line 3 was done by an earlier attempt: index "users_idx" is gone' in ran.log
    finally:
        database.query("DROP OWNED BY passing; DROP ROLE passing")

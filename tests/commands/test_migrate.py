"""The main job: files in, migrations applied, ledger and history written."""

import re
import threading
import time

import pytest

from tests.commands.conftest import CommandLine
from tests.conftest import EXAMPLE, Database

USERS = "-- Migration: Users\n-- Purpose: Keeps people.\nCREATE TABLE users (id int PRIMARY KEY, name text);\n"
POSTS = (
    "CREATE TABLE posts (id int PRIMARY KEY, author int REFERENCES users (id));\nINSERT INTO posts VALUES (1, NULL);"
)
BROKEN = "CREATE TABLE tags (id int);\nINSERT INTO tags VALUES (1);\n\nALTER TABLE tags\n    ADD COLUMN id text;\n"


def statuses(database: Database) -> dict[str, str]:
    rows = database.query("SELECT version, status FROM schema_migrations")
    return {str(version): str(status) for version, status in rows}


def test_applies_the_files_in_order_and_records_each(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_02_posts=POSTS, _01_users=USERS, _01_users__down="DROP TABLE users;")
    ran = db_migrate("--environment", "staging")
    assert ran.exit_code == 0, ran.log
    assert database.tables() >= {"users", "posts"}
    rows = database.query(
        "SELECT version, name, status, applied_by, statements_total, statements_done, transactional, error_message, "
        "body, down_body FROM schema_migrations ORDER BY version"
    )
    assert rows == [
        ("01", "users", "completed", "ada", 1, 1, True, None, USERS, "DROP TABLE users;"),
        ("02", "posts", "completed", "ada", 2, 2, True, None, POSTS, None),
    ]
    history = database.query(
        "SELECT version, action, status, executed_by, environment FROM migration_history ORDER BY 1"
    )
    assert history == [("01", "apply", "success", "ada", "staging"), ("02", "apply", "success", "ada", "staging")]
    assert database.value("SELECT environment FROM migration_environment") == "staging"
    assert database.query("SELECT command, environment, outcome, finished_at >= started_at FROM migration_runs") == [
        ("migrate", "staging", "applied", True)
    ]
    assert re.search(r"^applied<<(\S+)\n\[\"01\", \"02\"\]\n\1$", ran.output_file, re.MULTILINE)
    assert re.search(r"^outcome<<(\S+)\napplied\n\1$", ran.output_file, re.MULTILINE)
    assert "2 migrations applied to staging" in ran.summary


def test_a_migration_its_row_and_its_history_are_one_commit(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_01_users=USERS)
    assert db_migrate().exit_code == 0
    [(table, row, history)] = database.query(
        "SELECT (SELECT xmin::text FROM pg_class WHERE relname = 'users'), "
        "(SELECT xmin::text FROM schema_migrations), (SELECT xmin::text FROM migration_history)"
    )
    assert table == row == history


def test_a_second_run_finds_nothing_to_do_and_changes_nothing(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_01_users=USERS)
    db_migrate()
    before = database.dump()
    ran = db_migrate()
    assert ran.exit_code == 0
    assert re.search(r"^outcome<<(\S+)\nup-to-date\n\1$", ran.output_file, re.MULTILINE)
    assert re.search(r"^current-version<<(\S+)\n01\n\1$", ran.output_file, re.MULTILINE)
    assert database.dump() == before


def test_a_failing_last_statement_leaves_nothing_behind(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_01_users=USERS, _02_tags=BROKEN, _03_posts=POSTS)
    ran = db_migrate(GITHUB_ACTIONS="true")
    assert ran.exit_code == 1
    assert "tags" not in database.tables()
    assert statuses(database) == {"01": "completed", "02": "failed", "03": "pending"}
    [(error, version)] = database.query("SELECT error_message, version FROM migration_history WHERE status = 'failed'")
    assert version == "02"
    assert str(error).startswith('migrations/02_tags.sql:4:1: column "id" of relation "tags" already exists')
    assert "::error file=migrations/02_tags.sql,line=4,col=1,title=db-migrate::" in ran.log
    assert "> 4 | ALTER TABLE tags" in ran.summary
    assert database.value("SELECT outcome FROM migration_runs") == "failed"
    assert re.search(r"^pending<<(\S+)\n\[\"02\", \"03\"\]\n\1$", ran.output_file, re.MULTILINE)


def test_goes_on_where_it_failed_once_the_file_is_mended(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_01_users=USERS, _02_tags=BROKEN)
    db_migrate()
    db_migrate.write(_02_tags="CREATE TABLE tags (id int);")
    assert db_migrate().exit_code == 0
    assert statuses(database) == {"01": "completed", "02": "completed"}
    assert database.value("SELECT error_message FROM schema_migrations WHERE version = '02'") is None
    assert database.query("SELECT status FROM migration_history WHERE version = '02' ORDER BY executed_at") == [
        ("failed",),
        ("success",),
    ]


def test_the_error_is_placed_where_the_server_points(db_migrate: CommandLine) -> None:
    db_migrate.write(_01_users="CREATE TABLE users (\n    id int,\n    größe int, mail txet\n);\n")
    ran = db_migrate()
    assert 'migrations/01_users.sql:3:21: type "txet" does not exist' in ran.log


def test_an_error_at_commit_belongs_to_its_migration(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(
        _01_users="CREATE TABLE users (id int PRIMARY KEY);\n"
        "CREATE TABLE posts (author int REFERENCES users DEFERRABLE INITIALLY DEFERRED);\n"
        "INSERT INTO posts VALUES (7);\n"
    )
    ran = db_migrate()
    assert ran.exit_code == 1
    assert 'migrations/01_users.sql: at its end: insert or update on table "posts" violates' in ran.log
    assert "posts" not in database.tables()
    assert statuses(database) == {"01": "failed"}


def test_refuses_an_edited_file_and_changes_nothing(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_01_users=USERS)
    db_migrate()
    before = database.dump()
    db_migrate.write(_01_users=USERS + "ALTER TABLE users ADD COLUMN mail text;\n", _02_posts=POSTS)
    ran = db_migrate()
    assert ran.exit_code == 4
    assert "Migration 01 checksum mismatch! File has been modified after being applied. This is unsafe." in ran.log
    assert database.dump() == before


@pytest.mark.parametrize("changed", [USERS.replace("\n", "\r\n"), "\ufeff" + USERS], ids=["CRLF", "byte order mark"])
def test_line_ends_and_byte_order_mark_are_no_change(db_migrate: CommandLine, changed: str) -> None:
    db_migrate.write(_01_users=USERS)
    db_migrate()
    (db_migrate.checkout / "migrations" / "01_users.sql").write_bytes(changed.encode())
    assert db_migrate().exit_code == 0


def test_a_dry_run_lists_what_would_run_and_changes_nothing(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_01_users=USERS, _02_posts=POSTS)
    before = database.dump()
    ran = db_migrate("--dry-run")
    assert ran.exit_code == 0
    assert database.dump() == before
    assert ran.log.index("01_users.sql") < ran.log.index("02_posts.sql")
    assert re.search(r"^outcome<<(\S+)\ndry-run\n\1$", ran.output_file, re.MULTILINE)
    assert re.search(r"^pending<<(\S+)\n\[\"01\", \"02\"\]\n\1$", ran.output_file, re.MULTILINE)


def test_the_server_itself_keeps_a_dry_run_from_writing(db_migrate: CommandLine, database: Database) -> None:
    database.query(f"ALTER DATABASE {database.name} SET log_statement = 'all'")
    db_migrate.write(_01_users=USERS)
    log = database.server.folder / "log"
    start = log.stat().st_size
    assert db_migrate("--dry-run").exit_code == 0
    statements = re.findall(r"LOG:  (?:statement|execute [^:]*): (.*)", log.read_bytes()[start:].decode())
    ends = [statement for statement in statements if statement in {"COMMIT", "ROLLBACK"}]
    begins = [statement for statement in statements if statement.startswith("BEGIN")]
    assert (statements[0], statements[-1]) == ("BEGIN READ ONLY", "COMMIT")
    assert begins == ["BEGIN READ ONLY"] * len(ends)


def test_stops_behind_the_version_asked_for(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_01_users=USERS, _02_posts=POSTS, _03_tags="CREATE TABLE tags ();")
    ran = db_migrate("--version=02", "--verbose")
    assert ran.exit_code == 0
    assert statuses(database) == {"01": "completed", "02": "completed"}
    assert re.search(r"^pending<<(\S+)\n\[\"03\"\]\n\1$", ran.output_file, re.MULTILINE)


def test_pending_and_running_are_visible_while_it_runs(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_01_users=USERS, _02_slow="SELECT pg_sleep(1);", _03_tags="CREATE TABLE tags ();")
    runner = threading.Thread(target=db_migrate)
    runner.start()
    seen: dict[str, str] = {}
    deadline = time.monotonic() + 10
    while seen.get("02") != "running" and time.monotonic() < deadline:
        time.sleep(0.05)
        if "schema_migrations" in database.tables():
            seen = statuses(database)
    [(total, completed, pending, running)] = database.query(
        "SELECT total, completed, pending, running FROM get_migration_status()"
    )
    runner.join()
    assert seen == {"01": "completed", "02": "running", "03": "pending"}
    assert (total, completed, pending, running) == (3, 1, 1, 1)
    assert statuses(database) == {"01": "completed", "02": "completed", "03": "completed"}


def test_a_row_of_a_file_that_is_gone_does_not_stay_pending(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_01_tags=BROKEN, _02_users=USERS)
    db_migrate()
    (db_migrate.checkout / "migrations" / "02_users.sql").rename(db_migrate.checkout / "migrations" / "03_users.sql")
    db_migrate.write(_01_tags="SELECT 1;")
    assert db_migrate().exit_code == 0
    assert statuses(database) == {"01": "completed", "03": "completed"}


def test_what_a_file_sets_for_its_session_does_not_reach_the_next(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(
        _01_settings="CREATE SCHEMA other; SET search_path = other; SET statement_timeout = '1h'; SET ROLE nobody;\n"
        "CREATE TEMPORARY TABLE scratch (id int); SELECT pg_advisory_lock(1);",
        _02_look="CREATE TABLE seen AS SELECT current_setting('search_path') AS path, current_user::text AS who, "
        "to_regclass('scratch') IS NULL AS clean, current_setting('statement_timeout') AS timeout;",
    )
    assert db_migrate().exit_code == 0
    assert database.query("SELECT path, who, clean, timeout FROM seen") == [
        ('"$user", public', "postgres", True, "0"),
    ]


def test_check_files_must_be_true(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(
        _01_users=USERS,
        _01_users__check="SELECT count(*) = 0 FROM users;\nSELECT true, 'infinity'::timestamptz FROM pg_class;",
    )
    assert db_migrate().exit_code == 0
    assert statuses(database) == {"01": "completed"}


@pytest.mark.parametrize(
    ("check", "says"),
    [
        ("SELECT true;\nSELECT id > 5 FROM users;", "row 1 does not begin with true"),
        ("SELECT true;\nSELECT true FROM users WHERE false;", "it returned no row"),
        ("SELECT true;\nSELECT 'true';", "row 1 does not begin with true"),
        ("SELECT true;\nSELECT NULL::boolean;", "row 1 does not begin with true"),
        ("SELECT true;\nDO $$ BEGIN END $$;", "it returned no row"),
        ("SELECT true;\nSELECT 1 / 0;", "division by zero"),
        ("SELECT true;\nSELECT FROM users;", "row 1 does not begin with true"),
    ],
    ids=["false", "no row", "text", "null", "not a query", "raises", "no column"],
)
def test_a_failing_check_rolls_the_migration_back(
    db_migrate: CommandLine, database: Database, check: str, says: str
) -> None:
    db_migrate.write(_01_users=USERS + "INSERT INTO users VALUES (1);", _01_users__check=check)
    ran = db_migrate()
    assert ran.exit_code == 1
    assert "migrations/01_users.check.sql:2:1: " in ran.log
    assert says in ran.log
    assert "users" not in database.tables()
    assert statuses(database) == {"01": "failed"}


def test_a_file_wrapped_in_begin_and_commit_is_one_transaction_with_its_row(
    db_migrate: CommandLine, database: Database
) -> None:
    db_migrate.write(_01_users=f"BEGIN;\n{USERS}COMMIT;\n", _02_tags=f"BEGIN;\n{BROKEN}COMMIT;\n")
    assert db_migrate().exit_code == 1
    assert "users" in database.tables()
    assert "tags" not in database.tables()


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("CREATE TABLE a ();\nCOMMIT;\nCREATE TABLE b ();", "01_x.sql:2:1: a migration and its ledger row are one"),
        ("BEGIN;\nCREATE INDEX CONCURRENTLY i ON t (a);\nCOMMIT", "01_x.sql:2:1: PostgreSQL does not run CREATE INDEX"),
        ("SELECT 1;\nCOPY t FROM stdin;\n1\n\\.\n", "01_x.sql:2:1: COPY from stdin"),
        ("SELECT 1;\nCOPY t TO stdout;", "01_x.sql:2:1: COPY from stdin or to stdout"),
        ("SELECT 1;\n\\connect other\n", "01_x.sql:2:1: `\\connect` is a command of psql"),
        ("CREATE TABLE a ();\nCREATE TABEL b ();\n", '01_x.sql:2:8: syntax error at or near "TABEL", says the server'),
        ("SELECT 1;\nDROP TABLE schema_migrations;", "01_x.sql:2:1: this statement changes schema_migrations"),
        ("VACUUM;\nSET LOCAL lock_timeout = 0;", "01_x.sql:2:1: SET LOCAL means nothing outside of a transaction"),
        ("-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT 2;", "01_x.sql:3: what follows this mark of goose"),
        ("-- migrate: no-transactions\nSELECT 1;", "01_x.sql:1: unknown directive"),
        ("SELECT 1;\nSELECT 'never ends", "01_x.sql:2:8: the literal that begins here never ends"),
    ],
)
def test_what_cannot_run_is_refused_before_anything_runs(
    db_migrate: CommandLine, database: Database, sql: str, says: str
) -> None:
    db_migrate.write(_00_first="CREATE TABLE first ();", _01_x=sql)
    ran = db_migrate()
    assert ran.exit_code == 2
    assert says in ran.log
    assert database.tables() == set()


def test_sql_that_only_the_server_knows_is_left_to_it(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_01_x="SET standard_conforming_strings = off;\nCREATE TABLE a AS SELECT 'it\\'s; so' AS text;")
    ran = db_migrate()
    assert ran.exit_code == 0, ran.log
    assert "standard_conforming_strings is off here" in ran.log
    assert database.value("SELECT text FROM a") == "it's; so"


def test_percent_signs_and_backslashes_are_just_text(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_01_x="CREATE TABLE a AS SELECT '50 % %s %(x)s \\n ?' AS text WHERE 7 % 4 = 3;")
    assert db_migrate().exit_code == 0
    assert database.value("SELECT text FROM a") == "50 % %s %(x)s \\n ?"


def test_a_statement_that_waits_for_a_lock_gives_up(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_01_users=USERS)
    db_migrate()
    db_migrate.write(_02_mail="ALTER TABLE users ADD COLUMN mail text;")
    with database.connect() as reader, reader.transaction():
        reader.execute("SELECT * FROM users")
        ran = db_migrate("--lock-timeout", "200ms", "--lock-retries", "0")
    assert ran.exit_code == 1
    assert "lock timeout" in ran.log
    assert "lock-timeout" in ran.log.split("lock timeout")[1]
    assert db_migrate().exit_code == 0


def test_a_directive_of_the_file_beats_the_input(db_migrate: CommandLine) -> None:
    db_migrate.write(_01_slow="-- migrate: statement-timeout=100ms\nSELECT pg_sleep(5);")
    ran = db_migrate("--statement-timeout", "1h")
    assert ran.exit_code == 1
    assert "statement timeout" in ran.log


def test_notices_are_shown_when_asked_for(db_migrate: CommandLine) -> None:
    db_migrate.write(_01_note="DO $$ BEGIN RAISE NOTICE 'counted % rows', 3; END $$;")
    assert "counted 3 rows" in db_migrate("--verbose").log


def test_rows_that_a_migration_returns_are_not_printed(db_migrate: CommandLine) -> None:
    db_migrate.write(_01_rows="SELECT 'a row nobody asked for' FROM generate_series(1, 3);")
    ran = db_migrate("--verbose")
    assert ran.exit_code == 0
    assert "nobody asked for" not in ran.log


def test_empty_files_are_recorded(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_01_nothing="", _02_words="-- only words, and no line end")
    assert db_migrate().exit_code == 0
    assert statuses(database) == {"01": "completed", "02": "completed"}


def test_keeps_the_ledger_in_a_schema_of_its_own(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_01_users=USERS)
    ran = db_migrate("--tracking-schema", 'Odd "name')
    assert ran.exit_code == 0, ran.log
    assert database.value('SELECT version FROM "Odd ""name".schema_migrations') == "01"
    assert database.value('SELECT last_version FROM "Odd ""name".get_migration_status()') == "01"
    assert database.value("SELECT to_regclass('public.users') IS NOT NULL") is True
    assert db_migrate("--tracking-schema", 'Odd "name').exit_code == 0


def test_the_embedded_server_serves_as_a_database(db_migrate: CommandLine) -> None:
    db_migrate.write(_01_users=USERS)
    ran = db_migrate(DATABASE_URL="embedded")
    assert ran.exit_code == 0
    assert "1 migration applied to development" in ran.log


def test_the_example_is_applied(example_database: Database) -> None:
    assert statuses(example_database) == {f"0{number}": "completed" for number in range(1, 8)}


def test_the_smoke_tests_of_the_example_hold(example_database: Database) -> None:
    for path in sorted((EXAMPLE / "smoke-tests").glob("*.sql")):
        rows = example_database.query(path.read_text())
        assert rows, path.name
        assert all(row[0] is True for row in rows), path.name


def test_the_down_files_of_the_example_undo_it(example_database: Database) -> None:
    for path in sorted((EXAMPLE / "migrations").glob("*.down.sql"), reverse=True):
        example_database.query(path.read_text())
    assert example_database.tables() == {
        "schema_migrations", "migration_history", "migration_runs", "migration_environment",
    }  # fmt: skip


def test_a_version_that_failed_under_another_spelling_leaves_one_row(
    db_migrate: CommandLine, database: Database
) -> None:
    db_migrate.write(_001_tags=BROKEN)
    db_migrate()
    folder = db_migrate.checkout / "migrations"
    (folder / "001_tags.sql").rename(folder / "01_tags.sql")
    db_migrate.write(_01_tags="CREATE TABLE tags (id int);")
    assert db_migrate().exit_code == 0
    assert statuses(database) == {"01": "completed"}


@pytest.mark.parametrize("large", ["", "-- " + "x" * 1_100_000 + "\n"], ids=["sent ahead", "waiting"])
def test_a_file_may_choose_the_isolation_of_its_transaction(
    db_migrate: CommandLine, database: Database, large: str
) -> None:
    db_migrate.write(
        _01_x=f"{large}SET TRANSACTION ISOLATION LEVEL SERIALIZABLE;\n"
        "CREATE TABLE seen AS SELECT current_setting('transaction_isolation') AS level;"
    )
    ran = db_migrate()
    assert ran.exit_code == 0, ran.log
    assert database.value("SELECT level FROM seen") == "serializable"

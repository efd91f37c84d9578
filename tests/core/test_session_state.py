"""What a run that goes on in a file must make again, and what it cannot."""

import pytest

from runner.core.session_state import lost_with_the_session, sets_lock_timeout, settings_to_repeat
from runner.core.statements import LARGE
from tests.builders import a_migration


def repeated(sql: str, done: int) -> list[bytes]:
    migration = a_migration(1, sql=f"-- migrate: no-transaction\n{sql}")
    return [step.sql for step in settings_to_repeat(migration, done)]


def lost(sql: str, done: int) -> int | None:
    statement = lost_with_the_session(a_migration(1, sql=f"-- migrate: no-transaction\n{sql}"), done)
    return statement.line - 1 if statement else None


@pytest.mark.parametrize(
    "sql",
    [
        "SET search_path = app",
        "SET SESSION lock_timeout = 0",
        "SET ROLE owner",
        "SET SESSION AUTHORIZATION owner",
        "RESET ALL",
        "DISCARD ALL",
        "SELECT set_config('search_path', '', false)",
        "select pg_catalog . set_config ('search_path', '', false)",
    ],
)
def test_settings_of_finished_steps_are_made_again(sql: str) -> None:
    assert repeated(f"{sql};\nSELECT 1;\nSELECT 2", 2) == [sql.encode()]
    assert repeated(f"SELECT 1;\n{sql};\nSELECT 2", 1) == []
    assert lost(f"{sql};\nSELECT 1;\nSELECT 2", 2) is None


OTHERS = [
    "SELECT 1",
    "CREATE FUNCTION f() RETURNS text RETURN set_config('a.b', '', false)",
    "DO $$ BEGIN UPDATE t SET a = 1; ALTER TABLE t ALTER a SET NOT NULL; END $$",
]


@pytest.mark.parametrize("sql", [*OTHERS, "CREATE TABLE t ()", "BEGIN; SELECT 1; COMMIT"])
def test_other_finished_steps_are_not_run_again(sql: str) -> None:
    assert repeated(f"{sql};\nSELECT 2", 1) == []
    assert lost(f"{sql};\nSELECT 2", 1) is None


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TEMP TABLE t ()",
        "CREATE LOCAL TEMPORARY TABLE t ()",
        "CREATE OR REPLACE TEMP VIEW v AS SELECT 1",
        "SELECT 1 AS a INTO TEMP t",
        "CREATE TABLE pg_temp.t ()",
        "PREPARE q AS SELECT 1",
        "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
        "LISTEN news",
        "LOAD 'auto_explain'",
        "SELECT pg_advisory_lock(1)",
        "BEGIN; SET search_path = app; COMMIT",
        "SELECT 1, set_config('search_path', 'app', false)",
        "INSERT INTO t SELECT set_config('search_path', 'app', false)",
        "BEGIN; SELECT 1, set_config('search_path', 'app', false); COMMIT",
        "DO $$ BEGIN PERFORM set_config('search_path', 'app', false); END $$",
        "DO $$ BEGIN SET search_path = app; END $$",
        "DO $$ BEGIN IF true THEN -- always\n RESET ROLE; END IF; END $$",
        "DO 'BEGIN EXECUTE $q$SET ROLE app$q$; END'",
        "BEGIN; CREATE TEMP TABLE t (); COMMIT",
    ],
)
def test_what_ended_with_the_session_is_found_when_it_was_finished(sql: str) -> None:
    assert lost(f"SELECT 0;\n{sql};\nSELECT 1", 2) == 2
    assert lost(f"SELECT 0;\n{sql};\nSELECT 1", 1) is None


def test_a_setting_that_was_sent_with_others_of_a_large_file_is_found() -> None:
    row = "INSERT INTO t VALUES (1);\n"
    rows = row * (LARGE // len(row) + 1)
    migration = a_migration(
        1, sql=f"-- migrate: no-transaction\nSELECT set_config('search_path', 'app', false);\n{rows}"
    )
    first = migration.steps[0]
    assert first.count > 1
    assert lost_with_the_session(migration, first.count) == first


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT 1", False),
        ("SET lock_timeout = '5s'", True),
        ("SELECT set_config('LOCK_TIMEOUT', '5s', false)", True),
        ("-- migrate: lock-timeout=5s\nSELECT 1", True),
    ],
)
def test_a_file_may_have_a_word_on_the_lock_timeout(sql: str, said: bool) -> None:
    migration = a_migration(1, sql=f"-- migrate: no-transaction\n{sql};\nSELECT 2;\nRESET lock_timeout;")
    assert sets_lock_timeout(migration, migration.steps[1]) is said

"""What the catalog says of statements that an earlier attempt may have executed."""

import pytest

from runner.core.course import AGAIN, Course
from runner.core.unfinished import question
from runner.postgres.catalog import course_of
from tests.builders import a_migration
from tests.conftest import Database


def course(database: Database, sql: str, *, path: str = "public", failed: bool = False) -> Course:
    """How to go on with a statement, in a session with this search_path."""
    asked = question(a_migration(1, sql=f"-- migrate: no-transaction\n{sql};").steps[0])
    assert asked is not None
    with database.connect() as connection:
        connection.execute("SELECT set_config('search_path', %s, false)", [path])
        return course_of(connection, asked, failed=failed)


def pretend_invalid(database: Database, index: str) -> None:
    """As a build leaves it that does not come to its end."""
    database.query("UPDATE pg_index SET indisvalid = false WHERE indexrelid = %s::regclass", index)


def rename(database: Database, index: str, name: str) -> None:
    """Also of an index that ALTER INDEX does not take, as one in pg_toast."""
    database.query("UPDATE pg_class SET relname = %s WHERE oid = %s::regclass", name, index)


def test_an_index_is_looked_for_in_the_schema_of_its_table_as_the_session_finds_that(database: Database) -> None:
    database.query('CREATE SCHEMA app; CREATE TABLE app."T 1" (a int); CREATE INDEX i ON app."T 1" (a)')
    database.query("CREATE TABLE other (a int); CREATE INDEX i ON other (a)")
    build = 'CREATE INDEX CONCURRENTLY i ON "T 1" (a)'
    assert course(database, build, path="public, app").done == "app.i is there and valid"
    assert course(database, build, path="public") == AGAIN
    assert course(database, 'CREATE INDEX CONCURRENTLY i ON app."T 1" (a)', path="nowhere").done
    pretend_invalid(database, "app.i")
    assert course(database, build, path="public, app").drop == ("app.i",)


def test_names_are_given_so_that_sql_takes_them(database: Database) -> None:
    database.query('CREATE SCHEMA "S 1"; CREATE TABLE "S 1".t (a int); CREATE INDEX "I.1" ON "S 1".t (a)')
    pretend_invalid(database, '"S 1"."I.1"')
    assert course(database, 'CREATE INDEX CONCURRENTLY "I.1" ON "S 1".t (a)').drop == ('"S 1"."I.1"',)


def test_a_name_that_is_too_long_is_cut_as_the_server_cuts_it(database: Database) -> None:
    name = "i" * 70
    database.query(f"CREATE TABLE t (a int); CREATE INDEX {name} ON t (a)")
    assert course(database, f"CREATE INDEX CONCURRENTLY {name} ON t (a)").done


def test_a_build_that_failed_is_finished_by_whoever_built_it_since(database: Database) -> None:
    database.query("CREATE TABLE t (a int); CREATE INDEX i ON t (a)")
    assert course(database, "CREATE INDEX CONCURRENTLY i ON t (a)", failed=True).done


def test_an_index_that_is_gone_was_dropped_unless_the_drop_is_known_to_have_failed(database: Database) -> None:
    database.query("CREATE TABLE t (a int); CREATE INDEX i ON t (a)")
    assert course(database, "DROP INDEX CONCURRENTLY i") == AGAIN
    assert course(database, "DROP INDEX CONCURRENTLY j").done == 'index "j" is gone'
    assert course(database, "DROP INDEX CONCURRENTLY j", failed=True) == AGAIN
    assert course(database, "DROP INDEX CONCURRENTLY i", path="nowhere").done


@pytest.fixture
def reindexed(database: Database) -> Database:
    """A database with what several REINDEX left, each on a table of its own."""
    database.query(
        "CREATE SCHEMA app; CREATE TABLE t (a int, b text); CREATE TABLE app.t (a int);"
        "CREATE INDEX i ON t (a); CREATE INDEX i_ccnew ON t (a); CREATE INDEX ii_ccold2 ON t (a);"
        "CREATE INDEX other ON t (a); CREATE INDEX app_ccnew ON app.t (a)"
    )
    for index in ("i_ccnew", "ii_ccold2", "other", "app.app_ccnew"):
        pretend_invalid(database, index)
    return database


@pytest.mark.parametrize(
    ("sql", "left"),
    [
        ("REINDEX INDEX CONCURRENTLY i", ("public.i_ccnew",)),
        ("REINDEX TABLE CONCURRENTLY t", ("public.i_ccnew", "public.ii_ccold2")),
        ("REINDEX TABLE CONCURRENTLY app.t", ("app.app_ccnew",)),
        ("REINDEX SCHEMA CONCURRENTLY app", ("app.app_ccnew",)),
        ("REINDEX DATABASE CONCURRENTLY", ("app.app_ccnew", "public.i_ccnew", "public.ii_ccold2")),
    ],
)
def test_of_reindex_the_leftovers_of_its_own_reach_are_found(
    reindexed: Database, sql: str, left: tuple[str, ...]
) -> None:
    assert course(reindexed, sql).drop == left


def test_a_valid_index_is_no_leftover_whatever_its_name(database: Database) -> None:
    database.query("CREATE TABLE t (a int); CREATE INDEX i ON t (a); CREATE INDEX i_ccnew ON t (a)")
    assert course(database, "REINDEX TABLE CONCURRENTLY t") == AGAIN


def test_leftovers_of_a_long_name_of_a_partition_and_of_what_is_stored_outside_are_found(database: Database) -> None:
    name = "n" * 63
    database.query(
        f"CREATE TABLE parts (a int, b text) PARTITION BY LIST (a); CREATE INDEX {name} ON parts (a);"
        "CREATE TABLE part PARTITION OF parts DEFAULT"
    )
    of_the_part = str(
        database.value("SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = 'part'::regclass")
    )
    left = of_the_part[: 63 - len("_ccnew")] + "_ccnew"
    database.query(f"CREATE INDEX {left} ON part (a)")
    pretend_invalid(database, left)
    assert course(database, f"REINDEX INDEX CONCURRENTLY {name}").drop == (f"public.{left}",)
    toast = str(
        database.value(
            "SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = ("
            "SELECT reltoastrelid FROM pg_class WHERE oid = 'part'::regclass)"
        )
    )
    pretend_invalid(database, toast)
    rename(database, toast, "pg_toast_1_index_ccnew")
    assert course(database, "REINDEX TABLE CONCURRENTLY parts").drop == (
        "pg_toast.pg_toast_1_index_ccnew",
        f"public.{left}",
    )


@pytest.mark.parametrize(
    ("sql", "done"),
    [
        ("ALTER TYPE app.mood ADD VALUE 'glad'", "enum value glad is there"),
        ("ALTER TYPE app.mood ADD VALUE 'sad'", ""),
        ("ALTER TYPE mood ADD VALUE 'glad'", ""),
        ("CREATE TABLESPACE pg_default LOCATION '/nowhere'", "tablespace pg_default is there"),
        ("DROP TABLESPACE pg_default", ""),
        ("DROP TABLESPACE nothing", "tablespace nothing is gone"),
        ("CREATE DATABASE template1", "database template1 is there"),
        ("CREATE SUBSCRIPTION feed CONNECTION '' PUBLICATION p", "subscription feed is there"),
        ("DROP SUBSCRIPTION feed", ""),
        ("DROP SUBSCRIPTION other", "subscription other is gone"),
    ],
)
def test_what_is_as_the_statement_leaves_it_is_done_unless_it_is_known_to_have_failed(
    database: Database, sql: str, done: str
) -> None:
    database.query("CREATE SCHEMA app; CREATE TYPE app.mood AS ENUM ('glad')")
    database.query("CREATE SUBSCRIPTION feed CONNECTION '' PUBLICATION p WITH (connect = false)")
    try:
        assert course(database, sql) == Course(done=done)
        assert course(database, sql, failed=True) == AGAIN
    finally:
        database.query("ALTER SUBSCRIPTION feed SET (slot_name = NONE); DROP SUBSCRIPTION feed")


def test_of_a_partition_the_catalog_tells_how_far_it_is_detached(database: Database) -> None:
    database.query("CREATE TABLE parts (a int) PARTITION BY LIST (a); CREATE TABLE part PARTITION OF parts DEFAULT")
    database.query("CREATE TABLE apart (a int)")
    detach = "ALTER TABLE parts DETACH PARTITION {} CONCURRENTLY"
    assert course(database, detach.format("part")) == AGAIN
    assert course(database, detach.format("apart")).done == '"apart" is no partition of "parts" any more'
    assert course(database, detach.format("nothing")) == AGAIN

"""What the catalog says of statements that an earlier attempt may have executed."""

import psycopg
import pytest

from runner.core.course import AGAIN, Course
from runner.core.unfinished import Question, question, reach
from runner.postgres.catalog import course_of
from runner.postgres.indexes import builder, invalid_indexes, made_invalid
from tests.builders import a_migration
from tests.conftest import Database


def asking(sql: str) -> Question:
    asked = question(a_migration(1, sql=f"-- migrate: no-transaction\n{sql};").steps[0])
    assert asked is not None
    return asked


def course(database: Database, sql: str, *, path: str = "public", failed: bool = False) -> Course:
    """How to go on with a statement, in a session with this search_path."""
    asked = asking(sql)
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


@pytest.mark.parametrize("shape", ["(lower(a)) WHERE b < 5", "(upper(a)) WHERE b > 100", "(a text_pattern_ops)"])
def test_a_build_that_failed_is_not_finished_by_another_index_of_its_name(database: Database, shape: str) -> None:
    database.query(f"CREATE TABLE t (a text, b int); CREATE INDEX i ON t {shape}")
    assert course(database, "CREATE INDEX CONCURRENTLY i ON t (lower(a)) WHERE b < 5", failed=True) == AGAIN


@pytest.mark.parametrize(
    ("there", "asked", "same"),
    [
        ("(lower(a)) WHERE b < 5", "(lower(a)) WHERE b < 5", True),
        ("(lower(a)) WHERE b < 5", "(upper(a)) WHERE b < 5", False),
        ("(lower(a)) WHERE b < 5", "(lower(a)) WHERE b > 100", False),
        ("((a || 'x')) WHERE a IN ('x', 'y')", "((a || 'x')) WHERE a IN ('x', 'y')", True),
        ("(b) WHERE a LIKE 'x%' AND a <> 'y'", "(b) WHERE a LIKE 'x%' AND a <> 'y'", True),
        ("(a DESC NULLS LAST)", "(a DESC NULLS LAST)", True),
        ("(a DESC)", "(a DESC NULLS LAST)", False),
        ("(a text_pattern_ops)", "(a text_pattern_ops)", True),
        ("(a text_pattern_ops)", "(a)", False),
        ('(a COLLATE "C")', '(a COLLATE "C")', True),
        ('(a COLLATE "C")', "(a)", False),
    ],
)
def test_an_index_is_the_one_of_the_statement_only_where_all_of_it_is_alike(
    database: Database, there: str, asked: str, same: bool
) -> None:
    database.query(f"CREATE TABLE t (a text, b int); CREATE INDEX i ON t {there}")
    build = f"CREATE INDEX CONCURRENTLY i ON t {asked}"
    valid = course(database, build)
    pretend_invalid(database, "i")
    invalid = course(database, build, failed=True)
    assert (bool(valid.done), invalid.drop) == ((True, ("public.i",)) if same else (False, ()))
    assert (bool(valid.stop), bool(invalid.stop)) == (not same, not same)


def test_an_index_that_another_role_builds_is_not_taken_for_one_that_was_left(database: Database) -> None:
    database.query("CREATE TABLE t (a int); CREATE INDEX i ON t (a); CREATE INDEX i_ccnew ON t (a)")
    for index in ("i", "i_ccnew"):
        pretend_invalid(database, index)
    with database.connect() as other, psycopg.connect(database.as_role("nobody"), autocommit=True) as weak:
        other.autocommit = False
        other.execute("LOCK TABLE t IN SHARE UPDATE EXCLUSIVE MODE")
        pid = other.info.backend_pid
        for sql, index in (("CREATE INDEX CONCURRENTLY i ON t (a)", "i"), ("REINDEX TABLE CONCURRENTLY t", "i_ccnew")):
            stopped = course_of(weak, asking(sql), failed=True)
            assert stopped.stop.startswith(f"public.{index} is just being built by another session, pid {pid}")
        assert builder(weak, "public.i") == pid
        other.rollback()
        assert course_of(weak, asking("CREATE INDEX CONCURRENTLY i ON t (a)"), failed=True).drop == ("public.i",)
        assert builder(weak, "public.i") is None


def test_an_index_of_a_later_schema_is_not_dropped_in_place_of_one_that_is_gone(database: Database) -> None:
    database.query("CREATE SCHEMA app; CREATE TABLE t (a int); CREATE INDEX i ON t (a)")
    drop = "DROP INDEX CONCURRENTLY i"
    assert "public.i may not be the index" in course(database, drop, path="app, public").stop
    assert course(database, drop, path='"$user", public') == AGAIN
    assert course(database, drop.replace(" i", " public.i"), path="app, public") == AGAIN


def test_what_a_path_shadows_is_not_asked(database: Database) -> None:
    database.query(
        "CREATE SCHEMA app; CREATE TABLE app.t (a int); CREATE INDEX i ON app.t (a);"
        "CREATE TABLE app.parts (a int) PARTITION BY LIST (a); CREATE TABLE app.part PARTITION OF app.parts DEFAULT"
    )
    for shadow in ("pg_index", "pg_class", "pg_namespace", "pg_inherits", "pg_database", "pg_enum", "pg_locks"):
        database.query(f"CREATE TABLE app.{shadow} ()")
    for function, returned in (("to_regclass", "regclass"), ("format", "text"), ("pg_partition_tree", "regclass")):
        database.query(f"CREATE FUNCTION app.{function}(text) RETURNS {returned} RETURN NULL")
    for sql in ("CREATE INDEX CONCURRENTLY i ON t (a)", "DROP INDEX CONCURRENTLY j", "CREATE DATABASE template1"):
        assert course(database, sql, path="app, pg_catalog").done
    for sql in ("REINDEX TABLE CONCURRENTLY t", "ALTER TABLE parts DETACH PARTITION part CONCURRENTLY"):
        assert course(database, sql, path="app, pg_catalog") == AGAIN


@pytest.mark.parametrize(
    ("sql", "own"),
    [
        ("CREATE INDEX i ON t (a)", ["i"]),
        ("CREATE INDEX IF NOT EXISTS other ON t (a)", ["i"]),
        ("REINDEX INDEX i", ["i"]),
        ("REINDEX TABLE t", ["i"]),
        ("CREATE INDEX part_i ON parts (a)", ["part_i"]),
        ("REINDEX TABLE parts", ["part_i"]),
    ],
)
def test_only_of_its_own_table_a_statement_has_left_an_index_invalid(
    database: Database, sql: str, own: list[str]
) -> None:
    database.query(
        "CREATE SCHEMA app; CREATE TABLE t (a int); CREATE INDEX i ON t (a);"
        "CREATE TABLE others (a int); CREATE INDEX other ON others (a);"
        "CREATE TABLE app.t (a int); CREATE INDEX i ON app.t (a);"
        "CREATE TABLE parts (a int) PARTITION BY LIST (a); CREATE TABLE part PARTITION OF parts DEFAULT;"
        "CREATE INDEX part_i ON part (a)"
    )
    reached = reach(a_migration(1, sql=f"-- migrate: no-transaction\n{sql};").steps[0])
    assert reached is not None
    with database.connect() as connection:
        before = invalid_indexes(connection, reached)
        for index in ("i", "other", "app.i", "part_i"):
            pretend_invalid(database, index)
        assert made_invalid(connection, before, reached) == own
        assert len(invalid_indexes(connection, reached)) == 1


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

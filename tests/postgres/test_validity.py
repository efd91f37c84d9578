"""What the catalog says of invalid indexes and constraints."""

import threading
import time
from contextlib import closing

import psycopg
import pytest

from runner.core.database_url import DatabaseUrl
from runner.core.validity import InvalidIndex, UnvalidatedConstraint, Validity
from runner.postgres.session import connect
from runner.postgres.validity import validity
from tests.conftest import Database

DEADLINE = 10  # seconds
BUILDING = "SELECT count(*) FROM pg_stat_progress_create_index WHERE datname = current_database()"


def found(database: Database, *, role: str = "postgres") -> Validity:
    url = DatabaseUrl(value=database.as_role(role))
    with connect(url, application_name="a test") as connection:
        return validity(connection)


def fail_to_build(database: Database, sql: str) -> None:
    """Build an index CONCURRENTLY that cannot be unique."""
    with pytest.raises(psycopg.errors.UniqueViolation):
        database.query(sql)


def test_all_is_valid_in_a_database_with_nothing_wrong(database: Database) -> None:
    database.query("CREATE TABLE t (id int PRIMARY KEY, a int CHECK (a > 0)); CREATE INDEX i ON t (a)")
    assert found(database) == Validity()


def test_a_build_that_failed_leaves_an_invalid_index(database: Database) -> None:
    database.query('CREATE SCHEMA "S 1"; CREATE TABLE "S 1"."T" (a int)')
    database.query('INSERT INTO "S 1"."T" VALUES (1), (1)')
    fail_to_build(database, 'CREATE UNIQUE INDEX CONCURRENTLY "I" ON "S 1"."T" (a)')
    assert found(database).indexes == (InvalidIndex(name='"S 1"."I"', table='"S 1"."T"'),)
    database.query('DROP INDEX CONCURRENTLY "S 1"."I"')  # as the hint says
    assert found(database).indexes == ()


def test_a_partitioned_index_waits_for_its_partitions(database: Database) -> None:
    database.query(
        "CREATE TABLE p (a int) PARTITION BY RANGE (a); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (9);"
        "CREATE INDEX i ON ONLY p (a)"
    )
    assert found(database).indexes == (InvalidIndex(name="public.i", table="public.p", partitioned=True),)
    database.query("CREATE INDEX i1 ON p1 (a)")
    database.query("ALTER INDEX public.i ATTACH PARTITION i1")
    assert found(database).indexes == ()


def test_an_index_of_what_is_stored_outside_is_told_with_its_table(database: Database) -> None:
    database.query("CREATE TABLE t (a text)")
    database.query(
        "UPDATE pg_index SET indisvalid = false WHERE indrelid = "
        "(SELECT reltoastrelid FROM pg_class WHERE oid = 't'::regclass)"
    )
    [index] = found(database).indexes
    assert index.name.startswith("pg_toast.pg_toast_")
    assert index.table == "public.t"


def test_temporary_tables_are_nobody_elses_concern(database: Database) -> None:
    with database.connect() as connection:
        connection.execute("CREATE TEMPORARY TABLE t (a text); CREATE INDEX i ON t (a)")
        connection.execute("ALTER TABLE t ADD CONSTRAINT c CHECK (a <> '') NOT VALID")
        connection.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'i'::regclass")
        assert validity(connection) == Validity()


@pytest.mark.parametrize("statement", ["CREATE INDEX CONCURRENTLY i ON t (a)", "REINDEX INDEX CONCURRENTLY there"])
@pytest.mark.parametrize("role", ["postgres", "nobody"])
def test_an_index_that_somebody_is_building_is_left_out(database: Database, statement: str, role: str) -> None:
    database.query("CREATE TABLE t (a int); CREATE INDEX there ON t (a); CREATE TABLE other (a int)")
    with closing(database.connect()) as writer:
        writer.execute("BEGIN; INSERT INTO t VALUES (1)")  # for whose end the build waits
        builder = threading.Thread(target=database.query, args=(statement,))
        builder.start()
        try:
            ends = time.monotonic() + DEADLINE
            while not database.value("SELECT count(*) FROM pg_index WHERE NOT indisvalid"):
                assert time.monotonic() < ends
                time.sleep(0.05)
            assert database.value(BUILDING) == 1
            assert found(database, role=role).indexes == ()
            database.query("CREATE INDEX broken ON other (a)")
            database.query("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'broken'::regclass")
            assert [index.name for index in found(database, role=role).indexes] == ["public.broken"]
        finally:
            writer.execute("ROLLBACK")
            builder.join(DEADLINE)


def test_a_constraint_that_was_never_validated_is_found_until_it_is(database: Database) -> None:
    database.query(
        'CREATE TABLE t (id int PRIMARY KEY); CREATE SCHEMA app; CREATE TABLE app."T" (t int);'
        'ALTER TABLE app."T" ADD CONSTRAINT "a key" FOREIGN KEY (t) REFERENCES t NOT VALID;'
        "ALTER TABLE t ADD CONSTRAINT c CHECK (id > 0) NOT VALID"
    )
    assert found(database).constraints == (
        UnvalidatedConstraint(name='"a key"', table='app."T"', in_path=False),
        UnvalidatedConstraint(name="c", table="public.t"),
    )
    database.query('ALTER TABLE app."T" VALIDATE CONSTRAINT "a key"; ALTER TABLE public.t VALIDATE CONSTRAINT c')
    assert found(database).constraints == ()


def test_those_of_partitions_and_children_are_told_once(database: Database) -> None:
    database.query(
        "CREATE TABLE p (a int) PARTITION BY RANGE (a); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (9);"
        "CREATE TABLE parent (a int); CREATE TABLE child () INHERITS (parent);"
        "ALTER TABLE p ADD CONSTRAINT c CHECK (a >= 0) NOT VALID;"
        "ALTER TABLE parent ADD CONSTRAINT c CHECK (a >= 0) NOT VALID"
    )
    assert [each.table for each in found(database).constraints] == ["public.p", "public.parent"]
    database.query("ALTER TABLE p VALIDATE CONSTRAINT c; ALTER TABLE parent VALIDATE CONSTRAINT c")
    assert database.value("SELECT count(*) FROM pg_constraint WHERE NOT convalidated") == 0


def test_a_domain_has_such_constraints_as_well(database: Database) -> None:
    database.query("CREATE DOMAIN mail AS text; ALTER DOMAIN mail ADD CONSTRAINT c CHECK (VALUE <> '') NOT VALID")
    assert found(database).constraints == (UnvalidatedConstraint(name="c", table="public.mail", domain=True),)


def test_what_is_not_enforced_need_not_be_valid(database: Database, version: int) -> None:
    if version < 18:
        pytest.skip("PostgreSQL 18 brought NOT ENFORCED")
    database.query("CREATE TABLE t (a int, CONSTRAINT c CHECK (a > 0) NOT ENFORCED, CONSTRAINT d CHECK (a > 1))")
    database.query("ALTER TABLE t ADD CONSTRAINT n NOT NULL a NOT VALID")
    assert database.value("SELECT count(*) FROM pg_constraint WHERE NOT convalidated") == 2
    assert [each.name for each in found(database).constraints] == ["n"]


def test_a_role_without_rights_sees_the_same(database: Database) -> None:
    database.query("CREATE SCHEMA s; CREATE TABLE s.t (a int); INSERT INTO s.t VALUES (1), (1)")
    database.query("ALTER TABLE s.t ADD CONSTRAINT c CHECK (a > 0) NOT VALID")
    fail_to_build(database, "CREATE UNIQUE INDEX CONCURRENTLY i ON s.t (a)")
    assert found(database, role="nobody") == found(database)
    assert len(found(database).indexes) == len(found(database).constraints) == 1


def test_it_leaves_nothing_behind_in_the_session(database: Database) -> None:
    with database.connect() as connection:
        connection.execute("SET statement_timeout = '7s'")
        validity(connection)
        assert connection.execute("SHOW statement_timeout").fetchone() == ("7s",)
        assert connection.execute("SHOW transaction_read_only").fetchone() == ("off",)

"""What the catalog is asked of a statement that may have been executed, and what its answer means."""

from dataclasses import replace
from typing import Any

import pytest

from runner.core.course import (
    AGAIN,
    Course,
    Found,
    after_detach,
    after_drop,
    after_existence,
    after_index_build,
    after_reindex,
)
from runner.core.unfinished import Detach, Existence, IndexBuild, Question, Reach, Reindex, question, reach
from tests.builders import a_migration


def asked(sql: str) -> Question | None:
    return question(a_migration(1, sql=f"-- migrate: no-transaction\n{sql};").steps[0])


def build(sql: str) -> IndexBuild:
    found = asked(sql)
    assert isinstance(found, IndexBuild)
    return found


def found(**others: Any) -> Found:
    values: dict[str, Any] = {
        "name": "public.i",
        "ours": True,
        "valid": True,
        "definition": "CREATE INDEX i ON public.t USING btree (a)",
    }
    return Found(**values | others)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("DROP INDEX CONCURRENTLY IF EXISTS App.i", Existence(of="index", name='"app"."i"', wanted=False)),
        (
            'DROP INDEX CONCURRENTLY "a ""b"""',
            Existence(of="index", name='"a ""b"""', wanted=False, with_schema=False),
        ),
        ("REINDEX INDEX CONCURRENTLY app.i", Reindex(of="index", name='"app"."i"')),
        ("REINDEX (CONCURRENTLY, VERBOSE) TABLE t", Reindex(of="table", name='"t"')),
        ("REINDEX SCHEMA CONCURRENTLY app", Reindex(of="schema", name="app")),
        ("REINDEX DATABASE CONCURRENTLY", Reindex(of="database", name="")),
        ("ALTER TABLE t DETACH PARTITION app.p CONCURRENTLY", Detach(parent='"t"', partition='"app"."p"')),
        ("ALTER TYPE app.mood ADD VALUE 'a''b'", Existence(of="enum value", name='"app"."mood"', value="a'b")),
        ("CREATE DATABASE d", Existence(of="database", name="d")),
        ("DROP DATABASE d", Existence(of="database", name="d", wanted=False)),
        ("CREATE TABLESPACE s LOCATION '/x'", Existence(of="tablespace", name="s")),
        ("DROP TABLESPACE s", Existence(of="tablespace", name="s", wanted=False)),
        ("CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p", Existence(of="subscription", name="s")),
        ("DROP SUBSCRIPTION s", Existence(of="subscription", name="s", wanted=False)),
    ],
)
def test_asks_by_the_names_of_the_statement(sql: str, expected: Question) -> None:
    assert asked(sql) == expected


def test_asks_of_an_index_by_its_table_and_name() -> None:
    index = build('CREATE INDEX CONCURRENTLY IF NOT EXISTS "My i" ON app.t (a)')
    assert (index.table, index.name, index.unless_there) == ('"app"."t"', "My i", True)
    assert build("CREATE INDEX CONCURRENTLY ON t (a)").name == ""


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE INDEX i ON t (a)",
        "DROP INDEX i",
        "DROP TABLE t",
        "REINDEX TABLE t",
        "ALTER TABLE t VALIDATE CONSTRAINT c",
        "ALTER TABLE t DETACH PARTITION p FINALIZE",
        "ALTER TYPE mood RENAME VALUE 'a' TO 'b'",
        "VACUUM t",
        "CALL p()",
    ],
)
def test_asks_nothing_of_what_is_counted_or_leaves_no_trace(sql: str) -> None:
    assert asked(sql) is None


INDEX = build("CREATE INDEX CONCURRENTLY i ON t (a)")


@pytest.mark.parametrize(
    ("there", "course"),
    [
        pytest.param([], AGAIN, id="nothing"),
        pytest.param([found()], Course(done="public.i is there and valid"), id="finished"),
        pytest.param([found(valid=False)], Course(drop=("public.i",)), id="left-invalid"),
    ],
)
def test_an_index_is_built_unless_it_is_there(there: list[Found], course: Course) -> None:
    assert after_index_build(INDEX, there) == course


@pytest.mark.parametrize(
    ("there", "why"),
    [
        (found(ours=False), 'public.i is something else than an index on "t"'),
        (found(ours=False, valid=False), 'public.i is something else than an index on "t"'),
        (
            found(valid=False, builder=7),
            "public.i is just being built by another session, pid 7, or something else is done to its table",
        ),
        (found(definition="CREATE INDEX i ON t (b)"), "public.i is there, and not as this statement builds it"),
        (
            found(definition="CREATE INDEX i ON t (a, b)", valid=False),
            "public.i is there, and not as this statement builds it",
        ),
        (
            found(definition="CREATE INDEX i ON t (a text_pattern_ops)"),
            "public.i is there, and nobody can tell whether it is as this statement builds it",
        ),
        (
            found(definition="an index that no parser knows", valid=False),
            "public.i is there, and nobody can tell whether it is as this statement builds it",
        ),
    ],
)
def test_what_is_not_of_an_earlier_attempt_stops_the_run_and_is_not_dropped(there: Found, why: str) -> None:
    course = after_index_build(INDEX, [there])
    assert (course.stop, course.drop, course.done) == (why, (), "")
    assert course.look


def test_if_not_exists_takes_any_index_of_its_name_that_is_valid() -> None:
    index = build("CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (a)")
    other = "CREATE INDEX i ON t (b)"
    assert after_index_build(index, [found(definition=other)]).done
    assert after_index_build(index, [found(definition=other, valid=False)]).stop


def test_of_a_build_that_failed_no_valid_index_is_taken_for_its_work_and_an_invalid_one_like_it_goes() -> None:
    other = found(definition="CREATE INDEX i ON t (b)")
    for index in (INDEX, build("CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (a)")):
        assert after_index_build(index, [found()], failed=True) == AGAIN
        assert after_index_build(index, [other], failed=True) == AGAIN
        assert after_index_build(index, [found(valid=False)], failed=True).drop == ("public.i",)
        assert after_index_build(index, [replace(other, valid=False)], failed=True).stop


def test_an_index_without_a_name_is_built_unless_one_like_it_is_there() -> None:
    index = build("CREATE INDEX CONCURRENTLY ON t (a)")
    other = found(name="public.t_b_idx", definition="CREATE INDEX t_b_idx ON t (b)", valid=False)
    assert after_index_build(index, []) == after_index_build(index, [other]) == AGAIN
    left = found(name="public.t_a_idx", valid=False)
    course = after_index_build(index, [found(), left, other])
    assert course.stop == ("this statement gives its index no name, and may have built public.i, public.t_a_idx before")
    assert course.look == "DROP INDEX CONCURRENTLY public.t_a_idx"


def test_what_reindex_left_is_dropped() -> None:
    left = found(name="public.i_ccnew", valid=False)
    assert after_reindex([left]) == Course(drop=("public.i_ccnew",))
    assert after_reindex([replace(left, builder=7)]).stop.startswith("public.i_ccnew is just being built by another")
    assert after_reindex([]) == AGAIN


def test_an_index_that_only_a_later_schema_of_the_path_has_is_not_dropped_in_place_of_another() -> None:
    drop = Existence(of="index", name='"i"', wanted=False, with_schema=False)
    assert after_drop(drop, there="app.i", first=True) == AGAIN
    assert after_drop(drop, there="", first=False).done == 'index "i" is gone'
    course = after_drop(drop, there="public.i", first=False)
    assert course.stop == "this statement names no schema, and public.i may not be the index that it was to drop"
    assert after_drop(replace(drop, with_schema=True), there="public.i", first=False) == AGAIN


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("CREATE INDEX i ON app.t (a)", Reach(of="table", name='"app"."t"', made="i")),
        ("CREATE INDEX CONCURRENTLY ON t (a)", Reach(of="table", name='"t"')),
        ("REINDEX INDEX i", Reach(of="index", name='"i"')),
        ("REINDEX TABLE CONCURRENTLY t", Reach(of="table", name='"t"')),
        ("REINDEX SCHEMA app", None),
        ("VACUUM t", None),
    ],
)
def test_looks_for_invalid_indexes_where_the_statement_works(sql: str, expected: Reach | None) -> None:
    assert reach(a_migration(1, sql=f"-- migrate: no-transaction\n{sql};").steps[0]) == expected


@pytest.mark.parametrize(
    ("there", "pending", "course"),
    [
        (True, False, AGAIN),
        (True, True, Course(instead='ALTER TABLE "t" DETACH PARTITION "p" FINALIZE')),
        (True, None, Course(done='"p" is no partition of "t" any more')),
        (False, None, AGAIN),
    ],
)
def test_a_partition_is_detached_as_far_as_it_is_not(there: bool, pending: bool | None, course: Course) -> None:
    assert after_detach(Detach(parent='"t"', partition='"p"'), there=there, pending=pending) == course


@pytest.mark.parametrize("wanted", [True, False])
@pytest.mark.parametrize("there", [True, False])
def test_what_is_as_it_was_wanted_is_done(wanted: bool, there: bool) -> None:
    course = after_existence(Existence(of="database", name="d", wanted=wanted), there=there)
    if wanted is there:
        assert course.done == ("database d is there" if there else "database d is gone")
    else:
        assert course == AGAIN

"""What a rollback loses, told before it does."""

import pytest

from runner.core.loss import gone, loss
from runner.core.parse import parse_down
from runner.core.schema import SchemaObject, schema_of
from runner.core.schema_diff import schema_difference
from runner.core.trial import TableFacts
from runner.errors import Finding, Level
from tests.builders import a_migration_file


def table(name: str, *columns: str) -> list[SchemaObject]:
    return [SchemaObject(kind="table", name=name), *(column(name, each) for each in columns)]


def column(of: str, name: str) -> SchemaObject:
    return SchemaObject(kind="column", name=name.split(maxsplit=1)[0], table=of, text=name.rsplit(maxsplit=1)[-1])


def lost(before: list[SchemaObject], after: list[SchemaObject], *downs: str) -> list[SchemaObject]:
    """What is gone once these down files have run."""
    files = [a_migration_file(number, down=down) for number, down in enumerate(downs, 1)]
    return gone(schema_difference(schema_of(before), schema_of(after)), [parse_down(file) for file in files])


def told(before: list[SchemaObject], after: list[SchemaObject], facts: dict[str, TableFacts]) -> Finding | None:
    return loss(lost(before, after), facts)


USERS, ORDERS = table("public.users", "id int", "email text"), table("public.orders", "id int", "paid bool")


def test_tables_and_columns_that_go_are_told_with_what_is_in_them() -> None:
    facts = {
        "public.orders": TableFacts(name="public.orders", size=12 * 1024**3, rows=48_000_000),
        "public.users": TableFacts(name="public.users", size=8192, rows=1),
    }
    found = told([*USERS, *ORDERS], table("public.users", "id int"), facts)
    assert found is not None
    assert found.level is Level.WARNING
    assert str(found) == (
        "the rollback drops table public.orders (12 GB, 48 M rows), column email of public.users (8 kB, 1 row): what "
        "was written there is lost"
    )


def test_of_an_empty_table_nothing_is_lost() -> None:
    nothing = TableFacts(name="public.orders", size=0, empty=True)
    assert told([*USERS, *ORDERS], USERS, {"public.orders": nothing}) is None
    assert told([*USERS, *ORDERS], USERS, {}) is not None


PEOPLE, NOTES = table("public.people", "id int", "email text"), table('public."My ""Notes"', "id int")
DONE, MOVED = table("public.orders", "id int", "done bool"), table("app.users", "id int", "email text")


@pytest.mark.parametrize(
    ("before", "after", "downs"),
    [
        pytest.param(USERS, PEOPLE, ["ALTER TABLE users RENAME TO people;"], id="table"),
        pytest.param(USERS, PEOPLE, ["ALTER TABLE public.users RENAME TO x;", "ALTER TABLE x RENAME TO people;"],
                     id="in-two-steps"),
        pytest.param(NOTES, table("public.notes", "id int"), ['ALTER TABLE "My ""Notes" RENAME TO notes;'],
                     id="quoted"),
        pytest.param(USERS, MOVED, ["ALTER TABLE users SET SCHEMA app;"], id="schema-of-a-table"),
        pytest.param(MOVED, USERS, ["ALTER SCHEMA app RENAME TO public;"], id="schema"),
        pytest.param(ORDERS, DONE, ["ALTER TABLE orders RENAME COLUMN paid TO done;"], id="column"),
        pytest.param(ORDERS, DONE, ["SELECT 1; ALTER TABLE ONLY public.orders RENAME paid TO done;"], id="only"),
    ],
)  # fmt: skip
def test_what_gets_another_name_is_not_lost(
    before: list[SchemaObject], after: list[SchemaObject], downs: list[str]
) -> None:
    assert lost(before, after, *downs) == []


@pytest.mark.parametrize(
    ("before", "after", "downs"),
    [
        pytest.param(USERS, PEOPLE, ["DROP TABLE users; CREATE TABLE people (id int, email text);"], id="table"),
        pytest.param(ORDERS, DONE, ["ALTER TABLE orders DROP COLUMN paid, ADD COLUMN done bool;"], id="column"),
        pytest.param(USERS, PEOPLE, ["ALTER TABLE app.users RENAME TO people;"], id="of-another-schema"),
        pytest.param(USERS, [], ["ALTER TABLE users RENAME TO people; DROP TABLE people;"], id="renamed-and-dropped"),
        pytest.param(ORDERS, DONE, ["ALTER TABLE orders RENAME COLUMN paid TO was_paid;"], id="to-another-name"),
        pytest.param(USERS, table("public.people", "id int"), ["ALTER TABLE users RENAME TO people;"], id="with-less"),
        pytest.param(USERS, PEOPLE, ["ALTER VIEW users RENAME TO people;"], id="something-else"),
        pytest.param(USERS, PEOPLE, [], id="nobody-knows-how"),
    ],
)
def test_what_only_looks_like_what_has_come_is_lost(
    before: list[SchemaObject], after: list[SchemaObject], downs: list[str]
) -> None:
    assert lost(before, after, *downs)


def test_what_comes_is_no_loss() -> None:
    assert lost(USERS, [*USERS, *ORDERS]) == []
    assert loss([], {}) is None


def test_of_many_the_first_are_named_and_all_are_listed() -> None:
    many = [each for number in range(9) for each in table(f"public.t{number}", f"c{number} int")]
    found = told(many, [], {})
    assert found is not None
    assert found.message.endswith(", table public.t4 and 4 more: what was written there is lost")
    assert found.detail.count("\n") == 8

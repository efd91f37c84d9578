"""Two schemas compared: bounded, and true to what is in them. What real servers give: tests/postgres."""

import json

import pytest

from runner.core.schema import Schema, SchemaObject, schema_of
from runner.core.schema_diff import schema_difference

USERS = SchemaObject(kind="table", name="public.users")
ID = SchemaObject(kind="column", name="id", table="public.users", text="bigint NOT NULL")
EMAIL = SchemaObject(kind="column", name="email", table="public.users", text="text")


def test_equal_schemas_have_no_difference() -> None:
    difference = schema_difference(schema_of([USERS, ID]), schema_of([ID, USERS]))
    assert not difference
    assert difference.short() == ()
    assert difference.unified() == ""


def test_the_order_of_objects_does_not_count_but_that_of_columns_does() -> None:
    assert schema_of([ID, EMAIL, USERS]).fingerprint == schema_of([USERS, ID, EMAIL]).fingerprint
    turned = schema_difference(schema_of([USERS, ID, EMAIL]), schema_of([USERS, EMAIL, ID]))
    assert turned.short() == ("~ table public.users: ~ columns in another order",)
    assert turned.unified().startswith("@@ public.users @@")


@pytest.mark.parametrize(
    "other",
    [
        SchemaObject(kind="column", name="mail", table="public.users", text="text"),
        SchemaObject(kind="column", name="email", table="public.people", text="text"),
        SchemaObject(kind="column", name="email", table="public.users", text="text NOT NULL"),
        SchemaObject(kind="index", name="email", table="public.users", text="text"),
    ],
)
def test_any_difference_changes_the_fingerprint(other: SchemaObject) -> None:
    assert schema_of([USERS, EMAIL]).fingerprint != schema_of([USERS, other]).fingerprint


def test_a_schema_comes_back_from_its_json() -> None:
    schema = schema_of([USERS, ID, EMAIL, SchemaObject(kind="comment", name='on "Größe"', text="'a\nb'")])
    assert Schema.from_json(schema.to_json()) == schema


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format": 2, "objects": []}', '{"format": 1}', '{"format": 1, "objects": [[1, 2]]}']
)
def test_anything_else_is_no_schema(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        Schema.from_json(text)


def test_long_differences_are_cut_and_counted() -> None:
    many = [SchemaObject(kind="view", name=f"public.v{number:03}", text="SELECT 1") for number in range(100)]
    difference = schema_difference(schema_of([]), schema_of(many))
    assert difference.short(most=2) == ("+ view public.v000", "+ view public.v001", "… and 98 more")
    lines = difference.unified(most=10).split("\n")
    assert len(lines) == 11
    assert lines[-1] == "… and 290 more lines"


def test_a_line_of_any_length_is_cut() -> None:
    wide = SchemaObject(kind="view", name="public.v", text="x" * 5000)
    assert max(map(len, schema_difference(schema_of([]), schema_of([wide])).unified().split("\n"))) == 300


def test_only_what_differs_is_compared() -> None:
    same = [SchemaObject(kind="table", name=f"public.t{number}") for number in range(5000)]
    difference = schema_difference(schema_of(same), schema_of([*same, USERS, ID]))
    assert difference.short() == ("+ table public.users (1 column)",)
    assert difference.unified() == "@@ public.users @@\n+table public.users\n+  id bigint NOT NULL"


def test_its_json_is_compact() -> None:
    assert json.loads(schema_of([ID]).to_json()) == {
        "format": 1,
        "objects": [["column", "id", "public.users", "bigint NOT NULL"]],
    }

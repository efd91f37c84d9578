"""Schemas as values: kept, compared, told in a few words and line by line. What the catalog gives is tested in
tests/postgres/test_catalog_snapshot.py.
"""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.core.difference import LARGEST_COMPARED, WIDEST
from runner.core.schema import KINDS, RELATIONS, Schema, SchemaObject, schema_of
from runner.core.schema_diff import MOST_SHORT, MOST_UNIFIED, SchemaDifference, schema_difference
from tests.builders import STEADY

NOTHING = schema_of([])


def an_object(kind: str, name: str, text: str = "", *, table: str = "") -> SchemaObject:
    return SchemaObject(kind=kind, name=name, text=text, table=table)


def a_table(name: str, *columns: str, text: str = "") -> list[SchemaObject]:
    """Columns as in CREATE TABLE: "id integer NOT NULL"."""
    parts = (column.partition(" ") for column in columns)
    return [an_object("table", name, text), *(an_object("column", part[0], part[2], table=name) for part in parts)]


def a_function(name: str, lines: int, changed: int | None = None) -> SchemaObject:
    body = [f"line {number}{'!' * (number == changed)}" for number in range(lines)]
    return an_object("function", name, "\n".join([f"CREATE OR REPLACE FUNCTION {name}", *body]))


def changed(before: list[SchemaObject], after: list[SchemaObject]) -> SchemaDifference:
    return schema_difference(schema_of(before), schema_of(after))


USERS = a_table("public.users", "id integer NOT NULL", "age integer DEFAULT 0")
EMAIL = an_object("column", "email", "text", table="public.users")
INDEX = an_object(
    "index",
    "public.users_age_idx",
    "CREATE INDEX users_age_idx ON public.users USING btree (age)",
    table="public.users",
)
SCHEMAS = st.lists(
    st.builds(
        SchemaObject,
        kind=st.sampled_from(["table", "column", "index", "function", "enum", "grant", "comment", "sequence"]),
        name=st.sampled_from(["a.b", "c.d", '"e".f']),
        table=st.sampled_from(["", "a.b", "c.d"]),
        text=st.sampled_from(["", "x", "x\ny", "y\nx"]),
    ),
    unique_by=lambda each: each.key,
).map(schema_of)


# The value


def test_the_order_in_which_the_catalog_answers_does_not_matter() -> None:
    tables = [*USERS, INDEX, *a_table("public.a", "id integer")]
    others = [*a_table("public.a", "id integer"), INDEX, *USERS]
    assert schema_of(tables) == schema_of(others)
    assert schema_of(tables).fingerprint == schema_of(others).fingerprint


def test_the_order_of_columns_matters() -> None:
    table, first, second = USERS
    assert schema_of([table, first, second]).fingerprint != schema_of([table, second, first]).fingerprint


@pytest.mark.parametrize("field", ["kind", "name", "table", "text"])
def test_the_fingerprint_changes_with_everything(field: str) -> None:
    values = {"kind": "view", "name": "a.b", "table": "", "text": "SELECT"}
    one, other = SchemaObject(**values), SchemaObject(**{**values, field: "table"})
    assert schema_of([one]).fingerprint != schema_of([other]).fingerprint


@given(SCHEMAS)
@STEADY
def test_json_gives_the_same_schema_again(schema: Schema) -> None:
    again = Schema.from_json(schema.to_json())
    assert again == schema
    assert again.to_json() == schema.to_json()


def test_json_is_compact_and_says_its_format() -> None:
    assert schema_of([an_object("view", '"Ünïcode".v', "x\ny")]).to_json() == (
        '{"format":1,"objects":[["view","\\"Ünïcode\\".v","","x\\ny"]]}'
    )


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("{", id="cut-off"),
        pytest.param("[" * 100_000, id="nested-too-deep"),
        pytest.param("[]", id="no-object"),
        pytest.param("null", id="null"),
        pytest.param("{}", id="no-format"),
        pytest.param('{"format":2,"objects":[]}', id="another-format"),
        pytest.param('{"format":1}', id="no-objects"),
        pytest.param('{"format":1,"objects":{}}', id="objects-no-list"),
        pytest.param('{"format":1,"objects":[["view","v",""]]}', id="too-short"),
        pytest.param('{"format":1,"objects":[["view","v","",1]]}', id="no-text"),
        pytest.param('{"format":1,"objects":["view"]}', id="a-word"),
        pytest.param('{"format":1,"objects":[["vjew","v","",""]]}', id="unknown-kind"),
        pytest.param('{"format":1,"objects":[["view","v","",""],["view","v","","x"]]}', id="twice"),
    ],
)
def test_other_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Schema.from_json(text)


# The difference


@given(SCHEMAS, SCHEMAS)
@STEADY
def test_there_is_a_difference_exactly_when_the_schemas_differ(before: Schema, after: Schema) -> None:
    difference = schema_difference(before, after)
    assert bool(difference) == (before != after)
    assert bool(difference.short()) <= bool(difference)
    back = schema_difference(after, before)
    assert (back.added, back.removed) == (difference.removed, difference.added)
    assert {(new, old) for old, new in back.changed} == set(difference.changed)


def test_equal_schemas_have_none() -> None:
    difference = changed(USERS, USERS)
    assert not difference
    assert difference.short() == ()
    assert difference.unified() == ""


def test_values_tell_what_came_went_and_changed() -> None:
    wider = an_object("column", "age", "bigint DEFAULT 0", table="public.users")
    difference = changed([*USERS, INDEX], [*USERS[:2], wider, EMAIL])
    assert (difference.added, difference.removed, difference.changed) == ((EMAIL,), (INDEX,), ((USERS[2], wider),))
    assert difference.short() == (
        "- index public.users_age_idx on public.users (age)",
        "~ table public.users: + column email text, ~ column age: integer → bigint",
    )


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"column", "constraint"}))
def test_every_kind_is_told_when_it_comes_goes_and_changes(kind: str) -> None:
    table = "" if kind in RELATIONS else "public.t"
    one, other = (an_object(kind, "public.x", text, table=table) for text in ("a", "b"))
    told = {"enum": "+-", "grant": "+-", "revoke": "+-"}
    for before, after, signs in (([], [one], "+"), ([one], [], "-"), ([one], [other], told.get(kind, "~"))):
        difference = changed(before, after)
        assert "".join(line[0] for line in difference.short()) == signs
        assert all("public.x" in line for line in difference.short())
        assert len(difference.unified().split("\n")) > 1


def test_what_belongs_to_a_new_table_is_told_with_it() -> None:
    parts = [
        INDEX,
        an_object("constraint", "users_pkey", "PRIMARY KEY (id)", table="public.users"),
        an_object("sequence", "public.users_id_seq", table="public.users"),
        an_object("trigger", "touch", "CREATE TRIGGER", table="public.users"),
        an_object("grant", "on public.users to app", "SELECT", table="public.users"),
        an_object("comment", "on column public.users.id", "'x'", table="public.users"),
    ]
    told = "table public.users (2 columns, 1 index, 1 trigger)"
    assert changed([], [*USERS, *parts]).short() == (f"+ {told}",)
    assert changed([*USERS, *parts], []).short() == (f"- {told}",)


def test_a_table_that_becomes_another_kind_of_thing_is_told_as_two() -> None:
    foreign = [an_object("foreign table", "public.users", "SERVER far"), *USERS[1:]]
    assert changed(USERS, foreign).short() == (
        "+ foreign table public.users (2 columns)",
        "- table public.users (2 columns)",
    )
    assert changed([*USERS, INDEX], [an_object("view", "public.users")]).short() == (
        "+ view public.users",
        "- table public.users (2 columns, 1 index)",
    )


def test_what_is_said_of_a_new_function_is_told_with_it_and_of_another_by_itself() -> None:
    one, other = a_function("public.f(integer)", 1), a_function("public.g()", 1)
    comments = [an_object("comment", f"on {each.whole}", "'x'", table=each.whole) for each in (one, other)]
    difference = changed([other], [one, other, *comments])
    assert difference.short() == ("+ function public.f(integer)", "+ comment on function public.g()")


def test_a_schema_and_an_extension_of_one_name_are_two_things() -> None:
    schema, extension = an_object("schema", "cron"), an_object("extension", "cron", "1.6")
    comment = an_object("comment", "on schema cron", "'x'", table="schema cron")
    assert changed([schema], [schema, extension, comment]).short() == (
        "+ extension cron 1.6",
        "+ comment on schema cron",
    )


def test_columns_in_another_order_are_told() -> None:
    table, first, second = USERS
    difference = changed([table, first, second], [table, second, EMAIL, first])
    assert difference.reordered == ("public.users",)
    assert difference.short() == ("~ table public.users: + column email text, ~ columns in another order",)
    assert changed([table, first, second], [table, first, EMAIL, second]).reordered == ()


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("integer NOT NULL", "bigint NOT NULL", "integer → bigint"),
        ("text", "text NOT NULL", "text → text NOT NULL"),
        ("integer DEFAULT 1", "integer DEFAULT 2", "integer DEFAULT 1 → integer DEFAULT 2"),
        ("timestamp without time zone DEFAULT now()", "timestamp with time zone DEFAULT now()",
         "timestamp without time zone → timestamp with time zone"),
        ("text DEFAULT 'a\nb'::text", "text", "text DEFAULT 'a b'::text → text"),
    ],
)  # fmt: skip
def test_a_changed_column_is_told_without_what_stays_behind_its_type(before: str, after: str, told: str) -> None:
    one, other = (a_table("t", f"c {text}") for text in (before, after))
    assert changed(one, other).short() == (f"~ table t: ~ column c: {told}",)


def test_values_of_an_enum_in_another_order_are_a_change() -> None:
    one, other = (an_object("enum", "public.mood", text) for text in ("'a'\n'b'", "'b'\n'a'"))
    assert changed([one], [other]).short() == ("~ enum public.mood",)


def test_a_sequence_that_gets_an_owner_is_the_same_sequence() -> None:
    alone = [
        an_object("sequence", "public.s"),
        an_object("grant", "on sequence public.s to app", "USAGE", table="public.s"),
    ]
    owned = [
        an_object("sequence", "public.s", "OWNED BY public.users.id", table="public.users"),
        an_object("grant", "on sequence public.s to app", "USAGE", table="public.users"),
    ]
    difference = changed([*USERS, *alone], [*USERS, *owned])
    assert difference.short() == ("~ sequence public.s",)
    assert "+sequence public.s OWNED BY public.users.id" in difference.unified()


def test_the_short_list_is_bounded() -> None:
    difference = changed([], [an_object("view", f"public.v{number:03d}") for number in range(100)])
    assert difference.short(most=2) == ("+ view public.v000", "+ view public.v001", "… and 98 more")
    assert len(difference.short()) == MOST_SHORT + 1
    assert len(difference.short(most=100)) == 100


def test_a_line_of_the_short_list_is_one_line_and_not_too_long() -> None:
    table = a_table("t", *(f"c{number} text" for number in range(100)))
    (line,) = changed(table[:1], table).short()
    assert line.endswith("+ column c9 text, … and 90 more")
    (line,) = changed([], [an_object("view", '"a\n::error::b"' + "x" * 1000)]).short()
    assert line.startswith('+ view "a ::error::b"')
    assert len(line) == WIDEST


# Line by line


def test_a_table_is_compared_with_all_that_belongs_to_it() -> None:
    check = an_object("constraint", "users_age_check", "CHECK ((age > 0))", table="public.users")
    policy = an_object("policy", "own", "FOR SELECT USING (true)", table="public.users")
    secured = [an_object("table", "public.users", "ENABLE ROW LEVEL SECURITY"), *USERS[1:]]
    assert changed([*USERS, INDEX], [*secured, EMAIL, check, INDEX, policy]).unified() == "\n".join(
        [
            "@@ public.users @@",
            "     id integer NOT NULL,",
            "     age integer DEFAULT 0,",
            "-)",
            "+    email text,",
            "+    CONSTRAINT users_age_check CHECK ((age > 0)),",
            "+) ENABLE ROW LEVEL SECURITY",
            " CREATE INDEX users_age_idx ON public.users USING btree (age)",
            "+policy own on public.users FOR SELECT USING (true)",
        ]
    )


def test_only_what_differs_is_shown_each_under_its_name() -> None:
    enum = an_object("enum", "public.mood", "'sad'")
    happier = an_object("enum", "public.mood", "'sad'\n'happy'")
    view = an_object("view", "public.v", " SELECT 1;")
    assert changed([*USERS, enum], [*USERS, happier, view]).unified() == "\n".join(
        [
            "@@ public.v @@",
            "+view public.v AS",
            "+ SELECT 1;",
            "@@ type public.mood @@",
            " enum public.mood (",
            "     'sad'",
            "+    'happy'",
            " )",
        ]
    )


def test_a_grant_on_what_is_not_shown_itself_stands_under_its_name() -> None:
    grant = an_object("grant", "on schema audit to app", "USAGE", table="schema audit")
    assert changed([], [grant]).unified() == "@@ schema audit @@\n+grant USAGE on schema audit to app"


def test_places_far_apart_in_a_function_are_shown_apart() -> None:
    one, other = a_function("f()", 100), a_function("f()", 100, changed=10)
    two = an_object("function", "f()", other.text.replace("line 90", "line 90!"))
    lines = changed([one], [two]).unified().split("\n")
    assert lines[0] == "@@ function f() @@"
    assert lines.count(" …") == 1
    assert [line for line in lines if line[0] in "+-"] == ["-line 10", "+line 10!", "-line 90", "+line 90!"]


def test_one_change_in_a_very_long_function_is_found() -> None:
    one, other = a_function("f()", 50_000), a_function("f()", 50_000, changed=40_000)
    assert "-line 40000\n+line 40000!" in changed([one], [other]).unified()


def test_a_function_that_is_another_one_altogether_is_not_compared() -> None:
    one = a_function("f()", LARGEST_COMPARED + 1)
    other = an_object("function", "f()", one.text.replace("line", "row"))
    assert "2002 lines now: too much to compare" in changed([one], [other]).unified().split("\n")[1]


def test_the_diff_is_bounded_in_lines_and_in_their_length() -> None:
    views = [an_object("view", f"v{number}", "x" * 1000) for number in range(1000)]
    lines = changed([], views).unified().split("\n")
    assert len(lines) == MOST_UNIFIED + 1
    assert max(map(len, lines)) == WIDEST
    assert lines[-1] == "… and 2600 more lines"
    assert changed([], views).unified(most_lines=3).split("\n")[3:] == ["… and 2997 more lines"]


def test_a_name_with_line_ends_cannot_pass_for_lines_of_the_diff() -> None:
    view = an_object("view", '"a\n@@ table public.users @@\rb"', "SELECT 1;")
    lines = changed([], [view]).unified().splitlines()
    assert [line for line in lines if line.startswith("@@")] == ['@@ "a @@ table public.users @@ b" @@']


def test_the_difference_does_not_show_both_schemas_when_it_is_printed() -> None:
    assert "users" not in repr(changed(USERS, USERS))
    assert json.loads(schema_of(USERS).to_json())["format"] == 1

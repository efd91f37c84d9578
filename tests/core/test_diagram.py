"""What a change touches, as the source of a picture. That Mermaid draws it is tested in tests/test_pictures.py."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.core.diagram import LARGEST, MOST_ALONE, MOST_COLUMNS, MOST_TABLES, diagram, large
from runner.core.schema import Schema, SchemaObject, schema_of
from runner.core.schema_diff import SchemaDifference, schema_difference
from runner.secrets import Scrubber
from tests.builders import STEADY
from tests.core.test_schema_diff import a_table, an_object

HEAD = "erDiagram\n    direction LR\n"
TEAMS = a_table("public.teams", "id bigint NOT NULL")
USERS = a_table("public.users", "id bigint NOT NULL", "team_id bigint NOT NULL", "note text DEFAULT ''::text")


def a_key(table: str, text: str) -> SchemaObject:
    return an_object("constraint", f"{table.partition('.')[2]}_{text[:12]}", text, table=table)


def changed(before: list[SchemaObject], after: list[SchemaObject]) -> SchemaDifference:
    return schema_difference(schema_of(before), schema_of(after))


def source(before: list[SchemaObject], after: list[SchemaObject]) -> str:
    """With look-alikes as they look."""
    return as_seen(diagram(changed(before, after), str))


def as_seen(text: str) -> str:
    return text.translate({ord("\u2005"): " ", ord("\u200b"): None, ord("\u201a"): ",", ord("\u2024"): "."})


def rows(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.startswith("        ")]


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if "--" in line]


def test_a_new_table_is_drawn_with_its_columns_and_keys_and_the_tables_that_it_references_by_name() -> None:
    keys = [
        a_key("public.users", "PRIMARY KEY (id)"),
        a_key("public.users", "FOREIGN KEY (team_id) REFERENCES public.teams(id) ON DELETE CASCADE"),
    ]
    assert source(TEAMS, [*TEAMS, *USERS, *keys]) == (
        f"{HEAD}"
        '    t1["public.users (new)"] {\n'
        "        bigint id PK\n"
        "        bigint team_id FK\n"
        "        text note\n"
        "    }\n"
        '    t2["public.teams"]\n'
        '    t2 ||--o{ t1 : "team_id"'
    )


def test_of_a_changed_table_it_is_said_what_became_of_each_column() -> None:
    before = a_table(
        "public.a", "id integer", "email text", "age integer NOT NULL", "seen date", "name text DEFAULT 'a'", "gone xml"
    )
    after = a_table(
        "public.a", "id bigint", "email text", "age integer", "seen date NOT NULL", "name text DEFAULT 'b'", "new json"
    )
    assert rows(source(before, [*after, a_key("public.a", "UNIQUE (email)")])) == [
        'bigint id "was integer"',
        'text email UK "new UK"',
        'integer age "no longer NOT NULL"',
        'date seen "now NOT NULL"',
        'text name "changed"',
        'json new "new"',
        'xml gone "removed"',
    ]


def test_words_of_a_default_are_not_taken_for_the_columns_own() -> None:
    before, after = (a_table("public.a", f"x text DEFAULT '{text}'") for text in ("a", "b NOT NULL"))
    assert rows(source(before, after)) == ['text x "changed"']


def test_a_table_that_is_gone_is_drawn_by_name() -> None:
    assert source([*TEAMS, *USERS], TEAMS) == f'{HEAD}    t1["public.users (removed)"]'


def test_the_tables_around_a_changed_one_are_drawn_and_no_others() -> None:
    orders, items = a_table("public.orders", "user_id bigint"), a_table("public.items", "order_id bigint")
    keys = [
        a_key("public.users", "FOREIGN KEY (team_id) REFERENCES public.teams(id)"),
        a_key("public.orders", "FOREIGN KEY (user_id) REFERENCES public.users(id)"),
        a_key("public.items", "FOREIGN KEY (order_id) REFERENCES public.orders(id)"),
    ]
    before = [*TEAMS, *USERS, *orders, *items, *keys]
    text = source(before, [*before, an_object("column", "age", "integer", table="public.users")])
    assert [line.strip() for line in text.splitlines() if '["' in line] == [
        't1["public.users"] {', 't2["public.orders"]', 't3["public.teams"]',
    ]  # fmt: skip
    assert lines(text) == ['t1 |o--o{ t2 : "user_id"', 't3 ||--o{ t1 : "team_id"']


@pytest.mark.parametrize(
    ("columns", "keys", "line"),
    [
        pytest.param(["a int NOT NULL"], ["FOREIGN KEY (a) REFERENCES public.teams(id)"], '||--o{ T : "a"', id="must"),
        pytest.param(["a int"], ["FOREIGN KEY (a) REFERENCES public.teams(id)"], '|o--o{ T : "a"', id="may"),
        pytest.param(
            ["a int NOT NULL", "b int"],
            ["FOREIGN KEY (a, b) REFERENCES public.teams(x, y) MATCH FULL NOT VALID"],
            '|o--o{ T : "a, b"',
            id="composite",
        ),
        pytest.param(
            ["a int NOT NULL"],
            ["FOREIGN KEY (a) REFERENCES public.teams(id)", "PRIMARY KEY (a)"],
            '||--o| T : "a"',
            id="one-to-one",
        ),
        pytest.param(
            ["a int NOT NULL", "b int NOT NULL"],
            ["FOREIGN KEY (a) REFERENCES public.teams(id)", "PRIMARY KEY (a, b)"],
            '||--o{ T : "a"',
            id="part-of-the-primary-key",
        ),
        pytest.param(
            ["a int NOT NULL", "b int NOT NULL"],
            ["FOREIGN KEY (a, b) REFERENCES public.teams(x, y)", "UNIQUE NULLS NOT DISTINCT (b, a)"],
            '||--o| T : "a, b"',
            id="unique-together",
        ),
        pytest.param(
            ["a int NOT NULL", "at tstzrange NOT NULL"],
            ["FOREIGN KEY (a, PERIOD at) REFERENCES public.teams(id, PERIOD at)"],
            '||--o{ T : "a, at"',
            id="period",
        ),
        pytest.param(
            ['"a,(b" int NOT NULL'],
            ['FOREIGN KEY ("a,(b") REFERENCES public.teams(id)'],
            '||--o{ T : "a,(b"',
            id="odd-name",
        ),
    ],
)
def test_a_foreign_key_is_a_line_that_tells_how_many(columns: list[str], keys: list[str], line: str) -> None:
    table = [*a_table("public.x", *columns), *(a_key("public.x", key) for key in keys)]
    assert lines(source(TEAMS, [*TEAMS, *table])) == [f"t2 {line.replace('T', 't1')}"]


def test_a_table_may_reference_itself() -> None:
    key = a_key("public.users", "FOREIGN KEY (team_id) REFERENCES public.users(id)")
    assert lines(source([], [*USERS, key])) == ['t1 ||--o{ t1 : "team_id"']


def test_a_new_foreign_key_of_an_old_table_is_marked() -> None:
    key = a_key("public.users", "FOREIGN KEY (team_id) REFERENCES public.teams(id)")
    text = source([*TEAMS, *USERS], [*TEAMS, *USERS, key])
    assert lines(text) == ['t2 ||--o{ t1 : "team_id (new)"']
    assert 'bigint team_id FK "new FK"' in rows(text)


def test_a_column_that_is_unique_only_together_with_others_is_not_marked() -> None:
    keys = [a_key("public.users", "PRIMARY KEY (id, team_id)"), a_key("public.users", "UNIQUE (team_id, note)")]
    assert rows(source([], [*USERS, *keys])) == ["bigint id PK", "bigint team_id PK", "text note"]


@pytest.mark.parametrize(
    "added",
    [
        an_object("index", "public.i", "CREATE INDEX i ON public.users USING btree (id)", table="public.users"),
        an_object("constraint", "c", "CHECK ((id > 0))", table="public.users"),
        an_object("view", "public.v", "SELECT 1"),
        an_object("table", "public.users_2026", "PARTITION OF public.users FOR VALUES IN (1)"),
    ],
    ids=lambda each: each.kind,
)
def test_there_is_no_picture_of_what_touches_no_column_and_no_key(added: SchemaObject) -> None:
    assert source(USERS, [*USERS, added]) == ""


def test_partitions_are_left_out_where_their_table_is_drawn() -> None:
    part = a_table("public.users_2026", "id bigint NOT NULL", text="UNLOGGED\nPARTITION OF public.users DEFAULT")
    assert source([], [*USERS, *part]) == source([], USERS)


def test_the_options_of_a_foreign_tables_column_are_no_part_of_its_type() -> None:
    table = [an_object("foreign table", "a.b"), an_object("column", "x", "text OPTIONS (k 'v') NOT NULL", table="a.b")]
    assert rows(source([], table)) == ["text x"]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("plain_name", "plain_name"),
        ('"userId"', "userId"),
        ('"a b"', "a\u2005\u200bb"),
        ('"say ""hi"""', "say\u2005\u200b＂hi＂"),
        ("größe", "größe"),
        ('"1st"', "\u200b1st"),
        ("pk", "\u200bpk"),
        ('"UK-x"', "\u200bUK-x"),
        ("pkey", "pkey"),
        ("_id", "ˍid"),
        ("a$b", "a＄b"),
        ('"a.b,c"', "a\u2024b\u201ac"),
        ('"%%{init}%%"', "％％｛init｝％％"),
        ('"<b>*x*`~"', "＜b＞＊x＊｀～"),
        ('"a\nb\u202e"', "a\u2005\u200bb\u2005\u200b"),
        ('"m²"', "m\ufffd"),
    ],
)
def test_a_name_is_written_in_what_mermaid_takes(name: str, shown: str) -> None:
    table = [an_object("table", "public.a"), an_object("column", name, "text", table="public.a")]
    assert rows(diagram(changed([], table), str)) == [f"text {shown}"]


# The shape of a type and of a name in Mermaid 11.5, which is narrower than in later ones. JavaScript's \uffff reaches
# what Python counts beyond it.
A_WORD = re.compile(r"[*A-Za-z_\u00c0-\U0010ffff][A-Za-z0-9\-_\[\]()\u00c0-\U0010ffff*]*")


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20))
@settings(STEADY, max_examples=60)
def test_any_name_and_any_type_is_one_word_for_mermaid(text: str) -> None:
    doubled = text.replace('"', '""')
    name = f'"{doubled}"'
    table = [an_object("table", "public.a"), an_object("column", name, f"app.{name}", table="public.a")]
    [row] = rows(diagram(changed([], table), str))
    assert [bool(A_WORD.fullmatch(word)) for word in row.split(" ")] == [True, True]


def test_types_are_one_word_for_mermaid() -> None:
    table = a_table("public.a", "a numeric(12,2)", "b timestamp(3) with time zone NOT NULL", 'c app."my type"[]')
    assert rows(source([], table)) == ["numeric(12,2) a", "timestamp(3) with time zone b", "app.my type[] c"]


def test_two_names_that_look_alike_are_two_tables() -> None:
    tables = [*a_table('public."a$"', "id int"), *a_table('public."a＄"', "id int")]
    assert source([], tables).count('["public.a＄ (new)"]') == 2


def test_of_many_columns_those_that_changed_are_drawn_then_the_keys_then_the_first() -> None:
    before = a_table("public.a", *(f"c{number} text" for number in range(100)))
    after = [*before, a_key("public.a", "PRIMARY KEY (c90)"), an_object("column", "last", "text", table="public.a")]
    before = [*before, after[-2]]
    found = rows(source(before, after))
    assert found == [
        *(f"text c{n}" for n in range(28)),
        "text c90 PK",
        'text last "new"',
        f"… {101 - MOST_COLUMNS} more",
    ]


def test_of_many_tables_those_that_are_touched_come_first_and_the_others_are_counted() -> None:
    around = [each for number in range(40) for each in a_table(f"public.n{number:02}", "user_id bigint")]
    keys = [
        a_key(each.name, "FOREIGN KEY (user_id) REFERENCES public.users(id)") for each in around if each.kind == "table"
    ]
    before = [*USERS, *around, *keys]
    text = source(before, [*before, an_object("column", "age", "integer", table="public.users")])
    assert 't1["public.users"] {' in text
    assert text.count('["public.n') == len(lines(text)) == MOST_TABLES[0] - 1
    assert '    more["… and 16 more"]' in text


def numbered(count: int, name: str = "a") -> list[SchemaObject]:
    """As many tables, without keys."""
    return [each for number in range(count) for each in a_table(f"public.{name}{number:02}", "id bigint")]


def drawn(text: str) -> list[str]:
    return re.findall(r'^    t\d+\["public.(\w+)', text, re.MULTILINE)


def test_a_few_tables_that_no_key_joins_with_another_are_drawn() -> None:
    assert len(drawn(source([], numbered(MOST_ALONE)))) == MOST_ALONE


def test_of_many_tables_that_no_key_joins_with_another_there_is_no_picture() -> None:
    assert source([], numbered(MOST_ALONE + 1)) == ""
    assert source(numbered(MOST_ALONE + 1), []) == ""


def test_among_many_tables_those_that_keys_join_are_drawn_and_the_others_counted() -> None:
    own = a_key("public.a00", "FOREIGN KEY (id) REFERENCES public.a00(id)")
    key = a_key("public.users", "FOREIGN KEY (team_id) REFERENCES public.teams(id)")
    text = source([], [*numbered(92), own, *TEAMS, *USERS, key])
    assert drawn(text) == ["users", "teams"]
    assert '    more["… and 92 more"]' in text


def test_of_more_tables_than_there_is_room_for_none_is_drawn_without_its_line() -> None:
    keys = [a_key(f"public.a{number:02}", "FOREIGN KEY (id) REFERENCES public.teams(id)") for number in range(40)]
    text = source(TEAMS, [*TEAMS, *numbered(40), *keys, *numbered(3, "alone")])
    assert drawn(text)[:3] == ["a00", "teams", "a01"]
    assert len(lines(text)) == len(drawn(text)) - 1 == MOST_TABLES[0] - 1
    assert '    more["… and 19 more"]' in text


@pytest.mark.parametrize(("count", "is_large"), [(1, False), (5, False), (6, True)])
def test_a_picture_that_takes_more_than_two_screens_is_large(count: int, is_large: bool) -> None:
    columns = [f"c{number} int" for number in range(5)]
    text = source([], [each for number in range(count) for each in a_table(f"public.a{number}", *columns)])
    assert large(text) == large(f"```mermaid\n{text}\n```") == is_large


def test_the_picture_is_never_larger_than_mermaid_takes() -> None:
    def name(number: int) -> str:
        return f"{number:02}".rjust(63, "n")

    tables = [f"{'s' * 63}.{name(table)}" for table in range(8)]
    columns = [f"{name(column)} {'t' * 63} NOT NULL" for column in range(31)]
    parts = [each for table in tables for each in a_table(table, *columns)]
    many = ", ".join(name(column) for column in range(30))
    keys = [
        an_object("constraint", f"{table}_{other}", f"FOREIGN KEY ({many}) REFERENCES {other}({many})", table=table)
        for table in tables
        for other in tables
    ]
    assert 20_000 < len(source([], [*parts, *keys])) <= LARGEST


OBJECTS = st.builds(
    SchemaObject,
    kind=st.sampled_from(["table", "foreign table", "column", "constraint", "view", "grant"]),
    name=st.sampled_from(["a.b", "c.d", "e", '"f ""']) | st.text(max_size=4),
    table=st.sampled_from(["", "a.b", "c.d"]),
    text=st.sampled_from(
        ["", "int", "text NOT NULL", "PRIMARY KEY (e)", "UNIQUE (e, x)", "FOREIGN KEY (e, gone) REFERENCES a.b(e)"]
    ),
)
SCHEMAS = st.lists(OBJECTS, unique_by=lambda each: each.key, max_size=12).map(schema_of)


@given(SCHEMAS, SCHEMAS)
@settings(STEADY, max_examples=40)
def test_there_is_a_picture_of_any_difference(before: Schema, after: Schema) -> None:
    text = diagram(schema_difference(before, after), str)
    assert text == "" or text.startswith(HEAD)


def test_secrets_are_hidden_before_look_alikes_are_written() -> None:
    table = [an_object("table", 'public."p@ss#1"'), an_object("column", "x", 'app."p@ss#1"', table='public."p@ss#1"')]
    text = as_seen(diagram(changed([], table), Scrubber(["p@ss#1"])))
    assert "public.＊＊＊ (new)" in text
    assert rows(text) == ["app.＊＊＊ x"]

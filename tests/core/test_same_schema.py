"""Which differences between a database and its files count, and which are nobody's concern."""

import pytest

from runner.core.same_schema import Likeness, likeness
from runner.core.schema import SchemaObject, schema_of


def an_object(kind: str, name: str, text: str = "", *, table: str = "") -> SchemaObject:
    return SchemaObject(kind=kind, name=name, text=text, table=table)


def a_table(name: str, *columns: str, text: str = "") -> list[SchemaObject]:
    return [an_object("table", name, text), *(an_object("column", each, "integer", table=name) for each in columns)]


PUBLIC = an_object("schema", "public")
LOGS = a_table("public.logs", "id", "at", text="PARTITION BY RANGE (at)")
APP = [an_object("schema", "app"), *a_table("app.users", "id", "age")]
FILES = [PUBLIC, *LOGS, *APP]


def compared(database: list[SchemaObject], files: list[SchemaObject] = FILES) -> Likeness:
    return likeness(schema_of(files), schema_of(database), records=["own_records"])


@pytest.mark.parametrize(
    "more",
    [
        pytest.param([an_object("grant", "on app.users to web", "SELECT", table="app.users")], id="rights"),
        pytest.param([an_object("revoke", "on app.users from PUBLIC", "SELECT", table="app.users")], id="taken rights"),
        pytest.param([an_object("comment", "on table app.users", "'all of them'", table="app.users")], id="a comment"),
        pytest.param([an_object("extension", "pg_stat_statements", "1.11")], id="an extension"),
        pytest.param([an_object("publication", "cdc", "FOR ALL TABLES")], id="a publication"),
        pytest.param([an_object("event trigger", "audit", "ON ddl_command_end")], id="an event trigger"),
        pytest.param(
            [*a_table("public.flyway_schema_history", "version"),
             an_object("index", "public.flyway_schema_history_s_idx", table="public.flyway_schema_history")],
            id="another tool's records",
        ),
        pytest.param(a_table('public."__EFMigrationsHistory"', "id"), id="records under a quoted name"),
        pytest.param(a_table("app.own_records", "id"), id="records in a place that was named"),
        pytest.param(
            [an_object("table", "public.logs_2026", "PARTITION OF public.logs FOR VALUES FROM (1) TO (2)"),
             an_object("column", "id", "integer", table="public.logs_2026"),
             an_object("index", "public.logs_2026_id", table="public.logs_2026")],
            id="a partition that a job has made",
        ),
    ],
)  # fmt: skip
def test_what_says_nothing_of_the_migrations_is_not_compared(more: list[SchemaObject]) -> None:
    found = compared([*FILES, *more])
    assert not found.difference
    assert found.left_out == ()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (a_table("public.more", "id"), "table public.more (1 column)"),
        (a_table("app.more", "id"), "table app.more (1 column)"),
        ([an_object("column", "vip", "boolean", table="app.users")], "table app.users: + column vip boolean"),
        ([an_object("view", "public.v", "SELECT 'PARTITION OF '")], "view public.v"),
        ([an_object("function", "public.f(app.users)")], "function public.f(app.users)"),
        ([an_object("operator", "app.+(integer,text)")], "operator app.+(integer,text)"),
        ([an_object("sequence", 'app."My seq"')], 'sequence app."My seq"'),
    ],
)
def test_all_else_that_is_there_counts_where_the_files_are_at_work(more: list[SchemaObject], words: str) -> None:
    found = compared([*FILES, *more])
    assert [row[1] for row in found.table.rows] == [words]
    assert found.count == 1


def test_a_schema_in_which_the_files_have_nothing_is_named_and_left_out() -> None:
    others = [an_object("schema", "auth"), *a_table("auth.users", "id"), an_object("function", 'auth."F"()')]
    found = compared([*FILES, *others, *a_table('"Old".t', "id")])
    assert not found.difference
    assert found.left_out == ('"Old"', "auth")


def test_what_the_files_make_must_be_there_whatever_it_is() -> None:
    made = [an_object("extension", "vector", "0.8"), an_object("publication", "cdc", "FOR ALL TABLES")]
    found = compared(FILES, [*FILES, *made, *a_table("later.t", "id")])
    assert found.table.rows == (
        ("missing", "extension vector"),
        ("missing", "table later.t (1 column)"),
        ("missing", "publication cdc"),
    )


def test_a_missing_schema_is_told_with_what_it_should_hold() -> None:
    assert compared([PUBLIC, *LOGS]).table.rows == (
        ("missing", "table app.users (2 columns)"),
        ("missing", "schema app"),
    )


def test_the_version_of_an_extension_is_the_operators() -> None:
    files, database = (an_object("extension", "vector", version) for version in ("0.8", "0.7"))
    assert not compared([*FILES, database], [*FILES, files]).difference


def test_another_definition_of_what_the_files_make_is_told() -> None:
    files, database = (an_object("publication", "cdc", text) for text in ("FOR ALL TABLES", "FOR TABLE app.users"))
    assert compared([*FILES, database], [*FILES, files]).table.rows == (("other", "publication cdc"),)


def test_the_order_of_columns_is_not_compared() -> None:
    turned = [PUBLIC, *LOGS, APP[0], APP[1], APP[3], APP[2]]
    assert schema_of(turned) != schema_of(FILES)
    assert not compared(turned).difference


def test_whether_the_schema_public_is_there_is_not_compared() -> None:
    assert not compared(FILES[1:]).difference


def test_very_many_differences_are_counted_all_and_shown_as_far_as_a_person_reads() -> None:
    found = compared([*FILES, *(an_object("view", f"public.v{number}") for number in range(60))])
    assert found.count == 60
    assert len(found.table.rows) == 51
    assert found.table.rows[-1] == ("…", "and 10 more")

"""The schema that files make of an empty database."""

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

import pytest

from runner.core.database_url import DatabaseUrl
from runner.core.migration import Migration
from runner.core.schema import Schema
from runner.core.shadow_choice import Provider, ShadowChoice
from runner.errors import DatabaseUnusable, MigrationFailed
from runner.postgres.embedded import EmbeddedServer
from runner.postgres.from_zero import FromZero, schema_from_zero
from runner.postgres.sending import Timeouts
from runner.postgres.session import connect
from tests.builders import a_context, a_migration
from tests.conftest import ON_NEWEST, Database

pytestmark = ON_NEWEST

NAME = "db_migrate_verify_of_a_test"
LIMITS = Timeouts(lock=timedelta(), statement=timedelta())
MADE = "SELECT count(*) FROM pg_database WHERE datname = %s"


@pytest.fixture
def empty(database: Database) -> Iterator[DatabaseUrl]:
    """A second database on the server, which nobody needs."""
    database.query(f"CREATE DATABASE {database.name}_empty")
    yield database.server.url(f"{database.name}_empty")
    database.query(f"DROP DATABASE {database.name}_empty WITH (FORCE)")


def at(url: DatabaseUrl) -> ShadowChoice:
    return ShadowChoice(provider=Provider.URL, url=url)


def made(target: DatabaseUrl, choice: ShadowChoice, *files: str, schema: str = "public") -> tuple[Schema, str]:
    migrations: Sequence[Migration] = [a_migration(number, sql=sql) for number, sql in enumerate(files, 1)]
    trial = FromZero(
        choice=choice,
        name=NAME,
        ledger_schema=schema,
        context=a_context(),
        timeouts=LIMITS,
        scrub=str,
        tell=lambda _: None,
    )
    with connect(target, application_name="a test") as connection:
        return schema_from_zero(connection, migrations, trial)


def names(schema: Schema) -> list[str]:
    return [each.name for each in schema.objects if each.kind in {"table", "index", "view"}]


def test_all_files_are_applied_and_nothing_of_it_stays(database: Database, empty: DatabaseUrl) -> None:
    before = database.dump()
    schema, where = made(
        database.url, at(empty), "CREATE TABLE a (id int);", "CREATE INDEX CONCURRENTLY a_id ON a (id);"
    )
    assert names(schema) == ["public.a", "public.a_id"]
    assert where.startswith("PostgreSQL 18.")
    assert database.value(MADE, NAME) == 0
    assert database.dump() == before


def test_the_ledger_is_no_part_of_it_wherever_it_is(database: Database, empty: DatabaseUrl) -> None:
    for schema in ("public", "db_migrate"):
        assert names(made(database.url, at(empty), "CREATE TABLE a (id int);", schema=schema)[0]) == ["public.a"]


def test_a_file_that_fails_is_told_with_its_place(database: Database, empty: DatabaseUrl) -> None:
    with pytest.raises(MigrationFailed) as failed:
        made(database.url, at(empty), "SELECT 1;", "SELECT 1;\nALTER TABLE legacy ADD COLUMN x int;")
    assert failed.value.findings[0].place == "migrations/02_example.sql:2:1"
    assert database.value(MADE, NAME) == 0


def test_unqualified_names_land_where_they_do_in_the_target(database: Database, empty: DatabaseUrl) -> None:
    database.query(f"ALTER DATABASE {database.name} SET search_path TO \"My App\", 'back\\slash', public")
    files = ('CREATE SCHEMA "My App";', "CREATE TABLE a (id int);")
    assert names(made(database.url, at(empty), *files)[0]) == ['"My App".a']


def test_what_the_operator_has_installed_is_there_for_the_files(database: Database, empty: DatabaseUrl) -> None:
    files = ("CREATE TABLE a (v vector(3));",)
    with pytest.raises(MigrationFailed, match='type "vector" does not exist'):
        made(database.url, at(empty), *files)
    database.query("CREATE EXTENSION vector")
    assert names(made(database.url, at(empty), *files)[0]) == ["public.a"]
    assert names(made(database.url, at(empty), "CREATE EXTENSION vector;", *files)[0]) == ["public.a"]


def test_an_extension_that_is_not_to_be_had_is_told_with_the_file_that_wants_it(
    database: Database, empty: DatabaseUrl
) -> None:
    with pytest.raises(DatabaseUnusable, match=r"01_example\.sql:1: .* does not have the extension postgis"):
        made(database.url, at(empty), "CREATE EXTENSION postgis;")


def test_another_major_version_would_write_the_same_schema_in_other_words(
    empty: DatabaseUrl, servers: Callable[[int], EmbeddedServer]
) -> None:
    with pytest.raises(DatabaseUnusable, match="the target is PostgreSQL 16") as unusable:
        made(servers(16).url(), at(empty), "SELECT 1;")
    assert "docker://postgres:16" in unusable.value.findings[0].hint


def test_the_target_itself_is_refused(database: Database) -> None:
    with pytest.raises(DatabaseUnusable, match="`shadow-database` names the target itself"):
        made(database.url, at(database.url), "SELECT 1;")


def test_without_a_choice_it_is_our_server_of_the_targets_version_with_the_roles_that_the_files_name(
    database: Database,
) -> None:
    schema, where = made(
        database.url, ShadowChoice(provider=Provider.AUTO), "CREATE TABLE a (id int); GRANT SELECT ON a TO web;"
    )
    assert names(schema) == ["public.a"]
    assert where.endswith(", embedded")

"""What is not valid, and what of it is wrong."""

import pytest

from runner.core.validity import (
    InvalidIndex,
    UnvalidatedConstraint,
    Validation,
    Validity,
    findings,
    meant_to_be_valid,
)
from runner.errors import Level
from tests.builders import a_migration

INDEX = InvalidIndex(name="public.users_email_idx", table="public.users")
PARTITIONED = InvalidIndex(name="public.events_at_idx", table="public.events", partitioned=True)
CONSTRAINT = UnvalidatedConstraint(name="users_email_check", table="public.users")
VALIDATING = "ALTER TABLE users VALIDATE CONSTRAINT users_email_check;"
ADDING = "ALTER TABLE users ADD CONSTRAINT users_email_check CHECK (email <> '') NOT VALID;"


def validated(*files: str) -> list[str]:
    migrations = [a_migration(number, sql=sql) for number, sql in enumerate(files, 1)]
    return [f"{each.schema}.{each.table}.{each.name}".lstrip(".") for each in meant_to_be_valid(migrations)]


@pytest.mark.parametrize(
    ("sql", "meant"),
    [
        ("ALTER TABLE users VALIDATE CONSTRAINT c", ["users.c"]),
        ("alter table only app.users validate constraint c, validate constraint d", ["app.users.c", "app.users.d"]),
        ('ALTER TABLE "App"."My Users" VALIDATE CONSTRAINT "C 1"', ["App.My Users.C 1"]),
        ("ALTER FOREIGN TABLE f VALIDATE CONSTRAINT c", ["f.c"]),
        ("ALTER DOMAIN app.mail VALIDATE CONSTRAINT c", ["app.mail.c"]),
        ("ALTER DOMAIN mail VALIDATE CONSTRAINT c", ["mail.c"]),
        ("ALTER TABLE users ADD CONSTRAINT c CHECK (a > 0) NOT VALID", []),
        ("ALTER TABLE users ADD COLUMN a int; SELECT 'VALIDATE CONSTRAINT c'", []),
        ("BEGIN; ALTER TABLE users VALIDATE CONSTRAINT c; COMMIT", ["users.c"]),
    ],
)
def test_a_file_means_what_it_validates(sql: str, meant: list[str]) -> None:
    assert validated(sql) == meant


@pytest.mark.parametrize(
    "later",
    [
        ADDING,
        f"ALTER TABLE users DROP CONSTRAINT users_email_check; {ADDING}",
        "ALTER TABLE app.users ADD CONSTRAINT users_email_check CHECK (email <> '') NOT VALID",
    ],
)
def test_what_is_added_anew_without_validating_is_not_meant_any_more(later: str) -> None:
    assert validated(VALIDATING, later) == []
    assert validated(later, VALIDATING) == ["users.users_email_check"]


def test_a_domain_that_is_constrained_anew_is_not_meant_any_more() -> None:
    anew = "ALTER DOMAIN mail ADD CONSTRAINT c CHECK (VALUE <> '') NOT VALID;"
    assert validated("ALTER DOMAIN mail VALIDATE CONSTRAINT c", anew) == []


def test_adding_and_validating_in_one_statement_is_meant() -> None:
    sql = "ALTER TABLE users ADD CONSTRAINT c CHECK (a > 0) NOT VALID, VALIDATE CONSTRAINT c"
    assert validated(sql) == ["users.c"]


def test_a_validation_tells_its_place() -> None:
    [validation] = meant_to_be_valid([a_migration(7, sql=f"SELECT 1;\n\n{VALIDATING}")])
    assert (str(validation.path), validation.line) == ("migrations/07_example.sql", 3)


@pytest.mark.parametrize(
    ("table", "constraint", "same"),
    [
        ("users", CONSTRAINT, True),
        ("public.users", CONSTRAINT, True),
        ("other.users", CONSTRAINT, False),
        ("people", CONSTRAINT, False),
        ("users", UnvalidatedConstraint(name="users_email_check", table="app.users", in_path=False), False),
        ("app.users", UnvalidatedConstraint(name="users_email_check", table="app.users", in_path=False), True),
        ('"My.Users"', UnvalidatedConstraint(name="users_email_check", table='public."My.Users"'), True),
        ('"A ""B"""', UnvalidatedConstraint(name="users_email_check", table='public."A ""B"""'), True),
        ("users", UnvalidatedConstraint(name="another", table="public.users"), False),
    ],
)
def test_a_constraint_is_recognised_by_its_names(table: str, constraint: UnvalidatedConstraint, same: bool) -> None:
    sql = f"ALTER TABLE {table} VALIDATE CONSTRAINT users_email_check"
    validation: Validation
    [validation] = meant_to_be_valid([a_migration(sql=sql)])
    assert validation.means(constraint) is same


def test_an_index_that_the_run_left_invalid_is_an_error() -> None:
    [finding] = findings(Validity(indexes=(INDEX,)), before=Validity(), migrations=[])
    assert finding.level is Level.ERROR
    assert "index public.users_email_idx of table public.users is not valid" in finding.message
    assert finding.hint == "DROP INDEX CONCURRENTLY public.users_email_idx; then build it again"


def test_of_an_index_that_was_invalid_before_the_look_at_the_servers_health_has_told() -> None:
    found = Validity(indexes=(INDEX,))
    assert [finding.level for finding in findings(found, before=found, migrations=[])] == []


def test_without_a_run_an_invalid_index_is_an_error() -> None:
    assert [f.level for f in findings(Validity(indexes=(INDEX,)), before=None, migrations=[])] == [Level.ERROR]


def test_an_index_that_waits_for_those_of_partitions_is_a_warning() -> None:
    [finding] = findings(Validity(indexes=(PARTITIONED,)), before=Validity(), migrations=[])
    assert finding.level is Level.WARNING
    assert "ATTACH PARTITION" in finding.hint


@pytest.mark.parametrize("name", ["public.i_ccnew", "public.i_ccold3", 'public."My I_ccnew"'])
def test_what_a_reindex_left_is_only_dropped(name: str) -> None:
    [finding] = findings(Validity(indexes=(InvalidIndex(name=name, table="t"),)), before=None, migrations=[])
    assert finding.hint == f"DROP INDEX CONCURRENTLY {name};"


@pytest.mark.parametrize("before", [None, Validity(), Validity(constraints=(CONSTRAINT,))])
def test_a_constraint_that_a_file_validates_must_be_valid(before: Validity | None) -> None:
    found = Validity(constraints=(CONSTRAINT,))
    [finding] = findings(found, before=before, migrations=[a_migration(3, sql=f"SELECT 1;\n{VALIDATING}")])
    assert (finding.level, finding.place) == (Level.ERROR, "migrations/03_example.sql:2")
    assert finding.hint == "ALTER TABLE public.users VALIDATE CONSTRAINT users_email_check;"


@pytest.mark.parametrize(
    ("before", "levels"),
    [(None, [Level.WARNING]), (Validity(), [Level.NOTICE]), (Validity(constraints=(CONSTRAINT,)), [])],
)
def test_other_constraints_are_told_when_they_are_new_or_asked_for(
    before: Validity | None, levels: list[Level]
) -> None:
    found = Validity(constraints=(CONSTRAINT,))
    assert [f.level for f in findings(found, before=before, migrations=[a_migration(sql=ADDING)])] == levels


def test_a_domain_is_told_as_one() -> None:
    constraint = UnvalidatedConstraint(name="c", table="public.mail", domain=True)
    [finding] = findings(Validity(constraints=(constraint,)), before=None, migrations=[])
    assert finding.hint.startswith("ALTER DOMAIN public.mail VALIDATE CONSTRAINT c;")


def test_nothing_is_said_of_a_database_in_which_all_is_valid() -> None:
    assert findings(Validity(), before=None, migrations=[a_migration(sql=VALIDATING)]) == []

"""A server that can be migrated, by a role that may."""

from dataclasses import replace
from datetime import timedelta

import postgast
import pytest
from postgast import pg_query_pb2

from runner.core.health import HealthFacts
from runner.core.model import LedgerState, Target
from runner.core.policies import HealthMode
from runner.core.steps import Session
from runner.errors import DatabaseUnusable, Finding, InputError, Level
from runner.gates.health import check_health, graded, health_findings
from runner.gates.target import check_ledger, check_target
from tests.builders import a_target


def refusal(target: Target, schema: str = "public") -> Finding:
    with pytest.raises(DatabaseUnusable) as caught:
        check_target(target, schema)
    (finding,) = caught.value.findings
    return finding


@pytest.mark.parametrize(
    "target",
    [
        pytest.param(a_target(), id="all-rights"),
        pytest.param(a_target(server_version=140000), id="the-oldest-server"),
        pytest.param(
            a_target(may_create_tables=False, may_create_schema=False), id="a-current-ledger-needs-no-new-tables"
        ),
        pytest.param(a_target(ledger=LedgerState.ABSENT, tables=(), may_create_schema=False), id="an-empty-schema"),
        pytest.param(
            a_target(ledger=LedgerState.ABSENT, tables=(), schema_exists=False, may_create_tables=False),
            id="a-schema-to-be-created",
        ),
    ],
)
def test_accepts(target: Target) -> None:
    assert check_target(target, "public") == []


@pytest.mark.parametrize(
    ("target", "message", "hint"),
    [
        pytest.param(
            a_target(server_version=130014),
            "PostgreSQL 13.14 is too old",
            "PostgreSQL 14 or later is needed",
            id="server-too-old",
        ),
        pytest.param(
            a_target(in_recovery=True),
            "this server is a standby",
            "`database-url` must name the primary",
            id="standby",
        ),
        pytest.param(
            a_target(read_only=True),
            "database app is read-only for role migrator",
            "default_transaction_read_only is on: for the server, the database or the role",
            id="read-only",
        ),
        pytest.param(
            a_target(ledger=LedgerState.ABSENT, tables=(), schema_exists=False, may_create_schema=False),
            "role migrator may not create the tracking schema public",
            'GRANT CREATE ON DATABASE "app" TO "migrator";',
            id="no-schema-and-no-right-to-create-one",
        ),
        pytest.param(
            a_target(ledger=LedgerState.ABSENT, tables=(), may_create_tables=False),
            "role migrator may not create the ledger's tables in schema public",
            'GRANT USAGE, CREATE ON SCHEMA "public" TO "migrator"; '
            "(since PostgreSQL 15 nobody has this right in public by default)",
            id="no-ledger-and-no-right-to-create-one",
        ),
        pytest.param(
            a_target(ledger=LedgerState.OUTDATED, tables=("schema_migrations",), may_create_tables=False),
            "role migrator may not create the ledger's tables in schema public",
            'GRANT USAGE, CREATE ON SCHEMA "public" TO "migrator"; '
            "(since PostgreSQL 15 nobody has this right in public by default)",
            id="an-old-ledger-and-no-right-to-mend-it",
        ),
        pytest.param(
            a_target(may_use_schema=False),
            "role migrator may not use the ledger's schema public",
            'GRANT USAGE ON SCHEMA "public" TO "migrator";',
            id="a-ledger-in-a-schema-that-is-closed",
        ),
        pytest.param(
            a_target(ledger=LedgerState.ABSENT, tables=(), may_use_schema=False),
            "role migrator may not create the ledger's tables in schema public",
            'GRANT USAGE, CREATE ON SCHEMA "public" TO "migrator"; '
            "(since PostgreSQL 15 nobody has this right in public by default)",
            id="no-ledger-in-a-schema-that-is-closed",
        ),
        pytest.param(
            a_target(unwritable=("migration_history", "schema_migrations")),
            "role migrator may not write the ledger in schema public",
            "GRANT SELECT, INSERT, UPDATE, DELETE "
            'ON "public"."migration_history", "public"."schema_migrations" TO "migrator";',
            id="a-ledger-that-is-not-writable",
        ),
    ],
)
def test_refuses_and_names_what_would_help(target: Target, message: str, hint: str) -> None:
    finding = refusal(target)
    assert (finding.message, finding.hint) == (message, hint)


ODD_NAMES = ["app_2", "deploy-bot", "Deploy", "2fast", "o'hara", 'a"b', "größe", "ada@corp.example", "user", "order",
             "session_user", "x; DROP TABLE users"]  # fmt: skip


@pytest.mark.parametrize("name", ODD_NAMES)
def test_the_grant_can_be_copied_whatever_role_database_and_schema_are_called(name: str) -> None:
    nothing = a_target(database=name, role=name, ledger=LedgerState.ABSENT, tables=(), may_create_tables=False)
    assert granted(refusal(nothing, name)) == (["schema", name], name)
    no_schema = replace(nothing, schema_exists=False, may_create_schema=False)
    assert granted(refusal(no_schema)) == (["database", name], name)
    not_writable = a_target(role=name, unwritable=("migration_runs",))
    assert granted(refusal(not_writable, name)) == (["table", name, "migration_runs"], name)


def granted(finding: Finding) -> tuple[list[str], str]:
    """On what, and to whom, as PostgreSQL's parser reads the hint."""
    (raw,) = postgast.parse(finding.hint.rpartition(";")[0]).stmts
    grant = raw.stmt.grant_stmt
    (thing,), (grantee,) = grant.objects, grant.grantees
    relation = [thing.range_var.schemaname, thing.range_var.relname] if thing.HasField("range_var") else []
    kind = pg_query_pb2.ObjectType.Name(grant.objtype).removeprefix("OBJECT_").lower()
    return [kind, *(relation or [thing.string.sval])], grantee.role_spec.rolename


def test_a_table_of_another_tool_is_named_with_its_columns_and_the_way_out() -> None:
    target = a_target(
        ledger=LedgerState.FOREIGN, foreign_table="schema_migrations", foreign_columns=("dirty", "version")
    )
    with pytest.raises(InputError) as caught:
        check_target(target, "public")
    (finding,) = caught.value.findings
    assert finding.message == "public.schema_migrations belongs to golang-migrate (columns: dirty, version)"
    assert "`tracking-schema: db_migrate`" in finding.hint
    assert "`db-migrate adopt --from golang-migrate`" in finding.hint
    assert caught.value.exit_code == 2


def test_a_foreign_table_is_told_before_rights_on_it() -> None:
    target = a_target(ledger=LedgerState.FOREIGN, foreign_columns=("version",), unwritable=("schema_migrations",))
    with pytest.raises(InputError):
        check_target(target, "public")


def test_everything_that_keeps_a_run_from_writing_is_told_at_once() -> None:
    with pytest.raises(DatabaseUnusable) as caught:
        check_target(a_target(in_recovery=True, unwritable=("migration_runs",)), "public")
    assert [finding.message for finding in caught.value.findings] == [
        "this server is a standby",
        "role migrator may not write the ledger in schema public",
    ]


@pytest.mark.parametrize(
    "target",
    [
        pytest.param(a_target(in_recovery=True), id="standby"),
        pytest.param(a_target(read_only=True), id="read-only"),
        pytest.param(a_target(unwritable=("migration_runs",)), id="not-writable"),
        pytest.param(a_target(ledger=LedgerState.ABSENT, tables=(), may_create_tables=False), id="not-creatable"),
    ],
)
def test_a_dry_run_is_only_told_what_a_run_could_not_do(target: Target) -> None:
    (notice,) = check_target(target, "public", dry_run=True)
    assert notice == replace(refusal(target), level=Level.NOTICE)


@pytest.mark.parametrize(
    "target",
    [
        pytest.param(a_target(server_version=130014), id="server-too-old"),
        pytest.param(a_target(ledger=LedgerState.FOREIGN, foreign_columns=("version",)), id="foreign-table"),
    ],
)
def test_a_dry_run_needs_a_server_and_a_ledger_that_it_can_read(target: Target) -> None:
    with pytest.raises((DatabaseUnusable, InputError)):
        check_target(target, "public", dry_run=True)


def test_looking_only_needs_no_rights_to_write() -> None:
    check_ledger(a_target(in_recovery=True, read_only=True, unwritable=("schema_migrations",)), "public")
    with pytest.raises(InputError):
        check_ledger(a_target(ledger=LedgerState.FOREIGN, foreign_columns=("version",)), "public")


# What a migration may wait for

OLD = Session(pid=4711, state="active", age=timedelta(minutes=20))
WARNED = Finding("an old transaction", level=Level.WARNING)
NOTED = Finding("something hidden", level=Level.NOTICE)


def test_what_was_seen_and_what_could_not_be_are_findings() -> None:
    seen, hidden = health_findings(HealthFacts(database="app", sessions=(OLD,), hidden=2), a_target())
    assert (seen.level, hidden.level) == (Level.WARNING, Level.NOTICE)
    assert "pid 4711" in seen.message
    assert hidden.hint == 'GRANT pg_read_all_stats TO "migrator";'


def test_findings_warn_unless_they_are_to_refuse() -> None:
    verdict = check_health(HealthMode.WARN, [WARNED, NOTED])
    assert (verdict.gate, verdict.passed, verdict.reason) == ("health", True, "2 findings")
    assert graded(HealthMode.WARN, [WARNED, NOTED]) == [WARNED, NOTED]


def test_a_warning_refuses_when_it_is_asked_to_and_says_what_would_let_the_run_pass() -> None:
    verdict = check_health(HealthMode.ERROR, [WARNED, NOTED])
    assert (verdict.gate, verdict.passed, verdict.reason) == ("health", False, "1 finding about the server")
    assert "`health: warn`" in verdict.way_out
    assert graded(HealthMode.ERROR, [WARNED, NOTED]) == [replace(WARNED, level=Level.ERROR), NOTED]


def test_a_notice_never_refuses() -> None:
    assert check_health(HealthMode.ERROR, [NOTED]).passed
    assert check_health(HealthMode.ERROR, []).reason == "nothing was found"


def test_nothing_is_told_when_nobody_looks() -> None:
    verdict = check_health(HealthMode.OFF, [WARNED])
    assert (verdict.passed, verdict.reason) == (True, "switched off by `health: off`")
    assert graded(HealthMode.OFF, [WARNED]) == []

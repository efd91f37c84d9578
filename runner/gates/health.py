"""The server must be one that can be migrated by this role."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from enum import StrEnum

from runner.core.ailments import ailments, hidden_sessions
from runner.core.headline import counted
from runner.core.health import HealthFacts, InvalidIndex
from runner.core.ledger import adoptable, tool_of
from runner.core.model import LedgerState, Target, Verdict
from runner.errors import DatabaseUnusable, Finding, InputError, Level

GATE = "health"
OLDEST = 14


class HealthMode(StrEnum):
    """What a finding about the server does to the run."""

    WARN = "warn"
    ERROR = "error"  # refuses it
    OFF = "off"  # nobody looks


def check_target(target: Target, schema: str, *, dry_run: bool = False) -> list[Finding]:
    """Raises DatabaseUnusable with what keeps a run from writing, the grant that is missing for one, and InputError
    when the ledger's place is taken. A dry run needs to read only: it gets the same as notices, as its role may be
    meant to do no more.
    """
    if target.server_version // 10000 < OLDEST:
        raise DatabaseUnusable(Finding(f"{target.server} is too old", hint=f"PostgreSQL {OLDEST} or later is needed"))
    check_ledger(target, schema)
    problems = [*_closed_to_writing(target), *_missing_rights(target, schema)]
    if problems and not dry_run:
        raise DatabaseUnusable(*problems)
    return [replace(problem, level=Level.NOTICE) for problem in problems]


def health_findings(facts: HealthFacts, target: Target) -> list[Finding]:
    """What a migration may wait for or fail at, the worst first, as warnings; as notices what may well be meant, and
    what this role could not look at. The hint says what to do, the detail is SQL that shows it.
    """
    return [*ailments(facts), *hidden_sessions(facts, target.role)]


def without_those_of(resumed: Collection[str], facts: HealthFacts) -> HealthFacts:
    """The facts without invalid indexes that files name with which this run goes on: what an earlier attempt left, it
    sees to itself.
    """
    texts = [text.lower() for text in resumed]

    def is_theirs(index: InvalidIndex) -> bool:
        name = index.name.rpartition(".")[2].strip('"').replace('""', '"').lower()
        return any(name in text for text in texts)

    return replace(facts, invalid=tuple(index for index in facts.invalid if not is_theirs(index)))


def graded(mode: HealthMode, findings: Sequence[Finding]) -> list[Finding]:
    """The findings as the mode sees them: an error where it refuses, nothing where nobody looks."""
    if mode is HealthMode.OFF:
        return []
    return [replace(finding, level=Level.ERROR) if _weighs(mode, finding) else finding for finding in findings]


def check_health(mode: HealthMode, findings: Sequence[Finding]) -> Verdict:
    """Whether the server is in a state to be migrated. Notices never refuse."""
    if mode is HealthMode.OFF:
        return Verdict(gate=GATE, passed=True, reason="switched off by `health: off`")
    if not findings:
        return Verdict(gate=GATE, passed=True, reason="nothing was found")
    if refusing := [finding for finding in findings if _weighs(mode, finding)]:
        return Verdict(
            gate=GATE,
            passed=False,
            reason=f"{counted(len(refusing), 'finding')} about the server",
            way_out="do what stands beside each, and run again; or let them be warnings with `health: warn`",
        )
    return Verdict(gate=GATE, passed=True, reason=counted(len(findings), "finding"))


def _weighs(mode: HealthMode, finding: Finding) -> bool:
    return mode is HealthMode.ERROR and finding.level is Level.WARNING


def _closed_to_writing(target: Target) -> list[Finding]:
    if target.in_recovery:
        return [Finding("this server is a standby", hint="`database-url` must name the primary")]
    if target.read_only:
        return [
            Finding(
                f"database {target.database} is read-only for role {target.role}",
                hint="default_transaction_read_only is on: for the server, the database or the role",
            )
        ]
    return []


def check_ledger(target: Target, schema: str) -> None:
    """Raises InputError when another tool's table stands where the ledger should."""
    if target.ledger is LedgerState.FOREIGN:
        raise InputError(_foreign(target, schema))


def _missing_rights(target: Target, schema: str) -> list[Finding]:
    role, name = _identifier(target.role), _identifier(schema)
    if not target.schema_exists:
        if target.may_create_schema:
            return []
        return [
            Finding(
                f"role {target.role} may not create the tracking schema {schema}",
                hint=f"GRANT CREATE ON DATABASE {_identifier(target.database)} TO {role};",
            )
        ]
    if target.unwritable:
        tables = ", ".join(f"{name}.{_identifier(table)}" for table in target.unwritable)
        return [
            Finding(
                f"role {target.role} may not write the ledger in schema {schema}",
                hint=f"GRANT SELECT, INSERT, UPDATE, DELETE ON {tables} TO {role};",
            )
        ]
    if target.ledger is LedgerState.CURRENT and not target.may_use_schema:
        return [
            Finding(
                f"role {target.role} may not use the ledger's schema {schema}",
                hint=f"GRANT USAGE ON SCHEMA {name} TO {role};",
            )
        ]
    if target.ledger is not LedgerState.CURRENT and not (target.may_create_tables and target.may_use_schema):
        return [
            Finding(
                f"role {target.role} may not create the ledger's tables in schema {schema}",
                hint=f"GRANT USAGE, CREATE ON SCHEMA {name} TO {role}; "
                "(since PostgreSQL 15 nobody has this right in public by default)",
            )
        ]
    return []


def _foreign(target: Target, schema: str) -> Finding:
    of_tools = " or ".join(f"`db-migrate adopt --from {tool}`" for tool in adoptable(target.foreign_columns))
    way = of_tools or "`db-migrate baseline`"
    return Finding(
        f"{schema}.{target.foreign_table} belongs to {tool_of(target.foreign_columns)} "
        f"(columns: {', '.join(target.foreign_columns)})",
        hint="keep our ledger in a schema of its own, from now on: write `tracking-schema: db_migrate` into "
        f"db-migrate.yml; {way} then records what that tool has applied",
    )


def _identifier(name: str) -> str:
    """The name as SQL takes it, whatever it is."""
    return '"' + name.replace('"', '""') + '"'

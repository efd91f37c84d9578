"""What the database enforces or uses only in part: invalid indexes, and constraints that are NOT VALID.

https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY
https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-VALIDATE-CONSTRAINT
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from runner.core.migration import Migration, Statement
from runner.core.syntax import trees
from runner.core.tree import word
from runner.errors import Finding, Level

VALID = b"VALID"  # in VALIDATE CONSTRAINT, and in NOT VALID
LEFT_BY_REINDEX = re.compile(r'_cc(?:new|old)\d*"?$')
PART = re.compile(r'"((?:[^"]|"")*)"|([^".]+)')
VALIDATE, ADD = "V", "C"  # what ALTER DOMAIN does, as its tree has it


@dataclass(frozen=True, slots=True, kw_only=True)
class InvalidIndex:
    """An index that serves no query. Names are quoted where SQL needs it, with their schema."""

    name: str
    table: str
    partitioned: bool = False  # it has no rows of its own, and waits for the indexes of partitions


@dataclass(frozen=True, slots=True, kw_only=True)
class UnvalidatedConstraint:
    """A constraint that holds for new rows only. Names are quoted where SQL needs it."""

    name: str
    table: str  # with its schema; or the domain
    domain: bool = False
    in_path: bool = True  # a session finds the table, or domain, without naming its schema


@dataclass(frozen=True, slots=True, kw_only=True)
class Validity:
    """What of the database is not valid, but for what others just build."""

    indexes: tuple[InvalidIndex, ...] = ()
    constraints: tuple[UnvalidatedConstraint, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """A constraint that a file validates, and where. Names are as in the statement, not quoted."""

    name: str
    table: str  # or domain
    schema: str  # empty when the statement names none
    path: PurePosixPath
    line: int

    def means(self, constraint: UnvalidatedConstraint) -> bool:
        """Whether it is this one. A table without a schema is the one that a session finds."""
        schema, table = _parts(constraint.table)
        same_schema = self.schema == schema if self.schema else constraint.in_path
        return same_schema and (self.table, [self.name]) == (table, _parts(constraint.name))


def findings(found: Validity, *, before: Validity | None, migrations: Sequence[Migration]) -> list[Finding]:
    """What is wrong, as errors, and what is worth knowing. `before`: what was not valid before the migrations ran; None
    when none ran, and the database is looked at as it is. `migrations`: those that it has, or this run's, in order.
    """
    return [*_of_indexes(found, before), *_of_constraints(found, before, meant_to_be_valid(migrations))]


def meant_to_be_valid(migrations: Sequence[Migration]) -> tuple[Validation, ...]:
    """The constraints that files validate, and that no later statement adds anew as NOT VALID."""
    meant: list[Validation] = []
    for migration in migrations:
        for statement in migration.statements:
            for named in _named_by(statement):
                meant = [each for each in meant if not named.may_be(each)]
                if named.validated:
                    meant.append(
                        Validation(
                            name=named.name,
                            table=named.table,
                            schema=named.schema,
                            path=migration.source.path,
                            line=statement.line,
                        )
                    )
    return tuple(meant)


def _of_indexes(found: Validity, before: Validity | None) -> Iterator[Finding]:
    known = {index.name for index in before.indexes} if before else set()
    for index in found.indexes:
        if index.name in known:  # the look at the server's health has told of it
            continue
        if index.partitioned:
            yield Finding(
                f"index {index.name} of the partitioned table {index.table} is not valid: a partition lacks its part",
                level=Level.WARNING,
                hint=f"ALTER INDEX {index.name} ATTACH PARTITION … once for the index of each partition",
            )
            continue
        again = "" if LEFT_BY_REINDEX.search(index.name) else " then build it again"
        yield Finding(
            f"index {index.name} of table {index.table} is not valid: it serves no query and slows down every write",
            hint=f"DROP INDEX CONCURRENTLY {index.name};{again}",
        )


def _of_constraints(found: Validity, before: Validity | None, validations: Sequence[Validation]) -> Iterator[Finding]:
    known = set(before.constraints) if before else set()
    for constraint in found.constraints:
        what = "DOMAIN" if constraint.domain else "TABLE"
        hint = f"ALTER {what} {constraint.table} VALIDATE CONSTRAINT {constraint.name};"
        validation = next((each for each in validations if each.means(constraint)), None)
        if validation:
            yield Finding(
                f"constraint {constraint.name} of {constraint.table} is NOT VALID, though this file validates it",
                path=validation.path,
                line=validation.line,
                hint=hint,
            )
        elif constraint not in known:
            yield Finding(
                f"constraint {constraint.name} of {constraint.table} is NOT VALID: the rows from before it were never "
                "checked",
                level=Level.WARNING if before is None else Level.NOTICE,
                hint=f"{hint} in a migration that follows",
            )


@dataclass(frozen=True, slots=True)
class _Named:
    """A constraint that a statement validates, or adds without validating it."""

    schema: str
    table: str
    name: str
    validated: bool

    def may_be(self, earlier: Validation) -> bool:
        """Whether an earlier statement spoke of the same: without a schema it may have."""
        same_schema = not self.schema or not earlier.schema or self.schema == earlier.schema
        return same_schema and (self.table, self.name) == (earlier.table, earlier.name)


def _named_by(statement: Statement) -> Iterator[_Named]:
    if statement.traits.kind not in _READERS or VALID not in statement.sql.upper():
        return
    [tree] = trees(statement.sql.decode())
    yield from _READERS[statement.traits.kind](getattr(tree.stmt, statement.traits.kind))


def _of_table(statement: Any) -> Iterator[_Named]:
    schema, table = statement.relation.schemaname, statement.relation.relname
    for node in statement.cmds:
        command = node.alter_table_cmd
        match word(command, "subtype"):
            case "AT_ValidateConstraint":
                yield _Named(schema, table, command.name, validated=True)
            case "AT_AddConstraint" if (constraint := getattr(command, "def").constraint).skip_validation:
                yield _Named(schema, table, constraint.conname, validated=False)


def _of_domain(statement: Any) -> Iterator[_Named]:
    *schema, domain = (part.string.sval for part in statement.type_name)
    name = getattr(statement, "def").constraint.conname
    if statement.subtype == VALIDATE:
        yield _Named("".join(schema[-1:]), domain, statement.name, validated=True)
    elif statement.subtype == ADD and getattr(statement, "def").constraint.skip_validation:
        yield _Named("".join(schema[-1:]), domain, name, validated=False)


_READERS: Mapping[str, Callable[[Any], Iterator[_Named]]] = {
    "alter_table_stmt": _of_table,
    "alter_domain_stmt": _of_domain,
}


def _parts(quoted: str) -> list[str]:
    """`app."my table"` → app, my table."""
    return [plain or inside.replace('""', '"') for inside, plain in PART.findall(quoted)]

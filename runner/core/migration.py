"""A migration that is parsed: its statements, and what is known of each."""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from itertools import takewhile

from runner.core.model import MigrationFile, SourceFile
from runner.errors import Finding


class Control(StrEnum):
    """Statements that begin or end a transaction."""

    BEGIN = "BEGIN"
    BEGIN_WITH_OPTIONS = "BEGIN with options"
    COMMIT = "COMMIT"
    ROLLBACK = "ROLLBACK"
    PREPARE = "PREPARE TRANSACTION"
    CHAIN = "COMMIT or ROLLBACK AND CHAIN"
    PREPARED = "COMMIT or ROLLBACK PREPARED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What a statement does that decides how it may run, or that a reader should know. Names of objects are as in the
    statement, unquoted and folded as PostgreSQL does: "users", "app.users".
    """

    kind: str = ""  # libpg_query's name of the statement: "create_stmt"; empty when it was not parsed
    control: Control | None = None
    no_transaction: str = ""  # its name, when PostgreSQL forbids it inside a transaction block
    only_in_transaction: str = ""  # its name, when it fails, or does nothing, outside of a transaction block
    concurrent: bool = False  # waits for other transactions by design, so that a lock timeout must not end it
    client_copy: bool = False  # COPY from or to the program that sends it
    cluster_wide: str = ""  # its name, when it reaches beyond this database
    ledger: tuple[str, ...] = ()  # objects with a name of the ledger's, and schemas, that it drops, alters or writes
    locks: tuple[str, ...] = ()  # relations on which it takes an ACCESS EXCLUSIVE lock
    creates: tuple[str, ...] = ()  # relations and types that it makes
    takes_time: bool = False  # works on rows: the more there are, the longer it takes
    hides_invalid_index: bool = False  # CREATE INDEX CONCURRENTLY IF NOT EXISTS
    enum_values: tuple[tuple[str, str], ...] = ()  # type and value of ALTER TYPE … ADD VALUE
    password: bool = False  # a role's password stands in it
    roles: tuple[str, ...] = ()  # roles that must exist for it to run
    extension: str = ""  # that it installs


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One SQL statement and where in its file it stands; in a large file, a run of plain ones that are sent together.

    Holds no copy of the text: `source` is the whole file.
    """

    source: bytes = field(repr=False)
    start: int  # in bytes
    end: int
    line: int  # of its first token, from 1
    column: int = 1  # of its first token, from 1, in characters
    count: int = 1  # of the statements in it
    traits: Traits = Traits()

    @property
    def sql(self) -> bytes:
        return self.source[self.start : self.end]


@dataclass(frozen=True, slots=True, kw_only=True)
class Headers:
    """What a file says about itself in its leading comments."""

    title: str = ""
    purpose: str = ""
    breaking: str = ""
    origin: str = ""  # the other tool's name of this migration: its file, or its id
    no_transaction: bool = False
    lock_timeout: timedelta | None = None
    statement_timeout: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One migration, parsed and ready to run; or, with `source` its down file, to be undone."""

    file: MigrationFile
    source: SourceFile  # what the statements are from
    headers: Headers
    statements: tuple[Statement, ...]
    steps: tuple[Statement, ...]  # what is sent and counted: a transaction block of the file's own is one step
    sql_digest: str | None = None  # SHA-256, hex, of the tokens; None where PostgreSQL's scanner cannot read the text
    transactional: bool = True
    why: str = ""  # when it is not: what keeps it from being one
    checks: tuple[Statement, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def version(self) -> str:
        return self.file.version

    @property
    def title(self) -> str:
        return self.headers.title or self.file.name.replace("_", " ")

    @property
    def statement_count(self) -> int:
        return sum(step.count for step in self.steps)

    @property
    def patient_steps(self) -> int:
        """How many of the first steps wait for their lock by design, with nobody waiting behind them: VALIDATE
        CONSTRAINT, as long as the transaction holds no other lock. 0 when the file sets a lock timeout.
        """
        if self.headers.lock_timeout is not None:
            return 0
        return sum(1 for _ in takewhile(lambda step: step.traits.concurrent, self.steps))

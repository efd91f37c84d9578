"""What a run does to the database. In this `migrate` and `rollback` differ; how they are guarded they share."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Protocol

from runner.core.model import LedgerRows, MigrationFile, Plan, Target, Verdict
from runner.errors import Outcome
from runner.postgres.session import Connection

if TYPE_CHECKING:
    from runner.core.migration import Migration
    from runner.core.steps import SmokeTest
    from runner.core.validity import Validity
    from runner.postgres.execution import Execution


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """What a run needs of the checkout's files."""

    files: Sequence[MigrationFile]
    tests: Sequence[SmokeTest]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What a run stands on."""

    worker: Connection = field(repr=False)
    target: Target
    rows: LedgerRows


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What is to be done."""

    plan: Plan  # `pending` of it runs
    standing: Plan  # what the database has and lacks of the files, for the report
    in_words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """What earlier runs have left of migrations outside of a transaction, by version."""

    done: Mapping[str, int]  # statements that are finished
    failed: frozenset[str]  # of which the statement behind those is known to have ended in an error


class Change(Protocol):
    """The part of a run that is its own: what is to be done. `Work` does it, and only where there is something to do is
    that loaded.
    """

    whole: ClassVar[bool]  # it needs all that the ledger has of each migration, such as when it was applied

    def plan(self, ground: Ground) -> Planned:
        """What runs, in its order, by what the ledger says. Raises InputError, Refused and Drift."""
        ...

    def nothing_to_do(self, plan: Plan, ground: Ground) -> None:
        """Tell that nothing is to run."""
        ...

    def work(self) -> Work:
        """What does it."""
        ...

    def afterwards(self, worker: Connection) -> None:
        """What follows a run that went well, or that had nothing to do."""
        ...


class Work(Protocol):
    """How it is done, in the order in which it is asked."""

    verb: ClassVar[str]  # the stage that executes: "apply"
    outcome: ClassVar[Outcome]  # of a run that has done it

    def resumed(self, plan: Plan, ground: Ground) -> Collection[str]:
        """The texts of the files in whose middle an earlier run has stopped, outside of a transaction: what it left of
        their indexes, this one sees to.
        """
        ...

    def parse(self, plan: Plan, ground: Ground) -> Sequence[Migration]:
        """What runs, ready to be sent. Raises InputError and Refused with all that is wrong with it."""
        ...

    def lint(self) -> Verdict:
        """What the linter says of what runs."""
        ...

    def half_way(self, ground: Ground) -> Collection[str]:
        """The versions in whose middle the run would go on: their beginning cannot be tried any more."""
        ...

    def unfinished(self, ground: Ground) -> Unfinished:
        """What earlier runs have left half done of it, now that nobody else is at work. Raises Refused where nobody can
        tell how to go on.
        """
        ...

    def execute(self, execution: Execution, ground: Ground) -> None:
        """Do it, and keep in the journal what happened. The run is begun in the ledger, and ended there unless all went
        well. Raises MigrationFailed, DatabaseUnusable and Cancelled.
        """
        ...

    @property
    def complete(self) -> bool:
        """All of it was done."""
        ...

    def verify(self, execution: Execution, before: Validity) -> None:
        """Read back whether the database is what it should be now. Raises MigrationFailed."""
        ...

    def smoke_test(self, execution: Execution) -> None:
        """Ask the smoke tests. Raises MigrationFailed."""
        ...

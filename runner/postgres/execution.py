"""What the migrations of a run share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from runner.core.migration import Migration
from runner.core.model import Backend
from runner.core.policies import RetryPolicy
from runner.core.steps import Retry
from runner.errors import Finding
from runner.postgres.ledger import Ledger
from runner.postgres.sending import Timeouts
from runner.postgres.session import Connection
from runner.postgres.watch import Watch
from runner.postgres.watcher import Mutex

NEVER = RetryPolicy(retries=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """The connections of a run, its limits, and whom it tells what."""

    worker: Connection
    backend: Backend  # the process that serves the worker
    ledger: Ledger
    mutex: Mutex
    timeouts: Timeouts
    tells_wal: bool = False  # the role may ask where the write-ahead log stands
    plan_digest: str = ""  # of what was approved
    restore_point: str = ""  # where the database can be restored to
    release: bool = False  # all migrations in one transaction
    retry: RetryPolicy = NEVER
    watch: Watch | None = None
    starting: Callable[[Migration], None]  # told before each migration
    retrying: Callable[[Migration, Retry], None]  # told before each pause
    tell: Callable[[str], None]  # told in a line what was found and mended
    scrub: Callable[[str], str]  # what the server says goes through it before anybody, the ledger included, hears it
    warn: Callable[[Finding], None]  # told what went wrong beside the migrations
    reconnect: Callable[[], Connection]  # for the ledger's sake, when the worker's connection is lost
    done: Mapping[str, int] = field(default_factory=dict)  # by version: statements that an earlier run finished
    failed: frozenset[str] = frozenset()  # versions of which an earlier run is known to have failed

    def begin(self, migration: Migration) -> None:
        """A migration is under way: the watcher looks more often when it has a short lock timeout."""
        if self.watch:
            self.watch.limit = self.timeouts.of(migration).lock
        self.starting(migration)

"""What is looked at of a server before a migration (docs/health.md); core/ailments.py tells what of it matters."""

from dataclasses import dataclass
from datetime import timedelta

from runner.core.steps import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedTransaction:
    """A transaction that waits for COMMIT PREPARED, with all of its locks."""

    gid: str
    owner: str
    age: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class WraparoundVacuum:
    """An autovacuum that does not give way to others."""

    pid: int
    table: str
    age: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class InvalidIndex:
    """An index that no query uses."""

    name: str  # as SQL takes it: "public.users_email_idx"
    table: str
    partitioned: bool = False  # of a partitioned table: valid as soon as each partition has its part
    builder: int | None = None  # the process that may just be building it


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimit:
    """How many connections there may be, and are."""

    scope: str  # "server", "database" or "role"
    used: int  # ours among them
    most: int
    name: str = ""  # of the database or role
    reserved: int = 0  # of the most: kept for others than our role

    @property
    def allowed(self) -> int:
        """What our role may have of them, with those of others."""
        return max(0, self.most - self.reserved)


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """The way to the server."""

    local: bool = True  # a Unix socket, the loopback interface, or a container beside ours
    encrypted: bool = False
    sslmode: str = ""  # libpq's, where TLS is what encrypts it


@dataclass(frozen=True, slots=True, kw_only=True)
class Synchronous:
    """Whom a COMMIT of our session waits for."""

    names: str = ""  # synchronous_standby_names
    commit: str = "on"  # synchronous_commit
    connected: int | None = 0  # standbys that can confirm it; None when our role may not see that


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthFacts:
    """What was seen of a server and a database at one moment, without sessions of ours and the server's own."""

    database: str
    link: Link = Link()
    sessions: tuple[Session, ...] = ()  # of the database: dumps, and those in a transaction, the oldest first
    hidden: int = 0  # sessions of the database of which our role sees neither age nor query
    prepared: tuple[PreparedTransaction, ...] = ()  # of the database, the oldest first
    vacuums: tuple[WraparoundVacuum, ...] = ()  # of the database
    oldest_transaction: int = 0  # that is not frozen in the database: how many transactions ago
    oldest_multixact: int = 0  # likewise
    invalid: tuple[InvalidIndex, ...] = ()
    limits: tuple[ConnectionLimit, ...] = ()
    synchronous: Synchronous = Synchronous()

"""What decides whether a restore point can have a name, or a position."""

from dataclasses import dataclass
from datetime import datetime

FUNCTION = "pg_catalog.pg_create_restore_point(text)"
MINIMAL = "minimal"


@dataclass(frozen=True, slots=True, kw_only=True)
class RestorePoint:
    """Where the database can be restored to, as far as its write-ahead log is kept."""

    at: datetime  # by the server's clock
    name: str = ""  # of the point in the write-ahead log; empty when none was made
    lsn: str = ""  # its position there: "0/16B3748"; empty when the role may not ask
    archived: bool | None = None  # the server archives its log; None when it does not tell

    @property
    def text(self) -> str:
        """`db_migrate_1a2b3c4d`, or `0/16B3748 at 2026-11-22 12:00:00 UTC`."""
        time = f"{self.at:%Y-%m-%d %H:%M:%S %Z}"
        return self.name or (f"{self.lsn} at {time}" if self.lsn else time)


@dataclass(frozen=True, slots=True, kw_only=True)
class RestorePointFacts:
    """What server and role say about restore points."""

    role: str
    may_name: bool  # the role may execute pg_create_restore_point
    may_locate: bool  # it may ask where the write-ahead log stands
    wal_level: str  # as the server's setting: "replica"
    in_recovery: bool
    archived: bool | None  # the server archives its write-ahead log; None when it does not tell

    @property
    def obstacle(self) -> str:
        """Why no named point can be made; empty when one can.

        https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-ADMIN-BACKUP
        """
        if self.in_recovery:
            return "this server is a standby"
        if self.wal_level == MINIMAL:
            return "the server's `wal_level` is minimal"
        return "" if self.may_name else f"role {self.role} may not execute pg_create_restore_point"

    @property
    def grant(self) -> str:
        """What lets the role make one. Rights to functions are those of one database."""
        role = self.role.replace('"', '""')
        return f'GRANT EXECUTE ON FUNCTION {FUNCTION} TO "{role}"; as a superuser, in this database'

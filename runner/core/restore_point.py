"""What decides whether a restore point can have a name, or a position."""

from dataclasses import dataclass

FUNCTION = "pg_catalog.pg_create_restore_point(text)"
MINIMAL = "minimal"


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

"""The dump before a run."""

from dataclasses import dataclass
from pathlib import PurePosixPath

from runner.core.model import BackupMode


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """A dump of the database in pg_dump's custom format, which pg_restore could read."""

    path: PurePosixPath  # relative to the workspace
    mode: BackupMode
    size: int  # bytes
    entries: int  # in its table of contents

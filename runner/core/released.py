"""What a release has brought to a database."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasedVersion:
    """A migration that runs of one tag have completed."""

    version: str
    run_id: str
    run_started_at: datetime
    restore_point: str  # of the run; empty when there was none

"""How far the worker's statement is, from the server's progress views, in words.

https://www.postgresql.org/docs/current/progress-reporting.html. Only columns that PostgreSQL 14 to 18 all have.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ENOUGH = 3  # seconds of a phase that an estimate needs


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What the server does: `done` of `total` in the unit of this phase, where both are known."""

    work: str  # "building users_email_idx"
    phase: str = ""  # as the server calls it
    count: str = ""  # "1200 rows", where the server counts but has no total of that
    done: int = 0
    total: int = 0  # 0: not known

    def same_phase(self, other: "Progress") -> bool:
        """Whether both are of one phase of one piece of work."""
        return (self.work, self.phase, self.total) == (other.work, other.phase, other.total)


def progress_of(view: str, row: Mapping[str, Any]) -> Progress:
    """A row of `pg_stat_progress_<view>`, with the names of `relation` and `index` besides."""
    relation, phase = row["relation"], str(row.get("phase") or "")
    done, total = (int(row.get(name) or 0) for name in _counters(view, phase) or ("", ""))
    match view:
        case "create_index":
            work = f"building {row['index'] or f'an index on {relation}'}"
        case "copy":
            rows = f"{row['tuples_processed']} rows"
            return Progress(work=f"copying {relation}", count=rows, done=done, total=total)
        case "vacuum":
            work = f"vacuuming {relation}"
        case "cluster":
            work = f"rewriting {relation}"
        case _:
            work = f"analyzing {relation}"
    return Progress(work=work, phase=phase, done=done, total=total)


def _counters(view: str, phase: str) -> tuple[str, str] | None:
    """The columns that move in a phase. In a phase without, they stand where the one before left them."""
    match view:
        case "create_index" if phase.startswith("waiting"):
            return "lockers_done", "lockers_total"
        case "create_index" if "loading tuples" in phase:
            return "tuples_done", "tuples_total"
        case "create_index" if "sorting" not in phase:
            return "blocks_done", "blocks_total"
        case "copy":
            return "bytes_processed", "bytes_total"
        case "vacuum" if phase == "scanning heap":
            return "heap_blks_scanned", "heap_blks_total"
        case "vacuum" if phase == "vacuuming heap":
            return "heap_blks_vacuumed", "heap_blks_total"
        case "cluster" if phase == "seq scanning heap":
            return "heap_blks_scanned", "heap_blks_total"
        case "analyze" if phase.startswith("acquiring"):
            return "sample_blks_scanned", "sample_blks_total"
    return None


def describe_progress(now: Progress, *, first: Progress, seconds: float) -> str:
    """`building users_email_idx: building index: scanning table, 43 %, about 2 min left of this phase`. `first` is what
    was seen of the phase `seconds` ago, which gives the pace.
    """
    text = f"{now.work}: {now.phase or now.count}"
    if not 0 < now.total >= now.done:
        return text
    if now.phase.startswith("waiting"):
        return f"{text}, {now.done} of {now.total} done"
    text += f", {100 * now.done // now.total} %"
    moved = now.done - first.done
    if moved <= 0 or seconds < ENOUGH:
        return text
    return f"{text}, {_about((now.total - now.done) * seconds / moved)} left of this phase"


def _about(seconds: float) -> str:
    """No more exact than an estimate is."""
    if seconds < 60:
        return f"about {max(1, round(seconds))} s"
    if seconds < 5400:
        return f"about {round(seconds / 60)} min"
    return f"about {round(seconds / 3600)} h"

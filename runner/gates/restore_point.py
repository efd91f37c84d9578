"""Where a named restore point is required, it must be possible to make one."""

from runner.core.model import RestorePointMode, Verdict
from runner.core.restore_point import MINIMAL, RestorePointFacts

GATE = "restore point"
NOT_ARCHIVED = "; this server archives no write-ahead log, so it is of no use unless something else keeps that"
UNKNOWN = "; whether the server archives its write-ahead log it does not tell"


def check_restore_point(mode: RestorePointMode, facts: RestorePointFacts | None) -> Verdict:
    """Whether what is asked for can be marked, and what will be. `facts` are None when nobody asked for them."""
    if facts is None or mode is RestorePointMode.OFF:
        return Verdict(gate=GATE, passed=True, reason="none is asked for")
    if facts.obstacle and mode is RestorePointMode.REQUIRED:
        return Verdict(
            gate=GATE,
            passed=False,
            reason=f"no named restore point can be made: {facts.obstacle}",
            way_out=f"{_way_out(facts)}; or `restore-point: auto`, which notes position and time",
        )
    return Verdict(gate=GATE, passed=True, reason=_what_will_be(facts) + _kept(facts))


def _what_will_be(facts: RestorePointFacts) -> str:
    if not facts.obstacle:
        return "a named one will be made"
    what = "position and time" if facts.may_locate and not facts.in_recovery else "the time"
    return f"{what} will be noted: {facts.obstacle}"


def _kept(facts: RestorePointFacts) -> str:
    if facts.archived is None:
        return UNKNOWN
    return "" if facts.archived else NOT_ARCHIVED


def _way_out(facts: RestorePointFacts) -> str:
    if facts.in_recovery:
        return "`database-url` must name the primary"
    if facts.wal_level == MINIMAL:
        return "set `wal_level` to replica, and restart the server"
    return facts.grant

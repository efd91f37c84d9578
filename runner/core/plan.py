"""Files and ledger → what runs, in which order, and what contradicts what."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from runner.core.model import Applied, MigrationFile, Plan
from runner.core.naming import LEDGER_FILE, VersionOrder
from runner.core.policies import PlanPolicy
from runner.errors import Drift, Finding, InputError, Level, Refused

KNOWN_SHOWN = 10
NONE: Mapping[str, str] = {}


def changed_versions(files: Sequence[MigrationFile], applied: Sequence[Applied]) -> list[str]:
    """The versions, as the ledger writes them, whose files are not what was applied."""
    recorded = _recorded(applied)
    return [recorded[int(file.version)].version for file in files if _changed(file, recorded)]


def make_plan(
    files: Sequence[MigrationFile], applied: Sequence[Applied], policy: PlanPolicy, bodies: Mapping[str, str] = NONE
) -> Plan:
    """Order what is left to run. `bodies`: the applied texts of changed versions, as far as the ledger kept them.

    Raises Drift when files changed after they were applied in more than their look, Refused when a file would run
    behind a later one, and InputError when the version asked for does not exist.
    """
    changes = judged_changes(files, applied, bodies)
    if unsafe := [finding for finding in changes if finding.level is Level.ERROR]:
        raise Drift(*unsafe)
    plan = compare(files, applied, policy.version_order)
    wanted, later = _up_to(policy, files, plan.pending)
    late = [file for file in wanted if comes_late(file, plan.current_version, policy.version_order)]
    if late and not policy.allow_out_of_order:
        raise Refused(*(_out_of_order(file, plan.current_version) for file in late))
    return replace(
        plan,
        pending=wanted,
        later=tuple(file.version for file in later),
        findings=(*plan.findings, *changes, *(_ran_late(file, plan.current_version) for file in late)),
    )


def judged_changes(
    files: Sequence[MigrationFile], applied: Sequence[Applied], bodies: Mapping[str, str]
) -> list[Finding]:
    """What is to be said of each file that is not what was applied: an error, or a warning when only its look is."""
    recorded = _recorded(applied)
    return [_judged(file, recorded, bodies) for file in files if _changed(file, recorded)]


def compare(files: Sequence[MigrationFile], applied: Sequence[Applied], order: VersionOrder) -> Plan:
    """What the ledger has and what it lacks of the files, whether that may run or not."""
    recorded = _recorded(applied)
    done = sorted(recorded.values(), key=lambda row: order.key(row.version))
    return Plan(
        pending=tuple(
            sorted(
                (file for file in files if int(file.version) not in recorded), key=lambda file: order.key(file.version)
            )
        ),
        applied=tuple(row.version for row in done),
        order=order,
        findings=tuple(_missing(files, recorded)),
    )


def comes_late(file: MigrationFile, head: str, order: VersionOrder) -> bool:
    """Whether a file that is pending comes before `head`, the highest version that is completed; empty for none. The
    ledger's own file never does.
    """
    return bool(head) and order.key(file.version) < order.key(head) and file.path.name != LEDGER_FILE


def _recorded(applied: Sequence[Applied]) -> dict[int, Applied]:
    return {int(row.version): row for row in applied if row.completed and row.version.isdecimal()}


def _changed(file: MigrationFile, recorded: Mapping[int, Applied]) -> bool:
    row = recorded.get(int(file.version))
    return row is not None and row.checksum != file.checksum


def _judged(file: MigrationFile, recorded: Mapping[int, Applied], bodies: Mapping[str, str]) -> Finding:
    from runner.core.drift import judge_change

    row = recorded[int(file.version)]
    return judge_change(file, row, bodies.get(row.version))


def _up_to(
    policy: PlanPolicy, files: Sequence[MigrationFile], waiting: tuple[MigrationFile, ...]
) -> tuple[tuple[MigrationFile, ...], tuple[MigrationFile, ...]]:
    """The files to run now, and those behind the version asked for."""
    if policy.version is None:
        return waiting, ()
    asked = next((file for file in files if int(file.version) == int(policy.version or 0)), None)
    if asked is None:
        known = ", ".join(file.version for file in files[-KNOWN_SHOWN:])
        raise InputError(
            Finding(f"version: there is no migration {policy.version}", hint=f"the last versions here are {known}")
        )
    last = policy.version_order.key(asked.version)
    now = tuple(file for file in waiting if policy.version_order.key(file.version) <= last)
    return now, waiting[len(now) :]


def _out_of_order(file: MigrationFile, head: str) -> Finding:
    return Finding(
        f"migration {file.version} came late: the database already has {head}",
        path=file.path,
        line=1,
        hint="give it a number behind the last one, or allow it with `out-of-order: allow`",
    )


def _ran_late(file: MigrationFile, head: str) -> Finding:
    return Finding(f"migration {file.version} runs behind {head}", level=Level.WARNING, path=file.path, line=1)


def _missing(files: Sequence[MigrationFile], recorded: Mapping[int, Applied]) -> list[Finding]:
    present = {int(file.version) for file in files}
    return [
        Finding(
            f"migration {row.version} ({row.name}) was applied, but its file is not in this checkout",
            level=Level.WARNING,
            hint="restore the file, so that an empty database can be brought to the same state",
        )
        for number, row in sorted(recorded.items())
        if number not in present
    ]

"""The database belongs to one environment; a run that claims another one is refused."""

from runner.core.model import Verdict


def check_environment(claimed: str, recorded: str | None) -> Verdict:
    """`recorded` is what the ledger says, None before the first run."""
    if recorded is None:
        return Verdict(gate="environment", passed=True, reason=f"the first run: this database becomes {claimed}")
    if recorded == claimed:
        return Verdict(gate="environment", passed=True, reason=f"this database is {recorded}")
    return Verdict(
        gate="environment",
        passed=False,
        reason=f"this database is {recorded}, and the run claims to be {claimed}",
        way_out=f"check that `database-url` names the database of {claimed}; if it does, and this one was made from "
        f"that of {recorded}, say so once with `db-migrate repair --set-environment {claimed}`",
    )

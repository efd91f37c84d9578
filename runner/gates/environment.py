"""The database belongs to one environment; a run that claims another one is refused."""

from collections.abc import Sequence

from runner.core.model import PRODUCTION, Verdict
from runner.core.phrases import OF_A_MIGRATION


def check_environment(claimed: str, recorded: str | None, elsewhere: Sequence[tuple[str, str]] = ()) -> Verdict:
    """`recorded` is what the ledger says, None before the first run. `elsewhere`: schemas with a ledger of their own in
    the same database, and what each says: a run must not pass by them with another `tracking-schema`.
    """
    other = next(((schema, environment) for schema, environment in elsewhere if environment != claimed), None)
    if recorded is None and other:
        return Verdict(
            gate="environment",
            passed=False,
            reason=f"this database is {other[1]}, as the ledger in schema {other[0]} says, and the run claims to be "
            f"{claimed}",
            way_out=f"check that `database-url` names the database of {claimed}, and `tracking-schema` its ledger",
        )
    if recorded is None:
        return Verdict(gate="environment", passed=True, reason=f"the first run: this database becomes {claimed}")
    if recorded == claimed:
        return Verdict(gate="environment", passed=True, reason=f"this database is {recorded}")
    confirmed = f" --confirmation {OF_A_MIGRATION}" if PRODUCTION in {claimed, recorded} else ""
    return Verdict(
        gate="environment",
        passed=False,
        reason=f"this database is {recorded}, and the run claims to be {claimed}",
        way_out=f"check that `environment` is given, and that `database-url` names the database of {claimed}; if both "
        f"are right, as when this one was made from that of {recorded}, say so once with `db-migrate repair "
        f"--set-environment {claimed}{confirmed}`",
    )

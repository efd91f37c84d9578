"""Production is migrated only when somebody said so, in so many words."""

from dataclasses import dataclass

from runner.core.model import Verdict

PRODUCTION = "production"
PHRASE = "MIGRATE-PRODUCTION"
VARIABLE = "CONFIRM_PRODUCTION_MIGRATION"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmationPolicy:
    """What was said, and how the run was started."""

    environment: str
    confirmation: str  # exactly as given
    variable: str  # the value of CONFIRM_PRODUCTION_MIGRATION
    manual: bool  # started with GitHub's form, where only the typed phrase counts


def check_confirmation(policy: ConfirmationPolicy) -> Verdict:
    """Whether this run may write to production."""
    if policy.environment != PRODUCTION:
        return _verdict("not asked for outside of production")
    if policy.confirmation == PHRASE:
        return _verdict("the phrase was given")
    if policy.variable == "true" and not policy.manual:
        return _verdict(f"{VARIABLE} is true")
    way_out = f"give `confirmation: {PHRASE}`"
    if not policy.manual:
        way_out += f", or set {VARIABLE}=true in the environment"
    return Verdict(gate="confirmation", passed=False, reason=_difference(policy), way_out=way_out)


def _verdict(reason: str) -> Verdict:
    return Verdict(gate="confirmation", passed=True, reason=reason)


def _difference(policy: ConfirmationPolicy) -> str:
    """How what was given misses the phrase; the text itself is not repeated, as somebody may paste a secret."""
    given = policy.confirmation
    if not given:
        if policy.variable and policy.manual:
            return f"{VARIABLE} does not confirm a run started by hand; the phrase must be typed"
        if policy.variable:
            return f"{VARIABLE} must be exactly `true`"
        return "production needs a confirmation, and none was given"
    if given.strip() == PHRASE:
        return "the confirmation has blanks around the phrase"
    if given.strip("\"'`") == PHRASE:
        return "the confirmation has quotes around the phrase"
    if given.upper() == PHRASE:
        return "the confirmation must be in capitals"
    if given.upper().replace("_", "-").replace(" ", "-") == PHRASE:
        return "the confirmation must be spelled with a hyphen"
    return "the confirmation is not the phrase"

"""Production is migrated only when somebody said so, in so many words."""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from runner.core.model import PRODUCTION, Verdict

PHRASE = "MIGRATE-PRODUCTION"
OF_A_ROLLBACK = "ROLLBACK-PRODUCTION"
VARIABLE = "CONFIRM_PRODUCTION_MIGRATION"

QUOTES = "\"'`´“”„‟‘’‚‛«»‹›"
DASHES = dict.fromkeys(map(ord, "‐‑‒–—―−﹘﹣－\N{SOFT HYPHEN}"), "-")
BETWEEN = re.compile(r"[\s_.-]*")  # what stands where the hyphen should
YES_OR_NO = frozenset({"true", "false", "yes", "no", "y", "n", "on", "off", "1", "0", "ok"})


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
    if policy.confirmation:
        return f"the confirmation {_miss(policy.confirmation)}"
    if policy.variable and policy.manual:
        return f"{VARIABLE} does not confirm a run started by hand; the phrase must be typed"
    if policy.variable:
        return f"{VARIABLE} must be exactly `true`"
    return "production needs a confirmation, and none was given"


def _miss(given: str) -> str:
    """What is wrong with a text that is not the phrase: all that would have to be mended, when that is little."""
    misses = []
    for mend, miss in SLIPS:
        mended = mend(given)
        if mended != given:
            misses.append(miss)
        given = mended
    if given == PHRASE:
        return " and ".join(misses)
    return next((miss for wrong, miss in MISTAKES if wrong(given)), "is not the phrase")


def _visible(text: str) -> str:
    """Without characters that show nothing, such as a zero-width space."""
    return "".join(sign for sign in text if unicodedata.category(sign) not in {"Cf", "Cc"} or sign.isspace())


def _hyphenated(text: str) -> str:
    return PHRASE if BETWEEN.sub("", text) == PHRASE.replace("-", "") else text


def _plain(text: str) -> str:
    """The phrase, where letters of another alphabet stand in the place of some of its own."""
    folded = unicodedata.normalize("NFKC", text)  # full-width letters become plain ones
    pairs = list(zip(folded, PHRASE, strict=False))
    alike = len(folded) == len(PHRASE) and all(sign == right or not sign.isascii() for sign, right in pairs)
    return PHRASE if alike and sum(sign == right for sign, right in pairs) * 2 >= len(PHRASE) else text


# Slips of the hand, in the order in which they are taken out. Each is told, as the phrase must be typed exactly.
SLIPS: tuple[tuple[Callable[[str], str], str], ...] = (
    (lambda text: text.translate(DASHES), "has a dash in place of the hyphen"),
    (_visible, "has invisible characters in it"),
    (lambda text: text.strip("\r\n"), "has a line break around the phrase"),
    (str.strip, "has blanks around the phrase"),
    (lambda text: text.strip(QUOTES).strip(), "has quotes around the phrase"),
    (str.upper, "must be in capitals"),
    (_hyphenated, "must be spelled with a hyphen"),
    (_plain, "has letters of another alphabet in it"),
)
# What somebody meant who gave something else, by the text without those slips.
MISTAKES: tuple[tuple[Callable[[str], bool], str], ...] = (
    (lambda text: not text, "is blank"),
    (lambda text: text == OF_A_ROLLBACK, "is the phrase of a rollback, and this is a migration"),
    (lambda text: text.lower() in YES_OR_NO, "is a yes or a no, and the phrase itself is wanted"),
    (lambda text: text.count(PHRASE) > 1, "has the phrase more than once"),
    (lambda text: PHRASE in text, "has more in it than the phrase"),
    (lambda text: len(text) > 3 and (PHRASE.startswith(text) or PHRASE.endswith(text)), "is a part of the phrase"),
)

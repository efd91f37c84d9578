"""Production is migrated, and rolled back, only when somebody said so, in so many words."""

import re
import unicodedata
from collections.abc import Callable

from runner.core.model import PRODUCTION, Verdict
from runner.core.phrases import OF_A_MIGRATION, OF_A_ROLLBACK, VARIABLE
from runner.core.policies import ConfirmationPolicy

QUOTES = "\"'`´“”„‟‘’‚‛«»‹›"
DASHES = dict.fromkeys(map(ord, "‐‑‒–—―−﹘﹣－\N{SOFT HYPHEN}"), "-")
BETWEEN = re.compile(r"[\s_.-]*")  # what stands where the hyphen should
YES_OR_NO = frozenset({"true", "false", "yes", "no", "y", "n", "on", "off", "1", "0", "ok"})


def check_confirmation(policy: ConfirmationPolicy) -> Verdict:
    """Whether this run may write to production. The variable does not confirm a rollback: it is set once for all
    releases to come, and a rollback loses rows, so that each must be meant.
    """
    if policy.environment != PRODUCTION:
        return _verdict("not asked for outside of production")
    if policy.confirmation == policy.phrase:
        return _verdict("the phrase was given")
    if policy.variable == "true" and not policy.manual and not policy.rollback:
        return _verdict(f"{VARIABLE} is true")
    way_out = f"give `confirmation: {policy.phrase}`"
    if not policy.manual and not policy.rollback:
        way_out += f", or set {VARIABLE}=true in the environment"
    return Verdict(gate="confirmation", passed=False, reason=_difference(policy), way_out=way_out)


def _verdict(reason: str) -> Verdict:
    return Verdict(gate="confirmation", passed=True, reason=reason)


def _difference(policy: ConfirmationPolicy) -> str:
    """How what was given misses the phrase; the text itself is not repeated, as somebody may paste a secret."""
    if policy.confirmation:
        return f"the confirmation {_miss(policy.confirmation, policy.phrase)}"
    if policy.variable and policy.rollback:
        return f"{VARIABLE} does not confirm a rollback; the phrase must be given"
    if policy.variable and policy.manual:
        return f"{VARIABLE} does not confirm a run started by hand; the phrase must be typed"
    if policy.variable:
        return f"{VARIABLE} must be exactly `true`"
    return "production needs a confirmation, and none was given"


def _miss(given: str, phrase: str) -> str:
    """What is wrong with a text that is not the phrase: all that would have to be mended, when that is little."""
    misses = []
    for mend, miss in SLIPS:
        mended = mend(given, phrase)
        if mended != given:
            misses.append(miss)
        given = mended
    if given == phrase:
        return " and ".join(misses)
    return next((miss for wrong, miss in MISTAKES if wrong(given, phrase)), "is not the phrase")


def _visible(text: str) -> str:
    """Without characters that show nothing, such as a zero-width space."""
    return "".join(sign for sign in text if unicodedata.category(sign) not in {"Cf", "Cc"} or sign.isspace())


def _hyphenated(text: str, phrase: str) -> str:
    return phrase if BETWEEN.sub("", text) == phrase.replace("-", "") else text


def _plain(text: str, phrase: str) -> str:
    """The phrase, where letters of another alphabet stand in the place of some of its own."""
    folded = unicodedata.normalize("NFKC", text)  # full-width letters become plain ones
    pairs = list(zip(folded, phrase, strict=False))
    alike = len(folded) == len(phrase) and all(sign == right or not sign.isascii() for sign, right in pairs)
    return phrase if alike and sum(sign == right for sign, right in pairs) * 2 >= len(phrase) else text


# Slips of the hand, by text and phrase, in the order in which they are taken out. Each is told, as the phrase must be
# typed exactly.
SLIPS: tuple[tuple[Callable[[str, str], str], str], ...] = (
    (lambda text, _: text.translate(DASHES), "has a dash in place of the hyphen"),
    (lambda text, _: _visible(text), "has invisible characters in it"),
    (lambda text, _: text.strip("\r\n"), "has a line break around the phrase"),
    (lambda text, _: text.strip(), "has blanks around the phrase"),
    (lambda text, _: text.strip(QUOTES).strip(), "has quotes around the phrase"),
    (lambda text, _: text.upper(), "must be in capitals"),
    (_hyphenated, "must be spelled with a hyphen"),
    (_plain, "has letters of another alphabet in it"),
)
# What somebody meant who gave something else, by the text without those slips, and the phrase.
MISTAKES: tuple[tuple[Callable[[str, str], bool], str], ...] = (
    (lambda text, _: not text, "is blank"),
    (lambda text, _: text == OF_A_ROLLBACK, "is the phrase of a rollback, and this is a migration"),
    (lambda text, _: text == OF_A_MIGRATION, "is the phrase of a migration, and this is a rollback"),
    (lambda text, _: text.lower() in YES_OR_NO, "is a yes or a no, and the phrase itself is wanted"),
    (lambda text, phrase: text.count(phrase) > 1, "has the phrase more than once"),
    (lambda text, phrase: phrase in text, "has more in it than the phrase"),
    (
        lambda text, phrase: len(text) > 3 and (phrase.startswith(text) or phrase.endswith(text)),
        "is a part of the phrase",
    ),
)

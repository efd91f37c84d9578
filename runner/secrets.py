"""Keeps secrets out of everything that is written, in whatever form the server, a library or we ourselves write it."""

import json
import re
from binascii import b2a_base64
from bisect import bisect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import NamedTuple
from urllib.parse import quote

from runner.patterns import one_or_more

MASK = "***"
SHORTEST = 4  # characters; what is shorter would take half of a log with it
BLANK = re.compile(r"[ \t-\r]")
BLANKS = " \t\n\v\f\r+"  # and what forms take for one
BETWEEN_WORDS = r"\+*[ \t-\r][ \t-\r+]*"
RUN = re.compile(rf"{BETWEEN_WORDS}|(.)\1*", re.DOTALL)
UNIT = re.compile(rf"{BETWEEN_WORDS}|.", re.DOTALL)
ELLIPSIS = re.compile(r"…|\.{3,}")  # ours, PostgreSQL's, perhaps behind a dot
CUT = re.compile(rf"([^\s…]{{0,15}}?) *(?:{ELLIPSIS.pattern})")  # what may be left of an escape, and an ellipsis
FARTHEST = 8192  # characters from a secret's beginning to the cut: no text that we cut is as long
ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}
DOUBLED = "'\"%"  # by SQL, by formats
IN_SHELLS = ("'\"'\"'", "'\\''")  # a quote within quotes


class Scrubber:
    """Replaces every known secret by `***`, the longest first, and those that overlap by one.

    A secret is known as it is, and with any of its characters as URLs, HTML, JSON, Python, SQL, libpq, shells, Markdown
    and our own log write them; in base64, whatever stands beside it; with other blanks or line breaks between its
    words; cut off before an ellipsis, behind its fourth character; and, when it has several lines, by each of them.

    One of less than four characters is hidden only where it stands alone, as in `password=abc`: inside of words it
    would take half of the log with it, and the gaps would tell which one it is.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        whole = {secret.strip() for secret in secrets} - {""}
        lines = {line.strip() for secret in whole for line in secret.splitlines()}
        known = _longest_first(whole | {line for line in lines if len(line) >= SHORTEST})
        self._known = _any_of(known)
        forms = dict.fromkeys(form for secret in known for form in [secret, *_in_base64(secret)])
        self._long = [units for form in forms if len(units := _units(form)) >= SHORTEST]
        self._begun = _any_begun(self._long)
        self.secrets = tuple(secret for secret in _longest_first(whole) if len(secret) >= SHORTEST)
        """What GitHub's runner should hide as well. It knows lines and the common encodings by itself; a short one it
        would hide inside of words, and drop every output of the job that has it:
        https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#masking-a-value-in-a-log
        """

    def __call__(self, text: str) -> str:
        whole = [found.span() for found in self._known.finditer(text)]
        return "".join(_masked(text, sorted([*whole, *self._cut_off(text)])))

    def _cut_off(self, text: str) -> Iterator[tuple[int, int]]:
        """From where to where there are beginnings of secrets before an ellipsis."""
        if cuts := [found.end() for found in ELLIPSIS.finditer(text)]:
            begun = (found.start() for found in self._begun.finditer(text, 0, cuts[-1]))
            starts = [start for start in begun if cuts[bisect(cuts, start)] - start <= FARTHEST]
            for units in self._long:
                yield from _beginnings(text, starts, units)


def _masked(text: str, places: Iterable[tuple[int, int]]) -> Iterator[str]:
    """The text with a mask for each of its places, which are sorted and may overlap."""
    shown = 0
    for start, behind in places:
        if start >= shown:
            yield from (text[shown:start], MASK)
        shown = max(shown, behind)
    yield text[shown:]


def _longest_first(texts: Iterable[str]) -> list[str]:
    return sorted(texts, key=lambda text: (-len(text), text))


def _any_of(secrets: Sequence[str]) -> re.Pattern[str]:
    if not secrets:
        return re.compile("(?!)")
    starts = {form[0] for secret in secrets for form in [*_ways(secret[0]), *_in_base64(secret)]}
    return re.compile(f"{_look(starts)}(?:{'|'.join(map(_pattern, secrets))})")


def _look(starts: Iterable[str]) -> str:
    """Makes a pattern three times as fast, as most characters begin no secret."""
    return f"(?=[{re.escape(''.join(sorted(starts)))}])"


def _pattern(secret: str) -> str:
    """As it is comes too: a part of it may look like an escape."""
    spelled = "".join(_spelled(found[0]) for found in RUN.finditer(secret))
    forms = [spelled, *map(re.escape, [secret, *_in_base64(secret)])]
    whole = "|".join(dict.fromkeys(forms))
    return whole if len(secret) >= SHORTEST else rf"(?<!\w)(?:{whole})(?!\w)"


def _spelled(run: str) -> str:
    """A run of one character, all of it written alike; or of blanks, written anyhow, and of what forms take for one."""
    if BLANK.search(run):
        return one_or_more(_any(_blank_ways()))
    return _any(_longest_first(way * len(run) for way in _ways(run[0])))


def _any(texts: Sequence[str]) -> str:
    return f"(?:{'|'.join(map(re.escape, texts))})" if len(texts) > 1 else re.escape(texts[0])


class _Unit(NamedTuple):
    """A character of a secret, or all the blanks between two words."""

    ways: Sequence[str]  # to write it
    repeated: bool  # any number of times


END = _Unit([""], repeated=False)  # of a secret, where nothing can be left of an escape


def _units(secret: str) -> list[_Unit]:
    found = UNIT.findall(secret)
    return [_Unit(_blank_ways(), True) if BLANK.search(each) else _Unit(_ways(each), False) for each in found]


def _any_begun(secrets: Sequence[Sequence[_Unit]]) -> re.Pattern[str]:
    """Finds every place where one may begin: those that overlap as well."""
    if not secrets:
        return re.compile("(?!)")
    heads = ["".join(map(_unit_pattern, units[:SHORTEST])) for units in secrets]
    return re.compile(f"{_look({way[0] for units in secrets for way in units[0].ways})}(?={'|'.join(heads)})")


def _unit_pattern(unit: _Unit) -> str:
    return f"{_any(unit.ways)}{'+' if unit.repeated else ''}"


def _beginnings(text: str, starts: Iterable[int], units: Sequence[_Unit]) -> Iterator[tuple[int, int]]:
    """From where to where there is a secret's beginning, or all of it, before an ellipsis.

    Goes on by one unit in all places at once: what many spellings lead to is looked at once.
    """
    places = {start: start for start in starts}  # where the next unit may stand; the earliest start of what is before
    for number, unit in enumerate([*units, END]):
        if not places:
            return
        if number >= SHORTEST:
            for at, start in places.items():
                cut = CUT.match(text, at)
                if cut and any(way.startswith(cut[1]) for way in unit.ways):
                    yield start, cut.end(1)
        places = _behind(text, places, unit)


def _behind(text: str, places: Mapping[int, int], unit: _Unit) -> dict[int, int]:
    """The places behind one more unit."""
    found: dict[int, int] = {}
    ahead = list(places.items())
    while ahead:
        at, start = ahead.pop()
        for way in unit.ways:
            behind = at + len(way)
            if text.startswith(way, at) and start < found.get(behind, len(text)):
                found[behind] = start
                if unit.repeated:
                    ahead.append((behind, start))
    return found


@cache
def _ways(character: str) -> Sequence[str]:
    if character.isascii() and (character.isalnum() or character in "-."):  # nothing escapes these
        return [character]
    code, data = ord(character), character.encode(errors="surrogatepass")
    ways = {
        *(character, f"\\{character}", 2 * character if character in DOUBLED else character),
        *(quote(data, safe=""), quote(data, safe="").lower()),
        *(f"&#{code};", f"&#x{code:x};", ENTITIES.get(character, character)),
        *(json.dumps(character)[1:-1], f"\\u{code:04x}", f"\\U{code:08x}", f"\\x{code:02x}"),
        "".join(f"\\x{byte:02x}" for byte in data),
        " " if character.isspace() else character,
        *(IN_SHELLS if character == "'" else ()),
    }
    return _longest_first(ways)


@cache
def _blank_ways() -> Sequence[str]:
    """A blank may become any other."""
    return _longest_first({"\\v"}.union(*map(_ways, BLANKS)))


def _in_base64(secret: str) -> list[str]:
    """The digits that are the secret's alone, with none, one and two bytes before it; without any, all of them."""
    if len(secret) < SHORTEST:
        return []
    data = secret.encode(errors="surrogatepass")
    whole = b2a_base64(data, newline=False).decode().rstrip("=")
    shifted = [b2a_base64(bytes(shift) + data, newline=False).decode() for shift in range(3)]
    inner = [digits[-(-8 * shift // 6) : 8 * (shift + len(data)) // 6] for shift, digits in enumerate(shifted)]
    found = [whole, *inner]
    return [*found, *(digits.replace("+", "-").replace("/", "_") for digits in found)]

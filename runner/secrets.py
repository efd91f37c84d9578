"""Keeps secrets out of everything that is written, in whatever form the server, a library or we ourselves write it."""

import json
import re
from binascii import b2a_base64
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import quote

MASK = "***"
MOST_CUT = 64  # characters of one that was cut off
SHORTEST = 4  # characters; what is shorter would take half of a log with it
RUN = re.compile(r"\+*[ \t-\r][ \t-\r+]*|(.)\1*", re.DOTALL)
BLANK = re.compile(r"[ \t-\r]")
BLANKS = r"(?:[ \t-\r+]|\\[tnvfr]|\\x0[9a-d]|\\u000[9a-d]|%0[9a-dA-D]|%20|%2[bB]|&#(?:9|1[0-3]|43);)++"
ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}
DOUBLED = "'\"%"  # by SQL, by formats
IN_SHELLS = ("'\"'\"'", "'\\''")  # a quote within quotes


class Scrubber:
    """Replaces every known secret by `***`, the longest first, in one pass.

    A secret is known as it is, and with any of its characters as URLs, HTML, JSON, Python, SQL, libpq, shells, Markdown
    and our own log write them; in base64, whatever stands beside it; with other blanks or line breaks between its
    words; cut off by us before an ellipsis; and, when it has several lines, by each of them.

    One of less than four characters is hidden only where it stands alone, as in `password=abc`: inside of words it
    would take half of the log with it, and the gaps would tell which one it is.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        whole = {secret.strip() for secret in secrets} - {""}
        lines = {line.strip() for secret in whole for line in secret.splitlines()}
        known = _longest_first(whole | {line for line in lines if len(line) >= SHORTEST})
        self._known = _any_of(known)
        self.secrets = tuple(secret for secret in _longest_first(whole) if len(secret) >= SHORTEST)
        """What GitHub's runner should hide as well. It knows lines and the common encodings by itself; a short one it
        would hide inside of words, and drop every output of the job that has it:
        https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#masking-a-value-in-a-log
        """

    def __call__(self, text: str) -> str:
        return self._known.sub(MASK, text)


def _longest_first(texts: Iterable[str]) -> list[str]:
    return sorted(texts, key=lambda text: (-len(text), text))


def _any_of(secrets: Sequence[str]) -> re.Pattern[str]:
    if not secrets:
        return re.compile("(?!)")
    starts = {form[0] for secret in secrets for form in [*_ways(secret[0]), *_in_base64(secret)]}
    look = f"(?=[{re.escape(''.join(sorted(starts)))}])"  # three times as fast, as most characters begin none
    return re.compile(f"{look}(?:{'|'.join(map(_pattern, secrets))})")


def _pattern(secret: str) -> str:
    """As it is comes too: a part of it may look like an escape."""
    spelled = "".join(_spelled(found[0]) for found in RUN.finditer(secret))
    in_shells = [secret.replace("'", quoted) for quoted in IN_SHELLS]
    forms = [spelled, re.escape(secret), *map(re.escape, [*in_shells, *_in_base64(secret)]), *_cut_off(secret)]
    whole = "|".join(dict.fromkeys(forms))
    return whole if len(secret) >= SHORTEST else rf"(?<!\w)(?:{whole})(?!\w)"


def _cut_off(secret: str) -> Iterator[str]:
    """Its beginning before an ellipsis, where we have cut a text; and what is left of an escape that was cut itself."""
    runs = [f"(?>{_spelled(found[0])})" for found in RUN.finditer(secret)]
    if len(runs) > SHORTEST:
        more = ""
        for run in reversed(runs[SHORTEST:MOST_CUT]):
            more = f"(?:{run}{more})?+"
        yield "".join(runs[:SHORTEST]) + more + r"""(?=(?:[%\\&'"]\S{0,4})?[ ]*…)"""


def _spelled(run: str) -> str:
    """A run of one character, all of it written alike; or of blanks, written anyhow, and of what forms take for one."""
    if BLANK.search(run):
        return BLANKS
    ways = _longest_first(way * len(run) for way in _ways(run[0]))
    return f"(?:{'|'.join(map(re.escape, ways))})" if ways != [run] else re.escape(run)


def _ways(character: str) -> set[str]:
    if character.isascii() and (character.isalnum() or character in "-."):  # nothing escapes these
        return {character}
    code, data = ord(character), character.encode(errors="surrogatepass")
    return {
        *(character, f"\\{character}", 2 * character if character in DOUBLED else character),
        *(quote(data, safe=""), quote(data, safe="").lower()),
        *(f"&#{code};", f"&#x{code:x};", ENTITIES.get(character, character)),
        *(json.dumps(character)[1:-1], f"\\u{code:04x}", f"\\U{code:08x}", f"\\x{code:02x}"),
        "".join(f"\\x{byte:02x}" for byte in data),
        " " if character.isspace() else character,
    }


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

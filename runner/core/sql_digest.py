"""The digest that tells whether a change of a file changes what it does."""

import hashlib

from runner.core.plain_tokens import BETWEEN, plain_tokens
from runner.core.split import CutKind, SplitError, split
from runner.core.syntax import Unreadable, tokens_between

AT_ONCE = 64 * 1024  # bytes of a file that are taken apart at once, so that a large one needs little memory


def sql_digest(data: bytes) -> str | None:
    """SHA-256, hex, of the tokens as PostgreSQL's scanner (libpg_query) reads them, each with a NUL behind it: comments
    and layout do not change it. None for a text that the scanner does not read.
    """
    digest = hashlib.sha256()
    if _add_plain(digest, data, 0, len(data)) == len(data):  # so that nothing in it ends otherwise than it seems to
        return digest.hexdigest()
    digest, begin = hashlib.sha256(), 0
    try:
        for cut in split(data):
            if cut.kind is not CutKind.STATEMENT:  # the scanner would take it for something else
                return None
            if cut.end - begin > AT_ONCE:
                _add(digest, data, begin, cut.start)
                begin = cut.start
        _add(digest, data, begin, len(data))
    except (SplitError, Unreadable):
        return None
    return digest.hexdigest()


def _add(digest: "hashlib._Hash", data: bytes, start: int, end: int) -> None:
    start = _add_plain(digest, data, start, end)
    for tokens in tokens_between(data, start, end, at_once=AT_ONCE):
        if tokens:
            digest.update(BETWEEN.join(tokens) + BETWEEN)


def _add_plain(digest: "hashlib._Hash", data: bytes, start: int, end: int) -> int:
    """What needs no scanner; returns where that ends."""
    groups = plain_tokens(data, start, end)
    while True:
        try:
            digest.update(next(groups))
        except StopIteration as stop:
            place: int = stop.value
            return place

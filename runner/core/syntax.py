"""PostgreSQL's own scanner and parser (libpg_query, through postgast): tokens, and the tree of each statement."""

import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import postgast
    from postgast import pg_query_pb2


T = TypeVar("T")

UNSURE = 3  # tokens at the end of a piece that may be parts of one that goes on behind it, as in U&'…'
SHALLOW = 8 * 1024  # bytes of a text that cannot be nested so deeply that the parser outgrows its stack
STACK_FOR_A_BYTE = 512  # bytes; an expression of 22,000 terms, which is 44 kB of text, needs 8 MB
LARGEST_STACK = 1024 * 1024 * 1024  # bytes; only what is used of it is ever taken


class Unreadable(Exception):
    """The scanner or the parser does not understand the text, from `position` on (in characters, from 0)."""

    def __init__(self, message: str, position: int, *, certain: bool) -> None:
        super().__init__(message)
        self.position = position
        self.certain = certain  # not even the scanner reads this text, so no server does


class TooDeep(Unreadable):
    """The parser takes the text, but protobuf for Python does not follow a tree of more than 100 levels."""

    def __init__(self) -> None:
        super().__init__("this statement is nested too deeply to be looked at", 0, certain=False)


def trees(text: str) -> "list[pg_query_pb2.RawStmt]":
    """Each statement of a text with its place, in bytes. Raises Unreadable."""
    if len(text) <= SHALLOW:
        return _trees(text)
    return _with_a_large_stack(lambda: _trees(text), min(len(text) * STACK_FOR_A_BYTE, LARGEST_STACK))


def _with_a_large_stack(work: Callable[[], T], size: int) -> T:
    """What the work gives, done by a thread of its own: the parser calls itself for each level of nesting, and a stack
    that is too small would end the whole process.
    """
    done: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            done.append(work())
        except BaseException as error:  # noqa: BLE001 - it is raised again where it belongs
            failed.append(error)

    before = threading.stack_size(size)
    try:
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
    finally:
        threading.stack_size(before)
    thread.join()
    if failed:
        raise failed[0]
    return done[0]


def _trees(text: str) -> "list[pg_query_pb2.RawStmt]":
    import postgast
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped] # it has no stubs

    try:
        return list(postgast.parse(text).stmts)
    except DecodeError:
        raise TooDeep from None
    except postgast.PgQueryError as error:
        try:
            postgast.scan(text)
        except postgast.PgQueryError as worse:
            raise _unreadable(worse, certain=True) from None
        raise _unreadable(error, certain=False) from None


def _unreadable(error: "postgast.PgQueryError", *, certain: bool) -> Unreadable:
    """The error, its position counted in characters, whatever postgast's own page says."""
    return Unreadable(error.message, max(error.cursorpos - 1, 0), certain=certain)


def tokens_between(data: bytes, start: int, end: int, *, at_once: int) -> Iterator[list[bytes]]:
    """The tokens between two places of a text, without its comments, in groups: about `at_once` bytes are scanned
    together, as a token takes many times its length in memory. Raises Unreadable.
    """
    length = at_once
    while start < end:
        stop = min(start + length, end)
        while stop < end and data[stop] & 0xC0 == 0x80:  # inside of a character
            stop -= 1
        piece = data[start:stop]
        found = list(_places_of_tokens(piece.decode())) if stop == end else _readable(piece.decode())
        if stop == end:
            yield [piece[first:behind] for first, behind in found]
            return
        if len(found) <= UNSURE:
            length *= 2
            continue
        next_start, _ = found[-UNSURE]
        yield [piece[first:behind] for first, behind in found[:-UNSURE]]
        start, length = start + next_start, at_once


def _readable(text: str) -> list[tuple[int, int]]:
    """The places of the tokens before the one that ends behind this text, or that nobody can read."""
    while text:
        try:
            return list(_places_of_tokens(text))
        except Unreadable as error:
            text = text[: min(error.position, len(text) - 1)]
    return []


def _places_of_tokens(text: str) -> Iterator[tuple[int, int]]:
    """Where each token begins and ends, in bytes. Raises Unreadable."""
    import postgast
    from postgast import pg_query_pb2

    comments = (pg_query_pb2.SQL_COMMENT, pg_query_pb2.C_COMMENT)
    try:
        found = postgast.scan(text).tokens
    except postgast.PgQueryError as error:
        raise _unreadable(error, certain=True) from None
    return ((token.start, token.end) for token in found if token.token not in comments)

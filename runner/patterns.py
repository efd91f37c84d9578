"""Parts of regular expressions that give nothing back: what they have matched, they keep.

Python before 3.11.5 misreads a group that is repeated possessively, as in `(?:'[^']*')*+`: it goes on behind a round
that fails half way, https://github.com/python/cpython/issues/106052 and 100061. Debian 12 has such a Python. An atomic
group around the repeated one means the same and is right in all of them; but it remembers each round, which takes
memory.
"""

import sys
from typing import AnyStr

POSSESSIVE = sys.version_info >= (3, 11, 5)


def zero_or_more(part: AnyStr) -> AnyStr:
    """As often as it is there."""
    return _kept(part, "*")


def one_or_more(part: AnyStr) -> AnyStr:
    """As often as it is there, and at least once."""
    return _kept(part, "+")


def one_up_to(most: int, part: AnyStr) -> AnyStr:
    """As often as it is there, at least once, and so many times at most."""
    return _kept(part, f"{{1,{most}}}")


def maybe(part: AnyStr) -> AnyStr:
    """Once, if it is there."""
    return _kept(part, "?")


def _kept(part: AnyStr, often: str) -> AnyStr:
    before, behind = ("(?:", f"){often}+") if POSSESSIVE else ("(?>(?:", f"){often})")
    if isinstance(part, bytes):
        return before.encode() + part + behind.encode()
    return before + part + behind

"""Regular expressions mean the same in every Python that we run on."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from random import Random
from types import ModuleType

import pytest

from runner import patterns
from runner.core import plain_tokens, split
from runner.patterns import maybe, one_or_more, one_up_to, zero_or_more
from runner.resources import PACKAGE

FIND_POSSESSIVE = """
import importlib, pkgutil
from re import _compiler, _constants, _parser
from runner import patterns

patterns.POSSESSIVE = False
compile, compiled = _compiler.compile, []

def repeats_a_group(tree):
    for operation, details in tree:
        if operation is _constants.POSSESSIVE_REPEAT and not _compiler._simple(details[2]):
            return True
        inside = [details]
        while inside:
            part = inside.pop()
            if isinstance(part, _parser.SubPattern):
                if repeats_a_group(part):
                    return True
            elif isinstance(part, (list, tuple)):
                inside.extend(part)
    return False

def keep(pattern, flags=0):
    compiled.append((pattern, flags))
    return compile(pattern, flags)

_compiler.compile = keep
import runner
for module in pkgutil.walk_packages(runner.__path__, "runner."):
    if module.name != "runner.__main__":
        importlib.import_module(module.name)
from runner.core.plain_tokens import _Row
from runner.core.sessions import without_values
from runner.secrets import Scrubber
_Row((b"INSERT", None))
without_values("SELECT 1")
Scrubber(["two words"])("text")
print(len(compiled))
for pattern, flags in compiled:
    if isinstance(pattern, (str, bytes)) and repeats_a_group(_parser.parse(pattern, flags)):
        print(repr(pattern))
"""  # all that is imported, and what is compiled later
PARTS = [b"'", b"''", b'"', b"$$", b"$a$", b"/*", b"*/", b"--", b"-", b"\\", b";", b"E'", b"(", b")", b"\n", b" ", b"a",
         b" BEGIN ATOMIC ", b" END ", b" CASE ", b"COPY t FROM stdin;", b"INSERT INTO t VALUES ", b"1.5", b",", b"::x",
         b"CREATE FUNCTION f() "]  # fmt: skip


@pytest.fixture(params=sorted({patterns.POSSESSIVE, False}), ids={True: "possessive", False: "atomic"}.get)
def possessive(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """As Python has it from 3.11.5 on, and as before."""
    monkeypatch.setattr(patterns, "POSSESSIVE", request.param)
    return bool(request.param)


def test_groups_are_repeated_here_alone() -> None:
    """Nothing that the program compiles repeats a group possessively once these are written the other way."""
    done = subprocess.run(
        [sys.executable, "-c", FIND_POSSESSIVE], cwd=PACKAGE.parent, capture_output=True, text=True, check=True
    )
    compiled, *found = done.stdout.splitlines()
    assert int(compiled) > 100
    assert found == []


def test_what_has_been_matched_is_kept(possessive: bool) -> None:
    assert re.fullmatch(zero_or_more("ab?c"), "a") is None  # the report's own example
    assert re.fullmatch(zero_or_more("ab"), "abab")
    assert re.fullmatch(zero_or_more("ab") + "ab", "abab") is None
    assert re.fullmatch(zero_or_more("ab"), "")
    assert re.fullmatch(one_or_more("ab"), "") is None
    assert re.fullmatch(maybe("ab") + "ab", "ab") is None
    assert re.fullmatch(one_up_to(2, b"ab") + b"ab", b"ababab")
    assert possessive == ("(?>" not in maybe("ab"))


def as_before(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module as Python before 3.11.5 has it."""
    assert module.__file__
    spec = importlib.util.spec_from_file_location(f"{module.__name__}_before", Path(module.__file__))
    assert spec
    assert spec.loader
    monkeypatch.setattr(patterns, "POSSESSIVE", False)
    before = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, before)
    spec.loader.exec_module(before)
    return before


def texts() -> list[bytes]:
    chance = Random(1)
    return [b"".join(chance.choices(PARTS, k=chance.randint(1, 30))) for _ in range(20_000)]


def cuts(module: ModuleType, text: bytes, together: int) -> list[tuple[object, ...]]:
    found: list[tuple[object, ...]] = []
    try:
        found.extend((cut.start, cut.end, cut.kind.value, cut.count) for cut in module.split(text, together=together))
    except module.SplitError as error:
        found.append((str(error), error.start))
    return found


@pytest.mark.parametrize("together", [0, 20])
def test_both_cut_statements_alike(monkeypatch: pytest.MonkeyPatch, together: int) -> None:
    before = as_before(split, monkeypatch)
    assert before.UNEVENTFUL.pattern != split.UNEVENTFUL.pattern or not patterns.POSSESSIVE
    for text in texts():
        assert cuts(before, text, together) == cuts(split, text, together), text


def test_both_read_tokens_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    before = as_before(plain_tokens, monkeypatch)
    for text in texts():
        assert list(before.plain_tokens(text, 0, len(text))) == list(plain_tokens.plain_tokens(text, 0, len(text)))

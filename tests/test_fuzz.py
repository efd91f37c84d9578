"""Broken files by the thousand: each is read or refused in an orderly way, and none makes the reader hang or fall over.

The same files in every run. One that is found to break it belongs into the corpus.
"""

import faulthandler
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from random import Random

import pytest

from runner.core.checksum import normalise
from runner.core.migration import Migration
from runner.core.model import MigrationFile, SourceFile
from runner.core.naming import VersionOrder
from runner.core.parse import parse
from runner.core.policies import ParsePolicy
from runner.core.sql_digest import sql_digest
from runner.errors import InputError
from runner.workspace import discover
from tests.corpus.cases import CASES
from tests.corpus.test_corpus import content

HANGS = 300  # seconds for what takes one or two
ROUNDS = 150  # broken files of a seed
LONGEST = 4000  # bytes
PATH = PurePosixPath("migrations/01_x.sql")

SEEDS = [data for data in map(content, CASES) if len(data) <= LONGEST]
QUOTES = [b"'", b'"', b"$$", b"$a$", b"/*", b"*/", b"--", b"\\", b";", b"E'", b"(", b")", b"\r", b"\n", b"\xc2\xa0",
          b" BEGIN ATOMIC ", b" END ", b" CASE ", b"BEGIN;", b"COMMIT;", b"COPY t FROM stdin;", b"\\.\n", b"''",
          b"U&'"]  # fmt: skip


@pytest.fixture(autouse=True)
def _ends() -> Iterator[None]:
    faulthandler.dump_traceback_later(HANGS, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


# Ways to break a file


def flip(chance: Random, data: bytearray) -> bytearray:
    for _ in range(chance.randint(1, 4)):
        if data:
            data[chance.randrange(len(data))] = chance.randrange(1, 256)
    return data


def cut_off(chance: Random, data: bytearray) -> bytearray:
    return data[: chance.randint(0, len(data))]


def drop(chance: Random, data: bytearray) -> bytearray:
    start = chance.randint(0, len(data))
    return data[:start] + data[start + chance.randint(1, 30) :]


def splice(chance: Random, data: bytearray) -> bytearray:
    other = chance.choice(SEEDS)
    return data[: chance.randint(0, len(data))] + other[chance.randint(0, len(other)) :]


def double(chance: Random, data: bytearray) -> bytearray:
    start = chance.randint(0, len(data))
    piece = data[start : start + chance.randint(1, 60)]
    return data[:start] + piece * chance.randint(2, 20) + data[start:]


def insert_quotes(chance: Random, data: bytearray) -> bytearray:
    for _ in range(chance.randint(1, 3)):
        position = chance.randint(0, len(data))
        data = data[:position] + chance.choice(QUOTES) + data[position:]
    return data


WAYS: tuple[Callable[[Random, bytearray], bytearray], ...] = (flip, cut_off, drop, splice, double, insert_quotes)


def broken(chance: Random) -> bytes:
    """A file of the corpus, broken in one to three ways; UTF-8 without NUL, as the workspace lets nothing else pass."""
    data = bytearray(chance.choice(SEEDS))
    for _ in range(chance.randint(1, 3)):
        data = chance.choice(WAYS)(chance, data)
    return normalise(bytes(data).decode(errors="replace").replace("\0", " ").encode())


# What is made of them


def read(data: bytes, policy: ParsePolicy) -> Migration | InputError:
    file = MigrationFile(version="01", name="x", up=SourceFile(path=PATH, data=data), checksum="")
    try:
        return parse(file, policy)
    except InputError as error:
        return error


@pytest.mark.parametrize("seed", range(20))
def test_a_broken_file_is_read_or_refused_with_places(seed: int) -> None:
    chance = Random(seed)
    for number in range(ROUNDS):
        data = broken(chance)
        policy = ParsePolicy(own_transactions=number % 2 == 0)
        answer = read(data, policy)
        last = data.count(b"\n") + 1
        if isinstance(answer, Migration):
            assert_in_order(answer, data)
        else:
            assert answer.findings
        for finding in answer.findings:
            assert (finding.path, bool(finding.hint)) == (PATH, True), data
            assert finding.line is not None
            assert 1 <= finding.line <= last, data
            assert finding.column is None or finding.column >= 1


def assert_in_order(migration: Migration, data: bytes) -> None:
    """Every statement is a piece of the file, behind the one before it; steps are made of whole statements."""
    position = 0
    for statement in migration.statements:
        assert position <= statement.start < statement.end <= len(data), data
        assert data.count(b"\n", 0, statement.start) + 1 == statement.line
        position = statement.end
    assert migration.statement_count <= sum(statement.count for statement in migration.statements)


@pytest.mark.parametrize("seed", range(5))
def test_a_broken_file_has_one_sql_digest_or_none(seed: int) -> None:
    chance = Random(seed + 1000)
    for _ in range(ROUNDS):
        data = broken(chance)
        assert sql_digest(data) == sql_digest(data)


@pytest.mark.parametrize("seed", range(5))
def test_random_bytes_are_read_or_refused_with_their_path(checkout: Path, seed: int) -> None:
    chance = Random(seed + 2000)
    file = checkout / PATH
    for _ in range(100):
        data = bytes(flip(chance, bytearray(chance.choice(SEEDS)))) if chance.random() < 0.5 else chance.randbytes(60)
        file.write_bytes(data)
        try:
            (found,), warnings = discover(checkout, PurePosixPath("migrations"), VersionOrder.AUTO)
        except InputError as error:
            (finding,) = error.findings
            assert (finding.path, bool(finding.hint)) == (PATH, True)
            assert 1 <= (finding.line or 0) <= data.count(b"\n") + 1
        else:
            assert found.up.data.decode() == found.up.text
            assert not warnings

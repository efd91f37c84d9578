"""Large data migrations: little memory, right counts, right lines. benchmarks/big_files.py measures larger ones."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path, PurePosixPath

import pytest

from benchmarks.big_files import MB, Measured, measured, write_inserts
from runner.core.migration import Migration
from runner.core.model import MigrationFile, SourceFile
from runner.core.naming import VersionOrder
from runner.core.parse import parse
from runner.core.statements import LARGE
from runner.postgres.embedded import EmbeddedServer
from runner.postgres.session import connect
from runner.workspace import discover
from tests.commands.conftest import run_captured

SIZE = 24 * MB
PADDING = 200  # bytes, so that a statement is as long as people's are
TIMES = 3  # the file, at most


@pytest.fixture(scope="session")
def big(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A checkout with one large migration, and the number of its statements."""
    checkout = tmp_path_factory.mktemp("big")
    (checkout / "migrations").mkdir()
    return checkout, write_inserts(checkout / "migrations" / "01_items.sql", SIZE, padding=PADDING)


def needs_little(took: Measured, checkout: Path) -> bool:
    return 0 < took.peak < TIMES * (checkout / "migrations" / "01_items.sql").stat().st_size


def test_is_read_and_taken_apart_in_little_memory(big: tuple[Path, int]) -> None:
    checkout, statements = big
    took = measured("parse", checkout)
    assert took.statements == statements
    assert needs_little(took, checkout)


def test_is_migrated_in_little_memory(
    big: tuple[Path, int], servers: Callable[[int], EmbeddedServer], version: int
) -> None:
    checkout, statements = big
    server = servers(version)
    url = server.create_database("big").value
    took = measured("migrate", checkout, url)
    assert needs_little(took, checkout)
    with connect(server.url("big"), application_name="a test") as connection:
        rows = connection.execute("SELECT count(*), max(id) FROM items").fetchall()
        done = connection.execute("SELECT status, statements_done, statements_total FROM schema_migrations").fetchall()
    assert rows == [(statements - 1, statements)]
    assert done == [("completed", statements, statements)]


def test_one_statement_as_large_as_the_file_is_taken_apart_in_little_memory(tmp_path: Path) -> None:
    (tmp_path / "migrations").mkdir()
    rows = b",\n".join(b"(%d, 'it''s; caf\xc3\xa9 %d')" % (number, number) for number in range(600_000))
    (tmp_path / "migrations" / "01_items.sql").write_bytes(b"INSERT INTO items VALUES\n" + rows)
    took = measured("parse", tmp_path)
    assert took.statements == 1
    assert needs_little(took, tmp_path)


@pytest.mark.parametrize("line", [40_000, 40_001])
def test_a_statement_that_fails_in_the_middle_is_told_by_its_line_and_nothing_stays(
    servers: Callable[[int], EmbeddedServer], tmp_path: Path, capsys: pytest.CaptureFixture[str], line: int
) -> None:
    url = servers(18).create_database(f"failing_{line}").value
    (tmp_path / "migrations").mkdir()
    statements = write_inserts(tmp_path / "migrations" / "01_items.sql", SIZE, padding=PADDING, failing=line)
    assert statements > line
    ran = run_captured(capsys, tmp_path, (), {"DATABASE_URL": url, "GITHUB_WORKSPACE": str(tmp_path)})
    assert ran.exit_code == 1
    assert f"✗ migrations/01_items.sql:{line}:1: duplicate key value" in ran.log
    with connect(servers(18).url(f"failing_{line}"), application_name="a test") as connection:
        assert connection.execute("SELECT to_regclass('items')").fetchall() == [(None,)]


# Many statements

KINDS = (
    b"INSERT INTO items VALUES (1, 'it''s; %d');",
    b"UPDATE items SET body = $$a;b$$ WHERE id = %d;",
    b'CREATE TABLE items_%d (id int, "odd;name" text);',
    b"COMMENT ON TABLE items IS '%d\n--';",
    b"/* %d; */ SELECT 1;",
)


def many(count: int, *, more: bytes = b"") -> Migration:
    lines = [KINDS[number % len(KINDS)] % number for number in range(count)]
    return parsed(b"\n".join(lines) + more)


def parsed(data: bytes) -> Migration:
    source = SourceFile(path=PurePosixPath("migrations/01_x.sql"), data=data)
    return parse(MigrationFile(version="01", name="x", up=source, checksum=""))


def test_a_hundred_thousand_statements_are_counted_and_each_stands_on_its_line() -> None:
    migration = many(100_000)
    assert migration.transactional
    assert migration.statement_count == 100_000
    data = migration.source.data
    assert len(data) > LARGE
    line, seen = 1, 0
    for statement in migration.statements:
        line += data.count(b"\n", seen, statement.start)
        seen = statement.start
        assert statement.line == line
    assert all(before.end <= behind.start for before, behind in pairwise(migration.statements))


def test_what_a_large_file_has_among_its_rows_is_seen() -> None:
    migration = many(20_000, more=b"\nVACUUM items_2;\nINSERT INTO items VALUES (2);")
    assert not migration.transactional
    assert migration.statements[-2].traits.no_transaction == "VACUUM"
    assert (migration.statements[-2].line, migration.statement_count) == (24_001, 20_002)


def test_the_workspace_reads_a_large_file_with_a_byte_order_mark_and_crlf(tmp_path: Path) -> None:
    (tmp_path / "migrations").mkdir()
    file = tmp_path / "migrations" / "01_items.sql"
    statements = write_inserts(file, 2 * MB, padding=0)
    plain = file.read_bytes()
    found = [_checksum(tmp_path)]
    file.write_bytes(b"\xef\xbb\xbf" + plain.replace(b"\n", b"\r\n"))
    found.append(_checksum(tmp_path))
    assert found[0] == found[1]
    assert plain.count(b"\n") == statements


def _checksum(checkout: Path) -> str:
    files, _ = discover(checkout, PurePosixPath("migrations"), VersionOrder.AUTO)
    return files[0].checksum

"""Files of other tools that are made to keep a reader busy: each is read in one pass, however long its lines are.

What looks at every rest of a text anew takes hours for these.
"""

import faulthandler
from collections.abc import Iterator
from pathlib import PurePosixPath

import pytest

from runner.core.convert.ours import READERS
from runner.core.convert.theirs import Draft, Folder
from runner.core.model import SourceFile
from runner.core.tools import Tool

HANGS = 120  # seconds for what takes less than one
SIZE = 500_000
CHANGE_SET = "--liquibase formatted sql\n--changeset a:1"
FILES = {
    "blanks for an author": (Tool.LIQUIBASE, {"a.sql": f"--liquibase formatted sql\n--changeset{' ' * SIZE}\n"}),
    "a word for an attribute": (Tool.LIQUIBASE, {"a.sql": f"{CHANGE_SET} {'a' * SIZE}\n"}),
    "lines passed over": (Tool.LIQUIBASE, {"a.sql": f"{CHANGE_SET}\n--ignoreLines:{10**18}\n"}),
    "placeholders that never end": (Tool.LIQUIBASE, {"a.sql": f"{CHANGE_SET}\n{'${' * (SIZE // 2)}"}),
    "placeholders of another": (Tool.FLYWAY, {"V1__a.sql": "${" * (SIZE // 2)}),
    "blanks in a setting": (Tool.FLYWAY, {"V1__a.sql": "", "V1__a.sql.conf": f"a=x{' ' * SIZE}y"}),
    "a long path": (Tool.NODE_PG_MIGRATE, {f"a/{'b' * SIZE}": ""}),
    "empty lines in a lock": (Tool.PRISMA, {"1_a/migration.sql": "", "migration_lock.toml": "\n" * SIZE}),
    "comments that never end": (Tool.GRAPHILE_MIGRATE, {"000001.sql": "/* " * (SIZE // 3)}),
    "dollar quotes that never end": (
        Tool.GRAPHILE_MIGRATE,
        {"000001.sql": "".join(f"$a{number}$ " for number in range(SIZE // 8))},
    ),
}


@pytest.fixture(autouse=True)
def _ends() -> Iterator[None]:
    faulthandler.dump_traceback_later(HANGS, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.mark.parametrize(("tool", "files"), FILES.values(), ids=FILES)
def test_a_file_keeps_no_reader_busy(tool: Tool, files: dict[str, str]) -> None:
    sources = {name: SourceFile(path=PurePosixPath(name), data=text.encode()) for name, text in files.items()}
    found = list(READERS[tool](Folder(path=PurePosixPath("theirs"), names=tuple(sources), sources=sources)))
    assert all(isinstance(each, Draft) or each.hint for each in found)

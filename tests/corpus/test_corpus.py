"""Every case of the table: how it is read, where its statements stand, its digests, and what becomes of it on a server.

What the reader makes of a case is in `expected`; cases.py says how to add one, and how to renew those files.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

from runner.core.checksum import checksum
from runner.core.migration import Migration, Statement
from runner.core.naming import VersionOrder
from runner.core.parse import parse, parse_down
from runner.core.policies import ParsePolicy
from runner.core.sql_digest import sql_digest
from runner.errors import Finding, InputError
from runner.workspace import discover
from tests.commands.conftest import CommandLine, Ran
from tests.conftest import Database
from tests.corpus.cases import APPLIED, CASES, ROWS, SETS, Case

HERE = Path(__file__).parent
SHOWN = 12  # statements of a file in `expected`; of a longer one the last as well
LEDGER_ROWS = re.compile(r"^COPY \S*(?:schema_migrations|migration_\w+) .*?^\\\.$", re.DOTALL | re.MULTILINE)
REFUSED, FAILED = InputError.exit_code, 1

EACH_FILE = pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in CASES])
EACH_SET = pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in SETS])
EACH = pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in (*CASES, *SETS)])


# The files of a case


def content(case: Case) -> bytes:
    return (HERE / "files" / f"{case.name}.sql").read_bytes() if case.data is None else case.data


def write_set(case: Case, checkout: Path) -> None:
    """The folder of a set; its links lead to files beside it."""
    folder = checkout / "migrations"
    for file in folder.iterdir():
        file.unlink()
    copy_files(HERE / "sets" / case.name, folder)
    shared = checkout / "shared"
    shared.mkdir(exist_ok=True)
    (shared / "others.sql").write_text("CREATE TABLE others (id int);\n")
    (checkout.parent / "outside.sql").write_text("CREATE TABLE others (id int);\n")
    for name, target in case.links.items():
        (folder / name).symlink_to(target)


def copy_files(source: Path, folder: Path) -> None:
    for file in source.iterdir():
        if file.is_file():
            (folder / file.name).write_bytes(file.read_bytes())


def write(case: Case, checkout: Path) -> None:
    if case in SETS:
        write_set(case, checkout)
    else:
        (checkout / "migrations" / f"02_{case.name}.sql").write_bytes(content(case))


# How it is read


def read(case: Case, checkout: Path) -> tuple[list[Migration], list[Finding]]:
    """The migrations, down files among them, and what is wrong with the set or with a file."""
    order = VersionOrder(case.inputs.get("version-order", "auto"))
    policy = ParsePolicy(
        own_transactions=case.inputs.get("own-transactions") == "honour",
        tracking_schema=case.inputs.get("tracking-schema", "public"),
    )
    try:
        files, findings = discover(checkout, PurePosixPath("migrations"), order)
    except InputError as error:
        return [], list(error.findings)
    migrations = []
    for file in files:
        try:
            migrations.append(parse(file, policy))
            if file.down:
                migrations.append(parse_down(file, policy))
        except InputError as error:
            findings += error.findings
    return migrations, findings


def described(migrations: list[Migration], findings: list[Finding]) -> str:
    """As the files in `expected` have it."""
    lines = [line for migration in migrations for line in describe(migration)]
    lines += [f"{finding.level} {str(finding).removeprefix('migrations/')}\n  → {finding.hint}" for finding in findings]
    return "\n".join(lines) + "\n"


def describe(migration: Migration) -> Iterator[str]:
    yield migration.source.path.name
    yield f"  outside of a transaction: {migration.why}" if migration.why else "  in one transaction"
    yield (
        f"  statements {migration.statement_count}, steps {len(migration.steps)}, findings {len(migration.findings)}"
    )
    if migration.source is migration.file.up:
        yield f"  checksum   {migration.file.checksum}"
    yield f"  sql digest {migration.sql_digest}"
    shown = migration.statements[:SHOWN]
    yield from (f"  {statement.line}:{statement.column} {first_line(statement)}" for statement in shown)
    if len(migration.statements) > SHOWN:
        last = migration.statements[-1]
        yield f"  … and {len(migration.statements) - SHOWN} more, the last"
        yield f"  {last.line}:{last.column} {first_line(last)}"
    for finding in migration.findings:
        yield f"  {finding.level} {finding.line}:{finding.column} {finding.message}"


def first_line(statement: Statement) -> str:
    return re.split("[\r\n]", statement.sql[:200].decode(errors="ignore"))[0][:60]


@EACH
def test_is_read_as_expected(case: Case, checkout: Path) -> None:
    write(case, checkout)
    file = HERE / "expected" / f"{case.id}.txt"
    found = described(*read(case, checkout))
    if os.environ.get("RENEW_CORPUS"):
        file.write_text(found)
    assert found == file.read_text()


@EACH
def test_statements_stand_where_an_editor_shows_them(case: Case, checkout: Path) -> None:
    write(case, checkout)
    for migration in read(case, checkout)[0]:
        text = (checkout / migration.source.path).read_bytes().decode("utf-8-sig")
        lines = text.replace("\r\n", "\n").split("\n")
        for statement in migration.statements:
            shown = "\n".join(lines[statement.line - 1 :])[statement.column - 1 :]
            assert shown.startswith(statement.sql.decode())


@EACH
def test_what_is_refused_says_where_and_what_to_do(case: Case, checkout: Path) -> None:
    write(case, checkout)
    for finding in read(case, checkout)[1]:
        assert finding.hint
        assert finding.path is not None or finding.level == "warning"
        assert finding.line is None or finding.line >= 1


@EACH_FILE
def test_line_ends_and_a_byte_order_mark_change_no_digest(case: Case, checkout: Path) -> None:
    file = checkout / "migrations" / "01_x.sql"
    file.write_bytes(content(case))
    migrations, _ = read(case, checkout)
    file.write_bytes(b"\xef\xbb\xbf" + migrations[0].source.data.replace(b"\n", b"\r\n") if migrations else b"")
    for migration, again in zip(migrations, read(case, checkout)[0], strict=bool(migrations)):
        assert (again.file.checksum, again.sql_digest) == (migration.file.checksum, migration.sql_digest)


# What becomes of it


def run(db_migrate: CommandLine, case: Case) -> Ran:
    return db_migrate(*(f"--{name}={value}" for name, value in case.inputs.items()))


@EACH_FILE
def test_a_file_runs_as_it_was_meant_or_not_at_all(case: Case, db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_01_before=case.before or "-- nothing")
    assert db_migrate().exit_code == 0
    before = database.dump()
    write(case, db_migrate.checkout)
    try:
        ran = run(db_migrate, case)
        assert_outcome(case, ran, f"02_{case.name}.sql:{case.at}")
        if case.exit_code == REFUSED:
            assert database.dump() == before
        elif case.exit_code == FAILED and not case.holds:
            assert LEDGER_ROWS.sub("", database.dump()) == LEDGER_ROWS.sub("", before)
        if case.exit_code == APPLIED:
            assert_recorded(case, database)
        if case.holds:
            assert database.value(f"SELECT {case.holds}") is True
    finally:
        undo(case, database)


@EACH_SET
def test_a_set_runs_as_it_was_meant_or_not_at_all(case: Case, db_migrate: CommandLine, database: Database) -> None:
    if case.before:
        database.query(case.before)
    first = HERE / "sets" / case.name / "before"
    if first.is_dir():
        copy_files(first, db_migrate.checkout / "migrations")
        assert db_migrate().exit_code == 0
    before = database.dump()
    write(case, db_migrate.checkout)
    ran = run(db_migrate, case)
    assert_outcome(case, ran, case.at)
    if case.exit_code not in {APPLIED, FAILED}:
        assert database.dump() == before
    if case.holds:
        assert database.value(f"SELECT {case.holds}") is True


def assert_outcome(case: Case, ran: Ran, place: str) -> None:
    assert ran.exit_code == case.exit_code, ran.log
    assert case.says in ran.log, ran.log
    if case.exit_code == APPLIED:
        return
    assert case.exit_code == FAILED or "\n    → " in ran.log, ran.log
    if case.at:
        first = re.search(r"^✗ migrations/.*", ran.log, re.MULTILINE)
        assert first, ran.log
        assert re.match(rf"✗ migrations/{re.escape(place)}\b.*{re.escape(case.says)}", first[0]), ran.log


def assert_recorded(case: Case, database: Database) -> None:
    """The ledger has what the file is, whatever a byte order mark or line ends make of it."""
    text = content(case).removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n")
    row = database.query("SELECT status, checksum, sql_digest FROM schema_migrations WHERE version = '02'")
    assert row == [("completed", checksum(text), sql_digest(text))]
    assert database.value("SELECT statements_done = statements_total FROM schema_migrations WHERE version = '02'")


def undo(case: Case, database: Database) -> None:
    with database.connect() as connection:
        for statement in filter(None, case.after.split("; ")):
            connection.execute(statement.encode())


# The table


def test_every_kind_of_file_has_a_case() -> None:
    assert {case.row for case in (*CASES, *SETS)} == set(ROWS)


def test_every_case_has_a_name_of_its_own() -> None:
    names = [case.id for case in (*CASES, *SETS)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("folder", "names"),
    [
        pytest.param("files", {f"{case.name}.sql" for case in CASES if case.data is None}, id="files"),
        pytest.param("sets", {case.name for case in SETS}, id="sets"),
        pytest.param("expected", {f"{case.id}.txt" for case in (*CASES, *SETS)}, id="expected"),
    ],
)
def test_every_file_is_that_of_a_case(folder: str, names: set[str]) -> None:
    assert {entry.name for entry in (HERE / folder).iterdir()} == names

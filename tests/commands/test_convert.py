"""`db-migrate convert`: another tool's folder becomes ours, and gives the same database."""

import re
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from runner.commands.convert import _write as write_all
from runner.commands.convert import convert_files
from runner.core.convert.ours import Ours
from runner.core.convert.ours import convert as convert_all
from runner.core.convert.theirs import Folder
from runner.core.model import SourceFile
from runner.core.naming import VersionOrder
from runner.core.tools import Tool
from runner.errors import InputError
from runner.postgres.embedded import NEWEST, EmbeddedServer
from runner.postgres.session import connect
from runner.workspace import discover
from tests.commands.conftest import CommandLine, Ran, run_captured
from tests.conftest import ON_NEWEST, Database

CORPUS = Path(__file__).parent.parent / "corpus/other_tools"
DBMATE = Path(__file__).parent.parent.parent / ".venv/bin/dbmate"
MIGRATIONS = PurePosixPath("migrations")
ITS_OWN = ("schema_migrations", "alembic_version", "ar_internal_metadata")  # tables of the tools

DbMigrate = Callable[..., Ran]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    checkout = tmp_path / "checkout"
    (checkout / "theirs").mkdir(parents=True)
    return checkout


@pytest.fixture
def db_convert(checkout: Path, capsys: pytest.CaptureFixture[str]) -> DbMigrate:
    """`db-migrate convert` in a checkout that has a folder `theirs`."""

    def run(*argv: str) -> Ran:
        return run_captured(capsys, checkout.parent, ("convert", *argv), {"GITHUB_WORKSPACE": str(checkout)})

    return run


def write(folder: Path, files: Mapping[str, str]) -> None:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


# What it writes, and what it says


def test_writes_the_files_and_says_which_goes_where(db_convert: DbMigrate, checkout: Path) -> None:
    write(
        checkout / "theirs",
        {"1_users.up.sql": "SELECT 1;", "1_users.down.sql": "SELECT 2;", "2_orders.up.sql": "SELECT 3;"},
    )
    ran = db_convert("--from", "golang-migrate", "theirs")
    assert ran.exit_code == 0
    assert ran.log == (
        "theirs            ours\n"
        "────────────────  ────────────────────────────\n"
        "1_users.up.sql    migrations/01_users.sql\n"
        "1_users.down.sql  migrations/01_users.down.sql\n"
        "2_orders.up.sql   migrations/02_orders.sql\n"
        "2 migrations of golang-migrate, 3 files written to migrations\n"
        "→ look at them with: db-migrate check\n"
        "→ a database that golang-migrate has migrated joins with: db-migrate adopt --from golang-migrate\n"
    )
    assert names(checkout / "migrations") == ["01_users.down.sql", "01_users.sql", "02_orders.sql"]
    assert discover(checkout, MIGRATIONS, VersionOrder.AUTO)[1] == []


def test_a_dry_run_says_the_same_and_writes_nothing(db_convert: DbMigrate, checkout: Path) -> None:
    write(checkout / "theirs", {"1_users.up.sql": "SELECT 1;"})
    ran = db_convert("--from", "golang-migrate", "--dry-run", "theirs")
    assert (ran.exit_code, names(checkout)) == (0, ["theirs"])
    assert "1_users.up.sql  migrations/01_users.sql\n" in ran.log
    assert ran.log.endswith("1 migration of golang-migrate, 1 file to be written to migrations; dry run, nothing was\n")


def test_nothing_is_written_while_something_is_refused(db_convert: DbMigrate, checkout: Path) -> None:
    write(checkout / "theirs", {"V1__a.sql": "SELECT 1;", "V2__b.sql": "SELECT 1;\nSELECT '${x}';"})
    ran = db_convert("--from", "flyway", "theirs")
    assert (ran.exit_code, names(checkout)) == (2, ["theirs"])
    assert "✗ theirs/V2__b.sql:2: Flyway fills in ${x} here\n    → write the value in" in ran.log


def test_what_check_would_refuse_is_written_to_be_mended(db_convert: DbMigrate, checkout: Path) -> None:
    write(checkout / "theirs", {"1_a.up.sql": "SELECT 1;\nCOMMIT;\n"})
    ran = db_convert("--from", "golang-migrate", "theirs")
    assert (ran.exit_code, names(checkout / "migrations")) == (2, ["01_a.sql"])
    assert "✗ migrations/01_a.sql:5:1: a migration and its ledger row are one transaction" in ran.log
    assert "1 file written to migrations: 1 problem to be mended there\n" in ran.log


@pytest.mark.parametrize(
    ("argv", "broken"),
    [
        (("convert", "--from", "goose", "theirs"), "runner.commands.convert.convert_files"),
        (("new", "add users"), "runner.commands.new.new_migration"),
    ],
)
def test_a_defect_of_ours_is_told_as_one(
    argv: tuple[str, ...],
    broken: str,
    checkout: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fall_over(*_: object, **__: object) -> None:
        raise LookupError("nobody thought of this")

    monkeypatch.setattr(broken, fall_over)
    ran = run_captured(capsys, checkout.parent, argv, {"GITHUB_WORKSPACE": str(checkout)})
    assert ran.exit_code == 1
    assert "✗ an error of db-migrate itself: LookupError: nobody thought of this\n" in ran.log
    assert "in fall_over\n" in ran.log
    assert "    → please report it" in ran.log


@pytest.mark.parametrize("argv", [["theirs"], ["--from", "yoyo", "theirs"], ["--from", "goose"]])
def test_without_a_tool_or_a_folder_the_usage_is_shown(argv: list[str], db_convert: DbMigrate, checkout: Path) -> None:
    write(checkout / "theirs", {"1_a.sql": "-- +goose Up\n"})
    assert (db_convert(*argv).exit_code, names(checkout)) == (2, ["theirs"])


def test_the_folder_to_write_and_its_order_are_those_of_the_configuration(
    db_convert: DbMigrate, checkout: Path
) -> None:
    (checkout / "db-migrate.yml").write_text("migrations-path: db/ours\nversion-order: numeric\n")
    write(checkout / "theirs", {"1_a.up.sql": "SELECT 1;", "10_b.up.sql": "SELECT 1;"})
    assert db_convert("--from", "golang-migrate", "theirs").exit_code == 0
    assert names(checkout / "db/ours") == ["10_b.sql", "1_a.sql"]


# Where theirs are


def convert(checkout: Path, theirs: str = "theirs", tool: Tool = Tool.GOLANG_MIGRATE) -> list[str]:
    convert_files(checkout, theirs, tool, folder=MIGRATIONS, order=VersionOrder.AUTO, dry_run=False)
    return names(checkout / "migrations")


def refusal(checkout: Path, theirs: str = "theirs") -> str:
    with pytest.raises(InputError) as caught:
        convert(checkout, theirs)
    return str(caught.value)


def test_a_folder_elsewhere_is_read_too(checkout: Path) -> None:
    elsewhere = checkout.parent / "elsewhere"
    write(elsewhere, {"1_a.up.sql": "SELECT 1;"})
    assert convert(checkout, "../elsewhere") == ["01_a.sql"]


def test_one_file_is_read_alone(checkout: Path) -> None:
    write(checkout / "theirs", {"1_a.up.sql": "SELECT 1;", "2_b.up.sql": "SELECT 1;"})
    assert convert(checkout, "theirs/2_b.up.sql") == ["02_b.sql"]


def test_hidden_files_are_not_looked_at(checkout: Path) -> None:
    write(checkout / "theirs", {"1_a.up.sql": "SELECT 1;"})
    (checkout / "theirs/.2_b.up.sql").write_bytes(b"\xff")
    assert convert(checkout) == ["01_a.sql"]


def test_the_folder_that_is_read_is_not_written(checkout: Path) -> None:
    write(checkout / "migrations", {"1_a.up.sql": "SELECT 1;"})
    assert "cannot be read and written at once" in refusal(checkout, "./migrations/")


@pytest.mark.parametrize("theirs", ["nowhere", "theirs/nothing.sql"])
def test_a_folder_that_is_not_there_is_told(theirs: str, checkout: Path) -> None:
    assert refusal(checkout, theirs) == f"{theirs}: there is no such folder"


def test_a_folder_that_cannot_be_looked_into_is_told(checkout: Path) -> None:
    name = "a" * 256
    assert refusal(checkout, name) == f"{name}: the folder cannot be read: File name too long"


@pytest.mark.parametrize("name", ["1_a\nDROP TABLE t;--.up.sql", "1_a\rDROP TABLE t;--.up.sql"])
def test_the_name_of_a_file_cannot_become_sql(name: str, checkout: Path) -> None:
    write(checkout / "theirs", {name: "SELECT 1;", "2_b.up.sql": "SELECT 1;"})
    assert (
        refusal(checkout) == f"theirs/{name}: the name of this file has a line break or another control character in it"
    )
    assert names(checkout) == ["theirs"]


def test_the_name_of_what_is_not_read_may_be_any(checkout: Path) -> None:
    write(checkout / "theirs", {"Icon\r": "", "1_a.up.sql": "SELECT 1;"})  # as macOS calls the picture of a folder
    assert convert(checkout) == ["01_a.sql"]


def test_files_that_cannot_be_read_are_told_all_at_once(checkout: Path) -> None:
    (checkout / "theirs/1_a.up.sql").write_bytes(b"SELECT 1;\n\xff")
    (checkout / "theirs/2_b.up.sql").symlink_to("nowhere")
    assert refusal(checkout) == (
        "theirs/1_a.up.sql:2: the file is not UTF-8 (byte 11 is 0xff)\n"
        "theirs/2_b.up.sql: the file cannot be read: No such file or directory"
    )


# All or nothing


def golang_migrate(*names: str) -> Sequence[Ours]:
    """What such files become."""
    sources = {name: SourceFile(path=PurePosixPath(name), data=b"SELECT 1;") for name in names}
    theirs = Folder(path=PurePosixPath("theirs"), names=names, sources=sources)
    return convert_all(Tool.GOLANG_MIGRATE, theirs, MIGRATIONS, order=VersionOrder.AUTO, existing=()).files


def test_a_folder_with_other_migrations_gets_more(checkout: Path) -> None:
    write(checkout / "migrations", {"01_first.sql": "SELECT 1;"})
    write(checkout / "theirs", {"2_b.up.sql": "SELECT 1;"})
    assert convert(checkout) == ["01_first.sql", "02_b.sql"]


@pytest.mark.parametrize("existing", ["01_x.sql", "01_a.check.sql", "1_a.up.sql"])
def test_what_is_there_is_left_alone(existing: str, checkout: Path) -> None:
    (checkout / "migrations").mkdir()
    (checkout / "migrations" / existing).write_text("-- mine\n")
    write(checkout / "theirs", {"1_a.up.sql": "SELECT 1;", "2_b.up.sql": "SELECT 1;"})
    assert f"migrations/{existing}: " in refusal(checkout)
    assert names(checkout / "migrations") == [existing]
    assert (checkout / "migrations" / existing).read_text() == "-- mine\n"


def test_a_file_that_cannot_be_written_leaves_none_behind(checkout: Path) -> None:
    first, second = golang_migrate("1_a.up.sql", "2_b.up.sql")
    second = replace(second, path=MIGRATIONS / f"02_{'b' * 255}.sql")
    with pytest.raises(InputError, match="the file cannot be written: File name too long"):
        write_all(checkout, MIGRATIONS, [first, second])
    assert names(checkout / "migrations") == []


def test_a_name_that_no_file_can_have_is_told_before_anything_is_written(checkout: Path) -> None:
    name = f"2_{'b' * 244}"  # with `.down.sql` as long as a name may be, and one digit less than ours
    write(checkout / "theirs", dict.fromkeys(("1_a.up.sql", f"{name}.up.sql", f"{name}.down.sql"), "SELECT 1;"))
    assert refusal(checkout) == (
        f"theirs/{name}.down.sql:1: the name of its file would have 256 bytes, and there can be 255"
    )
    assert names(checkout) == ["theirs"]


def test_a_file_that_has_come_meanwhile_is_left_alone_and_all_others_are_taken_back(checkout: Path) -> None:
    files = golang_migrate("1_a.up.sql", "2_b.up.sql")
    write(checkout / "migrations", {"02_b.sql": "-- mine\n"})
    with pytest.raises(InputError, match=r"migrations/02_b\.sql: the file cannot be written: File exists"):
        write_all(checkout, MIGRATIONS, files)
    assert names(checkout / "migrations") == ["02_b.sql"]
    assert (checkout / "migrations/02_b.sql").read_text() == "-- mine\n"


def test_a_folder_that_cannot_be_made_is_told(checkout: Path) -> None:
    write(checkout / "theirs", {"1_a.up.sql": "SELECT 1;"})
    (checkout / "migrations").write_text("a file")
    assert "the file cannot be written" in refusal(checkout)


# The database that they give


@pytest.fixture
def by_hand(servers: Callable[[int], EmbeddedServer]) -> Iterator[Database]:
    """A second database, for the other tool."""
    server = servers(NEWEST)
    server.create_database("by_hand")
    yield Database(server, "by_hand")
    with connect(server.url(), application_name="a test") as connection:
        connection.execute(b"DROP DATABASE by_hand WITH (FORCE)")


def psql(database: Database, texts: Iterable[str]) -> None:
    """Each text in a session of its own, up to the first error."""
    for text in texts:
        done = subprocess.run(
            [database.server.programs / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", database.url.value],
            input=text,
            text=True,
            capture_output=True,
        )
        assert done.returncode == 0, done.stderr


def content(database: Database) -> str:
    """Schema and rows, without the ledger and the tables of the tools."""
    left_out = [part for table in ITS_OWN for part in ("-T", table)]
    done = subprocess.run(
        [database.server.programs / "pg_dump", "-N", "ledger", *left_out, "-d", database.url.value],
        capture_output=True,
        text=True,
        check=True,
    )
    return re.sub(r"(?m)^\\(?:un)?restrict .*$", "", done.stdout)


def texts(tool: Tool, *paths: str) -> list[str]:
    return [(CORPUS / tool / "theirs" / path).read_text() for path in paths]


def forward(tool: Tool, *paths: str) -> list[str]:
    """What stands above the mark of the way back."""
    ends = re.compile(r"(?im)^-- ?(?:\+goose |migrate:)?down\b.*")
    return [ends.split(text)[0] for text in texts(tool, *paths)]


BY_HAND: Mapping[Tool, list[str]] = {
    Tool.ALEMBIC: texts(Tool.ALEMBIC, "upgrade.sql"),
    Tool.FLYWAY: texts(
        Tool.FLYWAY,
        "V1__create_users.sql",
        "V1.1__add_status.sql",
        "V1_2__index_email.sql",
        "v2/V1.10__template.sql",
        "R__new_users.sql",
    ),
    Tool.GOLANG_MIGRATE: texts(Tool.GOLANG_MIGRATE, "1_create_users.up.sql", "2_seed.up.sql", "10_index_email.up.sql"),
    Tool.GOOSE: [
        re.sub("(?i)-- \\+goose statementend", ";", text)
        for text in forward(Tool.GOOSE, "00001_create_users.sql", "00002_touch.sql", "00003_index_email.sql")
    ],
    Tool.GRAPHILE_MIGRATE: texts(Tool.GRAPHILE_MIGRATE, "committed/000001-create-users.sql", "committed/000002.sql"),
    Tool.LIQUIBASE: [
        re.sub("(?s)--ignoreLines:start.*?--ignoreLines:end", "", text).partition("--changeset ada:oracle")[0]
        for text in texts(Tool.LIQUIBASE, "changelog.sql")
    ],
    Tool.NODE_PG_MIGRATE: forward(
        Tool.NODE_PG_MIGRATE,
        "1700000000000_create-users.sql",
        "1700000100000_seed.sql",
        "1700000200000_index-email.up.sql",
    ),
    Tool.PRISMA: texts(Tool.PRISMA, "0_init/migration.sql", "20240102120000_index_email/migration.sql"),
    Tool.RAILS: [re.sub(r"(?m)^\\.*$", "", text) for text in texts(Tool.RAILS, "structure.sql")],
    Tool.SUPABASE: texts(Tool.SUPABASE, "20240101120000_create_users.sql", "20240102120000_index_email.sql"),
}


def migrate_converted(db_migrate: CommandLine, tool: Tool) -> None:
    """Convert the folder of a tool, and apply what it becomes."""
    theirs = CORPUS / tool / ("theirs" if tool is not Tool.RAILS else "theirs/structure.sql")
    convert_files(db_migrate.checkout, str(theirs), tool, folder=MIGRATIONS, order=VersionOrder.AUTO, dry_run=False)
    ran = db_migrate("--tracking-schema", "ledger", "--lint", "off")
    assert ran.exit_code == 0, ran.log


def ways_back(db_migrate: CommandLine) -> list[str]:
    """The down files, the last one first."""
    return [path.read_text() for path in sorted(db_migrate.checkout.glob("migrations/*.down.sql"), reverse=True)]


@ON_NEWEST
@pytest.mark.parametrize("tool", BY_HAND)
def test_the_new_files_give_the_database_that_theirs_give(
    tool: Tool, db_migrate: CommandLine, by_hand: Database
) -> None:
    psql(by_hand, BY_HAND[tool])
    migrate_converted(db_migrate, tool)
    assert content(db_migrate.database) == content(by_hand)
    psql(db_migrate.database, ways_back(db_migrate))


@ON_NEWEST
def test_the_new_files_give_the_database_that_dbmate_gives_and_back(db_migrate: CommandLine, by_hand: Database) -> None:
    place = f"postgres://postgres@/{by_hand.name}?socket={by_hand.server.folder}&sslmode=disable"
    program = [str(DBMATE), "--url", place, "--migrations-dir", str(CORPUS / "dbmate/theirs"), "--no-dump-schema"]
    subprocess.run([*program, "up"], check=True, capture_output=True)
    migrate_converted(db_migrate, Tool.DBMATE)
    assert content(db_migrate.database) == content(by_hand)
    back = ways_back(db_migrate)
    for _ in range(len(back) + 1):  # it takes back the one without a way back as well
        subprocess.run([*program, "down"], check=True, capture_output=True)
    psql(db_migrate.database, back)
    assert content(db_migrate.database) == content(by_hand)

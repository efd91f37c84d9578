"""The files of a checkout: migrations, or everything that is wrong with them."""

import os
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

from runner.core.checksum import checksum
from runner.core.model import MigrationFile
from runner.core.naming import VersionOrder
from runner.errors import Finding, InputError, Level
from runner.workspace import AT_ONCE, discover, smoke_files

FOLDER = PurePosixPath("migrations")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of the migrations, in a checkout with room around it."""
    place = tmp_path / "checkout" / "migrations"
    place.mkdir(parents=True)
    return place


def write(folder: Path, **files: str | bytes) -> None:
    """Write `_01_users="CREATE …"` as `01_users.sql`; `__` is a dot."""
    for name, content in files.items():
        data = content.encode() if isinstance(content, str) else content
        (folder / (name.removeprefix("_").replace("__", ".") + ".sql")).write_bytes(data)


def found(folder: Path, order: VersionOrder = VersionOrder.AUTO) -> list[MigrationFile]:
    migrations, warnings = discover(folder.parent, FOLDER, order)
    assert warnings == []
    return migrations


def refusals(checkout: Path, path: str = "migrations") -> tuple[Finding, ...]:
    with pytest.raises(InputError) as caught:
        discover(checkout, PurePosixPath(path), VersionOrder.AUTO)
    return caught.value.findings


def refusal(folder: Path) -> Finding:
    (finding,) = refusals(folder.parent)
    return finding


def test_finds_migrations_with_their_down_and_check_files_in_order(folder: Path) -> None:
    write(folder, _02_b="SELECT 2;", _01_a="SELECT 1;", _01_a__down="SELECT -1;", _01_a__check="SELECT true;")
    first, second = found(folder)
    assert (first.version, first.name, str(first.path)) == ("01", "a", "migrations/01_a.sql")
    assert (first.up.text, first.checksum) == ("SELECT 1;", checksum(b"SELECT 1;"))
    assert first.down is not None
    assert first.check is not None
    assert (first.down.text, first.check.text) == ("SELECT -1;", "SELECT true;")
    assert str(first.check.path) == "migrations/01_a.check.sql"
    assert (second.version, second.down, second.check) == ("02", None, None)


def test_follows_the_order_that_was_chosen(folder: Path) -> None:
    write(folder, _9_a="", _10_b="")
    assert [file.version for file in found(folder, VersionOrder.NUMERIC)] == ["9", "10"]
    assert [file.version for file in found(folder, VersionOrder.TEXT)] == ["10", "9"]


def test_byte_order_mark_and_windows_line_ends_make_no_difference(folder: Path) -> None:
    write(folder, _01_a=b"SELECT 1;\nSELECT 2;\n", _02_b=b"\xef\xbb\xbfSELECT 1;\r\nSELECT 2;\r\n")
    unix, windows = found(folder)
    assert windows.up.data == b"SELECT 1;\nSELECT 2;\n"
    assert windows.checksum == unix.checksum


def test_a_change_of_a_down_or_check_file_is_no_change_of_the_migration(folder: Path) -> None:
    write(folder, _01_a="", _01_a__check="SELECT true", _02_b="")
    assert found(folder)[0].checksum == found(folder)[1].checksum


@pytest.mark.parametrize("name", ["README.md", "01_a.sql.bak", ".hidden.sql", "sql", "01_a.txt", "seed.psql"])
def test_ignores_other_files(folder: Path, name: str) -> None:
    write(folder, _01_a="")
    (folder / name).write_text("not a migration")
    assert len(found(folder)) == 1


def test_ignores_folders_and_what_is_in_them(folder: Path) -> None:
    write(folder, _01_a="")
    (folder / "old").mkdir()
    write(folder / "old", _02_b="", nonsense="")
    assert len(found(folder)) == 1


def test_warns_of_a_gap(folder: Path) -> None:
    write(folder, _01_a="", _03_b="")
    _, (warning,) = discover(folder.parent, FOLDER, VersionOrder.AUTO)
    assert (warning.message, warning.level) == ("the numbering has gaps: 2", Level.WARNING)


@pytest.mark.parametrize("path", ["db/migrate", "./db/migrate", "db/../db/migrate/", "db//migrate"])
def test_finds_a_folder_however_its_path_is_written(tmp_path: Path, path: str) -> None:
    (tmp_path / "db" / "migrate").mkdir(parents=True)
    write(tmp_path / "db" / "migrate", _01_a="")
    migrations, _ = discover(tmp_path, PurePosixPath(path), VersionOrder.AUTO)
    assert [str(file.path) for file in migrations] == ["db/migrate/01_a.sql"]


def test_the_checkout_itself_may_be_the_folder(folder: Path) -> None:
    write(folder, _01_a="")
    migrations, _ = discover(folder, PurePosixPath("."), VersionOrder.AUTO)
    assert [str(file.path) for file in migrations] == ["01_a.sql"]


def test_an_absolute_path_inside_the_checkout_is_shown_relative(folder: Path) -> None:
    write(folder, _01_a="")
    migrations, _ = discover(folder.parent, PurePosixPath(folder), VersionOrder.AUTO)
    assert [str(file.path) for file in migrations] == ["migrations/01_a.sql"]


def test_a_folder_outside_of_the_checkout_is_read_and_shown_as_it_is(tmp_path: Path, folder: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    write(elsewhere, _01_a="SELECT 1;")
    migrations, _ = discover(folder.parent, PurePosixPath(elsewhere), VersionOrder.AUTO)
    assert [str(file.path) for file in migrations] == [f"{elsewhere}/01_a.sql"]


# Refused


def test_refuses_a_folder_that_is_not_there(tmp_path: Path) -> None:
    (finding,) = refusals(tmp_path)
    assert str(finding) == "migrations: migrations-path: there is no such folder in the checkout"
    assert finding.hint == "check out the repository first (actions/checkout), or correct `migrations-path`"


def test_refuses_a_folder_with_a_name_that_no_folder_can_have(tmp_path: Path) -> None:
    (finding,) = refusals(tmp_path, "x" * 300)
    assert finding.message.startswith("migrations-path: ")


@pytest.mark.parametrize("make", [Path.mkdir, lambda _: None], ids=["empty", "missing"])
def test_where_no_migrations_are_needed_none_is_found(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "migrations")
    assert discover(tmp_path, PurePosixPath("migrations"), VersionOrder.AUTO, needed=False) == ([], [])


def test_refuses_a_file_for_a_folder(tmp_path: Path) -> None:
    (tmp_path / "migrations").write_text("")
    (finding,) = refusals(tmp_path)
    assert finding.message == "migrations-path: it is not a folder"


@pytest.mark.parametrize("other", [None, "README.md", "01_a.txt"], ids=["empty", "a-page", "a-text"])
def test_refuses_a_folder_without_migrations(folder: Path, other: str | None) -> None:
    if other:
        (folder / other).write_text("")
    finding = refusal(folder)
    assert str(finding) == "migrations: migrations-path: there is no migration in this folder"
    assert "02_add_status.sql" in finding.hint


def test_refuses_every_wrong_name_and_says_how_a_right_one_looks(folder: Path) -> None:
    write(folder, _01_a="", init="", _02="")
    (folder / "03_b.SQL").write_text("")
    assert [str(finding) for finding in refusals(folder.parent)] == [
        "migrations/02.sql: this name is not that of a migration",
        "migrations/03_b.SQL: this name is not that of a migration",
        "migrations/init.sql: this name is not that of a migration",
    ]


def test_refuses_two_files_with_one_version(folder: Path) -> None:
    write(folder, _01_a="", _01_b="")
    assert str(refusal(folder)) == "migrations/01_b.sql: version 01 is also that of 01_a.sql"


def test_refuses_nine_beside_ten(folder: Path) -> None:
    write(folder, _9_a="", _10_b="")
    assert refusal(folder).path == FOLDER / "9_a.sql"


@pytest.mark.parametrize("kind", ["down", "check"])
def test_refuses_a_file_that_belongs_to_no_migration(folder: Path, kind: str) -> None:
    write(folder, _01_a="", **{f"_01_b__{kind}": ""})
    finding = refusal(folder)
    assert str(finding) == f"migrations/01_b.{kind}.sql: there is no 01_b.sql that this file belongs to"


@pytest.mark.parametrize(
    ("data", "message", "line"),
    [
        pytest.param(b"\xff", "the file is not UTF-8 (byte 1 is 0xff)", 1, id="first-byte"),
        pytest.param(b"-- a\n-- b\nSELECT '\xe4';\n", "the file is not UTF-8 (byte 19 is 0xe4)", 3, id="latin-1"),
        pytest.param("SELECT 1;".encode("utf-16"), "the file is not UTF-8 (byte 1 is 0xff)", 1, id="utf-16"),
        pytest.param(b"SELECT '\xc3", "the file is not UTF-8 (byte 9 is 0xc3)", 1, id="cut-off"),
        pytest.param(b"-- \xc3\xa9\r\n\xed\xa0\x80", "the file is not UTF-8 (byte 8 is 0xed)", 2, id="surrogate"),
    ],
)
def test_refuses_a_file_that_is_not_utf_8_at_its_line(folder: Path, data: bytes, message: str, line: int) -> None:
    write(folder, _01_a=data)
    finding = refusal(folder)
    assert (finding.message, finding.line, finding.hint) == (message, line, "save it as UTF-8")


@pytest.mark.parametrize("behind", range(-4, 2))
def test_finds_what_is_not_utf_8_in_a_large_file(folder: Path, behind: int) -> None:
    before = b"-- " + b"x" * (AT_ONCE + behind - 4) + b"\n"
    write(folder, _01_a=before + "ü€😀".encode() * 3 + b"\xe2\x82")
    finding = refusal(folder)
    wrong = len(before) + len("ü€😀".encode()) * 3
    assert (finding.message, finding.line) == (f"the file is not UTF-8 (byte {wrong + 1} is 0xe2)", 2)


@pytest.mark.parametrize("behind", range(-4, 2))
def test_characters_on_the_border_of_two_pieces_are_characters(folder: Path, behind: int) -> None:
    text = "-- " + "x" * (AT_ONCE + behind - 4) + "\n" + "ü€😀" * 3
    write(folder, _01_a=text)
    assert found(folder)[0].up.text == text


def test_refuses_a_nul_byte_at_its_line(folder: Path) -> None:
    write(folder, _01_a="-- é\nSELECT 1;\nSELECT '\0';")
    finding = refusal(folder)
    assert str(finding) == "migrations/01_a.sql:3: the file contains a NUL byte, which PostgreSQL does not take"


@pytest.mark.parametrize("kind", ["down", "check"])
def test_reads_down_and_check_files_as_strictly(folder: Path, kind: str) -> None:
    write(folder, _01_a="", **{f"_01_a__{kind}": b"\xff"})
    assert refusal(folder).path == FOLDER / f"01_a.{kind}.sql"


def test_tells_everything_that_is_wrong_with_a_folder(folder: Path) -> None:
    write(folder, init="", _01_a="", _01_b="", _02_c__down="", _03_d=b"\xff")
    assert sorted(finding.path.name for finding in refusals(folder.parent) if finding.path) == [
        "01_b.sql",
        "02_c.down.sql",
        "03_d.sql",
        "init.sql",
    ]


# Symbolic links


def test_follows_a_link_that_stays_in_the_checkout(folder: Path) -> None:
    (folder.parent / "shared.sql").write_text("SELECT 1;")
    (folder / "01_a.sql").symlink_to("../shared.sql")
    (migration,) = found(folder)
    assert (migration.up.text, str(migration.path)) == ("SELECT 1;", "migrations/01_a.sql")


def test_follows_a_folder_that_is_a_link_inside_the_checkout(folder: Path) -> None:
    write(folder, _01_a="")
    (folder.parent / "link").symlink_to("migrations")
    migrations, _ = discover(folder.parent, PurePosixPath("link"), VersionOrder.AUTO)
    assert [str(file.path) for file in migrations] == ["link/01_a.sql"]


@pytest.mark.parametrize("absolute", [True, False], ids=["absolute", "relative"])
def test_refuses_a_link_that_leads_out_of_the_checkout(tmp_path: Path, folder: Path, absolute: bool) -> None:
    secret = tmp_path / "secret.sql"
    secret.write_text("SELECT 'secret';")
    (folder / "01_a.sql").symlink_to(secret if absolute else "../../secret.sql")
    finding = refusal(folder)
    assert str(finding) == "migrations/01_a.sql: this link leads out of the checkout"
    assert finding.hint == "put the file itself here"


def test_refuses_a_folder_that_is_a_link_out_of_the_checkout(tmp_path: Path, folder: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    write(elsewhere, _01_a="")
    (folder.parent / "link").symlink_to(elsewhere)
    (finding,) = refusals(folder.parent, "link")
    assert finding.message == "this link leads out of the checkout"


def test_a_checkout_that_is_itself_behind_a_link_is_no_way_out(tmp_path: Path, folder: Path) -> None:
    write(folder, _01_a="")
    (tmp_path / "link").symlink_to(folder.parent)
    migrations, _ = discover(tmp_path / "link", FOLDER, VersionOrder.AUTO)
    assert len(migrations) == 1


def test_refuses_a_link_that_leads_nowhere(folder: Path) -> None:
    (folder / "01_a.sql").symlink_to("gone.sql")
    assert str(refusal(folder)) == "migrations/01_a.sql: the file cannot be read: No such file or directory"


def test_refuses_a_link_to_itself(folder: Path) -> None:
    (folder / "01_a.sql").symlink_to("01_a.sql")
    assert refusal(folder).path == FOLDER / "01_a.sql"


def test_refuses_a_folder_with_the_name_of_a_migration(folder: Path) -> None:
    (folder / "01_a.sql").mkdir()
    assert refusal(folder).message == "the file cannot be read: Is a directory"


def test_refuses_a_name_that_is_not_utf_8_and_shows_what_can_be_shown(folder: Path) -> None:
    Path(os.fsdecode(os.fsencode(folder) + b"/01_\xff.sql")).write_text("")
    assert str(refusal(folder)) == "migrations/01_\ufffd.sql: the name of this file is not UTF-8"


# Smoke tests


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with room around it."""
    place = tmp_path / "checkout"
    place.mkdir()
    return place


def put(checkout: Path, *paths: str, content: bytes = b"SELECT true;") -> None:
    for path in paths:
        (checkout / path).parent.mkdir(parents=True, exist_ok=True)
        (checkout / path).write_bytes(content)


def smoke(checkout: Path, pattern: str) -> list[str]:
    return [str(file.path) for file in smoke_files(checkout, pattern)]


def smoke_refusals(checkout: Path, pattern: str) -> list[Finding]:
    with pytest.raises(InputError) as caught:
        smoke_files(checkout, pattern)
    return list(caught.value.findings)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("smoke-tests/*.sql", ["smoke-tests/a.sql", "smoke-tests/b.smoke.sql"]),
        ("smoke-tests/a.sql", ["smoke-tests/a.sql"]),
        ("./smoke-tests/[a-z].sql", ["smoke-tests/a.sql"]),
        ("**/*.smoke.sql", ["app/db/c.smoke.sql", "smoke-tests/b.smoke.sql", "top.smoke.sql"]),
        ("app/**/*.sql", ["app/db/c.smoke.sql"]),
        ("*.sql", ["top.smoke.sql"]),
        (".hidden/*.sql", [".hidden/d.smoke.sql"]),
    ],
)
def test_finds_smoke_tests_by_a_pattern_in_the_order_of_their_paths(
    checkout: Path, pattern: str, expected: list[str]
) -> None:
    put(checkout, "smoke-tests/b.smoke.sql", "smoke-tests/a.sql", "smoke-tests/README.md", "app/db/c.smoke.sql")
    put(checkout, "top.smoke.sql", ".hidden/d.smoke.sql", "app/.git/e.smoke.sql", "smoke-tests/.f.sql")
    assert smoke(checkout, pattern) == expected


def test_smoke_tests_are_read_as_migrations_are(checkout: Path) -> None:
    put(checkout, "smoke-tests/a.sql", content=b"\xef\xbb\xbfSELECT true;\r\nSELECT true;\r\n")
    [source] = smoke_files(checkout, "smoke-tests/*.sql")
    assert source.data == b"SELECT true;\nSELECT true;\n"


def test_a_pattern_that_matches_nothing_names_the_input(checkout: Path) -> None:
    [finding] = smoke_refusals(checkout, "smoke-tests/*.sql")
    assert finding.message == "smoke-tests: no file of the checkout matches `smoke-tests/*.sql`"


@pytest.mark.parametrize("pattern", ["/etc/*.sql", ""])
def test_what_is_no_pattern_names_the_input(checkout: Path, pattern: str) -> None:
    [finding] = smoke_refusals(checkout, pattern)
    assert finding.message.startswith(f"smoke-tests: `{pattern}` is no pattern of files: ")


def test_a_pattern_does_not_lead_out_of_the_checkout(checkout: Path) -> None:
    put(checkout.parent, "a.sql")
    [finding] = smoke_refusals(checkout, "../*.sql")
    assert finding.message == "smoke-tests: `../*.sql` is no pattern of files: it leads out of the checkout"


def test_all_that_is_wrong_with_smoke_tests_is_told_at_once(checkout: Path) -> None:
    put(checkout.parent, "elsewhere/secret.sql")
    put(checkout, "smoke-tests/a.sql", content=b"SELECT true;\nSELECT '\xe4';")
    put(checkout, "smoke-tests/b.sql", content=b"SELECT\0")
    (checkout / "smoke-tests" / "c.sql").symlink_to(checkout.parent / "elsewhere" / "secret.sql")
    (checkout / "smoke-tests" / "d.sql").symlink_to("nowhere")
    (checkout / "smoke-tests" / "e.sql").mkdir()
    assert [str(finding) for finding in smoke_refusals(checkout, "smoke-tests/*.sql")] == [
        "smoke-tests/a.sql:2: the file is not UTF-8 (byte 22 is 0xe4)",
        "smoke-tests/b.sql:1: the file contains a NUL byte, which PostgreSQL does not take",
        "smoke-tests/c.sql: this link leads out of the checkout",
        "smoke-tests/d.sql: the file cannot be read: No such file or directory",
        "smoke-tests/e.sql: the file cannot be read: Is a directory",
    ]


def test_a_folder_that_is_a_link_does_not_lead_out_either(checkout: Path) -> None:
    put(checkout.parent, "elsewhere/a.sql")
    (checkout / "smoke-tests").symlink_to(checkout.parent / "elsewhere")
    [finding] = smoke_refusals(checkout, "smoke-tests/*.sql")
    assert str(finding) == "smoke-tests/a.sql: this link leads out of the checkout"


def test_a_link_inside_of_the_checkout_is_followed(checkout: Path) -> None:
    put(checkout, "kept/a.sql")
    (checkout / "smoke-tests").symlink_to("kept")
    assert smoke(checkout, "smoke-tests/*.sql") == ["smoke-tests/a.sql"]


def test_a_smoke_test_whose_name_is_not_utf8_is_refused(checkout: Path) -> None:
    put(checkout, "smoke-tests/a.sql")
    (checkout / "smoke-tests" / os.fsdecode(b"\xe4.sql")).write_text("")
    [finding] = smoke_refusals(checkout, "smoke-tests/*.sql")
    assert finding.message == "the name of this file is not UTF-8"

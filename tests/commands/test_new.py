"""`db-migrate new`: the next files of a folder, ready to be filled in."""

from pathlib import Path, PurePosixPath

import pytest

from runner.commands.new import _write as write_all
from runner.commands.new import new_migration
from runner.core.naming import VersionOrder
from runner.errors import InputError
from runner.workspace import discover
from tests.builders import NOON

FOLDER = PurePosixPath("db/migrations")


def new(checkout: Path, title: str = "add user roles", *, down: bool = False, check: bool = False,
        order: VersionOrder = VersionOrder.AUTO) -> list[str]:  # fmt: skip
    paths = new_migration(checkout, FOLDER, title, order=order, down=down, check=check, now=NOON)
    assert all(path.parent == FOLDER for path in paths)
    return [path.name for path in paths]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / FOLDER
    folder.mkdir(parents=True)
    return folder


def having(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).write_text("SELECT 1;\n")
    return folder


def test_begins_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert new(tmp_path) == ["01_add_user_roles.sql"]
    assert (tmp_path / FOLDER / "01_add_user_roles.sql").is_file()


def test_begins_an_empty_folder(tmp_path: Path, folder: Path) -> None:
    having(folder, "README.md", ".hidden.sql")
    assert new(tmp_path) == ["01_add_user_roles.sql"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["01_a.sql", "02_b.sql", "02_b.down.sql"], "03_add_user_roles.sql"),
        (["01_a.sql", "02-b-c.sql"], "03-add_user_roles.sql"),
        (["0041_a.sql"], "0042_add_user_roles.sql"),
        (["20260131120000_a.sql"], "20261122120000_add_user_roles.sql"),
    ],
)
def test_follows_the_last_file(names: list[str], expected: str, tmp_path: Path, folder: Path) -> None:
    having(folder, *names)
    assert new(tmp_path) == [expected]


def test_writes_down_and_check_files_when_asked(tmp_path: Path) -> None:
    assert new(tmp_path, down=True, check=True) == [
        "01_add_user_roles.sql",
        "01_add_user_roles.down.sql",
        "01_add_user_roles.check.sql",
    ]


def test_what_it_writes_says_what_it_is_for(tmp_path: Path) -> None:
    up, down, check = (
        (tmp_path / FOLDER / name).read_text() for name in new(tmp_path, "  add user\n roles ", down=True, check=True)
    )
    assert up.startswith("-- Migration: Add user roles\n-- Purpose: \n")
    assert down.startswith('-- Migration: Undo "Add user roles"\n')
    assert "-- SELECT " in check
    assert "01_add_user_roles.sql" in down
    assert all(line.startswith("--") for line in (up + down + check).splitlines() if line)


def test_the_new_set_is_a_good_one(tmp_path: Path) -> None:
    for title in ("first", "second {braces} %s", "third"):
        new(tmp_path, title, down=True, check=True)
    files, warnings = discover(tmp_path, FOLDER, VersionOrder.AUTO)
    assert [file.version for file in files] == ["01", "02", "03"]
    assert all(file.down and file.check for file in files)
    assert warnings == []


def test_a_broken_set_is_reported_and_nothing_written(tmp_path: Path, folder: Path) -> None:
    having(folder, "01_a.sql", "01_b.sql", "seed.sql")
    with pytest.raises(InputError) as caught:
        new(tmp_path)
    assert len(caught.value.findings) == 2
    assert len(list(folder.iterdir())) == 3


def test_a_folder_that_is_a_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "db").mkdir()
    (tmp_path / FOLDER).write_text("")
    with pytest.raises(InputError, match="not a folder"):
        new(tmp_path)


def test_a_set_without_a_number_left_is_reported(tmp_path: Path, folder: Path) -> None:
    having(folder, "99_last.sql")
    with pytest.raises(InputError, match="last version of 2 digits"):
        new(tmp_path)
    assert new(tmp_path, order=VersionOrder.NUMERIC) == ["100_add_user_roles.sql"]


def test_a_title_without_a_letter_is_reported(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no letter"):
        new(tmp_path, "!?")
    assert not (tmp_path / FOLDER).exists()


def test_a_title_that_is_no_text_is_reported(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the title is not UTF-8"):
        new(tmp_path, "add \udcff roles", down=True)
    assert not (tmp_path / FOLDER).exists()


def test_whatever_goes_wrong_leaves_no_half_of_a_file(tmp_path: Path) -> None:
    first, second = FOLDER / "01_a.sql", FOLDER / "01_a.down.sql"
    with pytest.raises(UnicodeEncodeError):
        write_all(tmp_path, {first: "SELECT 1;", second: "\udcff"})
    assert list((tmp_path / FOLDER).iterdir()) == []


def test_what_is_there_is_never_overwritten(tmp_path: Path, folder: Path) -> None:
    """A name that leads nowhere yet is there, too; what was written beside it is taken back."""
    (folder / "01_add_user_roles.down.sql").symlink_to("nowhere")
    having(folder, "00_first.sql")
    with pytest.raises(InputError):
        new(tmp_path, down=True)
    assert sorted(place.name for place in folder.iterdir()) == ["00_first.sql", "01_add_user_roles.down.sql"]
    assert not (folder / "nowhere").exists()


def test_a_folder_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    (tmp_path / "db").write_text("a file")
    with pytest.raises(InputError):
        new(tmp_path)

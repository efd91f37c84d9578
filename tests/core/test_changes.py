"""What a pull request did to the folder, from three lists of its files."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.core.changes import (
    ASTRAY,
    Changes,
    Entry,
    EntryKind,
    Rename,
    Trees,
    astray,
    changes_of,
    expected,
    files_of,
    first_known,
    leads_nowhere,
)
from runner.errors import InputError
from tests.builders import STEADY

BEFORE = {"01_a.sql": "A", "01_a.down.sql": "a", "02_b.sql": "B"}


def trees(
    head: Mapping[str, str], *, base: Mapping[str, str] = BEFORE, merge_base: Mapping[str, str] = BEFORE
) -> Trees:
    return Trees(merge_base=merge_base, base=base, head=head)


def without(name: str, **others: str) -> dict[str, str]:
    return {known: content for known, content in BEFORE.items() if known != name} | others


@pytest.mark.parametrize(
    ("head", "changes"),
    [
        pytest.param(BEFORE, Changes(), id="nothing"),
        pytest.param(
            BEFORE | {"04_d.sql": "D", "03_c.sql": "C"},
            Changes(added=("03_c.sql", "04_d.sql"), touched=("03_c.sql", "04_d.sql")),
            id="added",
        ),
        pytest.param(
            BEFORE | {"02_b.sql": "other"}, Changes(changed=("02_b.sql",), touched=("02_b.sql",)), id="changed"
        ),
        pytest.param(without("02_b.sql"), Changes(deleted=("02_b.sql",)), id="deleted"),
        pytest.param(
            without("02_b.sql") | {"02_c.sql": "B"},
            Changes(renamed=(Rename("02_b.sql", "02_c.sql"),), touched=("02_c.sql",)),
            id="renamed",
        ),
        pytest.param(
            without("02_b.sql") | {"09_b.sql": "B"},
            Changes(renamed=(Rename("02_b.sql", "09_b.sql"),), touched=("09_b.sql",)),
            id="renumbered",
        ),
        pytest.param(
            without("02_b.sql") | {"002_new.sql": "other"},
            Changes(renamed=(Rename("02_b.sql", "002_new.sql"),), touched=("002_new.sql",)),
            id="renamed-and-changed",
        ),
        pytest.param(
            without("02_b.sql") | {"03_c.sql": "C"},
            Changes(added=("03_c.sql",), deleted=("02_b.sql",), touched=("03_c.sql",)),
            id="one-deleted-another-added",
        ),
        pytest.param(
            {"01_a.sql": "B", "02_b.sql": "A", "01_a.down.sql": "a"},
            Changes(changed=("01_a.sql", "02_b.sql"), touched=("01_a.sql", "02_b.sql")),
            id="contents-swapped",
        ),
        pytest.param(
            {"01_b.sql": "B", "02_a.sql": "A", "01_a.down.sql": "a"},
            Changes(
                renamed=(Rename("01_a.sql", "02_a.sql"), Rename("02_b.sql", "01_b.sql")),
                touched=("01_b.sql", "02_a.sql"),
            ),
            id="the-content-goes-before-the-version",
        ),
        pytest.param(
            BEFORE | {"01_a.down.sql": "other", "02_b.check.sql": "new"},
            Changes(touched=("01_a.down.sql", "02_b.check.sql")),
            id="down-and-check-files",
        ),
        pytest.param(without("01_a.down.sql"), Changes(), id="a-down-file-deleted"),
        pytest.param(BEFORE | {"README.md": "text"}, Changes(), id="other-files"),
        pytest.param(BEFORE | {"seed.sql": "S"}, Changes(touched=("seed.sql",)), id="a-name-of-no-migration"),
    ],
)
def test_tells_what_the_pull_request_did(head: Mapping[str, str], changes: Changes) -> None:
    assert changes_of(trees(head)) == changes


def test_a_name_that_had_to_be_mended_is_a_rename() -> None:
    before = {"01_a.up.sql": "A"}
    mended = changes_of(Trees(merge_base=before, base=before, head={"01_a.sql": "A"}))
    assert mended.renamed == (Rename("01_a.up.sql", "01_a.sql"),)
    assert mended.added == mended.deleted == ()


@pytest.mark.parametrize(
    ("base", "head"),
    [
        pytest.param(BEFORE | {"03_c.sql": "C"}, BEFORE, id="added-by-others"),
        pytest.param(without("02_b.sql"), BEFORE, id="deleted-by-others"),
        pytest.param(BEFORE | {"02_b.sql": "other"}, BEFORE, id="changed-by-others"),
        pytest.param(BEFORE | {"03_c.sql": "C"}, BEFORE | {"03_c.sql": "C"}, id="added-on-both-sides"),
        pytest.param(BEFORE | {"02_b.sql": "other"}, BEFORE | {"02_b.sql": "other"}, id="changed-on-both-sides"),
        pytest.param(without("02_b.sql"), without("02_b.sql"), id="deleted-on-both-sides"),
    ],
)
def test_what_the_base_branch_did_is_not_the_pull_request_s(base: Mapping[str, str], head: Mapping[str, str]) -> None:
    assert changes_of(trees(head, base=base)) == Changes()


def test_a_file_that_both_added_differently_is_added() -> None:
    both = trees(BEFORE | {"03_c.sql": "C"}, base=BEFORE | {"03_c.sql": "other"})
    assert changes_of(both).added == ("03_c.sql",)


FOLDERS = st.dictionaries(
    st.sampled_from([f"0{n}_{word}.sql" for n in range(1, 4) for word in "ab"]), st.sampled_from("XYZ")
)


@STEADY
@given(FOLDERS, FOLDERS)
def test_every_difference_is_told_once(before: dict[str, str], after: dict[str, str]) -> None:
    changes = changes_of(Trees(merge_base=before, base=before, head=after))
    renamed_from, renamed_to = [old for old, _ in changes.renamed], [new for _, new in changes.renamed]
    assert sorted([*changes.added, *renamed_to]) == sorted(after.keys() - before.keys())
    assert sorted([*changes.deleted, *renamed_from]) == sorted(before.keys() - after.keys())
    assert list(changes.changed) == sorted(n for n in before.keys() & after.keys() if before[n] != after[n])


EMPTY = Trees(merge_base={}, base={}, head={})


def test_git_is_read_before_anybody_is_asked() -> None:
    def never() -> Trees:
        raise AssertionError("GitHub was asked")

    assert first_known(lambda: EMPTY, never) is EMPTY


def test_github_is_asked_when_git_does_not_know() -> None:
    assert first_known(lambda: None, lambda: EMPTY) is EMPTY


def test_names_both_ways_out_when_nobody_can_be_asked() -> None:
    with pytest.raises(InputError, match="no history") as caught:
        first_known(lambda: None, None)
    for word in ("fetch-depth: 2", "github-token", "contents: read"):
        assert word in caught.value.findings[0].hint


@pytest.mark.parametrize(
    ("head", "base", "wanted"),
    [
        pytest.param(BEFORE, BEFORE, {}, id="nothing"),
        pytest.param(BEFORE | {"03_c.sql": "C"}, BEFORE, {"03_c.sql": "C"}, id="added"),
        pytest.param(BEFORE | {"02_b.sql": "X"}, BEFORE, {"02_b.sql": "X"}, id="changed"),
        pytest.param(without("01_a.down.sql"), BEFORE, {"01_a.down.sql": ""}, id="deleted"),
        pytest.param(
            BEFORE | {"02_b.sql": "X"}, BEFORE | {"02_b.sql": "Y"}, {"02_b.sql": ASTRAY}, id="changed-on-both-sides"
        ),
        pytest.param(BEFORE | {"02_b.sql": "X"}, without("02_b.sql"), {}, id="changed-here-and-renamed-there"),
        pytest.param(without("02_b.sql"), without("02_b.sql"), {}, id="deleted-on-both-sides"),
    ],
)
def test_tells_what_a_checkout_must_have(
    head: Mapping[str, str], base: Mapping[str, str], wanted: Mapping[str, str]
) -> None:
    both = trees(head, base=base)
    assert expected(both, changes_of(both)) == wanted


@pytest.mark.parametrize(
    ("wanted", "held", "lacking", "left"),
    [
        ({"a": "A"}, {"a": {"A", "other"}}, [], []),
        ({"b": "B", "a": "A"}, {}, ["a", "b"], []),
        ({"a": "A"}, {"a": {"other"}}, ["a"], []),
        ({"a": "A"}, {"a": set[str]()}, ["a"], []),
        ({"a": ASTRAY}, {"a": set[str]()}, [], []),
        ({"a": ASTRAY}, {}, ["a"], []),
        ({"a": ""}, {}, [], []),
        ({"a": ""}, {"a": set[str]()}, [], ["a"]),
    ],
)
def test_tells_a_checkout_of_something_else(
    wanted: Mapping[str, str], held: Mapping[str, set[str]], lacking: list[str], left: list[str]
) -> None:
    assert astray(wanted, held) == (lacking, left)


class Forest(NamedTuple):
    """Trees that link to each other in every way."""

    trees: Mapping[str, Mapping[str, Entry]]

    def entries(self, tree: str) -> Mapping[str, Entry]:
        return self.trees[tree]

    def target(self, link: str) -> str:
        return link


def test_links_that_never_end_lead_nowhere() -> None:
    links = ["a", "a/a", "../m/b", "b", "", "/", "x/../c", "s", "s/x", "f", "./../m/.//f", "../../m/f", "up"]
    folder = {f"{number:02}.sql": Entry(EntryKind.LINK, target) for number, target in enumerate(links)}
    folder |= {"a": Entry(EntryKind.LINK, "b"), "b": Entry(EntryKind.LINK, "a"), "f": Entry(EntryKind.FILE, "F")}
    folder |= {"s": Entry(EntryKind.SUBMODULE, "S"), "up": Entry(EntryKind.LINK, "..")}
    forest = Forest({"root": {"m": Entry(EntryKind.TREE, "m")}, "m": folder})
    files = files_of(forest, "root", [PurePosixPath("nowhere"), PurePosixPath("m/up/m")])
    assert {name for name, content in files.items() if content == "F"} == {"f", "09.sql", "10.sql"}
    assert all(leads_nowhere(content) for name, content in files.items() if name not in {"f", "09.sql", "10.sql"})
    assert "s" not in files

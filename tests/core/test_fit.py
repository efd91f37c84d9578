"""What gives way when a text is too long, and that what is left is still whole Markdown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.core.fit import fit, mark

TOKEN = "9f86d081"
LINT = "### Lint\n\n" + "| 1 | something |\n" * 100
TEXT = "".join(
    (
        "## Verdict\n\n",
        mark(TOKEN, 3, "lint findings") + "\n" + LINT,
        mark(TOKEN, 1, "migrations") + "\n### Migrations\n\n| 01 |\n",
        mark(TOKEN, 0, "") + "\n<sub>foot</sub>\n",
    )
)
WHOLE = "## Verdict\n\n" + LINT + "### Migrations\n\n| 01 |\n<sub>foot</sub>\n"


def test_what_fits_is_left_alone_but_for_the_marks() -> None:
    assert fit(TEXT, TOKEN, len(WHOLE)) == WHOLE


def test_the_least_important_section_gives_way_and_is_named() -> None:
    fitted = fit(TEXT, TOKEN, 600)
    assert len(fitted) <= 600
    assert fitted.startswith("## Verdict\n\n### Lint\n")
    assert fitted.endswith(
        "### Migrations\n\n| 01 |\n\n_Left out, as GitHub takes no more: lint findings._\n\n<sub>foot</sub>\n"
    )
    assert fitted.count("| 1 | something |\n") > 20


def test_a_section_without_room_for_a_line_is_gone() -> None:
    fitted = fit(TEXT, TOKEN, 160)
    assert "### Migrations" in fitted
    assert "something" not in fitted
    assert "lint findings" in fitted


def test_what_is_never_left_out_is_cut_where_there_is_nothing_else() -> None:
    fitted = fit("word\n" * 100, TOKEN, 200)
    assert fitted.startswith("word\n" * 20)
    assert fitted.endswith("_Left out, as GitHub takes no more: part of the text._\n\n")
    assert len(fitted) <= 200


@pytest.mark.parametrize(
    ("opened", "closed"),
    [
        pytest.param("```sql\n", "```\n", id="fence"),
        pytest.param("`````\n```\nx\n```\n", "`````\n", id="fence around others"),
        pytest.param("~~~\n", "~~~\n", id="tildes"),
        pytest.param("<details><summary>More</summary>\n\n", "\n</details>\n", id="fold"),
        pytest.param("<details>\n\n```diff\n", "```\n\n</details>\n", id="fence in a fold"),
        pytest.param("```\n<details>\n", "```\n", id="a fold's name in a fence"),
        pytest.param("```x`y\n", "", id="no fence"),
        pytest.param("```\nx\n```\n", "", id="a fence that was closed"),
    ],
)
def test_what_a_cut_leaves_open_is_closed(opened: str, closed: str) -> None:
    text = mark(TOKEN, 1, "it") + "\n" + opened + "- line\n" * 100
    before, _, behind = fit(text, TOKEN, 300).rpartition("- line\n")
    assert before.startswith(opened)
    assert behind == closed + "\n_Left out, as GitHub takes no more: it._\n\n"


def test_a_line_that_is_too_long_is_shortened() -> None:
    fitted = fit("What happened:\n\n" + "word " * 1000 + "\nmore\n", TOKEN, 400)
    assert fitted.startswith("What happened:\n\nword word ")
    assert " …\n\n_Left out" in fitted
    assert "\nmore" not in fitted
    assert 300 < len(fitted.encode()) <= 400


@pytest.mark.parametrize(
    "begun",
    [
        "### Lint\n\n",
        "### Lint\n\n**a file**\n\n| Line | Finding |\n",
        "| Line | Finding |\n|--:|---|\n",
        "It says:\n\n",
    ],
)
def test_nothing_is_left_that_only_begins(begun: str) -> None:
    text = "first\n" + mark(TOKEN, 1, "it") + "\nkept\n\n" + begun + "| " + "x" * 500 + " |\n"
    assert fit(text, TOKEN, 300).partition("\n_Left out")[0].rstrip() in {
        "first\nkept",
        "first\nkept\n\n### Lint\n\n**a file**",
    }


@pytest.mark.parametrize("line", ["`COMMENT IS '</details>'`\n", "| `</details>` |\n", "- <details\n"])
def test_the_name_of_a_fold_inside_of_a_line_is_none(line: str) -> None:
    text = mark(TOKEN, 1, "it") + "\n<details><summary>More</summary>\n\n" + line + "- line\n" * 100
    assert fit(text, TOKEN, 300).count("\n</details>\n") == 1


def test_what_stands_behind_a_cut_in_rank_may_still_fit() -> None:
    text = mark(TOKEN, 1, "large") + "\n" + "x" * 500 + "\n" + mark(TOKEN, 2, "small") + "\nfits\n"
    assert fit(text, TOKEN, 200) == "fits\n\n_Left out, as GitHub takes no more: large._\n\n"


def test_a_mark_with_another_token_is_text() -> None:
    text = mark("forged", 0, "x") + "\n"
    assert fit(text, TOKEN, 1000) == text


PIECES = st.sampled_from(["line\n", "```\n", "````sql\n", "<details>\n", "</details>\n", "ä🐘\n", "\n", "end"])


MARKS = st.integers(0, 9).map(lambda rank: mark(TOKEN, rank, "ä") + "\n")


@given(st.lists(st.one_of(PIECES, MARKS)), st.integers(0, 200))
def test_it_is_never_longer_than_the_room(pieces: list[str], room: int) -> None:
    assert len(fit("".join(pieces), TOKEN, room).encode()) <= max(room, 0)

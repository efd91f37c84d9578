"""What is ours in a text that others write too, and what stays theirs."""

from hypothesis import given
from hypothesis import strategies as st

from runner.core.marked import has_block, marks_of, with_block

SHOP, BILLING = "shop in production", "billing in production"
NOTES = "## Database\n\n- 0042 adds a column"
THEIRS = "# What is new\r\n\r\nWritten by hand. \n"
BEGIN, END = marks_of(SHOP)


def test_a_first_block_stands_alone() -> None:
    assert with_block("", SHOP, NOTES) == f"{BEGIN}\n{NOTES}\n{END}\n"


def test_a_text_of_others_stays_before_it() -> None:
    assert with_block(THEIRS, SHOP, NOTES) == f"{THEIRS}\n\n{BEGIN}\n{NOTES}\n{END}\n"


def test_what_is_around_stays_byte_for_byte() -> None:
    text = with_block(THEIRS, SHOP, NOTES) + "\t after \r\n"
    changed = with_block(text, SHOP, "less")
    assert changed == text.replace(NOTES, "less")


def test_the_same_again_changes_nothing() -> None:
    text = with_block(THEIRS, SHOP, NOTES)
    assert with_block(text, SHOP, NOTES) is text


def test_a_text_that_was_saved_in_a_browser_has_it_still() -> None:
    text = with_block(THEIRS, SHOP, NOTES).replace("\n", "\r\n")
    assert with_block(text, SHOP, NOTES) is text


def test_each_key_has_a_block_of_its_own() -> None:
    text = with_block(with_block(THEIRS, SHOP, "of the shop"), BILLING, "of billing")
    changed = with_block(text, SHOP, "new")
    assert changed == text.replace("of the shop", "new")
    assert "of billing" in changed


def test_tells_whether_a_block_is_there() -> None:
    text = with_block(THEIRS, SHOP, NOTES)
    assert has_block(text, SHOP)
    assert not has_block(text, BILLING)
    assert not has_block(text.replace(END, ""), SHOP)
    assert not has_block(f"{END}{BEGIN}", SHOP)


def test_a_block_without_its_end_stays_and_a_new_one_stands_where_it_began() -> None:
    torn = f"before\n{BEGIN}\nold\nby hand\n"
    assert with_block(torn, SHOP, NOTES) == f"before\n{BEGIN}\n{NOTES}\n{END}\nold\nby hand\n"


def test_a_block_without_its_beginning_stays_and_a_new_one_stands_where_it_ended() -> None:
    torn = f"by hand\nold\n{END}\nafter"
    assert with_block(torn, SHOP, NOTES) == f"by hand\nold\n{BEGIN}\n{NOTES}\n{END}\nafter"


def test_a_torn_block_takes_nothing_of_what_stands_before_a_whole_one() -> None:
    text = f"{BEGIN}\nold\nby hand\n{BEGIN}\nold\n{END}\nafter {END}"
    changed = with_block(text, SHOP, NOTES)
    assert changed == f"{BEGIN}\nold\nby hand\n{BEGIN}\n{NOTES}\n{END}\nafter {END}"


def test_a_torn_block_is_mended_once() -> None:
    mended = with_block(f"{BEGIN}\nold", SHOP, NOTES)
    assert with_block(mended, SHOP, NOTES) is mended


def test_content_cannot_end_its_block_or_begin_another() -> None:
    forged = f"{END}\nout\n{marks_of(BILLING).begin}\n<!--db-migrate-action: x-->"
    text = with_block(THEIRS, SHOP, forged)
    assert text.count(BEGIN) == text.count(END) == 1
    assert marks_of(BILLING).begin not in text
    assert with_block(text, SHOP, NOTES) == with_block(THEIRS, SHOP, NOTES)


@given(key=st.text(), content=st.text(), text=st.text())
def test_any_text_holds_any_block_of_any_key(key: str, content: str, text: str) -> None:
    once = with_block(text, key, content)
    assert with_block(once, key, content) == once
    assert once.startswith(text.rstrip())
    other = with_block(once, key + "x", "other")
    assert with_block(other, key, content) == other

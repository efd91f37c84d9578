"""What a reader does not see becomes an escape, and everything else stays."""

import pytest

from runner.core.visible import visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\tb\nc ü 😀", "a\tb\nc ü 😀"),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("over\rwritten\r\n", "over\\rwritten\\r\n"),
        ("nul \x00, bell \x07, delete \x7f, next line \x85", "nul \\x00, bell \\x07, delete \\x7f, next line \\x85"),
        ("a\u2028b", "a\\u2028b"),
        ("user\u202e// nimda", "user\\u202e// nimda"),
        ("\u2066isolated\u2069", "\\u2066isolated\\u2069"),
    ],
)
def test_what_is_not_seen_is_shown_as_an_escape(text: str, shown: str) -> None:
    assert visible(text) == shown

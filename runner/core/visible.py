"""What a reader does not see, or sees elsewhere than it stands, made visible."""

import re

# Control characters but for tab and line feed, other line breaks, and what turns the direction of text:
# https://www.unicode.org/reports/tr9/#Directional_Formatting_Characters
UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def visible(text: str) -> str:
    r"""The same text with such characters as escapes: `\x1b`, `\u202e`, and a carriage return as `\r`."""
    return UNSEEN.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    if found[0] == "\r":
        return "\\r"
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"

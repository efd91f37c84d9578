"""One text of many writers: our block stands between two hidden lines, and everything else stays as it is.

The lines are HTML comments, which GitHub does not show. Each key has its own: "shop in production" and "billing in
production" may both write into one text.
"""

import re
from hashlib import sha256
from typing import NamedTuple

NAME = "db-migrate-action"
OURS = re.compile(rf"<!--(?=\s*/?{NAME}:)")
INERT = "<!\u200b--"  # looks the same, and is no comment


class Marks(NamedTuple):
    """The lines before and after what belongs to a key."""

    begin: str
    end: str


def marks_of(key: str) -> Marks:
    """A key may be any text: nothing of it shows, and it cannot end the comment."""
    name = sha256(key.encode(errors="replace")).hexdigest()[:16]
    return Marks(f"<!-- {NAME}: {name} -->", f"<!-- /{NAME}: {name} -->")


def has_block(text: str, key: str) -> bool:
    """Whether both lines of the block are there, one behind the other."""
    return re.search(_whole(marks_of(key)), text, re.DOTALL) is not None


def with_block(text: str, key: str, content: str) -> str:
    """The text in which the block of `key` is `content`: in its place when it has one, else at the end.

    Of a block that has lost one of its lines nobody knows how far it went, so all of it stays, and the new one stands
    where the other line was. A text that has the block already is returned as it is.
    """
    marks = marks_of(key)
    block = f"{marks.begin}\n{OURS.sub(INERT, content).strip()}\n{marks.end}"
    for place in (_whole(marks), "|".join(map(re.escape, marks))):
        if found := re.search(place, text, re.DOTALL):
            return text if same_text(found[0], block) else text[: found.start()] + block + text[found.end() :]
    return f"{text}\n\n{block}\n" if text.strip() else f"{block}\n"


def _whole(marks: Marks) -> str:
    """Matches a block: what follows its last beginning, up to its end."""
    begin, end = map(re.escape, marks)
    return f"{begin}(?:(?!{begin}).)*?{end}"


def same_text(one: str, other: str) -> bool:
    """Whether they differ at most in line ends, which change when somebody edits a text in a browser."""
    return one.replace("\r\n", "\n") == other.replace("\r\n", "\n")

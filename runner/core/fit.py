"""Markdown that must not grow longer than GitHub takes it: the least important sections give way, and that is told."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

NOTE = "\n_Left out, as GitHub takes no more: {}._\n\n"
FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")
FOLD_BEGINS, FOLD_ENDS = re.compile(r"<details\b"), re.compile(r"</details>")  # at a line's beginning, as ours
ROW, BELOW_HEADINGS = re.compile(r"\|.*\|"), re.compile(r"\|[-:| ]+\|")  # of a table
SHORTENED = " …\n"
SPARE = 80  # bytes for what must be closed behind a line that was shortened
ALL = 0  # of the rank: what is never left out as long as anything is shown


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a text, from one mark to the next."""

    rank: int  # the higher it is, the sooner the section gives way
    name: str  # for the note: "lint findings"
    text: str

    @property
    def size(self) -> int:
        """In bytes of UTF-8."""
        return len(self.text.encode())


def mark(token: str, rank: int, name: str) -> str:
    """What a template prints where a section begins. `token` is one that no text of the template's can contain."""
    return f"<!-- {token} {rank} {name} -->"


def fit(markdown: str, token: str, room: int) -> str:
    """The text without its marks, in at most `room` bytes of UTF-8. A section that does not fit as a whole is cut at
    the end of a line, with every fence and fold in it closed; what comes behind it in rank is left out.
    """
    sections = list(_sections(markdown, token))
    if sum(section.size for section in sections) <= room:
        return "".join(section.text for section in sections)
    names = list(dict.fromkeys(section.name for section in sections if section.name))
    left = room - len(NOTE.format(", ".join(["part of the text", *names])).encode())
    kept: dict[int, Section] = {}
    missing: set[str] = set()
    for number, section in sorted(enumerate(sections), key=lambda numbered: (numbered[1].rank, numbered[0])):
        if section.size > left:
            missing.add(section.name)
            section = replace(section, text=_cut(section.text, left))  # noqa: PLW2901
        kept[number] = section
        left -= section.size
    told = [*(["part of the text"] if "" in missing else []), *(name for name in names if name in missing)]
    fitted = _noted([kept[number] for number in sorted(kept)], NOTE.format(", ".join(told)))
    return fitted.encode()[: max(room, 0)].decode(errors="ignore")  # where not even the note has room


def _sections(markdown: str, token: str) -> Iterator[Section]:
    """What stands before the first mark has the rank of what is never left out."""
    first, *others = re.split(rf"<!-- {re.escape(token)} (\d+) (.*?) -->\n?", markdown)
    yield Section(ALL, "", first)
    for rank, name, text in zip(others[::3], others[1::3], others[2::3], strict=True):
        yield Section(int(rank), name, text)


def _cut(text: str, room: int) -> str:
    """As many lines as there is room for, with what they open closed behind them. A line that alone is too long is
    shortened, unless it is a table's; of a table without a row, and of a heading without a word, nothing stays.
    """
    lines: list[str] = []
    used, fence, folds = 0, "", 0
    kept, closing = 0, ""
    for line in text.splitlines(keepends=True):
        if used + len(line.encode()) > room and not ROW.match(line):
            line = _shortened(line, room - used)  # noqa: PLW2901
        used += len(line.encode())
        if used > room:
            break
        lines.append(line)
        fence = _fence_behind(line, fence)
        if not fence:
            folds += bool(FOLD_BEGINS.match(line)) - bool(FOLD_ENDS.match(line))
        ends = (f"{fence}\n" if fence else "") + "\n</details>\n" * max(folds, 0)
        if used + len(ends.encode()) <= room:
            kept, closing = len(lines), ends
        if line.endswith(SHORTENED):
            break
    whole = lines[:kept]
    while whole and not closing and _promises(whole):
        whole.pop()
    return "".join(whole) + closing


def _shortened(line: str, room: int) -> str:
    """The beginning of a line, at least some words of it; else the line itself."""
    left = room - len(SHORTENED.encode()) - SPARE
    return line.encode()[:left].decode(errors="ignore") + SHORTENED if left >= SPARE else line


def _promises(lines: Sequence[str]) -> bool:
    """Whether the last line is only the beginning of something: a heading, a table's head, what announces a block."""
    last = lines[-1]
    if ROW.match(last):
        below = len(lines) < 2 or not ROW.match(lines[-2])
        return bool(BELOW_HEADINGS.fullmatch(last.strip())) or below
    return not last.strip() or last.startswith("#") or last.rstrip().endswith(":")


def _fence_behind(line: str, fence: str) -> str:
    """The fence that is open behind a line, when `fence` was open before it; empty for none."""
    found = FENCE.fullmatch(line.rstrip("\n"))
    if not found:
        return fence
    marks, words = found[1], found[2]
    if fence:
        return "" if marks.startswith(fence) and not words.strip() else fence
    return "" if marks[0] == "`" and "`" in words else marks


def _noted(sections: Sequence[Section], note: str) -> str:
    """With the note before the last section, which is the foot of the page when it is never left out."""
    body, foot = sections[:-1], sections[-1]
    if foot.rank != ALL or not body:
        body, foot = sections, Section(ALL, "", "")
    return "".join(section.text for section in body) + note + foot.text

"""The lines of a file around a place, for people."""

AROUND = 2  # lines before and after
WIDEST = 160  # characters of a line


def code_frame(data: bytes, line: int, column: int | None) -> str:
    """Up to five numbered lines, with a caret under the column. Lines and columns count from 1."""
    first = max(line - AROUND, 1)
    lines = _lines(data, first, line + AROUND)
    width = len(str(first + len(lines) - 1))
    shown = []
    for number, code in enumerate(lines, start=first):
        shown.append(f"{'>' if number == line else ' '} {number:>{width}} | {_cut(code)}".rstrip())
        if number == line and column is not None and column <= WIDEST:
            indent = "".join("\t" if character == "\t" else " " for character in code[: column - 1])
            shown.append(f"  {' ' * width} | {indent}^")
    return "\n".join(shown)


def _cut(code: str) -> str:
    return code if len(code) <= WIDEST else f"{code[:WIDEST]}…"


def _lines(data: bytes, first: int, last: int) -> list[str]:
    """These lines of a text, which may be too large to be cut into all of its lines."""
    start = 0
    for _ in range(first - 1):
        start = data.find(b"\n", start) + 1
        if not start:
            return []
    end = start
    for _ in range(last - first + 1):
        end = data.find(b"\n", end) + 1
        if not end:
            end = len(data)
            break
    return data[start:end].decode(errors="replace").rstrip("\n").split("\n")

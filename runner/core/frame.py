"""The lines of a file around a place, for people."""

AROUND = 2  # lines before and after
WIDEST = 160  # characters of a line


def code_frame(text: str, line: int, column: int | None) -> str:
    """Up to five numbered lines, with a caret under the column. Lines and columns count from 1."""
    lines = text.rstrip("\n").split("\n")
    first, last = max(line - AROUND, 1), min(line + AROUND, len(lines))
    width = len(str(last))
    shown = []
    for number in range(first, last + 1):
        code = lines[number - 1]
        shown.append(f"{'>' if number == line else ' '} {number:>{width}} | {code[:WIDEST]}".rstrip())
        if number == line and column is not None and column <= WIDEST:
            indent = "".join("\t" if character == "\t" else " " for character in code[: column - 1])
            shown.append(f"  {' ' * width} | {indent}^")
    return "\n".join(shown)

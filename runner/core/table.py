"""A table as plain text, as wide as its content."""

from runner.core.model import Table


def as_text(table: Table) -> str:
    """Columns separated by two blanks, headings underlined."""
    widths = [max(len(cell) for cell in column) for column in zip(table.headings, *table.rows, strict=True)]
    lines = [table.headings, ["─" * width for width in widths], *table.rows]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )

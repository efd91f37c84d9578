"""Bytes of a file → line and column, as an editor counts them: from 1, columns in characters."""

from runner.core.migration import Statement


class Places:
    """Line and column of ascending offsets of a text; every byte is looked at once."""

    def __init__(self, data: bytes) -> None:
        self._data, self._seen = data, 0
        self._line, self._column = 1, 1

    def of(self, offset: int) -> tuple[int, int]:
        """The place of a byte, which must not lie before the one asked for last."""
        passed = self._data[self._seen : offset]
        self._seen = offset
        if lines := passed.count(b"\n"):
            self._line += lines
            self._column = 1
            passed = passed[passed.rfind(b"\n") + 1 :]
        self._column += len(passed.decode(errors="replace"))
        return self._line, self._column


def locate(statement: Statement, position: int) -> tuple[int, int]:
    """The place in the file of a character of the statement, counted from 1 as the server's errors do."""
    before = statement.sql.decode()[: position - 1]
    lines = before.count("\n")
    column = len(before) - before.rfind("\n") if lines else statement.column + len(before)
    return statement.line + lines, column

"""squawk, the linter for migrations, on the real files of the checkout: its JSON → findings.

It is a program of its own (https://squawkhq.com/docs/cli), called with a list of arguments, never through a shell.
"""

import json
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from runner.core.lint import LARGEST, RULES, without_rules
from runner.errors import Finding, InputError, Level

if TYPE_CHECKING:
    from subprocess import CompletedProcess

DOCS = "https://squawkhq.com/docs/"
PAGES = {"prefer-timestamp-tz": "prefer-timestamptz", "unused-ignore": "cli"}  # pages not named like their rule
ALIASES = {"prefer-timestamptz": "prefer-timestamp-tz"}  # accepted for a name that the output has

SETTLED = frozenset(
    {
        "require-lock-timeout",  # the runner sets both timeouts, for each statement
        "require-statement-timeout",
        "require-timeout-settings",  # their former name
        "transaction-nesting",  # a BEGIN of the file's own is unwrapped, honoured or refused
        "ban-uncommitted-transaction",  # one without its end is refused
        "ban-concurrent-index-creation-in-transaction",  # such a file runs outside of a transaction by itself
        "prefer-robust-stmts",  # what failed is rolled back, or taken up where it stopped; asks for IF NOT EXISTS
    }
)
"""Rules about what the runner sees to. Filtered here, as `--exclude` would take the place of .squawk.toml's list."""

CONFIG = ".squawk.toml"
CONFIG_ERROR = re.compile(r"Configuration error: (.*?)(?: at line (\d+) column (\d+))?$")
TIMEOUT = 60  # seconds
MOST_ARGUMENTS = 64 * 1024  # bytes of file names in a call; Linux takes 2 MiB with the environment
MOST_DATA = 16 * LARGEST  # bytes of files in a call; it holds the syntax trees of all of them
ENVIRONMENT = {"SQUAWK_DISABLE_GITHUB_ANNOTATIONS": "1", "RUST_BACKTRACE": "0"}  # nothing of ours, secrets least of all
GLOB = re.compile(r"[*?\[\]]")
LINE_END = re.compile(rb"\r\n|\r|\n")  # as squawk counts lines
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
KEYS = frozenset({"file", "line", "column", "message", "help", "rule_name"})
UNKNOWN_NAME = "unknown name "
MOST_STDERR = 300  # characters


def squawk(
    checkout: Path,
    files: Sequence[PurePosixPath],
    *,
    pg_version: str | None,
    in_transaction: bool,
    exclude: Collection[str],
) -> list[Finding]:
    """What squawk says of these files, in their order. `in_transaction`: the runner opens one around each of them.
    The checkout's .squawk.toml and the files' comments count; without `pg_version` the former's is used. A file that
    squawk cannot look at gives a notice. Raises InputError when there is no answer.
    """
    found: list[Finding] = []
    small: list[tuple[PurePosixPath, int]] = []
    for path in dict.fromkeys(files):
        size = _size(checkout, path)
        if size > LARGEST:
            found.append(_too_large(path))
        else:
            small.append((path, size))
    if small:
        options = ["--reporter=json", "--no-error-on-unmatched-pattern"]
        options.append("--assume-in-transaction" if in_transaction else "--no-assume-in-transaction")
        if pg_version:
            options.append(f"--pg-version={pg_version}")
        command = [_program(), *options, "--"]
        for batch in _batches(small):
            found += _findings(checkout, _violations(command, checkout, batch))
    order = {path: number for number, path in enumerate(files)}
    found.sort(key=lambda finding: (order[finding.path or PurePosixPath()], finding.line or 0, finding.column or 0))
    return without_rules(found, SETTLED | {ALIASES.get(name, name) for name in exclude})


def _size(checkout: Path, path: PurePosixPath) -> int:
    try:
        return (checkout / path).stat().st_size
    except OSError as error:
        raise InputError(Finding(f"the file cannot be read: {error.strerror}", path=path)) from None


def _too_large(path: PurePosixPath) -> Finding:
    return Finding(
        "larger than 1 MiB: neither squawk nor the search for secrets looks at it",
        level=Level.NOTICE,
        path=path,
        hint="read it yourself, or keep data and changes of the schema in files of their own",
        rule="not-linted",
    )


def _program() -> str:
    """The squawk that was installed with this program, or any on the path."""
    import shutil

    beside = Path(sys.executable).with_name("squawk")
    program = str(beside) if beside.is_file() else shutil.which("squawk")
    if program is None:
        raise InputError(
            Finding(
                "squawk, which looks for dangerous statements, is not installed",
                hint="install squawk-cli, or give `lint: off`",
            )
        )
    return program


def _batches(files: Iterable[tuple[PurePosixPath, int]]) -> Iterator[list[PurePosixPath]]:
    """The files in groups, of which each is one call."""
    batch: list[PurePosixPath] = []
    arguments = data = 0
    for path, size in files:
        length = len(_pattern(path).encode(errors="surrogateescape")) + 1
        if batch and (arguments + length > MOST_ARGUMENTS or data + size > MOST_DATA):
            yield batch
            batch, arguments, data = [], 0, 0
        batch.append(path)
        arguments, data = arguments + length, data + size
    if batch:
        yield batch


def _pattern(path: PurePosixPath) -> str:
    """The pattern that matches this file alone: squawk takes its arguments for globs."""
    return GLOB.sub(lambda mark: f"[{mark[0]}]", str(path))


def _violations(command: list[str], checkout: Path, files: list[PurePosixPath]) -> list[dict[str, Any]]:
    """What it printed about these files. When it fails on several of them, they are given to it in halves, so that
    the error names one.
    """
    done = _run([*command, *map(_pattern, files)], checkout)
    printed = _printed(done)
    if printed is not None:
        return printed
    if len(files) == 1 or b"Configuration error" in done.stderr:
        raise InputError(_failure(done, checkout, files[0]))
    half = len(files) // 2
    return _violations(command, checkout, files[:half]) + _violations(command, checkout, files[half:])


def _printed(done: "CompletedProcess[bytes]") -> list[dict[str, Any]] | None:
    """The violations; None when this is no answer. Its exit code is 1 with violations, and with some errors too."""
    if done.returncode not in {0, 1}:
        return None
    try:
        printed = json.loads(done.stdout)
    except ValueError:
        return None
    sound = isinstance(printed, list) and all(isinstance(one, dict) and one.keys() >= KEYS for one in printed)
    return printed if sound else None


def _run(command: list[str], checkout: Path) -> "CompletedProcess[bytes]":
    import subprocess

    try:
        return subprocess.run(  # noqa: S603 - a list of arguments, no shell
            command,
            cwd=checkout,
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        message, hint = f"squawk did not end within {TIMEOUT} s", "`lint: off` goes without it"
    except OSError as error:
        message, hint = f"squawk cannot be started: {error.strerror}", "install squawk-cli again, or give `lint: off`"
    raise InputError(Finding(message, hint=hint))


def _failure(done: "CompletedProcess[bytes]", checkout: Path, path: PurePosixPath) -> Finding:
    """Why there was no answer."""
    said = " ".join(done.stderr.decode(errors="replace").split("\n\n")[0].split())
    said = said if len(said) <= MOST_STDERR else f"{said[:MOST_STDERR]}…"
    if broken := CONFIG_ERROR.search(said):
        line, column = (int(number or 0) for number in broken.group(2, 3))
        known = (line, column) > (1, 1)  # where it does not know better, it says line 1 column 1
        return Finding(
            f"squawk's configuration cannot be used: {broken[1]}",
            path=PurePosixPath(CONFIG),
            line=line if known else None,
            column=column if known else None,
            hint=f"see {DOCS}cli"
            if (checkout / CONFIG).is_file()
            else f"this {CONFIG} is in a folder above the checkout; see {DOCS}cli",
        )
    return Finding(
        f"squawk failed on this file (exit code {done.returncode}): {said or 'no answer in JSON'}",
        path=path,
        hint=f"take the file out with `excluded_paths` in {CONFIG}, or give `lint: off`",
    )


def _findings(checkout: Path, violations: Iterable[dict[str, Any]]) -> Iterator[Finding]:
    places: dict[str, _Places] = {}
    unread: set[str] = set()
    for violation in violations:
        name, rule, message = violation["file"], violation["rule_name"], violation["message"]
        if name not in places:
            places[name] = _Places((checkout / name).read_bytes())
        line, column = places[name].of(violation["line"], violation["column"])
        finding = Finding(
            message,
            level=Level.WARNING,
            path=PurePosixPath(name),
            line=line,
            column=column,
            hint=violation["help"] or "",
            rule=rule,
            url=DOCS + PAGES.get(rule, rule),
        )
        if rule == "syntax-error":
            if name not in unread:
                unread.add(name)
                yield _unread(finding)
        elif not (rule == "unused-ignore" and message.removeprefix(UNKNOWN_NAME) in RULES):
            yield finding


def _unread(finding: Finding) -> Finding:
    """Its grammar is its own: PostgreSQL may well take what it refuses. But it says nothing more about the file."""
    return replace(
        finding,
        message=f"squawk's grammar does not know this ({finding.message}), so none of its rules were asked about the "
        "file",
        level=Level.NOTICE,
        hint="read the file yourself",
        rule="not-linted",
        url="",
    )


class _Places:
    """squawk's places, counted from 0 and in bytes, as ours: from 1, columns in characters, without the byte order
    mark, lines as git and GitHub count them.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._starts = [0, *(end.end() for end in LINE_END.finditer(data))]

    def of(self, line: int, column: int) -> tuple[int, int]:
        offset = self._starts[min(line, len(self._starts) - 1)] + column
        begin = self._data.rfind(b"\n", 0, offset) + 1
        before = self._data[begin:offset]
        if not begin:
            before = before.removeprefix(BYTE_ORDER_MARK)
        return self._data.count(b"\n", 0, offset) + 1, len(before.decode(errors="replace")) + 1

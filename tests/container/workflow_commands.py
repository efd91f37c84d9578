"""What GitHub's runner reads out of a step: the commands in its log and the files it was given to write.

Pure; the rules are those of actions/runner, where ActionCommand.cs and ActionCommandManager.cs read the log,
FileCommandManager.cs reads the files, SecretMasker.cs hides secrets and ExecutionContext.cs limits annotations.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

Level = Literal["error", "warning", "notice"]

ANNOTATIONS_KEPT = 10  # of each level a step; the runner's own count too
LONGEST_MESSAGE = 4096  # UTF-16 units
WORKSPACE = "/github/workspace/"

DEPRECATED = frozenset(("save-state", "set-output"))
REFUSED = frozenset(("add-path", "set-env"))
UNSEEN = frozenset(("add-matcher", "echo", "remove-matcher"))  # nothing of theirs is shown or matters here
OBEYED = frozenset(("add-mask", "debug", "endgroup", "error", "group", "notice", "stop-commands", "warning"))
COMMANDS = DEPRECATED | REFUSED | UNSEEN | OBEYED

# In this order: a percent sign comes last, so that `%250A` is text.
DATA_ESCAPES = {"%0D": "\r", "%0A": "\n", "%25": "%"}
PROPERTY_ESCAPES = {"%0D": "\r", "%0A": "\n", "%3A": ":", "%2C": ",", "%25": "%"}
OLD_FORM_ESCAPES = {"%3B": ";", "%0D": "\r", "%0A": "\n", "%5D": "]", "%25": "%"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """One annotation, as the page of the run shows it."""

    level: Level
    message: str
    file: str | None = None  # relative to the workspace when it lies in there
    line: int | None = None
    end_line: int | None = None
    column: int | None = None
    end_column: int | None = None
    title: str | None = None


@dataclass(frozen=True, slots=True)
class Command:
    """One workflow command; its name and the names of its properties in lower case."""

    name: str
    properties: Mapping[str, str]
    data: str


@dataclass(frozen=True, slots=True)
class CommandFile:
    """The entries of GITHUB_OUTPUT, GITHUB_ENV or GITHUB_STATE. Those before an error count; the step fails with it."""

    entries: Mapping[str, str]
    error: str | None = None


@dataclass(slots=True)
class StepLog:
    """A step's log while the runner reads it, line by line: what it shows and what it was told."""

    masks: set[str] = field(default_factory=set)
    shown: list[str] = field(default_factory=list)
    annotations: list[Annotation] = field(default_factory=list)
    debug: list[str] = field(default_factory=list)  # lines that only step debug logging shows, then marked ##[debug]
    outputs: dict[str, str] = field(default_factory=dict)  # of the deprecated command set-output
    failed: bool = False  # a command, not the exit code, made the step fail
    _stop_token: str | None = None
    _issues: Counter[Level] = field(default_factory=Counter)

    def read(self, line: str) -> None:
        """Obey one line, or show it."""
        if self._stop_token is None:
            command = parse_command(line)
            if command is None:
                self._show(line)
            else:
                self._obey(command, line)
        else:
            self._show(line)
            command = parse_command(line, COMMANDS | {self._stop_token})
            if command is not None and command.name == self._stop_token:
                self._stop_token = None

    def add_issue(self, level: Level, message: str, properties: Mapping[str, str] | None = None) -> None:
        """Show an error, a warning or a notice; annotate it unless it is blank or its level has ten already."""
        self._show(f"##[{level}]{message}")
        self._issues[level] += 1
        if message.strip() and self._issues[level] <= ANNOTATIONS_KEPT:
            masked = _cut(mask(message, self.masks))
            self.annotations.append(_annotation(level, masked, properties or {}))

    def fail(self, *messages: str) -> None:
        """An error of the runner's own."""
        for message in messages:
            self.add_issue("error", message)
        self.failed = True

    def _obey(self, command: Command, line: str) -> None:
        match command.name:
            case "error" | "warning" | "notice" as level:
                self.add_issue(level, command.data, command.properties)
            case "debug":
                self.debug += [mask(part, self.masks) for part in re.split("\r?\n", command.data)]
            case "add-mask":
                self._add_mask(command.data)
            case "stop-commands":
                self._stop(command.data, line)
            case "group":
                self._show(f"##[group]{command.data}")
            case "endgroup":
                self._show("##[endgroup]")
            case name if name in REFUSED:
                self.fail(f"Unable to process command '{line}' successfully.", f"The `{name}` command is disabled.")
            case name if name in DEPRECATED:
                self.add_issue("warning", f"The `{name}` command is deprecated and will be disabled soon.")
                if name == "set-output":
                    self.outputs[command.properties.get("name", "")] = command.data

    def _add_mask(self, secret: str) -> None:
        if not secret.strip():
            self.add_issue("warning", "Can't add secret mask for empty string in ##[add-mask] command.")
            return
        self.masks.add(secret)
        self.masks.update(part for line in re.split(r"[\r\n]", secret) if (part := line.strip()))

    def _stop(self, token: str, line: str) -> None:
        if not token or token.lower() in COMMANDS | {"pause-logging"}:
            self.fail(f"Invoked ::stopCommand:: with token: [{token}]")
            return
        if len(token) > 6:
            self.masks.add(token)
        self._stop_token = token.lower()
        self._show(line)

    def _show(self, line: str) -> None:
        self.shown.extend(mask(part, self.masks) for part in split_lines(line))


def read_log(text: str, *, masks: Iterable[str] = ()) -> StepLog:
    """Read a whole log. `masks` are the secrets that the workflow passes, known before the step starts."""
    log = StepLog(masks=set(masks))
    for line in split_lines(text.removesuffix("\n")):
        log.read(line)
    return log


def split_lines(text: str) -> list[str]:
    """The lines of a stream as .NET reads them: a lone carriage return ends one too."""
    return re.split(r"\r\n|\r|\n", text)


def parse_command(line: str, names: Collection[str] = COMMANDS) -> Command | None:
    """The command in a line: `::name k=v,k=v::data` at its start, or the old `##[name k=v;k=v]data` anywhere in it."""
    head, found, data = line.lstrip().removeprefix("::").partition("::")
    if line.lstrip().startswith("::") and found:
        name, _, properties = head.partition(" ")
        if name.lower() in names:
            parsed = _properties(properties.strip().split(","), PROPERTY_ESCAPES)
            return Command(name.lower(), parsed, _unescape(data, DATA_ESCAPES))
    head, found, data = line.partition("##[")[2].partition("]")
    name, _, properties = head.partition(" ")
    if found and name.lower() in names:
        parsed = _properties(properties.split(";"), OLD_FORM_ESCAPES)
        return Command(name.lower(), parsed, _unescape(data, OLD_FORM_ESCAPES))
    return None


def parse_command_file(text: str) -> CommandFile:
    """Read `NAME=VALUE` lines and `NAME<<DELIMITER` blocks, up to the first line that is neither."""
    entries: dict[str, str] = {}
    lines = iter(text.split("\n"))
    for line in lines:
        if not line:
            continue
        equals, heredoc = line.find("="), line.find("<<")
        if equals >= 0 and not 0 <= heredoc < equals:
            name, _, value = line.partition("=")
            if not name:
                return CommandFile(entries, f"Invalid format '{line}'. Name must not be empty")
        elif heredoc >= 0:
            name, _, delimiter = line.partition("<<")
            if not name or not delimiter:
                message = f"Invalid format '{line}'. Name must not be empty and delimiter must not be empty"
                return CommandFile(entries, message)
            block = _until(delimiter, lines)
            if block is None:
                return CommandFile(entries, f"Invalid value. Matching delimiter not found '{delimiter}'")
            value = "\n".join(block)
        else:
            return CommandFile(entries, f"Invalid format '{line}'")
        entries[name] = value
    return CommandFile(entries)


def mask(line: str, secrets: Iterable[str]) -> str:
    """Hide secrets in one line; what touches or overlaps becomes one `***`.

    The runner hides encoded forms of a secret too (base64, JSON, URI). Here they stay: a test should see such a leak.
    """
    spans = sorted(
        (match.start(), match.start() + len(secret))
        for secret in secrets
        if secret
        for match in re.finditer(f"(?={re.escape(secret)})", line)
    )
    parts: list[str] = []
    position = 0
    for start, end in spans:
        if start > position or not parts:
            parts += [line[position:start], "***"]
        position = max(position, end)
    return "".join(parts) + line[position:]


def _cut(message: str) -> str:
    return message.encode("utf-16-le")[: 2 * LONGEST_MESSAGE].decode("utf-16-le", errors="replace")


def _until(delimiter: str, lines: Iterable[str]) -> list[str] | None:
    block: list[str] = []
    for line in lines:
        if line == delimiter:
            return block
        block.append(line)
    return None


def _properties(pairs: Iterable[str], escapes: Mapping[str, str]) -> dict[str, str]:
    split = (pair.partition("=") for pair in pairs)
    return {name.lower(): _unescape(value, escapes) for name, _, value in split if name and value}


def _unescape(text: str, escapes: Mapping[str, str]) -> str:
    for code, character in escapes.items():
        text = text.replace(code, character)
    return text


def _annotation(level: Level, message: str, properties: Mapping[str, str]) -> Annotation:
    """Drop what the runner drops: columns without one line, and ranges that end before they start."""
    line, end_line = _number(properties.get("line")), _number(properties.get("endline"))
    column, end_column = _number(properties.get("col")), _number(properties.get("endcolumn"))
    line = end_line if line is None else line
    column = end_column if column is None else column
    if line is None or end_line not in (None, line):
        column = end_column = None
    if line is not None and end_line is not None and end_line < line:
        line = end_line = None
    if column is not None and end_column is not None and end_column < column:
        column = end_column = None
    file = properties.get("file")
    return Annotation(
        level=level,
        message=message,
        file=file.removeprefix(WORKSPACE) if file else None,
        line=line,
        end_line=end_line,
        column=column,
        end_column=end_column,
        title=properties.get("title"),
    )


def _number(text: str | None) -> int | None:
    return int(text) if text and text.strip().isdecimal() else None

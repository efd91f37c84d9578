"""The configuration file: its text → values with places, or everything that is wrong with its form.

What the values mean is judged with all others, in config.py.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from runner.errors import Finding
from runner.inputs import BY_NAME, INPUTS, NO_FILE, FileValues, Given, Section

if TYPE_CHECKING:
    import yaml

LARGEST = 256 * 1024  # bytes; a thousand times of what one needs
DEEPEST = 8  # of lists and mappings in each other; three make sense
DEFAULT_NAME = BY_NAME["config-file"].default
OTHER_NAME = "db-migrate.yaml"
KEYS = tuple(known.name for known in INPUTS if not known.not_in_file)
ENVIRONMENTS, LOCKED = "environments", "locked"
ONLY_AT_THE_TOP = frozenset({"environment", ENVIRONMENTS})
NULL = "tag:yaml.org,2002:null"
EXPRESSION = "${{"
PLAIN_HINT = "write the value out, as plain text"
ELSEWHERE = "see docs/configuration.md"


def read_config_file(checkout: Path, given: Given | None) -> FileValues:
    """What the file says that `config-file` names, or else `db-migrate.yml`, which need not be there."""
    name, source = (given.text.strip(), given.source) if given else (DEFAULT_NAME, "config-file")
    place = checkout / name
    try:
        name.encode()
        if name == DEFAULT_NAME and not (place.exists() or place.is_symlink()):
            return _misnamed() if (checkout / OTHER_NAME).exists() else NO_FILE
        inside = place.resolve(strict=True).is_relative_to(checkout.resolve())
        if inside and place.is_file():
            path = place.relative_to(checkout) if place.is_relative_to(checkout) else place
            with place.open("rb") as opened:
                return parse_config_file(opened.read(LARGEST + 1), PurePosixPath(path))
        what = f"`{name}` {'is not a file' if inside else 'leads out of the checkout'}"
    except UnicodeEncodeError:
        what = "it is not UTF-8"
    except RuntimeError:  # what Python before 3.13 makes of it
        what = f"`{name}` leads to itself"
    except (OSError, ValueError) as error:
        what = f"`{name}` cannot be read: {getattr(error, 'strerror', error)}"
    hint = "name a file of the checkout, relative to it; leave it out to go without one"
    return FileValues(problems=(Finding(f"{source}: {what}", hint=hint),))


def _misnamed() -> FileValues:
    hint = f"rename it to {DEFAULT_NAME}, or name it with `config-file`"
    message = "a file of this name is not read"
    return FileValues(problems=(Finding(message, path=PurePosixPath(OTHER_NAME), hint=hint),))


def parse_config_file(data: bytes, path: PurePosixPath) -> FileValues:
    """What a file says. Values stay text, as written: `lint: off`, `lock-retries: 03`."""
    return _Parser(path).parse(data)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Node:
    """A place of the file: text, a list, or keys with values; nothing of them where a value is missing."""

    line: int
    text: str | None = None
    items: tuple["_Node", ...] | None = None
    pairs: tuple[tuple["_Node", "_Node"], ...] | None = None

    @property
    def missing(self) -> bool:
        return self.text is None and self.items is None and self.pairs is None


class _Parser:
    """Goes through the nodes of one file and keeps what is wrong with them."""

    def __init__(self, path: PurePosixPath) -> None:
        self._path = path
        self._problems: list[Finding] = []

    def parse(self, data: bytes) -> FileValues:
        """The values, as far as they can be read, and all problems, in the order of the file."""
        root = self._root(data)
        entries = self._entries(root, "the file") if root and not root.missing else {}
        environments = {}
        if ENVIRONMENTS in entries:
            for name, (line, node) in self._entries(entries.pop(ENVIRONMENTS)[1], ENVIRONMENTS).items():
                section = f"{ENVIRONMENTS}.{name}"
                inside = self._section(self._entries(node, f"`{name}`"), section)
                named = Given(name, ENVIRONMENTS, self._path, line)
                environments[name] = Section(values=inside.values, locked=inside.locked, name=named)
        top = self._section(entries, "")
        problems = sorted(self._problems, key=lambda problem: problem.line or 0)
        return FileValues(top=top, environments=environments, problems=tuple(problems))

    def _root(self, data: bytes) -> _Node | None:
        """The outermost node; None when there is none, or the text cannot be read."""
        import yaml

        if len(data) > LARGEST:
            self._finding(f"the file is larger than {LARGEST // 1024} KiB", None, "is this the right file?")
            return None
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            self._finding("the file is not UTF-8", data.count(b"\n", 0, error.start) + 1, "save it as UTF-8")
            return None
        try:
            if self._is_plain(yaml.parse(text, Loader=yaml.SafeLoader)):
                root = yaml.compose(text, Loader=yaml.SafeLoader)
                return _node(root) if root else None
        except yaml.reader.ReaderError as error:
            hint = "take it out; is this a text file at all?"
            self._finding("a character that YAML does not allow", text.count("\n", 0, error.position) + 1, hint)
        except yaml.MarkedYAMLError as error:
            self._finding_of_syntax(error)
        except (ValueError, OverflowError):  # what PyYAML makes of "\U00110000"
            self._finding("an escape in this file stands for no character", None, PLAIN_HINT)
        return None

    def _is_plain(self, events: "Iterable[yaml.Event]") -> bool:
        """Whether the text is one document of lists, mappings and text: looked at before anything is built of it."""
        import yaml

        before, documents, depth = len(self._problems), 0, 0
        for event in events:
            line = event.start_mark.line + 1 if event.start_mark else None
            documents += isinstance(event, yaml.DocumentStartEvent)
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            anchor, tag = getattr(event, "anchor", None), getattr(event, "tag", None)
            if isinstance(event, yaml.DocumentStartEvent) and documents > 1:
                self._finding("a second document begins here", line, "keep one; `---` stands between two")
            elif isinstance(event, yaml.AliasEvent):
                self._finding(f"`*{anchor}`: aliases are not read", line, PLAIN_HINT)
            elif anchor:
                self._finding(f"`&{anchor}`: anchors are not read", line, PLAIN_HINT)
            elif tag:
                self._finding(f"`{tag}`: tags are not read", line, PLAIN_HINT)
            elif depth > DEEPEST:
                self._finding("too many lists or mappings in each other", line, "inputs have text, or a list of texts")
                return False
        return len(self._problems) == before

    def _finding_of_syntax(self, error: "yaml.MarkedYAMLError") -> None:
        problem, mark = error.problem or "", error.problem_mark
        hint = "a key, a colon, a blank and the value: `lock-timeout: 5s`; quote a value with signs in it"
        if "\\t" in problem:
            problem, hint = "a tab, where YAML only takes blanks", "indent with blanks"
        self._finding(f"the file is not YAML: {problem}", mark.line + 1 if mark else None, hint)

    def _entries(self, node: _Node, what: str) -> dict[str, tuple[int, _Node]]:
        """A mapping's values by their keys, with the line of each key."""
        if node.pairs is None:
            hint = "such as `lock-timeout: 5s`, one a line"
            self._finding(f"{what}: keys with values are wanted here", node.line, hint)
        entries: dict[str, tuple[int, _Node]] = {}
        for key, value in node.pairs or ():
            if not key.text:
                self._finding("a key is plain text", key.line, "such as `lock-timeout: 5s`")
            elif key.text == "<<":
                self._finding("`<<`: merge keys are not read", key.line, "write the keys out")
            elif key.text in entries:
                hint = f"keep this one, or that of line {entries[key.text][0]}"
                self._finding(f"`{key.text}` stands here for the second time", key.line, hint)
            elif value.missing:
                self._finding(f"`{key.text}` has no value", key.line, "give it one, or take the key out")
            else:
                entries[key.text] = key.line, value
        return entries

    def _section(self, entries: Mapping[str, tuple[int, _Node]], section: str) -> Section:
        """The values of the top level, or of an environment."""
        values: dict[str, Given] = {}
        locked: dict[str, Given] = {}
        for key, (line, node) in entries.items():
            if key == LOCKED:
                locked = self._locked(node, section)
            elif key in KEYS and not (section and key in ONLY_AT_THE_TOP):
                text = self._text(key, node)
                if text is not None:
                    values[key] = Given(text, key, self._path, line, section)
            else:
                self._refuse(key, line, node, section)
        return Section(values=values, locked=locked)

    def _refuse(self, key: str, line: int, node: _Node, section: str) -> None:
        """Say why a key cannot stand where it does, and what to do."""
        wanted = (*KEYS, LOCKED) if section else (*KEYS, LOCKED, ENVIRONMENTS)
        nearest = _nearest(key, wanted)
        if section and key in ONLY_AT_THE_TOP:
            self._finding(f"`{key}` stands at the top level only", line, "move it there")
        elif key in BY_NAME:
            hint = "give it in the workflow, or on the command line"
            self._finding(f"`{key}` cannot stand in this file: {BY_NAME[key].not_in_file}", line, hint)
        elif node.pairs is not None and not section and not nearest:
            hint = f"did you mean an environment? Put it below `{ENVIRONMENTS}:`"
            self._finding(f"{key}: there is no key of this name", line, hint)
        else:
            self._finding(f"{key}: there is no key of this name", line, nearest or ELSEWHERE)

    def _text(self, key: str, node: _Node) -> str | None:
        """The value of an input, as it was written; a list becomes lines."""
        several = BY_NAME[key].several
        parts = node.items if several and node.items is not None else (node,)
        if not parts:
            self._finding(f"`{key}` has no value", node.line, "give it one, or take the key out")
        lines = [part.text for part in parts if self._is_text(key, part, several=several)]
        return "\n".join(line for line in lines if line) if parts and len(lines) == len(parts) else None

    def _is_text(self, key: str, node: _Node, *, several: bool) -> bool:
        if node.text is None:
            known = BY_NAME[key]
            hint = f"such as `{key}: {known.default_in('') or '…'}`"
            what = "text, or a list of texts, is" if several else "text is"
            self._finding(f"{key}: {what} wanted here", node.line, hint)
        elif EXPRESSION in node.text:
            hint = "GitHub evaluates them in workflows only: give this input there"
            self._finding(f"{key}: expressions are not evaluated in this file", node.line, hint)
        else:
            return True
        return False

    def _locked(self, node: _Node, section: str) -> dict[str, Given]:
        """The names of inputs that only the file sets."""
        if not node.items or not all(item.text for item in node.items):
            self._finding("locked: a list of inputs is wanted here", node.line, "such as `locked: [lint, health]`")
            return {}
        locked = {}
        for item in node.items:
            name = item.text or ""
            if name in KEYS and not (section and name in ONLY_AT_THE_TOP):
                locked[name] = Given(name, LOCKED, self._path, item.line, section)
            elif name in BY_NAME:
                message = f"locked: `{name}` cannot be locked, as it cannot stand here itself"
                self._finding(message, item.line, "take it out")
            else:
                self._finding(f"locked: there is no input `{name}`", item.line, _nearest(name, KEYS) or ELSEWHERE)
        return locked

    def _finding(self, message: str, line: int | None, hint: str) -> None:
        self._problems.append(Finding(message, path=self._path, line=line, hint=hint))


def _node(node: "yaml.Node") -> _Node:
    """The same as a value of ours."""
    import yaml

    line = node.start_mark.line + 1
    match node:
        case yaml.MappingNode():
            return _Node(line=line, pairs=tuple((_node(key), _node(value)) for key, value in node.value))
        case yaml.SequenceNode():
            return _Node(line=line, items=tuple(_node(item) for item in node.value))
    return _Node(line=line, text=None if node.tag == NULL or not node.value.strip() else node.value)


def _nearest(name: str, known: Iterable[str]) -> str:
    """`did you mean …?`, or nothing."""
    from difflib import get_close_matches

    close = get_close_matches(name.lower().replace("_", "-"), list(known), n=1)
    return f"did you mean `{close[0]}`?" if close else ""

"""What a change touches in the schema, as a picture: the source of Mermaid's entity-relationship diagram.

GitHub draws it: https://docs.github.com/en/get-started/writing-on-github/working-with-advanced-formatting/creating-diagrams
Its language: https://mermaid.js.org/syntax/entityRelationshipDiagram.html
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field

from runner.core.schema import Schema, SchemaObject
from runner.core.schema_diff import TABLES, TYPE, SchemaDifference

MOST_TABLES = (25, 12, 6, 3, 1)  # as many of them as the largest picture takes
MOST_ALONE = 6  # tables that no foreign key joins with another: they stand below each other, a tower
MOST_COLUMNS = 30
MOST_LINES = 100  # between tables
LARGE = 40  # lines of a source, each of about 50 pixels in the picture: two screens
LARGEST = 45_000  # characters; Mermaid refuses 50,000
LONGEST = 63  # characters of a name or a type, as PostgreSQL's names have

NAME = r'(?:"(?:[^"]|"")+"|[^\s",().]+)'
QUALIFIED = rf"{NAME}(?:\.{NAME})*"
COLUMN = re.compile(rf"(?:PERIOD )?({NAME})(?: WITHOUT OVERLAPS)?")
KEY = re.compile(
    rf"(?P<kind>PRIMARY KEY|UNIQUE|FOREIGN KEY)(?: NULLS NOT DISTINCT)? "
    rf"\((?P<columns>{COLUMN.pattern}(?:, {COLUMN.pattern})*)\)(?: REFERENCES (?P<other>{QUALIFIED}))?"
)
MARKS = {"PRIMARY KEY": "PK", "UNIQUE": "UK", "FOREIGN KEY": "FK"}

# Mermaid, from 11.5 on, takes few characters in a type and in the name of a column, has no escapes there, and reads all
# that it draws as Markdown. So look-alikes stand for those that it could take for its own.
QUOTED = re.compile(r'"((?:[^"]|"")+)"')
UNSAFE = re.compile(r"[^\w\-\[\]().,]", re.ASCII)
WORD = re.compile(r"(?!(?:PK|FK|UK)\b)[a-z_\u00c0-\uffff]", re.ASCII | re.IGNORECASE)
IN_WORDS = str.maketrans({".": "\u2024", ",": "\u201a"})
NO_WIDTH = "\u200b"
BLANK = f"\u2005{NO_WIDTH}"  # no word that Mermaid knows ends with it
FULL_WIDTH = ord("！") - ord("!")
UNKNOWN = "\ufffd"
EMPHASIS = re.compile(r"(?<![^\W_])_|_(?![^\W_])")
UNDERSCORE = "\u02cd"


@dataclass(frozen=True, slots=True)
class Key:
    """A primary, unique or foreign key."""

    mark: str  # of MARKS
    columns: tuple[str, ...]
    references: str = ""  # the other table


@dataclass(frozen=True, slots=True)
class Tables:
    """What a picture can show of a schema. Partitions are left out: they have what their table has."""

    columns: dict[str, dict[str, SchemaObject]] = field(default_factory=dict)
    keys: dict[str, list[Key]] = field(default_factory=lambda: defaultdict(list))

    def marks(self, table: str, column: str) -> list[str]:
        """The keys that a column is a part of. One that is unique only together with others is not marked."""
        mine = {key.mark for key in self.keys.get(table, ()) if column in key.columns
                and (key.mark != "UK" or len(key.columns) == 1)}  # fmt: skip
        return [mark for mark in MARKS.values() if mark in mine]


@dataclass(frozen=True, slots=True)
class Row:
    """A column as it is drawn."""

    type: str
    name: str
    marks: Sequence[str]
    comment: str = ""  # what became of it


@dataclass(frozen=True, slots=True)
class Box:
    """A table as it is drawn."""

    table: str
    comment: str = ""  # what became of it
    rows: Sequence[Row] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """A foreign key as it is drawn."""

    table: str
    other: str  # that it references
    columns: tuple[str, ...]
    optional: bool  # a row need not have one in the other table
    single: bool  # not more than one row has the same one
    new: bool


def diagram(difference: SchemaDifference, scrub: Callable[[str], str]) -> str:
    """The tables that are new, changed or gone, with their columns and keys, and, by name only, those that foreign keys
    join with them. Empty when no column and no key of a table is touched, or in many tables that no key joins with
    another. Names pass through `scrub`. What there is no room for is counted.
    """
    before, after = _tables(difference.before), _tables(difference.after)
    touched = _touched(difference)
    boxes = {table: Box(table, *_drawn(table, before, after)) for table in after.columns if table in touched}
    gone = [Box(table, "removed") for table in before.columns if table in touched - after.columns.keys()]
    lines = [line for line in _lines(before, after) if {line.table, line.other} & touched]
    joined = [boxes.pop(table, Box(table)) for table in _joined(lines, touched)]
    alone = [*boxes.values(), *gone]
    room = len(joined) + (len(alone) if len(alone) <= MOST_ALONE else 0)
    if not room:
        return ""
    sources = (_source([*joined, *alone], lines, min(most, room), scrub) for most in MOST_TABLES)
    return next(source for source in sources if len(source) <= LARGEST)


def large(picture: str) -> bool:
    """Whether a picture is taller than two screens, and so to be folded. Its source may stand in a fence."""
    return len(picture.splitlines()) > LARGE


# What is drawn


def _tables(schema: Schema) -> Tables:
    tables = Tables()
    for each in schema.objects:
        if each.kind in TABLES and not re.search("^PARTITION OF ", each.text, re.MULTILINE):
            tables.columns[each.name] = {}
        elif each.table in tables.columns and each.kind == "column":
            tables.columns[each.table][each.name] = each
        elif each.table in tables.columns and (key := _key(each)):
            tables.keys[each.table].append(key)
    return tables


def _key(each: SchemaObject) -> Key | None:
    found = KEY.match(each.text) if each.kind == "constraint" else None
    if found is None:
        return None
    return Key(MARKS[found["kind"]], tuple(COLUMN.findall(found["columns"])), found["other"] or "")


def _touched(difference: SchemaDifference) -> set[str]:
    came_or_went = [*difference.added, *difference.removed]
    objects = [*came_or_went, *(each for pair in difference.changed for each in pair)]
    return {each.name for each in came_or_went if each.kind in TABLES} | {
        each.table for each in objects if each.kind == "column" or _key(each)
    }


def _drawn(table: str, before: Tables, after: Tables) -> tuple[str, list[Row]]:
    """What became of the table, and its columns; those that are gone stand last."""
    columns, old = after.columns[table], before.columns.get(table)
    if old is None:
        return "new", [Row(_type(each), name, after.marks(table, name)) for name, each in columns.items()]
    rows = []
    for name, each in columns.items():
        marks = after.marks(table, name)
        gained = [mark for mark in marks if mark not in before.marks(table, name)]
        rows.append(Row(_type(each), name, marks, _became(old.get(name), each, gained)))
    gone = [Row(_type(each), name, (), "removed") for name, each in old.items() if name not in columns]
    return "", rows + gone


def _became(old: SchemaObject | None, new: SchemaObject, gained: Sequence[str]) -> str:
    if old is None:
        return "new"
    if _type(old) != _type(new):
        return f"was {_type(old)}"
    if _required(old) != _required(new):
        return "now NOT NULL" if _required(new) else "no longer NOT NULL"
    if old.text != new.text:
        return "changed"
    return f"new {','.join(gained)}" if gained else ""


def _type(column: SchemaObject) -> str:
    found = TYPE.fullmatch(column.text)
    return (found[1] if found else column.text).partition(" OPTIONS (")[0]


def _required(column: SchemaObject) -> bool:
    return " NOT NULL" in column.text.partition(" DEFAULT ")[0]


def _lines(before: Tables, after: Tables) -> Iterator[Line]:
    for table, keys in after.keys.items():
        required = {name for name, each in after.columns[table].items() if _required(each)}
        unique = [set(key.columns) for key in keys if key.mark != "FK"]
        for key in keys:
            if key.references in after.columns:
                yield Line(
                    table,
                    key.references,
                    key.columns,
                    optional=not required.issuperset(key.columns),
                    single=set(key.columns) in unique,
                    new=table in before.columns and key not in before.keys.get(table, ()),
                )


def _joined(lines: Iterable[Line], touched: Set[str]) -> Iterable[str]:
    """The tables that lines join with others. Of each line the touched end comes first and the other soon behind it, so
    that the first few tables are a picture already.
    """
    pairs = ((line.table, line.other) for line in lines if line.table != line.other)
    return dict.fromkeys(table for pair in pairs for table in sorted(pair, key=lambda table: table not in touched))


# How it is written


def _source(boxes: Sequence[Box], lines: Iterable[Line], most: int, scrub: Callable[[str], str]) -> str:
    """Tables go by numbers, as the names of two may look alike once they are safe."""
    ids = {box.table: f"t{number}" for number, box in enumerate(boxes[:most], start=1)}
    source = ["erDiagram", "    direction LR"]
    for box in boxes[:most]:
        comment = f" ({box.comment})" if box.comment else ""
        rows = [f"        {row}" for row in _rows(box.rows, scrub)]
        source.append(f'    {ids[box.table]}["{_safe(box.table, scrub)}{comment}"]')
        source += [f"{source.pop()} {{", *rows, "    }"] if rows else []
    if len(boxes) > most:
        source.append(f'    more["… and {len(boxes) - most} more"]')
    drawn = [line for line in lines if {line.table, line.other} <= ids.keys()]
    return "\n".join([*source, *(f"    {_line(line, ids, scrub)}" for line in drawn[:MOST_LINES])])


def _rows(rows: Sequence[Row], scrub: Callable[[str], str]) -> Iterator[str]:
    """Of many columns first of all those that changed, then the keys, all of them in their order."""
    by_weight = sorted(range(len(rows)), key=lambda at: (not rows[at].comment, not rows[at].marks))
    for at in sorted(by_weight[:MOST_COLUMNS]):
        row = rows[at]
        comment = f'"{_safe(row.comment, scrub)}"' if row.comment else ""
        yield " ".join(filter(None, [_word(row.type, scrub), _word(row.name, scrub), ",".join(row.marks), comment]))
    if len(rows) > MOST_COLUMNS:
        yield f"… {_word(f'{len(rows) - MOST_COLUMNS} more', str)}"


def _line(line: Line, ids: Mapping[str, str], scrub: Callable[[str], str]) -> str:
    ends = f"{'|o' if line.optional else '||'}--{'o|' if line.single else 'o{'}"
    columns = _safe(", ".join(line.columns), scrub)
    return f'{ids[line.other]} {ends} {ids[line.table]} : "{columns}{" (new)" if line.new else ""}"'


def _word(text: str, scrub: Callable[[str], str]) -> str:
    """As a type or the name of a column, which Mermaid does not take in quotes."""
    safe = _safe(text, scrub).translate(IN_WORDS)
    return safe if WORD.match(safe) else f"{NO_WIDTH}{safe}"


def _safe(text: str, scrub: Callable[[str], str]) -> str:
    """Without quotes, and with look-alikes of what Mermaid or Markdown could take for its own."""
    text = QUOTED.sub(lambda found: found[1].replace('""', '"'), scrub(text))
    text = text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
    return EMPHASIS.sub(UNDERSCORE, UNSAFE.sub(lambda found: _look_alike(found[0]), text))


def _look_alike(char: str) -> str:
    if char == " " or not char.isprintable():
        return BLANK
    if char <= "~":
        return chr(ord(char) + FULL_WIDTH)
    return char if char >= "À" else UNKNOWN

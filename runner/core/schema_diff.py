"""What is different between two schemas: as a value, in a few words, and line by line."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from difflib import unified_diff

from runner.core.difference import AROUND, LARGEST_COMPARED, WIDEST, common
from runner.core.schema import Schema, SchemaObject

MOST_SHORT = 50  # lines
MOST_UNIFIED = 400  # lines
MOST_OF_A_TABLE = 10  # changes that are told in the line of one table
LONGEST_DEFINITION = 100  # characters
SIGNS = "+-~"  # in this order
TABLES = frozenset({"table", "foreign table"})
OF_A_LINE = frozenset({"column", "constraint"})  # told in the line of their table
COUNTED = {"column": "columns", "index": "indexes", "trigger": "triggers", "policy": "policies"}
TYPE = re.compile(r"(.*?)((?: (?:COLLATE|STORAGE|COMPRESSION|NOT NULL|GENERATED|DEFAULT)\b.*)?)", re.DOTALL)
AS_THE_SERVER_WRITES = frozenset({"index", "statistics", "trigger", "rule", "function", "procedure"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaDifference:
    """What is there now, what is no longer, and what is there in another form."""

    before: Schema = field(repr=False)
    after: Schema = field(repr=False)
    added: tuple[SchemaObject, ...]
    removed: tuple[SchemaObject, ...]
    changed: tuple[tuple[SchemaObject, SchemaObject], ...]  # as it was, and as it is
    reordered: tuple[str, ...]  # tables of which the columns that stayed stand in another order

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed or self.reordered)

    def short(self, most: int = MOST_SHORT) -> tuple[str, ...]:
        """A line for each thing that a person would name: `+ table public.invoices (7 columns)`."""
        lines = sorted(_short(self), key=_sign)
        more = [f"… and {len(lines) - most} more"] if len(lines) > most else []
        return (*(_cut(_one_line(line), WIDEST) for line in lines[:most]), *more)

    def unified(self, most_lines: int = MOST_UNIFIED) -> str:
        """A diff of the definitions, each object, or table with all that belongs to it, under its name."""
        lines = list(_unified(self))
        more = [f"… and {len(lines) - most_lines} more lines"] if len(lines) > most_lines else []
        return "\n".join([*(_cut(line, WIDEST) for line in lines[:most_lines]), *more])


def schema_difference(before: Schema, after: Schema) -> SchemaDifference:
    """What has become of the one in the other."""
    gone, come = _only_in(before, after), _only_in(after, before)
    return SchemaDifference(
        before=before,
        after=after,
        added=tuple(each for key, each in come.items() if key not in gone),
        removed=tuple(each for key, each in gone.items() if key not in come),
        changed=tuple((gone[key], each) for key, each in come.items() if key in gone),
        reordered=tuple(_reordered(before, after)),
    )


def _only_in(schema: Schema, other: Schema) -> dict[tuple[str, str, str], SchemaObject]:
    there = set(other.objects)
    return {each.key: each for each in schema.objects if each not in there}


def _reordered(before: Schema, after: Schema) -> Iterator[str]:
    old, new = _columns(before), _columns(after)
    for table, columns in new.items():
        if columns != (former := old.get(table, [])):
            stayed = set(columns) & set(former)
            if [name for name in columns if name in stayed] != [name for name in former if name in stayed]:
                yield table


def _columns(schema: Schema) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for each in schema.objects:
        if each.kind == "column":
            found[each.table].append(each.name)
    return found


def _sign(line: str) -> int:
    return SIGNS.index(line[0])


def _one_line(text: str) -> str:
    return " ".join(text.splitlines())


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


# In a few words


def _short(difference: SchemaDifference) -> Iterator[str]:
    come, gone = _wholes(difference.added), _wholes(difference.removed)
    yield from _told("+", difference.added, come, difference.after)
    yield from _told("-", difference.removed, gone, difference.before)
    for old, new in difference.changed:
        if new.kind not in TABLES | OF_A_LINE and new.table not in come and new.text != old.text:
            yield from _changed(old, new)
    for table, parts in _inside_tables(difference, come | gone).items():
        yield f"~ table {table}: {_listed(sorted(parts, key=_sign))}"


def _wholes(objects: Iterable[SchemaObject]) -> set[str]:
    """Of what came or went as a whole."""
    return {each.whole for each in objects if not each.table}


def _told(sign: str, objects: Sequence[SchemaObject], wholes: set[str], schema: Schema) -> Iterator[str]:
    """What is named by itself: not what is a part of what is named, nor what stands in the line of its table."""
    parts: dict[str, list[str]] = defaultdict(list)
    for each in schema.objects:
        if each.table in wholes:
            parts[each.table].append(each.kind)
    for each in objects:
        if each.kind in TABLES:
            yield f"{sign} {each.kind} {each.name} ({_size(parts[each.name])})"
        elif each.table not in wholes and each.kind not in OF_A_LINE:
            yield f"{sign} {_named(each)}"


def _size(kinds: Sequence[str]) -> str:
    counts = {kind: kinds.count(kind) for kind in COUNTED}
    counted = [f"{count} {kind if count == 1 else COUNTED[kind]}" for kind, count in counts.items() if count]
    return ", ".join(counted or ["no columns"])


def _named(each: SchemaObject) -> str:
    match each.kind:
        case "index":
            unique = "unique " if each.text.startswith("CREATE UNIQUE ") else ""
            return f"{unique}index {each.name} on {each.table} {_cut(_indexed(each), LONGEST_DEFINITION)}"
        case "trigger" | "rule" | "policy" | "statistics":
            return f"{each.kind} {each.name} on {each.table}"
        case "grant" | "revoke":
            return f"{each.kind} {', '.join(_lines(each.text))} {each.name}"
        case "extension":
            return f"extension {each.name} {each.text}"
        case kind:
            return f"{kind} {each.name}"


def _indexed(index: SchemaObject) -> str:
    """`(email)`; of another than a B-tree `USING gin (words)`."""
    found = re.search(rf" ON (?:ONLY )?{re.escape(index.table)} (?:USING btree )?(.*)", index.text, re.DOTALL)
    return found[1] if found else ""


def _changed(old: SchemaObject, new: SchemaObject) -> Iterator[str]:
    match new.kind:
        case "grant" | "revoke":
            for sign, lines in _signed(old, new):
                yield f"{sign} {new.kind} {', '.join(lines)} {new.name}"
        case "enum" if set(_lines(old.text)) != set(_lines(new.text)):
            for sign, lines in _signed(old, new):
                yield from (f"{sign} value {line} of enum {new.name}" for line in lines)
        case "composite type":
            yield f"~ {new.kind} {new.name}: {_listed(_line_by_line(old, new) or ['attributes in another order'])}"
        case "extension":
            yield f"~ extension {new.name}: {old.text} → {new.text}"
        case _:
            yield f"~ {_named(new)}"


def _signed(old: SchemaObject, new: SchemaObject) -> Iterator[tuple[str, list[str]]]:
    """The lines that came, and those that went, unless there are none."""
    before, after = _lines(old.text), _lines(new.text)
    signed = {"+": [line for line in after if line not in before], "-": [line for line in before if line not in after]}
    return ((sign, lines) for sign, lines in signed.items() if lines)


def _line_by_line(old: SchemaObject, new: SchemaObject) -> list[str]:
    return [f"{sign} {_cut(line, LONGEST_DEFINITION)}" for sign, lines in _signed(old, new) for line in lines]


def _lines(text: str) -> list[str]:
    return text.split("\n") if text else []


def _inside_tables(difference: SchemaDifference, wholes: set[str]) -> dict[str, list[str]]:
    """What is different inside of tables that stayed."""
    parts: dict[str, list[str]] = defaultdict(list)
    for each in difference.added:
        if each.kind in OF_A_LINE and each.table not in wholes:
            parts[each.table].append(f"+ {each.kind} {each.name} {_cut(each.text, LONGEST_DEFINITION)}")
    for each in difference.removed:
        if each.kind in OF_A_LINE and each.table not in wholes:
            parts[each.table].append(f"- {each.kind} {each.name}")
    for old, new in difference.changed:
        if new.kind in OF_A_LINE:
            parts[new.table].append(f"~ {new.kind} {new.name}: {_from_to(old.text, new.text)}")
        elif new.kind in TABLES:
            parts[new.name] += _line_by_line(old, new)
    for table in difference.reordered:
        parts[table].append("~ columns in another order")
    return parts


def _from_to(old: str, new: str) -> str:
    """`integer → bigint`, without what follows the type when that stays."""
    before, after = TYPE.fullmatch(old), TYPE.fullmatch(new)
    if before and after and before[2] == after[2]:
        old, new = before[1], after[1]
    return f"{_cut(old, LONGEST_DEFINITION)} → {_cut(new, LONGEST_DEFINITION)}"


def _listed(parts: Sequence[str]) -> str:
    more = [f"… and {len(parts) - MOST_OF_A_TABLE} more"] if len(parts) > MOST_OF_A_TABLE else []
    return ", ".join([*parts[:MOST_OF_A_TABLE], *more])


# Line by line


def _unified(difference: SchemaDifference) -> Iterator[str]:
    touched = {each.whole for each in (*difference.added, *difference.removed)} | set(difference.reordered)
    touched |= {each.whole for pair in difference.changed for each in pair}
    before, after = (_gathered(schema, touched) for schema in (difference.before, difference.after))
    for whole in sorted(touched):
        old, new = before.get(whole, []), after.get(whole, [])
        yield f"@@ {_one_line(whole)} @@"
        yield from _compared(list(_text(old)), list(_text(new)))


def _gathered(schema: Schema, wholes: set[str]) -> dict[str, list[SchemaObject]]:
    found: dict[str, list[SchemaObject]] = defaultdict(list)
    for each in schema.objects:
        if each.whole in wholes:
            found[each.whole].append(each)
    return found


def _compared(old: list[str], new: list[str]) -> Iterator[str]:
    """Without the lines that both have at the ends, so that one change in a long function is found at once."""
    skipped = max(common(new, old) - AROUND, 0)
    behind = max(common(new[skipped:][::-1], old[skipped:][::-1]) - AROUND, 0)
    old, new = old[skipped : len(old) - behind], new[skipped : len(new) - behind]
    if not old or not new:
        yield from (f"+{line}" for line in new)
        yield from (f"-{line}" for line in old)
    elif max(len(old), len(new)) > LARGEST_COMPARED:
        yield f" {len(old)} lines before, {len(new)} lines now: too much to compare"
    else:
        hunks = list(unified_diff(old, new, n=AROUND, lineterm=""))[3:]
        yield from (" …" if line.startswith("@@") else line for line in hunks)


def _text(objects: Sequence[SchemaObject]) -> Iterator[str]:
    """What is shown together, like SQL, line by line; every line of a table with its comma, so that a line more is one
    line of difference.
    """
    for each in objects:
        if each.kind in TABLES:
            inside = [part for part in objects if part.kind in OF_A_LINE]
            yield from _lines_of(f"{each.kind} {each.name} (")
            for part in inside:
                constraint = "CONSTRAINT " if part.kind == "constraint" else ""
                yield from _lines_of(f"    {constraint}{part.name} {part.text},")
            yield from _lines_of(f") {each.text}")
        elif each.kind not in OF_A_LINE:
            yield from _lines_of(_statement(each))


def _lines_of(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines()]


def _statement(each: SchemaObject) -> str:
    inside = "\n    ".join(_lines(each.text))
    match each.kind:
        case kind if kind in AS_THE_SERVER_WRITES:
            return each.text
        case "enum" | "composite type":
            return f"{each.kind} {each.name} (\n    {inside}\n)"
        case "view" | "materialized view":
            return f"{each.kind} {each.name} AS\n{each.text}"
        case "policy":
            return f"policy {each.name} on {each.table} {each.text}"
        case "grant" | "revoke":
            return f"{each.kind} {', '.join(_lines(each.text))} {each.name}"
        case "comment":
            return f"comment {each.name} is {each.text}"
        case kind:
            return f"{kind} {each.name} {inside}"

"""What is different between two schemas: as a value, in a few words, and line by line."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import unified_diff

from runner.core.schema import RANK, Schema, SchemaObject

AROUND = 2  # unchanged lines that are shown beside changed ones
MOST_SHORT = 50  # lines
MOST_UNIFIED = 400  # lines
WIDEST = 300  # characters of a line
TABLES = frozenset({"table", "foreign table"})
OF_A_LINE = frozenset({"column", "constraint"})  # told together in the line of their table
ABOUT = frozenset({"grant", "revoke", "default privileges", "comment"})
COUNTED = (("column", "column", "columns"), ("index", "index", "indexes"), ("trigger", "trigger", "triggers"),
           ("policy", "policy", "policies"))  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaDifference:
    """What is there now, what is no longer, and what is there in another form."""

    before: Schema
    after: Schema
    added: tuple[SchemaObject, ...]
    removed: tuple[SchemaObject, ...]
    changed: tuple[tuple[SchemaObject, SchemaObject], ...]  # as it was, and as it is
    reordered: tuple[str, ...]  # tables whose columns stand in another order, and are the same

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed or self.reordered)

    def short(self, most: int = MOST_SHORT) -> tuple[str, ...]:
        """A line for each thing that a person would name: `+ table public.invoices (7 columns)`."""
        lines = list(_short(self))
        return (*lines[:most], f"… and {len(lines) - most} more") if len(lines) > most else tuple(lines)

    def unified(self, most: int = MOST_UNIFIED) -> str:
        """A diff of the definitions, each object, or table with all that belongs to it, under its name."""
        lines = [line[:WIDEST] for line in _unified(self)]
        more = [f"… and {len(lines) - most} more lines"] if len(lines) > most else []
        return "\n".join([*lines[:most], *more])


def schema_difference(before: Schema, after: Schema) -> SchemaDifference:
    """What became of the one."""
    old, new = ({each.key: each for each in schema.objects} for schema in (before, after))
    return SchemaDifference(
        before=before,
        after=after,
        added=tuple(each for key, each in new.items() if key not in old),
        removed=tuple(each for key, each in old.items() if key not in new),
        changed=tuple((old[key], each) for key, each in new.items() if key in old and old[key] != each),
        reordered=tuple(_reordered(before, after)),
    )


def _reordered(before: Schema, after: Schema) -> Iterator[str]:
    old, new = _columns(before), _columns(after)
    for table, columns in new.items():
        stayed = [name for name in columns if name in old.get(table, ())]
        if stayed != [name for name in old.get(table, ()) if name in columns]:
            yield table


def _columns(schema: Schema) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for each in schema.objects:
        if each.kind == "column":
            found[each.table].append(each.name)
    return found


# In a few words


def _short(difference: SchemaDifference) -> Iterator[str]:
    wholes = [
        (sign, each, _size(each, objects))
        for sign, objects in (("+", difference.added), ("-", difference.removed))
        for each in _wholes(objects)
    ]
    # What is said about an object, and who may use it, is told last.
    yield from (f"{sign} {_named(each)}{size}" for sign, each, size in wholes if each.kind not in ABOUT)
    yield from (f"~ table {table}: {', '.join(said)}" for table, said in _inside_of_tables(difference).items())
    for old, new in difference.changed:
        if new.kind not in OF_A_LINE | TABLES:
            yield from _changed(old, new)
    yield from (f"{sign} {_named(each)}" for sign, each, _ in wholes if each.kind in ABOUT)


def _inside_of_tables(difference: SchemaDifference) -> Mapping[str, list[str]]:
    """What became of columns, constraints and options of tables that stay."""
    said: dict[str, list[str]] = defaultdict(list)
    for sign, objects in (("+", difference.added), ("-", difference.removed)):
        whole = _tables(objects)
        for each in objects:
            if each.kind in OF_A_LINE and each.table not in whole:
                said[each.table].append(f"{sign} {_named(each)}")
    for old, new in difference.changed:
        if new.kind in OF_A_LINE:
            said[new.table].append(f"~ {new.kind} {new.name}: {old.text} → {new.text}")
        elif new.kind in TABLES:
            said[new.name].append(f"~ {_options(old)} → {_options(new)}")
    for table in difference.reordered:
        said[table].append("~ columns in another order")
    return said


def _wholes(objects: Sequence[SchemaObject]) -> list[SchemaObject]:
    """What is named by itself, not with its table; tables first."""
    whole = _tables(objects)
    told = (each for each in objects if each.kind not in OF_A_LINE and each.table not in whole)
    return sorted(told, key=lambda each: (each.kind not in TABLES, RANK[each.kind]))


def _tables(objects: Sequence[SchemaObject]) -> set[str]:
    return {each.name for each in objects if each.kind in TABLES}


def _size(each: SchemaObject, objects: Sequence[SchemaObject]) -> str:
    if each.kind not in TABLES:
        return ""
    kinds = [other.kind for other in objects if other.table == each.name]
    counts = [
        f"{kinds.count(kind)} {one if kinds.count(kind) == 1 else many}" for kind, one, many in COUNTED if kind in kinds
    ]
    return f" ({', '.join(counts or ['no columns'])})"


def _named(each: SchemaObject) -> str:
    match each.kind:
        case "column":
            return f"column {each.name} {each.text}"
        case "constraint":
            return f"constraint {each.name} {each.text}"
        case "index":
            return f"index {each.name} on {each.text.partition(' ON ')[2]}"
        case "trigger" | "policy" | "rule":
            return f"{each.kind} {each.name} on {each.table}"
        case "grant" | "revoke":
            return f"{each.kind} {each.text} {each.name}"
        case "extension":
            return f"extension {each.name} {each.text}"
        case kind:
            return f"{kind} {each.name}"


def _changed(old: SchemaObject, new: SchemaObject) -> Iterator[str]:
    if new.kind == "enum":
        before, after = old.text.split("\n"), new.text.split("\n")
        yield from (f"+ value {value} of enum {new.name}" for value in after if value not in before)
        yield from (f"- value {value} of enum {new.name}" for value in before if value not in after)
    elif new.kind in {"grant", "revoke"}:
        yield f"~ {new.kind} {new.name}: {old.text} → {new.text}"
    elif new.kind == "extension":
        yield f"~ extension {new.name}: {old.text} → {new.text}"
    else:
        yield f"~ {_named(new)}"


def _options(table: SchemaObject) -> str:
    return " ".join(table.text.split("\n")) or "no options"


# Line by line


def _unified(difference: SchemaDifference) -> Iterator[str]:
    touched = {_group(each) for each in (*difference.added, *difference.removed)}
    touched |= {_group(new) for _, new in difference.changed} | set(difference.reordered)
    before, after = (_grouped(schema, touched) for schema in (difference.before, difference.after))
    for name in dict.fromkeys((*after, *before)):
        lines = list(unified_diff(before.get(name, []), after.get(name, []), n=AROUND, lineterm=""))
        if lines:
            yield f"@@ {name} @@"
            yield from (line if not line.startswith("@@") else "…" for line in lines[3:])


def _group(each: SchemaObject) -> str:
    return each.table or each.name


def _grouped(schema: Schema, names: set[str]) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for each in schema.objects:
        if _group(each) in names:
            found[_group(each)] += _lines(each)
    return found


def _lines(each: SchemaObject) -> list[str]:
    match each.kind:
        case "column":
            return [f"  {each.name} {each.text}"]
        case "constraint":
            return [f"  CONSTRAINT {each.name} {each.text}"]
        case "grant" | "revoke":
            return [f"{each.kind} {each.text} {each.name}"]
        case "comment":
            return [f"comment {each.name} is {each.text}"]
        case "enum" | "composite type":
            return [f"{each.kind} {each.name}", *(f"  {line}" for line in each.text.split("\n"))]
        case "table" | "foreign table" | "extension" | "schema" | "sequence" | "domain":
            first, *rest = each.text.split("\n")
            return [f"{each.kind} {each.name} {first}".rstrip(), *(f"  {line}" for line in rest)]
        case kind:
            head = [] if kind in {"index", "trigger", "rule", "function", "procedure"} else [f"{kind} {each.name}"]
            return [*head, *each.text.split("\n")]

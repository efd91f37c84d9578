"""The schema of a database as a value: what can be told of it, compared, and kept."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

FORMAT = 1
# In the order in which a reader wants them of one table.
KINDS = (
    "schema", "extension", "language", "foreign-data wrapper", "server", "access method", "collation", "conversion",
    "enum", "composite type", "domain", "range type", "function", "procedure", "aggregate", "operator",
    "operator family", "operator class", "cast", "transform", "text search parser", "text search template",
    "text search dictionary", "text search configuration", "table", "foreign table", "column", "constraint", "sequence",
    "view", "materialized view", "index", "statistics", "trigger", "rule", "policy", "event trigger", "publication",
    "grant", "revoke", "comment",
)  # fmt: skip
RANK = {kind: number for number, kind in enumerate(KINDS)}
RELATIONS = frozenset({"table", "foreign table", "view", "materialized view", "sequence"})  # no two have one name
NAMED_ALONE = frozenset({"sequence", "grant", "revoke", "comment"})  # their names say where they belong
TYPES = frozenset({"enum", "composite type", "domain", "range type"})  # SQL calls them all a type


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaObject:
    """One object of the catalog. Names are as SQL takes them: qualified, and quoted where they must be."""

    kind: str  # of KINDS
    name: str  # "public.users"; of a column or constraint its own; of a grant "on public.users to app"
    table: str = ""  # of which it is a part; of a grant or comment also another whole: "function public.f(integer)"
    text: str = ""  # its definition, like SQL; of an enum its values, of a grant its privileges, one a line

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes it the same object in another schema, though a sequence may have got another owner."""
        return self.kind, "" if self.kind in NAMED_ALONE else self.table, self.name

    @property
    def whole(self) -> str:
        """What it is shown with: its table, or itself; relations by their name, anything else with its kind."""
        if self.table or self.kind in RELATIONS:
            return self.table or self.name
        return f"{'type' if self.kind in TYPES else self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Schema:
    """All objects, in canonical order, as `schema_of` makes it; columns as they stand in their tables."""

    objects: tuple[SchemaObject, ...]

    @property
    def fingerprint(self) -> str:
        """SHA-256, hex: equal for equal schemas."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def to_json(self) -> str:
        """Canonical and compact, for being kept."""
        rows = [[each.kind, each.name, each.table, each.text] for each in self.objects]
        return json.dumps({"format": FORMAT, "objects": rows}, separators=(",", ":"), ensure_ascii=False)

    @staticmethod
    def from_json(text: str) -> "Schema":
        """What `to_json` made. Raises ValueError for anything else, another format included."""
        try:
            content = json.loads(text)
        except RecursionError:
            raise ValueError("not a schema: nested too deep") from None
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise ValueError("not a schema of this format")
        rows = content.get("objects")
        if not isinstance(rows, list):
            raise ValueError("not a schema: no objects")  # noqa: TRY004 - the caller knows one error
        schema = schema_of(map(_object, rows))
        if len({each.key for each in schema.objects}) < len(rows):
            raise ValueError("not a schema: an object is in it twice")
        return schema


def schema_of(objects: Iterable[SchemaObject]) -> Schema:
    """Put into canonical order; that of the columns of a table is kept."""
    return Schema(tuple(sorted(objects, key=_place)))


def _place(each: SchemaObject) -> tuple[str, int, str]:
    return each.whole, RANK.get(each.kind, len(RANK)), "" if each.kind == "column" else each.name


def _object(row: Any) -> SchemaObject:
    if isinstance(row, list) and len(row) == 4 and all(isinstance(text, str) for text in row) and row[0] in RANK:
        kind, name, table, text = row
        return SchemaObject(kind=kind, name=name, table=table, text=text)
    raise ValueError(f"not an object of a schema: {str(row)[:100]}")

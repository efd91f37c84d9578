"""The schema of a database as a value: what can be told of it, compared, and kept."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

FORMAT = 1
# In the order in which a reader wants them of one table, and of a database.
KINDS = (
    "schema", "extension", "enum", "composite type", "domain", "range type", "sequence", "function", "procedure",
    "aggregate", "table", "foreign table", "column", "constraint", "index", "view", "materialized view", "trigger",
    "rule", "policy", "event trigger", "publication", "default privileges", "grant", "revoke", "comment",
)  # fmt: skip
RANK = {kind: number for number, kind in enumerate(KINDS)}


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaObject:
    """One object of the catalog. Names are as SQL takes them: qualified, and quoted where they must be."""

    kind: str  # of KINDS
    name: str  # "public.users"; of a column or constraint its own
    table: str = ""  # of which it is a part
    text: str = ""  # its definition, like SQL

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes it the same object in another snapshot."""
        return self.kind, self.table, self.name


@dataclass(frozen=True, slots=True)
class Schema:
    """All objects, in canonical order; columns as they stand in their tables."""

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
        content = json.loads(text)
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise ValueError("not a schema of this format")
        try:
            return Schema(
                tuple(
                    SchemaObject(kind=str(kind), name=str(name), table=str(table), text=str(definition))
                    for kind, name, table, definition in content["objects"]
                )
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a schema: {error}") from None


def schema_of(objects: Iterable[SchemaObject]) -> Schema:
    """Put into canonical order; the order among the columns of a table is kept."""
    return Schema(tuple(sorted(objects, key=_place)))


def _place(each: SchemaObject) -> tuple[str, int, str]:
    return each.table or each.name, RANK[each.kind], "" if each.kind == "column" else each.name

"""Whether a database has the schema that the files make: what of the two is compared, and what is not.

A database that others have made has more than its files: rights, comments, another tool's records, what its operator
has installed. What says nothing of the migrations is left out, so that it does not hide what does: docs/baseline.md.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace

from runner.core.schema import RELATIONS, Schema, SchemaObject, schema_of
from runner.core.schema_diff import TABLES, SchemaDifference, schema_difference
from runner.core.table import Table

NOT_COMPARED = frozenset({"grant", "revoke", "comment"})
# What stands in no schema. What the files make of it must be there; the rest is the operator's, and of an extension
# also its version.
IN_NO_SCHEMA = frozenset(
    {"extension", "language", "foreign-data wrapper", "server", "access method", "cast", "transform", "event trigger",
     "publication"}
)  # fmt: skip
# In which other tools, ours or not, keep what they have applied.
RECORDS = frozenset(
    {"__EFMigrationsHistory", "__diesel_schema_migrations", "__drizzle_migrations", "_prisma_migrations",
     "_sqlx_migrations", "_yoyo_log", "_yoyo_migration", "_yoyo_version", "yoyo_lock", "alembic_version",
     "ar_internal_metadata", "atlas_schema_revisions", "databasechangelog", "databasechangeloglock",
     "django_migrations", "flyway_schema_history", "goose_db_version", "knex_migrations", "knex_migrations_lock",
     "pgmigrations", "schema_migrations", "schema_version", "SequelizeMeta"}
)  # fmt: skip
QUALIFIED = re.compile(r'(?P<schema>"(?:[^"]|"")+"|[^."(]+)\.(?P<rest>.*)', re.DOTALL)
PUBLIC = "public"  # which is there before any file
PARTITION = "PARTITION OF "
ALL = 10**9  # lines: more than any database has
WORDS = {"+": "more", "-": "missing", "~": "other"}
HEADINGS = ("in the database", "what")


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """How a database differs from what the files make."""

    difference: SchemaDifference  # from the files' schema to the database's
    left_out: tuple[str, ...]  # the database's schemas in which the files have nothing

    @property
    def count(self) -> int:
        """How many things a person would name."""
        return len(self.difference.short(most=ALL))

    @property
    def table(self) -> Table:
        """A line for each of these, unless they are very many."""
        lines = [(line[0], line[1:].strip()) for line in self.difference.short()]
        return Table(headings=HEADINGS, rows=tuple((WORDS.get(sign, sign), what) for sign, what in lines))


def likeness(files: Schema, database: Schema, *, records: Collection[str] = ()) -> Likeness:
    """Compare what the files make with what is there. `records`: tables besides RECORDS that another tool has its
    records in, without their schemas.
    """
    known = RECORDS | set(records)
    wanted = [each for each in files.objects if _counts(each, known)]
    found = [each for each in database.objects if _counts(each, known)]
    schemas = {PUBLIC, *map(_schema, wanted)}
    made = {each.key for each in wanted}
    partitions = {each.name for each in found if _is_partition(each) and each.key not in made}
    compared = [
        each
        for each in found
        if _schema(each) in schemas
        and each.whole not in partitions
        and not (each.kind in IN_NO_SCHEMA and each.key not in made)
    ]
    return Likeness(
        difference=schema_difference(_in_any_order(wanted), _in_any_order(compared)),
        left_out=tuple(sorted({_schema(each) for each in found} - schemas)),
    )


def _counts(each: SchemaObject, records: Collection[str]) -> bool:
    if each.kind in NOT_COMPARED or (each.kind, each.name) == ("schema", PUBLIC):
        return False
    named = QUALIFIED.fullmatch(each.whole) if each.table or each.kind in RELATIONS else None
    return named is None or named["rest"].strip('"') not in records


def _is_partition(each: SchemaObject) -> bool:
    return each.kind in TABLES and any(line.startswith(PARTITION) for line in each.text.split("\n"))


def _schema(each: SchemaObject) -> str:
    """In which it stands; what stands in none counts as standing where all files may."""
    if each.kind == "schema":
        return each.name
    named = None if each.kind in IN_NO_SCHEMA else QUALIFIED.match(each.table or each.name)
    return named["schema"] if named else PUBLIC


def _in_any_order(objects: Iterable[SchemaObject]) -> Schema:
    """Columns by their names: in which order they stand is not compared."""
    return schema_of(sorted(_without_versions(objects), key=lambda each: each.name))


def _without_versions(objects: Iterable[SchemaObject]) -> Iterator[SchemaObject]:
    for each in objects:
        yield replace(each, text="") if each.kind == "extension" else each

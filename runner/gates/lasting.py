"""On a server of somebody's the proof executes nothing that would stay there when its own database is gone."""

from collections.abc import Iterator, Sequence

from runner.core.migration import Migration
from runner.errors import Finding

FOR_GOOD = frozenset({"ALTER SYSTEM", "ALTER ROLE", "DROP ROLE"})
SHARED = frozenset({"DATABASE", "TABLESPACE"})


def lasting(migrations: Sequence[Migration], *, whatever: bool = False) -> list[Finding]:
    """The statements whose effects outlive a database of their own: what they change stays on the server, and can break
    it for the other databases. For a server that is not ours, before anything runs there. `whatever`: those too that
    break nothing there, such as CREATE ROLE: the server may be the target's own, which the files come to later.
    """
    return [finding for migration in migrations for finding in _lasting(migration, whatever=whatever)]


def _lasting(migration: Migration, *, whatever: bool) -> Iterator[Finding]:
    sources = [(migration.source, migration.statements), (migration.file.check, migration.checks)]
    for source, statements in sources:
        for statement in statements:
            name = statement.traits.cluster_wide
            if source and name and (whatever or name in FOR_GOOD or name.rpartition(" ")[2] in SHARED):
                yield Finding(
                    f"{name} would stay on the server of `shadow-database`, for its other databases as well",
                    path=source.path,
                    line=statement.line,
                    column=statement.column,
                    hint="nothing was executed; leave `shadow-database` out, and the server that the files are proved "
                    "on is thrown away; or, for `check`, `shadow-database: off`",
                )

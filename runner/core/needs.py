"""What files take for granted of the database in which they are tried."""

from collections.abc import Sequence

from runner.core.migration import Migration, Statement


def extensions_of(migrations: Sequence[Migration]) -> dict[str, tuple[Migration, Statement]]:
    """The extensions that the files install, each with the first place that does."""
    found = {
        statement.traits.extension: (migration, statement)
        for migration in reversed(migrations)
        for statement in reversed(migration.statements)
    }
    found.pop("", None)
    return found


def roles_of(migrations: Sequence[Migration]) -> set[str]:
    """The roles that the files name, and do not make themselves."""
    statements = [statement for migration in migrations for statement in migration.statements]
    made = {name for statement in statements for name in statement.traits.creates}
    return {role for statement in statements for role in statement.traits.roles if f"role:{role}" not in made}

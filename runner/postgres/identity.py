"""Which server it is, whatever its address says, and where a session of ours looks for names."""

from psycopg import errors

from runner.core.plan_document import Identity
from runner.postgres.session import Connection, reading, usable

IDENTIFIER = "SELECT system_identifier::text FROM pg_catalog.pg_control_system()"
SCHEMAS = "SELECT pg_catalog.array_to_string(pg_catalog.current_schemas(false), ', ')"


def identity_of(connection: Connection) -> Identity:
    """The number that a cluster and its standbys share, and no other, and the schemas that the settings of server,
    database, role and URL come to.

    https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-PG-CONTROL-SYSTEM
    """
    with usable(connection):
        with reading(connection):
            schemas = connection.execute(SCHEMAS)
        [path] = schemas.fetchone() or [""]
        try:
            with reading(connection):
                cursor = connection.execute(IDENTIFIER)
            [system] = cursor.fetchone() or [""]
        except (errors.InsufficientPrivilege, errors.FeatureNotSupported, errors.UndefinedFunction):
            system = ""
    return Identity(system=system, search_path=path or "")

"""Which server it is, whatever its address says."""

from psycopg import errors

from runner.postgres.session import Connection, reading, usable

IDENTIFIER = "SELECT system_identifier::text FROM pg_catalog.pg_control_system()"


def system_identifier(connection: Connection) -> str:
    """The number that a cluster and its standbys share, and no other; empty where the role may not read it.

    https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-PG-CONTROL-SYSTEM
    """
    with usable(connection):
        try:
            with reading(connection):
                cursor = connection.execute(IDENTIFIER)
            row = cursor.fetchone()
        except (errors.InsufficientPrivilege, errors.FeatureNotSupported, errors.UndefinedFunction):
            connection.rollback()
            return ""
    return str(row[0]) if row else ""

"""Nothing comes on top of a migration of which a part is undone."""

from collections.abc import Sequence

from runner.commands.run import Run
from runner.core.model import Applied
from runner.errors import Refused
from runner.postgres.session import Connection


def refuse_half_undone(run: Run, connection: Connection, applied: Sequence[Applied]) -> None:
    """While another run holds the mutex it may be at that: then this one looks again once it has the mutex itself.
    Raises Refused.
    """
    if not any(row.half_undone for row in applied):
        return
    from runner.core.undoing import half_undone
    from runner.postgres.standing import mutex_is_held

    schema = run.config.tracking_schema
    half = half_undone(applied, schema)
    if half and not mutex_is_held(connection, schema):
        raise Refused(*half)

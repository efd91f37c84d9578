"""The command line on a database, as the tests of the commands have it."""

from tests.commands.conftest import db_migrate

__all__ = ["db_migrate"]

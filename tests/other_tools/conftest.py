"""The command line with a database that another tool migrates."""

from tests.commands.conftest import db_migrate

__all__ = ["db_migrate"]

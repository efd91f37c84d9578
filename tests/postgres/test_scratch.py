"""The database of a proof on a server of the user's."""

import pytest

from runner.postgres.scratch import scratch_server
from tests.conftest import Database

NAME = "db_migrate_check_of_a_test"
END_THE_OTHERS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()"""


def test_the_database_is_gone_afterwards(database: Database) -> None:
    with scratch_server(database.url) as make, make(NAME) as scratch:
        assert not scratch.ours
        assert database.value("SELECT count(*) FROM pg_database WHERE datname = %s", NAME) == 1
    assert database.value("SELECT count(*) FROM pg_database WHERE datname = %s", NAME) == 0


def test_a_database_that_cannot_be_dropped_does_not_hide_what_went_wrong(database: Database) -> None:
    """As when the server restarts in the middle of the proof."""

    def fail() -> None:
        with scratch_server(database.url) as make, make(NAME):
            database.query(END_THE_OTHERS)
            raise RuntimeError("the real failure")

    try:
        with pytest.raises(RuntimeError, match="the real failure"):
            fail()
    finally:
        database.query(f"DROP DATABASE IF EXISTS {NAME}")

"""Throw-away databases on servers of ours and of a user's."""

import pytest

from runner.core.database_url import DatabaseUrl
from runner.core.shadow_choice import Provider, ShadowChoice
from runner.postgres.scratch import scratch_server
from tests.conftest import Database

NAME = "db_migrate_check_of_a_test"
END_THE_OTHERS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()"""


def test_the_database_is_gone_afterwards(database: Database) -> None:
    choice = ShadowChoice(provider=Provider.URL, url=database.url)
    with scratch_server(choice) as make, make(NAME) as scratch:
        assert not scratch.ours
        assert database.value("SELECT count(*) FROM pg_database WHERE datname = %s", NAME) == 1
    assert database.value("SELECT count(*) FROM pg_database WHERE datname = %s", NAME) == 0


@pytest.mark.parametrize("provider", [Provider.AUTO, Provider.EMBEDDED])
def test_without_a_choice_it_is_on_a_server_of_ours(provider: Provider) -> None:
    with scratch_server(ShadowChoice(provider=provider)) as make:
        for name in (NAME, "another"):
            with make(name) as scratch, scratch.connect("test") as connection:
                assert scratch.ours
                assert scratch.server.endswith(", embedded")
                assert scratch.lacks(["vector", "postgis"]) == {"postgis"}
                assert scratch.make_roles(["b", "a", "public", "pg_read_all_data"]) == (
                    ["a", "b"] if name == NAME else []
                )
                assert connection.info.dbname == name


def test_a_role_that_may_make_none_gets_the_database_that_was_given(database: Database) -> None:
    choice = ShadowChoice(provider=Provider.URL, url=DatabaseUrl(value=database.as_role("nobody")))
    with scratch_server(choice) as make, make(NAME) as scratch, scratch.connect("test") as connection:
        assert connection.info.dbname == database.name


def test_a_database_that_cannot_be_dropped_does_not_hide_what_went_wrong(database: Database) -> None:
    """As when the server restarts in the middle of the proof."""

    def fail() -> None:
        with scratch_server(ShadowChoice(provider=Provider.URL, url=database.url)) as make, make(NAME):
            database.query(END_THE_OTHERS)
            raise RuntimeError("the real failure")

    try:
        with pytest.raises(RuntimeError, match="the real failure"):
            fail()
    finally:
        database.query(f"DROP DATABASE IF EXISTS {NAME}")

"""pg_dump gets the connection without its secrets being shown in a list of processes."""

from pathlib import Path

import pytest

from runner.core.database_url import DatabaseUrl
from runner.postgres.programs import LocalPrograms
from runner.postgres.schema_snapshot import schema_snapshot
from tests.conftest import SCRAM_ROLE, Database

WATCHED = """#!/bin/sh
printf '%s\\n' "$0" "$@" > "{folder}/arguments"
if [ -n "$PGSERVICEFILE" ]; then
    {{ stat -c '%a' "$PGSERVICEFILE"; echo "$PGSERVICEFILE"; cat "$PGSERVICEFILE"; }} > "{folder}/service"
fi
exec "{program}" "$@"
"""


@pytest.fixture
def programs(database: Database, tmp_path: Path) -> Path:
    """The server's own pg_dump, by way of a program that writes down what it is told."""
    program = tmp_path / "pg_dump"
    program.write_text(WATCHED.format(folder=tmp_path, program=database.server.programs / "pg_dump"))
    program.chmod(0o755)
    return tmp_path


def the_servers_own(database: Database) -> tuple[str, ...]:
    return schema_snapshot(database.url, LocalPrograms(database.server.programs))


def test_no_secret_is_an_argument(database: Database, programs: Path) -> None:
    database.query("CREATE TABLE seen (a int); GRANT SELECT ON seen TO PUBLIC")
    url = database.as_role(SCRAM_ROLE, "right") + "&sslpassword=hush hush&application_name=x"
    lines = schema_snapshot(DatabaseUrl(value=url.replace(" ", "%20")), LocalPrograms(programs))
    assert any("CREATE TABLE public.seen" in line for line in lines)
    arguments = (programs / "arguments").read_text()
    assert f"user={SCRAM_ROLE}" in arguments
    assert "right" not in arguments
    assert "hush" not in arguments
    rights, file, *content = (programs / "service").read_text().splitlines()
    assert (rights, content) == ("600", ["[db-migrate]", "sslpassword=hush hush"])
    assert not Path(file).parent.exists()


def test_without_secrets_there_is_no_file(database: Database, programs: Path) -> None:
    assert schema_snapshot(database.url, LocalPrograms(programs)) == the_servers_own(database)
    assert not (programs / "service").exists()


def test_a_service_of_the_users_is_resolved_before(
    database: Database, programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = tmp_path / "services.conf"
    services.write_text(f"[mine]\nhost={database.server.folder}\nuser=postgres\ndbname={database.name}\n")
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    url = DatabaseUrl(value="postgresql://?service=mine&sslpassword=hush")
    assert schema_snapshot(url, LocalPrograms(programs)) == the_servers_own(database)

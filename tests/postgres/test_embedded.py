"""The throw-away server knows nothing of the run that started it."""

import os
from pathlib import Path

import pytest

from runner.postgres.embedded import embedded_server
from runner.postgres.session import connect

SECRET = "postgresql://ada:hush@db/app"


def test_sql_cannot_read_the_environment_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "ACTIONS_RUNTIME_TOKEN", "INPUT_GITHUB-TOKEN", "PGPASSWORD"):
        monkeypatch.setenv(name, SECRET)
    monkeypatch.setenv("LC_MESSAGES", "C")
    before = dict(os.environ)
    with embedded_server() as server:
        assert dict(os.environ) == before
        with connect(server.url(), application_name="a test") as connection:
            connection.execute("CREATE TABLE t (line text)")
            connection.execute("COPY t FROM PROGRAM 'env' WITH (DELIMITER E'\\x01')")
            lines = [line for (line,) in connection.execute("TABLE t").fetchall()]
        process = int((server.folder / "postmaster.pid").read_text().split()[0])
        started_with = Path(f"/proc/{process}/environ").read_bytes()
    assert "LC_MESSAGES=C" in lines
    assert [line for line in lines if SECRET in line or line.startswith(("INPUT_", "ACTIONS_"))] == []
    assert b"LC_MESSAGES=C" in started_with
    assert SECRET.encode() not in started_with
    assert dict(os.environ) == before


def test_the_environment_is_whole_again_when_no_server_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", SECRET)
    with pytest.raises(ValueError, match="Unsupported postgres version"), embedded_server(1):
        pass
    assert os.environ["DATABASE_URL"] == SECRET

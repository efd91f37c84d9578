"""A real server, real runs, a real database."""

import os
import signal
import socket
from pathlib import Path
from typing import Any

import httpx
import pytest

from runner.cli import run
from runner.postgres.session import Connection, connect
from runner.postgres.watcher import mutex_key
from tests.api.conftest import AN_HOUR, MIGRATIONS, TOKEN, Event, Server, Site, an_application, ask, events_of
from tests.commands.processes import wait_until
from tests.conftest import ON_NEWEST, Database

pytestmark = ON_NEWEST

SLEEPS = f"SELECT pg_sleep({AN_HOUR});"
SLEEPING = f"SELECT pid FROM pg_stat_activity WHERE query LIKE '%pg_sleep({AN_HOUR})%' AND wait_event = 'PgSleep'"
WAIT = {"Prefer": "wait=60"}


def problem(answer: httpx.Response) -> dict[str, Any]:
    """What it says went wrong."""
    assert answer.headers["content-type"] == "application/problem+json"
    content: dict[str, Any] = answer.json()
    assert content["status"] == answer.status_code
    return content


def of(events: list[Event], name: str) -> list[Any]:
    """What the events of this name tell."""
    return [event.data for event in events if event.name == name]


def test_shows_where_the_database_stands_tries_applies_and_tells_as_it_goes_on(site: Site) -> None:
    with site.served() as server, server.client() as client:
        before = client.get(MIGRATIONS).json()
        assert (before["status"]["pending"], before["run"]) == (["01"], None)

        tried = client.post(MIGRATIONS, headers=WAIT)
        assert (tried.status_code, tried.headers["preference-applied"]) == (200, "wait=60")
        assert (tried.json()["dryRun"], tried.json()["outcome"], site.database.tables()) == (True, "dry-run", set())

        begun = client.post(MIGRATIONS, json={"dryRun": False})
        place = begun.headers["location"]
        assert (begun.status_code, begun.json()["state"], begun.json()["url"]) == (202, "running", place)
        events = events_of(client.get(begun.json()["events"]).text)
        *_, end = events
        assert [event.number for event in events] == list(range(1, len(events) + 1))
        assert any("✓ migrations/01_users.sql" in line["line"] for line in of(events, "log"))
        assert (end.name, end.data["outcome"], end.data["exitCode"]) == ("end", "applied", 0)
        report = end.data["report"]
        told = [{key: stage[key] for key in ("name", "state", "note", "duration_ms")} for stage in report["stages"]]
        assert (report["applied"], of(events, "stage")) == (["01"], told)
        (migration,) = report["migrations"]
        assert of(events, "step") == [
            {
                "version": "01",
                "path": "migrations/01_users.sql",
                "state": "completed",
                "duration_ms": migration["result"]["duration_ms"],
                "statements": 1,
                "statements_done": 1,
            }
        ]
        assert client.get(place).json() == end.data

        again = client.get(end.data["events"], headers={"Last-Event-ID": str(events[-3].number)})
        assert events_of(again.text) == events[-2:]
        assert client.get(end.data["events"], headers={"Last-Event-ID": str(end.number)}).status_code == 204

        after = client.get(MIGRATIONS).json()
        assert (after["status"]["pending"], after["status"]["current_version"]) == ([], "01")
        assert after["status"]["last_run"]["outcome"] == "applied"
        assert after["run"] == {key: value for key, value in end.data.items() if key != "report"}
    assert "users" in site.database.tables()
    assert any(f"127.0.0.1 POST {MIGRATIONS} 202" in line for line in server.log)
    assert TOKEN not in "".join(server.log)


def test_answers_while_a_run_goes_on_and_starts_no_second_one_and_ends_both_on_a_signal(site: Site) -> None:
    site.write(_02_slow=f"CREATE TABLE half (id bigint); {SLEEPS}")
    with site.served() as server, server.client() as client:
        begun = client.post(MIGRATIONS, json={"dryRun": False}).json()
        wait_until(site.database, SLEEPING)
        now = client.get(MIGRATIONS).json()
        assert (now["run"]["state"], now["status"]["under_way"]["actor"]) == ("running", "ada")
        assert [each["state"] for each in now["status"]["migrations"]] == ["completed", "running"]

        second = client.post(MIGRATIONS, json={"dryRun": True})
        assert (second.status_code, second.headers["location"]) == (409, begun["url"])
        assert problem(second)["run"]["id"] == begun["id"]

        with client.stream("GET", begun["events"]) as stream:
            texts = stream.iter_text()
            first = next(texts) + next(texts)
            assert secrets_of_children(server) == set()
            os.kill(server.process.pid, signal.SIGTERM)
            *_, end = events_of(first + "".join(texts))
        assert (end.name, end.data["outcome"], end.data["exitCode"]) == ("end", "cancelled", 143)
        assert end.data["report"]["applied"] == ["01"]
        assert server.end() == 0
    assert site.database.query(SLEEPING) == []
    assert "half" not in site.database.tables()
    assert site.database.query("SELECT status, error_message FROM schema_migrations WHERE version = '02'") == [
        ("failed", "migrations/02_slow.sql: cancelled by SIGTERM")
    ]


def secrets_of_children(server: Server) -> set[str]:
    """What of the server's secrets stands where it must not in the process that it has started."""
    tasks = Path(f"/proc/{server.process.pid}/task").iterdir()
    (child,) = {pid for task in tasks for pid in (task / "children").read_text().split()}
    environ, command = (Path(f"/proc/{child}/{name}").read_text(errors="replace") for name in ("environ", "cmdline"))
    assert ("DATABASE_URL=" in environ, "runner\0migrate\0--no-dry-run" in command) == (True, True)
    return {secret for secret in (TOKEN,) if secret in environ} | {part for part in ("://", TOKEN) if part in command}


def test_a_run_does_not_outlive_its_server_however_that_ends(site: Site) -> None:
    site.write(_02_slow=f"CREATE TABLE half (id bigint); {SLEEPS}")
    with site.served() as server, server.client() as client:
        client.post(MIGRATIONS, json={"dryRun": False})
        wait_until(site.database, SLEEPING)
        server.process.kill()
        wait_until(site.database, "SELECT 1 FROM migration_runs WHERE outcome = 'cancelled'")
    assert (site.database.query(SLEEPING), "half" in site.database.tables()) == ([], False)
    assert site.database.query("SELECT status, error_message FROM schema_migrations WHERE version = '02'") == [
        ("failed", "migrations/02_slow.sql: cancelled by SIGTERM")
    ]


def test_a_client_that_goes_away_does_not_stop_the_run(site: Site) -> None:
    site.write(_02_slow="SELECT pg_sleep(0.5);")
    with site.served() as server:
        with server.client() as client, client.stream("POST", MIGRATIONS, json={"dryRun": False}):
            pass
        wait_until(site.database, "SELECT 1 FROM pg_tables WHERE tablename = 'migration_runs'")
        wait_until(site.database, "SELECT 1 FROM migration_runs WHERE outcome = 'applied'")


def test_starts_nothing_while_another_process_migrates_the_database(site: Site) -> None:
    app = an_application(site)
    with site.database.connect() as other:
        other.execute("SELECT pg_advisory_lock(%s)", [mutex_key("public")])
        answer = ask(app, "POST", MIGRATIONS, json={"dryRun": False})
        assert (answer.status_code, ask(app, "GET", MIGRATIONS).json()["run"]) == (409, None)
        assert "another process migrates this database: a test, pid" in problem(answer)["detail"]


def test_tells_what_is_wrong_with_a_migration_with_its_place(site: Site) -> None:
    site.write(_02_wrong="SELECT 1;\nSELECT nope;")
    with site.served() as server, server.client() as client:
        failed = client.post(MIGRATIONS, json={"dryRun": False}, headers=WAIT).json()
        error = next(finding for finding in failed["report"]["findings"] if finding["level"] == "error")
        assert (failed["outcome"], failed["exitCode"]) == ("failed", 1)
        assert (error["path"], error["line"]) == ("migrations/02_wrong.sql", 2)

        site.write(_01_twice="")
        answer = client.get(MIGRATIONS)
        assert answer.status_code == 409
        assert problem(answer)["findings"][0]["path"] == "migrations/01_users.sql"


def test_tells_that_the_database_is_gone_and_goes_on_when_it_is_back(site: Site) -> None:
    app, name = an_application(site), site.database.name
    assert ask(app, "GET", MIGRATIONS).status_code == 200
    with connected_elsewhere(site.database) as elsewhere:
        elsewhere.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
        answers = [ask(app, method, MIGRATIONS) for method in ("GET", "POST")]
        elsewhere.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())
        assert [answer.status_code for answer in answers] == [503, 503]
        assert "ALLOW_CONNECTIONS" in problem(answers[0])["findings"][0]["hint"]
        assert ask(app, "GET", MIGRATIONS).status_code == 200


def connected_elsewhere(database: Database) -> Connection:
    return connect(database.server.url(), application_name="a test")


# What keeps it from starting


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"INTERNAL_ADMIN_TOKEN": ""}, "INTERNAL_ADMIN_TOKEN: is missing"),
        ({"INTERNAL_ADMIN_TOKEN": "fifteen-letters"}, "INTERNAL_ADMIN_TOKEN: is too short"),
        ({"INTERNAL_ADMIN_TOKEN": "sixteen letters!"}, "has characters that a header cannot carry"),
        ({"DATABASE_URL": ""}, "database-url: is missing"),
        ({"DATABASE_URL": "embedded"}, "`embedded` cannot be served"),
        ({"INPUT_LOCK-TIMEOUT": "5x"}, "lock-timeout: `5x` is not a duration"),
    ],
)
def test_does_not_start_with_a_wrong_configuration(
    site: Site, changed: dict[str, str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["serve", "--port", "0"], site.environ | changed) == 2
    assert said in capsys.readouterr().out


def test_does_not_start_without_its_database_and_does_not_tell_the_password(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    url = site.database.as_role("locked", "wr0ng-passw0rd")
    assert run(["serve", "--port", "0"], site.environ | {"DATABASE_URL": url}) == 6
    out = capsys.readouterr().out
    assert "password authentication failed" in out
    assert "wr0ng-passw0rd" not in out


@pytest.mark.parametrize("port", ["65536", "x", "-1", ""])
def test_does_not_start_on_what_is_no_port(site: Site, port: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["serve", f"--port={port}"], site.environ) == 2
    assert f"--port: `{port}` is not a port" in capsys.readouterr().out


def test_does_not_start_on_a_port_that_is_taken(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert run(["serve", "--port", str(port)], site.environ) == 2
    assert f"cannot listen on 127.0.0.1, port {port}: Address already in use" in capsys.readouterr().out


def test_says_that_others_can_reach_it(site: Site) -> None:
    with site.served("--host", "0.0.0.0") as server:
        assert any("others can reach this address" in line for line in server.log)

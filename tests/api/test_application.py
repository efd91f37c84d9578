"""The application inside of another one, in production, and under a fuzzer."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from starlette.applications import Starlette
from starlette.routing import Mount

from runner.api.openapi import description_json
from runner.cli import run
from tests.api.conftest import BEARER, MIGRATIONS, TOKEN, Event, Server, Site, an_application, ask, events_of
from tests.conftest import ON_NEWEST

DOCS = Path(__file__).parent.parent.parent / "docs"
FILE = DOCS / "openapi.json"
OPENAPI: dict[str, Any] = json.loads(description_json())
ENDED = {"Prefer": "wait=60", **BEARER}


def fits(content: object, name: str) -> bool:
    """Whether it is as the description says of this name."""
    return fits_schema(content, {"$ref": f"#/components/schemas/{name}"})


def fits_schema(content: object, schema: dict[str, Any]) -> bool:
    """Whether it is as a schema of the description says."""
    return bool(Draft202012Validator({**OPENAPI, **schema}).is_valid(content))


# Mounted


@ON_NEWEST
def test_mounted_below_a_prefix_its_places_are_below_it(site: Site) -> None:
    host = Starlette(routes=[Mount("/ops/db", an_application(site))])
    tried = ask(host, "POST", f"/ops/db{MIGRATIONS}", ENDED)
    place, run = tried.headers["location"], tried.json()
    assert (tried.status_code, place) == (200, f"/ops/db{MIGRATIONS}/runs/{run['id']}")
    assert ask(host, "GET", place).json() == run
    assert events_of(ask(host, "GET", run["events"]).text)[-1].data == run
    assert ask(host, "GET", f"/ops/db{MIGRATIONS}").json()["run"]["url"] == place
    assert ask(host, "GET", "/ops/db/api/openapi.json").json()["servers"] == [{"url": "/ops/db"}]
    assert ask(host, "GET", MIGRATIONS).status_code == 404


@ON_NEWEST
def test_what_it_says_is_as_described(site: Site) -> None:
    app = an_application(site)
    assert fits(ask(app, "GET", MIGRATIONS).json(), "Standing")
    tried = ask(app, "POST", MIGRATIONS, ENDED).json()
    assert fits(tried, "Run")
    told = events_of(ask(app, "GET", tried["events"]).text)
    assert [event for event in told if not fits(as_sent(event), "Event")] == []
    described = {event["properties"]["event"]["const"]: event["properties"]["data"]["contentSchema"]
                 for event in OPENAPI["components"]["schemas"]["Event"]["oneOf"]}  # fmt: skip
    assert [event for event in told if not fits_schema(event.data, described[event.name])] == []
    assert {event.name for event in told} == {"log", "stage", "end"}
    schemas = {"status": DOCS / "status.schema.json", "report": DOCS / "report.schema.json"}
    documents = {"status": ask(app, "GET", MIGRATIONS).json()["status"], "report": tried["report"]}
    for name, file in schemas.items():
        assert Draft202012Validator(json.loads(file.read_text())).is_valid(documents[name])


@ON_NEWEST
def test_a_run_is_told_whole_where_nobody_can_write_to_the_checkout(site: Site) -> None:
    before = sorted(site.checkout.rglob("*"))
    for folder in (site.checkout, site.checkout / "migrations"):
        folder.chmod(0o555)  # which root does not mind
    try:
        done = ask(an_application(site), "POST", MIGRATIONS, ENDED, json={"dryRun": False}).json()
    finally:
        for folder in (site.checkout, site.checkout / "migrations"):
            folder.chmod(0o755)
    assert (done["outcome"], done["report"]["applied"]) == ("applied", ["01"])
    assert sorted(site.checkout.rglob("*")) == before


def as_sent(event: Event) -> dict[str, Any]:
    return {"id": str(event.number), "event": event.name, "data": json.dumps(event.data)}


@ON_NEWEST
@pytest.mark.parametrize(
    ("method", "path", "status", "allowed"),
    [
        ("PUT", MIGRATIONS, 405, {"GET", "HEAD", "POST"}),
        ("OPTIONS", MIGRATIONS, 405, {"GET", "HEAD", "POST"}),
        ("POST", f"{MIGRATIONS}/runs/x", 405, {"GET", "HEAD"}),
        ("GET", f"{MIGRATIONS}/", 404, set()),
        ("GET", f"{MIGRATIONS}/runs/x", 404, set()),
        ("GET", f"{MIGRATIONS}/runs/x/events", 404, set()),
        ("GET", "/", 404, set()),
    ],
)
def test_what_is_not_there_is_a_problem(site: Site, method: str, path: str, status: int, allowed: set[str]) -> None:
    answer = ask(an_application(site), method, path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert set(filter(None, answer.headers.get("allow", "").split(", "))) == allowed
    assert fits(answer.json(), "Problem")


def test_the_file_beside_the_pages_is_the_description_of_the_program() -> None:
    if os.environ.get("RENEW_SCHEMA"):
        FILE.write_text(description_json())
    assert FILE.read_text() == description_json(), "make it anew with RENEW_SCHEMA=1"


def test_the_page_tells_every_path_and_every_status() -> None:
    page = (DOCS / "api.md").read_text()
    statuses = {status for path in OPENAPI["paths"].values() for method in ("get", "post") if method in path
                for status in path[method]["responses"]}  # fmt: skip
    assert [path for path in OPENAPI["paths"] if path.removesuffix("/{id}") not in page] == []
    assert [status for status in statuses if f"`{status}`" not in page] == []


# In production


PATHS = [MIGRATIONS, f"{MIGRATIONS}/runs/x", f"{MIGRATIONS}/runs/x/events", "/api/openapi.json", "/", "/elsewhere"]


@ON_NEWEST
@pytest.mark.parametrize("by", ["configuration", "the database", "another ledger of the database"])
def test_in_production_no_path_is_there_and_nothing_runs(site: Site, by: str) -> None:
    if by != "configuration":
        schema = ["--tracking-schema", "other"] if by.startswith("another") else []
        assert run([*schema, "--no-dry-run"], site.environ) == 0
        schema_name = "other" if schema else "public"
        site.database.query(f"UPDATE {schema_name}.migration_environment SET environment = 'production'")
    app = an_application(site, **({"NODE_ENV": "production"} if by == "configuration" else {}))
    before = site.database.dump()
    answers = [
        ask(app, method, path, headers, json={"dryRun": False} if method == "POST" else None)
        for path in PATHS
        for method in ("GET", "POST")
        for headers in (BEARER, {})
    ]
    assert {(answer.status_code, answer.text) for answer in answers} == {(404, "Not Found")}
    assert (app.runs.last, site.database.dump()) == (None, before)


@ON_NEWEST
def test_a_database_that_becomes_productions_is_noticed_before_anything_runs(site: Site) -> None:
    assert run([], site.environ) == 0
    app = an_application(site)
    assert ask(app, "GET", MIGRATIONS).status_code == 200
    site.database.query("UPDATE migration_environment SET environment = 'production'")
    assert (ask(app, "POST", MIGRATIONS, json={"dryRun": False}).status_code, app.runs.last) == (404, None)
    assert ask(app, "GET", "/api/openapi.json").status_code == 404


# Under a fuzzer: https://schemathesis.readthedocs.io


def fuzz(site: Site, place: str, *flags: str) -> subprocess.CompletedProcess[str]:
    """Let schemathesis loose."""
    program = str(Path(sys.executable).with_name("schemathesis"))
    command = [program, "run", place, "--seed", "1", "--max-examples", "8", "--continue-on-failure", "--no-color"]
    return subprocess.run([*command, *flags], capture_output=True, text=True, cwd=site.checkout, timeout=300)


def statuses(server: Server, method: str = "") -> set[str]:
    """What the server has answered, as its log says."""
    return {line.split()[-3] for line in server.log if line.startswith(f"127.0.0.1 {method}")}


@ON_NEWEST
def test_a_fuzzer_with_the_token_finds_nothing_that_is_not_as_described(site: Site) -> None:
    with site.served() as server:
        header = f"Authorization: Bearer {TOKEN}"
        done = fuzz(site, f"{server.url}/api/openapi.json", "--header", header, "--phases", "coverage,fuzzing")
        server.end()
    assert (done.returncode, {status for status in statuses(server) if status >= "500"}) == (0, set()), done.stdout
    assert {"202", "401", "422"} <= statuses(server, "POST")
    assert TOKEN not in "".join(server.log)


@ON_NEWEST
@pytest.mark.parametrize(
    ("where", "token", "status"),
    [({}, "wrong-token-of-this-test", "401"), ({"NODE_ENV": "production"}, TOKEN, "404")],
    ids=["without the token", "in production"],
)
def test_a_fuzzer_starts_nothing(site: Site, where: dict[str, str], token: str, status: str) -> None:
    with site.served(**where) as server:
        header = f"Authorization: Bearer {token}"
        flags = ["--url", server.url, "--header", header, "--checks", "not_a_server_error"]
        done = fuzz(site, str(FILE), *flags, "--phases", "coverage")
        server.end()
    assert (done.returncode, statuses(server) - {"429"}) == (0, {status}), done.stdout
    assert site.database.tables() == set()

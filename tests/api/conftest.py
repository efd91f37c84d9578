"""The API: as a server of its own, and as an application inside of the test's process."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from runner.api.application import Application
from runner.api.settings import TOKEN as VARIABLE
from runner.api.settings import read_settings
from runner.resources import PACKAGE
from tests.conftest import Database

TOKEN = "correct-horse-battery-staple-7"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
MIGRATIONS = "/api/migrations"
AN_HOUR = 3600  # of seconds: for what is to be cancelled


@dataclass
class Site:
    """A checkout, its database, and what is served from them."""

    database: Database
    checkout: Path

    @property
    def environ(self) -> dict[str, str]:
        """All that a server is started with."""
        return {
            "DATABASE_URL": self.database.url.value,
            "GITHUB_WORKSPACE": str(self.checkout),
            "GITHUB_ACTOR": "ada",
            VARIABLE: TOKEN,
        }

    def write(self, **files: str) -> None:
        """Write migrations: `_01_users="CREATE …"` becomes `01_users.sql`."""
        for name, sql in files.items():
            (self.checkout / "migrations" / f"{name.removeprefix('_')}.sql").write_text(sql)

    @contextmanager
    def served(self, *flags: str, **environ: str) -> Iterator["Server"]:
        """The server on a free port of the loopback, until the block is left."""
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "runner", "serve", "--port", "0", *flags],
            env={**os.environ, "PYTHONPATH": str(PACKAGE.parent), **self.environ, **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        server = Server(process)
        try:
            server.listen()
            yield server
        finally:
            server.end()


@dataclass
class Server:
    """A running `db-migrate serve`."""

    process: subprocess.Popen[str]
    log: list[str] = field(default_factory=list)
    url: str = ""

    def listen(self) -> None:
        """Read what it says, up to where it listens."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.log.append(line)
            if line.startswith("listening on "):
                self.url = line.removeprefix("listening on ").strip().removesuffix(MIGRATIONS)
                return
        pytest.fail(f"it does not listen: {self.log}")

    def end(self) -> int:
        """Tell it to stop, and return its exit code."""
        self.process.terminate()
        self.log += self.process.communicate(timeout=30)[0].splitlines()
        return self.process.returncode

    def client(self, headers: Mapping[str, str] = BEARER) -> httpx.Client:
        """A client that has the token."""
        return httpx.Client(base_url=self.url, headers=headers, timeout=60)


@dataclass(frozen=True)
class Event:
    """One server-sent event."""

    name: str
    number: int | None
    data: Any


def events_of(text: str) -> list[Event]:
    """The events of a stream; comments and `retry` are none."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if line and not line.startswith(":"))
        if "event" in fields:
            number = int(fields["id"]) if "id" in fields else None
            found.append(Event(fields["event"], number, json.loads(fields["data"])))
    return found


def an_application(site: Site, **environ: str) -> Application:
    """The application of a site, without a server."""
    return Application(read_settings({}, site.environ | environ), tell=lambda _: None)


def ask(app: ASGIApp, method: str, path: str, headers: Mapping[str, str] = BEARER, **others: Any) -> httpx.Response:
    """One request to an application, without a server."""

    async def answer() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://api", headers=headers, timeout=60) as client:
            return await client.request(method, path, **others)

    return asyncio.run(answer())


@pytest.fixture
def site(database: Database, checkout: Path) -> Site:
    """One migration, and an empty database."""
    site = Site(database, checkout)
    site.write(_01_users="CREATE TABLE users (id bigint PRIMARY KEY);")
    return site

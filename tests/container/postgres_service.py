"""A PostgreSQL beside the action, as a workflow's `services:` gives it: on the job's network, under its label."""

import csv
import io
import secrets
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast
from urllib.parse import quote

from docker.client import DockerClient
from docker.models.containers import Container

from .github_runner import LABEL

IMAGE = Path(__file__).parents[1] / "images" / "postgres"
ALIAS = "postgres"


@dataclass(frozen=True, slots=True)
class Database:
    """One database of the service, empty when it was made."""

    service: "PostgresService"
    name: str

    @property
    def url(self) -> str:
        """What a workflow keeps in a secret; good inside the service's network only."""
        return self.service.url(self.name)

    def query(self, sql: str) -> list[list[str]]:
        """Run SQL and return the rows as text, NULL as ''. Raises RuntimeError with the server's message."""
        return self.service.query(sql, database=self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresService:
    """A server that answers. Tests on the machine reach it through `query`, containers on `network` through `url`."""

    container: Container
    network: str
    user: str = "shop"
    password: str = field(default="", repr=False)

    def url(self, database: str, *, user: str | None = None, password: str | None = None) -> str:
        """A connection URL with user and password percent-encoded."""
        credentials = f"{quote(user or self.user, safe='')}:{quote(password or self.password, safe='')}"
        return f"postgresql://{credentials}@{ALIAS}:5432/{quote(database, safe='')}"

    def query(self, sql: str, *, database: str) -> list[list[str]]:
        """Run SQL in a database, as its superuser."""
        command = ["psql", "--no-psqlrc", "--csv", "--tuples-only", "--quiet", "--set=ON_ERROR_STOP=1"]
        command += [f"--username={self.user}", f"--dbname={database}", f"--command={sql}"]
        result = self.container.exec_run(command, environment={"PGPASSWORD": self.password}, demux=True)
        rows, messages = cast("tuple[bytes | None, bytes | None]", result.output)
        if result.exit_code != 0:
            raise RuntimeError((messages or b"").decode())
        return list(csv.reader(io.StringIO((rows or b"").decode())))

    def create_database(self) -> Database:
        """A new, empty database."""
        name = f"shop_{secrets.token_hex(6)}"
        self.query(f'CREATE DATABASE "{name}"', database="postgres")
        return Database(self, name)


@contextmanager
def running_postgres(client: DockerClient, image: str) -> Iterator[PostgresService]:
    """Start a server on a network of its own, wait until it answers, and remove both at the end."""
    password = f"{secrets.token_hex(8)}:/@%é"  # differs from its percent-encoded form
    name = f"github_network_{uuid.uuid4().hex}"
    network = client.networks.create(name, labels={LABEL: ""})
    try:
        container = client.containers.run(
            image,
            detach=True,
            labels=[LABEL],
            environment={"POSTGRES_USER": "shop", "POSTGRES_PASSWORD": password},
            network=name,
            networking_config={name: client.api.create_endpoint_config(aliases=[ALIAS])},
        )
        _wait_until_it_answers(container)
        yield PostgresService(container=container, network=name, password=password)
    finally:
        network.reload()
        for each in network.containers:  # steps that a failed test left running hold the network too
            each.remove(v=True, force=True)
        network.remove()


def _wait_until_it_answers(container: Container, *, timeout: float = 60) -> None:
    """By TCP: on its socket the server answers earlier, while it is being set up."""
    deadline = time.monotonic() + timeout
    while container.exec_run(["pg_isready", "--quiet", "--host=127.0.0.1"]).exit_code != 0:
        if time.monotonic() > deadline:
            raise TimeoutError(f"PostgreSQL did not answer within {timeout} s:\n{container.logs().decode()}")
        time.sleep(0.1)

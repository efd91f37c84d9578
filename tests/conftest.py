"""Real PostgreSQL servers for every test that needs one: 16 and 18, a database of its own for each test."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from runner.cli import run
from runner.core.database_url import DatabaseUrl
from runner.postgres.embedded import NEWEST, EmbeddedServer, embedded_server
from runner.postgres.session import Connection, connect
from runner.resources import bundled

EXAMPLE = bundled("examples/knowledge-workspace")
VERSIONS = (16, 18)
SCRAM_ROLE = "locked"  # the one role that must give a password; all others are trusted

# For what is the runner's alone: its decisions and its words, which no version of the server changes.
ON_NEWEST = pytest.mark.parametrize("version", [NEWEST], ids=[f"pg{NEWEST}"])

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Database:
    """A database of one test."""

    server: EmbeddedServer
    name: str

    @property
    def url(self) -> DatabaseUrl:
        return self.server.url(self.name)

    def as_role(self, role: str, password: str = "") -> str:
        """The URL as another role."""
        secret = f"&password={password}" if password else ""
        return self.url.value.replace("user=postgres", f"user={role}{secret}")

    def connect(self) -> Connection:
        return connect(self.url, application_name="a test")

    def query(self, sql: str, *values: object) -> list[tuple[object, ...]]:
        """Run one statement in a connection of its own, so that only what was committed is seen."""
        with self.connect() as connection:
            cursor = connection.execute(sql.encode(), values or None)
            return list(cursor.fetchall()) if cursor.description else []

    def value(self, sql: str, *values: object) -> object:
        """The first column of the first row."""
        return self.query(sql, *values)[0][0]

    def tables(self) -> set[str]:
        """The tables that are not the server's own."""
        return {
            str(name)
            for (name,) in self.query(
                "SELECT table_name FROM information_schema.tables WHERE table_schema NOT IN "
                "('pg_catalog', 'information_schema') AND table_type = 'BASE TABLE'"
            )
        }

    def dump(self) -> str:
        """All of it as SQL, for comparing before and after."""
        import subprocess

        done = subprocess.run(
            [self.server.programs / "pg_dump", "--dbname", self.url.value], capture_output=True, text=True, check=True
        )
        return "\n".join(
            line for line in done.stdout.splitlines() if not line.startswith(("\\restrict", "\\unrestrict"))
        )


@pytest.fixture(scope="session")
def servers() -> Iterator[Callable[[int], EmbeddedServer]]:
    """Starts a server of a version when a test first asks for it."""
    started: dict[int, EmbeddedServer] = {}
    contexts = []

    def server(version: int) -> EmbeddedServer:
        if version not in started:
            context = embedded_server(version)
            started[version] = context.__enter__()
            contexts.append(context)
            _prepare(started[version])
        return started[version]

    yield server
    for context in contexts:
        context.__exit__(None, None, None)


def _prepare(server: EmbeddedServer) -> None:
    """One role that has to give a password."""
    access = server.folder / "pg_hba.conf"
    whole = access.with_suffix(".new")  # the server may just be reading: it must never find half of it
    whole.write_text(f"local all {SCRAM_ROLE} scram-sha-256\n" + access.read_text())
    whole.replace(access)
    with connect(server.url(), application_name="a test") as connection:
        connection.execute("ALTER SYSTEM SET password_encryption = 'scram-sha-256'")
        connection.execute("SELECT pg_reload_conf()")
        connection.execute(f"CREATE ROLE {SCRAM_ROLE} LOGIN PASSWORD 'right'".encode())
        connection.execute("CREATE ROLE nobody LOGIN")


@pytest.fixture(params=VERSIONS, ids=lambda version: f"pg{version}")
def version(request: pytest.FixtureRequest) -> int:
    """The PostgreSQL version under test."""
    number: int = request.param
    return number


@pytest.fixture
def database(servers: Callable[[int], EmbeddedServer], version: int) -> Iterator[Database]:
    """An empty database, gone after the test."""
    yield from _database(servers(version), "template1")


def _database(server: EmbeddedServer, template: str) -> Iterator[Database]:
    name = f"test_{next(_numbers)}"
    server.create_database(name, template=template)
    yield Database(server, name)
    with connect(server.url(), application_name="a test") as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture(scope="session")
def example_template(servers: Callable[[int], EmbeddedServer]) -> Callable[[int], str]:
    """Makes, once a version, a database in which the example is applied as staging, to be copied by tests."""
    made: dict[int, str] = {}

    def template(version: int) -> str:
        if version not in made:
            server = servers(version)
            url = server.create_database("example_template")
            environ = {"DATABASE_URL": url.value, "GITHUB_WORKSPACE": str(EXAMPLE), "GITHUB_ACTOR": "ada"}
            assert run(["--environment", "staging"], environ) == 0
            made[version] = "example_template"
        return made[version]

    return template


@pytest.fixture
def example_database(
    servers: Callable[[int], EmbeddedServer], version: int, example_template: Callable[[int], str]
) -> Iterator[Database]:
    """A copy of the database in which the example is applied."""
    yield from _database(servers(version), example_template(version))


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with an empty folder `migrations`."""
    (tmp_path / "migrations").mkdir()
    return tmp_path

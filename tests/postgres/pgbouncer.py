"""A real PgBouncer before a server of the tests, on a Unix socket."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest

from runner.core.database_url import DatabaseUrl
from runner.postgres.embedded import EmbeddedServer
from tests.conftest import Database

PROGRAM = shutil.which("pgbouncer", path=f"{os.defpath}:/usr/sbin:/usr/local/sbin")
PORT = 6432  # part of the socket's name
CONFIG = """
[databases]
* = host={server}
[pgbouncer]
unix_socket_dir = {folder}
listen_addr =
listen_port = {port}
auth_type = trust
auth_file = {folder}/users
{settings}
"""
USERS = ("postgres", "nobody")


@dataclass(frozen=True)
class PgBouncer:
    """A pooler while a test runs."""

    folder: Path

    def database(self, behind: Database) -> "Pooled":
        """The database of a test, by way of the pooler."""
        return Pooled(behind.server, behind.name, self)


@dataclass(frozen=True)
class Pooled(Database):
    """A database that is reached through the pooler."""

    pooler: PgBouncer

    @property
    def url(self) -> DatabaseUrl:
        folder = quote(str(self.pooler.folder), safe="")
        return DatabaseUrl(value=f"postgresql:///{quote(self.name)}?host={folder}&port={PORT}&user=postgres")


@contextmanager
def pgbouncer(server: EmbeddedServer, **settings: object) -> Iterator[PgBouncer]:
    """PgBouncer with these settings, its defaults otherwise. It runs as the server's user: not as root, which it
    refuses, and with access to the server's socket.
    """
    if PROGRAM is None:
        pytest.fail("PgBouncer is missing: apt-get install pgbouncer, as .ci/run does", pytrace=False)
    folder = Path(tempfile.mkdtemp(prefix="pgbouncer-"))
    owner = server.folder.stat()
    (folder / "users").write_text("".join(f'"{user}" ""\n' for user in USERS))
    lines = "\n".join(f"{name} = {value}" for name, value in settings.items())
    config = folder / "pgbouncer.ini"
    config.write_text(CONFIG.format(server=server.folder, folder=folder, port=PORT, settings=lines))
    os.chown(folder, owner.st_uid, owner.st_gid)
    root = os.geteuid() == 0
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [str(PROGRAM), str(config)],
            stdout=log,
            stderr=log,
            user=owner.st_uid if root else None,
            group=owner.st_gid if root else None,
            extra_groups=[] if root else None,
        )
    try:
        _wait(process, folder)
        yield PgBouncer(folder)
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder)


def _wait(process: "subprocess.Popen[bytes]", folder: Path) -> None:
    deadline = time.monotonic() + 10
    while not _listens(folder / f".s.PGSQL.{PORT}"):
        said = (folder / "log").read_text()
        assert process.poll() is None, said
        assert time.monotonic() < deadline, said
        time.sleep(0.02)


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0

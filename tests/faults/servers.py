"""Servers of a test's own: as durable as in production, to be counted and restarted."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from runner.postgres.embedded import EmbeddedServer, embedded_server
from runner.postgres.session import connect
from tests.ports import free_port

SERVER_USER = "pgserver"  # whom the library runs its servers as when it is root itself
SETTINGS = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "autovacuum": "off",  # it would flush as well
    "wal_writer_delay": "10s",  # likewise: what is committed without waiting is flushed by this one
    "checkpoint_timeout": "1h",
}
FLUSHES = {
    # https://www.postgresql.org/docs/16/monitoring-stats.html#MONITORING-PG-STAT-WAL-VIEW
    16: "SELECT wal_sync FROM pg_stat_wal",
    # https://www.postgresql.org/docs/18/monitoring-stats.html#MONITORING-PG-STAT-IO-VIEW
    18: "SELECT sum(fsyncs)::bigint FROM pg_stat_io WHERE object = 'wal' AND backend_type = 'client backend'",
}


@dataclass
class DurableServer:
    """A server that keeps what it has said it has committed."""

    server: EmbeddedServer
    version: int
    restarted: bool = False

    def restart(self) -> None:
        """As after a crash: nothing is written down, every session ends, and the log is replayed."""
        self._restart("-m", "immediate")

    def listen(self, address: str) -> int:
        """Also on a port of an address, from now on, and on the socket under that port, which is returned."""
        port = free_port()
        self._restart("-o", f"-h {address} -p {port} -k {self.server.folder}")
        return port

    def stop(self) -> None:
        self._control("stop", "-m", "fast", "-w")

    def flushes(self) -> int:
        """How often sessions that have ended have flushed the write-ahead log; on 16 the server's own are in it too."""
        with connect(self.server.url(), application_name="a test") as connection:
            row = connection.execute(FLUSHES[self.version].encode()).fetchone()
        assert row is not None
        return int(row[0])

    def _restart(self, *arguments: str) -> None:
        self._control("restart", *arguments, "-w", "-l", str(self.server.folder / "log"))
        self.restarted = True

    def _control(self, *arguments: str) -> None:
        """The server's output must not be a pipe: it would keep ours open."""
        done = subprocess.run(
            [self.server.programs / "pg_ctl", "-D", self.server.folder, *arguments],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=SERVER_USER if os.geteuid() == 0 else None,
        )
        assert done.returncode == 0, (self.server.folder / "log").read_text()[-2000:]


@contextmanager
def durable_server(version: int) -> Iterator[DurableServer]:
    """A server that waits for the disk, while the block runs."""
    with embedded_server(version) as server:
        durable = DurableServer(server, version)
        try:
            with connect(server.url(), application_name="a test") as connection:
                for name, value in SETTINGS.items():
                    connection.execute(f"ALTER SYSTEM SET {name} = '{value}'".encode())
                connection.execute("SELECT pg_reload_conf()")
            yield durable
        finally:
            if durable.restarted:  # the library only knows the process that it started itself
                durable.stop()

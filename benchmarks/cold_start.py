"""How long a step waits for the container's first query: `.venv/bin/python -m benchmarks.cold_start IMAGE`."""

import contextlib
import json
import socket
import statistics
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

EXAMPLE = Path(__file__).parents[1] / "examples" / "knowledge-workspace"
NOW = "import time; print(time.time())"
PATIENCE = 60  # seconds
ENCRYPTION_REQUESTS = (80877103, 80877104)  # SSLRequest and GSSENCRequest
SETTINGS = {b"server_version": b"18.0", b"client_encoding": b"UTF8", b"standard_conforming_strings": b"on"}


@dataclass(frozen=True, slots=True)
class ColdStart:
    """Seconds since `docker run` was called, as medians; each has those before it in it."""

    engine: float  # until a shell runs in the container: what an engine takes, whatever the image
    interpreter: float  # until Python runs
    imports: float  # until the program is imported
    connection: float  # until a server hears of it
    query: float  # until the server has the first query


def cold_start(image: str, *, rounds: int = 7) -> ColdStart:
    """Start containers of each kind in turn, on the engine's default network; the image's files are in memory by then.
    Raises CalledProcessError for a container that does not start, TimeoutError when no query comes.
    """
    [about] = json.loads(_docker("image", "inspect", image))
    *python, program = about["Config"]["Entrypoint"]
    imports = f"import sys; sys.path.insert(0, {str(Path(program).parent)!r}); import runner.cli; {NOW}"
    with _server() as server:
        kinds: list[Callable[[], tuple[float, ...]]] = [
            lambda: _until_it_prints(image, "sh", "-c", "date +%s.%N"),
            lambda: _until_it_prints(image, *python, "-c", NOW),
            lambda: _until_it_prints(image, *python, "-c", imports),
            lambda: _until_it_asks(image, server),
        ]
        found = [[seconds for kind in kinds for seconds in kind()] for _ in range(rounds + 1)]
    return ColdStart(*map(statistics.median, zip(*found[1:], strict=True)))  # the first reads the disk


def _docker(*arguments: str) -> str:
    command = ["docker", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603 - no shell


def _until_it_prints(image: str, program: str, *arguments: str) -> tuple[float, ...]:
    began = time.time()
    return (float(_docker("run", "--rm", "--entrypoint", program, image, *arguments)) - began,)


def _until_it_asks(image: str, server: "_Server") -> tuple[float, ...]:
    """A migration, as a step of a workflow: until it connects, and until it asks."""
    server.asked.clear()
    step = ["--volume", f"{EXAMPLE}:/github/workspace:ro", "--workdir", "/github/workspace"]
    began = time.time()
    container = _docker("run", "--detach", *step, "--env", f"INPUT_DATABASE-URL={server.url}", image).strip()
    try:
        if not server.asked.wait(PATIENCE):
            raise TimeoutError(f"{image} asked nothing within {PATIENCE} s")
        return tuple(moment - began for moment in server.moments)
    finally:
        _docker("rm", "--force", "--volumes", container)


class _Server:
    """Lets everybody in and notes when the first came and when it asked; nobody gets an answer."""

    def __init__(self, host: str) -> None:
        self.listener = socket.create_server((host, 0))
        self.asked = threading.Event()
        self.moments = (0.0, 0.0)

    @property
    def url(self) -> str:
        """The database's, for a container."""
        host, port = self.listener.getsockname()
        return f"postgresql://somebody@{host}:{port}/app?sslmode=disable"

    def serve(self) -> None:
        """Take one connection after the other, until the listener is shut down."""
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                came = time.time()
                with connection, contextlib.suppress(OSError, struct.error):  # it may leave at any time
                    _let_in(connection)
                    if connection.recv(1) and not self.asked.is_set():
                        self.moments = (came, time.time())
                        self.asked.set()


def _let_in(connection: socket.socket) -> None:
    """The start of https://www.postgresql.org/docs/current/protocol-flow.html, without a password."""
    while struct.unpack("!4xI", connection.recv(8, socket.MSG_WAITALL))[0] in ENCRYPTION_REQUESTS:
        connection.sendall(b"N")
    connection.recv(10_000)  # who it is
    welcome = [
        (b"R", bytes(4)),
        *((b"S", b"%b\0%b\0" % each) for each in SETTINGS.items()),
        (b"K", bytes(8)),
        (b"Z", b"I"),
    ]
    connection.sendall(b"".join(kind + struct.pack("!I", 4 + len(rest)) + rest for kind, rest in welcome))


@contextmanager
def _server() -> Iterator[_Server]:
    """At this machine's address for containers."""
    [network] = json.loads(_docker("network", "inspect", "bridge"))
    server = _Server(network["IPAM"]["Config"][0]["Gateway"])
    thread = threading.Thread(target=server.serve, name="server")
    thread.start()
    try:
        yield server
    finally:
        server.listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        server.listener.close()


def table(found: ColdStart) -> Iterator[str]:
    """What each step adds, as Markdown."""
    steps = {
        "Docker starts a container": found.engine,
        "Python starts": found.interpreter - found.engine,
        "the program is imported": found.imports - found.interpreter,
        "it reads inputs, and calls the server": found.connection - found.imports,
        "it is let in, has read its files, and asks": found.query - found.connection,
        "**until the first query**": found.query,
    }
    yield "| step | ms |"
    yield "|---|---|"
    yield from (f"| {what} | {1000 * seconds:.0f} |" for what, seconds in steps.items())


if __name__ == "__main__":
    sys.stdout.write("\n".join([*table(cold_start(*sys.argv[1:])), ""]))

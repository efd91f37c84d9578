"""pg_dump and psql of a container: run there, with files that are needed there, and no secret in their arguments."""

import io
import secrets
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from runner.postgres.engine import PATIENCE, answering
from runner.postgres.programs import TIMEOUT, Address, ProgramFailed, home, what_it_said

if TYPE_CHECKING:
    from docker.client import DockerClient
    from docker.models.containers import Container

FOLDER = "/tmp"  # noqa: S108 - of a container in which nobody else is
HEADER = struct.Struct(">B3xL")  # which stream, how many bytes
TIMED_OUT = 124  # what timeout(1) returns
# https://www.postgresql.org/docs/current/libpq-ssl.html: where they are when nobody says
CERTIFICATES = {
    "sslcert": "postgresql.crt",
    "sslkey": "postgresql.key",
    "sslrootcert": "root.crt",
    "sslcrl": "root.crl",
}
SYSTEM = "system"  # in place of a file with root certificates
BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")


@dataclass(frozen=True, slots=True)
class SiblingPrograms:
    """Those of a container that runs."""

    client: "DockerClient"
    container: "Container"

    def run(self, program: str, arguments: Sequence[str], address: Address) -> bytes:
        """As Programs says."""
        folder = _folder()
        files = {name: file.read_bytes() for name, file in _certificates(address).items() if file.is_file()}
        plain = {**address.plain, **{name: f"{folder}/{name}" for name in files}}
        if plain.get("sslrootcert") != address.plain.get("sslrootcert") == SYSTEM:
            plain["sslmode"] = "verify-full"  # the only one with which libpq takes the system's
        told = replace(address, plain=plain)
        variables = told.variables()
        if address.secrets:
            files["service.conf"] = told.service().encode()
            variables["PGSERVICEFILE"] = f"{folder}/service.conf"
        if files:
            self._put(folder, files)
        dbname = told.argument(service=bool(address.secrets))
        code, output, errors = self._execute(
            ["timeout", str(TIMEOUT), program, *arguments, "--dbname", dbname], variables
        )
        if files:
            self._execute(["rm", "-rf", folder], {})
        if code == TIMED_OUT:
            raise ProgramFailed(f"{program} did not end within {TIMEOUT} s")
        if code:
            raise ProgramFailed(what_it_said(errors) or what_it_said(output))
        return output

    @contextmanager
    def file(self, content: bytes) -> Iterator[str]:
        """As Programs says. When the block fails it goes with the container."""
        folder = _folder()
        self._put(folder, {"dump.sql": content})
        yield f"{folder}/dump.sql"
        self._execute(["rm", "-rf", folder], {})

    def _put(self, folder: str, files: Mapping[str, bytes]) -> None:
        """Put files there that only root can read."""
        import tarfile

        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w") as archive:
            for name, content in files.items():
                entry = tarfile.TarInfo(f"{folder.rpartition('/')[2]}/{name}")
                entry.size, entry.mode = len(content), 0o600
                archive.addfile(entry, io.BytesIO(content))
        with answering("put files into the container"):
            self.container.put_archive(FOLDER, data.getvalue())

    def _execute(self, command: Sequence[str], variables: Mapping[str, str]) -> tuple[int, bytes, bytes]:
        """Run a command as root. The variables are in nobody's list of processes."""
        api = self.client.api
        with answering(f"run {command[0]} in the container"):
            job = api.exec_create(self.container.id, list(command), environment=dict(variables), user="0")["Id"]
            with api.post(  # the SDK's own would leave its socket open
                f"{api.base_url}/v{api.api_version}/exec/{job}/start",
                json={"Detach": False, "Tty": False},
                stream=True,
                timeout=(PATIENCE, TIMEOUT + PATIENCE),
            ) as answer:
                answer.raise_for_status()
                output, errors = _apart(answer.content)
            return api.exec_inspect(job)["ExitCode"], output, errors


def _folder() -> str:
    return f"{FOLDER}/db-migrate-{secrets.token_hex(6)}"


def _apart(content: bytes) -> tuple[bytes, bytes]:
    """What was written to stdout and stderr.

    https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerAttach
    """
    streams: dict[int, list[bytes]] = {1: [], 2: []}
    at = 0
    while at < len(content):
        stream, size = HEADER.unpack_from(content, at)
        at += HEADER.size
        streams[stream].append(content[at : at + size])
        at += size
    return b"".join(streams[1]), b"".join(streams[2])


def _certificates(address: Address) -> dict[str, Path]:
    """The files of ours that the client library reads for TLS, by the name of their parameter."""
    if not address.tls:
        return {}
    folder = home() / ".postgresql"
    found = {name: Path(address.plain.get(name) or folder / default) for name, default in CERTIFICATES.items()}
    if address.plain.get("sslrootcert") == SYSTEM:
        import ssl

        bundle = ssl.get_default_verify_paths().cafile
        there = next((each for each in (bundle, *BUNDLES) if each and Path(each).is_file()), None)
        if there:
            found["sslrootcert"] = Path(there)
    return found

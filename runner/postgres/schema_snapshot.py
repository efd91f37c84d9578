"""The schema of a database as text, by pg_dump: two snapshots are equal when nothing but data differs."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from psycopg import conninfo

from runner.core.database_url import SECRET_KEYWORDS, DatabaseUrl
from runner.errors import DatabaseUnusable, Finding
from runner.postgres.embedded import NEWEST, programs_of
from runner.postgres.session import connect

TIMEOUT = 300  # seconds
SERVICE = "db-migrate"


def schema_snapshot(url: DatabaseUrl, programs: Path | None = None) -> tuple[str, ...]:
    """The statements that would make this schema, line by line. `programs`: where pg_dump is, of at least the server's
    version; without it the newest that we carry. Raises DatabaseUnusable.
    """
    import subprocess

    with connect(url, application_name="db-migrate snapshot") as connection:
        given = connection.info.get_parameters() | {"application_name": "db-migrate pg_dump"}
        password = connection.info.password
    program = (programs or programs_of(NEWEST)) / "pg_dump"
    with _told(given, password) as (dbname, environment):
        try:
            done = subprocess.run(  # noqa: S603 - our own program, and no shell
                [str(program), "--schema-only", "--no-sync", "--dbname", dbname],
                env=environment, capture_output=True, timeout=TIMEOUT, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise DatabaseUnusable(Finding(f"pg_dump did not end within {TIMEOUT} s")) from None
    if done.returncode:
        said = " ".join(done.stderr.decode(errors="replace").split())
        raise DatabaseUnusable(Finding(f"the schema cannot be read: {said}"))
    return tuple(line for line in done.stdout.decode(errors="replace").split("\n") if _says_something(line))


@contextmanager
def _told(given: Mapping[str, str], password: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The connection as an argument, and the environment that adds what is secret: lists of processes show arguments to
    everybody. Most secrets have no variable of their own; those are in a file that only we can read.
    """
    secrets = {name: value for name, value in given.items() if name in SECRET_KEYWORDS}
    left_out = {*secrets, "service", "servicefile"}  # what a service of the user's gave is among the others
    plain = {name: value for name, value in given.items() if name not in left_out}
    environment = {"PGPASSWORD": password} if password else {}
    if not secrets:
        yield conninfo.make_conninfo(**plain), environment
        return
    with tempfile.TemporaryDirectory(prefix="db-migrate-") as folder:
        file = Path(folder) / "service.conf"
        file.touch(mode=0o600)
        file.write_text("\n".join([f"[{SERVICE}]", *(f"{name}={value}" for name, value in secrets.items()), ""]))
        yield conninfo.make_conninfo(**plain, service=SERVICE), environment | {"PGSERVICEFILE": str(file)}


def _says_something(line: str) -> bool:
    """Not a comment of pg_dump's, nor the random words of its `restrict`."""
    return bool(line.strip()) and not line.startswith(("--", "\\restrict", "\\unrestrict"))

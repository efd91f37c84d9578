"""The schema of a database as text, by pg_dump: two snapshots are equal when nothing but data differs."""

from pathlib import Path

from psycopg import conninfo

from runner.core.database_url import DatabaseUrl
from runner.errors import DatabaseUnusable, Finding
from runner.postgres.embedded import NEWEST, programs_of
from runner.postgres.session import connect

TIMEOUT = 300  # seconds


def schema_snapshot(url: DatabaseUrl, programs: Path | None = None) -> tuple[str, ...]:
    """The statements that would make this schema, line by line. `programs`: where pg_dump is, of at least the server's
    version; without it the newest that we carry. Raises DatabaseUnusable.
    """
    import subprocess

    with connect(url, application_name="db-migrate snapshot") as connection:
        given = connection.info.get_parameters() | {"application_name": "db-migrate pg_dump"}
        password = connection.info.password
    command = [(programs or programs_of(NEWEST)) / "pg_dump", "--schema-only", "--no-sync", "--dbname"]
    environment = {"PGPASSWORD": password} if password else {}  # arguments are shown in lists of processes
    try:
        done = subprocess.run(  # noqa: S603 - our own program, and no shell
            [*map(str, command), conninfo.make_conninfo(**given)],
            env=environment, capture_output=True, timeout=TIMEOUT, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise DatabaseUnusable(Finding(f"pg_dump did not end within {TIMEOUT} s")) from None
    if done.returncode:
        said = " ".join(done.stderr.decode(errors="replace").split())
        raise DatabaseUnusable(Finding(f"the schema cannot be read: {said}"))
    return tuple(line for line in done.stdout.decode(errors="replace").split("\n") if _says_something(line))


def _says_something(line: str) -> bool:
    """Not a comment of pg_dump's, nor the random words of its `restrict`."""
    return bool(line.strip()) and not line.startswith(("--", "\\restrict", "\\unrestrict"))

"""A dump of the database in a file, for an artifact.

https://www.postgresql.org/docs/current/app-pgdump.html
"""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from runner.core.backup import Backup
from runner.core.durations import milliseconds
from runner.core.model import BackupMode
from runner.errors import DatabaseUnusable, Finding, InputError
from runner.postgres.programs import LocalPrograms, ProgramFailed, address_of, carried_programs
from runner.postgres.session import Connection

LOCK_WAIT = timedelta(seconds=30)
PRIVATE = 0o600  # rows of production are nobody else's to read
NOT_OURS = b";"  # with which a line begins that is no entry
WITHOUT = "`backup: schema` has no rows, `backup: none` does without"
HINTS = {
    r"permission denied": "GRANT pg_read_all_data TO {role}; pg_dump reads every table",
    r"row-level security": "run as a role with BYPASSRLS, or as the owner of the tables; " + WITHOUT,
    r"due to (statement|lock) timeout|could not obtain lock": "somebody holds a table locked; try again later",
    r"query_wait_timeout|too many|remaining connection slots": "pg_dump is a third connection: let the pool, or the "
    "limit, hold one more; " + WITHOUT,
    r"version mismatch|no TLS|SSL support": "pg_dump of the server's version in a step before this one; " + WITHOUT,
    r"No space left|quota|File too large": "make room on the runner's disk, or another `backup-path`; " + WITHOUT,
    r"closed the connection|terminating connection|could not receive data|signal": "nothing was migrated; run again",
}


def write_backup(
    connection: Connection,
    mode: BackupMode,
    file: Path,
    *,
    shown: PurePosixPath,
    lock_wait: timedelta = LOCK_WAIT,
    programs: LocalPrograms | None = None,
) -> Backup:
    """Dump the database that `connection` leads to into `file`, whole or without rows, and read all of it back.
    `shown`: the path of the file in the workspace, and so its end. Tables are locked as for reading, each waited for no
    longer than `lock_wait`. Until all is well the file is what it was before; it belongs to whom the workspace belongs
    to, and nobody else may read it.

    Raises InputError when the file cannot be there, DatabaseUnusable with what pg_dump says.
    """
    programs = programs or carried_programs(connection.info.server_version // 10000)
    workspace = file.parents[len(shown.parts) - 1]
    file = _placed(file, workspace, shown)
    partial = file.with_name(f"{file.name}.partial")
    rows = ["--schema-only"] if mode is BackupMode.SCHEMA else []
    arguments = ["--format=custom", *rows, f"--lock-wait-timeout={milliseconds(lock_wait)}"]
    try:
        with _created(partial, workspace) as output:
            programs.write("pg_dump", arguments, address_of(connection, "pg_dump"), output)
            os.fsync(output.fileno())
            listing = programs.ask("pg_restore", "--list", str(partial))
            programs.ask("pg_restore", f"--file={os.devnull}", str(partial))  # pg_dump overlooks a full disk at its end
            size = partial.stat().st_size
            partial.replace(file)
    except (ProgramFailed, OSError) as error:
        raise DatabaseUnusable(_not_written(_said(error), connection.info.user)) from None
    entries = [line for line in listing.splitlines() if line and not line.startswith(NOT_OURS)]
    return Backup(path=shown, mode=mode, size=size, entries=len(entries))


def _placed(file: Path, workspace: Path, shown: PurePosixPath) -> Path:
    """Where the file is, in a folder that is there. The checkout may have links, which lead who knows where."""
    folder = Path(os.path.realpath(file.parent))  # Path.resolve() would raise where links lead to each other
    if not folder.is_relative_to(workspace.resolve()):
        hint = "name a file in the workspace, by way of no link that leads elsewhere"
        raise InputError(Finding(f"backup-path: {shown} leads out of the workspace", hint=hint))
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for each in missing:
            _hand_over(each, workspace)
        if file.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
    except OSError as error:
        raise InputError(_no_file(error)) from None
    return folder / file.name


@contextmanager
def _created(file: Path, workspace: Path) -> Iterator[BinaryIO]:
    """A new file, whatever was there: what is opened is no link of somebody's. Gone after the block, unless it has
    another name by then.
    """
    try:
        file.unlink(missing_ok=True)
        output = os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE), "wb")
    except OSError as error:
        raise InputError(_no_file(error)) from None
    try:
        with output:
            _hand_over(file, workspace)
            yield output
    finally:
        file.unlink(missing_ok=True)


def _hand_over(made: Path, workspace: Path) -> None:
    """Give what was made to whom the workspace belongs: else the steps that follow could not read it."""
    owner = workspace.stat()
    if os.geteuid() == 0:
        os.chown(made, owner.st_uid, owner.st_gid)


def _no_file(error: OSError) -> Finding:
    return Finding(f"backup-path: the file cannot be made: {error.strerror}", hint="name another file")


def _not_written(said: str, user: str) -> Finding:
    hint = next((hint for pattern, hint in HINTS.items() if re.search(pattern, said)), WITHOUT)
    role = '"' + user.replace('"', '""') + '"'
    return Finding(f"the backup cannot be made: {said}", hint=hint.format(role=role))


def _said(error: ProgramFailed | OSError) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)

"""A backup is a file that pg_restore makes the same database of, or it is not there."""

import os
import signal
import subprocess
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from pathlib import Path, PurePosixPath
from types import FrameType
from typing import Any

import pytest

from runner.core.backup import Backup
from runner.core.database_url import DatabaseUrl
from runner.core.model import BackupMode
from runner.errors import Cancelled, DatabaseUnusable, InputError
from runner.postgres.backup import write_backup
from runner.postgres.embedded import EmbeddedServer
from runner.postgres.programs import LocalPrograms, carried_programs
from runner.postgres.session import connect
from runner.postgres.signals import audible, hear
from tests.conftest import SCRAM_ROLE, Database, _database

DUMP, SCHEMA = BackupMode.DUMP, BackupMode.SCHEMA
SHOWN = PurePosixPath("db-migrate-report/backup.dump")
DEADLINE = 20  # seconds
SQL = """
    CREATE SCHEMA app;
    CREATE TYPE app.mood AS ENUM ('fine', 'größer');
    CREATE TABLE app."My Users" (id int PRIMARY KEY, name text NOT NULL, mood app.mood);
    CREATE INDEX ON app."My Users" (lower(name));
    CREATE VIEW app.names AS SELECT name FROM app."My Users";
    INSERT INTO app."My Users" SELECT n, 'name ' || n, 'größer' FROM generate_series(1, 100) AS n;
    GRANT SELECT ON app."My Users" TO nobody"""
DUMPING = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'db-migrate pg_dump'"""


def written(database: Database, workspace: Path, mode: BackupMode = DUMP, *, role: str = "", **others: Any) -> Backup:
    url = DatabaseUrl(value=role) if role else database.url
    with connect(url, application_name="a test") as connection:
        return write_backup(connection, mode, workspace / others.get("shown", SHOWN), **{"shown": SHOWN, **others})


@contextmanager
def refused(workspace: Path, message: str, error: type[BaseException] = DatabaseUnusable) -> Iterator[list[str]]:
    """What is done inside fails, and leaves no file. Yields a list that gets the hint."""
    hint: list[str] = []
    with pytest.raises(error, match=message) as caught:
        yield hint
    hint += [finding.hint for finding in getattr(caught.value, "findings", ())]
    assert [path for path in workspace.rglob("*") if path.is_file()] == []


@pytest.fixture
def newest(servers: Callable[[int], EmbeddedServer]) -> Iterator[Database]:
    """Of one version, for what does not depend on it."""
    yield from _database(servers(18), "template1")


@pytest.fixture
def empty(servers: Callable[[int], EmbeddedServer], version: int) -> Iterator[Database]:
    """Another database, to restore into."""
    yield from _database(servers(version), "template0")


def restore(file: Path, into: Database) -> None:
    subprocess.run(
        [into.server.programs / "pg_restore", "--exit-on-error", "--dbname", into.url.value, file], check=True
    )


# What is written


def test_the_whole_database_comes_back(database: Database, empty: Database, tmp_path: Path) -> None:
    database.query(SQL)
    backup = written(database, tmp_path)
    file = tmp_path / SHOWN
    assert (backup.path, backup.mode, backup.size) == (SHOWN, DUMP, file.stat().st_size)
    assert backup.entries > 5
    restore(file, empty)
    assert empty.dump() == database.dump()
    assert empty.value('SELECT count(*) FROM app."My Users"') == 100


def test_the_schema_comes_back_without_rows(database: Database, empty: Database, tmp_path: Path) -> None:
    database.query(SQL)
    written(database, tmp_path, SCHEMA)
    restore(tmp_path / SHOWN, empty)
    assert empty.value('SELECT count(*) FROM app."My Users"') == 0
    database.query('TRUNCATE app."My Users"')
    assert empty.dump() == database.dump()


def test_an_empty_database_has_a_backup_without_entries(newest: Database, tmp_path: Path) -> None:
    assert written(newest, tmp_path).entries == 0
    assert (tmp_path / SHOWN).read_bytes().startswith(b"PGDMP")


@pytest.mark.parametrize("umask", [0o022, 0o000])
def test_nobody_else_may_read_it(newest: Database, tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        written(newest, tmp_path)
    finally:
        os.umask(before)
    assert (tmp_path / SHOWN).stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_it_belongs_to_whom_the_workspace_belongs_to(newest: Database, tmp_path: Path) -> None:
    os.chown(tmp_path, 1001, 1002)
    shown = PurePosixPath("a/b/c.dump")
    written(newest, tmp_path, shown=shown)
    for path in (tmp_path / shown, tmp_path / "a", tmp_path / "a/b"):
        assert (path.stat().st_uid, path.stat().st_gid) == (1001, 1002)


def test_a_large_table_does_not_pass_through_our_memory(newest: Database, tmp_path: Path) -> None:
    newest.query(
        "CREATE TABLE t (a text); ALTER TABLE t ALTER a SET STORAGE EXTERNAL;"
        "INSERT INTO t SELECT string_agg(md5((n * 1000 + k)::text), '') FROM generate_series(1, 1000) AS n, "
        "generate_series(1, 1000) AS k GROUP BY n"
    )
    with connect(newest.url, application_name="a test") as connection:
        tracemalloc.start()
        try:
            backup = write_backup(connection, DUMP, tmp_path / SHOWN, shown=SHOWN)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert backup.size > 15_000_000
    assert peak < 2_000_000


def test_an_earlier_file_is_replaced(newest: Database, tmp_path: Path) -> None:
    newest.query("CREATE TABLE t ()")
    first = written(newest, tmp_path)
    newest.query("CREATE TABLE u ()")
    (tmp_path / f"{SHOWN}.partial").write_text("of a run that was killed")
    assert written(newest, tmp_path).entries > first.entries
    assert [path.name for path in (tmp_path / SHOWN).parent.iterdir()] == ["backup.dump"]


def test_a_password_is_in_nobodys_list_of_processes(newest: Database, tmp_path: Path) -> None:
    url = newest.as_role(SCRAM_ROLE, "right")
    assert written(newest, tmp_path, SCHEMA, role=url).size
    (tmp_path / SHOWN).unlink()
    programs = pretended(tmp_path.parent / f"{tmp_path.name}-programs", pg_dump='echo "pg_dump: $*" >&2; exit 1')
    with pytest.raises(DatabaseUnusable, match=f"--dbname .*user={SCRAM_ROLE}") as caught:
        written(newest, tmp_path, role=url, programs=programs)
    assert "right" not in str(caught.value)


# Where it may be


@pytest.mark.parametrize("target", ["../elsewhere", "/tmp"])
def test_a_folder_that_leads_out_of_the_workspace_is_refused(newest: Database, tmp_path: Path, target: str) -> None:
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (tmp_path / "elsewhere").mkdir()
    (workspace / SHOWN.parent).symlink_to(target)
    with refused(tmp_path, "backup.dump leads out of the workspace", InputError):
        written(newest, workspace)


def test_a_folder_that_leads_elsewhere_in_the_workspace_is_fine(newest: Database, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / SHOWN.parent).symlink_to("there")
    written(newest, tmp_path)
    assert (tmp_path / "there/backup.dump").is_file()


@pytest.mark.parametrize("name", ["backup.dump", "backup.dump.partial"])
def test_a_link_in_the_place_of_the_file_is_replaced_not_followed(newest: Database, tmp_path: Path, name: str) -> None:
    workspace = tmp_path / "workspace"
    folder = workspace / SHOWN.parent
    folder.mkdir(parents=True)
    mine = tmp_path / "mine"
    mine.write_text("mine")
    (folder / name).symlink_to(mine)
    written(newest, workspace)
    assert mine.read_text() == "mine"
    assert not (workspace / SHOWN).is_symlink()


def test_a_folder_in_the_place_of_the_file_is_refused(newest: Database, tmp_path: Path) -> None:
    (tmp_path / SHOWN).mkdir(parents=True)
    with refused(tmp_path, "backup-path: the file cannot be made: it is a folder", InputError):
        written(newest, tmp_path)


def test_a_file_in_the_place_of_the_folder_is_refused(newest: Database, tmp_path: Path) -> None:
    (tmp_path / SHOWN.parent).write_text("a file")
    with pytest.raises(InputError, match=r"backup-path: the file cannot be made: (File exists|Not a directory)"):
        written(newest, tmp_path)


def test_a_link_to_itself_in_the_place_of_the_folder_is_refused(newest: Database, tmp_path: Path) -> None:
    (tmp_path / SHOWN.parent).symlink_to(SHOWN.parent)
    with refused(tmp_path, "backup-path: the file cannot be made: ", InputError):
        written(newest, tmp_path)


# What goes wrong


def pretended(folder: Path, **scripts: str) -> LocalPrograms:
    """Programs of which some are replaced by scripts."""
    folder.mkdir()
    real = carried_programs(18).folder
    for name in ("pg_dump", "pg_restore"):
        (folder / name).symlink_to(real / name)
    for name, script in scripts.items():
        (folder / name).unlink()
        (folder / name).write_text(f"#!/bin/sh\n{script.replace('REAL', str(real))}\n")
        (folder / name).chmod(0o755)
    return LocalPrograms(folder)


@pytest.mark.parametrize("mode", [DUMP, SCHEMA])
def test_a_table_that_the_role_may_not_read_is_named(database: Database, tmp_path: Path, mode: BackupMode) -> None:
    database.query("CREATE TABLE salaries (a int)")
    with refused(tmp_path, "the backup cannot be made: .*permission denied for table salaries$") as hint:
        written(database, tmp_path, mode, role=database.as_role("nobody"))
    assert hint[0].startswith('GRANT pg_read_all_data TO "nobody";')


def test_rows_that_a_policy_hides_are_not_left_out(database: Database, tmp_path: Path) -> None:
    database.query(
        "CREATE TABLE t (a int); INSERT INTO t VALUES (1); ALTER TABLE t ENABLE ROW LEVEL SECURITY;"
        "CREATE POLICY p ON t USING (false); GRANT SELECT ON t TO nobody"
    )
    with refused(tmp_path, "would be affected by row-level security policy") as hint:
        written(database, tmp_path, role=database.as_role("nobody"))
    assert "BYPASSRLS" in hint[0]


def test_a_table_that_somebody_holds_locked_is_not_waited_for_for_ever(database: Database, tmp_path: Path) -> None:
    database.query("CREATE TABLE t (a int)")
    with closing(database.connect()) as other:
        other.execute("BEGIN; LOCK TABLE t")
        with refused(tmp_path, "canceling statement due to (statement|lock) timeout") as hint:
            written(database, tmp_path, lock_wait=timedelta(milliseconds=200))
    assert "holds a table locked" in hint[0]


@pytest.mark.parametrize("mode", [DUMP, SCHEMA])
def test_a_full_disk_leaves_no_file(newest: Database, tmp_path: Path, mode: BackupMode) -> None:
    newest.query(SQL)
    newest.query("CREATE TABLE t AS SELECT md5(n::text) FROM generate_series(1, 1000) AS n")
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    programs = pretended(tmp_path / "programs", pg_dump='exec REAL/pg_dump "$@" > /dev/full')
    with refused(workspace, "the backup cannot be made: .*No space left on device") as hint:
        written(newest, workspace, mode, programs=programs)
    assert "make room" in hint[0]


def test_a_failure_leaves_an_earlier_file_as_it_was(newest: Database, tmp_path: Path) -> None:
    written(newest, tmp_path)
    before = (tmp_path / SHOWN).read_bytes()
    newest.query("CREATE TABLE salaries (a int)")
    with pytest.raises(DatabaseUnusable, match="salaries"):
        written(newest, tmp_path, role=newest.as_role("nobody"))
    assert (tmp_path / SHOWN).read_bytes() == before
    assert [path.name for path in (tmp_path / SHOWN).parent.iterdir()] == ["backup.dump"]


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("exit 0", "input file is too short"),
        ("echo this is no dump", "does not appear to be a valid archive"),
        ('REAL/pg_dump "$@" | head -c 400', "could not read|unexpected end of file"),
        ('REAL/pg_dump "$@" | head -c -9', "could not read|unexpected end of file"),
        ("exit 3", "pg_dump ended with exit code 3"),
        ("kill -9 $$", "pg_dump was ended by signal 9"),
    ],
    ids=["empty", "garbage", "cut", "its end is missing", "silent", "killed"],
)
def test_what_cannot_be_read_back_is_no_backup(newest: Database, tmp_path: Path, script: str, said: str) -> None:
    newest.query(SQL)
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    programs = pretended(tmp_path / "programs", pg_dump=script)
    with refused(workspace, f"the backup cannot be made: .*({said})"):
        written(newest, workspace, programs=programs)


def test_a_server_that_is_newer_than_the_programs_is_told(newest: Database, tmp_path: Path) -> None:
    with refused(tmp_path, "the backup cannot be made: .*server version mismatch") as hint:
        written(newest, tmp_path, programs=carried_programs(16))
    assert "pg_dump of the server's version" in hint[0]


@contextmanager
def while_it_waits(database: Database, then: Callable[[], object]) -> Iterator[None]:
    """A table keeps pg_dump waiting; then something happens."""

    def watch() -> None:
        ends = time.monotonic() + DEADLINE
        while not database.value(f"{DUMPING} AND wait_event_type = 'Lock'") and time.monotonic() < ends:
            time.sleep(0.05)
        then()

    database.query("CREATE TABLE t (a int)")
    with closing(database.connect()) as other:
        other.execute("BEGIN; LOCK TABLE t")
        watcher = threading.Thread(target=watch)
        watcher.start()
        yield
        watcher.join(DEADLINE)


def test_a_server_that_goes_away_leaves_no_file(newest: Database, tmp_path: Path) -> None:
    end = DUMPING.replace("count(*)", "pg_terminate_backend(pid)")
    with (
        while_it_waits(newest, lambda: newest.query(end)),
        refused(tmp_path, "the backup cannot be made: .*terminating connection") as hint,
    ):
        written(newest, tmp_path)
    assert "nothing was migrated" in hint[0]


@pytest.fixture
def cancelling() -> Iterator[None]:
    """SIGUSR1 is heard as the program hears SIGTERM."""

    def handler(_number: int, _frame: FrameType | None) -> None:
        hear(Cancelled("SIGTERM", 15))

    before = signal.signal(signal.SIGUSR1, handler)
    yield
    signal.signal(signal.SIGUSR1, before)
    with suppress(Cancelled), audible():  # one that came too late is not for the tests that follow
        pass


@pytest.mark.usefixtures("cancelling")
def test_a_cancelled_run_ends_pg_dump_and_leaves_no_file(database: Database, tmp_path: Path) -> None:
    with while_it_waits(database, lambda: os.kill(os.getpid(), signal.SIGUSR1)):
        with refused(tmp_path, "cancelled by SIGTERM", Cancelled):
            written(database, tmp_path)
        ends = time.monotonic() + 1  # at once, though the table is still locked
        while database.value(DUMPING):
            assert time.monotonic() < ends
            time.sleep(0.05)


@pytest.mark.usefixtures("cancelling")
def test_a_program_that_does_not_end_when_it_is_told_to_is_killed(newest: Database, tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    told = tmp_path / "told"
    script = f"trap 'echo >> {told}' TERM; echo $$ > {tmp_path}/pid; while :; do sleep 0.1; done"
    programs = pretended(tmp_path / "programs", pg_dump=script)

    def cancel() -> None:
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            time.sleep(0.05)
        for _ in range(2):  # the second one meanwhile changes nothing
            os.kill(os.getpid(), signal.SIGUSR1)
            time.sleep(0.5)

    canceller = threading.Thread(target=cancel)
    canceller.start()
    try:
        with refused(workspace, "cancelled by SIGTERM", Cancelled):
            written(newest, workspace, programs=programs)
    finally:
        canceller.join()
    assert told.exists()
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists()

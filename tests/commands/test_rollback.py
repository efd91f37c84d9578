"""The commands that a summary gives for undoing a run do that, when somebody pastes them into a shell."""

import os
import re
import subprocess
from pathlib import Path, PurePosixPath

from runner.core.model import Backup, BackupMode
from runner.core.rollback import rollback_instructions
from runner.errors import Outcome
from tests.builders import a_report, a_step, a_target
from tests.commands.conftest import CommandLine, Ran
from tests.conftest import Database

FAILS = "SELECT 1 / 0;"


def paste(db_migrate: CommandLine, ran: Ran) -> subprocess.CompletedProcess[str]:
    """Run the first block of commands of the summary in the checkout."""
    [block] = re.findall(r"```sh\n(psql.*?)```", ran.summary, re.DOTALL)
    programs = db_migrate.database.server.programs
    environ = {"DATABASE_URL": db_migrate.database.url.value, "PATH": f"{programs}:{os.environ['PATH']}"}
    return subprocess.run(
        ["sh", "-c", block], cwd=db_migrate.checkout, env=environ, capture_output=True, text=True, check=False
    )


def applied(db_migrate: CommandLine) -> set[object]:
    rows = db_migrate.database.query("SELECT version FROM schema_migrations WHERE status = 'completed'")
    return {version for (version,) in rows}


def write_three(db_migrate: CommandLine) -> None:
    db_migrate.write(
        _01_users="CREATE TABLE users (id int);",
        _01_users__down="BEGIN;\nDROP TABLE users;\nCOMMIT;",
        _02_orders="CREATE TABLE orders (id int);",
        _02_orders__down="DROP TABLE orders;",
        _03_index="CREATE INDEX CONCURRENTLY users_id ON users (id);",
        _03_index__down="DROP INDEX CONCURRENTLY users_id;",
        _04_fails=FAILS,
    )


def test_what_a_failed_run_has_applied_is_undone_and_can_be_applied_again(db_migrate: CommandLine) -> None:
    write_three(db_migrate)
    ran = db_migrate()
    assert ran.exit_code == 1
    assert applied(db_migrate) == {"01", "02", "03"}
    done = paste(db_migrate, ran)
    assert (done.returncode, done.stderr) == (0, "")
    assert applied(db_migrate) == set()
    assert db_migrate.database.tables().isdisjoint({"users", "orders"})
    db_migrate.write(_04_fails="SELECT 1;")
    assert db_migrate().exit_code == 0
    assert applied(db_migrate) == {"01", "02", "03", "04"}


def test_a_down_file_that_fails_keeps_its_row_and_those_before_it(db_migrate: CommandLine) -> None:
    write_three(db_migrate)
    db_migrate.write(_02_orders__down="DROP TABLE orders;\nDROP TABLE missing;")
    ran = db_migrate()
    done = paste(db_migrate, ran)
    assert done.returncode != 0
    assert 'table "missing" does not exist' in done.stderr
    assert applied(db_migrate) == {"01", "02"}
    assert {"users", "orders"} <= db_migrate.database.tables()


def test_the_runs_own_dump_is_restored_beside_the_database(database: Database, tmp_path: Path) -> None:
    database.query("CREATE TABLE t AS SELECT 7 AS id")
    programs, url = database.server.programs, database.url.value
    dump = tmp_path / "before it's.dump"
    subprocess.run([programs / "pg_dump", "--format=custom", "--file", dump, "--dbname", url], check=True)
    database.query("DROP TABLE t")
    backup = Backup(path=PurePosixPath(dump), mode=BackupMode.DUMP, size=1, entries=1)
    target = a_target(database=database.name)
    back = rollback_instructions(a_report(Outcome.FAILED, steps=[a_step(1)], backup=backup, target=target))
    assert back is not None
    restored = Database(database.server, f"{database.name}_restored")
    environ = {"DATABASE_URL": url, "RESTORED_URL": restored.url.value, "PATH": f"{programs}:{os.environ['PATH']}"}
    try:
        subprocess.run(["sh", "-ec", back.from_backup], env=environ, check=True)
        assert restored.value("SELECT id FROM t") == 7
    finally:
        database.query(f"DROP DATABASE IF EXISTS {restored.name}")

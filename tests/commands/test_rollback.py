"""The commands that a summary gives for undoing a run do that, when somebody pastes them into a shell."""

import os
import re
import subprocess
import sys
from pathlib import Path, PurePosixPath

from runner.core.backup import Backup
from runner.core.model import BackupMode
from runner.core.ways_back import rollback_instructions
from runner.errors import Outcome
from tests.builders import a_report, a_step, a_target
from tests.commands.conftest import CommandLine, Ran
from tests.conftest import ON_NEWEST, Database

pytestmark = ON_NEWEST
ROOT = Path(__file__).parent.parent.parent
FAILS = "SELECT 1 / 0;"


def commands_of(ran: Ran) -> str:
    """The commands that its summary has for undoing it, above those for a restore."""
    block = re.search(r"\nTo undo it, .*?```sh\n(.*?)```", ran.summary, re.DOTALL)
    assert block, ran.summary
    return block[1]


def paste(db_migrate: CommandLine, commands: str) -> subprocess.CompletedProcess[str]:
    """Run commands in the checkout, as somebody who has installed the program."""
    programs = db_migrate.checkout.parent / "bin"
    programs.mkdir(exist_ok=True)
    program = programs / "db-migrate"
    program.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m runner "$@"\n')
    program.chmod(0o755)
    database = db_migrate.database
    path = f"{programs}:{database.server.programs}:{os.environ['PATH']}"
    environ = {"DATABASE_URL": database.url.value, "PATH": path, "USER": "ada"}
    return subprocess.run(
        ["sh", "-c", commands], cwd=db_migrate.checkout, env=environ, capture_output=True, text=True, check=False
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
    done = paste(db_migrate, commands_of(ran))
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert done.stdout.endswith("3 migrations undone in development, back at the beginning\n")
    assert applied(db_migrate) == set()
    assert db_migrate.database.tables().isdisjoint({"users", "orders"})
    db_migrate.write(_04_fails="SELECT 1;")
    assert db_migrate().exit_code == 0
    assert applied(db_migrate) == {"01", "02", "03", "04"}


def test_a_run_is_undone_and_not_those_before_it_nor_one_that_nothing_undoes(db_migrate: CommandLine) -> None:
    db_migrate.write(_01_users="CREATE TABLE users (id int);", _01_users__down="DROP TABLE users;")
    assert db_migrate().exit_code == 0
    db_migrate.write(
        _02_orders="CREATE TABLE orders (id int);",
        _03_items="CREATE TABLE items (id int);",
        _03_items__down="DROP TABLE items;",
        _04_fails=FAILS,
    )
    ran = db_migrate()
    assert "Migration 02 has no down file" in ran.log
    done = paste(db_migrate, commands_of(ran))
    assert done.returncode == 0, done.stdout
    assert applied(db_migrate) == {"01", "02"}
    assert {"users", "orders"} == db_migrate.database.tables() & {"users", "orders", "items"}


def test_what_is_half_done_goes_by_hand_and_then_the_rest_is_rolled_back(db_migrate: CommandLine) -> None:
    db_migrate.write(
        _01_users="CREATE TABLE users (id int);",
        _01_users__down="DROP TABLE users;",
        _02_index="CREATE INDEX CONCURRENTLY users_id ON users (id);\nCREATE INDEX CONCURRENTLY x ON users (nope);",
        _02_index__down="DROP INDEX CONCURRENTLY users_id;",
    )
    ran = db_migrate()
    assert "1 of 2 statements are done and stay" in ran.log
    commands = commands_of(ran)
    assert [line.split()[0] for line in commands.splitlines()] == ["#", "psql", "#", "db-migrate", "db-migrate"]
    done = paste(db_migrate, commands.replace("--settle=02=undone", "--settle=02=undone --yes"))
    assert done.returncode == 0, done.stdout
    assert applied(db_migrate) == set()
    assert "users" not in db_migrate.database.tables()


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

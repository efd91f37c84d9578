"""What a run loads: most of the time of one with nothing to do is Python's start, and most runs have nothing to do.

Modules are counted, as seconds are another machine's.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.commands.conftest import CommandLine
from tests.conftest import ON_NEWEST
from tests.test_rooms import ONLY_IN, PACKAGE

pytestmark = ON_NEWEST

OURS = 60  # modules of the program that a run with nothing to do may load
ALL = 375  # modules in all; Python before 3.13 has typing_extensions and what that needs among them
ON_GITHUB = 80  # modules of the program that it may load to tell GitHub as well
# What takes SQL apart, and what comes with it.
PARSER = {"runner.core.split", "runner.core.statements", "runner.core.parse", "runner.core.syntax", "runner.core.lint"}
PROBE = """
import json, os, sys
from runner.cli import run
exit_code = run(sys.argv[1:], os.environ)
json.dump({"exit_code": exit_code, "modules": sorted(sys.modules)}, sys.stderr)
"""


def loaded_by(db_migrate: CommandLine, *argv: str, **environ: str) -> set[str]:
    """The modules that a process of its own has loaded for a run that went well."""
    variables: Mapping[str, str] = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": db_migrate.database.url.value,
        "GITHUB_WORKSPACE": str(db_migrate.checkout),
    }
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *argv],
        cwd=PACKAGE.parent,
        env={**variables, **environ},
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(done.stderr)
    assert told["exit_code"] == 0, done.stdout
    return set(told["modules"])


def packages(modules: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules}


def ours(modules: set[str]) -> set[str]:
    return {name for name in modules if name.partition(".")[0] == "runner"}


@pytest.fixture
def applied(db_migrate: CommandLine) -> CommandLine:
    db_migrate.write(_01_users="CREATE TABLE users (id int);", _02_names="ALTER TABLE users ADD name text;")
    assert db_migrate("--lint=off").exit_code == 0
    return db_migrate


def test_a_run_with_nothing_to_do_loads_the_driver_and_little_else(applied: CommandLine) -> None:
    modules = loaded_by(applied)
    assert packages(modules) & ONLY_IN.keys() == {"psycopg"}
    assert len(ours(modules)) <= OURS, sorted(ours(modules))
    assert len(modules) <= ALL


def test_a_run_with_nothing_to_do_cannot_parse_sql(applied: CommandLine) -> None:
    assert not PARSER & loaded_by(applied)


def test_telling_github_that_nothing_was_to_do_takes_the_templates_alone(applied: CommandLine, tmp_path: Path) -> None:
    files = {"GITHUB_STEP_SUMMARY": str(tmp_path / "step.md"), "GITHUB_OUTPUT": str(tmp_path / "outputs")}
    modules = loaded_by(applied, GITHUB_ACTIONS="true", **files)
    assert packages(modules) & ONLY_IN.keys() == {"psycopg", "jinja2", "markupsafe"}
    assert not PARSER & modules
    assert len(ours(modules)) <= ON_GITHUB, sorted(ours(modules))
    assert "is up to date" in (tmp_path / "step.md").read_text()


def test_a_run_with_something_to_do_loads_the_parser(applied: CommandLine) -> None:
    """Else the others could not fail."""
    applied.write(_03_more="CREATE TABLE more (id int);")
    assert PARSER & loaded_by(applied)

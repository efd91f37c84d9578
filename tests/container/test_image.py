"""What is in the image, and in which layer."""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

import docker
import pytest

from benchmarks.image import BUDGET, Layer, layers_of
from runner.resources import TEMPLATES

from .github_runner import LABEL

HOME = "opt/db-migrate/"
VENV = f"{HOME}.venv/"
PYTHON = f"/{VENV}bin/python"
NOT_RUN = re.compile(
    r".*\.(a|la|o|h|pc|pyi)|.*/(include|pkgconfig|pgxs)/.+|usr/(local/)?bin/(gcc|cc|ld|strip|pip3?)"
    r"|usr/share/man/man.+|var/lib/apt/lists/.+|var/cache/apt/.+(bin|deb)|var/log/.+|.*/\.cache/.+"
)
PROGRAMS = {"initdb", "pg_ctl", "pg_dump", "pg_restore", "postgres", "psql"}
OLDER_SERVER = """
from runner.postgres.embedded import embedded_server
from runner.postgres.session import connect
with embedded_server(16) as server, connect(server.url(), application_name="test") as connection:
    connection.execute("CREATE EXTENSION vector")
    print(*connection.execute("SELECT to_tsvector('english', 'cats')::text").fetchone())
"""
ALONE: dict[str, Any] = {"network_mode": "none", "tmpfs": {"/tmp": ""}, "labels": [LABEL]}


@pytest.fixture(scope="module")
def layers(action_image: str) -> Sequence[Layer]:
    """The base first. Gzipped in a hurry, which makes them a tenth larger than registries have them."""
    return layers_of(action_image, level=1)


@pytest.fixture(scope="module")
def paths(layers: Sequence[Layer]) -> frozenset[str]:
    """All that any layer has."""
    return frozenset(path for layer in layers for path in layer.paths)


def test_stays_within_its_budget(layers: Sequence[Layer]) -> None:
    assert sum(layer.gzipped for layer in layers) < BUDGET


def test_only_the_last_layer_has_our_code_and_it_is_small(layers: Sequence[Layer]) -> None:
    *below, last = layers
    assert all(path.startswith(HOME) and not path.startswith(VENV) for path in last.paths)
    assert last.gzipped < 3e6
    assert not any(path.startswith(HOME) and not path.startswith(VENV) for layer in below for path in layer.paths)


def test_has_nothing_to_build_with_nor_left_from_building(layers: Sequence[Layer]) -> None:
    ours = (path for layer in layers[1:] for path in layer.paths)
    assert [path for path in ours if NOT_RUN.fullmatch(path)] == []


def test_carries_the_programs_that_are_called_and_no_other(paths: frozenset[str]) -> None:
    for folder in ("pginstall", "pginstall18"):
        programs = {PurePosixPath(path).name for path in paths if f"/{folder}/bin/" in path}
        assert programs == PROGRAMS, folder


def test_every_module_has_its_bytecode(paths: frozenset[str]) -> None:
    modules = {path for path in paths if re.match(rf"(usr/lib/python3\.|{HOME}).*\.py$", path)}
    compiled = {
        re.sub(r"__pycache__/([^/]+)\.cpython-\d+\.pyc$", r"\1.py", path) for path in paths if path.endswith(".pyc")
    }
    never_imported = re.compile(rf"usr/lib/python3\.\d+/(test|pydoc_data)/.*|{HOME}entrypoint\.py")
    assert len(modules) > 1000
    assert [path for path in modules - compiled if not never_imported.match(path)] == []


def test_whoever_runs_it_can_read_all_of_it(docker_client: docker.DockerClient, action_image: str) -> None:
    """A container of a job may have a user of its own."""
    look = ["/opt/db-migrate", "(", "-type", "d", "!", "-perm", "-o+rx", "-o", "-type", "f", "!", "-perm", "-o+r", ")"]
    assert docker_client.containers.run(action_image, look, entrypoint="find", remove=True, **ALONE) == b""


def test_every_template_is_compiled(docker_client: docker.DockerClient, action_image: str) -> None:
    """Where Jinja would look for it: it would take nothing that was compiled for other paths."""
    look = (
        "from unittest.mock import patch; from jinja2 import Environment; from runner.render import environment\n"
        "ours = environment(str)\n"
        "with patch.object(Environment, 'compile', side_effect=AssertionError('compiled once more')):\n"
        "    print(len([ours.get_template(name) for name in ours.list_templates(extensions=['j2'])]))"
    )
    said = docker_client.containers.run(
        action_image, ["-c", look], entrypoint=PYTHON, working_dir=f"/{HOME}", remove=True, **ALONE
    )
    assert int(said) == len(list(TEMPLATES.rglob("*.j2")))


def test_a_run_compiles_and_writes_no_bytecode(docker_client: docker.DockerClient, action_image: str) -> None:
    command = ["-v", "-E", f"/{HOME}entrypoint.py", "migrate", "--database-url=embedded"]
    container = docker_client.containers.run(
        action_image, command, entrypoint=PYTHON, working_dir=f"/{HOME}examples/knowledge-workspace", detach=True,
        **ALONE,
    )  # fmt: skip
    try:
        ended = container.wait(timeout=120)["StatusCode"]
        log = container.logs().decode()
        changed = [str(each["Path"]) for each in container.diff() or []]
    finally:
        container.remove(v=True, force=True)
    assert ended == 0, log[-5000:]
    loaded = re.findall(r"^# code object from '(.+)'$", log, re.MULTILINE)
    assert len(loaded) > 300
    assert [path for path in loaded if not path.endswith(".pyc")] == []
    assert [path for path in changed if "__pycache__" in path] == []


def test_the_older_server_starts_too_and_has_its_extensions(
    docker_client: docker.DockerClient, action_image: str
) -> None:
    command = ["-c", OLDER_SERVER]
    said = docker_client.containers.run(
        action_image, command, entrypoint=PYTHON, working_dir=f"/{HOME}", remove=True, **ALONE
    )
    assert said == b"'cat':1\n"

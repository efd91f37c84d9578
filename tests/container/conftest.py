"""What container tests share: one engine, one build of each image and one PostgreSQL for all, a database for each."""

import contextlib
import gc
import os
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from docker.client import DockerClient
from docker.errors import DockerException

from runner.resources import bundled

from .action import Action
from .github_runner import LABEL, Workspace, build_image
from .postgres_service import IMAGE, Database, PostgresService, running_postgres


@pytest.hookimpl(tryfirst=True)  # before xdist reads the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs an engine: `-m 'not container'` leaves it out, `--dist loadgroup` builds the image only once."""
    for item in items:
        if "docker_client" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.container)
            item.add_marker(pytest.mark.xdist_group("container"))


def _connect() -> DockerClient | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # where nobody answers the SDK forgets to close its socket
        with contextlib.suppress(DockerException):
            return docker.from_env()
        gc.collect()
    return None


@pytest.fixture(scope="session")
def docker_client() -> Iterator[DockerClient]:
    """A client of the machine's Docker engine. Without one, tests are skipped, but under CI they fail."""
    client = _connect()
    if client is None:
        reason = "no Docker engine answers; .ci/docker-engine starts one"
        if os.environ.get("CI"):
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    yield client
    for container in client.containers.list(all=True, filters={"label": LABEL}):
        container.remove(v=True, force=True)
    for image in client.images.list(name=LABEL):
        client.images.remove(image.tags[0], noprune=True)  # the layers stay, as the cache of the next build
    client.close()


@pytest.fixture(scope="session")
def action_image(docker_client: DockerClient) -> str:
    """The action, built from this checkout."""
    return build_image(docker_client)


@pytest.fixture(scope="session")
def postgres_image(docker_client: DockerClient) -> str:
    """PostgreSQL 17, which a workflow would name `postgres:17`."""
    return build_image(docker_client, IMAGE)


@pytest.fixture(scope="session")
def postgres_service(docker_client: DockerClient, postgres_image: str) -> Iterator[PostgresService]:
    """The job's `services: postgres:`, on a network that a step joins with `network=postgres_service.network`."""
    with running_postgres(docker_client, postgres_image) as service:
        yield service


@pytest.fixture
def database(postgres_service: PostgresService) -> Database:
    """A new, empty database of the service."""
    return postgres_service.create_database()


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """The folders of a job, with nothing checked out yet."""
    return Workspace(tmp_path / "work")


@pytest.fixture
def action(
    docker_client: DockerClient,
    action_image: str,
    workspace: Workspace,
    postgres_service: PostgresService,
    database: Database,
) -> Action:
    """The action on a checkout of the example, against an empty database."""
    shutil.copytree(bundled("examples/knowledge-workspace"), workspace.checkout, dirs_exist_ok=True)
    return Action(docker_client, action_image, workspace, postgres_service, database)

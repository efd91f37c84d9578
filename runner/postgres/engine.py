"""The Docker engine beside us: its images, our own container there, and what runs that were killed left there."""

import gc
import json
import os
import re
import socket
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runner.errors import DatabaseUnusable, Finding

if TYPE_CHECKING:
    from docker.client import DockerClient
    from docker.models.containers import Container

LABEL = "db-migrate.shadow"  # its value is who owns the container
PATIENCE = 20  # seconds for one answer
SILENCE = 60  # seconds without a word while an image is fetched
PULL = 600  # seconds for all of an image
ENDED = {"exited", "dead", "removing"}
# What the engine mounts over files of ours, from the folder that it keeps for our container.
OWN_FOLDER = re.compile(r"/(?:overlay-)?containers/([0-9a-f]{64})/\S* /etc/(?:hostname|hosts|resolv\.conf) ")
PROCESS = re.compile(r"pid:(\d+)@(.*)", re.DOTALL)


class NoEngine(DatabaseUnusable):
    """No Docker engine answers."""


class ImageMissing(DatabaseUnusable):
    """An image is not there and cannot be fetched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where we run, as the engine sees it."""

    owner: str  # the container's id, or the process
    network_mode: str  # with which a container has the same loopback interface as we have


@contextmanager
def engine() -> Iterator["DockerClient"]:
    """A client of the engine while the block runs. Raises NoEngine when none answers."""
    client = _client()
    try:
        yield client
    finally:
        client.close()


def _client() -> "DockerClient":
    import docker
    from docker.errors import DockerException

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # where nobody answers it forgets to close its socket
        try:
            return docker.from_env(timeout=PATIENCE)
        except (DockerException, OSError, ValueError) as error:
            said = _words(error)
        gc.collect()
    raise NoEngine(
        Finding(
            f"no Docker engine answers: {said}",
            hint="GitHub's runner mounts its socket into a container action; where you start it, add "
            "`-v /var/run/docker.sock:/var/run/docker.sock`; or `shadow-database: embedded`, or a URL",
        )
    )


@contextmanager
def answering(doing: str) -> Iterator[None]:
    """Turn what the engine says into DatabaseUnusable: "the engine cannot `doing`: …"."""
    from docker.errors import DockerException

    try:
        yield
    except (DockerException, OSError) as error:  # requests' own errors are of the latter
        hint = "see `docker info` there; `shadow-database: embedded`, or a URL, do without it"
        raise DatabaseUnusable(Finding(f"the Docker engine cannot {doing}: {_words(error)}", hint=hint)) from None


def fetch_image(client: "DockerClient", image: str, tell: Callable[[str], None]) -> None:
    """Have the image on the engine. Raises ImageMissing."""
    from docker.errors import DockerException, ImageNotFound

    try:
        with suppress(ImageNotFound):
            client.images.get(image)
            return
        began = time.monotonic()
        tell(f"pulling the image {image}")
        _pull(client, image, deadline=began + PULL)
        tell(f"pulled it in {time.monotonic() - began:.0f} s")
    except (DockerException, OSError, ValueError) as error:
        raise ImageMissing(
            Finding(
                f"the image {image} cannot be had: {_words(error)}",
                hint="pull it in a step before this one, which may also log in to its registry; or name another image, "
                "`shadow-database: embedded`, or a URL",
            )
        ) from None


def _pull(client: "DockerClient", image: str, *, deadline: float) -> None:
    """What `docker pull` does. The SDK's own would wait for ever for a registry that says nothing."""
    from docker.auth import get_config_header, resolve_repository_name
    from docker.utils import parse_repository_tag

    repository, tag = parse_repository_tag(image)
    header = get_config_header(client.api, resolve_repository_name(repository)[0])
    with client.api.post(
        f"{client.api.base_url}/v{client.api.api_version}/images/create",
        params={"fromImage": repository, "tag": tag or "latest"},
        headers={"X-Registry-Auth": header} if header else {},
        stream=True,
        timeout=(PATIENCE, SILENCE),
    ) as answer:
        for line in answer.iter_lines():
            event = json.loads(line)
            if problem := event.get("error") or (not answer.ok and event.get("message")):
                raise OSError(problem)
            if time.monotonic() > deadline:
                raise OSError(f"it was not there after {PULL} s")


def place_of_ours(client: "DockerClient") -> Place:
    """Where we run. A container that the engine does not know is one of another engine's, as in Docker in Docker: there
    its machine is what we share.
    """
    from docker.errors import NotFound

    with answering("look for this container"), suppress(NotFound):
        if own := own_container():
            client.containers.get(own)
            return Place(owner=own, network_mode=f"container:{own}")
    return Place(owner=f"pid:{os.getpid()}@{socket.gethostname()}", network_mode="host")


def own_container() -> str:
    """The id of the container in which this process runs, "" outside of one."""
    try:
        found = OWN_FOLDER.search(Path("/proc/self/mountinfo").read_text())
    except OSError:  # no Linux
        return ""
    return found[1] if found else ""


def remove_orphans(client: "DockerClient") -> None:
    """Remove the containers whose owner was killed. One that resists is not our concern."""
    from docker.errors import DockerException

    with suppress(DockerException, OSError):
        for container in client.containers.list(all=True, filters={"label": LABEL}):
            if _is_gone(client, container.labels[LABEL]):
                remove(container)


def _is_gone(client: "DockerClient", owner: str) -> bool:
    from docker.errors import NotFound

    if process := PROCESS.fullmatch(owner):
        return process[2] == socket.gethostname() and not _lives(int(process[1]))
    try:
        return client.containers.get(owner).status in ENDED
    except NotFound:
        return True


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def remove(container: "Container") -> None:
    """Kill and remove a container with its volumes, unless it is gone already. Raises DockerException, OSError."""
    from docker.errors import APIError

    try:
        container.remove(v=True, force=True)
    except APIError as error:
        if error.status_code not in {404, 409}:  # not there; is being removed
            raise


def _words(error: Exception) -> str:
    """What the engine says, in one line."""
    return " ".join(str(getattr(error, "explanation", None) or error).split())

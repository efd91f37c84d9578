"""A throw-away PostgreSQL in a container beside ours: `shadow-database: docker://postgres:17`.

It has our network: the same loopback interface, on which it listens and nowhere else, the same names and the same ways
to the target. So nobody but us reaches it, whatever networks the job has.
"""

import secrets
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from runner.core.database_url import DatabaseUrl
from runner.errors import DatabaseUnusable, Finding
from runner.postgres.engine import (
    ENDED,
    LABEL,
    Place,
    answering,
    engine,
    fetch_image,
    place_of_ours,
    remove,
    remove_orphans,
)
from runner.postgres.session import NotReady, connect
from runner.postgres.sibling_programs import SiblingPrograms
from runner.postgres.signals import deaf

if TYPE_CHECKING:
    from docker.client import DockerClient
    from docker.models.containers import Container

LOOPBACK = "127.0.0.1"
START = 60  # seconds until it answers
PAUSE = 0.1  # seconds
LAST_LINES = 10  # of its log
HURRY = ("fsync=off", "full_page_writes=off", "synchronous_commit=off")  # what it holds is thrown away anyway


@dataclass(frozen=True, slots=True, kw_only=True)
class Sibling:
    """A server that answers."""

    url: DatabaseUrl = field(repr=False)  # as its superuser
    password: str = field(repr=False)
    programs: SiblingPrograms


@contextmanager
def sibling_server(image: str, tell: Callable[[str], None]) -> Iterator[Sibling]:
    """A server of the image while the block runs, gone afterwards with all that it holds, whatever happens. Raises
    NoEngine, ImageMissing, and DatabaseUnusable when it does not start.
    """
    with engine() as client:
        fetch_image(client, image, tell)
        place = place_of_ours(client)
        remove_orphans(client)
        tell(f"starting a container of {image}")
        name, password, port = f"db-migrate-shadow-{secrets.token_hex(6)}", secrets.token_hex(16), _free_port()
        url = DatabaseUrl(value=f"postgresql://postgres:{password}@{LOOPBACK}:{port}/template1")
        try:
            with answering("start a container"):
                with deaf():  # between being made and being known nothing may come
                    container = _create(client, image, name, password, port, place)
                container.start()
                _wait(container, image, url)
            yield Sibling(url=url, password=password, programs=SiblingPrograms(client, container))
        finally:
            with deaf():
                _remove(client, name, tell)


def _create(client: "DockerClient", image: str, name: str, password: str, port: int, place: Place) -> "Container":
    """Make the container; it does not run yet. Images of PostgreSQL take flags of the server as their arguments.

    https://github.com/docker-library/docs/blob/master/postgres/content.md
    """
    settings = (f"listen_addresses={LOOPBACK}", f"port={port}", *HURRY)
    environment = {
        "POSTGRES_USER": "postgres",
        "POSTGRES_PASSWORD": password,
        "POSTGRES_DB": "postgres",
        "PGPORT": str(port),  # of the server that an entrypoint starts to prepare the data: 5432 may be another's
    }
    return client.containers.create(
        image,
        [word for setting in settings for word in ("-c", setting)],
        name=name,
        environment=environment,
        labels={LABEL: place.owner},
        network_mode=place.network_mode,
        mounts=_in_memory(client.images.get(image).attrs["Config"]),
    )


def _in_memory(config: dict[str, Any]) -> list[Any]:
    """Its data, in memory: faster, and never on the machine's disk. On the volume that the image has for them, else on
    the folder itself; not where that would have to be another's than root's.
    """
    from docker.types import Mount

    variables = dict(entry.partition("=")[::2] for entry in config.get("Env") or ())
    if "PGDATA" not in variables or config.get("User") not in {None, "", "0", "root"}:
        return []
    data = PurePosixPath(variables["PGDATA"])
    volumes = [each for each in config.get("Volumes") or () if data.is_relative_to(each)]
    return [Mount(max(volumes, key=len, default=str(data)), None, "tmpfs")]


def _free_port() -> int:
    with socket.create_server((LOOPBACK, 0)) as listening:
        port: int = listening.getsockname()[1]
    return port


def _wait(container: "Container", image: str, url: DatabaseUrl) -> None:
    """Wait until it answers a connection by TCP: while it is being set up, it answers on its socket only."""
    deadline = time.monotonic() + START
    while True:
        try:
            with connect(url, application_name="db-migrate shadow"):
                return
        except NotReady:
            pass
        except DatabaseUnusable as error:
            raise DatabaseUnusable(
                Finding(
                    f"the server of {image} is not one that we can use: {error}",
                    hint="an image that honours POSTGRES_PASSWORD as postgres:17 does is wanted",
                )
            ) from None
        container.reload()
        if container.status in ENDED:
            raise _not_started(container, f"the container of {image} ended when it was started")
        if time.monotonic() > deadline:
            raise _not_started(container, f"the container of {image} did not answer within {START} s")
        time.sleep(PAUSE)


def _not_started(container: "Container", what: str) -> DatabaseUnusable:
    lines = container.logs(tail=LAST_LINES).decode(errors="replace").strip()
    return DatabaseUnusable(
        Finding(
            what,
            detail=lines,
            hint="see what it said last; where Docker runs in a virtual machine, as on a Mac, it needs host "
            "networking; `shadow-database: embedded`, or a URL, do without a container",
        )
    )


def _remove(client: "DockerClient", name: str, tell: Callable[[str], None]) -> None:
    """Remove the container by its name, which is known also when its making was interrupted."""
    from docker.errors import DockerException, NotFound

    try:
        remove(client.containers.get(name))
    except NotFound:
        pass
    except (DockerException, OSError):
        tell(f"the container {name} could not be removed: `docker rm -f -v {name}`")

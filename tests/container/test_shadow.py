"""The copy of a target in a container beside ours: `shadow-database: docker://…`, and what `auto` makes of it."""

import io
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import docker
import pytest
from docker.models.containers import Container

from runner.core.database_url import DatabaseUrl
from runner.core.shadow_choice import Provider, ShadowChoice, parse_shadow_choice
from runner.errors import DatabaseUnusable, Finding
from runner.postgres.engine import LABEL as OWNER
from runner.postgres.engine import fetch_image
from runner.postgres.schema_snapshot import schema_snapshot
from runner.postgres.scratch import scratch_server
from runner.postgres.session import connect
from runner.postgres.shadow import Shadow, shadow_of

from .github_runner import ACTION, LABEL
from .postgres_service import Database

AUTO = ShadowChoice(provider=Provider.AUTO)
EMBEDDED = ShadowChoice(provider=Provider.EMBEDDED)
SCHEMA = """
    CREATE ROLE "a reader"; CREATE TABLE users (id int PRIMARY KEY, name text NOT NULL);
    CREATE POLICY p ON users TO "a reader" USING (true); INSERT INTO users VALUES (1, 'Ada');
    CREATE TABLE schema_migrations (version text, name text); INSERT INTO schema_migrations VALUES ('1', 'é')"""
SNAKE_OIL = "/etc/ssl/certs/ssl-cert-snakeoil.pem"  # which Debian makes for its PostgreSQL
# A run that makes a copy, looks at it and stays, with the handlers of signals of the program.
RUN = """
import signal, sys, time
from datetime import timedelta
from runner import cli
from runner.core.database_url import DatabaseUrl
from runner.core.shadow_choice import parse_shadow_choice
from runner.errors import Cancelled
from runner.postgres.session import connect
from runner.postgres.shadow import shadow_of

for number in cli.SIGNALS:
    signal.signal(number, cli._cancel)
url, choice = DatabaseUrl(value=sys.argv[1]), parse_shadow_choice(sys.argv[2])
try:
    with connect(url, application_name="a test") as connection, shadow_of(
        url, choice, connection=connection, ledger_schema="public", extensions=(), roles=(), name="copy",
        lock_timeout=timedelta(seconds=5), tell=lambda text: print(text, flush=True),
    ) as copy, copy.connect("test") as there:
        print("made:", there.execute("SELECT array_agg(version) FROM schema_migrations").fetchone(), flush=True)
        time.sleep(float(sys.argv[3]))
except Cancelled as cancelled:
    sys.exit(cancelled.exit_code)
"""


def siblings(client: docker.DockerClient) -> list[Container]:
    """The containers that runs of ours started and did not remove."""
    return client.containers.list(all=True, filters={"label": OWNER})


def volumes(client: docker.DockerClient) -> set[str]:
    return {volume.name for volume in client.volumes.list()}


def output(container: Container, *command: str) -> str:
    """What a command writes in a container."""
    result = container.exec_run([*command])
    assert isinstance(result.output, bytes)
    return result.output.decode()


def ids(containers: Collection[Container]) -> set[str | None]:
    return {container.id for container in containers}


def address(container: Container, network: str) -> str:
    """The address of a container, which the machine reaches as well."""
    container.reload()
    found: str = container.attrs["NetworkSettings"]["Networks"][network]["IPAddress"]
    return found


def reachable(database: Database) -> DatabaseUrl:
    """The URL of a service's database for this machine."""
    host = address(database.service.container, database.service.network)
    return DatabaseUrl(value=database.url.replace("@postgres:", f"@{host}:"))


def shadow(
    url: DatabaseUrl, choice: ShadowChoice, *, extensions: Collection[str] = (), told: list[str] | None = None
) -> AbstractContextManager[Shadow]:
    """A copy of a database."""

    @contextmanager
    def opened() -> Iterator[Shadow]:
        with (
            closing(connect(url, application_name="a test", settled=False)) as connection,
            shadow_of(
                url,
                choice,
                connection=connection,
                ledger_schema="public",
                extensions=extensions,
                roles=("named",),
                name="copy",
                lock_timeout=timedelta(seconds=2),
                tell=lambda text: told.append(text) if told is not None else None,
            ) as found,
        ):
            yield found

    return opened()


def refusal(url: DatabaseUrl, choice: ShadowChoice, *, extensions: Collection[str] = ()) -> Finding:
    """What is said when no copy can be had."""
    with pytest.raises(DatabaseUnusable) as raised, shadow(url, choice, extensions=extensions):
        pass
    [finding] = raised.value.findings
    return finding


def ask(copy: Shadow, sql: str) -> list[tuple[object, ...]]:
    with copy.connect("test") as connection:
        return connection.execute(sql.encode()).fetchall()


@pytest.fixture
def target(database: Database) -> Iterator[Database]:
    """A database of the service, with something in it."""
    database.query(SCHEMA)
    yield database
    database.query('DROP TABLE users; DROP ROLE "a reader"')


@pytest.fixture
def choice(postgres_image: str) -> ShadowChoice:
    return parse_shadow_choice(f"docker://{postgres_image}")


@pytest.fixture
def image_of(docker_client: docker.DockerClient, postgres_image: str) -> Callable[[str], ShadowChoice]:
    """Makes the choice of an image that is that of PostgreSQL and some more lines."""

    def build(lines: str) -> ShadowChoice:
        tag = f"{LABEL}:{os.urandom(8).hex()}"
        file = io.BytesIO(f"FROM {postgres_image}\n{lines}\n".encode())
        docker_client.images.build(fileobj=file, tag=tag, rm=True, forcerm=True)
        return parse_shadow_choice(f"docker://{tag}")

    return build


@pytest.fixture(autouse=True)
def _nothing_is_left(docker_client: docker.DockerClient) -> Iterator[None]:
    """After each test all is gone that runs have started."""
    before = volumes(docker_client)
    yield
    left = siblings(docker_client)
    for container in left:
        container.remove(v=True, force=True)
    assert left == []
    assert volumes(docker_client) <= before


def test_the_copy_has_the_schema_of_the_target(target: Database, choice: ShadowChoice) -> None:
    url, told = reachable(target), list[str]()
    before = target.query("SELECT xmin, * FROM users")
    with shadow(url, choice, told=told) as copy:
        assert schema_snapshot(copy.url, copy.programs) == schema_snapshot(url, copy.programs)
        assert ask(copy, "SELECT current_user, current_database()") == [("shop", target.name)]
        assert ask(copy, "SELECT * FROM schema_migrations") == [("1", "é")]
        assert ask(copy, "SELECT count(*) FROM users") == [(0,)]
        assert ask(copy, "SELECT count(*) FROM pg_roles WHERE rolname IN ('named', 'a reader')") == [(2,)]
        assert copy.server.startswith("PostgreSQL 17.")
        assert copy.server.endswith(f" in a container of {choice.image}")
        assert (copy.ours, copy.provider, copy.notes) == (True, Provider.DOCKER, ())
        assert told == [f"starting a container of {choice.image}"]
    assert target.query("SELECT xmin, * FROM users") == before


def test_check_has_its_databases_there_as_well(choice: ShadowChoice) -> None:
    with scratch_server(choice) as make, make("proof") as scratch, scratch.connect("test") as connection:
        connection.execute("CREATE TABLE made (a int)")
        assert any("made" in line for line in schema_snapshot(scratch.url, scratch.programs))
        assert scratch.lacks(["pgcrypto", "postgis"]) == {"postgis"}


def test_it_listens_to_this_machine_only_and_its_data_are_in_memory(
    docker_client: docker.DockerClient, target: Database, choice: ShadowChoice
) -> None:
    with shadow(reachable(target), choice) as copy:
        [container] = siblings(docker_client)
        assert ask(copy, "SHOW listen_addresses") == [("127.0.0.1",)]
        assert not container.ports
        mounts = output(container, "cat", "/proc/mounts")
        assert "tmpfs /var/lib/postgresql/data tmpfs" in mounts


@pytest.mark.parametrize(
    "lines",
    [
        "VOLUME /var/lib/postgresql/data",  # as official images have it before 18
        "ENV PGDATA=/var/lib/postgresql/18/docker\nVOLUME /var/lib/postgresql",  # and since
    ],
)
def test_volumes_of_the_image_are_in_memory_too(
    docker_client: docker.DockerClient, target: Database, image_of: Callable[[str], ShadowChoice], lines: str
) -> None:
    before = volumes(docker_client)
    with shadow(reachable(target), image_of(lines)) as copy:
        [container] = siblings(docker_client)
        assert volumes(docker_client) == before
        assert [mount["Type"] for mount in container.attrs["Mounts"]] == ["tmpfs"]
        assert ask(copy, "SELECT count(*) FROM users") == [(0,)]


def test_auto_takes_an_image_of_the_targets_version(
    docker_client: docker.DockerClient, target: Database, postgres_image: str
) -> None:
    name = "postgres:17"
    there = name in [tag for image in docker_client.images.list() for tag in image.tags]
    if not there:
        docker_client.images.get(postgres_image).tag(*name.split(":"))
    try:
        with shadow(reachable(target), AUTO) as copy:
            assert copy.provider is Provider.DOCKER
            assert copy.server.endswith(" in a container of postgres:17")
        with shadow(reachable(target), AUTO, extensions=["vector"]) as copy:  # which only the embedded one has
            assert copy.provider is Provider.EMBEDDED
        finding = refusal(reachable(target), AUTO, extensions=["nowhere"])
        assert "a container of postgres:17, does not have the extension nowhere; " in finding.message
        assert "embedded, does not have the extension nowhere" in finding.message
    finally:
        if not there:
            docker_client.images.remove(name, noprune=True)


def test_auto_takes_a_newer_server_of_ours_without_an_engine(target: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    url = reachable(target)
    with shadow(url, AUTO) as copy:
        assert copy.provider is Provider.EMBEDDED
        assert copy.server.startswith("PostgreSQL 18")
        assert copy.target.startswith("PostgreSQL 17")
        assert ask(copy, "SELECT current_user, count(*) FROM users") == [("shop", 0)]
    finding = refusal(url, parse_shadow_choice("docker://postgres:17"))
    assert "no Docker engine answers" in finding.message
    assert "-v /var/run/docker.sock" in finding.hint


def test_an_image_that_is_nowhere_is_told_in_the_engines_words(target: Database) -> None:
    finding = refusal(reachable(target), parse_shadow_choice("docker://localhost:1/postgres:17"))
    assert "localhost:1/postgres:17 cannot be had: " in finding.message
    assert "connection refused" in finding.message


def test_a_pull_does_not_last_for_ever(docker_client: docker.DockerClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry that lets in and says nothing."""
    monkeypatch.setattr("runner.postgres.engine.SILENCE", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        image = f"127.0.0.1:{silent.getsockname()[1]}/postgres:17"
        with pytest.raises(DatabaseUnusable, match="cannot be had"):
            fetch_image(docker_client, image, lambda _: None)


def test_a_container_that_ends_leaves_its_last_words(target: Database, image_of: Callable[[str], ShadowChoice]) -> None:
    finding = refusal(reachable(target), image_of('ENTRYPOINT ["sh", "-c", "echo it is broken >&2; exit 3"]'))
    assert "ended when it was started" in finding.message
    assert finding.detail == "it is broken"


def test_what_is_no_image_of_postgresql_is_told(target: Database) -> None:
    finding = refusal(reachable(target), parse_shadow_choice("docker://debian:trixie-slim"))
    assert "the Docker engine cannot start a container: " in finding.message


def test_an_older_image_is_refused(target: Database, choice: ShadowChoice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runner.postgres.original.Original.major", 18)
    assert "is older than the target" in refusal(reachable(target), choice).message


def test_an_extension_that_the_image_lacks_is_named(target: Database, choice: ShadowChoice) -> None:
    finding = refusal(reachable(target), choice, extensions=["pgcrypto", "postgis"])
    assert "does not have the extension postgis" in finding.message
    assert "docker://postgres:17" in finding.hint


def test_no_secret_is_an_argument_and_nobody_else_can_read_the_file_with_it(
    docker_client: docker.DockerClient, target: Database, choice: ShadowChoice
) -> None:
    """pg_dump is watched while it waits for a table."""
    url = DatabaseUrl(value=f"{reachable(target).value}?sslpassword=hush")
    seen: list[str] = []

    def watch() -> None:
        deadline = time.monotonic() + 20
        while not seen and time.monotonic() < deadline:
            with suppress(docker.errors.APIError):  # of one that goes just now
                for container in siblings(docker_client):
                    shown = output(container, "sh", "-c", "ps axww; ls -l /tmp/db-migrate*/*")
                    seen.extend([shown] if "pg_dump" in shown else [])
            time.sleep(0.1)

    with connect(url, application_name="a test") as holder, holder.transaction():
        holder.execute("LOCK TABLE users")
        watching = threading.Thread(target=watch)
        watching.start()
        finding = refusal(url, choice)
        watching.join()
    assert "timeout" in finding.message
    [shown] = seen
    assert "user=shop" in shown
    assert "hush" not in shown
    assert target.service.password not in shown
    assert "-rw------- 1 root root" in shown


@pytest.mark.parametrize("chosen", ["docker", "embedded"])
def test_a_target_that_is_reached_by_tls_is_dumped_by_tls(
    docker_client: docker.DockerClient, postgres_image: str, choice: ShadowChoice, tmp_path: Path, chosen: str
) -> None:
    """The programs of the embedded server have none of their own, and those of a container have not our files."""
    container = docker_client.containers.run(
        postgres_image,
        [
            word
            for setting in (
                "ssl=on",
                f"ssl_cert_file={SNAKE_OIL}",
                "ssl_key_file=/etc/ssl/private/ssl-cert-snakeoil.key",
                "log_connections=on",
            )
            for word in ("-c", setting)
        ],
        environment={"POSTGRES_PASSWORD": "right"},
        labels=[LABEL],
        detach=True,
    )
    try:
        certificate = tmp_path / "root certificate.crt"
        certificate.write_text(output(container, "cat", SNAKE_OIL))
        parameters = f"sslmode=verify-ca&sslrootcert={certificate}".replace(" ", "%20")
        url = DatabaseUrl(
            value=f"postgresql://postgres:right@{address(container, 'bridge')}:5432/postgres?{parameters}"
        )
        _wait_for(lambda: "ready to accept connections" in container.logs().decode())
        with connect(url, application_name="a test") as connection:
            connection.execute("CREATE TABLE secret (a int)")
        with shadow(url, choice if chosen == "docker" else EMBEDDED) as copy:
            assert ask(copy, "SELECT count(*) FROM secret") == [(0,)]
        said = [line for line in container.logs().decode().splitlines() if "authorized" in line and "pg_dump" in line]
        assert len(said) == 1
        assert "SSL enabled" in said[0]
    finally:
        container.remove(v=True, force=True)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_nothing_stays_when_the_block_fails(
    docker_client: docker.DockerClient, target: Database, choice: ShadowChoice, error: type[BaseException]
) -> None:
    failed = 0.0

    def fail() -> None:
        nonlocal failed
        with shadow(reachable(target), choice) as copy, copy.connect("held"):
            failed = time.monotonic()
            raise error

    with pytest.raises(error):
        fail()
    assert time.monotonic() - failed < 2
    assert siblings(docker_client) == []


@pytest.mark.parametrize("where", ["runner.postgres.sibling._wait", "docker.models.containers.Container.start"])
def test_nothing_stays_of_a_start_that_is_interrupted(
    docker_client: docker.DockerClient,
    target: Database,
    choice: ShadowChoice,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        assert len(siblings(docker_client)) == 1
        raise KeyboardInterrupt

    monkeypatch.setattr(where, interrupted)
    with pytest.raises(KeyboardInterrupt), shadow(reachable(target), choice):
        pass
    assert siblings(docker_client) == []


def started(url: DatabaseUrl, choice: ShadowChoice) -> subprocess.Popen[str]:
    """A run of its own, which stays once the copy is there."""
    command = [sys.executable, "-u", "-c", RUN, url.value, f"docker://{choice.image}", "60"]
    return subprocess.Popen(command, cwd=ACTION, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def until(run: subprocess.Popen[str], text: str) -> None:
    """Read what it says until it says this."""
    assert run.stdout is not None
    said = list[str]()
    for line in run.stdout:
        said.append(line)
        if text in line:
            return
    pytest.fail("".join(said))


@pytest.mark.parametrize("after", [0, 0.1, 0.2, 0.4, 0.6, 0.9, 1.2, 1.6, 2])
def test_nothing_stays_of_a_run_that_is_cancelled(
    docker_client: docker.DockerClient, target: Database, choice: ShadowChoice, after: float
) -> None:
    """`after` so many seconds since it began with the container, which is there after about two."""
    with started(reachable(target), choice) as run:
        until(run, "starting a container")
        time.sleep(after)
        run.send_signal(signal.SIGINT)
        cancelled = time.monotonic()
        said, _ = run.communicate(timeout=20)
        took = time.monotonic() - cancelled
    assert (run.returncode, siblings(docker_client)) == (130, []), said
    assert took < 3


def test_what_a_killed_run_left_the_next_one_removes(
    docker_client: docker.DockerClient, target: Database, choice: ShadowChoice
) -> None:
    url = reachable(target)
    with started(url, choice) as killed:
        until(killed, "made")
        killed.kill()
    left = ids(siblings(docker_client))
    assert len(left) == 1
    with started(url, choice) as living:
        until(living, "made")
        others = ids(siblings(docker_client))
        assert not left & others
        with shadow(url, choice):  # one whose owner lives is left alone
            assert others < ids(siblings(docker_client))
        living.send_signal(signal.SIGTERM)


def in_the_action(
    client: docker.DockerClient, image: str, target: Database, choice: ShadowChoice, *, seconds: int = 0
) -> Container:
    """The run of above in the action's own container, as GitHub's runner starts that: with the engine's socket, in the
    network of the job.
    """
    return client.containers.run(
        image,
        ["-c", RUN, target.url, f"docker://{choice.image}", str(seconds)],
        entrypoint=["/opt/db-migrate/.venv/bin/python", "-u"],
        working_dir="/opt/db-migrate",
        environment={"HOME": "/github/home"},
        network=target.service.network,
        labels=[LABEL],
        volumes=["/var/run/docker.sock:/var/run/docker.sock"],
        detach=True,
    )


def _wait_for(met: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not met():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_in_the_actions_container_the_copy_is_in_the_network_of_the_job(
    docker_client: docker.DockerClient, action_image: str, target: Database, choice: ShadowChoice
) -> None:
    run = in_the_action(docker_client, action_image, target, choice)
    try:
        code = run.wait(timeout=60)["StatusCode"]
        said = run.logs().decode().splitlines()
        assert (code, said) == (0, [f"starting a container of {choice.image}", "made: (['1'],)"])
    finally:
        run.remove(v=True, force=True)
    assert siblings(docker_client) == []


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_in_the_actions_container_nothing_stays_when_the_job_is_cancelled(
    docker_client: docker.DockerClient, action_image: str, target: Database, choice: ShadowChoice, name: str
) -> None:
    run = in_the_action(docker_client, action_image, target, choice, seconds=60)
    try:
        _wait_for(lambda: "made" in run.logs().decode())
        [container] = siblings(docker_client)
        assert container.labels[OWNER] == run.id
        run.kill(name)
        assert run.wait(timeout=4)["StatusCode"] == 128 + signal.Signals[name]
        assert siblings(docker_client) == []
    finally:
        run.remove(v=True, force=True)


def test_what_a_killed_action_left_the_next_run_removes(
    docker_client: docker.DockerClient, action_image: str, target: Database, choice: ShadowChoice
) -> None:
    run = in_the_action(docker_client, action_image, target, choice, seconds=60)
    try:
        _wait_for(lambda: "made" in run.logs().decode())
        left = ids(siblings(docker_client))
        with shadow(reachable(target), choice):
            assert left < ids(siblings(docker_client))
        run.kill("SIGKILL")
    finally:
        run.remove(v=True, force=True)
    with shadow(reachable(target), choice):
        assert not left & ids(siblings(docker_client))

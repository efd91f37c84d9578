"""Build and run the action as actions/runner does: the same commands to Docker, mounts, variables and files.

The sources of the rules are DockerCommandManager.cs (build and run), ContainerActionHandler.cs (mounts and variables),
Handler.cs (inputs), GitHubContext.cs (the GITHUB_* variables), ProcessInvoker.cs (cancelling) of actions/runner.
"""

import json
import os
import secrets
import time
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import docker.errors
import yaml
from docker.client import DockerClient
from docker.models.containers import Container
from requests.exceptions import ConnectionError as BrokenConnection
from requests.exceptions import ReadTimeout

from .github_events import REPOSITORY, Event
from .workflow_commands import Annotation, CommandFile, StepLog, mask, parse_command_file, read_log

ACTION = Path(__file__).parents[2]
LABEL = secrets.token_hex(3)  # on all that one run of the tests makes, as the runner labels what is its own
RUNNER_USER = 1001  # of GitHub's hosted machines
TOKEN = "ghs_16C7e42F292c6912E7710c838347Ae178B4a"
LARGEST_SUMMARY = 1024 * 1024
# Cancelling gives the step 7.5 s after SIGINT and 2.5 s after SIGTERM; then the runner stops looking.
CANCEL = (("SIGINT", 7.5), ("SIGTERM", 2.5))


def build_image(client: DockerClient, context: Path = ACTION) -> str:
    """Build a Dockerfile and return the tag. Raises RuntimeError with the build's log.

    The runner gives Docker nothing but the tag, the file and the folder. Here the build gets the machine's own network
    besides: name servers on loopback, proxies and small packets would else stop it on some machines.
    """
    tag = f"{LABEL}:{uuid.uuid4().hex}"
    try:
        client.images.build(path=str(context), dockerfile="Dockerfile", tag=tag, forcerm=True, network_mode="host")
    except docker.errors.BuildError as error:
        log = "".join(str(part.get("stream", "")) for part in error.build_log)
        raise RuntimeError(f"{context / 'Dockerfile'} does not build: {error}\n{log}") from None
    return tag


@dataclass(frozen=True, slots=True)
class Workspace:
    """The folders of a job on the runner's machine. What steps leave in them, the next step of the job finds."""

    root: Path

    @property
    def checkout(self) -> Path:
        """GITHUB_WORKSPACE, where actions/checkout puts the repository."""
        name = REPOSITORY.partition("/")[2]
        return self.root / name / name

    @property
    def mounts(self) -> dict[Path, str]:
        """What a container action sees: the runner's path, the container's path. The longer paths come first."""
        temp = self.root / "_temp"
        return {
            temp / "_github_home": "/github/home",
            temp / "_github_workflow": "/github/workflow",
            temp / "_runner_file_commands": "/github/file_commands",
            temp: "/github/runner_temp",
            self.checkout: "/github/workspace",
        }

    def write(self, path: str, text: str) -> Path:
        """Write a file of the checkout."""
        file = self.checkout / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8", newline="")
        return file

    def translate(self, value: str) -> str:
        """A value for the container: a path that is, or lies in, a mounted folder; anything else is left as it is."""
        for host, inside in self.mounts.items():
            if value == str(host) or value.startswith(f"{host}/"):
                return inside + value.removeprefix(str(host))
        return value

    def prepare(self, event: Event) -> None:
        """Make the folders and the event's file; all belongs to the runner's user, if this process may say so."""
        for folder in self.mounts:
            folder.mkdir(parents=True, exist_ok=True)
        payload = json.dumps(event.payload, ensure_ascii=False)
        (self.root / "_temp" / "_github_workflow" / "event.json").write_text(payload, encoding="utf-8")
        if os.geteuid() == 0:
            for path in (self.root, *self.root.rglob("*")):
                os.chown(path, RUNNER_USER, RUNNER_USER, follow_symlinks=False)


@dataclass(frozen=True, slots=True)
class CommandFiles:
    """The files of one step that GITHUB_OUTPUT and its like name; new names for each step."""

    folder: Path
    suffix: str = field(default_factory=lambda: str(uuid.uuid4()))

    def variables(self) -> dict[str, str]:
        """The paths, on the machine."""
        names = {
            "ENV": "set_env",
            "OUTPUT": "set_output",
            "PATH": "add_path",
            "STATE": "save_state",
            "STEP_SUMMARY": "step_summary",
        }
        return {f"GITHUB_{name}": str(self.folder / f"{prefix}_{self.suffix}") for name, prefix in names.items()}

    def create(self) -> None:
        """Make them, empty and with the runner's mode, which lets only root write."""
        for path in map(Path, self.variables().values()):
            path.touch(mode=0o644)
            path.chmod(0o644)
            if os.geteuid() == 0:
                os.chown(path, RUNNER_USER, RUNNER_USER)

    def read(self, name: str) -> str:
        """A file's text; a step may have deleted it."""
        path = Path(self.variables()[f"GITHUB_{name}"])
        return path.read_text(encoding="utf-8-sig", errors="replace") if path.exists() else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRun:
    """A step that has ended: what it did, and what the runner made of it."""

    exit_code: int
    succeeded: bool  # False too when a command or a command file was malformed
    log: str  # as the container wrote it, stdout and stderr as they came
    masked_log: str  # as the page of the run shows it
    annotations: tuple[Annotation, ...]
    masks: frozenset[str]
    outputs: Mapping[str, str]
    env: Mapping[str, str]
    state: Mapping[str, str]
    path: tuple[str, ...]
    summary: str  # Markdown, as the page gets it: masked, and empty when it was too large

    def published(self) -> str:
        """All that people and later steps get to read, in one text: where a secret must not be."""
        annotations = [text for each in self.annotations for text in (each.message, each.title, each.file) if text]
        values = [*self.outputs.values(), *self.env.values(), *self.state.values()]
        return "\n".join([self.masked_log, self.summary, *annotations, *values, *self.path])


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One `uses:` step of a workflow."""

    image: str
    workspace: Workspace
    event: Event
    inputs: Mapping[str, str] = field(default_factory=dict)  # `with:`
    env: Mapping[str, str] = field(default_factory=dict)  # `env:` of the workflow, the job and the step
    secrets: Collection[str] = ()  # what the workflow gets from `secrets.*`: masked from the start
    github: Mapping[str, str] = field(default_factory=dict)  # for another GITHUB_API_URL, GITHUB_RUN_ID and so on
    network: str | None = None  # of the job, when it has services
    action: Path = ACTION  # the folder of action.yml

    def run(self, client: DockerClient, *, timeout: float = 120) -> StepRun:
        """Start the step and wait for its end."""
        return self.start(client).wait(timeout=timeout)

    def start(self, client: DockerClient) -> "RunningStep":
        """Start the container. The flags and their values are those of the runner's `docker run`; no stdin, no tty."""
        self.workspace.prepare(self.event)
        files = CommandFiles(self.workspace.root / "_temp" / "_runner_file_commands")
        files.create()
        volumes = [f"{host}:{inside}" for host, inside in self.workspace.mounts.items()]
        container = client.containers.run(
            self.image,
            detach=True,
            name=f"{self.image.replace(':', '')}_{secrets.token_hex(3)}",
            labels=[LABEL],
            working_dir="/github/workspace",
            environment=self.variables(files),
            network=self.network,
            volumes=["/var/run/docker.sock:/var/run/docker.sock", *volumes],
        )
        return RunningStep(container, files, frozenset((*self.secrets, TOKEN)))

    def variables(self, files: CommandFiles) -> dict[str, str]:
        """All that the runner sets, weakest first: a workflow cannot override GITHUB_*, RUNNER_* and HOME."""
        temp = self.workspace.root / "_temp"
        values = {
            "CI": "true",
            **self.env,
            **input_variables(self.action, self.inputs),
            "HOME": str(temp / "_github_home"),
            **JOB,
            **self.event.variables(),
            **files.variables(),
            "GITHUB_EVENT_PATH": str(temp / "_github_workflow" / "event.json"),
            "GITHUB_WORKSPACE": str(self.workspace.checkout),
            "RUNNER_TEMP": str(temp),
            "RUNNER_WORKSPACE": str(self.workspace.checkout.parent),
            **self.github,
        }
        return {name: self.workspace.translate(value) for name, value in values.items()}


@dataclass(frozen=True, slots=True)
class RunningStep:
    """A container that runs. Ends with `wait` or `cancel`, which remove it as `docker run --rm` does."""

    container: Container
    files: CommandFiles
    masks: frozenset[str]

    def log(self) -> str:
        """What it has written so far."""
        return self.container.logs().decode(errors="replace")

    def wait_for_log(self, text: str, *, timeout: float = 30) -> None:
        """Wait until it has written a text. Raises TimeoutError with the log."""
        deadline = time.monotonic() + timeout
        while text not in self.log():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{text!r} was not written within {timeout} s:\n{self.log()}")
            time.sleep(0.05)

    def signal(self, name: str) -> None:
        """Send a signal, such as `SIGINT`, to PID 1 of the container."""
        self.container.kill(name)

    def cancel(self) -> StepRun:
        """Cancel as the runner does. Raises TimeoutError when the container would have gone on without it."""
        for name, seconds in CANCEL:
            self.signal(name)
            if self._exit_code(within=seconds) is not None:
                return self.wait()
        raise self._given_up("both signals of a cancel were ignored")

    def wait(self, *, timeout: float = 120) -> StepRun:
        """Wait for the end and read what it left. Raises TimeoutError with the log; the container is gone then too."""
        exit_code = self._exit_code(within=timeout)
        if exit_code is None:
            raise self._given_up(f"still running after {timeout} s")
        text = self.log()
        self.container.remove(v=True)
        return _result(exit_code, text, self.files, self.masks)

    def _exit_code(self, *, within: float) -> int | None:
        try:
            return int(self.container.wait(timeout=within)["StatusCode"])
        except (BrokenConnection, ReadTimeout):  # which of them depends on how the SDK reaches the engine
            return None

    def _given_up(self, why: str) -> TimeoutError:
        text = self.log()
        self.container.remove(v=True, force=True)
        return TimeoutError(f"{why}:\n{text}")


def input_variables(action: Path, given: Mapping[str, str]) -> dict[str, str]:
    """The `INPUT_*` variables: one for every declared input, if need be empty, and for what is given undeclared."""
    declared = yaml.safe_load((action / "action.yml").read_text(encoding="utf-8"))["inputs"]
    values = {name: (each or {}).get("default", "") for name, each in declared.items()}
    known = {name.lower(): name for name in declared}
    values.update({known.get(name.lower(), name): value for name, value in given.items()})
    return {
        f"INPUT_{name.replace(' ', '_').upper()}": value.replace("${{ github.token }}", TOKEN)
        for name, value in values.items()
    }


# What stays the same in every run here; the event, the step and the workspace add theirs.
JOB = {
    "ACTIONS_CACHE_URL": "https://cache.actions.example/",
    "ACTIONS_RESULTS_URL": "https://results.actions.example/",
    "ACTIONS_RUNTIME_TOKEN": TOKEN,
    "ACTIONS_RUNTIME_URL": "https://pipelines.actions.example/",
    "GITHUB_ACTION": "__octo-org_db-migrate-action",
    "GITHUB_ACTIONS": "true",
    "GITHUB_ACTION_REF": "v1",
    "GITHUB_ACTION_REPOSITORY": "octo-org/db-migrate-action",
    "GITHUB_API_URL": "https://api.github.com",
    "GITHUB_GRAPHQL_URL": "https://api.github.com/graphql",
    "GITHUB_JOB": "migrate",
    "GITHUB_REPOSITORY": REPOSITORY,
    "GITHUB_REPOSITORY_ID": "1296269",
    "GITHUB_REPOSITORY_OWNER": REPOSITORY.partition("/")[0],
    "GITHUB_REPOSITORY_OWNER_ID": "9919",
    "GITHUB_RETENTION_DAYS": "90",
    "GITHUB_RUN_ATTEMPT": "1",
    "GITHUB_RUN_ID": "1658821493",
    "GITHUB_RUN_NUMBER": "3",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_WORKFLOW": "Migrate",
    "RUNNER_ARCH": "X64",
    "RUNNER_ENVIRONMENT": "github-hosted",
    "RUNNER_NAME": "GitHub Actions 2",
    "RUNNER_OS": "Linux",
    "RUNNER_TOOL_CACHE": "/opt/hostedtoolcache",
}


def _result(exit_code: int, text: str, files: CommandFiles, masks: frozenset[str]) -> StepRun:
    """Read the log, then the files, which the runner reads after the end whatever the exit code."""
    log = read_log(text, masks=masks)
    outputs, env, state = (_entries(files, name, log) for name in ("OUTPUT", "ENV", "STATE"))
    summary = files.read("STEP_SUMMARY")
    if len(summary.encode()) > LARGEST_SUMMARY:
        log.add_issue("error", "$GITHUB_STEP_SUMMARY upload aborted, supports content up to a size of 1024k")
        summary = ""
    return StepRun(
        exit_code=exit_code,
        succeeded=exit_code == 0 and not log.failed,
        log=text,
        masked_log="\n".join(log.shown),
        annotations=tuple(log.annotations),
        masks=frozenset(log.masks),
        outputs={**log.outputs, **outputs},
        env=env,
        state=state,
        path=tuple(line for line in files.read("PATH").splitlines() if line),
        summary="\n".join(mask(line, log.masks) for line in summary.split("\n")),
    )


def _entries(files: CommandFiles, name: str, log: StepLog) -> Mapping[str, str]:
    file: CommandFile = parse_command_file(files.read(name))
    if file.error is not None:
        log.fail(f"Unable to process file command '{name.lower()}' successfully.", file.error)
    if name == "ENV" and "NODE_OPTIONS" in file.entries:
        log.fail("Can't store NODE_OPTIONS output parameter using '$GITHUB_ENV' command.")
    return file.entries

"""The action as a step of a workflow uses it."""

import docker

from .github_events import Event
from .github_runner import Step, StepRun, Workspace
from .postgres_service import Database, PostgresService


class Action:
    """The action in one workspace, against one database."""

    def __init__(
        self,
        client: docker.DockerClient,
        image: str,
        workspace: Workspace,
        service: PostgresService,
        database: Database,
    ) -> None:
        self.client, self.image, self.workspace, self.service, self.database = (
            client, image, workspace, service, database,
        )  # fmt: skip

    def step(self, event: Event, env: dict[str, str] | None = None, /, **inputs: str) -> Step:
        """A step of a workflow; keywords are inputs, `_` for the hyphen."""
        given = {"database-url": self.database.url} | {name.replace("_", "-"): value for name, value in inputs.items()}
        return Step(
            image=self.image,
            workspace=self.workspace,
            event=event,
            inputs=given,
            env=env or {},
            secrets=[given["database-url"]] if given["database-url"] else [],
            network=self.service.network,
        )

    def __call__(self, event: Event, env: dict[str, str] | None = None, /, **inputs: str) -> StepRun:
        return self.step(event, env, **inputs).run(self.client, timeout=120)

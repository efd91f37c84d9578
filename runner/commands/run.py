"""What the stages of one run share."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from runner.commands.journal import Journal
from runner.config import Config
from runner.console import Console
from runner.core.database_url import DatabaseUrl
from runner.postgres.ledger import Ledger
from runner.postgres.session import Connection
from runner.templating.templates import Templates

if TYPE_CHECKING:
    from runner.postgres.sending import Timeouts


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The edges that the command line has opened, and what was asked for."""

    config: Config
    journal: Journal
    console: Console
    checkout: Path
    url: DatabaseUrl = field(repr=False)  # of the target, a throw-away server's too
    open_connection: Callable[[str], Connection]  # to the target; takes the part that it plays, for its name there
    scrub: Callable[[str], str]
    now: Callable[[], datetime]
    templates: Templates
    publish_release: Callable[[str, str, bool], str] | None  # tag, notes, whether they tell more than those that are
    ask: Callable[[str], bool] | None  # a question, of somebody at a terminal; None where nobody is
    write_file: Callable[[str, str], str]  # a name and its text, for the steps that follow; returns the path

    @property
    def ledger(self) -> Ledger:
        """The target's ledger, as this run writes it."""
        config = self.config
        return Ledger(
            schema=config.tracking_schema,
            context=self.journal.context,
            environment=config.environment,
            command=config.command,
        )

    @property
    def timeouts(self) -> "Timeouts":
        """Those of the files' statements."""
        from runner.postgres.sending import Timeouts

        timing = self.config.timing
        return Timeouts(lock=timing.lock_timeout, statement=timing.statement_timeout)

"""What the API asks the database: where it stands, whose it is, and whether somebody migrates it."""

import asyncio
import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import closing, suppress
from dataclasses import dataclass

from runner.api.settings import Settings
from runner.core.model import PRODUCTION, RunContext, Target
from runner.core.status import Standing
from runner.errors import DatabaseUnusable, Finding, RunnerError
from runner.gates.target import check_ledger
from runner.postgres.ledger import Ledger, survey
from runner.postgres.session import connect
from runner.postgres.standing import read_standing

LASTS = 10  # seconds that an answer is good for
HURRY = 2  # seconds that a request waits to be told whose the database is
PATIENCE = 12  # seconds for a fresh answer: longer than a connection may take to fail, which tells why
NOBODY = RunContext(run_id="", actor="")  # who only reads


class InProduction(Exception):
    """It is production's: there is no API."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the database says."""

    target: Target
    standing: Standing
    production: bool  # it is production's, by this ledger or another one of it: then there is no API


def look(settings: Settings) -> Seen:
    """Ask it. Reads only. Raises RunnerError."""
    config = settings.config
    ledger = Ledger(schema=config.tracking_schema, context=NOBODY, environment=config.environment)
    with closing(connect(config.database, application_name="db-migrate serve", settled=False)) as connection:
        target, _ = survey(connection, ledger, fit=lambda target: check_ledger(target, config.tracking_schema))
        standing = read_standing(connection, config.tracking_schema, target)
        elsewhere = [] if standing.environment else ledger.elsewhere(connection)
    environments = {standing.environment, *(environment for _, environment in elsewhere)}
    return Seen(target=target, standing=standing, production=PRODUCTION in environments)


class Watched:
    """The last answer of the database. Of many who ask at once one goes, in a thread of its own: a look may hang, and
    must keep neither a request nor the end of the server waiting.
    """

    def __init__(self, look: Callable[[], Seen], clock: Callable[[], float] = time.monotonic) -> None:
        self._look, self._clock = look, clock
        self._looking: Future[Seen] | None = None
        self._since = -math.inf
        self._production: bool | None = None
        self.why: Sequence[Finding] = ()  # it could not be asked the last time

    async def production(self) -> bool | None:
        """Whether it is production's; None before it has ever answered. While it is silent, its last answer counts."""
        if self._clock() - self._since >= LASTS:
            self._begin()
        with suppress(RunnerError, TimeoutError):
            await self._answer(HURRY)
        return self._production

    async def now(self) -> Seen:
        """A fresh answer. Raises RunnerError, and InProduction."""
        self._begin()
        try:
            seen = await self._answer(PATIENCE)
        except TimeoutError:
            hint = "see what keeps the server busy, and whether the network loses what is sent"
            raise DatabaseUnusable(Finding(f"the database has not answered within {PATIENCE} s", hint=hint)) from None
        if seen.production:
            raise InProduction
        return seen

    def ask(self) -> Seen:
        """Go and look, and remember the answer. Raises RunnerError."""
        try:
            seen = self._look()
        except RunnerError as error:
            self.why = error.findings
            raise
        self._production, self.why = seen.production, ()
        return seen

    def _begin(self) -> None:
        """Send somebody, unless somebody is there."""
        if self._looking is None or self._looking.done():
            self._looking, self._since = Future(), self._clock()
            threading.Thread(target=_settle, args=(self._looking, self.ask), daemon=True).start()

    async def _answer(self, patience: float) -> Seen:
        """What the last look brings, within so many seconds of its beginning. Raises RunnerError, TimeoutError."""
        assert self._looking is not None  # noqa: S101 - somebody has been sent
        if self._looking.done():
            return self._looking.result()
        async with asyncio.timeout(max(0, self._since + patience - self._clock())):
            return await asyncio.wrap_future(self._looking)


def _settle(future: Future[Seen], ask: Callable[[], Seen]) -> None:
    future.set_running_or_notify_cancel()
    try:
        future.set_result(ask())
    except Exception as error:  # noqa: BLE001 - who waits for it gets it
        future.set_exception(error)

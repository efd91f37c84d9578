"""Raw inputs → one frozen Config; everything that is wrong with them in one error."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import PurePosixPath
from typing import TypeVar

from runner.core.database_url import EMBEDDED, DatabaseUrl, MalformedUrl, parse_database_url
from runner.core.durations import DURATION_HINT, parse_duration
from runner.core.model import DryRunMode
from runner.core.naming import VersionOrder
from runner.core.parse import ParsePolicy
from runner.core.plan import PlanPolicy
from runner.core.queue import WatchPolicy
from runner.core.retry import MOST_RETRIES, RetryPolicy
from runner.core.shadow_choice import NoImage, Provider, ShadowChoice, parse_shadow_choice
from runner.errors import Finding, InputError
from runner.gates.approved_plan import DIGEST, NONE
from runner.gates.confirmation import PRODUCTION, VARIABLE, ConfirmationPolicy
from runner.gates.lint import LintMode, LintPolicy, unknown_rules
from runner.inputs import BY_NAME, Given

T = TypeVar("T")

ENVIRONMENT = re.compile(r"[a-z][a-z0-9_-]{0,62}")
NEARLY_PRODUCTION = frozenset({"prod", "prd", "live", "productive", "produktion"})
LONGEST_NAME = 255  # bytes of a file's name
REVIEW_DELAY_OF_PRODUCTION = "30s"
BLOCKED_TIME_OF_PRODUCTION = "10s"
MOST_BLOCKED_SESSIONS = 10_000
CHECK = "check"
COMMANDS = ("migrate", CHECK, "status", "history", "verify")
DRY_RUN_MODES = {"staging": DryRunMode.REHEARSE, PRODUCTION: DryRunMode.SHADOW}  # elsewhere it is a preview
# What changes what runs, or how: a plan is approved together with it.
OF_THE_PLAN = (
    "tracking-schema", "transaction", "own-transactions", "version-order", "out-of-order", "lock-timeout",
    "lock-retries", "statement-timeout", "max-blocked-sessions", "max-blocked-time", "dry-run-mode", "shadow-database",
)  # fmt: skip
SEPARATED = re.compile(r"[\s,]+")
TRUE, FALSE = frozenset({"true", "True", "TRUE"}), frozenset({"false", "False", "FALSE"})


class Wrong(ValueError):
    """A value that cannot be used: what it is not, and what to write instead."""

    def __init__(self, problem: str, hint: str = "") -> None:
        super().__init__(problem)
        self.hint = hint


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Durations of a run."""

    review_delay: timedelta
    lock_wait: timedelta
    lock_timeout: timedelta
    statement_timeout: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovedPlan:
    """What `approved-plan` names: the digest, and the file of the plan for telling what moved. A file alone would be
    approved by whoever can change it.
    """

    digest: str
    path: PurePosixPath | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What a run was asked to do; every value checked."""

    command: str
    database: DatabaseUrl  # which `check` does not need
    shadow: ShadowChoice  # where files are tried that must not touch it
    environment: str
    migrations_path: PurePosixPath
    tracking_schema: str
    plan: PlanPolicy
    parse: ParsePolicy
    lint: LintPolicy
    dry_run: bool
    dry_run_reason: str  # why, when nobody asked for it
    dry_run_mode: DryRunMode
    approved: ApprovedPlan | None
    settings: Mapping[str, str]  # those inputs that a plan is approved with, as given or by default
    confirmation: ConfirmationPolicy
    timing: Timing
    release: bool  # all pending migrations in one transaction
    retry: RetryPolicy
    watch: WatchPolicy
    github_token: str = field(repr=False)
    verbose: bool


def load(
    given: Mapping[str, Given], environ: Mapping[str, str], *, manual: bool, problems: Sequence[Finding] = ()
) -> Config:
    """Judge the values. `manual`: the run was started with GitHub's form. Raises InputError with all problems,
    those already known included.
    """
    reader = _Reader(given, list(problems))
    environment = reader.read("environment", _environment)
    production = environment == PRODUCTION
    asked = reader.optional("dry-run", _boolean)
    by_hand = manual and production and asked is None
    delay = REVIEW_DELAY_OF_PRODUCTION if production else "0"
    confirmation = given.get("confirmation", Given("", ""))
    command = reader.read("command", _one_of(*COMMANDS))
    tracking_schema = reader.read("tracking-schema", _schema)
    config = Config(
        command=command,
        database=DatabaseUrl(value=EMBEDDED) if command == CHECK else reader.database(),
        shadow=reader.shadow_of_check() if command == CHECK else reader.shadow(),
        environment=environment,
        migrations_path=reader.read("migrations-path", PurePosixPath),
        tracking_schema=tracking_schema,
        plan=PlanPolicy(
            version=reader.optional("version", _version),
            version_order=reader.version_order(),
            allow_out_of_order=reader.read("out-of-order", _one_of("refuse", "allow")) == "allow",
        ),
        parse=ParsePolicy(
            tracking_schema=tracking_schema,
            own_transactions=reader.read("own-transactions", _one_of("refuse", "honour")) == "honour",
        ),
        lint=reader.lint(),
        dry_run=bool(asked) or by_hand,
        dry_run_reason="a run started by hand in production is a dry run unless `dry-run: false`" if by_hand else "",
        dry_run_mode=reader.dry_run_mode(environment),
        approved=reader.optional("approved-plan", _approved_plan),
        settings={name: reader.text(name) for name in OF_THE_PLAN},
        confirmation=ConfirmationPolicy(
            environment=environment,
            confirmation=confirmation.text,
            variable=environ.get(VARIABLE, ""),
            manual=manual,
        ),
        timing=Timing(
            review_delay=reader.read("review-delay", _duration, default=delay),
            lock_wait=reader.read("lock-wait", _duration),
            lock_timeout=reader.read("lock-timeout", _duration),
            statement_timeout=reader.read("statement-timeout", _duration),
        ),
        release=reader.read("transaction", _one_of("migration", "release")) == "release",
        retry=RetryPolicy(retries=reader.read("lock-retries", _whole_number(MOST_RETRIES))),
        watch=reader.watch(production=production),
        github_token=given.get("github-token", Given("", "")).text.strip(),
        verbose=reader.read("verbose", _boolean) or environ.get("RUNNER_DEBUG") == "1",
    )
    if reader.problems:
        raise InputError(*reader.problems)
    return config


def load_folder(given: Mapping[str, Given]) -> tuple[PurePosixPath, VersionOrder]:
    """The folder of the migrations and their order, for what needs nothing else. Raises InputError."""
    reader = _Reader(given, [])
    folder, order = reader.read("migrations-path", PurePosixPath), reader.version_order()
    if reader.problems:
        raise InputError(*reader.problems)
    return folder, order


class _Reader:
    """Parses the values one by one and keeps what is wrong with them."""

    def __init__(self, given: Mapping[str, Given], problems: list[Finding]) -> None:
        self._given, self.problems = given, problems

    def read(self, name: str, parse: Callable[[str], T], *, default: str | None = None) -> T:
        """The value of an input, or of its default: when none was given, or a wrong one, which becomes a problem."""
        value = self.optional(name, parse)
        return parse(BY_NAME[name].default if default is None else default) if value is None else value

    def optional(self, name: str, parse: Callable[[str], T]) -> T | None:
        """The value of an input that has no default."""
        given = self._given.get(name)
        if given is None:
            return None
        try:
            given.text.encode()
        except UnicodeEncodeError:
            self.problems.append(Finding(f"{given.source}: it is not UTF-8", hint="write it as text"))
            return None
        try:
            return parse(given.text.strip())
        except Wrong as wrong:
            self.problems.append(Finding(f"{given.source}: {wrong}", hint=wrong.hint))
            return None

    def version_order(self) -> VersionOrder:
        """How the files are ordered."""
        return VersionOrder(self.read("version-order", _one_of(*VersionOrder)))

    def lint(self) -> LintPolicy:
        """What is looked at, and what it does to the run."""
        names = self.optional("lint-exclude", lambda text: frozenset(SEPARATED.split(text)) - {""}) or frozenset()
        self.problems += unknown_rules(names)
        return LintPolicy(mode=LintMode(self.read("lint", _one_of(*LintMode))), exclude=names)

    def watch(self, *, production: bool) -> WatchPolicy:
        """What others may suffer from a migration."""
        longest = BLOCKED_TIME_OF_PRODUCTION if production else "0"
        return WatchPolicy(
            sessions=self.read("max-blocked-sessions", _whole_number(MOST_BLOCKED_SESSIONS)),
            time=self.read("max-blocked-time", _duration, default=longest),
        )

    def dry_run_mode(self, environment: str) -> DryRunMode:
        """As asked for, or what the environment needs."""
        default = DRY_RUN_MODES.get(environment, DryRunMode.PREVIEW)
        return DryRunMode(self.read("dry-run-mode", _one_of(*DryRunMode), default=default))

    def shadow(self) -> ShadowChoice:
        """Where a plan is tried."""
        choice = self.read("shadow-database", _shadow, default=Provider.AUTO)
        if choice.provider is Provider.OFF:
            hint = "to try nothing, say `dry-run-mode: preview`"
            self.problems.append(Finding("shadow-database: `off` is for `check`", hint=hint))
        return choice

    def shadow_of_check(self) -> ShadowChoice:
        """Where `check` proves the files. Never the database that DATABASE_URL names: that is what gets migrated."""
        asked = self._given.get("database-url")
        if "shadow-database" in self._given or not asked or asked.source == BY_NAME["database-url"].variable:
            return self.read("shadow-database", _shadow, default=Provider.AUTO)
        url = self.read("database-url", _database_url, default=EMBEDDED)
        return ShadowChoice(provider=Provider.EMBEDDED if url.embedded else Provider.URL, url=url)

    def text(self, name: str) -> str:
        """A value as it was written, or its default."""
        given = self._given.get(name)
        return given.text.strip() if given else BY_NAME[name].default

    def database(self) -> DatabaseUrl:
        """The one input that must be given."""
        if "database-url" not in self._given:
            hint = "give it from a secret, as in `database-url: ${{ secrets.DATABASE_URL }}`"
            self.problems.append(Finding("database-url: is missing", hint=hint))
        return self.read("database-url", _database_url, default=EMBEDDED)


def _boolean(text: str) -> bool:
    """Exactly the spellings of YAML 1.2, as GitHub's own actions read them."""
    if text in TRUE | FALSE:
        return text in TRUE
    raise Wrong(f"`{text}` is neither true nor false", "write true or false")


def _duration(text: str) -> timedelta:
    duration = parse_duration(text)
    if duration is None:
        raise Wrong(f"`{text}` is not a duration", DURATION_HINT)
    return duration


def _whole_number(most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and len(text) <= len(str(most)) and int(text) <= most):
            raise Wrong(f"`{text}` is not a whole number from 0 to {most}")
        return int(text)

    return parse


def _one_of(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in words:
            raise Wrong(f"`{text}` is not one of {', '.join(words)}")
        return text

    return parse


def _environment(text: str) -> str:
    """A name; near misses of `production` are refused, as they would pass by its gates."""
    if text != PRODUCTION and (text.lower() == PRODUCTION or text.lower() in NEARLY_PRODUCTION):
        raise Wrong(f"`{text}` is almost `production`, and would pass by its gates", "write `production`")
    if not ENVIRONMENT.fullmatch(text):
        raise Wrong(f"`{text}` is not the name of an environment", "lower-case letters, digits, - and _")
    return text


def _schema(text: str) -> str:
    if not 0 < len(text.encode()) <= 63 or "\0" in text or text.startswith("pg_"):
        raise Wrong(f"`{text}` cannot be the name of a schema", "at most 63 bytes, not beginning with pg_")
    return text


def _version(text: str) -> str:
    if not (text.isascii() and text.isdecimal() and len(text) <= LONGEST_NAME):
        raise Wrong(f"`{text}` is not the version of a migration", 'the digits of its file name, quoted: "03"')
    return text


def _approved_plan(text: str) -> ApprovedPlan | None:
    if not text:
        hint = "the output of the job that made the plan did not arrive; `none` asks for no approval"
        raise Wrong("it is empty", hint)
    if text == NONE:
        return None
    words = text.split()
    digests = [word for word in words if DIGEST.fullmatch(word)]
    paths = [word for word in words if word not in digests]
    if len(digests) != 1 or len(paths) > 1 or (paths and not paths[0].endswith(".json")):
        hint = "give 64 hexadecimal digits and, if you like, behind a blank the path of the plan's file (.json)"
        raise Wrong("it is no plan digest", hint)
    return ApprovedPlan(digest=digests[0], path=PurePosixPath(paths[0]) if paths else None)


def _shadow(text: str) -> ShadowChoice:
    try:
        return parse_shadow_choice(text)
    except NoImage as wrong:
        raise Wrong(f"`{wrong}` is not the name of an image", "write it like docker://postgres:17") from None
    except MalformedUrl as malformed:
        raise Wrong(f"the connection URL is malformed: {malformed}", malformed.hint) from None


def _database_url(text: str) -> DatabaseUrl:
    try:
        return parse_database_url(text)
    except MalformedUrl as malformed:
        raise Wrong(f"the connection URL is malformed: {malformed}", malformed.hint) from None

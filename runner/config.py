"""Raw inputs → one frozen Config; everything that is wrong with them in one error."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, TypeVar

from runner.core.database_url import EMBEDDED, DatabaseUrl, MalformedUrl, parse_database_url, secrets_in, shown
from runner.core.durations import DURATION_HINT, parse_duration
from runner.core.model import PRODUCTION, BackupMode, DryRunMode, OnSmokeFailure, RestorePointMode
from runner.core.naming import VersionOrder
from runner.core.phrases import VARIABLE
from runner.core.policies import (
    BackPolicy,
    ConfirmationPolicy,
    HealthMode,
    JoinPolicy,
    LintMode,
    LintPolicy,
    ListingPolicy,
    ParsePolicy,
    PlanPolicy,
    RepairPolicy,
    RetryPolicy,
    WatchPolicy,
)
from runner.core.shadow_choice import DOCKER_SCHEME, NoImage, Provider, ShadowChoice, parse_shadow_choice
from runner.core.tools import Tool
from runner.errors import Finding, InputError
from runner.inputs import (
    ADOPT,
    BASELINE,
    BY_NAME,
    CHECK,
    CONFIG,
    ENVIRONMENT,
    INPUTS,
    NEARLY_PRODUCTION,
    NO_FILE,
    REPAIR,
    ROLLBACK,
    FileValues,
    Given,
    Section,
    layered,
)

if TYPE_CHECKING:
    from runner.gates.freeze import Window

T = TypeVar("T")

LONGEST_NAME = 255  # bytes of a file's name
ALMOST = 0.8  # how alike two names are, from 0 to 1, that one may be meant by the other
# What changes what runs, or how: a plan is approved together with it.
OF_THE_PLAN = (
    "tracking-schema", "transaction", "own-transactions", "version-order", "out-of-order", "lock-timeout",
    "lock-retries", "statement-timeout", "max-blocked-sessions", "max-blocked-time", "dry-run-mode", "shadow-database",
    "smoke-tests", "on-smoke-failure",
)  # fmt: skip
UNDONE = "undone"
SETTLED = re.compile(rf"[0-9]{{1,{LONGEST_NAME}}}=([0-9]{{1,6}}|{UNDONE})")
DAYS = re.compile(r"([0-9]{1,4})d")
SEPARATED = re.compile(r"[\s,]+")
TRUE, FALSE = frozenset({"true", "True", "TRUE"}), frozenset({"false", "False", "FALSE"})
BY_HAND = "a run by hand"  # whose default is to be a dry run in production
HIDDEN = "***"
NOTHING = "not set"


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
class BackupPolicy:
    """What is dumped before the first migration, and to where."""

    mode: BackupMode
    path: PurePosixPath  # relative to the workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class SmokePolicy:
    """What must be true after the migrations, and what follows when it is not."""

    pattern: str  # of files, relative to the checkout
    on_failure: OnSmokeFailure


@dataclass(frozen=True, slots=True, kw_only=True)
class Surfaces:
    """What is shown on GitHub besides log, summary and outputs, and by which templates."""

    templates: PurePosixPath | None = None  # folder of the checkout; None for ours
    pr_comment: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One input as it stands in this run, for people: without its secrets."""

    name: str
    text: str
    origin: str
    locked: bool


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
    allow_prerelease: bool
    health: HealthMode
    freeze: "tuple[Window, ...]"  # when the environment may be migrated, and when not
    restore_point: RestorePointMode
    backup: BackupPolicy | None
    smoke: SmokePolicy | None
    create_release: bool  # on GitHub, with the notes of a tag that has migrated production
    surfaces: Surfaces
    back: BackPolicy  # how far `rollback` goes
    joining: JoinPolicy
    repair: RepairPolicy
    listing: ListingPolicy
    timing: Timing
    release: bool  # all pending migrations in one transaction
    retry: RetryPolicy
    watch: WatchPolicy
    github_token: str = field(repr=False)
    verbose: bool
    values: tuple[Value, ...] = field(repr=False)  # all of them, as they stand, with where each came from

    @property
    def executes(self) -> bool:
        """Whether migrations are executed on the target itself: applied, or rehearsed there."""
        return not self.dry_run or self.dry_run_mode is DryRunMode.REHEARSE

    @property
    def environment_given(self) -> bool:
        """Whether somebody said which environment it is."""
        return any(value.name == "environment" and value.origin != "default" for value in self.values)


def load(
    given: Mapping[str, Given],
    environ: Mapping[str, str],
    *,
    manual: bool,
    problems: Sequence[Finding] = (),
    file: FileValues = NO_FILE,
) -> Config:
    """Judge the values given, and below them those of the configuration file, of all its environments. `manual`: the
    run was started with GitHub's form. Raises InputError with all problems, those already known included.
    """
    reader = _Reader(layered(given, file), [*problems, *problems_of(file)])
    config = _config(reader, environ, manual=manual)
    section = file.of(config.environment)
    reader.refuse_what_is_locked(given, section)
    if reader.problems:
        raise InputError(*dict.fromkeys(reader.problems))
    return replace(config, values=tuple(reader.shown(config, section)))


def problems_of(file: FileValues) -> list[Finding]:
    """What is wrong with the file's values: also with those that this run does not use, which the next one may."""
    found = list(file.problems)
    for section in (file.top, *file.environments.values()):
        named = {"environment": section.name} if section.name else {}
        reader = _Reader({**section.values, **named, "command": Given(CHECK, "command")}, [])
        _config(reader, {}, manual=False)
        found += reader.problems
    return found


def _config(reader: "_Reader", environ: Mapping[str, str], *, manual: bool) -> Config:
    """Read every value; what is wrong with them stays with the reader."""
    environment = reader.environment = reader.read("environment", _environment)
    command = reader.word("command")
    by_hand = manual and environment == PRODUCTION and not reader.has("dry-run")
    tracking_schema = reader.read("tracking-schema", _schema)
    shadow = reader.shadow_of_check() if command == CHECK else reader.shadow()
    return Config(
        command=command,
        database=DatabaseUrl(value=EMBEDDED) if command == CHECK else reader.database(needed=command != CONFIG),
        shadow=shadow,
        environment=environment,
        migrations_path=reader.read("migrations-path", PurePosixPath),
        tracking_schema=tracking_schema,
        plan=PlanPolicy(
            version=reader.optional("version", _version),
            version_order=reader.version_order(),
            allow_out_of_order=reader.word("out-of-order") == "allow",
        ),
        parse=ParsePolicy(
            tracking_schema=tracking_schema,
            own_transactions=reader.word("own-transactions") == "honour",
        ),
        lint=reader.lint(),
        dry_run=reader.flag("dry-run", default="true" if manual and environment == PRODUCTION else None),
        dry_run_reason="a run started by hand in production is a dry run unless `dry-run: false`" if by_hand else "",
        dry_run_mode=DryRunMode(reader.word("dry-run-mode")),
        approved=reader.optional("approved-plan", _approved_plan),
        settings=reader.settings(shadow),
        confirmation=ConfirmationPolicy(
            environment=environment,
            confirmation=reader.raw("confirmation"),
            variable=environ.get(VARIABLE, ""),
            manual=manual,
            rollback=command == ROLLBACK,
        ),
        allow_prerelease=reader.flag("allow-prerelease"),
        health=HealthMode(reader.word("health")),
        freeze=reader.optional("freeze-windows", _windows) or (),
        restore_point=RestorePointMode(reader.word("restore-point")),
        backup=reader.backup(),
        smoke=reader.smoke(),
        create_release=reader.flag("create-release"),
        surfaces=reader.surfaces(),
        back=reader.back(command),
        joining=reader.joining(command),
        repair=reader.repair(command),
        listing=reader.listing(),
        timing=Timing(
            review_delay=reader.duration("review-delay"),
            lock_wait=reader.duration("lock-wait"),
            lock_timeout=reader.duration("lock-timeout"),
            statement_timeout=reader.duration("statement-timeout"),
        ),
        release=reader.word("transaction") == "release",
        retry=RetryPolicy(retries=reader.number("lock-retries")),
        watch=WatchPolicy(sessions=reader.number("max-blocked-sessions"), time=reader.duration("max-blocked-time")),
        github_token=reader.raw("github-token").strip(),
        verbose=reader.flag("verbose") or environ.get("RUNNER_DEBUG") == "1",
        values=(),
    )


def load_folder(given: Mapping[str, Given], file: FileValues = NO_FILE) -> tuple[PurePosixPath, VersionOrder]:
    """The folder of the migrations and their order, for what needs nothing else. Raises InputError."""
    reader = _Reader(layered(given, file), list(file.problems))
    folder, order = reader.read("migrations-path", PurePosixPath), reader.version_order()
    if reader.problems:
        raise InputError(*reader.problems)
    return folder, order


def load_surfaces(given: Mapping[str, Given], file: FileValues = NO_FILE) -> Surfaces:
    """What is shown on GitHub, also when other values are wrong: what is wrong is told there. Wrong ones of its own
    are as if not given.
    """
    return _Reader(layered(given, file), []).surfaces()


def load_secrets(given: Mapping[str, Given], environ: Mapping[str, str], *, file: FileValues = NO_FILE) -> list[str]:
    """What must not be printed, whatever else is wrong: the parts of the URLs, GitHub's token, and the password that
    libpq takes from the environment.
    """
    texts = {name: value.text.strip() for name, value in layered(given, file).items()}
    urls = {texts[name] for name in ("database-url", "shadow-database") if name in texts} - {*Provider}
    parts = [part for url in urls if not url.startswith(DOCKER_SCHEME) for part in secrets_in(url)]
    return [*parts, texts.get("github-token", ""), environ.get("PGPASSWORD", "")]


class _Reader:
    """Parses the values one by one and keeps what is wrong with them."""

    def __init__(self, given: Mapping[str, Given], problems: list[Finding]) -> None:
        self._given, self.problems = given, problems
        self.environment = BY_NAME["environment"].default  # which has a say in some defaults
        self._parsers: dict[str, Callable[[str], object]] = {}  # by input, as far as it was read
        self._defaults: dict[str, str] = {}

    def has(self, name: str) -> bool:
        """Whether somebody gave the input."""
        return name in self._given

    def read(self, name: str, parse: Callable[[str], T], *, default: str | None = None) -> T:
        """The value of an input, or of its default: when none was given, or a wrong one, which becomes a problem."""
        value = self.optional(name, parse)
        self._defaults[name] = BY_NAME[name].default_in(self.environment) if default is None else default
        return parse(self._defaults[name]) if value is None else value

    def optional(self, name: str, parse: Callable[[str], T]) -> T | None:
        """The value of an input that has no default."""
        self._parsers[name] = parse
        given = self._given.get(name)
        if given is None:
            return None
        try:
            given.text.encode()
        except UnicodeEncodeError:
            self._tell(given, Finding(f"{given.source}: it is not UTF-8", hint="write it as text"))
            return None
        try:
            return parse(given.text.strip())
        except Wrong as wrong:
            self._tell(given, Finding(f"{given.source}: {wrong}", hint=wrong.hint))
            return None

    def _tell(self, given: Given, *findings: Finding) -> None:
        self.problems += [replace(finding, path=given.path, line=given.line) for finding in findings]

    def word(self, name: str) -> str:
        """The value of an input that takes some words and no others."""
        return self.read(name, _one_of(*BY_NAME[name].choices))

    def flag(self, name: str, *, default: str | None = None) -> bool:
        """The value of an input that is true or false."""
        return self.read(name, _boolean, default=default)

    def duration(self, name: str) -> timedelta:
        """The value of an input that is a stretch of time."""
        return self.read(name, _duration)

    def number(self, name: str) -> int:
        """The value of an input that is a whole number."""
        return self.read(name, _whole_number(BY_NAME[name].most or 0))

    def raw(self, name: str) -> str:
        """A value to the letter; empty when there is none."""
        return self._given[name].text if name in self._given else ""

    def refuse_what_is_locked(self, given: Mapping[str, Given], section: Section) -> None:
        """Values given to inputs that only the file may set, and that are not the file's."""
        for name, lock in section.locked.items():
            told, wanted = given.get(name), section.values.get(name)
            default = self._defaults.get(name, "")
            if told is None or self._same(name, told.text.strip(), wanted.text.strip() if wanted else default):
                continue
            other = f"what {wanted.origin} has" if wanted else f"its default, `{default or NOTHING}`"
            message = f"{name}: is locked here, and the {_in_words(told)} gives another value than {other}"
            hint = f"take it out there, or change {lock.path}, which is reviewed"
            self._tell(lock, Finding(message, hint=hint))

    def _same(self, name: str, one: str, other: str) -> bool:
        """Whether two texts mean the same. A wrong one is told elsewhere, and is none."""
        if not other:
            return not one
        try:
            return self._parsers[name](one) == self._parsers[name](other)
        except Wrong:
            return False

    def shown(self, config: Config, section: Section) -> Iterator[Value]:
        """Each value as it stands, in the order of the inputs."""
        for known in INPUTS:
            given, default = self._given.get(known.name), self._defaults.get(known.name, known.default)
            text = "; ".join(line.strip() for line in (given.text if given else default).splitlines() if line.strip())
            if known.name == "dry-run" and config.dry_run_reason:
                origin = f"default of {BY_HAND}"
            else:
                origin = f"default of {config.environment}" if config.environment in known.defaults else "default"
            yield Value(
                name=known.name,
                text=_without_secrets(known.name, text, config) or NOTHING,
                origin=given.origin if given else origin,
                locked=known.name in section.locked,
            )

    def version_order(self) -> VersionOrder:
        """How the files are ordered."""
        return VersionOrder(self.word("version-order"))

    def lint(self) -> LintPolicy:
        """What is looked at, and what it does to the run."""
        names = self.optional("lint-exclude", lambda text: frozenset(SEPARATED.split(text)) - {""}) or frozenset()
        if given := self._given.get("lint-exclude"):
            from runner.gates.lint import unknown_rules

            self._tell(given, *unknown_rules(names))
        return LintPolicy(mode=LintMode(self.word("lint")), exclude=names)

    def backup(self) -> BackupPolicy | None:
        """What is dumped before anything runs; None for nothing."""
        mode = BackupMode(self.word("backup"))
        path = self.read("backup-path", _path_inside)
        return None if mode is BackupMode.NONE else BackupPolicy(mode=mode, path=path)

    def smoke(self) -> SmokePolicy | None:
        """What is looked at after the migrations; None for nothing."""
        pattern = self.optional("smoke-tests", _pattern)
        on_failure = OnSmokeFailure(self.word("on-smoke-failure"))
        return SmokePolicy(pattern=pattern, on_failure=on_failure) if pattern else None

    def surfaces(self) -> Surfaces:
        """What is shown on GitHub."""
        return Surfaces(templates=self.optional("templates-path", _folder_inside), pr_comment=self.flag("pr-comment"))

    def back(self, command: str) -> BackPolicy:
        """How far a rollback goes."""
        policy = BackPolicy(
            to=self.optional("to", _version), steps=self.optional("steps", _whole_number(BY_NAME["steps"].most or 0))
        )
        self._only_for(ROLLBACK, command, "to", "steps")
        if command == ROLLBACK and self.has("to") == self.has("steps"):
            hint = 'such as `steps: 1` for the last migration, or `to: "03"` for all behind 03'
            self.problems.append(Finding("rollback: one of `to` and `steps` must say how far", hint=hint))
        if policy.steps == 0:
            self._tell(self._given["steps"], Finding("steps: `0` would undo nothing", hint="write 1 or more"))
        return policy

    def joining(self, command: str) -> JoinPolicy:
        """How a database joins that others have migrated."""
        tool, table = self.optional("from", _one_of(*BY_NAME["from"].choices)), self.raw("from-table").strip()
        self._only_for(ADOPT, command, "from", "from-table")
        if command == ADOPT and not self.has("from"):
            hint = f"one of {', '.join(Tool)}"
            self.problems.append(Finding("from: is missing: which tool has migrated this database?", hint=hint))
        if command == BASELINE and not self.has("version"):
            hint = 'the last migration that this database has, such as `version: "07"`'
            self.problems.append(Finding("version: is missing: up to where is this database migrated?", hint=hint))
        return JoinPolicy(verify=self.flag("verify"), tool=Tool(tool) if tool else None, table=table)

    def repair(self, command: str) -> RepairPolicy:
        """What is to be mended."""
        policy = RepairPolicy(
            environment=self.optional("set-environment", _environment),
            settle=self.optional("settle", _settle),
            forget=self.optional("forget", _version),
            yes=self.flag("yes"),
        )
        named = ("set-environment", "settle", "forget")
        self._only_for(REPAIR, command, *named)
        if sum(map(self.has, named)) > 1:
            hint = "repair one after the other"
            self.problems.append(Finding("repair: only one of `set-environment`, `settle` and `forget`", hint=hint))
        return policy

    def listing(self) -> ListingPolicy:
        """What `status` and `history` show."""
        return ListingPolicy(
            json=self.flag("json"),
            exit_code=self.flag("exit-code"),
            limit=self.number("limit"),
            version=self.optional("version", _version),
            action=self.optional("action", _one_of(*BY_NAME["action"].choices)),
            result=self.optional("result", _one_of(*BY_NAME["result"].choices)),
            since=self.optional("since", _moment),
        )

    def _only_for(self, wanted: str, command: str, *names: str) -> None:
        """Inputs that mean nothing elsewhere: somebody has forgotten the command."""
        for name in names:
            if command != wanted and self.has(name):
                self._tell(self._given[name], Finding(f"{name}: is for `{wanted}`", hint=f"say `command: {wanted}`"))

    def shadow(self) -> ShadowChoice:
        """Where a plan is tried."""
        choice = self.read("shadow-database", _shadow)
        if choice.provider is Provider.OFF:
            hint = "to try nothing, say `dry-run-mode: preview`"
            self._tell(self._given["shadow-database"], Finding("shadow-database: `off` is for `check`", hint=hint))
        return choice

    def shadow_of_check(self) -> ShadowChoice:
        """Where `check` proves the files. Never the database that DATABASE_URL names: that is what gets migrated."""
        asked = self._given.get("database-url")
        if "shadow-database" in self._given or not asked or asked.source == BY_NAME["database-url"].variable:
            return self.read("shadow-database", _shadow)
        url = self.read("database-url", _database_url, default=EMBEDDED)
        return ShadowChoice(provider=Provider.EMBEDDED if url.embedded else Provider.URL, url=url)

    def settings(self, shadow: ShadowChoice) -> dict[str, str]:
        """What a plan is approved with, as it was written or by default; of a URL, which is secret, what is not."""
        texts = {name: self.raw(name).strip() or BY_NAME[name].default for name in OF_THE_PLAN}
        return texts | ({"shadow-database": shown(shadow.url)} if shadow.url else {})

    def database(self, *, needed: bool) -> DatabaseUrl:
        """The one input that must be given, where the command needs it."""
        if not needed and "database-url" not in self._given:
            return DatabaseUrl(value=EMBEDDED)
        if "database-url" not in self._given:
            hint = "give it from a secret, as in `database-url: ${{ secrets.DATABASE_URL }}`"
            self.problems.append(Finding("database-url: is missing", hint=hint))
        return self.read("database-url", _database_url, default=EMBEDDED)


def _without_secrets(name: str, text: str, config: Config) -> str:
    match name:
        case "github-token" | "confirmation" if text:  # somebody may have pasted a secret there
            return HIDDEN
        case "database-url" if text:
            return shown(config.database)
        case "shadow-database" if config.shadow.url:
            return shown(config.shadow.url)
    return text


def _in_words(given: Given) -> str:
    """`flag --lock-timeout`, `input lock-timeout`, `variable NODE_ENV`."""
    return given.origin if given.origin.startswith("variable") else f"{given.origin} {given.source}"


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
            raise Wrong(f"`{text}` is not a whole number from 0 to {most}", "write it in digits, without a unit")
        return int(text)

    return parse


def _one_of(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in words:
            from difflib import get_close_matches

            near = get_close_matches(text.lower(), words, n=1)
            raise Wrong(
                f"`{text}` is not one of {', '.join(words)}",
                f"did you mean `{near[0]}`?" if near else f"write one of them, such as `{words[0]}`",
            )
        return text

    return parse


def _alike(name: str, other: str) -> bool:
    """Whether one may be meant by the other."""
    common = (Counter(name) & Counter(other)).total()
    if 2 * common < ALMOST * (len(name) + len(other)):  # no order of them can make it more
        return False
    from difflib import get_close_matches

    return bool(get_close_matches(name, [other], cutoff=ALMOST))


def _environment(text: str) -> str:
    """A name; near misses of `production` are refused, as they would pass by its gates."""
    name = text.lower()
    other = name.endswith(PRODUCTION) and name != PRODUCTION  # pre-production is meant
    near = NEARLY_PRODUCTION.fullmatch(name) or _alike(name, PRODUCTION)
    if text != PRODUCTION and near and not other:
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


def _settle(text: str) -> tuple[str, int | None]:
    """A version and how many of its statements are done; None for one that was undone."""
    version, _, done = (part.strip() for part in text.partition("="))
    if not SETTLED.fullmatch(f"{version}={done}"):
        raise Wrong(
            f"`{text}` says of no migration how much is done", "such as 05=3 for three statements, or 05=undone"
        )
    return version, None if done == UNDONE else int(done)


def _moment(text: str) -> datetime | timedelta:
    """A day, a moment, or how long ago."""
    if days := DAYS.fullmatch(text):
        return timedelta(days=int(days[1]))
    if (duration := parse_duration(text)) is not None and not text.isdecimal():
        return duration
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        hint = "write it like 2026-11-22, 2026-11-22T12:00:00Z, 24h or 7d"
        raise Wrong(f"`{text}` is neither a day nor a moment nor a duration", hint) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _path_inside(text: str) -> PurePosixPath:
    """A path that stays inside of the workspace."""
    path = PurePosixPath(text)
    if not path.name or path.is_absolute() or ".." in path.parts:
        raise Wrong(f"`{text}` is not a path inside of the workspace", "such as db-migrate-report/backup.dump")
    return path


def _folder_inside(text: str) -> PurePosixPath:
    """A folder that lies inside of the checkout."""
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts:
        raise Wrong(f"`{text}` is not a folder of the checkout", "such as .github/db-migrate")
    return path


def _pattern(text: str) -> str:
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts or path.suffix != ".sql":
        raise Wrong(f"`{text}` is not a pattern of SQL files in the checkout", "such as smoke-tests/*.sql")
    return text


def _windows(text: str) -> "tuple[Window, ...]":
    from runner.gates.freeze import NotAWindow, parse_windows

    try:
        return parse_windows(text)
    except NotAWindow as wrong:
        raise Wrong(str(wrong), wrong.hint) from None


def _approved_plan(text: str) -> ApprovedPlan | None:
    if not text:
        hint = "the output of the job that made the plan did not arrive; `none` asks for no approval"
        raise Wrong("it is empty", hint)
    from runner.gates.approved_plan import DIGEST, NONE

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

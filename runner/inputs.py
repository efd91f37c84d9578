"""Every input, named once: the same word in action.yml, db-migrate.yml, as a flag and in docs/inputs.md. Raw text,
nothing judged.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from runner.core.model import PRODUCTION, BackupMode, DryRunMode, OnSmokeFailure, RestorePointMode
from runner.core.naming import VersionOrder
from runner.core.policies import MOST_RETRIES, HealthMode, LintMode
from runner.core.tools import Tool
from runner.errors import Finding

PREFIX = "INPUT_"
OF_THE_RUNNER = frozenset({"entrypoint", "args"})  # always accepted by GitHub's runner in `with:`
ENVIRONMENT = re.compile(r"[a-z][a-z0-9_-]{0,62}")
NEARLY_PRODUCTION = re.compile(r"live|(?!production$)(?:prod|prd|production|productive|produktion)(?:[0-9_-].*)?")
MOST_BLOCKED_SESSIONS = 10_000
MOST_ENTRIES = 10_000
CHECK, CONFIG, REPAIR, ROLLBACK, BASELINE, ADOPT = "check", "config", "repair", "rollback", "baseline", "adopt"
ELSEWHERE = ""  # among the defaults by environment
SECRET = "a secret does not belong into a file of the repository"  # noqa: S105 - a reason
OF_THE_RUN = "it is said anew for each run"
AT_A_KEYBOARD = "it is for the command line"


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One input, and its form, which the command line, the configuration and the schema for editors go by."""

    name: str
    help: str
    default: str = ""
    defaults: Mapping[str, str] = field(default_factory=dict)  # by environment, where it has a say
    variable: str = ""  # stands in where the input is not given
    flag: bool = False  # true or false
    choices: tuple[str, ...] = ()  # the words that it takes, if no others
    most: int | None = None  # of a whole number from 0
    duration: bool = False
    several: bool = False  # takes several values, which in the file may be a list
    not_in_file: str = ""  # why it cannot stand in the configuration file
    action_default: str = ""  # in action.yml, where an expression can say what the program cannot
    only_flag: bool = False  # it is for people at a keyboard, and no input of the action
    never_empty: bool = False  # an empty value is told as one: what it was to protect would not be

    @property
    def description(self) -> str:
        """What it means, and its default: as in action.yml."""
        told = [f"`{text}` in {name}" for name, text in self.defaults.items() if name != ELSEWHERE]
        if ELSEWHERE in self.defaults:
            told.append(f"{'else ' if told else ''}`{self.defaults[ELSEWHERE]}`")
        elif self.default:
            told = [f"`{self.default}`"]
        return f"{self.help} Default: {', '.join(told)}." if told else self.help

    def default_in(self, environment: str) -> str:
        """What it is where nobody gives it; empty for nothing."""
        return self.defaults.get(environment, self.defaults.get(ELSEWHERE, self.default))


INPUTS = (
    Input(name="command", default="migrate", not_in_file="the workflow or the command line says what to do",
          choices=("migrate", CHECK, "verify", "status", "history", ROLLBACK, BASELINE, ADOPT, REPAIR, CONFIG),
          help="What to do: `migrate`, `check`, `verify`, `status`, `history`, `rollback`, `baseline`, `adopt`, "
          "`repair` or `config`."),
    Input(
        name="database-url",
        variable="DATABASE_URL",
        not_in_file=SECRET,
        help="Connection URL of the PostgreSQL database, from a secret, or `embedded` for a throw-away server. "
        "`check` and `config` need none.",
    ),
    Input(
        name="environment",
        default="development",
        variable="NODE_ENV",
        help="The environment the database belongs to: `development`, `staging`, `production` or a name of yours.",
    ),
    Input(name="migrations-path", default="migrations", help="Folder of the migrations, relative to the checkout."),
    Input(name="version", not_in_file=OF_THE_RUN, help="The last migration to run, such as \"03\" (quoted); all "
          "pending ones when empty. For `baseline` the last one that the database has, for `history` the one to show."),
    Input(name="to", not_in_file=OF_THE_RUN, help="For `rollback`: the version to go back to, such as \"03\" (quoted), "
          "which stays; \"0\" for the beginning."),
    Input(name="steps", most=MOST_ENTRIES, not_in_file=OF_THE_RUN, help="For `rollback`: how many migrations to undo, "
          "the last ones, in place of `to`."),
    Input(name="dry-run", flag=True, defaults={ELSEWHERE: "false"}, help="`true` shows what would run and changes "
          "nothing. Runs started by hand in production are dry runs unless this is `false`."),
    Input(name="dry-run-mode", choices=tuple(DryRunMode),
          defaults={"staging": DryRunMode.REHEARSE, PRODUCTION: DryRunMode.SHADOW, ELSEWHERE: DryRunMode.PREVIEW},
          help="How a plan is tried before it is applied: `preview` executes nothing, `rehearse` executes it on the "
          "target and rolls back, `shadow` executes it on a throw-away copy of the target's schema."),
    Input(name="approved-plan", default="none", never_empty=True, not_in_file=OF_THE_RUN, help="The `plan-digest` that "
          "was approved, and behind a blank the path of the plan's file, if there is one: another plan is refused. "
          "`none` asks for no approval."),
    Input(name="confirmation", not_in_file=OF_THE_RUN, help="Production is only migrated when this is exactly "
          "`MIGRATE-PRODUCTION`, and only rolled back when it is `ROLLBACK-PRODUCTION`."),
    Input(name="allow-prerelease", flag=True, default="false", help="`true` lets a pre-release tag such as "
          "`v1.2.3-rc.1` migrate production."),
    Input(name="health", default="warn", choices=tuple(HealthMode), help="What a finding about the server does, such "
          "as an old transaction or an invalid index: `warn`, `error` refuses the run, `off` does not look."),
    Input(name="freeze-windows", several=True, help="When this environment may be migrated, one window a line or "
          "between semicolons, such as `Mon-Thu 09:00-16:00 Europe/Berlin`: outside of them the run is refused. "
          "`closed` before a window turns it round."),
    Input(name="review-delay", duration=True, defaults={PRODUCTION: "30s", ELSEWHERE: "0"}, help="Time to read the "
          "plan and cancel before it runs, such as `30s` or `5m`."),
    Input(name="restore-point", default="auto", choices=tuple(RestorePointMode), help="What is marked before the first "
          "migration: `auto`, a named restore point where the role may make one, else position and time; `required`, a "
          "named one or the run is refused; `off`."),
    Input(name="backup", default="none", choices=tuple(BackupMode), help="What pg_dump writes to `backup-path` before "
          "the first migration: `none`, `schema`, or `dump` for the whole database."),
    Input(name="backup-path", default="db-migrate-report/backup.dump", help="File of the backup, relative to the "
          "workspace, for an artifact."),
    Input(name="smoke-tests", help="Pattern of SQL files, such as `smoke-tests/*.sql`, whose queries must be true "
          "after the migrations. They only read."),
    Input(name="on-smoke-failure", default="fail", choices=tuple(OnSmokeFailure), help="What follows when one is not: "
          "`fail`, or `rollback`, which undoes this run's migrations by their down files."),
    Input(name="create-release", flag=True, default="false", help="`true` writes the notes of a tag that has migrated "
          "production into its GitHub release, which is made when there is none; that needs `contents: write`."),
    Input(name="tracking-schema", default="public", help="Schema of the tables that record what was applied."),
    Input(name="transaction", default="migration", choices=("migration", "release"), help="What is one transaction: "
          "each `migration`, or the whole `release`, so that all pending migrations stay or none."),
    Input(name="lock-wait", duration=True, default="60s", help="How long to wait while another run migrates the same "
          "database."),
    Input(name="lock-timeout", duration=True, default="5s", help="How long a statement may wait for a lock on a table; "
          "`0` for ever."),
    Input(name="lock-retries", default="10", most=MOST_RETRIES, help="How often a migration is tried again when it "
          "waited too long for a lock, was in a deadlock, or made others wait too long; `0` for never."),
    Input(name="statement-timeout", duration=True, default="0", help="How long a statement may run; `0` without "
          "limit."),
    Input(name="max-blocked-sessions", default="50", most=MOST_BLOCKED_SESSIONS, help="How many other sessions may "
          "wait behind a migration before it makes way and is tried again; `0` without limit."),
    Input(name="max-blocked-time", duration=True, defaults={PRODUCTION: "10s", ELSEWHERE: "0"}, help="How long one of "
          "them may wait, such as `10s`; `0` without limit."),
    Input(name="version-order", default="auto", choices=tuple(VersionOrder), help="How versions sort: `numeric`, "
          "`text`, or `auto`, which refuses names for which the two differ."),
    Input(name="out-of-order", default="refuse", choices=("refuse", "allow"), help="`allow` runs a migration whose "
          "version is lower than one that was applied; `refuse` does not."),
    Input(name="own-transactions", default="refuse", choices=("refuse", "honour"), help="`honour` runs files with "
          "transactions of their own as they are written; `refuse` refuses them."),
    Input(name="lint", default="warn", choices=tuple(LintMode), help="What a finding of squawk, or of our own rules, "
          "does: `warn`, `error` refuses the run, `off` does not look."),
    Input(name="lint-exclude", several=True, help="Lint rules that are not asked, separated by commas or lines."),
    Input(name="shadow-database", defaults={ELSEWHERE: "auto"}, help="Where files are tried that must not touch the "
          "target: `embedded`, `docker://postgres:17` or another image, the URL of an empty database, or `auto`, which "
          "takes what suits the target. For `check` also `off`."),
    Input(name="config-file", default="db-migrate.yml", not_in_file="it names the file itself", help="File of the "
          "checkout with values for these inputs, by environment."),
    Input(name="from", choices=tuple(Tool), not_in_file=OF_THE_RUN, help="For `adopt`: the tool that has migrated the "
          f"database so far: {', '.join(f'`{tool}`' for tool in Tool)}."),
    Input(name="from-table", not_in_file=OF_THE_RUN, help="For `adopt`: that tool's table, where it is not in its "
          "usual place, such as `ops.flyway_schema_history`."),
    Input(name="verify", flag=True, default="false", help="For `baseline` and `adopt`: `true` compares the database "
          "with what the files make of an empty one first, and refuses when they differ."),
    Input(name="set-environment", not_in_file=OF_THE_RUN, help="For `repair`: the environment that the database is to "
          "belong to from now on."),
    Input(name="settle", not_in_file=OF_THE_RUN, help="For `repair`: a version and how many of its statements are "
          "done, such as `05=3`, or `05=undone`, where only a person can tell."),
    Input(name="forget", not_in_file=OF_THE_RUN, help="For `repair`, in development only: a version whose rows leave "
          "the ledger, so that it runs again."),
    Input(name="yes", flag=True, default="false", not_in_file=OF_THE_RUN, help="For `repair`: `true` makes the "
          "changes that it shows, where nobody can be asked."),
    Input(name="exit-code", flag=True, default="false", help="For `status`: `true` makes the run fail when something "
          "is pending."),
    Input(name="pr-comment", flag=True, default="false", help="`true` keeps one comment on the pull request up to date "
          "with what the run found; that needs `pull-requests: write`."),
    Input(name="templates-path", help="Folder of the checkout with Jinja templates that take the place of ours: "
          "`summary.md.j2`, `pr_comment.md.j2`, `release_notes.md.j2`, `rollback.md.j2`."),
    Input(name="github-token", variable="GITHUB_TOKEN", action_default="${{ github.token }}", not_in_file=SECRET,
          help="Token for GitHub's API: for asking what a pull request changes, which needs `contents: read`, for its "
          "comment, and for releases."),
    Input(name="verbose", flag=True, default="false", help="`true` also shows what the server notes while it runs."),
    Input(name="json", flag=True, default="false", only_flag=True, not_in_file=AT_A_KEYBOARD,
          help="The same as JSON, for a program."),
    Input(name="limit", default="50", most=MOST_ENTRIES, only_flag=True, not_in_file=AT_A_KEYBOARD,
          help="How many entries of the history to show, the last ones."),
    Input(name="action", choices=("apply", "rollback", "baseline", "repair"), only_flag=True,
          not_in_file=AT_A_KEYBOARD,
          help="Show only what was done in this way: `apply`, `rollback`, `baseline` or `repair`."),
    Input(name="result", choices=("success", "failed"), only_flag=True, not_in_file=AT_A_KEYBOARD,
          help="Show only what ended so: `success` or `failed`."),
    Input(name="since", only_flag=True, not_in_file=AT_A_KEYBOARD, help="Show only what was done since a day or "
          "moment, such as `2026-11-22`, or within a duration, such as `24h`."),
)  # fmt: skip
BY_NAME: Mapping[str, Input] = {known.name: known for known in INPUTS}
OF_THE_ACTION: Mapping[str, Input] = {known.name: known for known in INPUTS if not known.only_flag}


@dataclass(frozen=True, slots=True)
class Given:
    """A value as somebody wrote it, and where."""

    text: str
    source: str  # for messages: the flag "--lock-timeout", the input "lock-timeout", the variable "DATABASE_URL"
    path: PurePosixPath | None = None  # of the configuration file, where it comes from there
    line: int | None = None  # in it, from 1
    section: str = ""  # of it: "environments.production"; empty for its top level

    @property
    def origin(self) -> str:
        """`db-migrate.yml:7`, `environments.production, db-migrate.yml:21`, `flag`, `input`, `variable NODE_ENV`."""
        if self.path:
            return f"{self.section}, {self.path}:{self.line}".removeprefix(", ")
        if self.source.startswith("--"):
            return "flag"
        return "input" if self.source in BY_NAME else f"variable {self.source}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """The top level of the configuration file, or what it says of one environment."""

    values: Mapping[str, Given] = field(default_factory=dict)  # by input
    locked: Mapping[str, Given] = field(default_factory=dict)  # the inputs that only the file sets; where it says so
    name: Given | None = None  # of the environment

    def over(self, other: "Section") -> "Section":
        """Both, the values of this one before those of the other."""
        return Section(values={**other.values, **self.values}, locked={**other.locked, **self.locked})


@dataclass(frozen=True, slots=True, kw_only=True)
class FileValues:
    """What the configuration file says, and what is wrong with it; without a file nothing is said."""

    top: Section = field(default_factory=Section)
    environments: Mapping[str, Section] = field(default_factory=dict)
    problems: tuple[Finding, ...] = ()

    def of(self, environment: str) -> Section:
        """What holds in an environment: what is said of it, before the top level."""
        return self.environments.get(environment, Section()).over(self.top)


NO_FILE = FileValues()


def gather(flags: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, Given]:
    """The values given, by input name: flags before action inputs before environment variables. Empty is absent, but
    for what must never be empty: GitHub passes an empty value on, and no default in its place.
    """
    given = {}
    for known in INPUTS:
        sources = (
            (flags.get(known.name, ""), f"--{known.name}"),
            ("" if known.only_flag else environ.get(variable_of(known.name), ""), known.name),
            (environ.get(known.variable, "") if known.variable else "", known.variable),
        )
        found = next((Given(text, source) for text, source in sources if text), None)
        if found is None and known.never_empty and (known.name in flags or variable_of(known.name) in environ):
            found = Given("", known.name)
        if found:
            given[known.name] = found
    return given


def layered(given: Mapping[str, Given], file: FileValues) -> dict[str, Given]:
    """The values given, before those of the file for the run's environment, before those of its top level."""
    chosen = given.get("environment") or file.top.values.get("environment")
    environment = chosen.text.strip() if chosen else BY_NAME["environment"].default
    return {**file.of(environment).values, **given}


def variable_of(name: str) -> str:
    """The variable in which GitHub's runner passes an input to a container: upper-cased, hyphens kept."""
    return PREFIX + name.upper().replace(" ", "_")


def unknown(environ: Mapping[str, str]) -> list[Finding]:
    """Inputs that a workflow gives and nobody reads: a misspelt `dry-run` must not become a real run."""
    names = [name.removeprefix(PREFIX).lower() for name in environ if name.startswith(PREFIX)]
    unknown = [name for name in names if name not in OF_THE_ACTION and name not in OF_THE_RUNNER]
    if not unknown:
        return []
    from difflib import get_close_matches

    return [
        Finding(
            f"{name}: there is no input of this name",
            hint=f"did you mean `{close[0]}`?"
            if (close := get_close_matches(name, OF_THE_ACTION, n=1))
            else "see action.yml",
        )
        for name in unknown
    ]

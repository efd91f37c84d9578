"""Every input, named once: the same word in action.yml, as a flag and in docs/inputs.md. Raw text, nothing judged."""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from runner.errors import Finding

PREFIX = "INPUT_"
OF_THE_RUNNER = frozenset({"entrypoint", "args"})  # always accepted by GitHub's runner in `with:`


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One input: `help` is its description in action.yml, `variable` stands in where it is not given."""

    name: str
    help: str
    default: str = ""
    variable: str = ""
    flag: bool = False  # true or false
    action_default: str = ""  # in action.yml, where an expression can say what the program cannot
    never_empty: bool = False  # an empty value is told as one: what it was to protect would not be


INPUTS = (
    Input(name="command", default="migrate", help="What to do: `migrate`, `check`, `verify`, `status` or `history`."),
    Input(
        name="database-url",
        variable="DATABASE_URL",
        help="Connection URL of the PostgreSQL database, from a secret, or `embedded` for a throw-away server. "
        "`check` needs none.",
    ),
    Input(
        name="environment",
        default="development",
        variable="NODE_ENV",
        help="The environment the database belongs to: `development`, `staging`, `production` or a name of yours.",
    ),
    Input(name="migrations-path", default="migrations", help="Folder of the migrations, relative to the checkout."),
    Input(name="version", help="The last migration to run, such as \"03\" (quoted); all pending ones when empty."),
    Input(name="dry-run", flag=True, help="`true` shows what would run and changes nothing. Runs started by hand in "
          "production are dry runs unless this is `false`."),
    Input(name="dry-run-mode", help="How a plan is tried before it is applied: `preview` executes nothing, `rehearse` "
          "executes it on the target and rolls back, `shadow` executes it on a throw-away copy of the target's schema. "
          "Default: `rehearse` in staging, `shadow` in production, else `preview`."),
    Input(name="approved-plan", default="none", never_empty=True, help="The `plan-digest` that was approved, and "
          "behind a blank the path of the plan's file, if there is one: another plan is refused. `none` asks for no "
          "approval."),
    Input(name="confirmation", help="Production is only migrated when this is exactly `MIGRATE-PRODUCTION`."),
    Input(name="review-delay", help="Time to read the plan and cancel before it runs, such as `30s` or `5m`. "
          "Default: `30s` in production, else none."),
    Input(name="tracking-schema", default="public", help="Schema of the tables that record what was applied."),
    Input(name="transaction", default="migration", help="What is one transaction: each `migration`, or the whole "
          "`release`, so that all pending migrations stay or none."),
    Input(name="lock-wait", default="60s", help="How long to wait while another run migrates the same database."),
    Input(name="lock-timeout", default="5s", help="How long a statement may wait for a lock on a table; `0` for ever."),
    Input(name="lock-retries", default="10", help="How often a migration is tried again when it waited too long for a "
          "lock, was in a deadlock, or made others wait too long; `0` for never."),
    Input(name="statement-timeout", default="0", help="How long a statement may run; `0` without limit."),
    Input(name="max-blocked-sessions", default="50", help="How many other sessions may wait behind a migration before "
          "it makes way and is tried again; `0` without limit."),
    Input(name="max-blocked-time", help="How long one of them may wait, such as `10s`; `0` without limit. Default: "
          "`10s` in production, else without limit."),
    Input(name="version-order", default="auto", help="How versions sort: `numeric`, `text`, or `auto`, which refuses "
          "names for which the two differ."),
    Input(name="out-of-order", default="refuse", help="`allow` runs a migration whose version is lower than one that "
          "was applied; `refuse` does not."),
    Input(name="own-transactions", default="refuse", help="`honour` runs files with transactions of their own as they "
          "are written; `refuse` refuses them."),
    Input(name="lint", default="warn", help="What a finding of squawk, or of our own rules, does: `warn`, `error` "
          "refuses the run, `off` does not look."),
    Input(name="lint-exclude", help="Lint rules that are not asked, separated by commas or lines."),
    Input(name="shadow-database", help="Where files are tried that must not touch the target: `embedded`, "
          "`docker://postgres:17` or another image, the URL of an empty database, or `auto`, the default, which takes "
          "what suits the target. For `check` also `off`."),
    Input(name="github-token", variable="GITHUB_TOKEN", action_default="${{ github.token }}",
          help="Token for asking GitHub what a pull request changes; it needs `contents: read`."),
    Input(name="verbose", flag=True, default="false", help="`true` also shows what the server notes while it runs."),
)  # fmt: skip
BY_NAME: Mapping[str, Input] = {known.name: known for known in INPUTS}


@dataclass(frozen=True, slots=True)
class Given:
    """A value as somebody wrote it, and where."""

    text: str
    source: str  # for messages: the flag "--lock-timeout", the input "lock-timeout", the variable "DATABASE_URL"


def gather(flags: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, Given]:
    """The values given, by input name: flags before action inputs before environment variables. Empty is absent, but
    for what must never be empty: GitHub passes an empty value on, and no default in its place.
    """
    given = {}
    for known in INPUTS:
        sources = (
            (flags.get(known.name, ""), f"--{known.name}"),
            (environ.get(variable_of(known.name), ""), known.name),
            (environ.get(known.variable, "") if known.variable else "", known.variable),
        )
        found = next((Given(text, source) for text, source in sources if text), None)
        if found is None and known.never_empty and (known.name in flags or variable_of(known.name) in environ):
            found = Given("", known.name)
        if found:
            given[known.name] = found
    return given


def variable_of(name: str) -> str:
    """The variable in which GitHub's runner passes an input to a container: upper-cased, hyphens kept."""
    return PREFIX + name.upper().replace(" ", "_")


def unknown(environ: Mapping[str, str]) -> list[Finding]:
    """Inputs that a workflow gives and nobody reads: a misspelt `dry-run` must not become a real run."""
    names = [name.removeprefix(PREFIX).lower() for name in environ if name.startswith(PREFIX)]
    return [
        Finding(
            f"{name}: there is no input of this name",
            hint=f"did you mean `{close[0]}`?"
            if (close := get_close_matches(name, BY_NAME, n=1))
            else "see action.yml",
        )
        for name in names
        if name not in BY_NAME and name not in OF_THE_RUNNER
    ]

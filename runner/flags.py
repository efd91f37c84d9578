"""The command line: every input as a flag, for people at a keyboard. Values stay raw text, judged with all others."""

import re
from collections.abc import Sequence
from typing import Any

import click

from runner import __version__
from runner.inputs import BY_NAME, INPUTS, Input

COMMANDS = {
    "migrate": "Bring the database to what the checkout has (the default).",
    "check": "Look at the files: parse, lint, and prove them on a throw-away PostgreSQL.",
    "new": 'Write the files of the next migration, such as: db-migrate new "add user roles" --down',
    "verify": "Compare the database with its ledger, the files and what the last run left.",
    "status": "Show each migration and its state.",
    "history": "Show what was done to the database, the newest first.",
    "rollback": "Undo the last migrations, such as: db-migrate rollback --steps 1",
    "baseline": "Take migrations as applied without running them, up to --version.",
    "adopt": "Take over a database from another tool, such as: db-migrate adopt --from flyway",
    "convert": "Write our files from another tool's, such as: db-migrate convert --from goose db/migrations",
    "repair": "Mend the ledger: edited comments, what died, which environment it is. Shows first, and asks.",
    "serve": "Answer over HTTP, outside of production: status, runs, progress.",
    "config": "Show the value of every input, and where it comes from.",
    "demo": "Run an example through the whole flow on a throw-away PostgreSQL.",
}
READING = (
    "database-url", "environment", "migrations-path", "tracking-schema", "version-order", "config-file",
    "templates-path", "verbose",
)  # fmt: skip
OF_CHECK = (
    "database-url", "environment", "migrations-path", "tracking-schema", "lock-timeout", "statement-timeout",
    "version-order", "out-of-order", "own-transactions", "lint", "lint-exclude", "shadow-database", "config-file",
    "pr-comment", "templates-path", "github-token", "verbose",
)  # fmt: skip
OF_REPAIR = (
    "database-url", "environment", "migrations-path", "dry-run", "confirmation", "allow-prerelease", "tracking-schema",
    "lock-wait", "version-order", "config-file", "set-environment", "settle", "forget", "yes", "templates-path",
    "verbose",
)  # fmt: skip
OF_BASELINE = (
    "database-url", "environment", "migrations-path", "version", "dry-run", "confirmation", "allow-prerelease",
    "tracking-schema", "lock-wait", "lock-timeout", "statement-timeout", "version-order", "own-transactions",
    "shadow-database", "config-file", "verify", "templates-path", "verbose",
)  # fmt: skip
OF_ADOPT = (*(name for name in OF_BASELINE if name != "version"), "from", "from-table")
OF_OTHERS = frozenset(
    {"command", "github-token", "to", "steps", "from", "from-table", "verify", "set-environment", "settle", "forget",
     "yes", "exit-code", "json", "limit", "action", "result", "since"}
)  # fmt: skip
OF_MIGRATE = tuple(known.name for known in INPUTS if known.name not in OF_OTHERS)
NOT_OF_ROLLBACK = frozenset(
    {"version", "out-of-order", "lint", "lint-exclude", "create-release", "on-smoke-failure"}
)  # fmt: skip
OF_ROLLBACK = ("to", "steps", *(name for name in OF_MIGRATE if name not in NOT_OF_ROLLBACK))
NOT_OF_SERVE = frozenset(
    {"version", "dry-run", "approved-plan", "confirmation", "allow-prerelease", "create-release", "pr-comment",
     "templates-path", "verbose"}
)  # fmt: skip
OF_SERVE = tuple(name for name in OF_MIGRATE if name not in NOT_OF_SERVE)
FLAGS_OF = {
    "migrate": OF_MIGRATE,
    "check": OF_CHECK,
    "new": ("migrations-path", "version-order", "config-file"),
    "verify": READING,
    "status": (*READING, "exit-code", "json"),
    "history": (
        *(name for name in READING if name not in {"migrations-path", "version-order"}),
        "version",
        "limit",
        "action",
        "result",
        "since",
        "json",
    ),
    "rollback": OF_ROLLBACK,
    "baseline": OF_BASELINE,
    "adopt": OF_ADOPT,
    "convert": ("migrations-path", "version-order", "config-file"),
    "repair": OF_REPAIR,
    "serve": OF_SERVE,
    "config": OF_MIGRATE,
    "demo": (),
}
ADDRESS = re.compile(r"://|password\s*=", re.IGNORECASE)


class MigrateByDefault(click.Group):
    """A group whose first command may be left out."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `migrate` in front of arguments that begin with a flag, but for the group's own `--help`."""
        if args and args[0].startswith("-") and args[0] not in {"--help", "-h"}:
            args = ["migrate", *args]
        return super().parse_args(ctx, args)


def parse_flags(argv: Sequence[str]) -> dict[str, str] | int:
    """The values given, by input name, `command` among them. An exit code when there is nothing to run."""
    try:
        answer: dict[str, str] | int = _group().main(list(argv), prog_name="db-migrate", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help())
        return 0
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        usage = f"{context.get_usage()}\n\n" if context else ""
        click.echo(f"{usage}Error: {_without_addresses(error.format_message(), argv)}", err=True)
        return 2
    return answer


def _without_addresses(message: str, argv: Sequence[str]) -> str:
    """Click repeats what it did not understand, which may be a connection string in the wrong place."""
    for argument in argv:
        if ADDRESS.search(argument):
            for form in (argument, repr(argument)[1:-1]):
                message = message.replace(form, "***")
    return message


def _group() -> click.Group:
    group = MigrateByDefault(
        name="db-migrate",
        help=f"db-migrate {__version__} brings a PostgreSQL database to what the checkout's migrations say.\n\n"
        "Without a command it migrates. DATABASE_URL stands in for --database-url.",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for name, text in COMMANDS.items():
        group.add_command(_command(name, text))
    return group


def _command(name: str, text: str) -> click.Command:
    def collect(**values: Any) -> dict[str, str]:
        given = {flag.replace("_", "-"): value for flag, value in values.items() if value is not None}
        return {"command": name} | {
            flag: str(value).lower() if isinstance(value, bool) else value for flag, value in given.items()
        }

    options: list[click.Parameter] = [_option(BY_NAME[flag]) for flag in FLAGS_OF[name]]
    if name == "convert":
        tools = click.Choice([str(tool) for tool in BY_NAME["from"].choices])  # an enum would be asked by its members
        options += [
            click.Argument(["folder"], metavar="DIR"),
            click.Option(["--from"], type=tools, required=True, help="The tool that the files are of."),
            click.Option(["--dry-run"], is_flag=True, default=False, help="Show what goes where, and write nothing."),
        ]
    if name == "serve":
        options += [
            click.Option(["--host"], default="127.0.0.1", show_default=True, help="The address to listen on."),
            click.Option(["--port"], default="8600", show_default=True, help="The port; 0 for a free one."),
        ]
    if name == "new":
        options += [
            click.Argument(["title"]),
            click.Option(["--down/--no-down"], default=False, help="Also the file that undoes it."),
            click.Option(["--check/--no-check"], default=False, help="Also the file that asserts that it worked."),
        ]
    return click.Command(name, callback=collect, params=options, help=text)


def _option(known: Input) -> click.Option:
    if known.flag:
        return click.Option([f"--{known.name}/--no-{known.name}"], default=None, help=known.description)
    return click.Option([f"--{known.name}"], metavar="VALUE", help=known.description)

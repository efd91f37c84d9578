"""What the API is started with: flags and environment, as for the command line, judged before it answers."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from runner.config import Config, load, load_secrets
from runner.config_file import read_config_file
from runner.core.model import PRODUCTION
from runner.core.phrases import VARIABLE as CONFIRMED
from runner.core.shadow_choice import Provider
from runner.errors import Finding, InputError
from runner.inputs import BY_NAME, Given, gather, layered, variable_of
from runner.resources import PACKAGE
from runner.secrets import Scrubber

TOKEN = "INTERNAL_ADMIN_TOKEN"  # noqa: S105 - the name of the variable that has it
SHORTEST_TOKEN = 16  # characters
COMMAND = "migrate"
# What a run must not inherit: the token, what GitHub's runner wants to be told, and what opens production.
WITHHELD = frozenset(
    {TOKEN, CONFIRMED, "GITHUB_ACTIONS", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"}
    | {variable_of(name) for name in ("command", "confirmation", "dry-run")}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the API works with; every value checked."""

    config: Config
    checkout: Path
    token: str = field(repr=False)  # empty in production, where nobody is asked for it
    environ: Mapping[str, str] = field(repr=False)  # of a run
    scrub: Scrubber


def read_settings(flags: Mapping[str, str], environ: Mapping[str, str]) -> Settings:
    """Judge what was given. Raises InputError with all that is wrong, without secrets."""
    given = gather({**flags, "command": COMMAND}, environ)
    checkout = Path(environ.get("GITHUB_WORKSPACE") or Path.cwd()).absolute()
    file = read_config_file(checkout, given.get("config-file"))
    values = {name: value.text.strip() for name, value in layered(given, file).items()}
    token = environ.get(TOKEN, "").strip()
    scrub = Scrubber([token, *load_secrets(given, environ, file=file)])
    problems = []
    if values.get("environment") != PRODUCTION:
        problems += _problems_of_token(token)
    if values.get("database-url") == Provider.EMBEDDED:
        hint = "start a server, and give its URL"
        problems.append(Finding("database-url: `embedded` cannot be served: each run would have its own", hint=hint))
    try:
        config = load(given, environ, manual=False, problems=problems, file=file)
    except InputError as error:
        raise InputError(*(finding.scrubbed(scrub) for finding in error.findings)) from None
    if config.environment == PRODUCTION:
        token = ""
    return Settings(
        config=config, checkout=checkout, token=token, environ=_environ_of_a_run(given, environ, checkout), scrub=scrub
    )


def _problems_of_token(token: str) -> list[Finding]:
    hint = f"give {TOKEN} from a secret, at least {SHORTEST_TOKEN} characters, as `openssl rand -hex 32` makes them"
    if not token:
        return [Finding(f"{TOKEN}: is missing: without a token nobody could be let in", hint=hint)]
    if len(token) < SHORTEST_TOKEN:
        return [Finding(f"{TOKEN}: is too short, and could be guessed", hint=hint)]
    if not (token.isascii() and token.isprintable()) or " " in token:
        return [Finding(f"{TOKEN}: has characters that a header cannot carry", hint=hint)]
    return []


def _environ_of_a_run(given: Mapping[str, Given], environ: Mapping[str, str], checkout: Path) -> dict[str, str]:
    """The same configuration for a process that is started without flags. It finds this very program, whatever lies in
    the folder where it starts.
    """
    kept = {name: text for name, text in environ.items() if name not in WITHHELD}
    if sys.flags.ignore_environment:
        kept = {name: text for name, text in kept.items() if not name.startswith("PYTHON")}
    flags = {variable_of(name): given[name].text for name in BY_NAME if name in given and given[name].origin == "flag"}
    path = os.pathsep.join(filter(None, [str(PACKAGE.parent), kept.get("PYTHONPATH", "")]))
    return {
        **kept,
        **{name: text for name, text in flags.items() if name not in WITHHELD},
        "GITHUB_WORKSPACE": str(checkout),
        "PYTHONPATH": path,
        "PYTHONIOENCODING": "utf-8",
    }

"""argv or the action's inputs → one command → an exit code. The only place that exits."""

import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from runner.commands.journal import Journal
from runner.config import Config, load, load_folder
from runner.config_file import read_config_file
from runner.console import Console, open_console
from runner.core.changes import Compared, PullRequest, Trees, first_known
from runner.core.database_url import secrets_in
from runner.core.headline import headline
from runner.core.model import Report
from runner.core.next_steps import next_steps
from runner.core.rollback import rollback_instructions
from runner.core.shadow_choice import DOCKER_SCHEME, Provider
from runner.errors import Cancelled, Finding, Level, Outcome, RunnerError
from runner.github.event import run_context
from runner.github.workflow_commands import add_mask, annotations
from runner.inputs import BY_NAME, FileValues, Given, gather, layered, unknown
from runner.postgres.signals import hear
from runner.secrets import Scrubber

if TYPE_CHECKING:
    from runner.commands.run import Run

PATIENCE = 3  # seconds that the server gets to roll back after a signal
LAST_WORD = 2  # seconds after that to remove what was started, and to tell what is known; GitHub kills after 10
SIGNALS = {signal.SIGINT, signal.SIGTERM}
STYLES = {Outcome.APPLIED: "bold green", Outcome.UP_TO_DATE: "bold green", Outcome.DRY_RUN: "bold cyan"}


def main() -> NoReturn:
    """Run the program and exit. Without arguments, as in the container, only the environment is read."""
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    for number in SIGNALS:  # as PID 1 of a container a process has no default actions: a cancelled job would go on
        signal.signal(number, _cancel)
    try:
        exit_code = run(sys.argv[1:], os.environ)
    except Cancelled as cancelled:  # before or after the run itself: there is nothing to tell
        exit_code = cancelled.exit_code
    sys.exit(exit_code)


def run(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run one command and return its exit code (docs/exit-codes.md)."""
    flags: Mapping[str, str] = {}
    if argv:
        from runner.flags import parse_flags

        parsed = parse_flags(argv)
        if isinstance(parsed, int):  # help was shown, or the arguments were wrong
            return parsed
        flags = parsed
    if flags.get("command") == "demo":
        from runner.commands.demo import demo

        return demo(run)
    if flags.get("command") == "new":
        return _new(flags, environ, open_console(scrub=str))
    given = gather(flags, environ)
    file = read_config_file(_checkout(environ), given.get("config-file"))
    scrub = Scrubber(_secrets(layered(given, file), environ))
    console = open_console(scrub=scrub)
    if _on_github(environ):
        for secret in scrub.secrets:
            console.command(add_mask(secret))
    report = _run(given, file, environ, console, scrub)
    with _undisturbed(report.exit_code):
        _tell(report, console, scrub, environ)
    return report.exit_code


def _run(
    given: Mapping[str, Given],
    file: FileValues,
    environ: Mapping[str, str],
    console: Console,
    scrub: Callable[[str], str],
) -> Report:
    """Run the command, whatever happens, and account for it."""
    context = run_context(environ)
    values = layered(given, file)
    named = {
        name: values[name].text.strip() if name in values else BY_NAME[name].default
        for name in ("command", "environment")
    }
    journal = Journal(named["command"], named["environment"], context)
    journal.on_stage = console.stage
    exit_code = 0
    try:
        problems = unknown(environ) if _on_github(environ) else ()
        config = load(given, environ, manual=context.manual, problems=problems, file=file)
        console.verbose, journal.tracking_schema = config.verbose, config.tracking_schema
        outcome = _perform(config, journal, console, scrub, environ)
    except RunnerError as error:
        outcome, exit_code = error.outcome, error.exit_code
        journal.findings += error.findings
    except Cancelled as cancelled:
        outcome, exit_code = cancelled.outcome, cancelled.exit_code
        journal.findings.append(Finding(str(cancelled)))
    except Exception as error:  # noqa: BLE001 - a defect of ours is told like all else, and scrubbed like all else
        outcome, exit_code = Outcome.FAILED, 1
        journal.findings.append(_defect(error))
    journal.findings = [finding.scrubbed(scrub) for finding in journal.findings]
    report = journal.report(outcome, exit_code)
    return replace(report, next_steps=next_steps(report))


def _defect(error: Exception) -> Finding:
    """Where it happened, without the values: a repr could show a secret in a form that nobody scrubs."""
    import traceback

    return Finding(
        f"an error of db-migrate itself: {type(error).__name__}: {error}",
        detail="".join(traceback.format_tb(error.__traceback__)).rstrip(),
        hint="please report it; the lines above show where it happened",
    )


def _perform(
    config: Config, journal: Journal, console: Console, scrub: Callable[[str], str], environ: Mapping[str, str]
) -> Outcome:
    """Hand the edges to the command."""
    checkout = _checkout(environ)
    if config.command == "config":
        from runner.commands.config import show_config

        return show_config(config, journal, console)
    if config.command == "check":
        from runner.commands.check import check
        from runner.github.pull_request import read_pull_request

        pull = read_pull_request(environ)
        return check(
            config,
            journal,
            console,
            checkout=checkout,
            pull=pull,
            trees=(lambda: _trees(config, pull, checkout, environ)) if pull else None,
            scrub=scrub,
            now=datetime.now(UTC),
        )
    with _opened(config, journal, console, scrub, checkout) as run:
        match config.command:
            case "status":
                from runner.commands.status import status

                return status(config, journal, console, checkout=checkout, open_connection=run.open_connection)
            case "history":
                from runner.commands.status import history

                return history(config, journal, console, open_connection=run.open_connection)
            case "verify":
                from runner.commands.verify import verify

                return verify(run)
            case "repair":
                from runner.commands.repair import repair

                return repair(run)
            case _:
                from runner.commands.migrate import migrate

                return migrate(run)


@contextmanager
def _opened(
    config: Config, journal: Journal, console: Console, scrub: Callable[[str], str], checkout: Path
) -> "Iterator[Run]":
    """The edges of a command that needs the database: how it is reached, the clock, the files that it writes."""
    from runner.commands.run import Run
    from runner.github.outputs import write_file
    from runner.postgres.session import Connection, connect

    with ExitStack() as stack:
        url = config.database
        if url.embedded:
            from runner.postgres.embedded import embedded_server

            url = stack.enter_context(embedded_server()).url()

        def open_connection(part: str) -> Connection:
            name = f"db-migrate {part} {journal.context.run_id[:8]}"
            return connect(url, application_name=name, settled=False)

        yield Run(
            config=config,
            journal=journal,
            console=console,
            checkout=checkout,
            url=url,
            open_connection=open_connection,
            scrub=scrub,
            now=lambda: datetime.now(UTC),
            write_file=lambda name, text: write_file(checkout, name, text),
        )


def _trees(config: Config, pull: PullRequest, checkout: Path, environ: Mapping[str, str]) -> Compared:
    """The folder, and what the pull request changes: from git where its history is there, else from GitHub."""
    from runner.git_history import contents, locate, trees_from_git

    place = locate(checkout, config.migrations_path)

    def from_github() -> Trees:
        from runner.github.client import API_URL, GitHub
        from runner.github.pull_request import trees_from_github

        with GitHub(config.github_token, api_url=environ.get("GITHUB_API_URL") or API_URL) as github:
            return trees_from_github(github, pull, place.folders)

    trees = first_known(lambda: trees_from_git(pull, place), from_github if config.github_token else None)
    return Compared(place.shown, trees, lambda wanted: contents(checkout / config.migrations_path, wanted))


def _new(flags: Mapping[str, str], environ: Mapping[str, str], console: Console) -> int:
    """Write the files of a new migration, and print their paths and nothing else."""
    from runner.commands.new import new_migration

    try:
        given, checkout = gather(flags, environ), _checkout(environ)
        folder, order = load_folder(given, read_config_file(checkout, given.get("config-file")))
        paths = new_migration(
            checkout,
            folder,
            flags["title"],
            order=order,
            down=flags["down"] == "true",
            check=flags["check"] == "true",
            now=datetime.now(UTC),
        )
    except RunnerError as error:
        console.findings(error.findings)
        return error.exit_code
    for path in paths:
        console.say(str(path))
    return 0


def _checkout(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("GITHUB_WORKSPACE") or Path.cwd())


def _secrets(given: Mapping[str, Given], environ: Mapping[str, str]) -> list[str]:
    """What must not be printed: the parts of the URLs, the token, and the password that libpq takes from the
    environment.
    """
    texts = {name: value.text.strip() for name, value in given.items()}
    urls = {texts[name] for name in ("database-url", "shadow-database") if name in texts} - {*Provider}
    parts = [part for url in urls if not url.startswith(DOCKER_SCHEME) for part in secrets_in(url)]
    return [*parts, texts.get("github-token", ""), environ.get("PGPASSWORD", "")]


def _tell(report: Report, console: Console, scrub: Callable[[str], str], environ: Mapping[str, str]) -> None:
    """What GitHub shows, and the last lines of the log. What cannot be written does not change how the run ended."""
    unwritten = [*_write_outputs(report, environ), *_write_summary(report, scrub, environ)]
    findings = [*report.findings, *unwritten]
    untold = [finding for finding in findings if not finding.rule]  # the others were told when they were found
    console.findings(sorted(untold, key=lambda finding: finding.level is not Level.WARNING))
    if back := rollback_instructions(report):
        console.rollback(back)
    for step in report.next_steps:
        console.say(f"→ {step}")
    console.say(headline(report), STYLES.get(report.outcome, "bold red"))
    if _on_github(environ):
        for line in annotations(findings):
            console.command(line)


def _write_outputs(report: Report, environ: Mapping[str, str]) -> Iterator[Finding]:
    if path := environ.get("GITHUB_OUTPUT"):
        from runner.github.outputs import outputs_of, write_outputs, write_plan

        plan = ""
        try:
            plan = write_plan(_checkout(environ), report.plan_document) if report.plan_document else ""
        except OSError as error:
            yield _unwritten("the file of the plan", error)
        try:
            write_outputs(Path(path), outputs_of(report, plan=plan))
        except OSError as error:
            yield _unwritten("the outputs", error)


def _write_summary(report: Report, scrub: Callable[[str], str], environ: Mapping[str, str]) -> Iterator[Finding]:
    if path := environ.get("GITHUB_STEP_SUMMARY"):
        from runner.github.outputs import write_summary
        from runner.render import summary

        try:
            write_summary(Path(path), summary(report, scrub))
        except OSError as error:
            yield _unwritten("the job summary", error)


def _unwritten(what: str, error: OSError) -> Finding:
    return Finding(f"{what} could not be written: {error.strerror}", level=Level.WARNING)


def _on_github(environ: Mapping[str, str]) -> bool:
    return environ.get("GITHUB_ACTIONS") == "true"


def _cancel(number: int, _: FrameType | None) -> None:
    for other in SIGNALS:  # the next one, which GitHub's runner sends after 7.5 s, must not disturb the last word
        signal.signal(other, signal.SIG_IGN)
    cancelled = Cancelled(signal.Signals(number).name, number)

    def insist(*_: object) -> None:
        """The server does not answer: leave it, and tell what is known."""
        signal.signal(signal.SIGALRM, lambda *_: os._exit(cancelled.exit_code))
        hear(cancelled)

    signal.signal(signal.SIGALRM, insist)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE, LAST_WORD)
    hear(cancelled)


@contextmanager
def _undisturbed(exit_code: int) -> Iterator[None]:
    """The run is over: a signal that comes while it is being told is too late, and dropped."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    if signal.getitimer(signal.ITIMER_REAL)[0]:  # told in good time, but not for ever
        signal.signal(signal.SIGALRM, lambda *_: os._exit(exit_code))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        while signal.sigpending() & SIGNALS:
            signal.sigwait(SIGNALS)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

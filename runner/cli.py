"""argv or the action's inputs → one command → an exit code. The only place that exits."""

import gc
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from runner.commands.journal import Journal
from runner.config import Config, load, load_folder, load_secrets, load_surfaces
from runner.config_file import read_config_file
from runner.console import EVENTS, LIFELINE, REPORT, Console, open_console
from runner.core.database_url import shown
from runner.core.headline import headline
from runner.core.model import Report
from runner.core.next_steps import next_steps
from runner.errors import Cancelled, Finding, InputError, Level, Outcome, RunnerError
from runner.github.event import run_context
from runner.github.workflow_commands import add_mask, annotations
from runner.inputs import BY_NAME, FileValues, Given, gather, layered, unknown
from runner.postgres.signals import hear, terminate_at_end_of
from runner.secrets import Scrubber
from runner.surfaces import Surfaces
from runner.templating.templates import Templates, open_templates

if TYPE_CHECKING:
    from runner.commands.run import Run
    from runner.core.changes import Compared, PullRequest, Trees
    from runner.github.publish import Comment, PublishRelease

PATIENCE = 3  # seconds that the server gets to roll back after a signal
LAST_WORD = 2  # seconds after that to remove what was started, and to tell what is known; GitHub kills after 10
SIGNALS = {signal.SIGINT, signal.SIGTERM}
STYLES = {
    Outcome.APPLIED: "bold green",
    Outcome.ROLLED_BACK: "bold green",
    Outcome.UP_TO_DATE: "bold green",
    Outcome.DRY_RUN: "bold cyan",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Edges:
    """What a command is given to reach the world by."""

    given: Mapping[str, Given]
    file: FileValues
    environ: Mapping[str, str]
    console: Console
    scrub: Scrubber
    templates: Templates

    @property
    def checkout(self) -> Path:
        return _checkout(self.environ)

    @property
    def on_github(self) -> bool:
        return self.environ.get("GITHUB_ACTIONS") == "true"

    def said(self, name: str) -> str:
        """An input as somebody wrote it, else its default; nobody has judged it yet."""
        values = layered(self.given, self.file)
        return values[name].text.strip() if name in values else BY_NAME[name].default


def main() -> NoReturn:
    """Run the program and exit. Without arguments, as in the container, only the environment is read."""
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    for number in SIGNALS:  # as PID 1 of a container a process has no default actions: a cancelled job would go on
        signal.signal(number, _cancel)
    if os.environ.get(LIFELINE) == "1":
        terminate_at_end_of(sys.stdin.fileno())
    try:
        exit_code = run(sys.argv[1:], os.environ)
    except Cancelled as cancelled:  # before or after the run itself: there is nothing to tell
        exit_code = cancelled.exit_code
    gc.freeze()  # else Python looks for garbage in all that is left: a tenth of the time of a run with nothing to do
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
        return _without_report(_new, flags, environ)
    if flags.get("command") == "convert":
        return _without_report(_convert, flags, environ)
    if flags.get("command") == "serve":
        return _serve(flags, environ)
    given = gather(flags, environ)
    checkout = _checkout(environ)
    file = read_config_file(checkout, given.get("config-file"))
    scrub = Scrubber(load_secrets(given, environ, file=file))
    github = environ.get("GITHUB_ACTIONS") == "true"
    stream = sys.stderr if flags.get("json") == "true" else sys.stdout  # the document is all that a program reads
    debug, events = environ.get("RUNNER_DEBUG") == "1", environ.get(EVENTS) == "1"
    console = open_console(stream, scrub=scrub, github=github, debug=debug, events=events)
    if github:
        for secret in scrub.secrets:
            console.command(add_mask(secret))
    templates, broken = _templates(checkout, load_surfaces(given, file).templates)
    edges = Edges(given=given, file=file, environ=environ, console=console, scrub=scrub, templates=templates)
    report = _run(edges, broken)
    surfaces = _surfaces(edges)
    with _undisturbed(report.exit_code):
        _tell(report, surfaces, edges)
    try:
        _tell_more(edges, surfaces.tell_pull_request(report))
    except Cancelled as cancelled:  # the run itself is over
        edges.console.say(f"the comment was not brought up to date: {cancelled}")
    return report.exit_code


def _templates(checkout: Path, folder: PurePosixPath | None) -> tuple[Templates, tuple[Finding, ...]]:
    """The templates to tell with, and what is wrong with the user's: then ours take their place."""
    try:
        return open_templates(checkout, folder), ()
    except InputError as error:
        return Templates(), error.findings


def _run(edges: Edges, broken: Sequence[Finding]) -> Report:
    """Run the command, whatever happens, and account for it. `broken`: what is wrong with the user's templates."""
    environ = edges.environ
    context = run_context(environ)
    journal = Journal(edges.said("command"), edges.said("environment"), context)
    journal.on_stage = edges.console.stage
    exit_code = 0
    try:
        problems = [*(unknown(environ) if edges.on_github else ()), *broken]
        config = load(edges.given, environ, manual=context.manual, problems=problems, file=edges.file)
        edges.console.verbose, journal.tracking_schema = config.verbose, config.tracking_schema
        outcome = _perform(config, journal, edges)
        exit_code = journal.exit_code
    except RunnerError as error:
        outcome, exit_code = error.outcome, error.exit_code
        journal.findings += error.findings
    except Cancelled as cancelled:
        outcome, exit_code = cancelled.outcome, cancelled.exit_code
        journal.findings.append(Finding(str(cancelled)))
    except Exception as error:  # noqa: BLE001 - a defect of ours is told like all else, and scrubbed like all else
        outcome, exit_code = Outcome.FAILED, 1
        journal.findings.append(_defect(error))
    journal.findings = [finding.scrubbed(edges.scrub) for finding in journal.findings]
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


def _perform(config: Config, journal: Journal, edges: Edges) -> Outcome:
    """Hand the edges to the command."""
    checkout, console = edges.checkout, edges.console
    if config.command == "config":
        from runner.commands.config import show_config

        return show_config(config, journal, console)
    if config.command == "check":
        from runner.commands.check import check
        from runner.github.pull_request import read_pull_request

        pull = read_pull_request(edges.environ)
        return check(
            config,
            journal,
            console,
            checkout=checkout,
            pull=pull,
            trees=(lambda: _trees(config, pull, edges)) if pull else None,
            scrub=edges.scrub,
            now=datetime.now(UTC),
        )
    with _opened(config, journal, edges) as run:
        match config.command:
            case "status":
                from runner.commands.status import status

                return status(run, columns=_columns(), write=_write)
            case "history":
                from runner.commands.status import history

                return history(run, columns=_columns(), write=_write)
            case "verify":
                from runner.commands.verify import verify

                return verify(run)
            case "rollback":
                from runner.commands.rollback import rollback

                return rollback(run)
            case "baseline":
                from runner.commands.baseline import baseline

                return baseline(run)
            case "adopt":
                from runner.commands.adopt import adopt

                return adopt(run)
            case "repair":
                from runner.commands.repair import repair

                return repair(run)
            case _:
                from runner.commands.migrate import migrate

                return migrate(run)


@contextmanager
def _opened(config: Config, journal: Journal, edges: Edges) -> "Iterator[Run]":
    """The edges of a command that needs the database: how it is reached, the clock, what it writes."""
    from runner.commands.run import Run
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
            console=edges.console,
            checkout=edges.checkout,
            url=url,
            open_connection=open_connection,
            scrub=edges.scrub,
            now=lambda: datetime.now(UTC),
            templates=edges.templates,
            publish_release=_release(config, journal, edges) if config.create_release else None,
            write_file=lambda name, text: _write_file(edges.checkout, name, text),
            ask=_ask if sys.stdin.isatty() and not edges.on_github else None,
        )


def _write_file(checkout: Path, name: str, text: str) -> str:
    """Write a file for the steps that follow; returns its path."""
    from runner.github.outputs import write_file

    return write_file(checkout, name, text)


def _columns() -> int | None:
    """How wide the terminal is that standard output is; None when it is none."""
    from shutil import get_terminal_size

    return get_terminal_size().columns if sys.stdout.isatty() else None


def _write(document: str) -> None:
    """Print what a program reads, which is scrubbed already."""
    Console(sys.stdout, scrub=str).command(document)


def _ask(question: str) -> bool:
    """Somebody at a terminal says yes, or anything else."""
    try:
        return input(f"{question} [y/N] ").strip().lower() in {"y", "yes"}
    except EOFError:  # Ctrl-D
        return False


def _trees(config: Config, pull: "PullRequest", edges: Edges) -> "Compared":
    """The folder, and what the pull request changes: from git where its history is there, else from GitHub."""
    from runner.core.changes import Compared, first_known
    from runner.git_history import contents, locate, trees_from_git

    checkout = edges.checkout
    place = locate(checkout, config.migrations_path)

    def from_github() -> "Trees":
        from runner.github.client import GitHub
        from runner.github.pull_request import trees_from_github

        with GitHub.of(edges.environ, config.github_token) as github:
            return trees_from_github(github, pull, place.folders)

    trees = first_known(lambda: trees_from_git(pull, place), from_github if config.github_token else None)
    return Compared(place.shown, trees, lambda wanted: contents(checkout / config.migrations_path, wanted))


def _without_report(
    command: Callable[[Mapping[str, str], Mapping[str, str], Console], int],
    flags: Mapping[str, str],
    environ: Mapping[str, str],
) -> int:
    """Run a command that accounts for itself, and tell whatever ends it."""
    console = open_console(scrub=str)
    try:
        return command(flags, environ, console)
    except RunnerError as error:
        console.findings(error.findings)
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - a defect of ours is told like all else
        console.findings([_defect(error)])
        return 1


def _new(flags: Mapping[str, str], environ: Mapping[str, str], console: Console) -> int:
    """Write the files of a new migration, and print their paths and nothing else."""
    from runner.commands.new import new_migration

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
    for path in paths:
        console.say(str(path))
    return 0


def _convert(flags: Mapping[str, str], environ: Mapping[str, str], console: Console) -> int:
    """Write our files from another tool's, and show which goes where."""
    from runner.commands.convert import convert_files
    from runner.core.table import as_text
    from runner.core.tools import Tool

    given, checkout = gather(flags, environ), _checkout(environ)
    folder, order = load_folder(given, read_config_file(checkout, given.get("config-file")))
    tool, dry_run = Tool(flags["from"]), flags.get("dry-run") == "true"
    told = convert_files(checkout, flags["folder"], tool, folder=folder, order=order, dry_run=dry_run)
    console.say(as_text(told.table))
    console.findings(told.findings)
    console.say(told.verdict)
    return InputError.exit_code if told.problems else 0


def _serve(flags: Mapping[str, str], environ: Mapping[str, str]) -> int:
    """Answer over HTTP until a signal comes."""
    try:
        from runner.api.serve import serve
    except ModuleNotFoundError as missing:
        hint = "install the extra `api`: pip install 'db-migrate-action[api]'"
        open_console(scrub=str).findings([Finding(f"serve: {missing.name} is not installed", hint=hint)])
        return InputError.exit_code
    return serve(flags, environ)


def _checkout(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("GITHUB_WORKSPACE") or Path.cwd())


def _comment(edges: Edges) -> "Comment":
    """There is one for each workflow, folder of migrations, command and environment."""
    from runner.github.publish import commenting

    about = (edges.said("migrations-path"), edges.said("command"), edges.said("environment"))
    return commenting(edges.environ, token=edges.said("github-token"), about=about)


def _release(config: Config, journal: Journal, edges: Edges) -> "PublishRelease":
    """It has a block for each folder of migrations and database."""
    from runner.github.publish import releasing

    about = (str(config.migrations_path), config.environment, shown(config.database))
    return releasing(edges.environ, journal.context, token=config.github_token, about=about)


def _surfaces(edges: Edges) -> Surfaces:
    wanted = load_surfaces(edges.given, edges.file).pr_comment
    return Surfaces.of(
        edges.environ,
        checkout=edges.checkout,
        templates=edges.templates,
        scrub=edges.scrub,
        comment=_comment(edges) if wanted else None,
    )


def _tell(report: Report, surfaces: Surfaces, edges: Edges) -> None:
    """What GitHub shows, what a program that has started us wants, and the last lines of the log."""
    console = edges.console
    found = [*_hand_over(report, edges), *surfaces.show(report)]
    findings = [*report.findings, *(finding.scrubbed(edges.scrub) for finding in found)]
    untold = [finding for finding in findings if not finding.rule]  # the others were told when they were found
    console.findings(sorted(untold, key=lambda finding: finding.level is not Level.WARNING))
    if report.has_executed:
        from runner.core.ways_back import rollback_instructions

        if back := rollback_instructions(report):
            console.rollback(back)
    for step in report.next_steps:
        console.say(f"→ {step}")
    console.say(headline(report), "bold red" if report.exit_code else STYLES.get(report.outcome, "bold red"))
    _annotate(edges, findings)


def _hand_over(report: Report, edges: Edges) -> Iterator[Finding]:
    """Write the report where a program that has started us wants it; yield what prevents that."""
    if path := edges.environ.get(REPORT):
        from runner.core.report_document import report_json

        try:
            Path(path).write_text(report_json(report, edges.scrub), encoding="utf-8")
        except OSError as error:
            hint = f"look at {REPORT}; the run itself ended as the log says"
            yield Finding(f"the report could not be written: {error.strerror}", level=Level.WARNING, hint=hint)


def _tell_more(edges: Edges, found: Iterable[Finding]) -> None:
    """What only shows once everything else was told."""
    findings = [finding.scrubbed(edges.scrub) for finding in found]
    edges.console.findings(findings)
    _annotate(edges, findings)


def _annotate(edges: Edges, findings: Sequence[Finding]) -> None:
    if edges.on_github:
        for line in annotations(findings, scrub=edges.scrub):
            edges.console.command(line)


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

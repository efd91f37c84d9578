"""`db-migrate check`: what is wrong with the files, told before anything is merged.

No database is migrated, but the proof executes the files: on a throw-away server of ours, or, where the configuration
has a URL for it (`shadow-database`), on that server, which keeps what they do beyond their database.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from pathlib import Path

from runner.commands.journal import Journal
from runner.commands.judging import state_of
from runner.commands.stages import linted, parsed
from runner.config import Config
from runner.console import Console
from runner.core.changes import Changes, Compared, PullRequest, changes_of, expected
from runner.core.migration import Migration
from runner.core.model import MigrationFile, StageState, Verdict
from runner.core.naming import LEDGER_FILE
from runner.core.needs import extensions_of, roles_of
from runner.core.parse import parse_down
from runner.core.plural import counted
from runner.core.shadow_choice import Provider
from runner.errors import DatabaseUnusable, Finding, InputError, Outcome, Refused
from runner.gates.lasting import lasting
from runner.gates.pull_request import PullRequestPolicy, check_checkout, check_links, check_pull_request
from runner.postgres.prove import Proof, Undoable, prove
from runner.postgres.scratch import Scratch, scratch_server
from runner.postgres.sending import Timeouts
from runner.postgres.syntax import check_syntax
from runner.workspace import discover

SCRATCH = "db_migrate_check_"
WITH_SECRETS = (
    "a run of `pull_request_target` has the secrets of the repository, and the proof would execute what anybody wrote"
)
ANOTHER_SERVER = (
    "give `shadow-database` the URL of an empty database on a server that has it, such as a service container, "
    "or `shadow-database: off` to check without the proof"
)


def check(
    config: Config,
    journal: Journal,
    console: Console,
    *,
    checkout: Path,
    pull: PullRequest | None,
    trees: Callable[[], Compared] | None,
    scrub: Callable[[str], str],
    now: datetime,
) -> Outcome:
    """Look at the files, stage by stage. `trees` tells where the folder is and what the pull request changes, when
    there is one.

    Raises a RunnerError with everything that was found in the journal.
    """
    files, problems = _files(config, journal, checkout)
    verdicts: list[Verdict] = []
    changes = None
    if pull and trees:
        changes, verdict, links = _pull_request(config, journal, pull, trees, now)
        verdicts.append(verdict)
        problems += links
    if not files:
        raise InputError(*problems)
    journal.migrations, undoable, wrong = _parsed(config, journal, files)
    problems += wrong
    looked_at = journal.migrations if changes is None else _of(journal.migrations, changes.touched)
    if changes is not None:
        journal.touched = frozenset(each.version for each in journal.migrations if _is_touched(each, changes.touched))
    verdicts.append(linted(config, journal, console, checkout, looked_at, pg_version=None))
    if problems:
        raise InputError(*problems)
    if refused := [verdict for verdict in verdicts if not verdict.passed]:
        raise Refused(*(Finding(f"{verdict.gate}: {verdict.reason}", hint=verdict.way_out) for verdict in refused))
    proof = config.shadow.provider is not Provider.OFF
    if pull and pull.with_secrets and proof:
        raise Refused(Finding(WITH_SECRETS, hint="use `on: pull_request`, or `shadow-database: off`"))
    if not proof:
        journal.skip("proof", "`shadow-database` is off")
        return Outcome.DRY_RUN
    touched = None if changes is None else changes.touched
    _prove(config, journal, console, _undone(journal.migrations, undoable, touched), scrub)
    return Outcome.DRY_RUN


def _files(config: Config, journal: Journal, checkout: Path) -> tuple[list[MigrationFile], list[Finding]]:
    """The files, or what is wrong with the set, which does not keep the pull request from being looked at."""
    with journal.stage("files") as tell:
        try:
            files, warnings = discover(checkout, config.migrations_path, config.plan.version_order)
        except InputError as error:
            tell(counted(len(error.findings), "problem"), StageState.FAILED)
            return [], list(error.findings)
        journal.findings += warnings
        tell(f"{len(files)} in {config.migrations_path}")
    return files, []


def _pull_request(
    config: Config,
    journal: Journal,
    pull: PullRequest,
    trees: Callable[[], Compared],
    now: datetime,
) -> tuple[Changes, Verdict, list[Finding]]:
    """What it changes, whether it may, and the links of which nobody can tell.

    Raises InputError when the checkout is of something else: its files would be looked at in place of those.
    """
    with journal.stage("pull request") as tell:
        folder, before_and_after, held = trees()
        changes = changes_of(before_and_after)
        policy = PullRequestPolicy(
            folder=folder,
            base_branch=pull.base_ref,
            order=config.plan.version_order,
            allow_out_of_order=config.plan.allow_out_of_order,
            time=now,
        )
        wanted = expected(before_and_after, changes)
        if problems := check_checkout(policy, wanted, held(wanted)):
            raise InputError(*problems)
        links = check_links(policy, before_and_after)
        verdict, findings = check_pull_request(policy, before_and_after, changes)
        journal.judge(verdict)
        journal.findings += findings
        tell(f"#{pull.number}: {verdict.reason}", state_of(verdict))
    return changes, verdict, links


def _parsed(
    config: Config, journal: Journal, files: Sequence[MigrationFile]
) -> tuple[list[Migration], list[Undoable], list[Finding]]:
    """All files, down files as well, and everything that is wrong with them."""
    with journal.stage("parse") as tell:
        migrations, problems = parsed(config, journal, files)
        undoable = []
        for migration in migrations:
            if migration.file.down:
                try:
                    undoable.append(Undoable(up=migration, down=parse_down(migration.file, config.parse)))
                except InputError as error:
                    problems += error.findings
        statements = counted(sum(migration.statement_count for migration in migrations), "statement")
        state = StageState.FAILED if problems else StageState.OK
        tell(f"{statements}, {counted(len(problems), 'problem')}" if problems else statements, state)
    return migrations, undoable, problems


def _of(migrations: Sequence[Migration], names: Collection[str]) -> list[Migration]:
    return [migration for migration in migrations if migration.source.path.name in names]


def _undone(
    migrations: Sequence[Migration], undoable: Sequence[Undoable], touched: Collection[str] | None
) -> list[Undoable]:
    """What is undone and applied again: the last migrations, back to the first that is touched, itself or by its down
    file, as long as each has one. All are touched when nobody says otherwise.
    """
    pairs = {pair.up.version: pair for pair in undoable}
    first = next((number for number, migration in enumerate(migrations) if _is_touched(migration, touched)), None)
    undone: list[Undoable] = []
    for migration in reversed(migrations[first:] if first is not None else []):
        if migration.version not in pairs or migration.file.path.name == LEDGER_FILE:
            break
        undone.append(pairs[migration.version])
    return undone[::-1]


def _is_touched(migration: Migration, touched: Collection[str] | None) -> bool:
    down = migration.file.down
    return touched is None or migration.file.path.name in touched or (down is not None and down.path.name in touched)


def _prove(
    config: Config, journal: Journal, console: Console, undone: Sequence[Undoable], scrub: Callable[[str], str]
) -> None:
    migrations = journal.migrations
    with journal.stage("proof") as tell, scratch_server(config.shadow) as make:
        with make(f"{SCRATCH}{journal.context.run_id[:8]}") as scratch:
            made = _prepare(scratch, migrations, undone)
            proof = Proof(
                scratch=scratch,
                schema=config.tracking_schema,
                context=journal.context,
                timeouts=Timeouts(lock=config.timing.lock_timeout, statement=config.timing.statement_timeout),
                scrub=scrub,
            )
            for step in prove(proof, migrations, undone):
                journal.rehearsed.append(step)
                console.finished(step)
        again = f", {len(undone)} undone and applied again" if undone else ""
        roles = f", with roles made for it: {', '.join(made)}" if made else ""
        tell(f"{counted(len(migrations))} from zero on {scratch.server}{again}{roles}")


def _prepare(scratch: Scratch, migrations: Sequence[Migration], undone: Sequence[Undoable]) -> list[str]:
    """See to what the files take for granted: extensions that can be installed, and, on a server of ours, roles. Raises
    InputError with what neither libpg_query nor the server can read, Refused with what would stay on a server of
    somebody's.
    """
    if not scratch.ours and (lasts := lasting([*migrations, *(pair.down for pair in undone)])):
        raise Refused(*lasts)
    with scratch.connect("syntax") as connection:
        if problems := [*check_syntax(connection, [*migrations, *(pair.down for pair in undone)])]:
            raise InputError(*problems)
    wanted = extensions_of(migrations)
    if lacking := scratch.lacks(wanted):
        raise DatabaseUnusable(
            *(
                Finding(
                    f"{scratch.server}, does not have the extension {name}, so the files cannot be proved there",
                    path=wanted[name][0].source.path,
                    line=wanted[name][1].line,
                    hint=ANOTHER_SERVER,
                )
                for name in sorted(lacking)
            )
        )
    if not scratch.ours:
        return []
    return scratch.make_roles(roles_of(migrations))

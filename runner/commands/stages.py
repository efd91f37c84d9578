"""Stages that more than one command has."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path, PurePosixPath

from runner.commands.journal import Journal
from runner.commands.judging import state_of
from runner.commands.run import Run
from runner.config import ApprovedPlan, Config
from runner.console import Console
from runner.core.lint import RULES, documented, lint
from runner.core.migration import Migration
from runner.core.model import Applied, Backend, MigrationFile, Verdict
from runner.core.parse import parse
from runner.core.plan_document import NoPlan, read_plan
from runner.core.plural import counted
from runner.core.policies import LintMode
from runner.core.validity import Validity
from runner.errors import Finding, InputError
from runner.gates.approved_plan import Approval
from runner.gates.lint import check_lint, graded
from runner.postgres.execution import Execution
from runner.postgres.session import reading, usable
from runner.postgres.validity import ask_validity
from runner.postgres.watch import Watch
from runner.postgres.watcher import Mutex
from runner.secret_scan import secrets_in_files
from runner.squawk import squawk

PASSWORD = "password-in-sql"  # noqa: S105 - the name of a rule


def parsed(config: Config, journal: Journal, files: Sequence[MigrationFile]) -> tuple[list[Migration], list[Finding]]:
    """The files, parsed, and everything that keeps others from it."""
    migrations: list[Migration] = []
    problems: list[Finding] = []
    for file in files:
        try:
            migrations.append(parse(file, config.parse))
        except InputError as error:
            problems += error.findings
    journal.findings += [finding for migration in migrations for finding in migration.findings]
    return migrations, problems


def linted(
    config: Config,
    journal: Journal,
    console: Console,
    checkout: Path,
    migrations: Sequence[Migration],
    *,
    pg_version: str | None,
) -> Verdict:
    """Have squawk, our own rules and the search for secrets look at the files. The findings are in the journal, and
    told at once: whoever watches the log sees them before anything runs.
    """
    policy = config.lint
    with journal.stage("lint") as tell:
        found: list[Finding] = []
        if policy.mode is not LintMode.OFF:
            for transactional in (True, False):
                found += squawk(
                    checkout,
                    [migration.source.path for migration in migrations if migration.transactional is transactional],
                    pg_version=pg_version,
                    in_transaction=transactional,
                    exclude=policy.exclude,
                )
            found += [finding for migration in migrations for finding in lint(migration, exclude=policy.exclude)]
            found += [finding for migration in migrations for finding in _passwords_in_checks(migration)
                      if finding.rule not in policy.exclude]  # fmt: skip
            if "secret" not in policy.exclude:
                told = {(finding.path, finding.line) for finding in found if finding.rule == PASSWORD}
                secrets = secrets_in_files(
                    checkout, [path for migration in migrations for path in _paths(migration.file)]
                )
                found += [finding for finding in secrets if (finding.path, finding.line) not in told]
        found = documented(found, f"{journal.context.docs_url}/lint.md")
        found.sort(key=lambda finding: (str(finding.path), finding.line or 0, finding.column or 0))
        found = graded(policy, found)
        journal.findings += found
        verdict = journal.judge(check_lint(policy, found))
        tell(f"{counted(len(migrations), 'file')}: {verdict.reason}" if found else verdict.reason, state_of(verdict))
    console.findings(found)
    return verdict


def _paths(file: MigrationFile) -> list[PurePosixPath]:
    """All that the ledger keeps of a migration."""
    return [source.path for source in (file.up, file.down, file.check) if source]


def _passwords_in_checks(migration: Migration) -> list[Finding]:
    """How a check file runs is not asked; what stands in it, the ledger keeps."""
    if migration.file.check is None:
        return []
    check = replace(migration, source=migration.file.check, statements=migration.checks)
    return lint(check, exclude=RULES.keys() - {PASSWORD})


def approved(named: ApprovedPlan | None, checkout: Path) -> Approval | None:
    """What was approved. Raises InputError when the file of the plan is none."""
    if named is None:
        return None
    if named.path is None:
        return Approval(digest=named.digest)
    try:
        plan = read_plan((checkout / named.path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, NoPlan) as error:
        why = error.strerror if isinstance(error, OSError) else error
        hint = "give the file that the job which made the plan has written"
        raise InputError(Finding(f"approved-plan: {named.path} cannot be read: {why}", hint=hint)) from None
    return Approval(digest=named.digest, plan=plan)


def watching(run: Run, backend: Backend, mutex: Mutex) -> Watch:
    """The watcher over this worker, by whom the others are told."""
    return Watch(
        mutex.connection,
        worker=backend.pid,
        policy=run.config.watch,
        tell=run.console.progress,
        warn=run.journal.findings.append,
        scrub=run.scrub,
        limit=run.config.timing.lock_timeout,
    )


def read_back(execution: Execution) -> tuple[Sequence[Applied], Validity]:
    """What the ledger has, and what is not valid, now that all is done."""
    with ExitStack() as stack:
        worker = execution.worker
        if worker.closed:  # lost behind the last COMMIT
            worker = stack.enter_context(execution.reconnect())
        with usable(worker):
            with reading(worker):
                ledger, valid = execution.ledger.ask(worker), ask_validity(worker)
            return ledger().applied, valid()

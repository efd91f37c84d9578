"""What `baseline` and `adopt` share: migrations that the database has already are recorded, and none runs."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from runner.commands.admit import admit
from runner.commands.alone import alone
from runner.commands.half_undone import refuse_half_undone
from runner.commands.judging import passing
from runner.commands.run import Run
from runner.core.joining import Joined, recorded_in, table_of, taken_as_it_is, to_record
from runner.core.migration import Migration
from runner.core.model import LedgerRows, MigrationFile, StageState, Target
from runner.core.parse import parse
from runner.core.plan import changed_versions, judged_changes
from runner.core.plural import counted
from runner.core.same_schema import likeness
from runner.core.schema import Schema
from runner.core.shadow_choice import Provider
from runner.core.table import as_text
from runner.errors import DatabaseUnusable, Drift, Finding, InputError, Level, MigrationFailed, Outcome, Refused
from runner.gates.confirmation import check_confirmation
from runner.gates.lasting import lasting
from runner.gates.target import check_target
from runner.postgres.catalog_snapshot import catalog_snapshot
from runner.postgres.from_zero import FromZero, schema_from_zero
from runner.postgres.joining import record_joined
from runner.postgres.ledger import survey
from runner.postgres.session import Connection, usable
from runner.postgres.watcher import Mutex

SCRATCH = "db_migrate_verify_"
NOT_COMPARED = "nobody has looked whether the database has what these files make"
CHANGED = "the ledger changed while this run waited, or the mutex was lost: nothing was recorded"


def surveyed(run: Run, connection: Connection) -> tuple[Target, LedgerRows]:
    """The target, once its server and role are found fit, and what its ledger has."""
    with run.journal.stage("connect") as tell:

        def fit(target: Target) -> None:
            run.journal.target = target
            run.journal.findings += check_target(target, run.config.tracking_schema, dry_run=run.config.dry_run)

        target, rows = survey(connection, run.ledger, fit=fit)
        tell(f"{target.server}, database {target.database}, role {target.role}")
    return target, rows


def read(run: Run, files: Sequence[MigrationFile]) -> list[Migration]:
    """The files of what the database has, parsed. One that could not run here is taken as it is, with a warning: its
    work is done. But what is to be compared must run, elsewhere: then it raises InputError.
    """
    with run.journal.stage("parse") as tell:
        migrations: list[Migration] = []
        problems: list[Finding] = []
        for file in files:
            try:
                migrations.append(parse(file, run.config.parse))
            except InputError as error:
                migrations.append(taken_as_it_is(file))
                problems += error.findings
        if problems and run.config.joining.verify:
            raise InputError(*problems)
        run.journal.findings += [replace(problem, level=Level.WARNING) for problem in problems]
        unread = f", {counted(len(problems), 'problem')} in what will not run any more" if problems else ""
        tell(f"{counted(len(migrations))}{unread}")
    return migrations


def join(
    run: Run,
    connection: Connection,
    target: Target,
    rows: LedgerRows,
    joined: Sequence[Joined],
    *,
    records: Collection[str] = (),
) -> Outcome:
    """Record what the ledger does not have of these, unless a gate refuses, or a comparison that is asked for. The
    journal has the plan already, and may have a table, which was shown; else it gets one of what is, or would be,
    recorded. `records`: tables of another tool, which no file makes.

    Raises Refused, Drift when a file changed after it was recorded, MutexHeld and DatabaseUnusable.
    """
    config, journal = run.config, run.journal
    joined = sorted(joined, key=lambda each: config.plan.version_order.key(each.migration.version))
    admit(run, connection, rows)
    waiting = _waiting(run, connection, rows, joined)
    if not waiting:
        journal.skip("record", "nothing to do: the ledger has all of them")
        return Outcome.UP_TO_DATE
    if journal.table is None:
        journal.table = table_of(waiting)
        run.console.say(as_text(journal.table))
    if not config.dry_run:
        with journal.stage("confirmation") as tell:
            tell(passing(journal.judge(check_confirmation(config.confirmation))).reason)
    if config.joining.verify:
        _compare(run, connection, [each.migration for each in joined], records)
    else:
        hint = "`verify: true` compares its schema with theirs"
        journal.findings.append(Finding(NOT_COMPARED, level=Level.NOTICE, hint=hint))
        journal.skip("compare", "not compared: `verify` is false")
    if config.dry_run:
        why = config.dry_run_reason or "this is a dry run"
        journal.skip("record", f"{why}: {counted(len(waiting))} would be recorded")
        return Outcome.DRY_RUN
    with alone(run, connection, target) as mutex, journal.stage("record") as tell:
        _record(run, connection, target, mutex, waiting)
        tell(f"{counted(len(waiting))} recorded as applied; none was run")
    return Outcome.APPLIED


def _waiting(run: Run, connection: Connection, rows: LedgerRows, joined: Sequence[Joined]) -> tuple[Joined, ...]:
    """What the ledger does not have."""
    order = run.config.plan.version_order
    files = [each.migration.file for each in joined]
    with run.journal.stage("ledger") as tell:
        changed = changed_versions(files, rows.applied)
        bodies = run.ledger.bodies(connection, changed) if changed else {}
        if problems := run.journal.errors_of(judged_changes(files, rows.applied, bodies)):
            raise Drift(*problems)
        if waiting := to_record(joined, rows.applied, order):
            refuse_half_undone(run, connection, rows.applied)
        tell(f"{len(waiting)} to record, {len(joined) - len(waiting)} recorded before")
    return waiting


def _compare(run: Run, connection: Connection, migrations: Sequence[Migration], records: Collection[str]) -> None:
    """Raises Refused with all that differs between the database and what the files make of an empty one."""
    config, journal = run.config, run.journal
    if config.shadow.provider is Provider.URL and (lasts := lasting(migrations)):
        raise Refused(*lasts)
    with journal.stage("compare") as tell:
        wanted, where = _from_zero(run, connection, migrations)
        there = catalog_snapshot(connection, ledger_schema=config.tracking_schema)
        found = likeness(wanted, there, records=records)
        left_out = f"; not compared: {', '.join(found.left_out)}, where no file is at work" if found.left_out else ""
        if not found.difference:
            tell(f"the database has what the files make on {where}{left_out}")
            return
        count, journal.table = counted(found.count, "difference"), found.table
        run.console.say(as_text(found.table))
        tell(f"{count} from what the files make on {where}{left_out}", StageState.FAILED)
    raise Refused(
        Finding(
            f"this database is not what the files up to {migrations[-1].version} make: {count}",
            hint="bring the database or the files to what they should be, or give the version that it has; without "
            "`verify` it is recorded as it is",
            diff=found.difference.unified(),
            detail="- what the files make, + what the database has",
        )
    )


def _from_zero(run: Run, connection: Connection, migrations: Sequence[Migration]) -> tuple[Schema, str]:
    """What the files make, and where that was tried."""
    config, journal = run.config, run.journal
    trial = FromZero(
        choice=config.shadow,
        name=f"{SCRATCH}{journal.context.run_id[:8]}",
        ledger_schema=config.tracking_schema,
        context=journal.context,
        timeouts=run.timeouts,
        scrub=run.scrub,
        tell=lambda text: run.console.say(f"  {text}"),
    )
    try:
        return schema_from_zero(connection, migrations, trial)
    except MigrationFailed as error:
        raise Refused(*map(_not_from_zero, error.findings)) from None


def _not_from_zero(failure: Finding) -> Finding:
    hint = "the files must make all that they need; without `verify` nothing is compared, and none of them runs"
    return replace(failure, message=f"on an empty database this fails: {failure.message}", hint=hint)


def _record(run: Run, connection: Connection, target: Target, mutex: Mutex, waiting: Sequence[Joined]) -> None:
    """What the database is now is what later runs compare it with. Raises Refused."""
    state, environment = target.ledger, run.config.environment
    if not record_joined(connection, run.ledger, mutex, waiting, state=state, environment=environment, scrub=run.scrub):
        raise Refused(Finding(CHANGED, hint="look again with `db-migrate status`"))
    if run.journal.plan:
        run.journal.plan = recorded_in(run.journal.plan, waiting)
    _keep_schema(run, connection)


def _keep_schema(run: Run, connection: Connection) -> None:
    """What prevents it is a warning."""
    try:
        schema = catalog_snapshot(connection, ledger_schema=run.config.tracking_schema)
        with usable(connection):
            run.ledger.keep_schema(connection, schema)
    except DatabaseUnusable as error:
        message = f"the schema that this run leaves could not be kept: {error}"
        run.journal.findings.append(Finding(message, level=Level.WARNING))

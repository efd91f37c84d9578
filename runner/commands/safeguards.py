"""What makes a way back before anything runs: the restore point, and the backup."""

from runner.commands.run import Run
from runner.core.model import BackupMode, RestorePointMode
from runner.core.restore_point import RestorePointFacts
from runner.core.sizes import size_in_words
from runner.errors import Finding, Level
from runner.gates.restore_point import check_restore_point
from runner.postgres.restore_point import make_restore_point, restore_point_facts
from runner.postgres.session import Connection

NAME = "db_migrate_"


def restorable(run: Run, worker: Connection) -> RestorePointFacts | None:
    """Judge whether the restore point that is asked for can be made, before anybody relies on it. None without one."""
    mode = run.config.restore_point
    facts = restore_point_facts(worker) if mode is not RestorePointMode.OFF else None
    verdict = check_restore_point(mode, facts)
    if not run.config.dry_run:
        run.journal.judge(verdict)
    elif not verdict.passed:
        message = f"a run that is no dry run would be refused: {verdict.gate}: {verdict.reason}"
        run.journal.findings.append(Finding(message, level=Level.WARNING, hint=verdict.way_out))
    return facts


def mark_restore_point(run: Run, worker: Connection, facts: RestorePointFacts | None) -> None:
    """Mark where the database can be restored to: what is behind it is this run's. Raises DatabaseUnusable."""
    mode, journal = run.config.restore_point, run.journal
    if facts is None:
        journal.skip("restore point", "none: `restore-point` is off")
        return
    with journal.stage("restore point") as tell:
        journal.restore_point = point = make_restore_point(
            worker, NAME + journal.context.run_id[:8], facts=facts, mode=mode
        )
        tell(point.text + ("; the server archives no log of its own" if point.archived is False else ""))


def back_up(run: Run, worker: Connection) -> None:
    """Dump the database into the workspace, while nobody else migrates it. Raises DatabaseUnusable."""
    policy, journal = run.config.backup, run.journal
    if policy is None:
        return
    from runner.postgres.backup import write_backup

    with journal.stage("backup") as tell:
        what = "the schema" if policy.mode is BackupMode.SCHEMA else "the whole database"
        run.console.say(f"  pg_dump writes {what} to {policy.path}")
        journal.backup = backup = write_backup(worker, policy.mode, run.checkout / policy.path, shown=policy.path)
        tell(
            f"{what}, {size_in_words(backup.size)} in {backup.path}, {backup.entries} entries, read back by pg_restore"
        )

"""`db-migrate baseline --version 07`: a database joins that was migrated before, by hand or in ways nobody recorded."""

from contextlib import closing

from runner.commands.joining import join, read, surveyed
from runner.commands.run import Run
from runner.core.joining import Joined
from runner.core.plan import compare, make_plan
from runner.core.plural import counted
from runner.errors import Outcome
from runner.workspace import discover


def baseline(run: Run) -> Outcome:
    """Record all migrations up to the version as applied, and run none. Raises InputError when there is no such
    version, and what `join` raises.
    """
    config, journal = run.config, run.journal
    with journal.stage("files") as tell:
        files, warnings = discover(run.checkout, config.migrations_path, config.plan.version_order)
        journal.findings += warnings
        from_zero = make_plan(files, (), config.plan)
        tell(f"{counted(len(from_zero.pending))} up to {config.plan.version}, {len(from_zero.later)} later")
    with closing(run.open_connection("baseline")) as connection:
        target, rows = surveyed(run, connection)
        journal.plan = compare(files, rows.applied, config.plan.version_order)
        journal.findings += journal.plan.findings
        migrations = read(run, from_zero.pending)
        joined = [Joined(migration=each, note=f"baseline up to {migrations[-1].version}") for each in migrations]
        return join(run, connection, target, rows, joined)

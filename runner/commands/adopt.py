"""`db-migrate adopt --from flyway`: take over a database from another tool."""

import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from runner.commands.admit import admit
from runner.commands.joining import join, read, surveyed
from runner.commands.run import Run
from runner.core.adoption.alembic import Script, read_script, with_scripts
from runner.core.adoption.choice import choose_table, usual_tables
from runner.core.adoption.history import History
from runner.core.adoption.mapping import Mapped, map_history, with_origins
from runner.core.adoption.sources import SOURCES
from runner.core.adoption.told import origin, problems, table, warnings
from runner.core.joining import Joined
from runner.core.model import LedgerRows, MigrationFile
from runner.core.plan import compare
from runner.core.plural import counted
from runner.core.table import as_text
from runner.core.tools import Tool
from runner.errors import Finding, InputError, Outcome, Refused
from runner.postgres.adoption import find_tables, parse_table_name, read_table
from runner.postgres.session import Connection
from runner.workspace import discover

LARGEST_SCRIPT = 1024 * 1024  # bytes; none of Alembic's is nearly as large
NOT_OF_THE_PROJECT = frozenset({"node_modules", "site-packages", "__pycache__"})


def adopt(run: Run) -> Outcome:
    """Record as applied what the other tool says it has applied, and run nothing. Its table stays as it is.

    Raises InputError when that table is not to be found, Refused when something in it has no file here, is unclear, or
    is half done there, and what `join` raises.
    """
    config, journal = run.config, run.journal
    tool = config.joining.tool
    assert tool is not None  # noqa: S101 - the configuration has asked for it
    with journal.stage("files") as tell:
        files, found = discover(run.checkout, config.migrations_path, config.plan.version_order)
        journal.findings += found
        tell(f"{len(files)} in {config.migrations_path}")
    with closing(run.open_connection("adopt")) as connection:
        target, rows = surveyed(run, connection)
        journal.plan = compare(files, rows.applied, config.plan.version_order)
        history, records = _history(run, connection, tool)
        mapped = _map(run, history, files, rows, tool)
        if not mapped.matches:
            admit(run, connection, rows)
            journal.skip("record", f"{tool} has applied none of these files: nothing was recorded")
            return Outcome.UP_TO_DATE
        migrations = read(run, [match.ours.file for match in mapped.matches])
        joined = [
            Joined(
                migration=migration,
                applied_at=match.entry.applied_at,
                applied_by=match.entry.applied_by,
                note=origin(match, tool),
            )
            for migration, match in zip(migrations, mapped.matches, strict=True)
        ]
        return join(run, connection, target, rows, joined, records=[records])


def _history(run: Run, connection: Connection, tool: Tool) -> tuple[History, str]:
    """What the tool's table says, and, of Alembic's, the scripts of the checkout; and the name of that table."""
    source, named = SOURCES[tool], run.config.joining.table
    with run.journal.stage("their table") as tell:
        wanted = [parse_table_name(connection, named)] if named else usual_tables(source)
        chosen = choose_table(tool, source, wanted, find_tables(connection, wanted))
        if isinstance(chosen, Finding):
            raise InputError(chosen)
        history = source.read(read_table(connection, chosen, source))
        if tool is Tool.ALEMBIC:
            history = with_scripts(history, _scripts(run.checkout))
        tell(f"{tool}'s {chosen}: {counted(len(history.entries))} applied")
    return history, chosen.name


def _map(run: Run, history: History, files: Sequence[MigrationFile], rows: LedgerRows, tool: Tool) -> Mapped:
    journal = run.journal
    done = {int(row.version) for row in rows.applied if row.completed and row.version.isdecimal()}
    with journal.stage("mapping") as tell:
        mapped = map_history(history, with_origins(files))
        journal.table = table(mapped, history, tool, done)
        run.console.say(as_text(journal.table))
        journal.findings += warnings(mapped, tool, done)
        if wrong := problems(mapped, history, tool):
            raise Refused(*wrong)
        tell(f"{len(mapped.matches)} of {counted(len(mapped.files), 'file')} applied by {tool}")
    return mapped


def _scripts(checkout: Path) -> Iterator[Script]:
    """Alembic's scripts: in the checkout's folders named `versions`, or below them."""
    for folder, subfolders, names in os.walk(checkout):
        subfolders[:] = [name for name in subfolders if not name.startswith(".") and name not in NOT_OF_THE_PROJECT]
        if "versions" not in Path(folder).relative_to(checkout).parts:
            continue
        for path in (Path(folder, name) for name in names if name.endswith(".py")):
            whole = path.is_file() and path.stat().st_size <= LARGEST_SCRIPT
            if whole and (script := read_script(path.name, path.read_text(errors="replace"))):
                yield script

"""`db-migrate config`: the value of every input, and where it comes from. Needs no database."""

from runner.commands.journal import Journal
from runner.config import Config
from runner.console import Console
from runner.core.table import Table, as_text
from runner.errors import Outcome

HEADINGS = ("input", "value", "from")
OF_ANOTHER_KIND = frozenset({"command", "set-environment"})  # they say what to do, not how


def show_config(config: Config, journal: Journal, console: Console) -> Outcome:
    """Show the values that a run for this environment would have; secrets are hidden, locked inputs marked."""
    rows = [
        (value.name, value.text, f"{value.origin}, locked" if value.locked else value.origin)
        for value in config.values
        if value.name not in OF_ANOTHER_KIND
    ]
    journal.table = Table(headings=HEADINGS, rows=tuple(rows))
    console.say(as_text(journal.table))
    return Outcome.UP_TO_DATE

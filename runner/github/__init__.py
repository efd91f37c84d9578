"""Everything that speaks to GitHub: the event, workflow commands, the command files."""

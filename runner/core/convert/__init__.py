"""Another tool's files → ours: what each of its migrations is, and the file that it becomes. The SQL stays as it is."""

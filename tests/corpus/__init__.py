"""Migration files as people really write them: what the migrator makes of each, and what becomes of it on a server."""

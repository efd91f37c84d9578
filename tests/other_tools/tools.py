"""Other migration tools at work: each writes its own files from the same SQL, and applies them to a database. Returned
is the folder that `convert` reads.
"""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent
from urllib.parse import quote

from tests.conftest import Database

ROOT = Path(__file__).parent.parent.parent
BIN = ROOT / ".venv" / "bin"
NODE = ROOT / "tests" / "node"

REVISIONS = ("c0ffee000001", "27c6a30d7c24")  # what alembic's migrations are called
ALEMBIC_INI = "[alembic]\nscript_location = alembic\n"
ALEMBIC_ENV = """\
    import os
    from alembic import context
    from sqlalchemy import create_engine
    if context.is_offline_mode():
        context.configure(dialect_name="postgresql")
        with context.begin_transaction():
            context.run_migrations()
    else:
        with create_engine(os.environ["URL"]).connect() as connection:
            context.configure(connection=connection)
            with context.begin_transaction():
                context.run_migrations()
    """
ALEMBIC_SCRIPT = '''\
    """{name}"""
    from alembic import op
    revision: str = "{revision}"
    down_revision: str | None = {before!r}
    def upgrade() -> None:
        op.execute("""{sql}""")
    '''


def dbmate(folder: Path, database: Database, migrations: Mapping[str, str]) -> Path:
    """`dbmate migrate`."""
    for name, sql in migrations.items():
        write(folder / f"{name}.sql", f"-- migrate:up\n{sql}\n-- migrate:down\n")
    url = (
        f"postgres:///{database.name}?host={quote(str(database.server.folder), safe='')}&user=postgres&sslmode=disable"
    )
    _run(BIN / "dbmate", "--url", url, "--migrations-dir", folder, "--no-dump-schema", "migrate")
    return folder


def alembic(folder: Path, database: Database, migrations: Mapping[str, str]) -> Path:
    """`alembic upgrade head`, and, with `--sql`, what that does."""
    write(folder / "alembic.ini", ALEMBIC_INI)
    write(folder / "alembic" / "env.py", dedent(ALEMBIC_ENV))
    before = None
    for revision, (name, sql) in zip(REVISIONS, migrations.items(), strict=True):
        script = dedent(ALEMBIC_SCRIPT).format(name=name, revision=revision, before=before, sql=sql)
        write(folder / "alembic" / "versions" / f"{revision}_{name}.py", script)
        before = revision
    url = database.url.value.replace("postgresql://", "postgresql+psycopg://")
    _run(BIN / "alembic", "upgrade", "head", folder=folder, environ={"URL": url})
    statements = _run(BIN / "alembic", "upgrade", "head", "--sql", folder=folder, environ={"URL": url})
    write(folder / "sql" / "upgrade.sql", statements)
    return folder / "sql"


def graphile_migrate(folder: Path, database: Database, migrations: Mapping[str, str]) -> Path:
    """`graphile-migrate migrate`, through its library."""
    files = [write(folder / f"{name}.sql", sql + "\n") for name, sql in migrations.items()]
    _run(BIN / "node", NODE / "graphile_migrate.mjs", folder / "migrations", *files, environ=_variables(database))
    return folder / "migrations"


def node_pg_migrate(folder: Path, database: Database, migrations: Mapping[str, str]) -> Path:
    """`node-pg-migrate up`."""
    for name, sql in migrations.items():
        write(folder / f"{name}.sql", f"-- Up Migration\n{sql}\n-- Down Migration\n")
    program = NODE / "node_modules" / "node-pg-migrate" / "bin" / "node-pg-migrate.js"
    _run(BIN / "node", program, "up", "--migrations-dir", folder, environ=_variables(database))
    return folder


def prisma(folder: Path, database: Database, migrations: Mapping[str, str], *, well: bool = True) -> Path:
    """`prisma migrate deploy`, through its engine; `well`: that is to succeed."""
    for name, sql in migrations.items():
        write(folder / name / "migration.sql", sql + "\n")
    _run(BIN / "node", "--no-warnings", NODE / "prisma.mjs", folder, well=well, environ=_variables(database))
    return folder


def write(path: Path, text: str) -> Path:
    """Write a file of a tool, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def _variables(database: Database) -> dict[str, str]:
    return {"PGHOST": str(database.server.folder), "PGUSER": "postgres", "PGDATABASE": database.name}


def _run(
    program: Path, *arguments: object, folder: Path = ROOT, well: bool = True, environ: Mapping[str, str] | None = None
) -> str:
    """What it prints."""
    done = subprocess.run(
        [program, *map(str, arguments)],
        cwd=folder,
        env={**os.environ, **(environ or {})},
        capture_output=True,
        text=True,
    )
    assert (done.returncode == 0) is well, done.stdout + done.stderr
    return done.stdout

"""The tools that are measured side by side: how each writes its files, and how it is called."""

import hashlib
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from runner.postgres.embedded import NEWEST, programs_of

ROOT = Path(__file__).parent.parent
NODE_FOLDER = ROOT / "benchmarks" / "node"
DAY = 20260101  # versions begin with a day, where a tool wants one


@dataclass(frozen=True)
class Address:
    """Where a database is, as a superuser without a password."""

    port: int
    database: str

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{self.database}?sslmode=disable"


@dataclass(frozen=True)
class Command:
    """A program to run."""

    argv: Sequence[str | Path]
    variables: Mapping[str, str] = field(default_factory=dict)


class Tool(ABC):
    """One way to migrate a database with files of SQL."""

    name: ClassVar[str]
    keeps: ClassVar[str] = "a transaction a migration"
    each_committed: ClassVar[bool] = True

    @abstractmethod
    def write(self, folder: Path, scripts: Sequence[str]) -> None:
        """Its files, one a script, in order."""

    @abstractmethod
    def migrate(self, folder: Path, address: Address) -> Command:
        """Apply what is pending."""

    def status(self, folder: Path, address: Address) -> Command | None:  # noqa: ARG002 - of those that have one
        """Show what is applied."""
        return None


class Ours(Tool):
    name = "db-migrate"
    program: ClassVar[Sequence[str | Path]] = (sys.executable, "-m", "runner")

    def write(self, folder: Path, scripts: Sequence[str]) -> None:
        _write(folder / "migrations", "{0:05}_step_{0}.sql", scripts)

    def migrate(self, folder: Path, address: Address) -> Command:
        return Command([*self.program, "--lint=off"], self._variables(folder, address))

    def status(self, folder: Path, address: Address) -> Command:
        return Command([*self.program, "status"], self._variables(folder, address))

    def _variables(self, folder: Path, address: Address) -> Mapping[str, str]:
        return {"DATABASE_URL": address.url, "GITHUB_WORKSPACE": str(folder), "PYTHONPATH": str(ROOT)}


class Psql(Tool):
    """The limit: one session that sends the same, with a row for each migration in its transaction."""

    name = "psql"
    keeps = "a transaction a migration, a row each"
    TABLE = "CREATE TABLE IF NOT EXISTS applied (version int PRIMARY KEY, at timestamptz DEFAULT now());\n"

    def write(self, folder: Path, scripts: Sequence[str]) -> None:
        folder.mkdir(parents=True)
        with (folder / "all.sql").open("w") as file:
            file.write(self.TABLE)
            for number, script in enumerate(scripts, start=1):
                file.write(f"BEGIN;\n{script}\nINSERT INTO applied (version) VALUES ({number});\nCOMMIT;\n")

    def migrate(self, folder: Path, address: Address) -> Command:
        program = programs_of(NEWEST) / "psql"
        return Command([program, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", address.url, "-f", folder / "all.sql"])


class Dbmate(Tool):
    name = "dbmate"

    def write(self, folder: Path, scripts: Sequence[str]) -> None:
        _write(
            folder / "migrations",
            f"{DAY}{{0:06}}_step_{{0}}.sql",
            scripts,
            before="-- migrate:up\n",
            behind="\n-- migrate:down\n",
        )

    def migrate(self, folder: Path, address: Address) -> Command:
        return self._call(folder, address, "up")

    def status(self, folder: Path, address: Address) -> Command:
        return self._call(folder, address, "status")

    def _call(self, folder: Path, address: Address, verb: str) -> Command:
        options: list[str | Path] = [
            "--url",
            address.url,
            "--migrations-dir",
            folder / "migrations",
            "--no-dump-schema",
        ]
        return Command([_beside_python("dbmate"), *options, verb])


class NodePgMigrate(Tool):
    """As its pages call it: one transaction for all."""

    name = "node-pg-migrate"
    keeps = "one transaction for all"
    each_committed = False
    options: ClassVar[Sequence[str]] = ()

    def write(self, folder: Path, scripts: Sequence[str]) -> None:
        _write(
            folder / "migrations",
            f"{DAY}{{0:09}}_step_{{0}}.sql",
            scripts,
            before="-- Up Migration\n",
            behind="\n-- Down Migration\n",
        )

    def migrate(self, folder: Path, address: Address) -> Command:
        argv: list[str | Path] = [
            "up",
            "--migrations-dir",
            folder / "migrations",
            "--migration-file-language",
            "sql",
            *self.options,
        ]
        return Command([_node_program("node-pg-migrate"), *argv], {"DATABASE_URL": address.url})


class NodePgMigrateEach(NodePgMigrate):
    name = "node-pg-migrate, each"
    keeps = "a transaction a migration"
    each_committed = True
    options = ("--no-single-transaction",)


class PostgresMigrations(Tool):
    name = "postgres-migrations"

    def write(self, folder: Path, scripts: Sequence[str]) -> None:
        _write(folder / "migrations", "{0:05}_step_{0}.sql", scripts)

    def migrate(self, folder: Path, address: Address) -> Command:
        script = NODE_FOLDER / "postgres_migrations.mjs"
        return Command([_beside_python("node"), script, folder / "migrations"], {"DATABASE_URL": address.url})


class GraphileMigrate(Tool):
    name = "graphile-migrate"

    def write(self, folder: Path, scripts: Sequence[str]) -> None:
        committed = folder / "migrations" / "committed"
        committed.mkdir(parents=True)
        (folder / ".gmrc").write_text("{}")
        before = ""
        for number, script in enumerate(scripts, start=1):
            text = f"{before}\n{script.strip()}".strip() + "\n"
            digest = f"sha1:{hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()}"
            header = f"--! Previous: {before or '-'}\n--! Hash: {digest}\n\n"
            (committed / f"{number:06}.sql").write_text(header + script.strip() + "\n")
            before = digest

    def migrate(self, folder: Path, address: Address) -> Command:
        return self._call(folder, address, "migrate")

    def status(self, folder: Path, address: Address) -> Command:
        return self._call(folder, address, "status", "--skipDatabase=false")

    def _call(self, folder: Path, address: Address, *argv: str) -> Command:
        return Command(
            [_node_program("graphile-migrate"), *argv[:1], "--config", folder / ".gmrc"], {"DATABASE_URL": address.url}
        )


class Alembic(Tool):
    """As `alembic init` writes it: one transaction for all."""

    name = "alembic"
    keeps = "one transaction for all"
    each_committed = False
    each = False

    def write(self, folder: Path, scripts: Sequence[str]) -> None:
        versions = folder / "alembic" / "versions"
        versions.mkdir(parents=True)
        (folder / "alembic.ini").write_text(f"[alembic]\nscript_location = {folder / 'alembic'}\n")
        (folder / "alembic" / "env.py").write_text(ALEMBIC_ENVIRONMENT.format(each=self.each))
        for number, script in enumerate(scripts, start=1):
            before = f"r{number - 1:05}" if number > 1 else None
            (folder / "alembic" / "versions" / f"r{number:05}.py").write_text(
                f"from alembic import op\n\nrevision = 'r{number:05}'\ndown_revision = {before!r}\n\n\n"
                f"def upgrade():\n    op.get_bind().exec_driver_sql({script!r})\n"
            )

    def migrate(self, folder: Path, address: Address) -> Command:
        return self._call(folder, address, "upgrade", "head")

    def status(self, folder: Path, address: Address) -> Command:
        return self._call(folder, address, "current")

    def _call(self, folder: Path, address: Address, *argv: str) -> Command:
        url = address.url.replace("postgresql://", "postgresql+psycopg://")
        return Command([_beside_python("alembic"), "-c", folder / "alembic.ini", *argv], {"DATABASE_URL": url})


class AlembicEach(Alembic):
    name = "alembic, each"
    keeps = "a transaction a migration"
    each_committed = True
    each = True


ALEMBIC_ENVIRONMENT = """\
import os

from alembic import context
from sqlalchemy import create_engine, pool

with create_engine(os.environ["DATABASE_URL"], poolclass=pool.NullPool).connect() as connection:
    context.configure(connection=connection, transaction_per_migration={each})
    with context.begin_transaction():
        context.run_migrations()
"""


class Yoyo(Tool):
    name = "yoyo"

    def write(self, folder: Path, scripts: Sequence[str]) -> None:
        _write(folder / "migrations", "{0:05}_step_{0}.sql", scripts)

    def migrate(self, folder: Path, address: Address) -> Command:
        return self._call(folder, address, "apply")

    def status(self, folder: Path, address: Address) -> Command:
        return self._call(folder, address, "list")

    def _call(self, folder: Path, address: Address, verb: str) -> Command:
        url = address.url.replace("postgresql://", "postgresql+psycopg://")
        options = ["--batch", "--no-config-file", "--database", url]
        return Command([_beside_python("yoyo"), verb, *options, folder / "migrations"])


TOOLS: Sequence[Tool] = (
    Ours(),
    Psql(),
    Dbmate(),
    PostgresMigrations(),
    NodePgMigrate(),
    NodePgMigrateEach(),
    GraphileMigrate(),
    Alembic(),
    AlembicEach(),
    Yoyo(),
)


def _write(folder: Path, name: str, scripts: Sequence[str], *, before: str = "", behind: str = "") -> None:
    folder.mkdir(parents=True)
    for number, script in enumerate(scripts, start=1):
        (folder / name.format(number)).write_text(f"{before}{script}{behind}\n")


def _beside_python(program: str) -> Path:
    return Path(sys.executable).parent / program


def _node_program(program: str) -> Path:
    return NODE_FOLDER / "node_modules" / ".bin" / program


def environment(command: Command) -> Mapping[str, str]:
    """Little else than what a tool needs, so that nobody's settings are measured."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return {"PATH": path, "HOME": os.environ.get("HOME", "/"), "LANG": "C.UTF-8", **command.variables}

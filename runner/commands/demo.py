"""`db-migrate demo`: an example repository through the whole flow, on a throw-away PostgreSQL."""

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.postgres.embedded import embedded_server
from runner.resources import bundled

Run = Callable[[Sequence[str], Mapping[str, str]], int]

EXAMPLE = "examples/knowledge-workspace"
PICTURE = Path("build/demo/summary.html")
BROKEN = """\
-- Migration: Invoices
-- Purpose: Shows what happens when the last statement of a migration fails.

CREATE TABLE invoices (
    id     BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    amount NUMERIC(12, 2) NOT NULL CHECK (amount > 0)
);

INSERT INTO invoices (amount) VALUES (19.90), (250);

ALTER TABLE invoices ADD CONSTRAINT invoices_customer_fk FOREIGN KEY (customer_id) REFERENCES users (id);
"""
CHANGE = """\
-- Migration: Titles
-- Purpose: Shows what a dry run tells of a change to tables that have rows.

ALTER TABLE documents ADD COLUMN word_count BIGINT;

ALTER TABLE documents ADD CONSTRAINT documents_title_length CHECK (length(title) < 500);

CREATE INDEX documents_title_idx ON documents (title);

CREATE TABLE document_links (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    document_id UUID NOT NULL REFERENCES documents (id),
    address     TEXT NOT NULL
);
"""
CHANGE_BACK = """\
DROP TABLE document_links;
DROP INDEX documents_title_idx;
ALTER TABLE documents DROP CONSTRAINT documents_title_length, DROP COLUMN word_count;
"""
WRONG = """\
-- Shows what happens when the migrated database is not what it should be.
SELECT count(*) > 0 AS links_are_there FROM document_links;
"""


@dataclass(frozen=True, slots=True)
class Stage:
    """One command of the demonstration, what it shows, and how it must end."""

    title: str
    argv: tuple[str, ...]
    exit_code: int = 0


def demo(run: Run) -> int:
    """Run the demonstration with `run`, the command line itself. Returns 0 when every command ended as it should."""
    with tempfile.TemporaryDirectory(prefix="db-migrate-demo-") as folder, embedded_server() as server:
        checkout = Path(folder) / "knowledge-workspace"
        shutil.copytree(bundled(EXAMPLE), checkout)
        summaries = Path(folder) / "summary.md"
        environ = {
            "DATABASE_URL": server.create_database("staging").value,
            "GITHUB_WORKSPACE": str(checkout),
            "GITHUB_STEP_SUMMARY": str(summaries),
            "GITHUB_ACTOR": "ada",
        }
        migrations = checkout / "migrations"
        change, broken = migrations / "08_titles.sql", migrations / "08_invoices.sql"
        first = migrations / "01_knowledge_workspace_schema.sql"
        staging = ("--environment", "staging")
        production = ("--environment", "production", "--review-delay", "3s")
        confirmed = (*production, "--confirmation", "MIGRATE-PRODUCTION")

        def show(stage: Stage) -> str:
            """Run one command and return the summary that it wrote."""
            summaries.write_text("")
            print(f"\n━━ {stage.title}\n\n$ db-migrate {' '.join(stage.argv)}\n", flush=True)  # noqa: T201
            exit_code = run(stage.argv, environ)
            if exit_code != stage.exit_code:
                raise AssertionError(f"expected exit code {stage.exit_code}, got {exit_code}")
            return summaries.read_text()

        try:
            show(
                Stage(
                    "1. Are the files sound? Tried from zero, undone and applied again, on a server of their own.",
                    ("check",),
                )
            )
            show(Stage("2. What would run? Nothing is changed.", ("--dry-run", *staging)))
            show(Stage("3. Apply it, each migration in a transaction of its own.", staging))
            show(Stage("4. Again: there is nothing left to do.", staging))
            change.write_text(CHANGE)
            tried = show(Stage("5. What would a change do to tables that have rows?", ("--dry-run", *staging)))
            change.unlink()
            broken.write_text(BROKEN)
            failed = show(
                Stage(
                    "6. A migration whose last statement fails: the dry run finds it, and nothing is changed.",
                    staging,
                    1,
                )
            )
            show(Stage("7. Where does the database stand?", ("status",)))
            show(Stage("8. How did it come there?", ("history",)))
            broken.unlink()
            original = first.read_text()
            first.write_text(original + "\nALTER TABLE users ADD COLUMN late_idea TEXT;\n")
            show(Stage("9. An applied file is edited: refused before anything runs.", staging, 4))
            first.write_text(original)
            show(Stage("10. A run that claims to be another environment: refused.", confirmed, 3))
            environ["DATABASE_URL"] = server.create_database("production").value
            show(Stage("11. Production without the confirmation phrase: refused.", production, 3))
            show(Stage("12. Production with it: a dry run, time to cancel, and only then the migrations.", confirmed))
            change.write_text(CHANGE)
            change.with_suffix(".down.sql").write_text(CHANGE_BACK)
            wrong = checkout / "smoke-tests" / "wrong.sql"
            wrong.write_text(WRONG)
            undoing = ("--smoke-tests", "smoke-tests/*.sql", "--on-smoke-failure", "rollback")
            show(Stage("13. A smoke test fails: what the run has applied is undone.", (*confirmed, *undoing), 1))
            show(Stage("14. Is production what its ledger and the files say?", ("verify",)))
        except AssertionError as error:
            print(f"✗ {error}")  # noqa: T201
            return 1
        _show_summaries(tried, failed)
    print("Every command of this demonstration ended as it should.")  # noqa: T201
    return 0


def _show_summaries(*summaries: str) -> None:
    """Both in the log, and the first as a page."""
    from runner.render import page

    markdown = "\n\n---\n\n".join(summaries)
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    PICTURE.write_text(page(summaries[0], "db-migrate: a job summary"))
    print(f"\n━━ What GitHub shows: the job summary of the fifth run, and of the sixth\n\n{markdown}")  # noqa: T201
    print(f"\nThe first of them as a page, with GitHub's look: {PICTURE}")  # noqa: T201

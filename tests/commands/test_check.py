"""`db-migrate check`: the files, told before anything is merged."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.commands.conftest import CommandLine, Ran, run_captured
from tests.conftest import EXAMPLE, ON_NEWEST, Database
from tests.github_api import REPOSITORY, TOKEN, GitHubServer, Origin, github_server

USERS = "CREATE TABLE users (id bigint PRIMARY KEY);\n"


class Check:
    """`db-migrate check` on the server of the test."""

    def __init__(self, db_migrate: CommandLine) -> None:
        self.write, self._run, self._url = db_migrate.write, db_migrate, db_migrate.database.url.value

    def __call__(self, *argv: str, **environ: str) -> Ran:
        return self._run("check", "--shadow-database", self._url, *argv, **environ)


@pytest.fixture
def check(db_migrate: CommandLine) -> Check:
    return Check(db_migrate)


def databases(database: Database) -> list[tuple[object, ...]]:
    return database.query("SELECT datname FROM pg_database WHERE datname LIKE 'db_migrate_check%'")


def test_a_sound_set_passes_and_leaves_nothing_behind(check: Check, database: Database) -> None:
    check.write(
        _01_users=USERS,
        _02_email="ALTER TABLE users ADD COLUMN email text;",
        _02_email__down="ALTER TABLE users DROP COLUMN email;",
    )
    ran = check()
    assert ran.exit_code == 0, ran.log
    assert "2 migrations from zero on PostgreSQL" in ran.log
    assert "1 undone and applied again" in ran.log
    assert "The check passed: 2 migrations run from zero" in ran.log
    assert "outcome<<" in ran.output_file
    assert "dry-run" in ran.output_file
    assert database.tables() == set()
    assert databases(database) == []


def test_the_database_that_is_to_be_migrated_is_not_touched(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_01_users=USERS)
    ran = db_migrate("check")  # with DATABASE_URL in the environment, as in a job that migrates later
    assert ran.exit_code == 0, ran.log
    assert "embedded" in ran.log
    assert database.tables() == set()


def test_a_migration_that_fails_is_told_at_its_place(check: Check, database: Database) -> None:
    check.write(_01_users=USERS, _02_x="CREATE TABLE a ();\n\n  ALTER TABLE users ADD id int;")
    ran = check()
    assert ran.exit_code == 1
    assert 'migrations/02_x.sql:3:3: column "id" of relation "users" already exists' in ran.log
    assert "The check failed: 1 problem" in ran.log
    assert databases(database) == []


def test_a_down_file_that_does_not_bring_back_the_schema_is_told_with_the_difference(check: Check) -> None:
    check.write(
        _01_users=USERS,
        _02_a="ALTER TABLE users ADD COLUMN email text;\nCREATE INDEX users_email ON users (email);",
        _02_a__down="DROP INDEX users_email;",
    )
    ran = check()
    assert ran.exit_code == 1
    assert "migrations/02_a.down.sql:1: undoing migration 02 does not bring back the schema" in ran.log
    assert "+    email text" in ran.log
    assert "```diff" in ran.summary


def test_a_down_file_that_fails_is_told_at_its_place(check: Check) -> None:
    check.write(_01_users=USERS, _01_users__down="SELECT 1;\nDROP TABLE people;")
    ran = check()
    assert ran.exit_code == 1
    assert 'migrations/01_users.down.sql:2:1: table "people" does not exist' in ran.log


def test_what_no_parser_understands_is_told_before_the_proof(check: Check, database: Database) -> None:
    check.write(_01_users=USERS + "CREATE TABEL a ();", _01_users__down="DROP TABLE user;")
    ran = check()
    assert ran.exit_code == 2
    assert 'migrations/01_users.sql:2:8: syntax error at or near "TABEL", says the server' in ran.log
    assert 'migrations/01_users.down.sql:1:12: syntax error at or near "user", says the server' in ran.log
    assert "✓ migrations" not in ran.log
    assert databases(database) == []


def test_the_sql_of_a_fork_is_not_executed_beside_secrets(pull: "Pull", database: Database) -> None:
    ran = pull.check(NEW, "--shadow-database", database.url.value, GITHUB_EVENT_NAME="pull_request_target")
    assert ran.exit_code == 3
    assert "`pull_request_target` has the secrets of the repository" in ran.log


def test_what_cannot_be_applied_twice_is_told(check: Check) -> None:
    check.write(
        _01_a="CREATE TABLE a (id int DEFAULT 1);",
        _02_b="""DO $$ BEGIN
            EXECUTE format('CREATE TABLE b%s ()', (SELECT count(*) FROM a));
            INSERT INTO a VALUES (1);
        END $$""",
        _02_b__down="DROP TABLE b0;",
    )
    ran = check()
    assert ran.exit_code == 1
    assert "applying migration 02 again gives another schema than the first time" in ran.log


def test_more_than_ten_are_undone_together(check: Check) -> None:
    for number in range(1, 13):
        check.write(
            **{f"_{number:02}_t": f"CREATE TABLE t{number} ();", f"_{number:02}_t__down": f"DROP TABLE t{number};"}
        )
    ran = check()
    assert ran.exit_code == 0, ran.log
    assert "12 undone and applied again" in ran.log
    check.write(_07_t__down="SELECT 1;")
    ran = check()
    assert ran.exit_code == 1
    assert "undoing migrations 01 to 12 does not bring back the schema" in ran.log


def test_everything_wrong_with_the_files_is_told_at_once_and_nothing_is_proved(check: Check) -> None:
    check.write(
        _01_a="BEGIN; SELECT 1;",
        _02_b="\\connect other",
        _03_c="CREATE TABLE c (); ALTER TABLE c ADD d int;",
        _03_c__down="DROP TABLE c;\nCOMMIT;",
    )
    ran = check()
    assert ran.exit_code == 2
    assert "migrations/01_a.sql:1:1: " in ran.log
    assert "migrations/02_b.sql:1:1: `\\connect` is a command of psql" in ran.log
    assert "migrations/03_c.down.sql:2:1: " in ran.log
    assert "The check failed: 3 problems" in ran.log
    assert "proof" not in ran.log


def test_a_database_that_is_in_use_is_not_proved_in(check: Check, database: Database) -> None:
    check.write(_01_users=USERS)
    database.query("CREATE SCHEMA app; CREATE TABLE app.orders ()")
    ran = check()
    assert ran.exit_code == 6
    assert "is in use: it has app.orders" in ran.log
    assert databases(database) == []


def test_a_role_that_may_make_no_database_proves_in_the_one_it_is_given(
    db_migrate: CommandLine, database: Database
) -> None:
    database.query(f"GRANT CREATE ON DATABASE {database.name} TO nobody; GRANT CREATE ON SCHEMA public TO nobody")
    db_migrate.write(_01_users=USERS)
    ran = db_migrate("check", "--shadow-database", database.as_role("nobody"))
    assert ran.exit_code == 0, ran.log
    assert "users" in database.tables()


def test_what_would_stay_on_a_server_of_somebodys_is_not_executed_there(check: Check, database: Database) -> None:
    role = "CREATE TABLE a ();\nALTER ROLE nobody SET work_mem = '7MB';"
    check.write(_01_x=role, _02_y="ALTER SYSTEM SET work_mem = '8MB';")
    ran = check()
    assert ran.exit_code == 3
    assert "01_x.sql:2:1: ALTER ROLE would stay on the server" in ran.log
    assert "02_y.sql:1:1: ALTER SYSTEM would stay on the server" in ran.log
    assert database.value("SELECT rolconfig IS NULL FROM pg_roles WHERE rolname = 'nobody'") is True
    assert check("--shadow-database", "embedded").exit_code == 0


def test_an_extension_that_the_server_lacks_ends_the_check(check: Check) -> None:
    check.write(_01_users="CREATE TABLE a ();\nCREATE EXTENSION IF NOT EXISTS pgcrypto;")
    ran = check()
    assert ran.exit_code == 6
    assert "01_users.sql:2: " in ran.log
    assert "does not have the extension pgcrypto" in ran.log
    assert "`shadow-database: off`" in ran.log
    off = check("--shadow-database", "off")
    assert off.exit_code == 0, off.log
    assert "1 migration can be read" in off.log
    assert "`shadow-database` is off" in off.log


def test_roles_that_the_files_take_for_granted_are_made_for_the_proof(db_migrate: CommandLine) -> None:
    db_migrate.write(
        _01_users=USERS + "GRANT SELECT ON users TO reporting;\nCREATE ROLE made;\nGRANT made TO reporting;"
    )
    ran = db_migrate("check", "--shadow-database", "embedded")
    assert ran.exit_code == 0, ran.log
    assert "with roles made for it: reporting" in ran.log


@ON_NEWEST
def test_lint_warns_refuses_or_is_silent_as_asked(check: Check) -> None:
    check.write(_01_users=USERS, _02_x="ALTER TABLE users DROP COLUMN id;")
    warned = check()
    assert warned.exit_code == 0
    assert "02_x.sql:1:19" in warned.log
    assert "[ban-drop-column]" in warned.log
    assert "[ban-drop-column](https://squawkhq.com/docs/ban-drop-column)" in warned.summary
    refused = check("--lint", "error")
    assert refused.exit_code == 3
    assert "lint: 1 finding in 1 file" in refused.log
    assert "proof" not in refused.log
    assert check("--lint", "error", "--lint-exclude", "ban-drop-column").exit_code == 0
    assert "ban-drop-column" not in check("--lint", "off").log


def test_the_example_passes_on_the_server_that_we_carry(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ran = run_captured(capsys, tmp_path, ("check",), {"GITHUB_WORKSPACE": str(EXAMPLE)})
    assert ran.exit_code == 0, ran.log
    assert "7 undone and applied again" in ran.log


BASE = {
    "migrations/01_users.sql": USERS,
    "migrations/02_tags.sql": "CREATE TABLE tags (id int PRIMARY KEY);\n",
    "migrations/02_tags.down.sql": "DROP TABLE tags;\n",
}


@dataclass(frozen=True)
class Pull:
    """A pull request of a repository, checked out and with its event."""

    folder: Path
    origin: Origin
    capture: pytest.CaptureFixture[str]
    meanwhile: dict[str, str] = field(default_factory=dict)  # what `main` gains beside the pull request
    environ: dict[str, str] = field(default_factory=dict)

    def check(
        self,
        changes: Mapping[str, str | Path | None],
        *argv: str,
        depth: int = 2,
        ref: str = "refs/pull/7/merge",
        **environ: str,
    ) -> Ran:
        """Commit changes on a branch, others on `main`, open a pull request, check out GitHub's trial merge, and check
        it.
        """
        self.origin.branch_off("topic")
        self.origin.commit(changes, on="topic")
        if self.meanwhile:
            self.origin.commit(self.meanwhile)
        pull = self.origin.pull("topic")
        checkout = self.origin.checkout(self.folder / "checkout", ref, depth=depth)
        event = self.folder / "event.json"
        event.write_text(
            json.dumps(
                {
                    "number": 7,
                    "pull_request": {
                        "number": 7,
                        "base": {"ref": "main", "sha": pull.base_sha},
                        "head": {"ref": "topic", "sha": pull.head_sha},
                    },
                    "repository": {"full_name": REPOSITORY},
                }
            )
        )
        return self.again(
            *argv,
            **{
                "GITHUB_ACTIONS": "true",
                "GITHUB_EVENT_NAME": "pull_request",
                "GITHUB_EVENT_PATH": str(event),
                "GITHUB_REF": "refs/pull/7/merge",
                "GITHUB_REPOSITORY": REPOSITORY,
                "GITHUB_SHA": pull.merge_sha,
                "GITHUB_WORKSPACE": str(checkout),
                **environ,
            },
        )

    def again(self, *argv: str, **environ: str) -> Ran:
        """Check what is checked out, as before unless it is given."""
        self.environ.update(environ)
        return run_captured(self.capture, self.folder, ("check", "--shadow-database", "off", *argv), self.environ)


@pytest.fixture
def pull(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Pull:
    origin = Origin(tmp_path / "origin")
    origin.commit(BASE)
    return Pull(tmp_path, origin, capsys)


WITHOUT_TAGS = {"migrations/02_tags.sql": None, "migrations/02_tags.down.sql": None}
NEW = {"migrations/03_more.sql": "ALTER TABLE users DROP COLUMN id;\n"}


def test_a_pull_request_that_adds_migrations_passes_and_only_they_are_linted(pull: Pull) -> None:
    ran = pull.check(NEW)
    assert ran.exit_code == 0, ran.log
    assert "#7: it adds 1 migration, and leaves those of main alone" in ran.log
    assert "1 file: 1 finding in 1 file" in ran.log
    assert "::warning file=migrations/03_more.sql,line=1,col=19,title=db-migrate%3A ban-drop-column::" in ran.log


@pytest.mark.parametrize(
    ("changes", "place", "says"),
    [
        ({"migrations/01_users.sql": USERS + "SELECT 1;\n"}, "file=migrations/01_users.sql,line=1", "has"),
        (WITHOUT_TAGS, "file=migrations/02_tags.sql", "has"),
        (WITHOUT_TAGS | {"migrations/02_labels.sql": "SELECT 1;"}, "file=migrations/02_labels.sql", "02_tags.sql"),
        ({"migrations/00_late.sql": "SELECT 1;\n"}, "file=migrations/00_late.sql,line=1", "03_late.sql"),
    ],
    ids=["changed", "deleted", "renamed", "lower version"],
)
def test_a_pull_request_that_touches_what_the_base_branch_has_is_refused(
    pull: Pull, changes: dict[str, str | None], place: str, says: str
) -> None:
    ran = pull.check(changes)
    assert ran.exit_code == 3, ran.log
    [annotation] = [line for line in ran.log.split("\n") if line.startswith("::error file=")]
    assert place in annotation
    assert says in annotation


def test_a_down_file_may_be_mended(pull: Pull) -> None:
    ran = pull.check({"migrations/02_tags.down.sql": "DROP TABLE IF EXISTS tags;\n"})
    assert ran.exit_code == 0, ran.log


def test_a_late_version_is_let_through_when_asked(pull: Pull) -> None:
    ran = pull.check({"migrations/00_late.sql": "SELECT 1;\n"}, "--out-of-order", "allow")
    assert ran.exit_code == 0, ran.log


@pytest.fixture
def github(pull: Pull) -> Iterator[GitHubServer]:
    with github_server(pull.origin) as server:
        yield server


def test_without_history_github_is_asked(pull: Pull, github: GitHubServer) -> None:
    ran = pull.check(
        {"migrations/01_users.sql": USERS + "SELECT 1;\n"},
        depth=1,
        GITHUB_API_URL=github.url,
        **{"INPUT_GITHUB-TOKEN": TOKEN},
    )
    assert ran.exit_code == 3, ran.log
    assert "::error file=migrations/01_users.sql,line=1" in ran.log
    assert github.requests
    assert TOKEN not in ran.log.replace(f"::add-mask::{TOKEN}\n", "")
    assert TOKEN not in ran.summary


TARGET = {"GITHUB_EVENT_NAME": "pull_request_target", "GITHUB_REF": "refs/heads/main"}


@pytest.mark.parametrize("environ", [{}, TARGET], ids=["pull_request", "pull_request_target"])
@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (NEW, "it lacks migrations/03_more.sql, or has another content there"),
        ({"migrations/02_tags.down.sql": "DROP TABLE IF EXISTS tags;\n"}, "it lacks migrations/02_tags.down.sql"),
        ({"migrations/02_tags.down.sql": None}, "which deletes what is there: migrations/02_tags.down.sql"),
    ],
    ids=["added", "changed", "deleted"],
)
def test_a_checkout_of_another_commit_is_not_taken_for_the_pull_request(
    changes: Mapping[str, str | None], says: str, environ: Mapping[str, str], pull: Pull, github: GitHubServer
) -> None:
    ran = pull.check(
        changes, depth=1, ref="main", GITHUB_API_URL=github.url, **{"INPUT_GITHUB-TOKEN": TOKEN} | dict(environ)
    )
    assert ran.exit_code == 2, ran.log
    assert "the checkout is not of this pull request" in ran.log
    assert says in ran.log
    assert "`ref: ${{ github.event.pull_request.head.sha }}`" in ran.log


@pytest.mark.parametrize("ref", ["refs/pull/7/merge", "topic"])
def test_a_checkout_of_the_pull_request_passes_with_github_s_trees(ref: str, pull: Pull, github: GitHubServer) -> None:
    pull.meanwhile["migrations/03_others.sql"] = "SELECT 1;\n"
    more = {"migrations/04_late.sql": "SELECT 1;\n", "shared/c.sql": "SELECT 3;\n"}
    ran = pull.check(
        {"migrations/05_more.sql": Path("../shared/c.sql"), **more, "migrations/02_tags.down.sql": None},
        depth=1,
        ref=ref,
        GITHUB_API_URL=github.url,
        **{"INPUT_GITHUB-TOKEN": TOKEN},
    )
    assert ran.exit_code == 0, ran.log
    assert "it adds 2 migrations" in ran.log


def test_a_down_file_that_both_sides_changed_is_known_by_its_name(pull: Pull, github: GitHubServer) -> None:
    down = "migrations/02_tags.down.sql"
    lines = ["SELECT 1;", *["--"] * 9, "SELECT 2;"]
    pull.origin.commit({down: "\n".join(lines)})
    pull.meanwhile[down] = "\n".join([*lines[:-1], "SELECT 4;"])
    ran = pull.check(
        {down: "\n".join(["SELECT 3;", *lines[1:]])},
        depth=1,
        GITHUB_API_URL=github.url,
        **{"INPUT_GITHUB-TOKEN": TOKEN},
    )
    assert ran.exit_code == 0, ran.log


def test_a_file_that_a_step_before_changed_is_not_that_of_the_pull_request(pull: Pull) -> None:
    assert pull.check(NEW).exit_code == 0
    (pull.folder / "checkout/migrations/03_more.sql").write_text("SELECT 'something else';\n")
    ran = pull.again()
    assert ran.exit_code == 2, ran.log
    assert "it lacks migrations/03_more.sql" in ran.log


@pytest.mark.parametrize("depth", [1, 2], ids=["GitHub", "git"])
def test_the_file_behind_a_link_is_left_alone_too(depth: int, pull: Pull, github: GitHubServer) -> None:
    pull.origin.commit({"migrations/03_b.sql": Path("../shared/b.sql"), "shared/b.sql": "SELECT 1;\n"})
    ran = pull.check(
        {"shared/b.sql": "SELECT 2;\n"},
        depth=depth,
        GITHUB_API_URL=github.url,
        **{"INPUT_GITHUB-TOKEN": TOKEN},
    )
    assert ran.exit_code == 3, ran.log
    assert "::error file=migrations/03_b.sql,line=1" in ran.log
    assert bool(github.requests) == (depth == 1)


@pytest.mark.parametrize("depth", [1, 2], ids=["GitHub", "git"])
def test_a_folder_that_moves_behind_a_link_is_left_alone_too(depth: int, pull: Pull, github: GitHubServer) -> None:
    moved: dict[str, str | Path | None] = dict.fromkeys(BASE) | {f"db/{name}": text for name, text in BASE.items()}
    ran = pull.check(
        moved | {"db/migrations/01_users.sql": USERS + "SELECT 1;\n", "migrations": Path("db/migrations")},
        depth=depth,
        GITHUB_API_URL=github.url,
        **{"INPUT_GITHUB-TOKEN": TOKEN},
    )
    assert ran.exit_code == 3, ran.log
    assert "::error file=migrations/01_users.sql,line=1" in ran.log
    assert "02_tags" not in ran.log.partition("parse")[0]


def test_a_link_to_what_no_commit_has_is_refused(pull: Pull) -> None:
    pull.origin.commit({".gitignore": "generated\n"})
    ran = pull.check({"migrations/03_b.sql": Path("../generated/b.sql")})
    assert ran.exit_code == 2, ran.log
    assert "migrations/03_b.sql: this link leads to no file of the repository" in ran.log


def test_with_neither_history_nor_token_the_check_ends(pull: Pull) -> None:
    ran = pull.check(NEW, depth=1)
    assert ran.exit_code == 2
    assert "what the pull request changes is not known" in ran.log
    assert "`fetch-depth: 2`" in ran.log


def test_only_the_new_migrations_are_undone(pull: Pull, database: Database) -> None:
    ran = pull.check(
        {"migrations/03_more.sql": "CREATE TABLE more ();\n", "migrations/03_more.down.sql": "DROP TABLE more;\n"},
        "--shadow-database",
        database.url.value,
    )
    assert ran.exit_code == 0, ran.log
    assert "3 migrations from zero" in ran.log
    assert "1 undone and applied again" in ran.log

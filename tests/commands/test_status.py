"""`db-migrate status` and `history`."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from runner.cli import run
from runner.postgres.embedded import NEWEST, EmbeddedServer
from runner.postgres.session import connect
from runner.postgres.watcher import mutex_key
from tests.commands.conftest import CommandLine, Ran
from tests.commands.test_terminal import in_a_terminal
from tests.conftest import ON_NEWEST, Database
from tests.postgres.pgbouncer import pgbouncer
from tests.postgres.test_standby import standby_of

ONE = "CREATE TABLE one ();"
DOCS = Path(__file__).parents[2] / "docs"
ON_GITHUB = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "octo-org/shop",
    "GITHUB_RUN_ID": "1658821493",
}
RUN_URL = "https://github.com/octo-org/shop/actions/runs/1658821493"
OLDER_LEDGER = """
    CREATE TABLE schema_migrations (
        version TEXT PRIMARY KEY, name TEXT NOT NULL, applied_at TIMESTAMPTZ, checksum TEXT NOT NULL,
        execution_time_ms INTEGER, status TEXT NOT NULL, error_message TEXT, applied_by TEXT);
    CREATE TABLE migration_history (
        id UUID PRIMARY KEY DEFAULT gen_random_uuid(), version TEXT NOT NULL, action TEXT NOT NULL,
        executed_at TIMESTAMPTZ, execution_time_ms INTEGER, status TEXT NOT NULL, error_message TEXT, executed_by TEXT,
        environment TEXT);
    INSERT INTO schema_migrations VALUES ('01', 'one', '2026-01-31 12:00+01', 'x', 7, 'completed', NULL, 'grace');
    INSERT INTO migration_history (version, action, executed_at, status, executed_by)
    VALUES ('01', 'apply', '2026-01-31 12:00+01', 'success', 'grace'), ('01', 'apply', NULL, 'failed', NULL)"""


def rows(ran: Ran) -> dict[str, str]:
    """The lines of a table of status, by version."""
    return {line.split()[0]: line for line in ran.log.splitlines() if line[:2].isdecimal()}


def document(ran: Ran, command: str = "status") -> dict[str, Any]:
    """What was printed for programs, as its schema promises it."""
    told: dict[str, Any]
    told = json.loads(ran.log)  # all of it
    Draft202012Validator(json.loads((DOCS / f"{command}.schema.json").read_text())).validate(told)
    return told


def states(ran: Ran) -> dict[str, str]:
    return {each["version"]: each["state"] for each in document(ran)["migrations"]}


@contextmanager
def holding_the_mutex(database: Database) -> Iterator[str]:
    """A run that has begun, as its watcher; gives the beginning of its id."""
    [[run_id]] = database.query("SELECT left(run_id::text, 8) FROM migration_runs ORDER BY started_at DESC LIMIT 1")
    with connect(database.url, application_name=f"db-migrate watcher {run_id}") as watcher:
        watcher.execute("SELECT pg_advisory_lock(%s)", [mutex_key("public")])
        yield str(run_id)


@pytest.fixture
def failed(db_migrate: CommandLine) -> CommandLine:
    """Two that are completed, one that failed, one behind it."""
    db_migrate.write(_01_one=ONE, _01_one__down="DROP TABLE one;", _02_two="SELECT 2;", _03_bad="SELECT 1 / 0;")
    db_migrate.write(_04_later="SELECT 4;")
    ran = db_migrate("--environment", "staging", "--dry-run-mode", "preview", **ON_GITHUB)
    assert ran.exit_code == 1
    return db_migrate


# Status


@ON_NEWEST
def test_shows_each_migration_and_where_it_stands(failed: CommandLine) -> None:
    failed.write(_01_one=ONE + " -- changed", _02_two="SELECT 22;")
    ran = failed("status")
    assert ran.exit_code == 0
    assert "edited in comments or layout" in rows(ran)["01"]
    assert "ledger" in rows(ran)["01"]
    assert "file modified" in rows(ran)["02"]
    assert "division by zero (SQLSTATE 22012)" in rows(ran)["03"]
    assert " pending" in rows(ran)["04"]
    assert "last run: migrate, failed, 2" in ran.log
    assert f"UTC, by ada, {RUN_URL}" in ran.log
    assert ran.log.splitlines()[-1] == (
        "staging is at 02, 1 file modified, 1 migration failed, 2 migrations pending"
    )  # fmt: skip
    (failed.checkout / "migrations" / "02_two.sql").unlink()
    assert "file missing" in rows(failed("status"))["02"]


def test_reads_a_database_without_a_ledger_and_changes_nothing(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_01_one=ONE)
    for command in ("status", "history"):
        ran = db_migrate(command)
        assert ran.exit_code == 0
        told = document(db_migrate(command, "--json"), command)
        assert told["environment"] is None
    assert database.tables() == set()
    assert states(db_migrate("status", "--json")) == {"01": "pending"}


def test_reads_a_ledger_of_an_earlier_shape_and_leaves_it_so(db_migrate: CommandLine, database: Database) -> None:
    database.query(OLDER_LEDGER)
    db_migrate.write(_01_one=ONE, _02_two="SELECT 2;")
    before = database.dump()
    ran = db_migrate("status")
    assert ran.exit_code == 0
    assert "2026-01-31 11:00:00 UTC  grace  7 ms  file modified" in rows(ran)["01"]
    assert "not known, as this role may not read migration_runs, or the ledger has an earlier shape" in ran.log
    assert states(db_migrate("status", "--json")) == {"01": "completed", "02": "pending"}
    told = document(db_migrate("history", "--json"), "history")["entries"]
    assert [(each["executed_at"], each["result"]) for each in told] == [
        ("2026-01-31T11:00:00.000Z", "success"),
        (None, "failed"),
    ]
    assert database.dump() == before


def test_needs_no_right_but_to_read(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_01_one=ONE)
    db_migrate(**ON_GITHUB)
    nobody = database.as_role("nobody")
    assert db_migrate("status", DATABASE_URL=nobody).exit_code == 6
    tables = "schema_migrations, migration_environment, migration_history"
    database.query(f"GRANT USAGE ON SCHEMA public TO nobody; GRANT SELECT ON {tables} TO nobody")
    ran = db_migrate("status", DATABASE_URL=nobody)
    assert (ran.exit_code, "last run: not known" in ran.log) == (0, True)
    [entry] = document(db_migrate("history", "--json", DATABASE_URL=nobody), "history")["entries"]
    assert (entry["run_id"] is not None, entry["run_url"]) == (True, None)
    database.query("GRANT SELECT ON migration_runs TO nobody")
    assert RUN_URL in db_migrate("status", DATABASE_URL=nobody).log
    assert RUN_URL in db_migrate("history", DATABASE_URL=nobody).log


@ON_NEWEST
def test_a_database_that_only_reads_is_read(failed: CommandLine, database: Database) -> None:
    database.query(f"ALTER DATABASE {database.name} SET default_transaction_read_only = on")
    assert states(failed("status", "--json"))["03"] == "failed"


@ON_NEWEST
def test_by_way_of_a_pooler_in_transaction_mode(failed: CommandLine, database: Database) -> None:
    with pgbouncer(database.server, pool_mode="transaction") as pooler:
        pooled = {"DATABASE_URL": pooler.database(database).url.value}
        assert failed("status", **pooled).exit_code == 0
        assert "division by zero" in failed("history", **pooled).log


@ON_NEWEST
def test_a_migration_under_way_is_told_with_who_runs_it(failed: CommandLine, database: Database) -> None:
    database.query("UPDATE schema_migrations SET status = 'running' WHERE version = '03'")
    with holding_the_mutex(database) as run_id:
        ran = failed("status")
        assert "by ada since 2" in rows(ran)["03"]
        assert "under way: migrate by ada since 2" in ran.log
        told = document(failed("status", "--json"))
        assert told["migrations"][2]["state"] == "running"
        assert told["under_way"]["run_id"][:8] == run_id
        assert told["under_way"]["run_url"] == RUN_URL
    told = document(failed("status", "--json"))
    assert told["under_way"] is None
    assert told["migrations"][2]["state"] == "dead"
    assert "nothing of it stays" in told["migrations"][2]["note"]


@ON_NEWEST
def test_who_holds_the_mutex_shows_to_a_role_that_sees_little(failed: CommandLine, database: Database) -> None:
    database.query("GRANT USAGE ON SCHEMA public TO nobody; GRANT SELECT ON ALL TABLES IN SCHEMA public TO nobody")
    with holding_the_mutex(database):
        told = document(failed("status", "--json", DATABASE_URL=database.as_role("nobody")))
    assert (told["under_way"]["actor"], told["under_way"]["role"]) == ("ada", "postgres")


@ON_NEWEST
def test_what_is_half_done_is_told_with_its_count(db_migrate: CommandLine) -> None:
    db_migrate.write(_01_x="-- migrate: no-transaction\nCREATE TABLE one ();\nSELECT 1 / 0;\nSELECT 3;")
    assert db_migrate().exit_code == 1
    assert "half done" in rows(db_migrate("status"))["01"]
    [told] = document(db_migrate("status", "--json"))["migrations"]
    assert (told["state"], told["statements_done"], told["statements_total"]) == ("half done", 1, 3)
    assert told["note"].startswith("1 of 3 statements done; migrations/01_x.sql:3")


@ON_NEWEST
@pytest.mark.parametrize(
    ("down", "state", "note"),
    [
        ("VACUUM; SELECT 1 / 0;", "half undone", "1 of its down file's statements done; migrations/01_one.down.sql"),
        ("SELECT 1 / 0; VACUUM;", "completed", "undoing it failed at its first statement: migrations/01_one.down.sql"),
        ("SELECT 1 / 0;", "completed", ""),
    ],
)
def test_what_is_half_undone_is_told(db_migrate: CommandLine, down: str, state: str, note: str) -> None:
    db_migrate.write(_01_one=ONE, _01_one__down=down)
    (db_migrate.checkout / "smoke.sql").write_text("SELECT false;")
    assert db_migrate("--smoke-tests", "*.sql", "--on-smoke-failure", "rollback").exit_code == 1
    [told] = document(db_migrate("status", "--json"))["migrations"]
    assert told["state"] == state
    assert (told["note"] or "").startswith(note)
    assert bool(told["note"]) == bool(note)


@ON_NEWEST
def test_a_rollback_under_way_is_told(failed: CommandLine, database: Database) -> None:
    database.query("UPDATE schema_migrations SET undoing = 'running', statements_undone = 1 WHERE version = '01'")
    with holding_the_mutex(database):
        assert "undoing" in rows(failed("status"))["01"]
    assert "half undone" in rows(failed("status"))["01"]


@pytest.mark.xdist_group("a standby")
def test_a_standby_tells_what_it_sees(
    servers: Callable[[int], EmbeddedServer], checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    primary = servers(NEWEST)
    name = "status_of_a_standby"
    database = Database(primary, name)
    primary.create_database(name)
    (checkout / "migrations" / "01_one.sql").write_text(ONE)
    on_primary = CommandLine(database, checkout, capsys)
    assert on_primary().exit_code == 0
    database.query("UPDATE schema_migrations SET status = 'running'")
    with holding_the_mutex(database), standby_of(primary) as standby:
        ran = on_primary("status", DATABASE_URL=standby.url(name).value)
        told = document(on_primary("status", "--json", DATABASE_URL=standby.url(name).value))
    assert f"database {name} on PostgreSQL 18" in ran.log
    assert ", a standby" in ran.log
    assert "or dead: only the primary knows" in rows(ran)["01"]
    assert (told["database"]["standby"], told["under_way"]) == (True, None)


@ON_NEWEST
def test_the_exit_code_tells_what_is_pending_and_what_was_modified(failed: CommandLine) -> None:
    assert failed("status").exit_code == 0
    ran = failed("status", "--exit-code")
    assert ran.exit_code == 1
    assert "`exit-code` lets this fail: 2 migrations are pending: 03, 04" in ran.log
    assert "outcome<<" in ran.output_file
    assert "dry-run" in ran.output_file
    failed.write(_01_one="SELECT 'another';")
    ran = failed("status", "--exit-code", **ON_GITHUB)
    assert ran.summary.startswith(
        "## ❌ staging is at 02, 1 file modified, 1 migration failed, 2 migrations pending\n"
    )  # fmt: skip
    ran = failed("status", "--exit-code", "--json")
    assert ran.exit_code == 4
    assert document(ran)["migrations"][0]["drift"] == "modified"


@ON_NEWEST
def test_the_exit_code_is_0_where_all_is_applied(db_migrate: CommandLine) -> None:
    db_migrate.write(_01_one=ONE)
    db_migrate()
    db_migrate.write(_01_one=ONE + " -- as it was")
    assert db_migrate("status", "--exit-code").exit_code == 0
    ran = db_migrate(**{"INPUT_COMMAND": "status", "INPUT_EXIT-CODE": "true"})
    assert ran.exit_code == 0, ran.log


@ON_NEWEST
def test_the_summary_has_the_table(failed: CommandLine) -> None:
    ran = failed("status", **ON_GITHUB)
    assert "| 03 | bad | failed |" in ran.summary
    assert ran.summary.startswith("## ⚠️ staging is at 02, 1 migration failed, 2 migrations pending\n")
    assert f"UTC, by ada, [log]({RUN_URL})" in ran.summary
    assert f"]({RUN_URL}) |" in failed("history", **ON_GITHUB).summary


@ON_NEWEST
@pytest.mark.parametrize("time", ["infinity", "-infinity", "0044-03-15 BC", "10000-01-01"])
def test_a_time_that_is_none_is_not_known(failed: CommandLine, time: str) -> None:
    failed.database.query(
        f"UPDATE schema_migrations SET applied_at = '{time}'; UPDATE migration_history SET executed_at = '{time}';"
        f"UPDATE migration_runs SET started_at = '{time}', finished_at = '{time}'"
    )
    assert " completed  " in rows(failed("status"))["01"]
    assert [each["applied_at"] for each in document(failed("status", "--json"))["migrations"]] == [None] * 4
    told = document(failed("history", "--json"), "history")["entries"]
    assert [each["executed_at"] for each in told] == [None] * 3
    assert document(failed("history", "--json", "--since", "24h"), "history")["entries"] == []


@ON_NEWEST
def test_a_row_that_no_run_has_written_is_shown(failed: CommandLine) -> None:
    failed.database.query("UPDATE schema_migrations SET version = 'v2' WHERE version = '02'")
    ran = failed("status")
    assert re.search(r"^v2 +two +unknown .*its version is no number", ran.log, re.MULTILINE)
    assert states(failed("status", "--json"))["v2"] == "unknown"


@ON_NEWEST
def test_a_database_that_cannot_be_read_is_said_to_be_so(db_migrate: CommandLine) -> None:
    db_migrate.write(_01_one=ONE)
    unreachable = {"DATABASE_URL": "postgresql://ada@127.0.0.1:1/shop"}
    assert db_migrate("status", **unreachable).log.splitlines()[-1] == "Failed: development could not be read"
    assert db_migrate("repair", **unreachable).log.splitlines()[-1] == (
        "Failed: nothing was mended in the ledger of development"
    )


@ON_NEWEST
def test_a_page_does_not_list_thousands_that_are_as_they_should_be(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_00001_one=ONE)
    db_migrate()
    (db_migrate.checkout / "migrations" / "00001_one.sql").unlink()
    db_migrate.write(_09999_last="SELECT 9999;")
    database.query(
        "INSERT INTO schema_migrations (version, name, checksum, status) "
        "SELECT lpad(n::text, 5, '0'), 'x', 'x', 'completed' FROM generate_series(2, 5000) AS n"
    )
    database.query(
        "INSERT INTO migration_history (version, action, status) "
        "SELECT lpad(n::text, 5, '0'), 'apply', 'success' FROM generate_series(2, 5000) AS n"
    )
    ran = db_migrate("status", **ON_GITHUB)
    assert len(rows(ran)) == 5001
    assert ran.summary.count("\n| ") == 2 + 1000
    assert "| … | 4,001 completed: left out here |" in ran.summary
    assert "| 09999 | last | pending |" in ran.summary
    ran = db_migrate("history", "--limit", "3000", **ON_GITHUB)
    assert "2,000 older entries are not shown: give a larger --limit" in ran.log
    assert "| … 4,000 older, left out here |" in ran.summary


@ON_NEWEST
def test_a_terminal_shows_it_in_colour_and_no_wider_than_it_is(failed: CommandLine) -> None:
    code, seen = in_a_terminal(failed, "status")
    assert code == 0, seen
    lines = seen.replace("\r", "").splitlines()
    bad = next(number for number, line in enumerate(lines) if line.startswith("\x1b[1;31m03       bad"))
    assert "SQLSTATE 22012" not in lines[bad]
    assert lines[bad + 1].startswith("\x1b[1;31m    migrations/03_bad.sql:1")
    assert any(line.startswith("\x1b[36m04       later  pending") for line in lines)
    table = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines[: lines.index("")]]
    assert max(map(len, table)) <= 80
    assert "SQLSTATE 22012" in "".join(table)


@ON_NEWEST
def test_what_is_for_people_is_out_of_the_way_of_a_program(
    failed: CommandLine, capsys: pytest.CaptureFixture[str]
) -> None:
    environ = {"DATABASE_URL": failed.database.url.value, "GITHUB_WORKSPACE": str(failed.checkout)}
    assert run(["status", "--json"], environ | {"GITHUB_ACTIONS": "true"}) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["current_version"] == "02"
    assert "::add-mask::" in printed.err
    assert run(["status", "--json", "--environment", "Prod"], environ) == 2
    assert run(["history", "--json"], environ | {"DATABASE_URL": failed.database.as_role("nobody")}) == 6
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "is not the name of an environment" in printed.err or "almost" in printed.err
    assert "a right is missing" in printed.err


# History


@pytest.fixture
def lived(failed: CommandLine) -> CommandLine:
    """A failure that was mended, and something from long ago."""
    failed.write(_03_bad="SELECT 3;")
    assert failed("--environment", "staging", "--dry-run-mode", "preview").exit_code == 0
    failed.database.query(
        "INSERT INTO migration_history (version, action, status, executed_at, executed_by) "
        "VALUES ('1', 'rollback', 'success', '2020-02-29 13:00+01', 'grace')"
    )
    return failed


def entries(lived: CommandLine, *argv: str) -> list[tuple[str, str, str]]:
    told = document(lived("history", "--json", *argv), "history")["entries"]
    return [(each["version"], each["action"], each["result"]) for each in told]


@ON_NEWEST
def test_shows_what_was_done_the_newest_first(lived: CommandLine) -> None:
    ran = lived("history", TZ="America/New_York")
    lines = [line for line in ran.log.splitlines() if " UTC " in line]
    assert [line.split()[3:6] for line in lines] == [
        ["04", "apply", "success"],
        ["03", "apply", "success"],
        ["03", "apply", "failed"],
        ["02", "apply", "success"],
        ["01", "apply", "success"],
        ["1", "rollback", "success"],
    ]
    assert lines[-1].startswith("2020-02-29 12:00:00 UTC")
    assert "division by zero" in lines[2]
    assert RUN_URL in lines[2]


@ON_NEWEST
def test_shows_only_what_was_asked_for(lived: CommandLine) -> None:
    both = [("01", "apply", "success"), ("1", "rollback", "success")]
    for argv, shown in {
        ("--version", "1"): both,
        ("--version", "001"): both,
        ("--version", "001", "--action", "rollback"): both[1:],
        ("--result", "failed"): [("03", "apply", "failed")],
        ("--since", "2019-12-31", "--action", "rollback"): both[1:],
        ("--since", "2020-02-29T13:00:00+01:00", "--action", "rollback"): both[1:],
        ("--since", "2020-02-29T13:00:01+01:00", "--action", "rollback"): [],
        ("--since", "2h", "--version", "1"): both[:1],
        ("--limit", "0"): [],
    }.items():
        assert entries(lived, *argv) == shown, argv


@ON_NEWEST
def test_says_how_many_more_there_are(lived: CommandLine) -> None:
    ran = lived("history", "--limit", "2", "--action", "apply")
    assert "3 older entries are not shown: give a larger --limit" in ran.log
    assert document(lived("history", "--limit", "5", "--json"), "history")["entries_left_out"] == 1
    assert "1 older entry is not shown" in lived("history", "--limit", "5").log
    assert "not shown" not in lived("history").log


@ON_NEWEST
def test_nothing_that_was_done_is_shown_as_nothing(lived: CommandLine) -> None:
    ran = lived("history", "--action", "baseline")
    assert ran.exit_code == 0
    assert "executed at  version  action" in ran.log


# The command line


def test_help_explains_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"], {}) == 0
    shown = capsys.readouterr().out
    for command in ("migrate", "status", "history", "demo"):
        assert command in shown


@pytest.mark.parametrize("argv", [["--verison", "1"], ["statsu"], ["status", "--dry-run"]])
def test_an_unknown_word_ends_with_exit_code_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(argv, {}) == 2
    assert "No such" in capsys.readouterr().err

"""`db-migrate rollback`: back to what was, or nothing is changed and it says why."""

import json
import random
import re
import shutil
from collections.abc import Callable, Sequence

import pytest

from runner.postgres.ledger import Ledger
from runner.postgres.watcher import mutex_key
from tests.builders import a_context
from tests.commands.conftest import CommandLine, Ran
from tests.commands.processes import END_SLEEP, SLEEPING, running, wait_until
from tests.conftest import EXAMPLE, ON_NEWEST, Database

pytestmark = ON_NEWEST

LEDGER_TABLES = ("schema_migrations", "migration_history", "migration_runs", "migration_environment")
DATA = re.compile(r"^(?:COPY (?P<table>\S+) .*?^\\\.$|SELECT pg_catalog\.setval.*?$)", re.MULTILINE | re.DOTALL)
VERSIONS = "SELECT version FROM schema_migrations WHERE status = 'completed' ORDER BY version"
BOTH = pytest.mark.parametrize("transaction", ["migration", "release"])


def schema_of(database: Database) -> str:
    """The dump without any rows."""
    return DATA.sub("", database.dump())


def contents_of(database: Database) -> str:
    """The dump without the ledger's rows."""
    ledger = {f"public.{table}" for table in LEDGER_TABLES}
    return DATA.sub(lambda match: "" if match["table"] in ledger else match[0], database.dump())


def versions(database: Database) -> list[object]:
    return [version for (version,) in database.query(VERSIONS)]


def outputs(ran: Ran) -> dict[str, str]:
    lines = ran.output_file.split("\n")
    return {line.partition("<<")[0]: lines[number + 1] for number, line in enumerate(lines) if "<<ghadelimiter" in line}


@pytest.fixture
def three(db_migrate: CommandLine) -> CommandLine:
    """Three applied migrations; the second has a down file outside of a transaction."""
    db_migrate.write(
        _01_one="CREATE TABLE one (id int);",
        _01_one__down="DROP TABLE one;",
        _02_index="CREATE INDEX CONCURRENTLY one_id ON one (id);",
        _02_index__down="DROP INDEX CONCURRENTLY one_id;",
        _03_three="CREATE TABLE three (id int);",
        _03_three__down="DROP TABLE three;",
    )
    ran = db_migrate()
    assert ran.exit_code == 0, ran.log
    return db_migrate


# Back, and forward again


@BOTH
def test_the_example_goes_back_to_the_beginning_and_forward_again(
    db_migrate: CommandLine, database: Database, example_database: Database, transaction: str
) -> None:
    def run(*argv: str) -> Ran:
        ran = db_migrate(
            *argv,
            "--environment",
            "staging",
            "--transaction",
            transaction,
            DATABASE_URL=example_database.url.value,
        )
        assert ran.exit_code == 0, ran.log
        return ran

    shutil.copytree(EXAMPLE / "migrations", db_migrate.checkout / "migrations", dirs_exist_ok=True)
    with database.connect() as connection:
        a_ledger().install(connection)
    forward = schema_of(example_database)
    back = run("rollback", "--to", "0")
    assert contents_of(example_database) == contents_of(database)
    assert outputs(back)["undone"] == '["07", "06", "05", "04", "03", "02", "01"]'
    assert outputs(back)["current-version"] == ""
    assert len(json.loads(outputs(back)["pending"])) == 7
    run("migrate")
    assert schema_of(example_database) == forward


def a_ledger() -> Ledger:
    return Ledger(schema="public", context=a_context(), environment="staging")


class Generator:
    """Writes migrations with their down files, each of another kind than the one before."""

    def __init__(self, seed: int, *, concurrently: bool) -> None:
        self._random, self._how = random.Random(seed), " CONCURRENTLY" if concurrently else ""
        self._tables: dict[str, list[str]] = {}
        self._number = 0

    def migration(self) -> tuple[str, str]:
        """What one does, and what undoes it."""
        self._number += 1
        kinds: Sequence[Callable[[str, str], tuple[str, str]]] = (
            self._column, self._index, self._check, self._renamed_column, self._renamed_table, self._view,
            self._default, self._function, self._enum, self._rows,
        )  # fmt: skip
        if self._number % 5 == 1:
            return self._table(f"t{self._number}")
        return self._random.choice(kinds)(self._random.choice(list(self._tables)), f"x{self._number}")

    def _table(self, new: str) -> tuple[str, str]:
        self._tables[new] = ["id"]
        return f"CREATE TABLE {new} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY);", f"DROP TABLE {new};"

    def _column(self, table: str, new: str) -> tuple[str, str]:
        self._tables[table].append(new)
        return f"ALTER TABLE {table} ADD COLUMN {new} text;", f"ALTER TABLE {table} DROP COLUMN {new};"

    def _index(self, table: str, new: str) -> tuple[str, str]:
        column = self._random.choice(self._tables[table])
        return f"CREATE INDEX{self._how} {new} ON {table} ({column});", f"DROP INDEX{self._how} {new};"

    def _check(self, table: str, new: str) -> tuple[str, str]:
        up = f"ALTER TABLE {table} ADD CONSTRAINT {new} CHECK ({self._tables[table][0]} > 0);"
        return up, f"BEGIN;\nALTER TABLE {table} DROP CONSTRAINT {new};\nCOMMIT;"

    def _renamed_column(self, table: str, new: str) -> tuple[str, str]:
        columns = self._tables[table]
        place = self._random.randrange(len(columns))
        old, columns[place] = columns[place], new
        rename = "ALTER TABLE {} RENAME COLUMN {} TO {};"
        return rename.format(table, old, new), rename.format(table, new, old)

    def _renamed_table(self, table: str, new: str) -> tuple[str, str]:
        self._tables[new] = self._tables.pop(table)
        return f"ALTER TABLE {table} RENAME TO {new};", f"ALTER TABLE {new} RENAME TO {table};"

    def _view(self, table: str, new: str) -> tuple[str, str]:
        return f"CREATE VIEW {new} AS SELECT {self._tables[table][-1]} FROM {table};", f"DROP VIEW {new};"

    def _default(self, table: str, new: str) -> tuple[str, str]:
        up = f"ALTER TABLE {table} ADD COLUMN {new} int;\nALTER TABLE {table} ALTER COLUMN {new} SET DEFAULT 7;"
        self._tables[table].append(new)
        return up, f"ALTER TABLE {table} DROP COLUMN {new};"

    def _function(self, table: str, new: str) -> tuple[str, str]:
        body = f"SELECT count(*) FROM {table}"
        up = f"CREATE FUNCTION {new}() RETURNS bigint LANGUAGE sql AS $$ {body} $$;"
        return up, f"DROP FUNCTION {new};"

    def _enum(self, table: str, new: str) -> tuple[str, str]:
        self._tables[table].append(new)
        up = f"CREATE TYPE e{new} AS ENUM ('a', 'b');\nALTER TABLE {table} ADD COLUMN {new} e{new};"
        return up, f"ALTER TABLE {table} DROP COLUMN {new};\nDROP TYPE e{new};"

    def _rows(self, table: str, new: str) -> tuple[str, str]:
        return f"CREATE TABLE {new} AS SELECT count(*) FROM {table};", f"DELETE FROM {new};\nDROP TABLE {new};"


@BOTH
def test_two_hundred_migrations_go_back_and_forward_again(
    db_migrate: CommandLine, database: Database, transaction: str
) -> None:
    generator = Generator(7, concurrently=transaction == "migration")

    def run(*argv: str) -> Ran:
        ran = db_migrate(*argv)
        assert ran.exit_code == 0, ran.log
        return ran

    (db_migrate.checkout / "db-migrate.yml").write_text(f"transaction: {transaction}\nlint: 'off'\n")
    for number in range(1, 201):
        up, down = generator.migration()
        db_migrate.write(**{f"_{number:03d}_step": up, f"_{number:03d}_step__down": down})
    contents = []
    for version in ("001", "100", "200"):
        run("migrate", "--version", version)
        contents.append(contents_of(database))
    run("rollback", "--steps", "100")
    assert contents_of(database) == contents[1]
    back = run("rollback", "--to", "1")
    assert contents_of(database) == contents[0]
    assert outputs(back)["current-version"] == "001"
    run("migrate")
    assert contents_of(database) == contents[2]


# What is undone


def test_the_last_ones_are_undone_and_it_is_told(three: CommandLine, database: Database) -> None:
    ran = three("rollback", "--steps", "2")
    assert ran.exit_code == 0, ran.log
    told = outputs(ran)
    assert (told["outcome"], told["undone"], told["applied"]) == ("rolled-back", '["03", "02"]', "[]")
    assert (told["pending"], told["current-version"]) == ('["02", "03"]', "01")
    assert versions(database) == ["01"]
    assert database.query("SELECT action, status, version FROM migration_history ORDER BY executed_at OFFSET 3") == [
        ("rollback", "success", "03"),
        ("rollback", "success", "02"),
    ]
    assert database.query(
        "SELECT outcome, finished_at IS NOT NULL, plan_digest, restore_point IS NOT NULL FROM migration_runs "
        "WHERE command = 'rollback'"
    ) == [("rolled-back", True, told["plan-digest"], True)]
    assert three("verify").exit_code == 0
    again = three("rollback", "--to", "01")
    assert (again.exit_code, outputs(again)["outcome"]) == (0, "up-to-date")
    assert three().exit_code == 0
    assert versions(database) == ["01", "02", "03"]


def test_a_checkout_of_an_earlier_release_takes_back_what_it_does_not_have(
    three: CommandLine, database: Database
) -> None:
    for path in (three.checkout / "migrations").glob("0[23]*"):
        path.unlink()
    ran = three("rollback", "--to", "1")
    assert ran.exit_code == 0, ran.log
    assert "migrations/03_three.down.sql" in ran.log
    assert versions(database) == ["01"]
    assert outputs(ran)["pending"] == "[]"


@pytest.mark.parametrize("folder_stays", [True, False])
def test_a_checkout_without_any_migration_takes_back_what_the_ledger_kept(
    three: CommandLine, database: Database, folder_stays: bool
) -> None:
    shutil.rmtree(three.checkout / "migrations")
    if folder_stays:
        (three.checkout / "migrations").mkdir()
    ran = three("rollback", "--to", "1")
    assert ran.exit_code == 0, ran.log
    assert versions(database) == ["01"]
    assert three().exit_code == 2  # which needs files


def test_a_migration_that_did_nothing_is_no_hindrance(three: CommandLine, database: Database) -> None:
    three.write(_04_notes="-- to be done\n", _05_five="CREATE TABLE five ();", _05_five__down="DROP TABLE five;")
    assert three().exit_code == 0
    ran = three("rollback", "--to", "3")
    assert ran.exit_code == 0, ran.log
    assert versions(database) == ["01", "02", "03"]


def test_what_came_late_stays_and_is_told(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_01_one="CREATE TABLE one ();", _03_three="CREATE TABLE three ();")
    db_migrate.write(_03_three__down="DROP TABLE three;")
    assert db_migrate().exit_code == 0
    db_migrate.write(_02_late="CREATE TABLE late ();")
    assert db_migrate("--out-of-order", "allow").exit_code == 0
    ran = db_migrate("rollback", "--steps", "1")
    assert ran.exit_code == 0, ran.log
    assert "! applied after some of what is undone, and staying: 02" in ran.log
    assert versions(database) == ["01", "02"]


def test_what_the_ledger_kept_runs_and_not_what_was_made_of_it(three: CommandLine, database: Database) -> None:
    three.write(_03_three__down="DROP TABLE one;")
    ran = three("rollback", "--steps", "1")
    assert ran.exit_code == 0, ran.log
    assert "the down file of migration 03 is not the one that the ledger kept" in ran.log
    assert "-DROP TABLE three;\n" in re.sub(r"(?m)^ +", "", ran.log)
    assert "one" in database.tables()
    assert "three" not in database.tables()


def test_a_ledger_that_kept_nothing_is_brought_up_to_date_and_the_file_runs(
    three: CommandLine, database: Database
) -> None:
    database.query("ALTER TABLE schema_migrations DROP COLUMN body, DROP COLUMN down_body")
    database.query("DROP TABLE migration_runs")
    assert three("rollback", "--steps", "1", "--dry-run", "--dry-run-mode", "rehearse").exit_code == 0
    ran = three("rollback", "--steps", "1")
    assert ran.exit_code == 0, ran.log
    assert versions(database) == ["01", "02"]
    assert database.query("SELECT command, outcome FROM migration_runs") == [("rollback", "rolled-back")]


def test_with_one_transaction_for_all_nothing_is_undone_when_one_fails(
    db_migrate: CommandLine, database: Database
) -> None:
    db_migrate.write(_01_one="CREATE TABLE one ();", _01_one__down="DROP TABLE nothing;")
    db_migrate.write(_02_two="CREATE TABLE two ();", _02_two__down="DROP TABLE two;")
    assert db_migrate().exit_code == 0
    ran = db_migrate("rollback", "--to", "0", "--transaction", "release")
    assert ran.exit_code == 1
    assert (outputs(ran)["undone"], outputs(ran)["current-version"]) == ("[]", "02")
    assert database.tables() >= {"one", "two"}
    each = db_migrate("rollback", "--to", "0")
    assert each.exit_code == 1
    assert (outputs(each)["undone"], outputs(each)["current-version"]) == ('["02"]', "01")
    assert outputs(each)["pending"] == '["02"]'
    assert database.query("SELECT outcome FROM migration_runs WHERE command = 'rollback'") == [("failed",)] * 2


# Refused


def test_whatever_refuses_a_rollback_changes_nothing(three: CommandLine, database: Database) -> None:
    three.write(_04_four="CREATE TABLE four ();", _05_five="CREATE TABLE five ();")
    assert three().exit_code == 0
    before = database.dump()
    for argv, code, said in [
        ((), 2, "✗ rollback: one of `to` and `steps` must say how far"),
        (("--to", "9"), 2, "✗ to: migration 9 is not applied to this database"),
        (("--steps", "6"), 2, "✗ steps: 6 migrations cannot be undone, as 5 of them are applied"),
        (("--steps", "1", "--tracking-schema", "empty"), 2, "cannot be undone, as none is applied to this database"),
        (("--to", "3"), 3, "✗ migrations/05_five.sql:1: migration 05 (five) cannot be undone: it has no down file\n"),
        (("--to", "3"), 3, "✗ migrations/04_four.sql:1: migration 04 (four) cannot be undone: it has no down file\n"),
        (("--steps", "1", "--environment", "staging"), 3, "✗ environment: this database is development"),
    ]:
        ran = three("rollback", *argv)
        assert (ran.exit_code, said in ran.log) == (code, True), ran.log
        assert database.dump() == before


def test_one_transaction_for_all_holds_none_that_is_outside(three: CommandLine, database: Database) -> None:
    before = database.dump()
    ran = three("rollback", "--to", "1", "--transaction", "release")
    assert ran.exit_code == 3
    assert "✗ transaction: `transaction: release` cannot hold" in ran.log
    assert database.dump() == before


def test_what_is_half_done_is_settled_first(three: CommandLine, database: Database) -> None:
    three.write(_04_half="-- migrate: no-transaction\nCREATE TABLE half ();\nSELECT 1 / 0;")
    assert three().exit_code == 1
    before = database.dump()
    ran = three("rollback", "--steps", "1")
    assert ran.exit_code == 3
    assert "✗ migration 04 is failed in the ledger, outside of a transaction, with 1 statements done" in ran.log
    assert database.dump() == before


def test_production_is_rolled_back_only_by_its_own_phrase(db_migrate: CommandLine, database: Database) -> None:
    production = ("--environment", "production", "--review-delay", "0", "--dry-run-mode", "preview")
    db_migrate.write(_01_one="CREATE TABLE one ();", _01_one__down="DROP TABLE one;")
    assert db_migrate(*production, CONFIRM_PRODUCTION_MIGRATION="true").exit_code == 0
    back = ("rollback", "--steps", "1", *production)
    before = database.dump()
    for confirmation, environ in [("", "true"), ("MIGRATE-PRODUCTION", "true"), ("rollback-production", "")]:
        given = ("--confirmation", confirmation) if confirmation else ()
        ran = db_migrate(*back, *given, CONFIRM_PRODUCTION_MIGRATION=environ)
        assert ran.exit_code == 3
        assert "give `confirmation: ROLLBACK-PRODUCTION`\n" in ran.log
        assert database.dump() == before
    branch = {"GITHUB_EVENT_NAME": "push", "GITHUB_REF": "refs/heads/main"}
    assert "✗ tag: " in db_migrate(*back, "--confirmation", "ROLLBACK-PRODUCTION", **branch).log
    by_hand = {"GITHUB_EVENT_NAME": "workflow_dispatch", "GITHUB_REF": "refs/heads/main"}
    tried = db_migrate(*back, **by_hand)
    assert (tried.exit_code, outputs(tried)["outcome"]) == (0, "dry-run")
    assert database.dump() == before
    ran = db_migrate(*back, "--no-dry-run", "--confirmation", "ROLLBACK-PRODUCTION", **by_hand)
    assert ran.exit_code == 0, ran.log
    assert versions(database) == []


def test_what_was_approved_for_the_one_does_not_serve_for_the_other(
    db_migrate: CommandLine, database: Database
) -> None:
    db_migrate.write(_01_one="CREATE TABLE one ();", _01_one__down="DROP TABLE one;")
    db_migrate.write(_02_two="CREATE TABLE two ();", _02_two__down="DROP TABLE two;")
    assert db_migrate("--version", "1").exit_code == 0
    migrate = outputs(db_migrate("--dry-run"))["plan-digest"]
    plan = (db_migrate.checkout / "db-migrate-report/plan.json").read_text()
    (db_migrate.checkout / "approved.json").write_text(plan)
    ran = db_migrate("rollback", "--steps", "1", "--approved-plan", f"{migrate} approved.json")
    assert ran.exit_code == 3
    assert "the command is rollback and was migrate" in ran.log
    back = outputs(db_migrate("rollback", "--steps", "1", "--dry-run"))["plan-digest"]
    assert db_migrate("--approved-plan", back).exit_code == 3
    assert db_migrate("rollback", "--to", "0", "--approved-plan", back).exit_code == 0
    assert versions(database) == []


# Tried


@pytest.mark.parametrize("mode", ["preview", "rehearse", "shadow"])
def test_a_dry_run_shows_what_is_lost_and_changes_nothing(three: CommandLine, database: Database, mode: str) -> None:
    database.query("INSERT INTO three SELECT generate_series(1, 1000)")
    database.query("ANALYZE three")
    before = database.dump()
    ran = three("rollback", "--steps", "1", "--dry-run", "--dry-run-mode", mode)
    assert (ran.exit_code, outputs(ran)["outcome"]) == (0, "dry-run"), ran.log
    assert database.dump() == before
    assert (outputs(ran)["current-version"], outputs(ran)["undone"]) == ("03", "[]")
    told = re.search(r"! the rollback drops table public\.three \(\d+ kB, 1 k rows\): ", ran.log)
    assert bool(told) == (mode != "preview")  # which executes nothing
    assert "migrations/03_three.down.sql" in ran.log


def test_a_down_file_that_fails_does_so_in_the_dry_run(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_01_one="CREATE TABLE one ();", _01_one__down="DROP TABLE nothing;")
    assert db_migrate().exit_code == 0
    before = database.dump()
    ran = db_migrate("rollback", "--to", "0", "--dry-run-mode", "rehearse")
    assert ran.exit_code == 1
    assert '✗ migrations/01_one.down.sql:1:1: table "nothing" does not exist' in ran.log
    assert database.dump() == before


# Afterwards


def test_a_smoke_test_that_fails_is_told_and_undoes_nothing(three: CommandLine, database: Database) -> None:
    (three.checkout / "smoke.sql").write_text("SELECT to_regclass('three') IS NOT NULL;")
    (three.checkout / "db-migrate.yml").write_text("on-smoke-failure: rollback\n")
    ran = three("rollback", "--steps", "1", "--smoke-tests", "smoke.sql")
    assert ran.exit_code == 1
    assert (outputs(ran)["outcome"], outputs(ran)["undone"]) == ("failed", '["03"]')
    assert versions(database) == ["01", "02"]
    assert database.query("SELECT outcome FROM migration_runs WHERE command = 'rollback'") == [("failed",)]
    assert three("verify").exit_code == 0
    (three.checkout / "smoke.sql").write_text("SELECT true;")
    assert three("rollback", "--steps", "1", "--smoke-tests", "smoke.sql").exit_code == 0


# Others, and faults


def test_the_mutex_is_waited_for(three: CommandLine, database: Database) -> None:
    with database.connect() as other:
        other.execute("SELECT pg_advisory_lock(%s)", [mutex_key("public")])
        ran = three("rollback", "--steps", "1", "--lock-wait", "0")
    assert ran.exit_code == 5
    assert versions(database) == ["01", "02", "03"]


def test_what_changed_while_it_waited_is_not_undone(three: CommandLine, database: Database) -> None:
    with database.connect() as other:
        other.execute("SELECT pg_advisory_lock(%s)", [mutex_key("public")])
        with running(three, "rollback", "--steps", "1") as process:
            assert process.stdout is not None
            seen = ""
            while "waiting for another run" not in seen:
                seen += process.stdout.readline()
            other.execute("UPDATE schema_migrations SET down_body = 'DROP TABLE one;' WHERE version = '03'")
            other.execute("SELECT pg_advisory_unlock_all()")
            rest, _ = process.communicate(timeout=20)
    assert process.returncode == 3, rest
    assert "the database changed while this run waited" in rest
    assert database.tables() >= {"one", "three"}


SLOWLY = "SELECT pg_sleep(30);\n"


@pytest.mark.parametrize(
    ("down", "left"),
    [
        (f"DROP TABLE two;\n{SLOWLY}DROP TABLE three;", {"one", "two", "three"}),
        (f"-- migrate: no-transaction\nDROP TABLE two;\n{SLOWLY}DROP TABLE three;", {"one", "three"}),
    ],
    ids=["in-a-transaction", "outside"],
)
def test_a_rollback_that_was_killed_is_finished_by_the_next(
    db_migrate: CommandLine, database: Database, down: str, left: set[str]
) -> None:
    db_migrate.write(_01_one="CREATE TABLE one ();", _01_one__down="DROP TABLE one;")
    db_migrate.write(_02_two="CREATE TABLE two (); CREATE TABLE three ();", _02_two__down=down)
    db_migrate.write(_03_last="CREATE TABLE last ();", _03_last__down="DROP TABLE last;")
    assert db_migrate().exit_code == 0
    with running(db_migrate, "rollback", "--to", "0") as process:
        wait_until(database, SLEEPING)
        process.kill()
    assert versions(database) == ["01", "02"]
    database.query("UPDATE schema_migrations SET down_body = replace(down_body, '(30)', '(0)')")
    database.query(END_SLEEP)
    assert database.tables() - set(LEDGER_TABLES) == left
    if "no-transaction" in down:  # what is done cannot be tried again
        tried = db_migrate("rollback", "--to", "0", "--dry-run", "--dry-run-mode", "shadow")
        assert tried.exit_code == 0, tried.log
        assert "02 was not rehearsed: an earlier run has left it half done" in tried.log
    ran = db_migrate("rollback", "--to", "0")
    assert ran.exit_code == 0, ran.log
    assert database.tables() == set(LEDGER_TABLES)
    assert versions(database) == []
    assert database.query("SELECT outcome FROM migration_runs WHERE command = 'rollback' ORDER BY started_at") == [
        (None,),
        ("rolled-back",),
    ]
    undone = "SELECT count(*) FROM migration_history WHERE action = 'rollback' AND status = 'success'"
    assert database.value(undone) == 3


@pytest.mark.parametrize("health", ["warn", "error"])
def test_an_index_that_a_rollback_has_left_invalid_is_its_own_affair(
    three: CommandLine, database: Database, health: str
) -> None:
    database.query("UPDATE schema_migrations SET undoing = 'running', statements_undone = 0 WHERE version = '02'")
    database.query("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'one_id'::regclass")
    ran = three("rollback", "--to", "1", "--health", health)
    assert ran.exit_code == 0, ran.log
    assert "invalid" not in ran.log
    assert versions(database) == ["01"]


@pytest.fixture
def stopped(db_migrate: CommandLine, database: Database) -> CommandLine:
    """A down file that was written after its migration: a rollback has done the first of its three statements."""
    db_migrate.write(_01_one="CREATE TABLE one (id int);", _02_spent="CREATE TABLE spent AS SELECT 100 AS left_over;")
    assert db_migrate().exit_code == 0
    db_migrate.write(_02_spent__down=f"{SPEND}SELECT 1 / 0;\nDROP TABLE spent;")
    ran = db_migrate("rollback", "--steps", "1")
    assert ran.exit_code == 1, ran.log
    assert database.value(LEFT_OVER) == 90
    return db_migrate


SPEND = "-- migrate: no-transaction\nUPDATE spent SET left_over = left_over - 10;\n"
LEFT_OVER = "SELECT left_over FROM spent"


def test_a_mended_checksum_does_not_make_a_half_undone_migration_whole(
    stopped: CommandLine, database: Database
) -> None:
    stopped.write(_02_spent="-- mended\nCREATE TABLE spent AS SELECT 100 AS left_over;")
    assert "is not mended: it is completed, and undoing it has failed" in stopped("repair", "--yes").log
    assert "half undone" in stopped("status").log
    stopped.write(_02_spent__down=f"{SPEND}CREATE TABLE kept AS TABLE spent;\nDROP TABLE spent;")
    ran = stopped("rollback", "--steps", "1")
    assert ran.exit_code == 0, ran.log
    assert database.value("SELECT left_over FROM kept") == 90
    assert versions(database) == ["01"]


def test_what_has_run_of_a_down_file_is_not_counted_in_another(stopped: CommandLine, database: Database) -> None:
    stopped.write(_02_spent__down="-- migrate: no-transaction\nDROP TABLE spent;\nDROP TABLE one;")
    ran = stopped("rollback", "--steps", "1")
    assert ran.exit_code == 3, ran.log
    assert "undoing migration 02 would go on in a file that was edited in statements which have run" in ran.log
    assert database.tables() >= {"one", "spent"}
    for path in (stopped.checkout / "migrations").glob("02*"):
        path.unlink()
    ran = stopped("rollback", "--steps", "1")  # by the text that the ledger has of it
    assert (ran.exit_code, "division by zero" in ran.log) == (1, True)
    assert database.value(LEFT_OVER) == 90


def test_nothing_comes_on_top_of_what_is_half_undone(stopped: CommandLine, database: Database) -> None:
    stopped.write(_03_three="CREATE TABLE three ();")
    before = database.dump()
    for argv in ((), ("--dry-run",), ("baseline", "--version", "3"), ("rollback", "--to", "2")):
        ran = stopped(*argv)
        assert (ran.exit_code, "✗ migration 02 is completed in the ledger, and undoing it has failed" in ran.log) == (
            3,
            True,
        ), ran.log
        assert "`db-migrate repair --settle 02=undone`" in ran.log
    assert database.dump() == before
    assert stopped("repair", "--settle", "02=1", "--yes").exit_code == 0
    assert stopped().exit_code == 0


def test_where_nobody_can_tell_how_far_it_came_nothing_is_undone(db_migrate: CommandLine, database: Database) -> None:
    outside = "-- migrate: no-transaction\n"
    db_migrate.write(_01_one="CREATE TABLE one ();", _01_one__down=f"{outside}CALL slowly();\nDROP TABLE one;")
    assert db_migrate().exit_code == 0
    database.query("CREATE PROCEDURE slowly() LANGUAGE plpgsql AS 'BEGIN COMMIT; PERFORM pg_sleep(30); END'")
    with running(db_migrate, "rollback", "--steps", "1") as process:
        wait_until(database, SLEEPING.replace("%pg_sleep(30)%", "%slowly%"))
        process.kill()
    database.query(END_SLEEP.replace("%pg_sleep(30)%", "%slowly%"))
    tables = database.tables()
    ran = db_migrate("rollback", "--steps", "1")
    assert ran.exit_code == 3, ran.log
    assert "undoing migration 01 was begun, and nobody knows whether this statement was done" in ran.log
    assert "`db-migrate repair --settle 01=undone`" in ran.log
    assert database.tables() == tables


def test_a_database_that_writes_times_in_a_manner_of_its_own_is_read_all_the_same(
    db_migrate: CommandLine, database: Database
) -> None:
    for setting in ("datestyle = 'German'", "intervalstyle = 'sql_standard'"):
        database.query(f"ALTER DATABASE {database.name} SET {setting}")
    db_migrate.write(_01_one="SELECT pg_sleep(0.6);\nCREATE TABLE one (id int);", _01_one__down="DROP TABLE one;")
    for argv in (["--dry-run-mode", "rehearse"], ["status"], ["history"], ["verify"], ["repair"],
                 ["rollback", "--to", "0", "--dry-run-mode", "shadow", "--shadow-database", "embedded"]):  # fmt: skip
        ran = db_migrate(*argv)
        assert ran.exit_code == 0, ran.log
        assert "DateStyle" not in ran.log

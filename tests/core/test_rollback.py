"""What is said of the ways back must be true of what happened."""

import subprocess
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import PurePosixPath

import pytest

from runner.core.model import Backup, BackupMode, Migration, Report, RestorePoint, StepResult, Undoing
from runner.core.naming import LEDGER_FILE
from runner.core.parse import parse_down
from runner.core.rollback import RollbackInstructions, in_short, rollback_instructions
from runner.errors import Outcome
from tests.builders import NOON, a_migration, a_plan, a_report, a_step, a_target

ONE, TWO, THREE = (a_migration(number, down="SELECT 2;") for number in (1, 2, 3))
OUTSIDE = a_migration(2, sql="CREATE INDEX CONCURRENTLY i ON t (a);\nVACUUM;", down="DROP INDEX CONCURRENTLY i;")
POINT = RestorePoint(at=NOON, name="db_migrate_7f3c2c1e", lsn="0/16B3748", archived=True)
BACKUP = Backup(path=PurePosixPath("out/b.dump"), mode=BackupMode.DUMP, size=1, entries=1)


def a_run(outcome: Outcome, *steps: StepResult, planned: tuple[Migration, ...] = (), **others: object) -> Report:
    """A run whose plan is what its steps are of, unless `planned` says more."""
    migrations = planned or tuple(step.migration for step in steps)
    plan = replace(a_plan(), pending=tuple(migration.file for migration in migrations))
    return a_report(outcome, plan=plan, migrations=migrations, steps=steps, **others)


def back_from(report: Report) -> RollbackInstructions:
    back = rollback_instructions(report)
    assert back is not None
    return back


def undoing(*undone: Migration, failing: StepResult | None = None) -> Undoing:
    steps = tuple(a_step(parse_down(migration.file)) for migration in undone)
    return Undoing(steps=(*steps, failing) if failing else steps)


def undone_by(back: RollbackInstructions) -> list[str]:
    """The versions of the commands, in their order."""
    return [command.split("version = '")[1].split("'")[0] for command in back.commands]


ALL_THREE = (a_step(ONE), a_step(TWO), a_step(THREE))


@pytest.mark.parametrize(
    "report",
    [
        pytest.param(a_report(Outcome.DRY_RUN, environment="production", plan=a_plan([1])), id="dry-run"),
        pytest.param(a_report(Outcome.REFUSED, environment="production", plan=a_plan([1])), id="refused"),
        pytest.param(a_report(Outcome.UP_TO_DATE, environment="production", plan=a_plan()), id="up-to-date"),
        pytest.param(a_report(Outcome.CANCELLED, plan=a_plan([1])), id="cancelled-before-the-first"),
        pytest.param(a_report(Outcome.FAILED, plan=a_plan([1])), id="failed-before-the-first"),
        pytest.param(a_run(Outcome.APPLIED, *ALL_THREE, environment="staging"), id="applied-elsewhere"),
        pytest.param(a_report(Outcome.FAILED, command="check", rehearsed=ALL_THREE), id="check"),
    ],
)
def test_where_nothing_was_changed_there_is_nothing_to_say(report: Report) -> None:
    assert rollback_instructions(report) is None


def test_a_release_in_production_says_how_it_would_be_undone() -> None:
    back = back_from(a_run(Outcome.APPLIED, *ALL_THREE, environment="production", restore_point=POINT))
    assert back.state == ("Applied by this run: 01, 02, 03.",)
    assert undone_by(back) == ["03", "02", "01"]
    assert "drops what was written since" in back.cautions[0]
    assert back.restore is not None
    assert back.restore.name == "db_migrate_7f3c2c1e"


def test_a_failure_in_the_middle_leaves_what_was_committed_before() -> None:
    back = back_from(a_run(Outcome.FAILED, a_step(ONE), a_step(TWO, failure="x"), planned=(ONE, TWO, THREE)))
    assert back.state == (
        "Applied by this run, and staying: 01.",
        "What this run did in migration 02 was rolled back by PostgreSQL: nothing of it remains.",
        "Not applied: 03.",
    )
    assert (undone_by(back), back.question) == (["01"], "")


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.CANCELLED])
def test_one_transaction_that_failed_leaves_nothing(outcome: Outcome) -> None:
    report = a_run(outcome, a_step(TWO, failure="x"), planned=(ONE, TWO, THREE), backup=BACKUP, restore_point=POINT)
    back = back_from(report)
    assert back.state[1:] == ("Not applied: 01, 03.", "Nothing of this run remains: there is nothing to undo.")
    assert (back.commands, back.cautions, back.restore, back.from_backup) == ((), (), None, "")


def test_a_run_cancelled_between_two_migrations_leaves_the_first() -> None:
    back = back_from(a_run(Outcome.CANCELLED, a_step(ONE), planned=(ONE, TWO)))
    assert back.state == ("Applied by this run, and staying: 01.", "Not applied: 02.")
    assert back.question == ""


def test_what_is_half_done_outside_of_a_transaction_is_undone_first() -> None:
    step = a_step(OUTSIDE, failure="x", statements_done=1)
    back = back_from(a_run(Outcome.FAILED, a_step(ONE), step, planned=(ONE, OUTSIDE, THREE)))
    assert "1 of 2 statements are done and stay" in back.state[1]
    assert "Not applied: 03." in back.state
    assert undone_by(back) == ["02", "01"]
    assert back.commands[0].startswith("# 02 is half done: see first")
    assert "--single-transaction" not in back.commands[0]
    assert any("not all or nothing" in caution for caution in back.cautions)


def test_a_build_that_failed_at_once_may_have_left_an_index() -> None:
    back = back_from(a_run(Outcome.FAILED, a_step(OUTSIDE, failure="x")))
    assert "such as an invalid index" in back.state[0]
    assert not any("Nothing of this run" in sentence for sentence in back.state)
    assert back.commands[0].startswith("# 02 only when it has left something")


def test_what_is_half_done_and_has_no_down_file_is_not_said_to_need_a_restore() -> None:
    step = a_step(a_migration(2, sql="VACUUM;\nVACUUM;"), failure="x", statements_done=1)
    back = back_from(a_run(Outcome.FAILED, step))
    assert back.cautions == ("Migration 02 has no down file: what it has left goes by hand, or by a restore.",)


def test_nothing_is_claimed_of_what_was_under_way_when_the_connection_was_lost() -> None:
    four = replace(OUTSIDE, file=replace(OUTSIDE.file, version="04"))
    steps = (a_step(ONE), a_step(TWO, failure="lost", sure=False))
    back = back_from(a_run(Outcome.FAILED, *steps, planned=(ONE, TWO, THREE, four)))
    assert back.state[1].startswith("Nobody can tell yet whether migration 02 was committed")
    assert back.state[2:] == (
        "The same goes for what was under way with it: of 03 only the ledger can tell.",
        "Not applied: 04.",
    )
    assert "WHERE run_id = '7f3c2c1e-5a0b-4a53-9d0e-1d6c8f1b2a34'" in back.question
    assert back.commands[0].startswith("# 02 only when it is completed:")
    assert undone_by(back) == ["02", "01"]
    assert "Whatever else is completed is undone before that" in back.cautions[1]


def test_a_step_outside_of_a_transaction_whose_answer_was_lost_is_not_known() -> None:
    step = a_step(OUTSIDE, failure="lost", statements_done=1, sure=False)
    back = back_from(a_run(Outcome.FAILED, step, planned=(OUTSIDE, THREE)))
    assert back.state[0].endswith("of the one behind them nobody knows yet.")
    assert back.state[1] == "Not applied: 03."


def test_nothing_is_claimed_of_the_rest_when_a_run_broke_off_without_a_result() -> None:
    back = back_from(a_run(Outcome.FAILED, a_step(ONE), planned=(ONE, TWO)))
    assert back.state[1] == "Nobody knows yet what became of 02: the ledger tells."
    assert back.question


def test_a_failed_smoke_test_leaves_everything_applied() -> None:
    back = back_from(a_run(Outcome.FAILED, *ALL_THREE))
    assert back.state == ("Applied by this run, and staying: 01, 02, 03.",)
    assert undone_by(back) == ["03", "02", "01"]


def test_a_run_that_was_undone_has_nothing_to_undo() -> None:
    report = a_run(Outcome.ROLLED_BACK, *ALL_THREE, undoing=undoing(THREE, TWO, ONE), restore_point=POINT)
    back = back_from(report)
    assert back.state == ("Applied by this run, and undone by their down files, in this order: 03, 02, 01.",)
    assert back.commands == ()
    assert back.cautions == (
        "What was written meanwhile into the tables and columns that they had made went with them.",
    )
    assert back.restore is not None


def test_says_why_nothing_was_undone() -> None:
    back = back_from(a_run(Outcome.FAILED, *ALL_THREE, undoing=Undoing(why_not="migration 02 has no down file")))
    assert back.state[1] == "Nothing was undone: migration 02 has no down file."
    assert undone_by(back) == ["03", "02", "01"]


def test_an_undoing_that_stopped_says_what_is_undone_and_what_stays() -> None:
    failing = a_step(parse_down(TWO.file), failure="x")
    back = back_from(a_run(Outcome.FAILED, *ALL_THREE, undoing=undoing(THREE, failing=failing)))
    assert back.state == (
        "Applied by this run, and staying: 01, 02.",
        "Applied by this run, and undone by its down file: 03.",
        "Undoing 02 failed: migrations/02_example.sql:1: x. PostgreSQL rolled it back: migration 02 stays as it was.",
    )
    assert undone_by(back) == ["02", "01"]
    assert back.commands[0].startswith("# 02 could not be undone")


def test_an_undoing_outside_of_a_transaction_may_stop_half_way() -> None:
    down = parse_down(replace(OUTSIDE.file, down=replace(OUTSIDE.file.up)))
    failing = a_step(down, failure="x", statements_done=1)
    back = back_from(a_run(Outcome.FAILED, a_step(ONE), a_step(OUTSIDE), undoing=undoing(failing=failing)))
    assert back.state[1] == (
        "Undoing 02 failed: migrations/02_example.sql:1: x. 1 of 2 statements of its down file are done. The ledger "
        "still has migration 02."
    )


def test_an_undoing_whose_end_nobody_knows_is_asked_about() -> None:
    failing = a_step(parse_down(THREE.file), failure="lost", sure=False)
    back = back_from(a_run(Outcome.FAILED, *ALL_THREE, undoing=undoing(failing=failing)))
    assert back.state[1].endswith("Nobody can tell yet whether it was committed: while its row is there, it was not.")
    assert back.question


# As far as down files go


@pytest.mark.parametrize(
    ("down", "why"), [(None, "has no down file"), ("-- nothing\n", "has a down file without a statement")]
)
def test_commands_end_where_nothing_undoes_a_migration(down: str | None, why: str) -> None:
    middle = a_migration(2, down=down)
    back = back_from(a_run(Outcome.FAILED, a_step(ONE), a_step(middle), a_step(THREE)))
    assert undone_by(back) == ["03"]
    assert back.cautions[-1] == (
        f"Migration 02 {why}: only a restore takes it back. 01 came before it, and can only be undone after it."
    )


def test_the_ledger_itself_is_not_undone() -> None:
    name = LEDGER_FILE.removeprefix("00_").removesuffix(".sql")
    back = back_from(a_run(Outcome.FAILED, a_step(a_migration(0, name=name)), a_step(ONE)))
    assert undone_by(back) == ["01"]
    assert not any("00" in caution for caution in back.cautions)


@pytest.mark.parametrize(
    ("down", "together"),
    [
        pytest.param("DROP TABLE t;", True, id="plain"),
        pytest.param("-- migrate: no-transaction\nDROP TABLE t;", False, id="directive"),
        pytest.param("DROP INDEX CONCURRENTLY i;", False, id="concurrently"),
        pytest.param("BEGIN;\nDROP TABLE t;\nCOMMIT;", False, id="wrapped"),
        pytest.param("DROP TABLE t;\nBEGIN;\nDROP TABLE u;\nCOMMIT;", False, id="transactions-of-its-own"),
        pytest.param("COPY t FROM stdin;\n1\n\\.\n", True, id="only-psql-reads-it"),
    ],
)
def test_a_down_file_and_its_row_are_one_transaction_where_that_is_possible(down: str, *, together: bool) -> None:
    back = back_from(a_run(Outcome.FAILED, a_step(a_migration(1, down=down))))
    assert ("--single-transaction" in back.commands[0]) is together


# For a shell


@pytest.mark.parametrize("name", ["plain", "it's", 'a "b"', "$HOME", "a`b`", "back\\slash", "!it's", "a b", "é", "-x"])
@pytest.mark.parametrize("schema", ["public", 'Odd "one"', "it's", "$x!'"])
def test_a_shell_passes_on_exactly_what_is_meant(name: str, schema: str) -> None:
    migration = a_migration(1, name=name, down="SELECT 1;")
    command = back_from(a_run(Outcome.FAILED, a_step(migration), tracking_schema=schema)).commands[0]
    script = f"psql() {{ printf '%s\\0' \"$@\"; }}\n{command}"
    done = subprocess.run(
        ["sh", "-c", script], capture_output=True, check=True, text=True, env={"DATABASE_URL": "postgresql://a b"}
    )
    quoted = schema if schema == "public" else '"{}"'.format(schema.replace('"', '""'))
    assert done.stdout.split("\0")[:-1] == [
        *("-X", "-d", "postgresql://a b", "-v", "ON_ERROR_STOP=1", "--single-transaction"),
        *("-f", f"migrations/01_{name}.down.sql"),
        *("-c", f"DELETE FROM {quoted}.schema_migrations WHERE version = '01'"),
    ]


# What can be restored


def a_target_of(point: RestorePoint | None) -> str:
    restore = back_from(a_run(Outcome.FAILED, *ALL_THREE, restore_point=point)).restore
    assert restore is not None
    return restore.setting


@pytest.mark.parametrize(
    ("point", "setting"),
    [
        pytest.param(POINT, "recovery_target_name = 'db_migrate_7f3c2c1e'", id="name"),
        pytest.param(
            replace(POINT, name=""),
            "recovery_target_lsn = '0/16B3748'\nrecovery_target_inclusive = off",
            id="position",
        ),
        pytest.param(replace(POINT, name="", lsn=""), "recovery_target_time = '2026-11-22 12:00:00 UTC'", id="time"),
        pytest.param(None, "recovery_target_time = '2026-11-22 12:00:00 UTC'", id="when-the-run-began"),
    ],
)
def test_the_best_target_that_is_known_is_taken(point: RestorePoint | None, setting: str) -> None:
    assert a_target_of(point) == setting


def test_the_time_is_in_utc_and_never_later_than_the_point() -> None:
    at = datetime(2026, 11, 22, 14, 0, 5, 999_999, tzinfo=timezone(timedelta(hours=2)))
    target = back_from(a_run(Outcome.FAILED, *ALL_THREE, restore_point=replace(POINT, at=at))).restore
    assert target is not None
    assert (target.time, target.stamp) == ("2026-11-22 12:00:05 UTC", "2026-11-22T12:00:05Z")


def test_a_run_that_marked_nothing_says_whose_clock_it_goes_by() -> None:
    back = back_from(a_run(Outcome.FAILED, *ALL_THREE))
    assert "2026-11-22 12:00:00 UTC, when the run began by its own clock" in "\n".join(in_short(back))


def test_a_dump_is_restored_into_a_new_database() -> None:
    back = back_from(a_run(Outcome.FAILED, *ALL_THREE, backup=BACKUP, target=a_target(database="my app")))
    assert "createdb" in back.from_backup
    assert "'my app_restored'" in back.from_backup
    assert back.from_backup.endswith('--dbname="$RESTORED_URL" out/b.dump')


def test_a_backup_without_rows_is_no_way_back() -> None:
    backup = replace(BACKUP, mode=BackupMode.SCHEMA)
    assert back_from(a_run(Outcome.FAILED, *ALL_THREE, backup=backup)).from_backup == ""


# In short


def test_the_log_has_the_state_the_first_command_and_the_target() -> None:
    report = a_run(Outcome.FAILED, *ALL_THREE, restore_point=POINT)
    assert list(in_short(back_from(report))) == [
        "Applied by this run, and staying: 01, 02, 03.",
        (
            'What undoes it:\n  psql -X -d "$DATABASE_URL" -v ON_ERROR_STOP=1 --single-transaction \\\n'
            "    -f migrations/03_example.down.sql \\\n"
            "    -c \"DELETE FROM public.schema_migrations WHERE version = '03'\""
        ),
        "  … and 2 more like it, the last migration first: see the job summary, or its down files",
        (
            "Undoing drops what was written since into the tables and columns that these migrations made. `verify` "
            "then tells of a changed schema, until the next run has applied something."
        ),
        (
            "Restore target: `db_migrate_7f3c2c1e`, WAL position 0/16B3748, 2026-11-22 12:00:00 UTC; a restore loses "
            "what was written since."
        ),
    ]


def test_many_versions_are_counted() -> None:
    steps = [a_step(number) for number in range(1, 20)]
    assert back_from(a_run(Outcome.FAILED, *steps)).state == (
        "Applied by this run, and staying: 01, 02 … 19 (19 migrations).",
    )

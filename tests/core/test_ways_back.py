"""What is said of the ways back must be true of what happened."""

import subprocess
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import PurePosixPath

import pytest

from runner.core.backup import Backup
from runner.core.migration import Migration
from runner.core.model import BackupMode, Report
from runner.core.naming import LEDGER_FILE
from runner.core.parse import parse_down
from runner.core.restore_point import RestorePoint
from runner.core.steps import StepResult, Undoing
from runner.core.ways_back import RollbackInstructions, in_short, rollback_instructions
from runner.errors import Outcome
from tests.builders import NOON, a_migration, a_plan, a_report, a_step, a_target

ONE, TWO, THREE = (a_migration(number, down="SELECT 2;") for number in (1, 2, 3))
OUTSIDE = a_migration(2, sql="CREATE INDEX CONCURRENTLY i ON t (a);\nVACUUM;", down="DROP INDEX CONCURRENTLY i;")
POINT = RestorePoint(at=NOON, name="db_migrate_7f3c2c1e", lsn="0/16B3748", archived=True)
PSQL = 'psql -X -d "$DATABASE_URL" -v ON_ERROR_STOP=1'
SETTLED = "db-migrate repair --environment=staging --settle=02=undone"
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


def going_back_to(version: str, *options: str) -> str:
    """The command that does, in staging."""
    return " ".join(["db-migrate rollback --environment=staging", f"--to={version}", *options])


def a_rollback(outcome: Outcome, *done: Migration, failing: StepResult | None = None, **others: object) -> Report:
    """A rollback of 03, 02 and 01 from a database that has them."""
    there = tuple(each for each in ("00", "01", "02", "03") if each not in {migration.version for migration in done})
    values: dict[str, object] = {
        "command": "rollback",
        "plan": replace(a_plan(), applied=there),
        "migrations": [parse_down(each.file) for each in (THREE, TWO, ONE)],
        "undoing": undoing(*done, failing=failing),
    }
    return a_report(outcome, **values | others)


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
    assert back.commands == ("db-migrate rollback --environment=production --to=0 --confirmation=ROLLBACK-PRODUCTION",)
    assert "drops what was written since" in back.cautions[0]
    assert back.restore is not None
    assert back.restore.name == "db_migrate_7f3c2c1e"


@pytest.mark.parametrize(
    ("before", "to"),
    [
        ((), "0"),
        (("00",), "00"),
        (("0",), "00"),  # as `0` is the beginning
        (("00", "0007"), "0007"),
        (("00", "07", "08"), "08"),
    ],
)
def test_goes_back_to_what_the_database_had_before(before: tuple[str, ...], to: str) -> None:
    report = a_run(Outcome.FAILED, *(a_step(a_migration(number, down="SELECT 2;")) for number in (9, 10)))
    assert report.plan
    back = back_from(replace(report, plan=replace(report.plan, applied=before)))
    assert back.commands == (going_back_to(to),)


def test_a_failure_in_the_middle_leaves_what_was_committed_before() -> None:
    back = back_from(a_run(Outcome.FAILED, a_step(ONE), a_step(TWO, failure="x"), planned=(ONE, TWO, THREE)))
    assert back.state == (
        "Applied by this run, and staying: 01.",
        "What this run did in migration 02 was rolled back by PostgreSQL: nothing of it remains.",
        "Not applied: 03.",
    )
    assert (back.commands, back.question) == ((going_back_to("0"),), "")


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


def test_what_is_half_done_outside_of_a_transaction_goes_by_hand_first() -> None:
    step = a_step(OUTSIDE, failure="x", statements_done=1)
    back = back_from(a_run(Outcome.FAILED, a_step(ONE), step, planned=(ONE, OUTSIDE, THREE)))
    assert "1 of 2 statements are done and stay" in back.state[1]
    assert "Not applied: 03." in back.state
    assert back.commands == (
        f"# see first what fits of the down file of 02\n{PSQL} -f migrations/02_example.down.sql",
        f"# when nothing of 02 is left\n{SETTLED}",
        going_back_to("0"),
    )
    assert any("It does not hold the mutex" in caution for caution in back.cautions)


def test_a_build_that_failed_at_once_may_have_left_an_index() -> None:
    back = back_from(a_run(Outcome.FAILED, a_step(OUTSIDE, failure="x")))
    assert "such as an invalid index" in back.state[0]
    assert not any("Nothing of this run" in sentence for sentence in back.state)
    [command] = back.commands
    assert command.startswith("# only when something is left of 02\npsql")


def test_what_is_half_done_and_has_no_down_file_is_not_said_to_need_a_restore() -> None:
    step = a_step(a_migration(2, sql="VACUUM;\nVACUUM;"), failure="x", statements_done=1)
    back = back_from(a_run(Outcome.FAILED, step))
    assert back.cautions == ("Migration 02 has no down file: what it has left goes by hand, or by a restore.",)
    assert [command.splitlines()[0] for command in back.commands] == ["# when nothing of 02 is left"]


def test_nothing_is_claimed_of_what_was_under_way_when_the_connection_was_lost() -> None:
    four = replace(OUTSIDE, file=replace(OUTSIDE.file, version="04"))
    steps = (a_step(ONE), a_step(TWO, failure="lost", sure=False))
    back = back_from(a_run(Outcome.FAILED, *steps, planned=(ONE, TWO, THREE, four)))
    assert back.state[1].startswith("Nobody can tell yet whether migration 02 was committed")
    assert back.state[2:] == (
        "The same goes for what was under way with it, 03: only the ledger can tell.",
        "Not applied: 04.",
    )
    assert back.question == "db-migrate status --environment=staging"
    assert back.commands == (going_back_to("0"),)
    assert back.cautions[1] == "A rollback undoes what the ledger has as completed, and nothing else."


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
    assert back.commands == (going_back_to("0"),)


def test_a_run_that_was_undone_has_nothing_to_undo() -> None:
    report = a_run(Outcome.ROLLED_BACK, *ALL_THREE, undoing=undoing(THREE, TWO, ONE), restore_point=POINT)
    back = back_from(report)
    assert back.state == ("Applied by this run, and undone by their down files, in this order: 03, 02, 01.",)
    assert back.commands == ()
    assert back.cautions == ("What was written into the tables and columns that are undone is gone with them.",)
    assert back.restore is not None


def test_says_why_nothing_was_undone() -> None:
    back = back_from(a_run(Outcome.FAILED, *ALL_THREE, undoing=Undoing(why_not="migration 02 has no down file")))
    assert back.state[1] == "Nothing was undone: migration 02 has no down file."
    assert back.commands == (going_back_to("0"),)


def test_an_undoing_that_stopped_says_what_is_undone_and_what_stays() -> None:
    failing = a_step(parse_down(TWO.file), failure="x")
    back = back_from(a_run(Outcome.FAILED, *ALL_THREE, undoing=undoing(THREE, failing=failing)))
    assert back.state == (
        "Applied by this run, and staying: 01, 02.",
        "Applied by this run, and undone by its down file: 03.",
        "Undoing 02 failed: migrations/02_example.sql:1: x. PostgreSQL rolled it back: migration 02 stays as it was.",
    )
    assert back.commands == (going_back_to("0"),)


def test_an_undoing_outside_of_a_transaction_may_stop_half_way() -> None:
    down = parse_down(replace(OUTSIDE.file, down=replace(OUTSIDE.file.up)))
    failing = a_step(down, failure="x", statements_done=1)
    back = back_from(a_run(Outcome.FAILED, a_step(ONE), a_step(OUTSIDE), undoing=undoing(failing=failing)))
    assert back.state[1] == (
        "Undoing 02 failed: migrations/02_example.sql:1: x. 1 of 2 statements of its down file are done. While the "
        "ledger has migration 02, a rollback goes on there."
    )
    assert back.commands == (going_back_to("0"),)


def test_an_undoing_whose_end_nobody_knows_is_asked_about() -> None:
    failing = a_step(parse_down(THREE.file), failure="lost", sure=False)
    back = back_from(a_run(Outcome.FAILED, *ALL_THREE, undoing=undoing(failing=failing)))
    assert back.state[1].endswith("Nobody can tell yet whether it was committed: while its row is there, it was not.")
    assert back.question


# As far as a rollback goes


@pytest.mark.parametrize(
    ("down", "why"),
    [
        (None, "has no down file"),
        ("-- nothing\n", "has a down file without a statement"),
        ("/* no */ ;;\n", "has a down file without a statement"),
    ],
)
def test_it_ends_where_nothing_undoes_a_migration(down: str | None, why: str) -> None:
    middle = a_migration(2, down=down)
    back = back_from(a_run(Outcome.FAILED, a_step(ONE), a_step(middle), a_step(THREE)))
    assert back.commands == (going_back_to("02"),)
    assert back.cautions[-1] == (
        f"Migration 02 {why}: what it did goes by hand, or by a restore. 01 can only be undone after it."
    )


def test_a_down_file_that_cannot_be_read_is_left_to_the_rollback_which_refuses_it() -> None:
    back = back_from(a_run(Outcome.FAILED, a_step(a_migration(1, down="/* never closed"))))
    assert back.commands == (going_back_to("0"),)


def test_it_ends_before_what_was_there_earlier() -> None:
    """A rollback goes by version, and a migration that came late is not the last one."""
    report = a_run(Outcome.FAILED, a_step(TWO), a_step(a_migration(5, down="SELECT 2;")))
    assert report.plan
    back = back_from(replace(report, plan=replace(report.plan, applied=("01", "03", "04"))))
    assert back.commands == (going_back_to("04"),)
    assert back.cautions[-1] == (
        "Migration 02 came late: a rollback goes by version, and would undo 03, 04 as well, which this run did not "
        "apply."
    )


def test_the_ledger_itself_is_not_undone() -> None:
    name = LEDGER_FILE.removeprefix("00_").removesuffix(".sql")
    back = back_from(a_run(Outcome.FAILED, a_step(a_migration(0, name=name)), a_step(ONE)))
    assert back.commands == (going_back_to("00"),)
    assert not any("00" in caution for caution in back.cautions)


# From a rollback


def test_a_rollback_in_production_says_what_is_gone_and_what_can_be_restored() -> None:
    report = a_rollback(Outcome.ROLLED_BACK, THREE, TWO, ONE, environment="production", restore_point=POINT)
    back = back_from(report)
    assert back.state == ("Undone by this run, in this order: 03, 02, 01.",)
    assert back.cautions == ("What was written into the tables and columns that are undone is gone with them.",)
    assert (back.commands, back.question) == ((), "")
    assert back.restore is not None


def test_a_rollback_elsewhere_that_went_well_has_nothing_to_say() -> None:
    assert rollback_instructions(a_rollback(Outcome.ROLLED_BACK, THREE, TWO, ONE)) is None


def test_a_rollback_that_stopped_says_what_is_undone_and_goes_on_to_the_same_version() -> None:
    failing = a_step(parse_down(TWO.file), failure="x")
    back = back_from(a_rollback(Outcome.FAILED, THREE, failing=failing))
    assert back.state == (
        "Undone by this run: 03.",
        "Not undone: 01, 02.",
        "Undoing 02 failed: migrations/02_example.sql:1: x. PostgreSQL rolled it back: migration 02 stays as it was.",
    )
    assert back.commands == (going_back_to("00"),)


def test_a_rollback_that_undid_nothing_needs_no_restore() -> None:
    back = back_from(a_rollback(Outcome.FAILED, failing=a_step(parse_down(THREE.file), failure="x"), backup=BACKUP))
    assert back.state[0] == "Not undone: 01, 02, 03."
    assert (back.restore, back.from_backup, back.cautions) == (None, "", ())


def test_a_rollback_that_stopped_outside_of_a_transaction_goes_on_there() -> None:
    down = parse_down(replace(OUTSIDE.file, down=OUTSIDE.file.up))
    report = a_rollback(Outcome.FAILED, THREE, failing=a_step(down, failure="x", statements_done=1))
    back = back_from(replace(report, migrations=[report.migrations[0], down, report.migrations[2]]))
    assert "Not undone: 01." in back.state
    assert "a rollback goes on there" in back.state[-1]
    assert back.commands == (going_back_to("00"),)
    assert back.restore is not None


def test_a_rollback_whose_end_nobody_knows_is_asked_about_and_goes_on() -> None:
    report = a_rollback(Outcome.FAILED)
    failing = a_step(report.migrations[0], failure="lost", sure=False)
    back = back_from(replace(report, undoing=Undoing(steps=(failing,))))
    assert back.state[0] == "Not undone: 01, 02."
    assert back.state[1].endswith("Nobody can tell yet whether it was committed: while its row is there, it was not.")
    assert (back.question, back.commands) == ("db-migrate status --environment=staging", (going_back_to("00"),))


# For a shell


ODD = ["plain", "it's", 'a "b"', "$HOME", "a`b`", "back\\slash", "!it's", "a b", "é", "-x"]


def passed_on(program: str, command: str) -> list[str]:
    """What a shell gives to the program."""
    script = f"{program}() {{ printf '%s\\0' \"$@\"; }}\n{command}"
    environ = {"DATABASE_URL": "postgresql://a b"}
    done = subprocess.run(["sh", "-c", script], capture_output=True, check=True, text=True, env=environ)
    return done.stdout.split("\0")[:-1]


@pytest.mark.parametrize("odd", ODD)
def test_a_shell_passes_on_exactly_what_is_meant(odd: str) -> None:
    migration = a_migration(1, down="SELECT 1;")
    up = replace(migration.file.up, path=PurePosixPath(odd) / "01_example.sql")
    migration = replace(migration, file=replace(migration.file, up=up))
    report = a_run(Outcome.FAILED, a_step(migration), tracking_schema=odd, environment=odd)
    # A function of the shell may have no hyphen in its name.
    command = back_from(report).commands[0].replace("db-migrate", "migrate", 1)
    assert passed_on("migrate", command) == [
        *("rollback", f"--environment={odd}", "--to=0"),
        *(f"--migrations-path={odd}", f"--tracking-schema={odd}"),
    ]


@pytest.mark.parametrize("odd", ODD)
def test_a_shell_finds_the_down_file(odd: str) -> None:
    migration = a_migration(1, name=odd, sql="VACUUM;\nVACUUM;", down="SELECT 1;")
    command = back_from(a_run(Outcome.FAILED, a_step(migration, failure="x"))).commands[0]
    assert passed_on("psql", command) == [
        *("-X", "-d", "postgresql://a b", "-v", "ON_ERROR_STOP=1"),
        *("-f", f"migrations/01_{odd}.down.sql"),
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


def test_the_log_has_the_state_the_command_and_the_target() -> None:
    report = a_run(Outcome.FAILED, *ALL_THREE, restore_point=POINT)
    assert list(in_short(back_from(report))) == [
        "Applied by this run, and staying: 01, 02, 03.",
        "What undoes it:\n  db-migrate rollback --environment=staging --to=0",
        "Undoing drops what was written since into the tables and columns that these migrations made.",
        (
            "Restore target: `db_migrate_7f3c2c1e`, WAL position 0/16B3748, 2026-11-22 12:00:00 UTC; a restore loses "
            "what was written since."
        ),
    ]


def test_commands_that_follow_on_each_other_do_so_only_when_the_one_before_succeeded() -> None:
    back = RollbackInstructions(state=(), commands=("# look\na", "b"))
    assert list(in_short(back)) == ["What undoes it:\n  # look\n  a &&\n  b"]


def test_many_versions_are_counted() -> None:
    steps = [a_step(number) for number in range(1, 20)]
    assert back_from(a_run(Outcome.FAILED, *steps)).state == (
        "Applied by this run, and staying: 01, 02 … 19 (19 migrations).",
    )


# Undoing that no run goes on with

IN_ITS_SESSION = "CREATE TEMP TABLE old ();\nDROP INDEX CONCURRENTLY i;"


@pytest.mark.parametrize("sure", [True, False])
def test_what_no_run_can_go_on_with_goes_by_hand_before_the_rest_is_rolled_back(sure: bool) -> None:
    down = parse_down(a_migration(2, sql=OUTSIDE.source.text, down=IN_ITS_SESSION).file)
    back = back_from(a_rollback(Outcome.FAILED, THREE, failing=a_step(down, failure="x", statements_done=1, sure=sure)))
    assert back.state[-1].endswith("No run goes on there, as it would lack what they left in their session: the rest "
                                   "goes by hand.")  # fmt: skip
    assert back.commands == (f"# when nothing of 02 is left\n{SETTLED}", going_back_to("00"))


def test_behind_the_first_migration_of_it_nothing_is_left_to_roll_back() -> None:
    down = parse_down(a_migration(1, sql=OUTSIDE.source.text, down=IN_ITS_SESSION).file)
    back = back_from(a_rollback(Outcome.FAILED, THREE, TWO, failing=a_step(down, failure="x", statements_done=1)))
    assert [command.splitlines()[0] for command in back.commands] == ["# when nothing of 01 is left"]


def test_a_release_whose_undoing_cannot_go_on_is_undone_by_hand_up_to_there() -> None:
    down = parse_down(a_migration(2, sql=OUTSIDE.source.text, down=IN_ITS_SESSION).file)
    stopped = undoing(failing=a_step(down, failure="x", statements_done=1))
    back = back_from(a_run(Outcome.FAILED, a_step(ONE), a_step(OUTSIDE), undoing=stopped))
    assert back.commands == (f"# when nothing of 02 is left\n{SETTLED}", going_back_to("0"))


def test_what_did_nothing_is_no_hindrance() -> None:
    nothing = a_migration(2, sql="-- nothing\n")
    back = back_from(a_run(Outcome.FAILED, a_step(ONE), a_step(nothing), a_step(THREE)))
    assert back.commands == (going_back_to("0"),)
    assert not any("no down file" in caution for caution in back.cautions)

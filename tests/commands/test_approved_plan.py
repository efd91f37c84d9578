"""What was approved is what runs: two jobs, and what may happen between them."""

import json
import re
from pathlib import Path

import pytest

from tests.commands.conftest import CommandLine, Ran
from tests.conftest import Database

REPORT = "db-migrate-report/plan.json"


@pytest.fixture
def planned(db_migrate: CommandLine) -> CommandLine:
    db_migrate.write(_01_users="CREATE TABLE users (id int);")
    return db_migrate


def plan(db_migrate: CommandLine, *argv: str) -> str:
    """What the first job gives the second: the digest. Its file is kept under another name."""
    ran = db_migrate("--dry-run", *argv, GITHUB_ACTIONS="true")
    assert ran.exit_code == 0, ran.log
    assert output(ran, "plan") == REPORT
    (db_migrate.checkout / REPORT).rename(db_migrate.checkout / "approved.json")
    return output(ran, "plan-digest")


def output(ran: Ran, name: str) -> str:
    found = re.search(rf"^{name}<<(\S+)\n(.*?)\n\1$", ran.output_file, re.MULTILINE | re.DOTALL)
    assert found
    return found[2]


def test_the_approved_plan_runs_and_the_ledger_keeps_its_digest(planned: CommandLine, database: Database) -> None:
    digest = plan(planned)
    for form in (f"{digest} approved.json", digest):
        assert planned("--dry-run", "--approved-plan", form).exit_code == 0
    ran = planned("--approved-plan", f"{digest} approved.json")
    assert ran.exit_code == 0, ran.log
    assert "is the plan that was approved" in ran.log
    assert database.value("SELECT plan_digest FROM migration_runs") == digest
    assert f"Plan digest `{digest}`" in ran.summary


def test_the_file_is_the_plan_and_its_digest(planned: CommandLine) -> None:
    digest = plan(planned)
    text = (planned.checkout / "approved.json").read_text()
    import hashlib

    assert hashlib.sha256(text.encode()).hexdigest() == digest
    assert [file["path"] for file in json.loads(text)["files"]] == ["migrations/01_users.sql"]
    assert json.loads(text)["target"]["system"].isdecimal()


def test_a_file_that_was_pushed_between_the_two_is_refused(planned: CommandLine, database: Database) -> None:
    digest = plan(planned)
    planned.write(_02_admin="CREATE ROLE attacker SUPERUSER;")
    before = database.dump()
    ran = planned("--approved-plan", f"{digest} approved.json")
    assert ran.exit_code == 3
    assert "this is not the plan that was approved: migrations/02_admin.sql is new" in ran.log
    assert database.dump() == before


def test_a_file_that_was_changed_between_the_two_is_refused(planned: CommandLine) -> None:
    digest = plan(planned)
    planned.write(_01_users="CREATE TABLE users (id int, admin boolean DEFAULT true);")
    ran = planned("--approved-plan", f"{digest} approved.json")
    assert ran.exit_code == 3
    assert "migrations/01_users.sql changed: its content" in ran.log


def test_a_check_file_counts_as_it_executes_as_well(planned: CommandLine) -> None:
    digest = plan(planned)
    planned.write(_01_users__check="SELECT true;")
    assert "01_users.sql changed: its check file" in planned("--approved-plan", f"{digest} approved.json").log


def test_a_database_that_moved_is_refused(planned: CommandLine) -> None:
    digest = plan(planned)
    planned.write(_02_more="CREATE TABLE more (id int);")
    assert planned("--version", "01").exit_code == 0
    ran = planned("--approved-plan", f"{digest} approved.json")
    assert ran.exit_code == 3
    assert "the version that the database is at is 01 and was" in ran.log


def test_another_setting_is_refused(planned: CommandLine) -> None:
    digest = plan(planned)
    ran = planned("--approved-plan", f"{digest} approved.json", "--transaction", "release")
    assert ran.exit_code == 3
    assert "`transaction` is release and was migration" in ran.log


def test_with_the_digest_alone_it_is_refused_as_well(planned: CommandLine) -> None:
    digest = plan(planned)
    planned.write(_02_more="CREATE TABLE more (id int);")
    ran = planned("--approved-plan", digest)
    assert ran.exit_code == 3
    assert f"and {digest} was approved" in ran.log


def test_a_file_that_is_not_that_of_the_digest_is_refused(planned: CommandLine) -> None:
    digest = plan(planned)
    approved = planned.checkout / "approved.json"
    approved.write_text(approved.read_text().replace("01_users", "02_users"))
    ran = planned("--approved-plan", f"{digest} approved.json")
    assert ran.exit_code == 3
    assert f"the file of the plan is not the plan {digest}" in ran.log


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("nope", "it is no plan digest"),
        ("A" * 64, "it is no plan digest"),
        ("approved.json", "it is no plan digest"),
        (f"{'0' * 64} absent.json", "absent.json cannot be read: No such file"),
        (f"{'0' * 64} {'1' * 64}", "it is no plan digest"),
    ],
)
def test_what_is_no_approval_is_told(planned: CommandLine, value: str, said: str) -> None:
    ran = planned("--approved-plan", value)
    assert ran.exit_code == 2
    assert said in ran.log


def test_an_output_that_did_not_arrive_does_not_switch_the_gate_off(planned: CommandLine, database: Database) -> None:
    """GitHub passes an empty value on, and no default in its place."""
    ran = planned(**{"INPUT_APPROVED-PLAN": ""})
    assert ran.exit_code == 2
    assert "approved-plan: it is empty" in ran.log
    assert planned("--approved-plan", "").exit_code == 2
    assert database.tables() == set()
    assert planned(**{"INPUT_APPROVED-PLAN": "none"}).exit_code == 0


def test_a_link_in_the_place_of_the_report_is_not_followed(planned: CommandLine, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (planned.checkout / "db-migrate-report").symlink_to(elsewhere)
    ran = planned("--dry-run", GITHUB_ACTIONS="true")
    assert ran.exit_code == 0
    assert "the files for the steps that follow could not be written: it is a link" in ran.log
    assert list(elsewhere.iterdir()) == []

"""What a run writes to GitHub: the release of its tag, the comment on its pull request, the files for later steps."""

import json
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from tests.commands.conftest import CommandLine, Ran
from tests.commands.processes import running
from tests.commands.test_production import CONFIRMED, TAG, TWO, outputs
from tests.conftest import Database
from tests.github_api import BOT, REPOSITORY, TOKEN, Answer, GitHubServer, Origin, github_server

OURS = "### Database migrations in v1.2.3"
REFUSED = Answer(status=403, body={"message": "Resource not accessible by integration"})
SHA = "3f1c0a2b9d8e7f605142a3b4c5d6e7f801928374"


@pytest.fixture
def github() -> Iterator[GitHubServer]:
    with github_server() as server:
        server.tags.add("v1.2.3")
        yield server


@pytest.fixture
def shop(db_migrate: CommandLine) -> CommandLine:
    db_migrate.write(_01_one="-- Purpose: the first\nCREATE TABLE one (id int);", _02_two=TWO)
    return db_migrate


def release(command_line: CommandLine, github: GitHubServer, *argv: str) -> Ran:
    """A run in production, as the push of v1.2.3 starts it."""
    return command_line(*CONFIRMED, "--create-release", *argv, **TAG, **job(github))


def comment(command_line: CommandLine, github: GitHubServer, *argv: str, event: object = None, **environ: str) -> Ran:
    """A dry run, or the command of the input, as pull request 7 starts it."""
    path = command_line.checkout.parent / "event.json"
    pull = {"number": 7, "base": {"ref": "main", "sha": SHA}, "head": {"sha": SHA, "ref": "topic"}}
    path.write_text(json.dumps(event or {"pull_request": pull, "repository": {"full_name": REPOSITORY}}))
    about = {"GITHUB_EVENT_NAME": "pull_request", "GITHUB_EVENT_PATH": str(path), "GITHUB_REF": "refs/pull/7/merge"}
    asked = () if "INPUT_COMMAND" in environ else ("migrate", "--dry-run", "--dry-run-mode", "preview", *argv)
    return command_line(*asked, **job(github) | about | {"INPUT_PR-COMMENT": "true"} | environ)


def job(github: GitHubServer) -> dict[str, str]:
    return {
        "GITHUB_ACTIONS": "true",
        "GITHUB_API_URL": github.url,
        "GITHUB_REPOSITORY": REPOSITORY,
        "GITHUB_TOKEN": TOKEN,
        "GITHUB_WORKFLOW_REF": f"{REPOSITORY}/.github/workflows/migrate.yml@refs/heads/main",
    }


# The release


def test_a_tag_gets_its_release(shop: CommandLine, github: GitHubServer) -> None:
    ran = release(shop, github)
    assert ran.exit_code == 0, ran.log
    [made] = github.releases
    assert (made["tag_name"], made["name"], made["prerelease"], made["draft"]) == ("v1.2.3", "v1.2.3", False, False)
    assert OURS in made["body"]
    assert "| 01 | one | the first |" in made["body"]
    assert outputs(ran)["release-url"] == made["html_url"]
    assert f"✓ release        v1.2.3 has its notes: {made['html_url']}" in ran.log
    assert (shop.checkout / outputs(ran)["release-notes"]).read_text().strip() in made["body"]
    assert json.loads((shop.checkout / outputs(ran)["report"]).read_text())["release_url"] == made["html_url"]


def test_what_a_person_wrote_stays_and_a_second_run_changes_nothing(shop: CommandLine, github: GitHubServer) -> None:
    github.release("v1.2.3", "Thanks to all!\n")
    assert release(shop, github).exit_code == 0
    first = github.releases[0]["body"]
    assert first.startswith("Thanks to all!\n")
    sent = len(github.sent)
    ran = release(shop, github)  # the job is run again
    assert outputs(ran)["outcome"] == "up-to-date"
    assert outputs(ran)["release-url"] == github.releases[0]["html_url"]
    assert (github.releases[0]["body"], len(github.sent)) == (first, sent)


def test_a_release_that_fails_is_a_warning_and_the_job_may_be_run_again(
    shop: CommandLine, github: GitHubServer, database: Database
) -> None:
    github.next_answers.append(REFUSED)
    ran = release(shop, github)
    assert ran.exit_code == 0, ran.log
    assert outputs(ran)["outcome"] == "applied"
    assert outputs(ran)["release-url"] == ""
    assert OURS in (shop.checkout / outputs(ran)["release-notes"]).read_text()
    assert "✗ release        no release; the notes are in db-migrate-report/release-notes.md" in ran.log
    assert "::warning title=db-migrate::the token may not write the release (403)" in ran.log
    assert database.value("SELECT outcome FROM migration_runs") == "applied"
    again = release(shop, github)
    assert outputs(again)["outcome"] == "up-to-date"
    assert "| 01 | one | the first |" in github.releases[0]["body"]
    assert "| 02 | two |" in github.releases[0]["body"]


def test_notes_have_what_an_attempt_that_failed_half_way_has_applied(
    shop: CommandLine, github: GitHubServer, database: Database
) -> None:
    shop.write(_03_bad="SELECT 1 / 0;")
    assert release(shop, github).exit_code == 1
    assert github.releases == []
    shop.write(_03_bad="SELECT 1;")
    assert release(shop, github).exit_code == 0
    body = github.releases[0]["body"]
    assert [version in body for version in ("| 01 |", "| 02 |", "| 03 |")] == [True, True, True]
    first, second = (
        point for (point,) in database.query("SELECT restore_point FROM migration_runs ORDER BY started_at")
    )
    assert f"Restore point before it: `{first}`." in body  # the other lies behind what the first attempt has applied
    assert str(second) not in body
    assert "in several attempts" in body
    sent = len(github.sent)
    assert outputs(release(shop, github))["outcome"] == "up-to-date"
    assert len(github.sent) == sent


def test_two_databases_of_one_tag_have_a_section_each(
    shop: CommandLine, github: GitHubServer, database: Database
) -> None:
    assert release(shop, github).exit_code == 0
    other = database.server.create_database(f"{database.name}_west")
    assert shop(*CONFIRMED, "--create-release", **TAG | {"DATABASE_URL": other.value}, **job(github)).exit_code == 0
    body = github.releases[0]["body"]
    assert body.count(OURS) == 2
    assert f"(database {database.name}," in body.replace("\\", "")
    assert f"(database {database.name}_west," in body.replace("\\", "")


@pytest.mark.parametrize("address", ["http://api..example/api/v3", "http://" + "a" * 64 + ".example", "http://[::1"])
def test_no_address_of_github_makes_a_failure_of_what_was_applied(
    shop: CommandLine, github: GitHubServer, database: Database, address: str
) -> None:
    job_there = job(github) | {"GITHUB_API_URL": address}
    ran = shop(*CONFIRMED, "--create-release", **TAG, **job_there)
    assert ran.exit_code == 0, ran.log
    assert "✗ release" in ran.log
    assert database.value("SELECT outcome FROM migration_runs") == "applied"
    assert comment(shop, github, "--environment", "production", GITHUB_API_URL=address).exit_code == 0


def test_a_cancel_while_the_release_is_written_does_not_undo_that_all_went_well(
    shop: CommandLine, github: GitHubServer, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = threading.Event()
    with hanging(asked) as url:
        for name, value in (TAG | job(github) | {"GITHUB_API_URL": url}).items():
            monkeypatch.setenv(name, value)
        with running(shop, *CONFIRMED, "--create-release") as process:
            assert asked.wait(20)
            process.send_signal(signal.SIGTERM)
            log, _ = process.communicate(timeout=10)
    assert process.returncode == 0, log
    assert "the release was not written: cancelled by SIGTERM" in log
    assert "2 migrations applied to production" in log
    assert database.value("SELECT outcome FROM migration_runs") == "applied"


@contextmanager
def hanging(asked: threading.Event) -> Iterator[str]:
    """A server that takes a question and does not answer."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def take() -> None:
            with suppress(OSError):
                held.append(listening.accept()[0])
                asked.set()

        held: list[socket.socket] = []
        thread = threading.Thread(target=take)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection in held:
                connection.close()


def test_a_tag_that_migrates_nothing_has_no_release(shop: CommandLine, github: GitHubServer) -> None:
    assert release(shop, github).exit_code == 0
    github.releases.clear()
    github.tags.add("v1.2.4")
    ran = shop(*CONFIRMED, "--create-release", **TAG | {"GITHUB_REF": "refs/tags/v1.2.4"}, **job(github))
    assert ran.exit_code == 0, ran.log
    assert "– release        v1.2.4 has migrated nothing" in ran.log
    assert github.releases == []


def test_a_dry_run_writes_no_release(shop: CommandLine, github: GitHubServer) -> None:
    assert release(shop, github, "--dry-run").exit_code == 0
    assert github.requests == []


# The comment


def test_a_pull_request_has_one_comment_that_is_kept_up_to_date(shop: CommandLine, github: GitHubServer) -> None:
    github.comment("Looks good to me.", BOT)
    assert comment(shop, github).exit_code == 0
    assert "Dry run: 2 migrations would be applied to development" in github.comments[1]["body"]
    assert f"commit [{SHA[:7]}](https://github.com/{REPOSITORY}/commit/{SHA})" in github.comments[1]["body"]
    shop.write(_03_three="CREATE TABLE three ();")
    assert comment(shop, github).exit_code == 0
    assert len(github.comments) == 2
    assert "Dry run: 3 migrations would be applied to development" in github.comments[1]["body"]
    comment(shop, github, "--environment", "staging")
    assert len(github.comments) == 3  # of another database


def test_the_comment_of_a_check_names_what_the_pull_request_changes(
    shop: CommandLine, github: GitHubServer, tmp_path: Path
) -> None:
    origin = Origin(tmp_path / "origin")
    origin.commit(
        {"migrations/01_one.sql": "-- Breaking: long ago\nCREATE TABLE one (id int);", "migrations/02_two.sql": TWO}
    )
    origin.branch_off("topic")
    origin.commit({"migrations/03_three.sql": "-- Breaking: now\nALTER TABLE two DROP COLUMN id;"}, on="topic")
    pull = origin.pull("topic")
    checkout = origin.checkout(tmp_path / "cloned", "refs/pull/7/merge", depth=2)
    base, head = {"ref": "main", "sha": pull.base_sha}, {"ref": "topic", "sha": pull.head_sha}
    event = {"pull_request": {"number": 7, "base": base, "head": head}, "repository": {"full_name": REPOSITORY}}
    where = {"GITHUB_WORKSPACE": str(checkout), "GITHUB_SHA": pull.merge_sha}
    ran = comment(shop, github, event=event, INPUT_COMMAND="check", **where)
    assert ran.exit_code == 0, ran.log
    body = github.comments[0]["body"]
    assert "| 03 | three | ⚠️ **Breaking:** now |" in body
    assert "long ago" not in body
    assert "and 2 migrations that were there before, executed from zero as well." in body
    assert "ban-drop-column" in body


def test_without_the_right_to_comment_it_warns_and_goes_on(shop: CommandLine, github: GitHubServer) -> None:
    github.next_answers.append(replace(REFUSED, to="POST"))
    ran = comment(shop, github)
    assert ran.exit_code == 0
    assert "::warning title=db-migrate::the token may not comment on the pull request (403)" in ran.log
    assert "pull-requests: write" in ran.log
    assert github.comments == []


def test_a_run_that_was_refused_for_its_inputs_says_so_in_the_comment(shop: CommandLine, github: GitHubServer) -> None:
    assert comment(shop, github, "--lock-timeout", "soon").exit_code == 2
    assert "Refused: nothing was changed" in github.comments[0]["body"]
    assert "`soon` is not a duration" in github.comments[0]["body"]


def test_no_event_of_a_pull_request_no_comment(shop: CommandLine, github: GitHubServer) -> None:
    assert comment(shop, github, GITHUB_EVENT_NAME="push").exit_code == 0
    assert github.requests == []


def test_without_being_asked_nothing_is_said_to_github(shop: CommandLine, github: GitHubServer) -> None:
    assert shop(*CONFIRMED, **TAG, **job(github)).exit_code == 0
    assert github.requests == []


# Templates of the user's own


def write_template(command_line: CommandLine, name: str, text: str) -> None:
    """Into the checkout's folder `templates`."""
    path = command_line.checkout / "templates" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


def test_templates_of_the_checkout_take_the_place_of_ours(shop: CommandLine, github: GitHubServer) -> None:
    write_template(shop, "summary.md.j2", "# {{ report.environment }}: {{ report.outcome }}\n")
    write_template(shop, "pr_comment.md.j2", "{{ report.migrations | length }} to come\n")
    ran = comment(shop, github, "--templates-path", "templates")
    assert ran.summary == "# development: dry-run\n"
    assert github.comments[0]["body"].endswith("2 to come")


def test_a_template_that_is_wrong_ends_the_run_before_anything(shop: CommandLine, database: Database) -> None:
    write_template(shop, "summary.md.j2", "ok\n{{ report.enviroment }}\n")
    ran = shop("--templates-path", "templates", GITHUB_ACTIONS="true")
    assert ran.exit_code == 2
    assert "templates/summary.md.j2:2: " in ran.log
    assert "did you mean `environment`?" in ran.log
    assert "Refused: nothing was changed" in ran.summary  # by ours
    assert database.tables() == set()


def test_a_template_that_fails_on_the_way_gives_way_to_ours(shop: CommandLine) -> None:
    write_template(shop, "summary.md.j2", "{{ 1 // (report.applied | length - 2) }}\n")
    ran = shop("--templates-path", "templates", GITHUB_ACTIONS="true")
    assert ran.exit_code == 0
    assert "2 migrations applied to development" in ran.summary
    assert "::warning file=templates/summary.md.j2,line=1" in ran.log


# The files


@pytest.mark.parametrize("command", ["migrate", "check", "status", "history", "verify", "config"])
def test_every_command_leaves_its_report(shop: CommandLine, command: str) -> None:
    ran = shop(command)
    report = json.loads((shop.checkout / outputs(ran)["report"]).read_text())
    assert (report["command"], report["exit_code"]) == (command, ran.exit_code)


def test_what_cannot_be_written_is_told_and_changes_nothing_else(shop: CommandLine, tmp_path: Path) -> None:
    (shop.checkout / "db-migrate-report").symlink_to(tmp_path)
    ran = shop()
    assert ran.exit_code == 0
    assert "! the files for the steps that follow could not be written" in ran.log
    assert (outputs(ran)["outcome"], outputs(ran)["report"]) == ("applied", "")

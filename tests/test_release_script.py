"""How a release of the action is made: .github/release/release.py, on real repositories, and what its workflow asks."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
SCRIPT = ROOT / ".github" / "release" / "release.py"
WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())
DIGEST, OTHER_DIGEST = "1" * 64, "2" * 64
IMAGE, OTHER_IMAGE = (f"ghcr.io/org/db-migrate-action@sha256:{digest}" for digest in (DIGEST, OTHER_DIGEST))
CHANGELOG = """# Changelog

## Unreleased

- what comes

## [1.2.3] - 2026-11-28

### Added

- What users notice.

## 1.2.2

- Before.

## 1.2.1
"""


class Repository:
    """A repository on GitHub, and the checkout of a job."""

    def __init__(self, folder: Path) -> None:
        self.origin, self.source, self.job = folder / "origin.git", folder / "source", folder / "job"
        git("init", "--quiet", "--bare", str(self.origin), cwd=folder)
        git("init", "--quiet", "--initial-branch=main", str(self.source), cwd=folder)
        git("remote", "add", "origin", str(self.origin), cwd=self.source)
        for path in ("action.yml", ".github/workflows/ci.yml"):
            (self.source / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, self.source / path)

    def mark(self, version: str, *, action: str = "") -> None:
        """Make a commit of a version, ask for its release, and check it out as GitHub's job does: without history."""
        (self.source / "runner").mkdir(exist_ok=True)
        (self.source / "runner" / "__init__.py").write_text(f'"""x"""\n\n__version__ = "{version}"\n')
        (self.source / "CHANGELOG.md").write_text(CHANGELOG)
        if action:
            (self.source / "action.yml").write_text(action)
        git("add", ".", cwd=self.source)
        git("commit", "--quiet", "--allow-empty", "-m", version, cwd=self.source)
        git("tag", f"release/v{version}", cwd=self.source)
        git("push", "--quiet", "origin", "main", "--tags", cwd=self.source)
        self.check_out(version)

    def check_out(self, version: str) -> None:
        shutil.rmtree(self.job, ignore_errors=True)
        tag = f"release/v{version}"
        git("clone", "--quiet", "--depth=1", f"--branch={tag}", f"file://{self.origin}", str(self.job), cwd=self.source)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, SCRIPT, *arguments], cwd=self.job, capture_output=True, text=True)

    def publish(self, version: str, image: str = IMAGE) -> None:
        ran = self.run("publish", version, image)
        assert ran.returncode == 0, ran.stderr

    def refusal(self, *arguments: str) -> str:
        """What the script says when it refuses, which leaves the tags as they are."""
        before = self.tags()
        ran = self.run(*arguments)
        assert ran.returncode == 1
        assert ran.stderr.startswith("release: ")
        assert self.tags() == before
        return ran.stderr

    def ask(self, *arguments: str) -> str:
        return git(*arguments, cwd=self.origin).strip()

    def tags(self) -> dict[str, str]:
        lines = self.ask("for-each-ref", "--format=%(refname:short) %(objectname)", "refs/tags").splitlines()
        tags = dict(line.split(" ") for line in lines)
        return {name: commit for name, commit in tags.items() if not name.startswith("release/")}


def git(*arguments: str, cwd: Path) -> str:
    somebody = {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    environ = {**os.environ, **somebody, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    ran = subprocess.run(["git", *arguments], cwd=cwd, capture_output=True, text=True, env=environ)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """With 1.2.3, for tests that change nothing."""
    repository = Repository(tmp_path_factory.mktemp("released"))
    repository.mark("1.2.3")
    repository.publish("1.2.3")
    return repository


def test_the_action_of_a_release_names_its_image_by_digest(released: Repository) -> None:
    action = yaml.safe_load(released.ask("show", "v1.2.3:action.yml"))
    source = yaml.safe_load((ROOT / "action.yml").read_text())
    assert action == source | {"runs": {"using": "docker", "image": f"docker://{IMAGE}"}}


def test_a_release_differs_from_what_was_marked_in_one_line_and_has_no_workflow(released: Repository) -> None:
    changed = released.ask("diff", "--numstat", "release/v1.2.3", "v1.2.3", "--", ".", ":!.github")
    assert changed == "1\t1\taction.yml"
    assert ".github" not in released.ask("ls-tree", "--name-only", "v1.2.3").splitlines()
    assert released.ask("rev-parse", "v1.2.3^") == released.ask("rev-parse", "release/v1.2.3")


def test_the_checkout_is_left_alone(released: Repository) -> None:
    assert git("status", "--porcelain", cwd=released.job) == ""


def test_the_tag_of_the_major_version_moves_along(repository: Repository) -> None:
    for version in ("1.2.2", "1.2.3"):
        repository.mark(version)
        repository.publish(version)
    tags = repository.tags()
    assert tags.keys() == {"v1", "v1.2.2", "v1.2.3"}
    assert tags["v1"] == tags["v1.2.3"] != tags["v1.2.2"]


@pytest.mark.parametrize(
    ("first", "then", "v1"),
    [
        pytest.param("1.10.0", "1.9.1", "v1.10.0", id="a-fix-of-an-older-line"),
        pytest.param("2.0.0", "1.9.1", "v1.9.1", id="another-major-version"),
    ],
)
def test_a_later_release_keeps_the_tag_of_its_major_version(
    repository: Repository, first: str, then: str, v1: str
) -> None:
    for version in (first, then):
        repository.mark(version)
        repository.publish(version)
    assert repository.tags()["v1"] == repository.tags()[v1]


def test_a_run_that_is_repeated_changes_nothing(released: Repository) -> None:
    before = released.tags()
    released.check_out("1.2.3")
    released.publish("1.2.3")
    assert released.tags() == before


def test_a_run_that_is_repeated_makes_up_for_a_tag_that_is_missing(released: Repository) -> None:
    before = released.tags()
    released.ask("tag", "-d", "v1")
    released.publish("1.2.3")
    assert released.tags() == before


def test_a_release_never_changes(released: Repository) -> None:
    assert "v1.2.3 is there already" in released.refusal("publish", "1.2.3", OTHER_IMAGE)


def test_both_tags_move_or_none(repository: Repository) -> None:
    repository.mark("1.2.3")
    hook = repository.origin / "hooks" / "update"
    hook.write_text('#!/bin/sh\ntest "$1" != refs/tags/v1\n')
    hook.chmod(0o755)
    assert "git push" in repository.refusal("publish", "1.2.3", IMAGE)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["publish", "1.2.3", "ghcr.io/org/db-migrate-action:1.2.3"], "by its digest", id="a-tag"),
        pytest.param(["publish", "1.2.3", f"ghcr.io/org/x@sha256:{DIGEST}\n"], "by its digest", id="a-line-more"),
        pytest.param(["publish", "v1.2.3", IMAGE], "wanted are 1.2.3", id="a-tag-for-a-version"),
        pytest.param(["publish", "1.2.03", IMAGE], "wanted are 1.2.3", id="a-number-with-a-zero"),
        pytest.param(["publish"], "release.py publish X.Y.Z IMAGE", id="nothing"),
        pytest.param(["check", "v1.2.3"], "such as release/v1.2.3", id="the-tag-of-the-release"),
        pytest.param(["check", "release/v1.2"], "such as release/v1.2.3", id="two-numbers"),
        pytest.param(["check", "release/v1.2.3-rc.1"], "such as release/v1.2.3", id="a-pre-release"),
        pytest.param(["check", "release/v1.2.4"], "runner/__init__.py has version 1.2.3: make it 1.2.4", id="another"),
        pytest.param(["notes", "1.3.0", IMAGE], "CHANGELOG.md has nothing under `## 1.3.0`", id="not-in-the-changelog"),
        pytest.param(["notes", "1.2.1", IMAGE], "CHANGELOG.md has nothing under `## 1.2.1`", id="nothing-noticed"),
    ],
)
def test_what_is_not_ready_is_refused(released: Repository, arguments: list[str], message: str) -> None:
    assert message in released.refusal(*arguments)


def test_an_action_that_is_no_longer_built_here_is_refused(repository: Repository) -> None:
    repository.mark("1.2.3", action="runs:\n  using: docker\n  image: docker/Dockerfile\n")
    assert "action.yml must say `image: Dockerfile`" in repository.refusal("publish", "1.2.3", IMAGE)


def test_the_version_is_that_of_tag_source_and_changelog(released: Repository) -> None:
    assert released.run("check", "release/v1.2.3").stdout == "1.2.3\n"


def test_the_notes_are_what_the_changelog_says_of_the_version_and_the_image(released: Repository) -> None:
    notes = released.run("notes", "1.2.3", IMAGE).stdout
    assert notes.startswith("### Added\n\n- What users notice.\n\n## Image\n")
    assert f"oci://{IMAGE} --repo " in notes
    assert "what comes" not in notes
    assert "Before" not in notes


@pytest.mark.parametrize(
    ("registry", "exit_code", "output"),
    [
        pytest.param("echo sha256:1", 0, "digest=sha256:1\n", id="finished-before"),
        pytest.param("echo ERROR: $4: not found >&2; exit 1", 0, "", id="not-there"),
        pytest.param("echo ERROR: $4: 503 Service Unavailable >&2; exit 1", 1, "", id="down"),
        pytest.param("echo ERROR: lookup ghcr.io: host not found >&2; exit 1", 1, "", id="no-network"),
    ],
)
def test_an_image_is_only_built_when_the_registry_says_that_there_is_none(
    tmp_path: Path, registry: str, exit_code: int, output: str
) -> None:
    (step,) = (step for step in WORKFLOW["jobs"]["image"]["steps"] if step.get("id") == "before")
    docker, told = tmp_path / "docker", tmp_path / "output"
    docker.write_text(f"#!/bin/sh\n{registry}\n")
    docker.chmod(0o755)
    told.touch()
    environ = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "IMAGE": "ghcr.io/org/db-migrate-action",
        "GITHUB_SHA": "1" * 40,
        "GITHUB_OUTPUT": str(told),
        "SAID": str(tmp_path / "said"),
    }
    ran = subprocess.run(["bash", "-e", "-c", step["run"]], env=environ, capture_output=True, text=True)
    assert (ran.returncode, told.read_text()) == (exit_code, output), ran.stderr

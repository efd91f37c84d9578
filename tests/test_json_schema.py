"""The schema of db-migrate.yml: it is that of the program, and says about a file what the program says."""

import io
import json
import os
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from ruamel.yaml import YAML

from runner.config import problems_of
from runner.config_file import KEYS, parse_config_file
from runner.inputs import BY_NAME
from runner.json_schema import config_schema

ROOT = Path(__file__).parent.parent
FILE = ROOT / "docs" / "db-migrate.schema.json"
SCHEMA: dict[str, Any] = json.loads(config_schema())
EXAMPLE = (ROOT / "examples" / "knowledge-workspace" / "db-migrate.yml").read_text()
PAGE = (ROOT / "docs" / "configuration.md").read_text().partition("```yaml\n")[2].partition("```")[0]


def fits(text: str) -> bool:
    """Whether an editor, which reads YAML 1.2, would mark nothing."""
    return bool(Draft202012Validator(SCHEMA).is_valid(YAML(typ="safe").load(io.StringIO(text))))


def passes(text: str) -> bool:
    """Whether the program would say nothing."""
    return not problems_of(parse_config_file(text.encode(), PurePosixPath("db-migrate.yml")))


def test_the_file_beside_the_pages_is_the_one_of_the_program() -> None:
    if os.environ.get("RENEW_SCHEMA"):
        FILE.write_text(config_schema())
    assert FILE.read_text() == config_schema(), "make it anew with RENEW_SCHEMA=1"


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_it_explains_every_key_that_the_file_may_have() -> None:
    assert list(SCHEMA["properties"]) == [*KEYS, "locked", "environments"]
    assert {name: SCHEMA["$defs"][name]["description"] for name in KEYS} == {
        name: BY_NAME[name].description for name in KEYS
    }
    assert "environment" not in SCHEMA["properties"]["environments"]["additionalProperties"]["properties"]


@pytest.mark.parametrize("text", [EXAMPLE, PAGE], ids=["example", "page"])
def test_the_examples_fit(text: str) -> None:
    assert text
    assert fits(text)
    assert passes(text)


@pytest.mark.parametrize(
    "text",
    [
        "lint: off",
        "verbose: true",
        "lock-timeout: 5s",
        "lock-timeout: 0",
        "lock-retries: 100",
        "lint-exclude: [ban-drop-column]",
        "lint-exclude: ban-drop-column, ban-drop-table",
        "freeze-windows: daily 09:00-16:00 UTC",
        "environment: staging",
        "environments: {qa2: {locked: [lint]}}",
        "locked: [environment]",
    ],
)
def test_both_let_through_what_is_right(text: str) -> None:
    assert (fits(text), passes(text)) == (True, True)


@pytest.mark.parametrize(
    "text",
    [
        "lnt: off",
        "lint: strict",
        "verbose: 1",
        "lock-timeout: soon",
        "lock-timeout: -1",
        "lock-timeout: 5 years",
        "lock-retries: 101",
        "max-blocked-sessions: many",
        "lint-exclude: []",
        "backup: [dump]",
        "database-url: postgres://x",
        "confirmation: x",
        "environment: prod",
        "environment: Staging",
        "environments: {prod: {lint: off}}",
        "environments: {2nd: {lint: off}}",
        "environments: {qa: {environment: qa}}",
        "environments: {qa: {lnt: off}}",
        "environments: [qa]",
        "locked: lint",
        "locked: [lnt]",
        "locked: [confirmation]",
        "environments: {qa: {locked: [environment]}}",
        "staging: {lint: off}",
    ],
)
def test_both_refuse_what_is_wrong(text: str) -> None:
    assert (fits(text), passes(text)) == (False, False)

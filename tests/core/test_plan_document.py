"""What somebody approves: equal plans have one digest, and whatever moves is named."""

import hashlib
import json
from typing import Any

import pytest

from runner.core.model import Verdict
from runner.core.plan_document import Identity, NoPlan, PlanDocument, plan_document, read_plan, what_moved
from tests.builders import a_migration, a_plan, a_target


def a_document(**others: Any) -> PlanDocument:
    migrations = others.pop("migrations", [a_migration(8), a_migration(9)])
    plan = others.pop("plan", a_plan([8, 9], applied=("06", "07")))
    values: dict[str, Any] = {
        "target": a_target(),
        "identity": Identity(system="7301", search_path="public"),
        "environment": "production",
        "settings": {"transaction": "migration", "lock-timeout": "5s"},
        "lint": Verdict(gate="lint", passed=True, reason="nothing found"),
    }
    return plan_document(plan, migrations, **values | others)


def test_the_digest_is_that_of_the_canonical_json() -> None:
    document = a_document()
    assert document.digest == hashlib.sha256(document.text.encode()).hexdigest()
    assert document.text == json.dumps(json.loads(document.text), sort_keys=True, separators=(",", ":"))


def test_equal_plans_have_one_digest() -> None:
    turned = {"lock-timeout": "5s", "transaction": "migration"}
    assert a_document().digest == a_document(settings=turned).digest


def test_a_plan_read_from_its_file_is_the_same() -> None:
    document = a_document(migrations=[a_migration(8, name="größe")])
    assert read_plan(document.text).digest == document.digest
    assert what_moved(read_plan(document.text), document) == []


SHAPE = '{"format": 1, "target": {}, "settings": {}, "lint": {}, "files": %s}'


@pytest.mark.parametrize(
    "text",
    ["", "x", "[]", "{}", '{"files": 3, "format": 1}', '{"files": []}', "[" * 100_000, SHAPE % "3", SHAPE % "[1]",
     SHAPE % "[{}]", SHAPE % '[{"version": 1, "path": "x"}]', SHAPE.replace("{}", "5") % "[]",
     SHAPE % '[{"version": "\\ud800", "path": "x"}]'],
)  # fmt: skip
def test_another_file_is_no_plan(text: str) -> None:
    with pytest.raises(NoPlan):
        read_plan(text)


CHANGED = "SELECT 2;\n"
MOVED = [
    ({"migrations": [a_migration(8), a_migration(9), a_migration(10)]}, "migrations/10_example.sql is new"),
    ({"migrations": [a_migration(8)]}, "migrations/09_example.sql is not to run any more"),
    ({"migrations": [a_migration(8), a_migration(9, sql=CHANGED)]}, "migrations/09_example.sql changed: its content"),
    (
        {"migrations": [a_migration(8), a_migration(9, sql="SELECT 1; -- why\n")]},
        "migrations/09_example.sql changed: its content",
    ),
    (
        {"migrations": [a_migration(8), a_migration(9, check="SELECT true;")]},
        "migrations/09_example.sql changed: its check file",
    ),
    (
        {"migrations": [a_migration(8), a_migration(9, down="SELECT 1;")]},
        "migrations/09_example.sql changed: its down file",
    ),
    ({"migrations": [a_migration(8), a_migration(9, name="other")]}, "migrations/09_other.sql changed: its name"),
    ({"migrations": [a_migration(9), a_migration(8)]}, "the files are in another order"),
    ({"plan": a_plan([8, 9], applied=("06",))}, "the version that the database is at is 06 and was 07"),
    ({"target": a_target(database="shop")}, "the database is shop and was app"),
    ({"identity": Identity(system="7302", search_path="public")}, "the database server is 7302 and was 7301"),
    (
        {"identity": Identity(system="7301", search_path="evil, public")},
        "the schemas in which names are looked for",
    ),
    ({"environment": "staging"}, "the environment is staging and was production"),
    (
        {"settings": {"transaction": "release", "lock-timeout": "5s"}},
        "`transaction` is release and was migration",
    ),
    ({"lint": Verdict(gate="lint", passed=True, reason="1 warning")}, "the verdict of lint is 1 warning and was"),
]


@pytest.mark.parametrize(("others", "said"), MOVED, ids=[said for _, said in MOVED])
def test_what_moved_changes_the_digest_and_is_named(others: dict[str, Any], said: str) -> None:
    now = a_document(**others)
    assert now.digest != a_document().digest
    assert any(sentence.startswith(said) for sentence in what_moved(a_document(), now))

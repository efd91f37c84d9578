"""docs/report.schema.json describes the report as it is written, and docs/report.md shows how to use it."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from runner.core.impact import Attention, impacts_of
from runner.core.model import BackupMode, DryRunMode, Report, StageState
from runner.core.report_document import VERSION, MigrationStatus, Work, report_document, report_json
from runner.core.schema import SchemaObject, schema_of
from runner.core.schema_diff import schema_difference
from runner.core.steps import Undoing
from runner.core.trial import DryRun, LockTaken, Rehearsed, Risk, SequenceMoved, Trace
from runner.errors import Level, Outcome
from tests.builders import a_migration, a_report, a_step, on_github
from tests.test_render import REPORTS

DOCS = Path(__file__).parent.parent / "docs"
SCHEMA: dict[str, Any] = json.loads((DOCS / "report.schema.json").read_text())
FITS = Draft202012Validator(SCHEMA)
PAGE = (DOCS / "report.md").read_text()

CHECKED = a_migration(1, check="SELECT true;")
A, B = (SchemaObject(kind="column", name=name, table="public.t", text="integer") for name in "ab")
RELEASED = a_report(
    Outcome.FAILED,
    context=on_github(event="release", activity="published", head_sha="89abcdef" * 5),
    migrations=[CHECKED],
    steps=[a_step(CHECKED, xid="4711")],
    dry_run=DryRun(
        mode=DryRunMode.REHEARSE,
        impacts=impacts_of(
            [
                Rehearsed(
                    migration=CHECKED,
                    traces=(
                        Trace(
                            line=1,
                            sql="REINDEX INDEX i",
                            locks=(LockTaken(relation="public.i", mode="AccessExclusiveLock", index_of="public.t"),),
                        ),
                    ),
                )
            ],
            {},
        ),
        moved=(SequenceMoved(name="public.t_id_seq", before=17, after=3),),
    ),
    schema=schema_difference(schema_of([A, B]), schema_of([B, A])),
    undoing=Undoing(why_not="migration 01 has no down file"),
    release_notes="db-migrate-report/release-notes.md",
    release_url="https://github.com/acme/app/releases/tag/v1.2.3",
)
ALL: dict[str, Report] = REPORTS | {"released": RELEASED}
DOCUMENTS = {name: report_document(report, str) for name, report in ALL.items()}

Json = Any


def resolved(schema: Json) -> Json:
    """What a schema says of a value that is there: behind its reference, and without null."""
    if "$ref" in schema:
        return SCHEMA["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    one = [choice for choice in schema.get("anyOf", ()) if choice != {"type": "null"}]
    return resolved(one[0]) if one else schema


def objects_of(schema: Json) -> Iterator[Json]:
    """Every object that the schema describes, each once but for those behind a reference."""
    if "properties" in schema:
        yield schema
    inside = [*schema.get("properties", {}).values(), *schema.get("anyOf", ()), *schema.get("$defs", {}).values()]
    for each in [*inside, *filter(None, [schema.get("items")])]:
        yield from objects_of(each)


OBJECTS = list(objects_of(SCHEMA))


def described(schema: Json, value: Json) -> Iterator[tuple[Json, Json]]:
    """Every object of a document, with what the schema says of it."""
    schema = resolved(schema)
    if isinstance(value, dict):
        yield schema, value
        for key, each in value.items():
            yield from described(schema["properties"][key], each)
    elif isinstance(value, list):
        for each in value:
            yield from described(schema["items"], each)


# The schema


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_its_address_is_the_one_that_a_report_names() -> None:
    assert DOCUMENTS["on-a-laptop"]["$schema"] == SCHEMA["$id"]


def test_it_knows_the_version_of_the_format() -> None:
    assert SCHEMA["properties"]["version"]["const"] == VERSION


def test_its_objects_have_all_their_keys_and_no_others() -> None:
    assert len(OBJECTS) > 20
    for each in OBJECTS:
        assert each["additionalProperties"] is False
        assert each["required"] == list(each["properties"])


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("properties outcome", Outcome),
        ("properties stages items properties state", StageState),
        ("properties backup anyOf 0 properties mode", set(BackupMode) - {BackupMode.NONE}),
        ("$defs finding properties level", Level),
        ("$defs migration properties status", MigrationStatus),
        ("$defs dry_run properties mode", DryRunMode),
        ("$defs impact properties risk", Risk),
        ("$defs impact properties attention", [each.name.lower() for each in Attention]),
        ("$defs impact properties work items properties does", Work),
    ],
)
def test_it_knows_the_words_of_the_program(place: str, words: Iterable[str]) -> None:
    schema: Json = SCHEMA
    for step in place.split():
        schema = schema[int(step) if step.isdecimal() else step]
    assert set(schema["enum"]) == set(words)


def test_it_explains_every_key() -> None:
    silent = [name for each in OBJECTS for name, value in each["properties"].items() if not value.get("description")]
    assert silent == []


def test_every_key_has_a_type() -> None:
    anything = [
        name
        for each in OBJECTS
        for name, value in each["properties"].items()
        if FITS.evolve(schema=value | {"$defs": SCHEMA["$defs"]}).is_valid([[[]]])
    ]
    assert anything == []


# Documents


@pytest.mark.parametrize("name", ALL)
def test_a_report_fits(name: str) -> None:
    assert [f"{error.json_path}: {error.message}" for error in FITS.iter_errors(DOCUMENTS[name])] == []


@pytest.mark.parametrize("name", ALL)
def test_the_keys_of_a_report_stand_in_the_order_of_the_schema(name: str) -> None:
    for schema, value in described(SCHEMA, DOCUMENTS[name]):
        assert list(value) == list(schema["properties"])


@pytest.mark.parametrize("name", ALL)
def test_a_text_is_never_empty(name: str) -> None:
    assert '""' not in json.dumps(DOCUMENTS[name]).replace('\\"', "")


def test_no_key_is_there_for_nothing() -> None:
    told = {
        (id(schema), key)
        for document in DOCUMENTS.values()
        for schema, value in described(SCHEMA, document)
        for key, each in value.items()
        if each not in (None, [])
    }
    never = [key for each in OBJECTS for key in each["properties"] if (id(each), key) not in told]
    assert never == []


def change(*path: str | int, to: Json) -> Callable[[Json], None]:
    """Put a value at a place of the document."""

    def apply(document: Json) -> None:
        *way, last = path
        for step in way:
            document = document[step]
        document[last] = to

    return apply


def without(document: Json) -> None:
    del document["pending"]


@pytest.mark.parametrize(
    "mutate",
    [
        change("version", to=2),
        change("version", to="1"),
        change("outcome", to="succeeded"),
        change("environment", to=None),
        change("started_at", to="2026-11-22 12:00:00"),
        change("duration_ms", to=1.5),
        change("duration_ms", to=-1),
        change("applied", to=None),
        change("applied", to="01"),
        change("pending", to=[1]),
        change("exit_code", to="1"),
        change("password", to="x"),
        change("context", to=None),
        change("context", "run_attempt", to=0),
        change("database", "host", to="db"),
        change("migrations", 0, "status", to="completed"),
        change("migrations", 0, "result", to={}),
        change("migrations", 1, "result", "error", to="it broke"),
        change("migrations", 1, "result", "error", "level", to="fatal"),
        change("findings", 0, "line", to=0),
        change("stages", 0, "state", to="passed"),
        change("rollback", "restore", "at", to=0),
        without,
    ],
)
def test_a_wrong_document_does_not_fit(mutate: Callable[[Json], None]) -> None:
    wrong = deepcopy(DOCUMENTS["failed"])
    mutate(wrong)
    assert not FITS.is_valid(wrong)


# The page


def test_the_page_has_every_key_in_order() -> None:
    assert re.findall(r"^\| `([$\w]+)` \|", PAGE, re.MULTILINE) == list(SCHEMA["properties"])


JQ = re.findall(r"```sh\njq -r '(.+)' db-migrate-report/report\.json\n```", PAGE)
ANSWERS = [
    ("released", ["01"]),
    ("went-back-in-part", ["04", "03"]),
    (
        "failed",
        ['error migrations/02_orders.sql:3 column "stat" of relation "orders" does not exist (SQLSTATE 42703)'],
    ),
    ("applied", ["02 75000 ms"]),
    (
        "refused-by-gates",
        [
            "confirmation: give `confirmation: MIGRATE-PRODUCTION`",
            "freeze windows: at Mon 2026-11-30 09:00 Europe/Berlin they open",
        ],
    ),
    (
        "dry-run-on-a-shadow",
        ["migrations/02_orders.sql:4 ALTER TABLE orders ALTER total TYPE bigint, ADD note text DEFAULT '`|`'"],
    ),
    ("applied", ["02 `orders.state` is gone"]),
]


def jq(program: str, report: Report) -> subprocess.CompletedProcess[str]:
    if shutil.which("jq") is None:
        pytest.fail("jq is missing: apt-get install jq, as .ci/run does", pytrace=False)
    text = report_json(report, str)
    return subprocess.run(["jq", "-r", program], input=text, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("program", "answer"), [*zip(JQ, ANSWERS, strict=True)], ids=range(len(ANSWERS)))
def test_what_the_page_asks_is_answered(program: str, answer: tuple[str, list[str]]) -> None:
    name, lines = answer
    assert jq(program, ALL[name]).stdout.splitlines() == lines


@pytest.mark.parametrize("program", JQ, ids=range(len(JQ)))
def test_what_the_page_asks_may_be_asked_of_a_run_that_did_not_come_far(program: str) -> None:
    answered = jq(program, replace(REPORTS["refused"], findings=()))
    assert (answered.returncode, answered.stdout, answered.stderr) == (0, "", "")

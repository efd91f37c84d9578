"""What other tools say they have applied, and which of our files that is."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest

from runner.core.adoption.alembic import read_script, with_scripts
from runner.core.adoption.changelogs import FLYWAY
from runner.core.adoption.choice import FoundTable, choose_table, usual_tables
from runner.core.adoption.history import Entry, History, parts_of, title_of, version_of
from runner.core.adoption.mapping import By, Ours, map_history, with_origins
from runner.core.adoption.named import PRISMA
from runner.core.adoption.numbered import GOLANG_MIGRATE, GOOSE
from runner.core.adoption.sources import SOURCES
from runner.core.adoption.told import origin, problems, table, warnings
from runner.core.naming import LEDGER_FILE
from runner.core.tools import Tool
from runner.errors import Finding
from tests.builders import NOON, a_migration_file, version_text

HOUR = timedelta(hours=1)


def ours(*files: str | tuple[str, str]) -> list[Ours]:
    """Our files, by version and name: `01_users`; with what they say of their origin."""
    made = []
    for each in files:
        stem, origin = each if isinstance(each, tuple) else (each, "")
        version, _, name = stem.partition("_")
        made.append(a_migration_file(version, name=name, sql=f"-- Origin: {origin}\n" if origin else ""))
    return with_origins(made)


def mapped(entries: Sequence[Entry], *files: str | tuple[str, str]) -> dict[str, tuple[str, By]]:
    """Version → the entry that says that the database has it, and by what it was found. Nothing is unclear."""
    mapping = map_history(History(entries=tuple(entries)), ours(*files))
    assert mapping.ambiguous == ()
    return {match.ours.file.version: (match.entry.name, match.by) for match in mapping.matches}


def entry(name: str, **others: Any) -> Entry:
    """One that is called like a file."""
    return Entry(**{"name": name, "version": version_of(name), "title": title_of(name)} | others)


# Names


@pytest.mark.parametrize(
    ("name", "version", "title"),
    [
        ("20240101120000_add_users.sql", (20240101120000,), "add_users"),
        ("20240101_init/migration.sql", (20240101,), "init"),
        ("db/migration/V1_2__add_users.sql", (1, 2), "add_users"),
        ("V1.2.0__add_users.sql", (1, 2), "add_users"),
        ("B2__all.sql", (2,), "all"),
        ("000001-init.sql", (1,), "init"),
        ("000001.sql", (1,), ""),
        ("1700000000000_add-users.up.sql", (1700000000000,), "add-users"),
        ("20240101_2_factor", (20240101,), "2_factor"),
        ("27c6a30d7c24", None, "27c6a30d7c24"),
        ("R__views.sql", None, "R__views"),
        ("db/1_log.sql::7::ada", None, "log.sql::7::ada"),
        ("9" * 5000, None, "9" * 5000),
    ],
)
def test_takes_the_version_out_of_a_name(name: str, version: tuple[int, ...] | None, title: str) -> None:
    assert (version_of(name), title_of(name)) == (version, title)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("a/b.up.sql", ("a", "b")),
        ("a\\b.go", ("a", "b")),
        ("v1.sql.old", ("v1.sql.old",)),
        ("db/20240101_a/migration.sql", ("db", "20240101_a")),
        ("classpath:/db/log.sql::feature/1::ada", ("db", "log.sql::feature/1::ada")),
        ("", ("",)),
    ],
)
def test_takes_folders_and_endings_off_a_name(name: str, parts: tuple[str, ...]) -> None:
    assert parts_of(name) == parts


# What the tables say


def read(source_of: Tool, *rows: Mapping[str, Any]) -> History:
    source = SOURCES[source_of]
    empty = dict.fromkeys([*source.columns, *source.optional])
    return source.read([{**empty, **row} for row in rows])


def names(history: History) -> list[str]:
    return [each.name for each in history.entries]


@pytest.mark.parametrize("tool", Tool)
def test_an_empty_table_has_nothing(tool: Tool) -> None:
    assert read(tool) == History()


def test_versions_are_in_the_order_of_their_numbers() -> None:
    assert names(read(Tool.DBMATE, {"version": "10"}, {"version": "9"})) == ["9", "10"]


def test_the_last_row_of_a_version_counts_for_goose() -> None:
    rows = [(1, 0, True), (2, 1, True), (3, 2, True), (4, 2, False), (5, 3, True), (6, 3, False), (7, 3, True)]
    history = read(
        Tool.GOOSE,
        *({"id": number, "version_id": version, "is_applied": applied, "tstamp": NOON + number * HOUR}
          for number, version, applied in reversed(rows)),
    )  # fmt: skip
    assert {each.name: each.applied_at for each in history.entries} == {"1": NOON + 2 * HOUR, "3": NOON + 7 * HOUR}


def test_a_dirty_version_of_golang_migrate_is_a_problem() -> None:
    history = read(Tool.GOLANG_MIGRATE, {"version": 3, "dirty": True})
    assert [str(problem) for problem in history.problems] == [
        "version 3 is dirty: golang-migrate has stopped in the middle of it"
    ]


def flyway(
    rank: int, version: str | None, kind: str = "SQL", *, success: bool = True, script: str = ""
) -> dict[str, Any]:
    name = script or f"V{version}__x.sql"
    return {"installed_rank": rank, "version": version, "description": "x", "type": kind, "script": name,
            "success": success, "installed_on": NOON + rank * HOUR, "installed_by": "grace"}  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "standing"),
    [
        pytest.param(
            [flyway(1, "1"), flyway(2, "1.10"), flyway(3, "1.9")], ["V1__x", "V1.9__x", "V1.10__x"], id="order"
        ),
        pytest.param([flyway(0, None, "SCHEMA"), flyway(1, "1")], ["V1__x"], id="its-schema"),
        pytest.param([flyway(1, "1"), flyway(2, "1", "UNDO_SQL", script="U1__x.sql")], [], id="undone"),
        pytest.param(
            [flyway(1, "1"), flyway(2, "1", "UNDO_SQL", script="U1__x.sql"), flyway(3, "1")], ["V1__x"], id="done-again"
        ),
        pytest.param([flyway(1, "1", "BASELINE"), flyway(2, "2")], ["baseline 1", "V2__x"], id="baseline"),
        pytest.param([flyway(1, "1", "JDBC", script="db.V1__Import")], ["db.V1__Import"], id="code"),
        pytest.param([flyway(1, "1"), flyway(2, "1", "DELETE")], [], id="deleted"),
        pytest.param([flyway(1, None, script="R__x.sql"), flyway(2, None, script="R__x.sql")], [], id="repeatable"),
    ],
)
def test_what_stands_in_flyways_history(rows: list[dict[str, Any]], standing: list[str]) -> None:
    history = read(Tool.FLYWAY, *rows)
    assert names(history) == standing
    assert history.problems == ()


def test_flyways_repeatable_and_deleted_migrations_are_left_out_by_name() -> None:
    history = read(
        Tool.FLYWAY, flyway(1, "1"), flyway(2, None, script="R__x.sql"), flyway(3, None, script="R__x.sql"),
        flyway(4, "1", "DELETE"),
    )  # fmt: skip
    assert [each.name for each in history.left_out] == ["V1__x.sql", "R__x.sql"]


def test_a_failed_migration_of_flyway_is_a_problem() -> None:
    history = read(Tool.FLYWAY, flyway(1, "1"), flyway(2, "2", success=False))
    assert [str(problem) for problem in history.problems] == ["V2__x.sql has failed in Flyway"]
    assert names(history) == ["V1__x"]


@pytest.mark.parametrize(
    ("kind", "counts"),
    [("EXECUTED", True), ("RERAN", True), ("MARK_RAN", True), ("FAILED", False), ("SKIPPED", False)],
)
def test_which_changesets_of_liquibase_count(kind: str, counts: bool) -> None:
    row = {"id": "1", "author": "ada", "filename": "db/log.sql", "orderexecuted": 1, "exectype": kind}
    assert names(read(Tool.LIQUIBASE, row)) == (["db/log.sql::1::ada"] if counts else [])


def changes(*names: str) -> list[Entry]:
    """Change sets of Liquibase."""
    rows = [
        {"filename": file, "id": identity, "author": author, "orderexecuted": order, "exectype": "EXECUTED"}
        for order, (file, identity, author) in enumerate(name.split("::") for name in names)
    ]
    return list(read(Tool.LIQUIBASE, *rows).entries)


def prisma(name: str, hours: int, *, finished: bool = True, rolled_back: bool = False) -> dict[str, Any]:
    at = NOON + hours * HOUR
    return {"migration_name": name, "started_at": at, "finished_at": at if finished else None,
            "finished": finished, "rolled_back": rolled_back, "checksum": f"{hours}"}  # fmt: skip


def test_an_attempt_that_prisma_rolled_back_does_not_count() -> None:
    history = read(Tool.PRISMA, prisma("1_a", 1, finished=False, rolled_back=True), prisma("1_a", 2))
    assert [(each.name, each.digest) for each in history.entries] == [("1_a", "2")]
    assert history.problems == ()


def test_an_attempt_of_prisma_at_a_time_that_nobody_knows_counts() -> None:
    unknown = {**prisma("1_a", 1), "started_at": None, "finished_at": None}
    history = read(Tool.PRISMA, unknown, prisma("2_b", 2))
    assert [(each.name, each.applied_at) for each in history.entries] == [("1_a", None), ("2_b", NOON + 2 * HOUR)]
    assert history.problems == ()


def test_an_attempt_of_prisma_that_came_to_no_end_is_a_problem() -> None:
    history = read(Tool.PRISMA, prisma("1_a", 1), prisma("2_b", 2, finished=False))
    assert [str(problem) for problem in history.problems] == ["2_b was begun by Prisma and has come to no end"]


# Alembic's scripts


def script(revision: str, *before: str, name: str = "x") -> Any:
    builds_on = repr(before[0] if len(before) == 1 else before or None)
    text = f'"""x"""\nrevision: str = "{revision}"\ndown_revision = {builds_on}  # "not this"\n'
    return read_script(f"{revision}_{name}.py", text)


def heads(*revisions: str) -> History:
    return read(Tool.ALEMBIC, *({"version_num": revision} for revision in revisions))


def test_all_that_a_head_builds_on_was_applied_in_that_order() -> None:
    scripts = [script("d", "b", "c"), script("b", "a"), script("c", "a"), script("a"), script("e", "d")]
    assert names(with_scripts(heads("d"), scripts)) == ["a", "b", "c", "d"]


def test_several_heads_have_their_common_past_once() -> None:
    assert names(with_scripts(heads("b", "c"), [script("a"), script("b", "a"), script("c", "a")])) == ["a", "b", "c"]


def test_a_circle_of_scripts_ends() -> None:
    assert sorted(names(with_scripts(heads("a"), [script("a", "b"), script("b", "a")]))) == ["a", "b"]


def test_without_its_script_a_head_counts_for_all_before_it() -> None:
    history = with_scripts(heads("b"), [script("b", "a")])
    assert [(each.name, each.reaches_back) for each in history.entries] == [("b", True)]


def test_several_heads_without_their_scripts_are_a_problem() -> None:
    (problem,) = with_scripts(heads("b", "c"), []).problems
    assert problem.message.endswith("b, c")


@pytest.mark.parametrize(
    ("text", "builds_on"),
    [
        ("revision = 'a'\ndown_revision = None", ()),
        ("revision: str = 'a'\ndown_revision: Union[str, Sequence[str], None] = 'b'", ("b",)),
        ("revision = 'a'\ndown_revision = (\n    'b',\n    'c',\n)", ("b", "c")),
        ("revision = 'a'\ndown_revision = 'b'\ndepends_on = ['d']", ("b", "d")),
        ("revision = 'a'\ndown_revision = 'b'\ndepends_on = None\nlabel = 'z'", ("b",)),
    ],
)
def test_reads_what_a_script_builds_on(text: str, builds_on: tuple[str, ...]) -> None:
    found = read_script("a_x.py", text)
    assert found is not None
    assert found.builds_on == builds_on


@pytest.mark.parametrize("text", ["", "revision = None\ndown_revision = None", "    revision = 'a'", "revision = 'a'"])
def test_other_python_files_are_no_scripts(text: str) -> None:
    assert read_script("a.py", text) is None


# Which file it is


@pytest.mark.parametrize(
    ("names_there", "files", "found"),
    [
        (["db/V1.2__users.sql"], [("01_users", "V1.2__users.sql")], {"01": ("db/V1.2__users.sql", By.ORIGIN)}),
        (["V1_2__users"], [("01_users", "V1.2__people")], {"01": ("V1_2__users", By.ORIGIN)}),
        (["20240101"], [("01_a", "20240101_a.sql")], {"01": ("20240101", By.ORIGIN)}),
        (["20240101"], ["20240101_a"], {"20240101": ("20240101", By.VERSION)}),
        (["1"], ["0001_a"], {"0001": ("1", By.VERSION)}),
        (["20240101_init"], ["01_init"], {"01": ("20240101_init", By.NAME)}),
        (["20240101_Add-Users"], ["01_add_users"], {"01": ("20240101_Add-Users", By.NAME)}),
        (["2"], [("02_a", "1"), ("03_b", "2")], {"03": ("2", By.ORIGIN)}),
        (["2"], [("02_a", "V1__a.sql")], {}),
        (["1_b", "1_c"], ["01_x"], {}),
        (["2"], ["01_2"], {}),
        (["2"], [("01_a", "1"), "02_b"], {}),
        (["2_b"], [("01_a", "1"), "03_b"], {"03": ("2_b", By.NAME)}),
    ],
    ids=[
        "origin", "version-of-the-origin", "number-of-the-origin", "version", "version-as-a-number", "name", "spelling",
        "origin-before-version", "a-file-of-another-origin", "a-version-used-twice", "a-number-is-no-name",
        "a-number-beside-origins", "a-name-beside-origins",
    ],
)  # fmt: skip
def test_finds_the_file_of_an_entry(
    names_there: list[str], files: list[str | tuple[str, str]], found: dict[str, tuple[str, By]]
) -> None:
    assert mapped([entry(name) for name in names_there], *files) == found


def test_the_file_that_makes_our_ledger_is_nobody_elses() -> None:
    version, _, name = LEDGER_FILE.removesuffix(".sql").partition("_")
    assert mapped([entry("1", reaches_back=True)], f"{version}_{name}", "01_a") == {"01": ("1", By.VERSION)}


@pytest.mark.parametrize(
    ("entries", "files", "told"),
    [
        pytest.param(
            [entry("2_users")],
            ["02_orders", "03_users"],
            "migrations/02_orders.sql:1: 2_users may be either of these: 02_orders.sql and 03_users.sql",
            id="version-against-name",
        ),
        pytest.param(
            [entry("20240101_init"), entry("20240201_init")],
            ["01_init"],
            "migrations/01_init.sql:1: this file may be either of 20240101_init and 20240201_init",
            id="one-file-for-two",
        ),
        pytest.param(
            [entry("1")],
            [("01_a", "1"), ("02_b", "1")],
            "migrations/01_a.sql:1: 1 may be either of these: 01_a.sql and 02_b.sql",
            id="one-origin-in-two-files",
        ),
        pytest.param(
            changes("v1/a.sql::1::bob", "v2/a.sql::1::bob"),
            [("01_a", "a.sql::1::bob")],
            "migrations/01_a.sql:1: this file may be either of v1/a.sql::1::bob and v2/a.sql::1::bob",
            id="one-origin-for-two",
        ),
        pytest.param(
            changes("a.sql::1::bob"),
            [("01_a", "v1/a.sql::1::bob"), ("02_b", "v2/a.sql::1::bob")],
            "migrations/01_a.sql:1: a.sql::1::bob may be either of these: 01_a.sql and 02_b.sql",
            id="two-origins-for-one",
        ),
    ],
)
def test_what_is_unclear_is_refused(entries: list[Entry], files: list[str | tuple[str, str]], told: str) -> None:
    history = History(entries=tuple(entries))
    assert told in [str(problem) for problem in problems(map_history(history, ours(*files)), history, Tool.PRISMA)]


@pytest.mark.parametrize(
    ("last", "files", "applied"),
    [
        pytest.param(entry("3", reaches_back=True), ["01_a", "02_b", "03_c", "04_d"], ["01", "02", "03"], id="a-file"),
        pytest.param(
            Entry(name="baseline 1.1", version=(1, 1), reaches_back=True, needs_file=False),
            [("01_a", "V1__a.sql"), ("02_b", "V1.1__b.sql"), ("03_c", "V1.2__c.sql")],
            ["01", "02"],
            id="a-baseline",
        ),
        pytest.param(
            Entry(name="baseline 5", version=(5,), reaches_back=True, needs_file=False),
            ["01_a", "06_b"],
            ["01"],
            id="a-baseline-without-a-file",
        ),
        pytest.param(
            entry("3", reaches_back=True),
            [("01_a", "1"), "02_b", ("03_c", "3")],
            ["01", "03"],
            id="not-the-new-ones",
        ),
        pytest.param(entry("3", reaches_back=True), ["01_a", "02_b", "04_d"], [], id="no-file"),
    ],
)
def test_one_may_count_for_all_before_it(last: Entry, files: list[str | tuple[str, str]], applied: list[str]) -> None:
    assert list(mapped([last], *files)) == applied


BASELINE_10 = Entry(name="baseline 10", version=(10,), reaches_back=True, needs_file=False)


@pytest.mark.parametrize(
    "files",
    [
        pytest.param([("0001_a", "V10.1__a.sql"), ("0002_b", "V10.2__b.sql"), "0003_ours"], id="by-their-origins"),
        pytest.param(["0001_a", "0002_b", "0003_ours"], id="by-their-names"),
    ],
)
def test_a_baseline_does_not_reach_what_was_written_for_us(files: list[str | tuple[str, str]]) -> None:
    history = [BASELINE_10, entry("V10.1__a.sql"), entry("V10.2__b.sql")]
    assert list(mapped(history, *files)) == ["0001", "0002"]


@pytest.mark.parametrize(
    ("there", "origins", "found"),
    [
        pytest.param(["db/v1/a.sql::1::bob"], ["v1/a.sql::1::bob"], ["db/v1/a.sql::1::bob"], id="below-a-folder"),
        pytest.param(["v1/a.sql::1::bob"], ["src/db/v1/a.sql::1::bob"], ["v1/a.sql::1::bob"], id="above-a-folder"),
        pytest.param(["classpath:v1/a.sql::1::bob"], ["v1/a.sql::1::bob"], ["classpath:v1/a.sql::1::bob"], id="class"),
        pytest.param(["v2/a.sql::1::bob"], ["v1/a.sql::1::bob"], [], id="another-folder"),
        pytest.param(["xv1/a.sql::1::bob"], ["v1/a.sql::1::bob"], [], id="a-part-of-a-folder"),
        pytest.param(["a.sql::x/1::bob"], ["a.sql::y/1::bob"], [], id="a-part-of-an-id"),
        pytest.param(["b.sql::7::bob"], ["7_a.sql::1::bob"], [], id="a-number-of-the-file"),
        pytest.param(
            ["a.sql::1::bob", "v1/a.sql::1::bob"],
            ["v1/a.sql::1::bob", "a.sql::1::bob"],
            ["v1/a.sql::1::bob", "a.sql::1::bob"],
            id="the-very-name-first",
        ),
    ],
)
def test_a_change_set_is_known_by_its_folders_too(there: list[str], origins: list[str], found: list[str]) -> None:
    files = [(f"{number:02}_x", name) for number, name in enumerate(origins, start=1)]
    assert [name for name, _ in mapped(changes(*there), *files).values()] == found


# What is told


def test_the_history_keeps_where_each_comes_from() -> None:
    found = map_history(History(entries=(entry("2_b", reaches_back=True),)), ours("01_a", "02_b"))
    assert [origin(match, Tool.FLYWAY) for match in found.matches] == [
        "adopted from flyway: before 2_b",
        "adopted from flyway: 2_b",
    ]


def told(*versions: int | str, files: Sequence[str | tuple[str, str]], done: Sequence[int] = ()) -> list[str]:
    """Errors, then warnings, of a database in which another tool has applied these versions."""
    history = History(entries=tuple(entry(version_text(version)) for version in versions))
    mapping = map_history(history, ours(*files))
    found = [*problems(mapping, history, Tool.DBMATE), *warnings(mapping, Tool.DBMATE, done)]
    return [f"{each.level}: {each.message}" for each in found]


@pytest.mark.parametrize(
    ("versions", "files", "findings"),
    [
        ((1, 2), ["01_a", "02_b"], []),
        ((1, 2), ["01_a", "02_b", "03_c"], []),
        ((1, 2), ["01_a"], ["error: dbmate has applied what has no file here: 02"]),
        (range(1, 9), ["01_a"], ["error: dbmate has applied what has no file here: 02, 03, 04, 05, 06 and 2 others"]),
        ((1, 3), ["01_a", "02_b", "03_c"], ["warning: migration 02 is not applied, and one behind it is"]),
        ((1, 2), ["02_b"], ["warning: before the first of these files, dbmate has applied what has none: 01"]),
        (
            (1, 2),
            ["00_new", "02_b"],
            [
                "error: dbmate has applied what has no file here: 01",
                "warning: migration 00 is not applied, and one behind it is",
            ],
        ),
        (
            (1, 2),
            ["03_c"],
            ["error: no file here is one of the migrations that dbmate has applied, such as 01"],
        ),
        ((), ["01_a"], []),
    ],
)
def test_tells_what_does_not_fit(versions: Sequence[int], files: list[str], findings: list[str]) -> None:
    assert told(*versions, files=files) == findings


def test_tells_of_a_file_that_waits_before_what_our_ledger_has() -> None:
    assert told(1, files=["01_a", "02_b", "03_c"], done=[3]) == [
        "warning: migration 02 is not applied, and one behind it is"
    ]


def test_tells_of_a_file_that_has_only_the_version_of_an_entry() -> None:
    history = History(entries=(entry("1_users"),))
    mapping = map_history(history, ours("01_orders"))
    assert [each.message for each in warnings(mapping, Tool.SUPABASE, ())] == [
        "this file has the version of 1_users, and another name"
    ]


def test_shows_theirs_ours_and_what_is_left_out() -> None:
    history = read(
        Tool.FLYWAY, flyway(1, "1", "BASELINE"), flyway(2, "2"), flyway(3, None, script="R__views.sql")
    )  # fmt: skip
    mapping = map_history(history, ours(("01_a", "V1__a.sql"), ("02_x", "V2__x.sql"), "03_c", "04_d"))
    shown = table(mapping, history, Tool.FLYWAY, {1, 3})
    assert shown.headings == ("applied by flyway", "at", "by", "our file", "found by")
    assert [(row[0], *row[2:]) for row in shown.rows] == [
        ("baseline 1", "grace", "01_a.sql", "its origin, recorded before"),
        ("V2__x", "grace", "02_x.sql", "its origin"),
        ("R__views.sql", "grace", "", "repeatable: not recorded, its file runs once more"),
        ("", "", "03_c.sql", "recorded"),
        ("", "", "04_d.sql", "pending"),
    ]


def test_leaves_out_columns_of_which_the_tool_tells_nothing() -> None:
    history = read(Tool.DBMATE, {"version": "1"})
    shown = table(map_history(history, ours("01_a")), history, Tool.DBMATE, ())
    assert shown.headings == ("applied by dbmate", "our file", "found by")


# Which table it is


def found(name: str, *columns: str, schema: str = "public", place: int | None = 1) -> FoundTable:
    return FoundTable(name=name, schema=schema, columns=columns, place=place)


OUR_LEDGER = ("version", "name", "applied_at", "checksum", "execution_time_ms", "status", "error_message", "applied_by")


@pytest.mark.parametrize(
    ("tool", "tables", "chosen"),
    [
        (Tool.DBMATE, [found("schema_migrations", "version")], "public.schema_migrations"),
        (
            Tool.DBMATE,
            [
                found("schema_migrations", *OUR_LEDGER, schema="ours"),
                found("schema_migrations", "version", place=2),
            ],
            "public.schema_migrations",
        ),
        (
            Tool.GOOSE,
            [
                found("goose_db_version", *GOOSE.columns, schema="b", place=2),
                found("goose_db_version", *GOOSE.columns, schema="a", place=1),
            ],
            "a.goose_db_version",
        ),
        (Tool.FLYWAY, [found("schema_version", "version_rank", *FLYWAY.columns)], "public.schema_version"),
        (
            Tool.SUPABASE,
            [found("schema_migrations", "version", "statements", schema="supabase_migrations", place=None)],
            "supabase_migrations.schema_migrations",
        ),
    ],
)
def test_chooses_the_table_of_the_tool(tool: Tool, tables: list[FoundTable], chosen: str) -> None:
    assert str(choose_table(tool, SOURCES[tool], usual_tables(SOURCES[tool]), tables)) == chosen


@pytest.mark.parametrize(
    ("tool", "tables", "message", "hint"),
    [
        (
            Tool.FLYWAY,
            [],
            "flyway has left no table here: looked for flyway_schema_history and schema_version",
            "is this the right database?",
        ),
        (
            Tool.PRISMA,
            [found("_prisma_migrations", *PRISMA.columns, schema="app", place=None)],
            "prisma has left no table here: looked for _prisma_migrations",
            "`from-table: app._prisma_migrations`",
        ),
        (
            Tool.DBMATE,
            [found("schema_migrations", *GOLANG_MIGRATE.columns)],
            "public.schema_migrations is not a table of dbmate, but of golang-migrate (columns: version, dirty)",
            "correct `from`",
        ),
        (
            Tool.LIQUIBASE,
            [found("databasechangelog", "id")],
            "public.databasechangelog is not a table of liquibase, but of another tool (columns: id)",
            "correct `from`",
        ),
        (
            Tool.RAILS,
            [found("schema_migrations", *OUR_LEDGER)],
            "rails has left no table here: looked for schema_migrations",
            "is this the right database?",
        ),
    ],
)
def test_says_why_there_is_none(tool: Tool, tables: list[FoundTable], message: str, hint: str) -> None:
    answer = choose_table(tool, SOURCES[tool], usual_tables(SOURCES[tool]), tables)
    assert isinstance(answer, Finding)
    assert answer.message == message
    assert hint in answer.hint


def test_every_tool_has_a_source() -> None:
    assert SOURCES.keys() == {*Tool}

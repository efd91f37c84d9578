"""Another tool's files → ours. The folders of tests/corpus/other_tools are as each tool writes them; here are the odd
ones, and what is refused.
"""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import pytest

from runner.core.checksum import normalise
from runner.core.convert.ours import READERS, Conversion, convert, listing, look_at
from runner.core.convert.theirs import Folder
from runner.core.model import SourceFile
from runner.core.naming import FileName, VersionOrder, parse_name
from runner.core.tools import Tool
from runner.errors import Finding, InputError, Level

ROOT = Path(__file__).parent.parent.parent
CORPUS = ROOT / "tests/corpus/other_tools"
THEIRS, OURS = PurePosixPath("theirs"), PurePosixPath("migrations")
SQL = "SELECT 1;\n"


def a_folder(files: Mapping[str, str | bytes]) -> Folder:
    """A folder `theirs` with these files, by name, as the workspace would read them."""
    texts = {name: text.encode() if isinstance(text, str) else text for name, text in sorted(files.items())}
    sources = {
        name: SourceFile(path=THEIRS / name, data=normalise(text))
        for name, text in texts.items()
        if name.endswith((".sql", ".conf", ".toml"))
    }
    return Folder(path=THEIRS, names=tuple(texts), sources=sources)


def converted(
    tool: str, files: Mapping[str, str | bytes], *existing: str, order: VersionOrder = VersionOrder.AUTO
) -> Conversion:
    names = [name for each in existing if isinstance(name := parse_name(OURS / each), FileName)]
    return convert(Tool(tool), a_folder(files), OURS, order=order, existing=names)


def written(tool: str, files: Mapping[str, str | bytes], *, order: VersionOrder = VersionOrder.AUTO) -> dict[str, str]:
    """The new files by name."""
    return {file.path.name: file.data.decode() for file in converted(tool, files, order=order).files}


def refusal(tool: str, files: Mapping[str, str | bytes], *existing: str) -> list[Finding]:
    with pytest.raises(InputError) as caught:
        converted(tool, files, *existing)
    return [finding for finding in caught.value.findings if finding.level is Level.ERROR]


def warnings(tool: str, files: Mapping[str, str | bytes]) -> list[str]:
    return [str(finding) for finding in converted(tool, files).warnings]


def sql_of(text: str) -> str:
    """What stands below the header."""
    return text.partition("\n\n")[2]


# The folders as each tool writes them


def test_there_is_a_folder_for_each_tool() -> None:
    assert {folder.name for folder in CORPUS.iterdir()} == set(Tool) == READERS.keys()


@pytest.mark.parametrize("tool", Tool)
def test_files_as_the_tool_writes_them_become_these(tool: Tool) -> None:
    theirs = CORPUS / tool / "theirs"
    files = {path.relative_to(theirs).as_posix(): path.read_bytes() for path in theirs.rglob("*") if path.is_file()}
    conversion = converted(tool, files)
    assert {file.path.name: file.data.decode() for file in conversion.files} == {
        path.name: path.read_text() for path in (CORPUS / tool / "ours").iterdir()
    }
    assert list(look_at(conversion)) == []


# Sections of one file

DBMATE = "-- migrate:up\nCREATE TABLE t (a int);\n\n-- migrate:down\nDROP TABLE t;\n"


@pytest.mark.parametrize(
    ("tool", "name", "text"),
    [
        ("dbmate", "1_t.sql", DBMATE),
        ("dbmate", "1_t.sql", DBMATE.replace("\n", "\r\n")),
        ("dbmate", "1_t.sql", "\ufeff" + DBMATE),
        ("dbmate", "1_t.sql", DBMATE.replace("-- migrate:up", "--   migrate:up  ").removesuffix("\n")),
        ("goose", "1_t.sql", "-- +goose Up\nCREATE TABLE t (a int);\n-- +goose Down\nDROP TABLE t;"),
        ("goose", "1_t.sql", "--+goose   UP\r\nCREATE TABLE t (a int);\r\n--  +GOOSE down\r\nDROP TABLE t;\r\n"),
        (
            "goose",
            "1_t.sql",
            "-- +goose ENVSUB OFF\n-- +goose Up\nCREATE TABLE t (a int);\n-- +goose Down\nDROP TABLE t;",
        ),
        ("node-pg-migrate", "1_t.sql", "-- Up Migration\nCREATE TABLE t (a int);\n-- Down Migration\nDROP TABLE t;\n"),
        (
            "node-pg-migrate",
            "1_t.sql",
            "--- down migration\nDROP TABLE t;\n  -- UP  MIGRATION: t\nCREATE TABLE t (a int);",
        ),
        (
            "liquibase",
            "t.sql",
            "--liquibase formatted sql\n--changeset a:1\nCREATE TABLE t (a int);\n--rollback DROP TABLE t;",
        ),
        (
            "liquibase",
            "t.sql",
            "-- Liquibase formatted SQL\n-- changeset a:1\nCREATE TABLE t (a int);\n-- ROLLBACK DROP TABLE t;",
        ),
    ],
)
def test_marks_are_found_as_the_tool_finds_them(tool: str, name: str, text: str) -> None:
    up, down = written(tool, {name: text}).values()
    assert (sql_of(up), sql_of(down)) == ("CREATE TABLE t (a int);\n", "DROP TABLE t;\n")


def test_the_sql_is_theirs_byte_for_byte() -> None:
    sql = "  INSERT INTO t VALUES ('-- migrate:down', $q$\n\n --migrate:up\n\n$q$); -- ö, \t\n\n\nSELECT E'\\'';"
    (up,) = written("dbmate", {"1_t.sql": f"-- migrate:up\n\n{sql}\n\n"}).values()
    assert sql_of(up) == sql + "\n"


def test_a_literal_keeps_its_blank_lines_where_a_mark_was_taken_out() -> None:
    text = "--liquibase formatted sql\n--changeset a:1\nSELECT '\n\n--comment it\n\n';\n"
    (up,) = written("liquibase", {"a.sql": text}).values()
    assert sql_of(up) == "SELECT '\n\n\n';\n"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("-- migrate:up\nSELECT '\n-- migrate:down\n';\n", id="literal"),
        pytest.param("-- migrate:up\nDO $$\n-- migrate:down\n$$;\n", id="dollar-quotes"),
        pytest.param("-- migrate:up\n/*\n-- migrate:down\n*/ SELECT 1;\n", id="comment"),
    ],
)
def test_a_mark_cuts_also_what_it_stands_in(text: str) -> None:
    finding, *_ = refusal("dbmate", {"1_t.sql": text})
    assert (finding.line, "never ends" in finding.message) == (2, True)


@pytest.mark.parametrize("below", ["", "\n", "\n-- nothing\n", "/* nothing */"])
def test_a_way_back_with_nothing_in_it_is_none(below: str) -> None:
    assert list(written("dbmate", {"1_t.sql": f"-- migrate:up\nSELECT 1;\n-- migrate:down\n{below}"})) == ["01_t.sql"]


def test_an_empty_migration_stays_one() -> None:
    assert written("dbmate", {"1_t.sql": "-- migrate:up\n-- migrate:down\n"}) == {
        "01_t.sql": "-- Migration: T\n-- Origin: 1_t.sql\n\n"
    }


def test_a_goose_statement_without_a_semicolon_gets_one() -> None:
    marked = "-- +goose StatementBegin\n{}\n-- +goose StatementEnd\n"
    text = "-- +goose Up\n" + "".join(map(marked.format, ("SELECT 1", "SELECT 2; -- two", "SELECT 3 -- three", "-- 4")))
    (up,) = written("goose", {"1_t.sql": text}).values()
    assert sql_of(up) == "SELECT 1\n;\nSELECT 2; -- two\nSELECT 3 -- three\n;\n-- 4\n"


def test_what_runs_without_a_transaction_says_so_in_our_way() -> None:
    files = {"1_t.sql": "-- migrate:up transaction:false\nSELECT 1;\n-- migrate:down\nSELECT 2;\n"}
    up, down = written("dbmate", files).values()
    assert up == "-- Migration: T\n-- Origin: 1_t.sql\n-- migrate: no-transaction\n\nSELECT 1;\n"
    assert "no-transaction" not in down


def test_a_title_is_on_one_line_also_for_who_ends_lines_otherwise() -> None:
    text = "--liquibase formatted sql\n--changeset a:1\n--comment: x\rDROP TABLE t;\x1b[1m\nSELECT 1;\n"
    (up,) = written("liquibase", {"a.sql": text}).values()
    assert up == "-- Migration: X DROP TABLE t; [1m\n-- Origin: a.sql::1::a\n\nSELECT 1;\n"


def test_a_header_of_ours_that_is_there_is_kept() -> None:
    text = "-- Migration: Mine\n-- migrate: no-transaction\nSELECT 1;\n"
    (up,) = written("flyway", {"V1__t.sql": text, "V1__t.sql.conf": "executeInTransaction=false"}).values()
    assert up == f"-- Origin: V1__t.sql\n\n{text}"


# Names and versions


@pytest.mark.parametrize(
    ("tool", "theirs", "ours"),
    [
        ("golang-migrate", ["1_a.up.sql", "2_b.up.sql", "10_c.up.sql"], ["01_a", "02_b", "10_c"]),
        ("golang-migrate", ["0001_a.up.sql", "0002_b.up.sql"], ["0001_a", "0002_b"]),
        ("golang-migrate", ["20240101120000123456_a.up.sql"], ["20240101120000123456_a"]),
        ("golang-migrate", ["20240101_a.up.sql", "20240102120000_b.up.sql"], ["00000020240101_a", "20240102120000_b"]),
        ("golang-migrate", ["1_.up.sql", "2_a.b.up.sql", "3_.c.up.sql"], ["01_migration", "02_a.b", "03__c"]),
        ("supabase", ["1_a.down.sql", "2_b.check.sql", "3_c d.sql"], ["01_a_down", "02_b_check", "03_c d"]),
        ("dbmate", ["10_b.sql", "9_a.sql"], ["0001_b", "0002_a"]),
        ("dbmate", ["1.sql", "2x.sql", "3-y.sql"], ["01_migration", "02_x", "03_y"]),
        ("flyway", ["V1__a.sql", "V2__b.sql", "V10__c.sql"], ["01_a", "02_b", "10_c"]),
        (
            "flyway",
            ["V1_1__a.sql", "V1.2__b.sql", "V1.10__c.sql", "V2__d.sql"],
            ["0001_a", "0002_b", "0003_c", "0004_d"],
        ),
        ("flyway", ["V1.0__a.sql", "V02__b.sql"], ["01_a", "02_b"]),
        (
            "flyway",
            ["V20240101120000__a.sql", "R__v.sql", "R__w.sql"],
            ["20240101120000_a", "20240101120001_v", "20240101120002_w"],
        ),
        ("flyway", ["R__v.sql"], ["0001_v"]),
        ("flyway", ["B3__all.sql", "V4__d.sql"], ["03_all", "04_d"]),
        (
            "prisma",
            ["0_init/migration.sql", "20240101120000_a/migration.sql"],
            ["00000000000000_init", "20240101120000_a"],
        ),
        ("prisma", ["b/migration.sql", "a/migration.sql"], ["0001_a", "0002_b"]),
        ("graphile-migrate", ["committed/000001-a.sql", "committed/000002.sql"], ["000001_a", "000002_migration"]),
        ("graphile-migrate", ["000001-a.sql"], ["000001_a"]),
        ("node-pg-migrate", ["1700000000001_b.sql", "20231114221320000_a.sql"], ["0001_a", "0002_b"]),
        ("node-pg-migrate", ["a.sql", "1700000000000_b.sql"], ["0001_a", "0002_b"]),
    ],
)
def test_their_order_is_kept_and_their_number_where_it_is_one(tool: str, theirs: list[str], ours: list[str]) -> None:
    text = "-- migrate:up\nSELECT 1;\n" if tool == "dbmate" else SQL
    assert list(written(tool, dict.fromkeys(theirs, text))) == [f"{stem}.sql" for stem in ours]


@pytest.mark.parametrize(
    ("order", "ours"),
    [(VersionOrder.NUMERIC, ["1_a.sql", "10_b.sql"]), (VersionOrder.AUTO, ["01_a.sql", "10_b.sql"]),
     (VersionOrder.TEXT, ["1_a.sql", "10_b.sql"])],
)  # fmt: skip
def test_versions_have_the_form_that_the_order_of_the_folder_asks_for(order: VersionOrder, ours: list[str]) -> None:
    assert list(written("golang-migrate", {"1_a.up.sql": SQL, "10_b.up.sql": SQL}, order=order)) == ours


@pytest.mark.parametrize(("digits", "version"), [(100, "1" * 100), (101, "0001")])
def test_a_number_of_more_digits_than_a_version_has_is_none(digits: int, version: str) -> None:
    text = f"--liquibase formatted sql\n--changeset a:{'1' * digits}\nSELECT 1;\n"
    (name,) = written("liquibase", {"a.sql": text})
    assert name == f"{version}_a_{'1' * digits}.sql"


def test_an_order_that_their_numbers_do_not_give_gets_numbers_anew() -> None:
    names = ["2_a.up.sql", "10_b.up.sql"]
    assert list(written("golang-migrate", dict.fromkeys(names, SQL), order=VersionOrder.TEXT)) == [
        "0001_a.sql",
        "0002_b.sql",
    ]


@pytest.mark.parametrize(
    ("tool", "name", "text", "origin"),
    [
        ("flyway", "billing/V1.2__add_users.sql", SQL, "billing/V1.2__add_users.sql"),
        ("prisma", "20240101_init/migration.sql", SQL, "20240101_init"),
        ("graphile-migrate", "committed/000001-a.sql", SQL, "000001.sql"),
        ("node-pg-migrate", "17_add-users.up.sql", SQL, "17_add-users"),
        ("alembic", "up.sql", "-- Running upgrade a1, b2 -> c3\n\nSELECT 1;\n", "c3"),
        (
            "liquibase",
            "a/b.sql",
            "--liquibase formatted sql\n--changeset ada:x logicalFilePath:c.sql\nSELECT 1;",
            "c.sql::x::ada",
        ),
        ("liquibase", "b.sql", '--liquibase formatted sql\n--changeset "ada l":"x y"\nSELECT 1;', "b.sql::x y::ada l"),
    ],
)
def test_the_origin_is_what_the_tools_own_table_has(tool: str, name: str, text: str, origin: str) -> None:
    (up,) = written(tool, {name: text}).values()
    assert f"\n-- Origin: {origin}\n" in up


def test_files_that_are_no_migrations_there_are_told_and_left_out() -> None:
    files = {"1_a.up.sql": SQL, "seed.sql": SQL, "old/2_b.up.sql": SQL, "README.md": "#"}
    assert list(written("golang-migrate", files)) == ["01_a.sql"]
    assert warnings("golang-migrate", files) == [
        f"theirs/{name}: this file is left out, as the tool does not take it for a migration either"
        for name in ("old/2_b.up.sql", "seed.sql")
    ]


# What each tool has that is its own


def test_what_ran_again_runs_once_and_that_is_told() -> None:
    assert "runs once" in warnings("flyway", {"V1__a.sql": SQL, "R__v.sql": SQL})[0]
    changelog = "--liquibase formatted sql\n--changeset a:1 runOnChange:true\nSELECT 1;"
    assert "a.sql:2: this ran again" in warnings("liquibase", {"a.sql": changelog})[0]


def test_a_baseline_of_flyway_is_left_out_where_what_it_stands_for_is_there() -> None:
    files = {"B2__all.sql": SQL, "V1__a.sql": SQL, "V2__b.sql": SQL}
    assert list(written("flyway", files)) == ["01_a.sql", "02_b.sql"]
    assert "this baseline is left out" in warnings("flyway", files)[0]


def test_change_sets_for_other_databases_are_left_out() -> None:
    forms = {
        "x": "dbms:oracle",
        "y": "dbms:!postgresql",
        "z": "ignore:true",
        "a": "dbms:oracle,postgresql",
        "b": "dbms:!h2",
    }
    sets = "".join(f"--changeset ada:{name} {form}\nSELECT 1;\n" for name, form in forms.items())
    files = {"a.sql": f"--liquibase formatted sql\n{sets}"}
    assert list(written("liquibase", files)) == ["0001_a.sql", "0002_b.sql"]
    assert [text.partition(": ")[0] for text in warnings("liquibase", files)] == [
        f"theirs/a.sql:{n}" for n in (2, 4, 6)
    ]


def test_rollback_of_several_lines_and_lines_that_liquibase_passes_over() -> None:
    text = (
        "--liquibase formatted sql\n-- who may log in\n--changeset a:1\nSELECT 1;\n--ignoreLines:2\nSELECT 2;\n"
        "SELECT 3;\nSELECT 4;\n--rollback SELECT 5;\n/* liquibase rollback\nSELECT 6; */\n--rollback SELECT 7;\n"
        "--changeset a:2\nSELECT 8;\n--rollback empty\n"
    )
    up, down, second = written("liquibase", {"a.sql": text}).values()
    assert sql_of(up) == "SELECT 1;\nSELECT 4;\n"
    assert sql_of(down) == "SELECT 5;\nSELECT 6; \nSELECT 7;\n"
    assert sql_of(second) == "SELECT 8;\n"


@pytest.mark.parametrize(
    ("count", "left"),
    [("0", "SELECT 1;\nSELECT 2;\n"), ("1", "SELECT 2;\n"), ("99", ""), ("99999999999", ""), ("9" * 5000, "")],
)
def test_liquibase_passes_over_no_more_lines_than_there_are(count: str, left: str) -> None:
    text = f"--liquibase formatted sql\n--changeset a:1\nSELECT 0;\n--ignoreLines:{count}\nSELECT 1;\nSELECT 2;\n"
    (up,) = written("liquibase", {"a.sql": text}).values()
    assert sql_of(up) == f"SELECT 0;\n{left}"


def test_a_place_far_down_in_a_file_is_counted_from_its_beginning() -> None:
    lines = ["-- a comment" if number % 1000 else f"SELECT '${{x{number}}}';" for number in range(1, 5001)]
    found = refusal("flyway", {"V1__a.sql": "\n".join(lines)})
    assert [finding.line for finding in found] == [1000, 2000, 3000, 4000, 5000]


def test_uncommitted_work_of_graphile_migrate_is_told() -> None:
    files = {"committed/000001.sql": SQL, "current.sql": SQL, "current/1-a.sql": "-- nothing"}
    assert [text.partition(": ")[0] for text in warnings("graphile-migrate", files)] == ["theirs/current.sql:1"]


def test_a_placeholder_of_graphile_migrate_in_a_text_may_be_none() -> None:
    text = "SELECT a::TEXT, b[1:N], 'at :NOON' -- :LATER\n;\n"
    assert [text.rpartition(" ")[0] for text in warnings("graphile-migrate", {"000001.sql": text})] == [
        f"theirs/000001.sql:1: graphile-migrate may fill in {name}" for name in (":NOON", ":LATER")
    ]


def test_alembic_may_call_its_table_otherwise() -> None:
    script = (
        "BEGIN;\n\nCREATE TABLE ops.versions (\n    version_num VARCHAR(32) NOT NULL\n);\n\n-- Running upgrade  -> a1\n"
        "\nSELECT 1;\n\nINSERT INTO ops.versions (version_num) VALUES ('a1');\n\nCOMMIT;\n"
    )
    (up,) = written("alembic", {"upgrade.sql": script}).values()
    assert sql_of(up) == "SELECT 1;\n"


def test_the_list_says_where_in_their_file_a_part_begins() -> None:
    files = {"1_t.sql": DBMATE}
    assert listing(converted("dbmate", files), a_folder(files)).rows == (
        ("1_t.sql:2", "migrations/01_t.sql"),
        ("1_t.sql:5", "migrations/01_t.down.sql"),
    )


# What is refused

LIQUIBASE = "--liquibase formatted sql\n--changeset a:1"
ALEMBIC = "-- Running upgrade  -> a1\nSELECT 1;\n"
REFUSED = [
    ("dbmate", {"1_a.sql": SQL}, "1_a.sql:1: there is no `-- migrate:up` in this file"),
    ("dbmate", {"1_a.sql": f"SELECT 1;\n{DBMATE}"}, "1_a.sql:1: statements stand before the first mark"),
    ("dbmate", {"1_a.sql": f"{DBMATE}{DBMATE}"}, "1_a.sql:6: `up` is marked a second time here"),
    ("dbmate", {"1_a.sql": "-- migrate:down\n-- migrate:up\n"}, "1_a.sql:1: `-- migrate:down` stands here without"),
    ("dbmate", {"1_a.sql": DBMATE, "1_b.sql": DBMATE}, "1_b.sql: this has the same version as 1_a.sql"),
    ("goose", {"1_a.sql": SQL}, "1_a.sql:1: there is no `-- +goose Up` in this file"),
    ("goose", {"1_a.sql": "-- +goose Down\n"}, "1_a.sql:1: `-- +goose Down` stands here without `-- +goose Up`"),
    ("goose", {"1_a.sql": "-- +goose Up\n-- +goose Up\n"}, "1_a.sql:2: `up` is marked a second time here"),
    ("goose", {"1_a.sql": "-- +goose Up\n  -- +goose Down\n"}, "1_a.sql:2: goose wants this mark at the beginning"),
    ("goose", {"1_a.sql": "-- +goose Upp\n"}, "1_a.sql:1: `-- +goose Upp` is no mark of goose"),
    ("goose", {"1_a.sql": "SELECT 1;\n-- +goose Up\n"}, "1_a.sql:1: statements stand before the first mark"),
    ("goose", {"1_a.sql": "-- +goose Up\n-- +goose ENVSUB ON\n"}, "1_a.sql:2: goose fills in environment variables"),
    ("goose", {"1_a.sql": "-- +goose Up\n", "2_b.go": ""}, "2_b.go: this migration is code, not SQL"),
    (
        "goose",
        {"1_a.sql": "-- +goose Up\n", "01_b.sql": "-- +goose Up\n"},
        "1_a.sql: this has the same version as 01_b.sql",
    ),
    ("golang-migrate", {"1_a.down.sql": SQL}, "1_a.down.sql:1: there is no 1_a.up.sql that this undoes"),
    ("golang-migrate", {"1_a.up.sql": SQL, "1_b.up.sql": SQL}, "1_b.up.sql: this has the same version as 1_a.up.sql"),
    ("supabase", {"1_a.sql": SQL, "1_b.sql": SQL}, "1_b.sql: this has the same version as 1_a.sql"),
    ("prisma", {"1_a/down.sql": SQL}, "1_a/down.sql:1: there is no migration.sql that this undoes"),
    (
        "prisma",
        {"1_a/migration.sql": SQL, "migration_lock.toml": '# x\nprovider = "mysql"'},
        "migration_lock.toml:2: these migrations are for mysql, not for PostgreSQL",
    ),
    (
        "graphile-migrate",
        {"000001.sql": "\nGRANT ALL ON t TO :APP_ROLE;"},
        "000001.sql:2: graphile-migrate fills in :APP_ROLE",
    ),
    (
        "graphile-migrate",
        {"000001.sql": "SELECT ':DATABASE_NAME';"},
        "000001.sql:1: graphile-migrate fills in :DATABASE_NAME",
    ),
    ("flyway", {"V1__a.sql": "SELECT 1;\n-- ${schema}\n"}, "V1__a.sql:2: Flyway fills in ${schema} here"),
    ("flyway", {"V1__a.java": ""}, "V1__a.java: this migration is code, not SQL"),
    ("flyway", {"V1__a.sql": SQL, "V1.0__b.sql": SQL}, "V1__a.sql: this has the same version as V1.0__b.sql"),
    ("flyway", {"U1__a.sql": SQL}, "U1__a.sql:1: there is no versioned migration that this undoes"),
    ("flyway", {"V1__a.sql": SQL, "afterMigrate.sql": SQL}, "afterMigrate.sql:1: this is a callback"),
    (
        "flyway",
        {"V1__a.sql": SQL, "V1__a.sql.conf": "#\nshouldExecute=${x}"},
        "V1__a.sql.conf:2: there is nothing like Flyway's `shouldExecute` here",
    ),
    ("liquibase", {"a.xml": "", "a.sql": f"{LIQUIBASE}\nSELECT 1;"}, "a.xml: this migration is code, not SQL"),
    ("liquibase", {"a.sql": SQL}, "a.sql:1: this changelog does not begin with `--liquibase formatted sql`"),
    ("liquibase", {"a.sql": "--liquibase formatted sql\n"}, "a.sql:1: there is no change set in this changelog"),
    (
        "liquibase",
        {"a.sql": "--liquibase formatted sql\nSELECT 0;\n--changeset a:1\n"},
        "a.sql:2: Liquibase does not run what stands before the first change set",
    ),
    (
        "liquibase",
        {"a.sql": f"{LIQUIBASE}\nSELECT 1;\n--changeset 2\n"},
        "a.sql:4: this is not the beginning of a change set",
    ),
    (
        "liquibase",
        {"a.sql": f"{LIQUIBASE} context:test\nSELECT 1;"},
        "a.sql:2: there is nothing like Liquibase's `context`",
    ),
    (
        "liquibase",
        {"a.sql": f"{LIQUIBASE} failOnError:false\nSELECT 1;"},
        "a.sql:2: there is nothing like Liquibase's `failonerror`",
    ),
    (
        "liquibase",
        {"a.sql": f"{LIQUIBASE} endDelimiter:/\nSELECT 1\n/"},
        "a.sql:2: its statements do not end with a semicolon, but with `/`",
    ),
    (
        "liquibase",
        {"a.sql": f"{LIQUIBASE}\n--preconditions onFail:MARK_RAN\nSELECT 1;"},
        "a.sql:3: there is nothing like Liquibase's preconditions here",
    ),
    (
        "liquibase",
        {"a.sql": f"{LIQUIBASE}\nSELECT ${{x}};\n--rollback changesetId:1 changesetAuthor:a"},
        "a.sql:3: Liquibase fills in ${x} here",
        "a.sql:4: this is undone by running another change set",
    ),
    (
        "liquibase",
        {"a.sql": f"{LIQUIBASE}\nSELECT 1;\n/* liquibase rollback\nSELECT 2;\n"},
        "a.sql:4: the comment that begins here never ends",
    ),
    ("node-pg-migrate", {"1_a.ts": ""}, "1_a.ts: this migration is code, not SQL"),
    ("node-pg-migrate", {"1_a.down.sql": SQL}, "1_a.down.sql:1: there is no 1_a.up.sql that this undoes"),
    ("node-pg-migrate", {"1_a.up.sql": SQL, "1_a.sql": SQL}, "1_a.up.sql: this has the same version as 1_a.sql"),
    (
        "node-pg-migrate",
        {"1_a.sql": "SELECT 1;\n-- Down Migration\nSELECT 2;"},
        "1_a.sql:2: `-- Down Migration` stands here without",
    ),
    (
        "node-pg-migrate",
        {"1_a.sql": "SELECT 0;\n-- Up Migration\nSELECT 1;"},
        "1_a.sql:1: statements stand before the first mark",
    ),
    (
        "liquibase",
        {"a.sql": f"{LIQUIBASE}\nSELECT 1;\n/* liquibase rollback\n/* liquibase rollback\n"},
        "a.sql:4: the comment that begins here never ends",
    ),
    ("alembic", {"a.py": "", "b.py": ""}, "a.py: this migration is code, not SQL, and so are 1 more"),
    ("alembic", {"a.sql": f"SELECT 0;\n{ALEMBIC}"}, "a.sql:1: statements stand before the first revision"),
    ("alembic", {"a.sql": ALEMBIC, "b.sql": ALEMBIC}, "b.sql: this has the same version as a.sql"),
    ("rails", {"migrate/1_a.rb": ""}, "migrate/1_a.rb: this migration is code, not SQL"),
    ("rails", {"structure.sql": SQL}, "structure.sql:1: no version of a migration stands in this structure.sql"),
    (
        "rails",
        {"structure.sql": "INSERT INTO schema_migrations (version) VALUES\n('1');", "migrate/2_b.rb": ""},
        "migrate/2_b.rb: this migration is not in structure.sql",
    ),
    (
        "rails",
        {"a/structure.sql": SQL, "b/structure.sql": SQL},
        "b/structure.sql:1: there is another structure.sql",
        "a/structure.sql:1: no version of a migration",
    ),
    (
        "rails",
        {"structure.sql": f"INSERT INTO schema_migrations (version) VALUES\n('{'1' * 5000}');"},
        "structure.sql:1: no version of a migration stands in this structure.sql",
    ),
    ("dbmate", {"1_a\nDROP TABLE t;--.sql": DBMATE}, "1_a\nDROP TABLE t;--.sql:2: what the tool calls this has a line"),
    (
        "liquibase",
        {"a.sql": "--liquibase formatted sql\n--changeset a\rDROP TABLE t;--:1\nSELECT 1;\n"},
        "a.sql:3: what the tool calls this has a line break or another control character in it",
    ),
    (
        "liquibase",
        {"a.sql": '--liquibase formatted sql\n--changeset a:1 logicalFilePath:"x\rDROP TABLE t;--"\nSELECT 1;\n'},
        "a.sql:3: what the tool calls this has a line break or another control character in it",
    ),
    (
        "alembic",
        {"a.sql": "-- Running upgrade  -> a\rDROP TABLE t;\nSELECT 1;\n"},
        "a.sql:2: what the tool calls this has a line break or another control character in it",
    ),
    (
        "liquibase",
        {"a.sql": f"--liquibase formatted sql\n--changeset a:{'1' * 5000}\nSELECT 1;\n"},
        "a.sql:3: the name of its file would have 5011 bytes, and there can be 255",
    ),
    *((tool, {"README.md": ""}, f"theirs: there is no migration of {tool} here") for tool in Tool),
]


@pytest.mark.parametrize(("tool", "files", "expected"), [(tool, files, said) for tool, files, *said in REFUSED])
def test_what_cannot_be_carried_over_is_refused_with_its_place(
    tool: str, files: dict[str, str], expected: list[str]
) -> None:
    found = refusal(tool, files)
    assert len(found) == len(expected)
    for finding, said in zip(found, expected, strict=True):
        assert str(finding).removeprefix("theirs/").startswith(said)
        assert finding.hint


def test_all_that_is_wrong_is_told_at_once() -> None:
    files = {"V1__a.sql": "SELECT ${a}, ${b}, ${a};", "V2__b.java": "", "beforeMigrate.sql": SQL, "V3__c.sql": SQL}
    assert len(refusal("flyway", files)) == 4


def test_a_version_that_the_folder_has_is_refused() -> None:
    (finding,) = refusal("golang-migrate", {"1_a.up.sql": SQL, "2_b.up.sql": SQL}, "0001_x.sql", "0003_y.sql")
    assert str(finding) == "migrations/0001_x.sql: this has the version that 01_a.sql would have"


def test_a_folder_in_which_there_would_be_no_clear_order_is_refused() -> None:
    (finding,) = refusal("golang-migrate", {"1_a.up.sql": SQL}, "0002_x.sql")
    assert "01_a.sql: as a number, version 01 sorts differently" in str(finding)


def test_files_beside_which_there_is_room_are_none_of_its_business() -> None:
    assert converted("golang-migrate", {"2_b.up.sql": SQL}, "00_migration_state_tracking.sql", "01_a.sql").files


# What our own rules say


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT 1;\nCOMMIT;\n", "migrations/01_a.sql:5:1: a migration and its ledger row are one transaction"),
        ("\\set x 1\n", "migrations/01_a.sql:4:1: `\\set` is a command of psql"),
        ("COPY t FROM stdin;\n1\n\\.\n", "migrations/01_a.sql:4:1: COPY from stdin"),
    ],
)
def test_what_check_would_refuse_is_found_in_the_new_file(sql: str, said: str) -> None:
    (finding,) = look_at(converted("golang-migrate", {"1_a.up.sql": sql}))
    assert str(finding).startswith(said)

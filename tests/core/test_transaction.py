"""How a file runs: in the runner's transaction, in steps of its own, or not at all."""

from pathlib import PurePosixPath

import pytest

from runner.core.migration import Headers, Statement
from runner.core.model import SourceFile
from runner.core.statements import LARGE, read_statements
from runner.core.transaction import shape
from runner.errors import Finding

PATH = PurePosixPath("migrations/01_example.sql")
DIRECTIVE = "-- migrate: no-transaction"
AS_WRITTEN = f"or let the file run as it is written, outside of the runner's transaction, with `{DIRECTIVE}` at its top"
BY_HEADER = f"its header says `{DIRECTIVE}`"


def shaped(
    sql: str, *, directive: bool = False, own_transactions: bool = False
) -> tuple[tuple[Statement, ...], str, list[Finding]]:
    problems: list[Finding] = []
    warnings: list[Finding] = []
    source = SourceFile(path=PATH, data=sql.encode())
    statements = read_statements(source, problems, warnings)
    assert problems == []
    return shape(source, statements, Headers(no_transaction=directive), own_transactions=own_transactions)


def steps(sql: str, *, directive: bool = False, own_transactions: bool = False) -> tuple[list[str], str]:
    """What is sent, and why it is not one transaction."""
    found, why, problems = shaped(sql, directive=directive, own_transactions=own_transactions)
    assert problems == []
    return [step.sql.decode() for step in found], why


def refusals(sql: str, *, directive: bool = False, own_transactions: bool = False) -> list[Finding]:
    _, _, problems = shaped(sql, directive=directive, own_transactions=own_transactions)
    assert all(problem.path == PATH for problem in problems)
    return problems


def refusal(sql: str, *, directive: bool = False, own_transactions: bool = False) -> Finding:
    (problem,) = refusals(sql, directive=directive, own_transactions=own_transactions)
    return problem


def places(problems: list[Finding]) -> list[str]:
    return [f"{problem.line}:{problem.column}" for problem in problems]


# One transaction, the runner's


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param("", id="empty"),
        pytest.param("SELECT 1; SELECT 2", id="statements"),
        pytest.param("SAVEPOINT s; SELECT 1; ROLLBACK TO s; RELEASE s", id="savepoints"),
        pytest.param("SET LOCAL lock_timeout = '2s'; LOCK TABLE t", id="only-in-a-transaction"),
        pytest.param("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; SELECT 1", id="set-transaction"),
        pytest.param("PREPARE q AS SELECT 1; EXECUTE q", id="prepared-statement"),
        pytest.param("DO $$ BEGIN COMMIT; END $$", id="commit-in-a-body"),
    ],
)
def test_what_can_be_is_one_transaction(sql: str) -> None:
    found, why = steps(sql)
    assert ("; ".join(found), why) == (sql, "")


@pytest.mark.parametrize(
    ("begin", "commit"),
    [("BEGIN", "COMMIT"), ("START TRANSACTION", "END"), ("begin work", "commit work"), ("BEGIN", "END TRANSACTION")],
)
@pytest.mark.parametrize("own_transactions", [True, False], ids=["honour", "refuse"])
def test_a_file_wrapped_whole_is_unwrapped(begin: str, commit: str, own_transactions: bool) -> None:
    sql = f"-- why\n{begin};\nSELECT 1;\nSELECT 2;\n{commit};\n-- done"
    assert steps(sql, own_transactions=own_transactions) == (["SELECT 1", "SELECT 2"], "")


def test_an_empty_block_is_nothing_to_do() -> None:
    assert steps("BEGIN; COMMIT;") == ([], "")


def test_savepoints_do_not_keep_a_file_from_being_unwrapped() -> None:
    assert steps("BEGIN; SAVEPOINT s; ROLLBACK TO s; COMMIT") == (["SAVEPOINT s", "ROLLBACK TO s"], "")


def test_a_large_file_wrapped_whole_is_unwrapped() -> None:
    row = "INSERT INTO t VALUES (1);\n"
    found, why, problems = shaped(f"BEGIN;\n{row * (LARGE // len(row) + 1)}COMMIT;")
    assert (why, problems, found[0].line) == ("", [], 2)
    assert sum(step.count for step in found) == LARGE // len(row) + 1


# Refused: transactions of its own


@pytest.mark.parametrize(
    ("sql", "place", "more"),
    [
        pytest.param("BEGIN;\nSELECT 1;\nCOMMIT;\nBEGIN;\nCOMMIT", "1:1", " (and line 3, 4, 5)", id="blocks"),
        pytest.param("BEGIN;\nROLLBACK; COMMIT", "1:1", " (and line 2)", id="rolled-back-inside"),
        pytest.param("BEGIN; SELECT 1;\nROLLBACK;\nCOMMIT", "1:1", " (and line 2, 3)", id="rolled-back-at-the-end"),
        pytest.param("SELECT 0;\n BEGIN; SELECT 1;\nCOMMIT", "2:2", " (and line 3)", id="statement-before-the-block"),
        pytest.param("BEGIN; SELECT 1;\nCOMMIT; SELECT 2", "1:1", " (and line 2)", id="statement-behind-the-block"),
        pytest.param("SELECT 1;\n COMMIT;\nSELECT 2", "2:2", "", id="bare-commit"),
        pytest.param("COMMIT", "1:1", "", id="nothing-but-commit"),
        pytest.param("BEGIN; SELECT 1", "1:1", "", id="never-committed"),
        pytest.param("BEGIN; SELECT 1; ROLLBACK", "1:1", " (and line 1)", id="rolled-back"),
        pytest.param("COMMIT;\nBEGIN", "1:1", " (and line 2)", id="the-wrong-way-round"),
        pytest.param("BEGIN; SELECT 1;\nCOMMIT AND CHAIN", "1:1", " (and line 2)", id="chained"),
        pytest.param("SELECT 1; ROLLBACK", "1:11", "", id="bare-rollback"),
        pytest.param("SELECT 1; PREPARE TRANSACTION 'x'", "1:11", "", id="two-phase"),
        pytest.param("COMMIT PREPARED 'x';\nROLLBACK PREPARED 'y'", "1:1", " (and line 2)", id="second-phase"),
        pytest.param("FROB t;\nROLLBACK TO s;\nABORT", "3:1", "", id="beside-text-that-the-parser-does-not-know"),
    ],
)
def test_refuses_control_of_the_transaction_at_the_first_place_and_names_the_others(
    sql: str, place: str, more: str
) -> None:
    problem = refusal(sql)
    assert places([problem]) == [place]
    assert problem.message == (
        "a migration and its ledger row are one transaction, begun and committed by the runner; this statement "
        f"would end or split it{more}"
    )
    assert problem.hint == f"take it out, {AS_WRITTEN}"


@pytest.mark.parametrize(
    "begin", ["BEGIN ISOLATION LEVEL SERIALIZABLE", "START TRANSACTION READ ONLY", "BEGIN DEFERRABLE"]
)
def test_refuses_begin_with_options_and_says_how_to_have_them(begin: str) -> None:
    problem = refusal(f"{begin};\nSELECT 1;\nCOMMIT;")
    assert places([problem]) == ["1:1"]
    assert problem.message == (
        "a migration and its ledger row are one transaction, begun and committed by the runner; this file begins its "
        "own, with options (and line 3)"
    )
    assert problem.hint == f"take BEGIN and COMMIT out and begin the file with SET TRANSACTION …, {AS_WRITTEN}"


@pytest.mark.parametrize("control", ["BEGIN", "start transaction", "COMMIT", "End", "ROLLBACK", "ABORT"])
def test_refuses_control_beside_text_that_the_parser_does_not_understand(control: str) -> None:
    assert places(refusals(f"FROB t;\n{control};\nSELECT 1;")) == ["2:1"]


@pytest.mark.parametrize("sql", ["PREPARE q AS SELECT 1", "ROLLBACK TO SAVEPOINT s", "SELECT 'COMMIT;', $$;COMMIT;$$"])
def test_words_that_only_begin_like_control_are_harmless_beside_such_text(sql: str) -> None:
    assert steps(f"FROB t; -- COMMIT;\n{sql};") == (["FROB t", sql], "")


# Refused: what cannot be inside of the BEGIN … COMMIT around it


def test_refuses_what_postgresql_does_not_run_inside_of_the_block_around_it() -> None:
    problem = refusal("BEGIN;\nSELECT 1;\n CREATE INDEX CONCURRENTLY i ON t (a);\nCOMMIT;")
    assert (problem.line, problem.column) == (3, 2)
    assert problem.message == ("PostgreSQL does not run CREATE INDEX CONCURRENTLY inside the BEGIN … COMMIT around it")
    assert problem.hint == "take BEGIN and COMMIT out, or move this statement into a migration of its own"


def test_refuses_the_use_of_an_enum_value_that_the_block_around_it_adds() -> None:
    problem = refusal("BEGIN;\nALTER TYPE mood ADD VALUE 'new';\n UPDATE t SET m = 'new';\nCOMMIT;")
    assert (problem.line, problem.column) == (3, 2)
    assert problem.message == ("the value 'new' cannot be used before the transaction that adds it (line 2) commits")
    assert problem.hint == "take BEGIN and COMMIT out, or move this statement into a migration of its own"


def test_tells_everything_that_cannot_be_inside() -> None:
    assert places(refusals("BEGIN;\nVACUUM;\nDROP DATABASE d;\nCOMMIT;")) == ["2:1", "3:1"]


# Steps of its own, as PostgreSQL wants it


def test_what_no_transaction_takes_makes_the_whole_file_steps_of_its_own() -> None:
    found, why = steps("CREATE TABLE t (a int);\n\n CREATE INDEX CONCURRENTLY i ON t (a);")
    assert found == ["CREATE TABLE t (a int)", "CREATE INDEX CONCURRENTLY i ON t (a)"]
    assert why == "PostgreSQL does not run CREATE INDEX CONCURRENTLY inside a transaction (line 3)"


def test_the_first_reason_is_the_one_that_is_told() -> None:
    _, why = steps("VACUUM;\nALTER SYSTEM RESET ALL;")
    assert why == "PostgreSQL does not run VACUUM inside a transaction (line 1)"


ADD = "ALTER TYPE mood ADD VALUE 'new'"


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        pytest.param(
            f"{ADD};\nUPDATE t SET m = 'new';",
            "the value 'new' that line 1 adds to a type is used in line 2",
            id="used",
        ),
        pytest.param(
            f"SELECT 1;\n{ADD};\nSELECT 2;\nALTER TABLE t ALTER m SET DEFAULT 'new'::mood;",
            "the value 'new' that line 2 adds to a type is used in line 4",
            id="further-below",
        ),
        pytest.param(
            "ALTER TYPE mood ADD VALUE IF NOT EXISTS 'it''s';\nSELECT 'it''s'::mood",
            "the value 'it's' that line 1 adds to a type is used in line 2",
            id="with-a-quote",
        ),
        pytest.param(
            f"{ADD};\nDO $$ BEGIN UPDATE t SET m = 'new'; END $$",
            "the value 'new' that line 1 adds to a type is used in line 2",
            id="in-a-do-block",
        ),
        pytest.param(
            f"CREATE TYPE other AS ENUM ();\n{ADD};\nSELECT 'new'::mood",
            "the value 'new' that line 2 adds to a type is used in line 3",
            id="another-type-is-created",
        ),
        pytest.param(
            f"{ADD};\nCREATE TYPE mood AS ENUM ('a');\nSELECT 'new'::mood",
            "the value 'new' that line 1 adds to a type is used in line 3",
            id="created-later",
        ),
    ],
)
def test_a_file_that_uses_the_enum_value_it_adds_runs_in_steps(sql: str, why: str) -> None:
    found, said = steps(sql)
    assert len(found) == sql.rstrip(";").count(";\n") + 1
    assert said == why


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param(f"{ADD};", id="added-only"),
        pytest.param(f"UPDATE t SET m = 'new';\n{ADD};", id="used-before"),
        pytest.param(f"{ADD}; SELECT 'new one', 'old'", id="another-literal"),
        pytest.param(f"{ADD}; -- 'new'\nSELECT 1 /* new */; /* 'new' */", id="in-a-comment"),
        pytest.param(f"{ADD}; COMMENT ON TYPE mood IS 'new'", id="in-a-comment-on-it"),
        pytest.param(f"{ADD}; ALTER TYPE mood ADD VALUE 'newer' AFTER 'new'", id="beside-the-next"),
        pytest.param(f"{ADD}; CREATE TYPE weather AS ENUM ('new')", id="of-another-type"),
        pytest.param("ALTER TYPE mood RENAME VALUE 'old' TO 'new'; SELECT 'new'::mood", id="renamed"),
    ],
)
def test_a_file_that_adds_an_enum_value_and_does_not_use_it_is_one_transaction(sql: str) -> None:
    _, why = steps(sql)
    assert why == ""


def test_servers_before_17_refuse_it_in_a_type_of_the_same_transaction_too() -> None:
    _, why = steps(f"CREATE TYPE mood AS ENUM ('a'); {ADD}; UPDATE t SET m = 'new'")
    assert why.startswith("the value 'new' that line 1 adds")


def test_an_enum_value_used_in_a_large_file_is_found() -> None:
    row = "INSERT INTO t VALUES ('old');\n"
    _, why = steps(f"{ADD};\n{row * (LARGE // len(row) + 1)}INSERT INTO t VALUES ('new');")
    assert why.startswith("the value 'new' that line 1 adds to a type is used in line ")


@pytest.mark.parametrize(
    ("sql", "name"),
    [
        pytest.param("SET LOCAL lock_timeout = '2s'", "SET LOCAL", id="set-local"),
        pytest.param("LOCK TABLE t", "LOCK TABLE", id="lock"),
        pytest.param("SAVEPOINT s", "SAVEPOINT", id="savepoint"),
        pytest.param("SET TRANSACTION READ ONLY", "SET TRANSACTION", id="set-transaction"),
        pytest.param("SET CONSTRAINTS ALL DEFERRED", "SET CONSTRAINTS", id="set-constraints"),
    ],
)
def test_refuses_what_means_nothing_in_a_step_of_its_own(sql: str, name: str) -> None:
    problem = refusal(f"VACUUM;\n  {sql};")
    assert (problem.line, problem.column) == (2, 3)
    assert problem.message == (
        f"{name} means nothing outside of a transaction, and this file does not run in one: PostgreSQL does not run "
        "VACUUM inside a transaction (line 1)"
    )
    assert problem.hint == "put what belongs together between BEGIN and COMMIT, or split the file"


# Steps of its own, as the file wants it


@pytest.mark.parametrize("manner", ["directive", "own_transactions"])
def test_a_block_of_the_files_own_is_one_step(manner: str) -> None:
    sql = "SELECT 1;\n BEGIN; SELECT 2;\nSELECT 3; COMMIT;\nVACUUM;\nSTART TRANSACTION READ ONLY; END;"
    found, why, problems = shaped(sql, directive=manner == "directive", own_transactions=manner == "own_transactions")
    assert problems == []
    assert why == (BY_HEADER if manner == "directive" else "it has transactions of its own, the first in line 2")
    assert [(step.sql.decode(), step.line, step.column, step.count) for step in found] == [
        ("SELECT 1", 1, 1, 1),
        ("BEGIN; SELECT 2;\nSELECT 3; COMMIT", 2, 2, 1),
        ("VACUUM", 4, 1, 1),
        ("START TRANSACTION READ ONLY; END", 5, 1, 1),
    ]


@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK", "ABORT", "END", "PREPARE TRANSACTION 'x'"])
def test_a_block_may_end_in_every_way(end: str) -> None:
    assert steps(f"BEGIN; SELECT 1; {end}; SELECT 2", directive=True)[0] == [f"BEGIN; SELECT 1; {end}", "SELECT 2"]


def test_a_chained_block_goes_on() -> None:
    sql = "BEGIN; SELECT 1; COMMIT AND CHAIN; SELECT 2; COMMIT"
    assert steps(f"{sql}; SELECT 3", directive=True)[0] == [sql, "SELECT 3"]


def test_a_savepoint_does_not_end_a_block() -> None:
    sql = "BEGIN; SAVEPOINT s; ROLLBACK TO s; RELEASE s; SET LOCAL work_mem = '1MB'; COMMIT"
    assert steps(sql, directive=True) == ([sql], BY_HEADER)


def test_the_directive_leaves_a_wrapped_file_as_it_is_written() -> None:
    assert steps("BEGIN; SELECT 1; COMMIT;", directive=True) == (["BEGIN; SELECT 1; COMMIT"], BY_HEADER)


def test_the_directive_sends_statement_by_statement() -> None:
    assert steps("SELECT 1; SELECT 2", directive=True) == (["SELECT 1", "SELECT 2"], BY_HEADER)


def test_own_transactions_change_nothing_for_a_file_without_any() -> None:
    assert steps("SELECT 1; SELECT 2", own_transactions=True) == (["SELECT 1", "SELECT 2"], "")


def test_an_enum_value_may_be_used_behind_the_block_that_adds_it() -> None:
    sql = f"BEGIN; {ADD}; COMMIT; UPDATE t SET m = 'new'"
    assert len(steps(sql, directive=True)[0]) == 2


def test_refuses_in_a_block_what_could_not_be_there() -> None:
    found = refusals(f"BEGIN;\nVACUUM;\nCOMMIT;\nBEGIN;\n{ADD};\n  SELECT 'new'::mood;\nCOMMIT;", directive=True)
    assert [(problem.line, problem.column, problem.message) for problem in found] == [
        (2, 1, "PostgreSQL does not run VACUUM inside the BEGIN … COMMIT around it"),
        (6, 3, "the value 'new' cannot be used before the transaction that adds it (line 5) commits"),
    ]


def test_refuses_a_block_that_never_ends() -> None:
    problem = refusal("SELECT 1;\n BEGIN;\nSELECT 2;", directive=True)
    assert (problem.line, problem.column) == (2, 2)
    assert (problem.message, problem.hint) == ("the transaction that begins here never ends", "add its COMMIT")


def test_refuses_outside_of_its_blocks_what_means_nothing_there() -> None:
    problem = refusal("LOCK TABLE t;\nBEGIN; LOCK TABLE t; COMMIT;", directive=True)
    assert (problem.line, problem.message) == (
        1,
        f"LOCK TABLE means nothing outside of a transaction, and this file does not run in one: {BY_HEADER}",
    )

"""Our own lint rules, over statements whose traits are given by hand."""

from collections.abc import Collection, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from runner.core.lint import CHECKS, RULES, anchor, documented, lint, without_rules
from runner.core.migration import Control, Headers, Migration, Statement, Traits
from runner.core.model import MigrationFile, SourceFile
from runner.errors import Finding, Level

PATH = PurePosixPath("migrations/01_example.sql")

BEGIN, COMMIT = Traits(control=Control.BEGIN), Traits(control=Control.COMMIT)
CHAIN = Traits(control=Control.CHAIN)
CONCURRENTLY = Traits(kind="index_stmt", no_transaction="CREATE INDEX CONCURRENTLY")
VACUUM = Traits(kind="vacuum_stmt", no_transaction="VACUUM")
ALTER_USERS = Traits(kind="alter_table_stmt", locks=("users",))
ALTER_ORDERS = Traits(kind="alter_table_stmt", locks=("orders",))
UPDATE = Traits(kind="update_stmt", takes_time=True)
SETTING = Traits(kind="variable_set_stmt")


def a_file(
    *parts: tuple[str, Traits] | str,
    transactional: bool = True,
    headers: Headers | None = None,
    counts: Sequence[int] = (),
) -> Migration:
    """A migration of these lines; those with traits are statements."""
    text = "".join(f"{part if isinstance(part, str) else part[0]}\n" for part in parts)
    data = text.encode()
    statements: list[Statement] = []
    start = 0
    for number, part in enumerate(parts, start=1):
        line = part if isinstance(part, str) else part[0]
        size = len(line.encode())
        if not isinstance(part, str):
            indent = len(line) - len(line.lstrip())
            count = counts[len(statements)] if counts else 1
            statements.append(
                Statement(
                    source=data,
                    start=start + indent,
                    end=start + size,
                    line=number + line[:indent].count("\n"),
                    column=indent + 1,
                    traits=part[1],
                    count=count,
                )
            )
        start += size + 1
    source = SourceFile(path=PATH, data=data)
    return Migration(
        file=MigrationFile(version="01", name="example", up=source, checksum=""),
        source=source,
        headers=headers or Headers(),
        statements=tuple(statements),
        steps=tuple(statements),
        transactional=transactional,
    )


def statements_of(*traits: Traits, **others: Any) -> Migration:
    """A migration with one statement a line."""
    return a_file(*((f"statement {number}", found) for number, found in enumerate(traits, start=1)), **others)


def rules_at(migration: Migration, exclude: Collection[str] = ()) -> list[tuple[str, int | None]]:
    return [(finding.rule, finding.line) for finding in lint(migration, exclude=exclude)]


def only(migration: Migration) -> Finding:
    (finding,) = lint(migration)
    return finding


def test_a_finding_is_a_warning_with_place_rule_and_what_to_do() -> None:
    finding = only(a_file("-- café", ("  CREATE ROLE a PASSWORD 'b'", Traits(password=True))))
    assert (finding.level, finding.place, finding.rule) == (
        Level.WARNING,
        "migrations/01_example.sql:2:3",
        "password-in-sql",
    )
    assert finding.message
    assert finding.hint
    assert finding.url == ""


def test_the_path_is_that_of_the_text_that_was_looked_at() -> None:
    migration = statements_of(Traits(password=True))
    down = PurePosixPath("migrations/01_example.down.sql")
    moved = Migration(
        file=migration.file,
        source=SourceFile(path=down, data=migration.source.data),
        headers=migration.headers,
        statements=migration.statements,
        steps=migration.steps,
    )
    assert only(moved).path == down


@pytest.mark.parametrize("traits", [Traits(), ALTER_USERS, UPDATE, SETTING, CONCURRENTLY], ids=lambda found: found.kind)
def test_says_nothing_about_an_ordinary_statement(traits: Traits) -> None:
    assert lint(statements_of(traits, transactional=not traits.no_transaction)) == []


def test_says_nothing_about_an_empty_file() -> None:
    assert lint(a_file()) == []


@pytest.mark.parametrize(
    ("rule", "traits", "told"),
    [
        ("if-not-exists-concurrently", Traits(hides_invalid_index=True), "invalid index"),
        ("password-in-sql", Traits(password=True), "a password stands here"),
        ("cluster-wide", Traits(cluster_wide="ALTER SYSTEM"), "ALTER SYSTEM reaches beyond this database"),
    ],
)
def test_tells_of_each_statement_that_has_the_trait(rule: str, traits: Traits, told: str) -> None:
    findings = lint(statements_of(traits, Traits(), traits))
    assert [(finding.rule, finding.line) for finding in findings] == [(rule, 1), (rule, 3)]
    assert told in findings[0].message


def test_the_findings_are_in_the_order_of_the_file() -> None:
    migration = statements_of(Traits(cluster_wide="CREATE ROLE"), Traits(password=True), Traits(cluster_wide="GRANT"))
    assert rules_at(migration) == [("cluster-wide", 1), ("password-in-sql", 2), ("cluster-wide", 3)]


# mixed-transaction


def test_advises_to_split_a_file_that_one_statement_keeps_out_of_a_transaction() -> None:
    finding = only(statements_of(ALTER_USERS, CONCURRENTLY, UPDATE, transactional=False))
    assert (finding.rule, finding.line) == ("mixed-transaction", 2)
    assert finding.message.startswith(
        "CREATE INDEX CONCURRENTLY keeps the file out of a transaction, and with it 2 other statements, the first in "
        "line 1:"
    )
    assert "split the file" in finding.hint


def test_counts_the_statements_that_are_sent_together() -> None:
    migration = statements_of(VACUUM, UPDATE, ALTER_USERS, transactional=False, counts=(1, 500, 1))
    assert "501 other statements" in only(migration).message


def test_one_other_statement_is_enough() -> None:
    assert (
        "another statement, the first in line 2"
        in only(statements_of(VACUUM, ALTER_USERS, transactional=False)).message
    )


@pytest.mark.parametrize(
    "traits",
    [
        pytest.param([CONCURRENTLY, VACUUM], id="all-of-them"),
        pytest.param([SETTING, CONCURRENTLY], id="a-setting-for-it"),
        pytest.param([CONCURRENTLY, BEGIN, ALTER_USERS, UPDATE, COMMIT], id="the-others-in-their-own-transaction"),
        pytest.param([ALTER_USERS, UPDATE], id="none"),
    ],
)
def test_does_not_call_a_file_mixed_that_could_not_be_split(traits: list[Traits]) -> None:
    assert "mixed-transaction" not in [rule for rule, _ in rules_at(statements_of(*traits, transactional=False))]


def test_a_file_that_was_told_to_run_without_a_transaction_is_not_called_mixed() -> None:
    headers = Headers(no_transaction=True)
    assert lint(statements_of(CONCURRENTLY, UPDATE, transactional=False, headers=headers)) == []


def test_an_enum_value_that_is_used_at_once_mixes_a_file_as_well() -> None:
    value = Traits(kind="alter_enum_stmt", enum_values=(("mood", "ok"),))
    finding = only(statements_of(value, UPDATE, transactional=False))
    assert (finding.rule, finding.line) == ("mixed-transaction", 1)
    assert finding.message.startswith("a new enum value that the same file uses keeps the file out of a transaction")


def test_an_enum_value_beside_the_true_cause_is_one_of_the_others() -> None:
    value = Traits(kind="alter_enum_stmt", enum_values=(("mood", "ok"),))
    finding = only(statements_of(value, CONCURRENTLY, transactional=False))
    assert (finding.line, "another statement" in finding.message) == (2, True)


def test_an_enum_value_is_no_cause_in_a_file_with_transactions_of_its_own() -> None:
    value = Traits(kind="alter_enum_stmt", enum_values=(("mood", "ok"),))
    assert lint(statements_of(value, Traits(), BEGIN, UPDATE, COMMIT, transactional=False)) == []


# several-exclusive-locks


def test_tells_of_the_second_table_that_a_transaction_locks() -> None:
    finding = only(statements_of(ALTER_USERS, Traits(), ALTER_ORDERS))
    assert (finding.rule, finding.line) == ("several-exclusive-locks", 3)
    assert "locks orders" in finding.message
    assert "while users is still locked since line 1" in finding.message
    assert "more like it" not in finding.message


def test_tells_of_the_further_tables_with_the_second() -> None:
    migration = statements_of(ALTER_USERS, ALTER_ORDERS, Traits(locks=("a", "b", "users")))
    assert rules_at(migration) == [("several-exclusive-locks", 2)]
    assert only(migration).message.endswith("(2 more like it in this file)")


def test_one_statement_can_lock_two_tables() -> None:
    assert rules_at(statements_of(Traits(locks=("users", "orders")))) == [("several-exclusive-locks", 1)]


@pytest.mark.parametrize(
    "traits",
    [
        pytest.param([ALTER_USERS, ALTER_USERS], id="the-same-twice"),
        pytest.param([ALTER_USERS, Traits(locks=("public.users",))], id="the-same-with-its-schema"),
        pytest.param([Traits(locks=("app.users",)), ALTER_USERS], id="the-same-without-its-schema"),
        pytest.param([Traits(creates=("orders",)), ALTER_ORDERS, ALTER_USERS], id="one-that-the-file-made"),
        pytest.param([Traits(creates=("app.orders",)), ALTER_USERS, ALTER_ORDERS], id="made-with-its-schema"),
    ],
)
def test_one_table_that_others_use_is_no_matter(traits: list[Traits]) -> None:
    assert lint(statements_of(*traits)) == []


def test_tables_of_two_schemas_are_two() -> None:
    migration = statements_of(Traits(locks=("a.users",)), Traits(locks=("b.users",)))
    assert rules_at(migration) == [("several-exclusive-locks", 2)]


def test_a_table_that_is_made_later_was_there_before() -> None:
    migration = statements_of(ALTER_USERS, Traits(locks=("orders",)), Traits(creates=("orders",)))
    assert rules_at(migration) == [("several-exclusive-locks", 2)]


def test_without_a_transaction_no_lock_outlives_its_statement() -> None:
    assert lint(statements_of(ALTER_USERS, ALTER_ORDERS, UPDATE, transactional=False)) == []


def test_the_transactions_of_a_file_are_looked_at_one_by_one() -> None:
    apart = [BEGIN, ALTER_USERS, COMMIT, BEGIN, ALTER_ORDERS, UPDATE, COMMIT]
    assert rules_at(statements_of(*apart, transactional=False)) == [("work-under-exclusive-lock", 6)]
    together = [BEGIN, ALTER_USERS, ALTER_ORDERS, COMMIT, UPDATE]
    assert rules_at(statements_of(*together, transactional=False)) == [("several-exclusive-locks", 3)]


def test_a_chained_transaction_is_a_new_one() -> None:
    chained = [BEGIN, ALTER_USERS, CHAIN, ALTER_ORDERS, COMMIT]
    assert lint(statements_of(*chained, transactional=False)) == []


# work-under-exclusive-lock


def test_tells_of_work_on_rows_while_a_table_is_locked() -> None:
    finding = only(statements_of(Traits(), ALTER_USERS, Traits(), UPDATE))
    assert (finding.rule, finding.line) == ("work-under-exclusive-lock", 4)
    assert "users is locked against everybody (ACCESS EXCLUSIVE) since line 2" in finding.message


def test_tells_once_a_file_and_counts_the_rest() -> None:
    migration = statements_of(ALTER_USERS, UPDATE, UPDATE, UPDATE, counts=(1, 1, 1, 200))
    assert rules_at(migration) == [("work-under-exclusive-lock", 2)]
    assert only(migration).message.endswith("(201 more like it in this file)")


@pytest.mark.parametrize(
    "traits",
    [
        pytest.param([UPDATE, ALTER_USERS], id="before-the-lock"),
        pytest.param([Traits(locks=("users",), takes_time=True)], id="the-statement-that-locks"),
        pytest.param([Traits(creates=("users",)), ALTER_USERS, UPDATE], id="a-table-that-the-file-made"),
    ],
)
def test_work_that_nobody_waits_for_is_no_matter(traits: list[Traits]) -> None:
    assert lint(statements_of(*traits)) == []


def test_a_large_file_is_looked_at_in_one_pass() -> None:
    made = [Traits(creates=(f"t{number}",), locks=(f"s.t{number}",)) for number in range(3000)]
    migration = statements_of(*made, *[UPDATE] * 20000)
    assert [rule for rule, _ in rules_at(migration)] == ["several-exclusive-locks", "work-under-exclusive-lock"]


# What is not asked


@pytest.mark.parametrize("rule", ["password-in-sql", "cluster-wide"])
def test_an_excluded_rule_is_not_asked(rule: str) -> None:
    migration = statements_of(Traits(password=True, cluster_wide="CREATE ROLE"))
    assert [found for found, _ in rules_at(migration, exclude={rule})] == [
        other for other in ("password-in-sql", "cluster-wide") if other != rule
    ]


PASSWORD = ("CREATE ROLE", Traits(password=True))


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(["-- lint-ignore password-in-sql", PASSWORD], id="our-spelling"),
        pytest.param(["-- squawk-ignore password-in-sql", PASSWORD], id="the-spelling-of-squawk"),
        pytest.param(["--lint-ignore ban-drop-table,password-in-sql", PASSWORD], id="one-of-several"),
        pytest.param(["/* lint-ignore password-in-sql */", PASSWORD], id="a-block-comment"),
        pytest.param(["  -- lint-ignore password-in-sql -- it is the test server's", PASSWORD], id="with-a-reason"),
        pytest.param(["-- lint-ignore password-in-sql", "-- said twice", PASSWORD], id="above-another-comment"),
        pytest.param(
            ["-- lint-ignore password-in-sql", "-- squawk-ignore ban-drop-table", PASSWORD], id="above-squawks"
        ),
        pytest.param([("CREATE ROLE -- lint-ignore password-in-sql", PASSWORD[1])], id="behind-it"),
        pytest.param([("/* lint-ignore password-in-sql */ CREATE ROLE", PASSWORD[1])], id="on-its-line"),
        pytest.param(["-- lint-ignore-file password-in-sql", "", "", PASSWORD], id="file-with-a-rule"),
        pytest.param([PASSWORD, "-- squawk-ignore-file x, password-in-sql"], id="file-anywhere"),
        pytest.param(["-- squawk-ignore-file", "", PASSWORD], id="file-without-a-rule"),
        pytest.param(["-- lint-ignore-file -- a dump of the old one", "", PASSWORD], id="file-with-a-reason-only"),
    ],
)  # fmt: skip
def test_a_comment_takes_a_finding_out(lines: list[str | tuple[str, Traits]]) -> None:
    assert lint(a_file(*lines)) == []


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(["-- lint-ignore cluster-wide", PASSWORD], id="another-rule"),
        pytest.param(["-- lint-ignore", PASSWORD], id="no-rule"),
        pytest.param(["-- lint-ignore password-in-sql", "", PASSWORD], id="a-blank-line-between"),
        pytest.param(["-- lint-ignore password-in-sql", "SELECT 1;", PASSWORD], id="a-statement-between"),
        pytest.param([PASSWORD, "-- lint-ignore password-in-sql"], id="below"),
        pytest.param(["-- lint-ignored password-in-sql", PASSWORD], id="another-word"),
        pytest.param(["-- LINT-IGNORE password-in-sql", PASSWORD], id="in-capitals"),
        pytest.param(["-- lint-ignore-file cluster-wide", PASSWORD], id="another-rule-for-the-file"),
        pytest.param(["lint-ignore password-in-sql", PASSWORD], id="no-comment"),
    ],
)
def test_another_comment_does_not(lines: list[str | tuple[str, Traits]]) -> None:
    assert [finding.rule for finding in lint(a_file(*lines))] == ["password-in-sql"]


def test_what_is_ignored_is_neither_the_one_that_is_told_nor_counted() -> None:
    migration = a_file(
        ("ALTER TABLE users", ALTER_USERS),
        "-- lint-ignore work-under-exclusive-lock",
        ("UPDATE a", UPDATE),
        ("UPDATE b", UPDATE),
    )
    finding = only(migration)
    assert (finding.line, "more like it" in finding.message) == (4, False)


def test_a_comment_counts_for_its_statement_alone() -> None:
    migration = a_file("-- lint-ignore password-in-sql", PASSWORD, "", PASSWORD)
    assert rules_at(migration) == [("password-in-sql", 4)]


def test_one_very_long_line_is_looked_at_near_the_statement() -> None:
    line = "x" * 300_000 + " -- lint-ignore password-in-sql"
    assert rules_at(a_file((line, PASSWORD[1]))) == [("password-in-sql", 1)]


# Pages


def test_every_rule_is_explained() -> None:
    assert CHECKS.keys() <= RULES.keys()
    assert all(RULES.values())


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_has_its_place_on_the_page(rule: str) -> None:
    page = (Path(__file__).parents[2] / "docs" / "lint.md").read_text()
    assert f"\n### {anchor(rule).removeprefix('#')}\n" in page
    assert page.count(f"\n| [{rule}](") == 1


def test_findings_of_our_rules_get_a_link_and_others_keep_theirs() -> None:
    theirs = Finding("b", rule="ban-drop-table", url="https://squawkhq.com/docs/ban-drop-table")
    found = documented([Finding("a", rule="secret"), theirs, Finding("c")], "https://example.com/lint.md")
    assert [finding.url for finding in found] == [f"https://example.com/lint.md{anchor('secret')}", theirs.url, ""]


def test_findings_of_a_rule_can_be_left_out() -> None:
    one, other = Finding("a", rule="secret"), Finding("b", rule="cluster-wide")
    assert without_rules([one, other], {"secret"}) == [other]

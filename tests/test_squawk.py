"""The real squawk on real files: findings, their places, and what it cannot answer."""

import os
import sys
from collections.abc import Callable, Collection
from pathlib import Path, PurePosixPath

import pytest

import runner.squawk
from runner.core.lint import LARGEST
from runner.errors import Finding, InputError, Level
from runner.squawk import SETTLED, squawk

Lint = Callable[..., list[Finding]]
DROP = "DROP TABLE a;\n"
BAN = "ban-drop-table"


@pytest.fixture
def lint(tmp_path: Path) -> Lint:
    """Writes files and has squawk look at them, by default as parts of a transaction."""

    def look(
        *texts: str | bytes, names: Collection[str] = (), exclude: Collection[str] = (), **others: object
    ) -> list[Finding]:
        paths = [PurePosixPath(name) for name in names or [f"0{number}_x.sql" for number in range(1, len(texts) + 1)]]
        for path, text in zip(paths, texts, strict=True):
            place = tmp_path / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(text.encode() if isinstance(text, str) else text)
        options = {"pg_version": None, "in_transaction": True} | others
        return squawk(tmp_path, paths, exclude=exclude, **options)  # type: ignore[arg-type]

    return look


def rules(findings: list[Finding]) -> list[str]:
    return [finding.rule for finding in findings]


def refusal_of(lint: Lint, *texts: str | bytes, **others: object) -> Finding:
    with pytest.raises(InputError) as caught:
        lint(*texts, **others)
    (finding,) = caught.value.findings
    return finding


def test_a_finding_has_place_message_hint_rule_and_page(lint: Lint) -> None:
    (finding,) = lint("-- first\nCREATE INDEX i\n  ON a (b);\n")
    assert (finding.place, finding.level) == ("01_x.sql:2:1", Level.WARNING)
    assert "updates are blocked" in finding.message
    assert "concurrently" in finding.hint
    assert finding.rule == "require-concurrent-index-creation"
    assert finding.url == "https://squawkhq.com/docs/require-concurrent-index-creation"


@pytest.mark.parametrize(
    ("text", "rule", "page"),
    [
        ("CREATE TABLE t (a timestamp);", "prefer-timestamp-tz", "prefer-timestamptz"),
        ("-- squawk-ignore no-such-rule\nSELECT 1;", "unused-ignore", "cli"),
    ],
)
def test_a_page_that_has_another_name_is_found(lint: Lint, text: str, rule: str, page: str) -> None:
    (finding,) = lint(text)
    assert (finding.rule, finding.url) == (rule, f"https://squawkhq.com/docs/{page}")


def test_nothing_to_say_is_no_finding(lint: Lint) -> None:
    assert lint("SELECT 1;\n", "", "-- only a comment", "\ufeff") == []


def test_no_files_are_no_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner.squawk, "_program", None)
    assert squawk(tmp_path, [], pg_version=None, in_transaction=True, exclude=()) == []


def test_findings_are_in_the_order_of_the_files_as_given(lint: Lint) -> None:
    findings = lint(DROP + DROP, DROP, DROP, names=["3.sql", "1.sql", "2.sql"])
    assert [finding.place for finding in findings] == ["3.sql:1:1", "3.sql:2:1", "1.sql:1:1", "2.sql:1:1"]


def test_a_file_given_twice_is_looked_at_once(lint: Lint) -> None:
    assert len(lint(DROP, DROP, names=["1.sql", "1.sql"])) == 1


# Places


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        pytest.param(DROP, 1, 1, id="first"),
        pytest.param("SELECT 'a'; DROP TABLE a;", 1, 13, id="ascii"),
        pytest.param("SELECT 'üö'; DROP TABLE a;", 1, 14, id="two-bytes"),
        pytest.param("SELECT '€'; DROP TABLE a;", 1, 13, id="three-bytes"),
        pytest.param("SELECT '😀'; DROP TABLE a;", 1, 13, id="beyond-the-first-plane"),
        pytest.param("SELECT 'e\u0301'; DROP TABLE a;", 1, 14, id="combining"),
        pytest.param("\t\tSELECT 1;\tDROP TABLE a;", 1, 13, id="tabs"),
        pytest.param("\ufeffDROP TABLE a;", 1, 1, id="byte-order-mark"),
        pytest.param("\ufeffSELECT 'ü'; DROP TABLE a;", 1, 13, id="byte-order-mark-and-more"),
        pytest.param("\ufeff-- x\nDROP TABLE a;", 2, 1, id="below-a-byte-order-mark"),
        pytest.param("-- x\r\n  DROP TABLE a;\r\n", 2, 3, id="crlf"),
        pytest.param("\ufeff-- ü\r\n\r\n\tSELECT '😀';\tDROP TABLE a;\r\n", 3, 14, id="all-together"),
        pytest.param("-- x\n SELECT 1;\r DROP TABLE a;", 2, 13, id="a-lone-carriage-return-is-no-line-end"),
        pytest.param("SELECT '\u2028\u0085\x0b\x0c'; DROP TABLE a;", 1, 16, id="other-separators"),
        pytest.param("SELECT $$\n\nü\n$$; DROP TABLE a;", 4, 5, id="behind-several-lines"),
        pytest.param("SELECT 1;\n\n\nDROP TABLE a", 4, 1, id="no-line-end"),
    ],
)
def test_a_place_is_counted_in_characters_from_1(lint: Lint, text: str, line: int, column: int) -> None:
    (finding,) = lint(text)
    assert (finding.rule, finding.line, finding.column) == (BAN, line, column)


@pytest.mark.parametrize(
    "name",
    [
        "migrations/01_x.sql",
        "-x.sql",
        "--exclude=x.sql",
        "two words.sql",
        " .sql",
        "größe 😀.sql",
        "a[b]c*d?e{f}!.sql",
        "[!a].sql",
        "quote'\"$(x)`.sql",
        "back\\slash.sql",
        "server",
    ],
)
def test_any_name_is_a_file_and_nothing_else(lint: Lint, name: str) -> None:
    assert [finding.path for finding in lint(DROP, names=[name])] == [PurePosixPath(name)]


def test_a_name_that_looks_like_a_pattern_is_this_file_alone(lint: Lint, tmp_path: Path) -> None:
    for name in ("ab.sql", "a-.sql"):
        (tmp_path / name).write_text(DROP)
    assert [str(finding.path) for finding in lint(DROP, names=["a?.sql"])] == ["a?.sql"]


def test_an_absolute_path_stays_one(lint: Lint, tmp_path: Path) -> None:
    name = str(tmp_path / "elsewhere" / "01_x.sql")
    assert [str(finding.path) for finding in lint(DROP, names=[name])] == [name]


def test_more_files_than_one_call_takes(lint: Lint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner.squawk, "MOST_ARGUMENTS", 100)
    names = [f"folder/{number:04d}_{'x' * 20}.sql" for number in range(30)]
    assert [str(finding.path) for finding in lint(*[DROP] * 30, names=names)] == names


def test_more_bytes_than_one_call_takes(lint: Lint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner.squawk, "MOST_DATA", 3 * len(DROP))
    assert len(lint(*[DROP] * 10)) == 10


# Settings


@pytest.mark.parametrize("in_transaction", [True, False])
@pytest.mark.parametrize(
    "text",
    [
        pytest.param("ALTER TABLE a ADD COLUMN b text;", id="timeouts"),
        pytest.param("CREATE TABLE a (b text);", id="robust-statements"),
        pytest.param("BEGIN;\nSELECT 1;\nCOMMIT;", id="nesting"),
        pytest.param("BEGIN;\nSELECT 1;\nPREPARE TRANSACTION 'x';", id="uncommitted"),
        pytest.param("CREATE INDEX CONCURRENTLY i ON a (b);", id="concurrently"),
        pytest.param("BEGIN;\nCREATE INDEX CONCURRENTLY i ON a (b);\nCOMMIT;", id="concurrently-in-a-block"),
    ],
)
def test_is_silent_about_what_the_runner_sees_to(lint: Lint, text: str, in_transaction: bool) -> None:
    assert lint(text, in_transaction=in_transaction) == []


def test_the_rules_that_are_left_out_are_squawks(lint: Lint, tmp_path: Path) -> None:
    (tmp_path / ".squawk.toml").write_text(f"excluded_rules = {sorted(SETTLED)}\n")
    assert rules(lint(DROP)) == [BAN]


@pytest.mark.parametrize("rule", sorted(SETTLED))
def test_the_page_says_why_a_rule_is_left_out(rule: str) -> None:
    page = (Path(__file__).parents[1] / "docs" / "lint.md").read_text()
    assert f"`{rule}`" in page.partition("## Rules of squawk that are not shown")[2]


def test_an_excluded_rule_is_not_shown(lint: Lint) -> None:
    assert rules(lint(DROP + "CREATE INDEX i ON a (b);", exclude={BAN})) == ["require-concurrent-index-creation"]


@pytest.mark.parametrize("name", ["prefer-timestamp-tz", "prefer-timestamptz"])
def test_both_names_of_a_rule_exclude_it(lint: Lint, name: str) -> None:
    assert lint("CREATE TABLE t (a timestamp);", exclude=[name]) == []


def test_an_excluded_name_that_squawk_does_not_know_is_harmless(lint: Lint) -> None:
    assert rules(lint(DROP, exclude={"no-such-rule", "mixed-transaction"})) == [BAN]


def test_the_version_of_the_server_counts(lint: Lint) -> None:
    text = "ALTER TABLE a ADD COLUMN b text DEFAULT 'x';"
    assert rules(lint(text, pg_version="10")) == ["adding-field-with-default"]
    assert lint(text, pg_version="17") == []


def test_the_configuration_of_the_checkout_counts(lint: Lint, tmp_path: Path) -> None:
    (tmp_path / ".squawk.toml").write_text(f'excluded_rules = ["{BAN}"]\nexcluded_paths = ["02_*"]\n')
    text = DROP + "CREATE INDEX i ON a (b);"
    findings = lint(text, text)
    assert [(str(finding.path), finding.rule) for finding in findings] == [
        ("01_x.sql", "require-concurrent-index-creation")
    ]


def test_what_is_excluded_here_comes_on_top_of_the_configuration(lint: Lint, tmp_path: Path) -> None:
    (tmp_path / ".squawk.toml").write_text(f'excluded_rules = ["{BAN}"]\n')
    assert lint(DROP + "CREATE INDEX i ON a (b);", exclude={"require-concurrent-index-creation"}) == []


def test_a_rule_that_squawk_has_off_can_be_asked_for(lint: Lint, tmp_path: Path) -> None:
    (tmp_path / ".squawk.toml").write_text('included_rules = ["require-table-schema"]\n')
    assert "require-table-schema" in rules(lint("CREATE TABLE a (b text);"))


def test_all_files_excluded_by_the_configuration_are_no_error(lint: Lint, tmp_path: Path) -> None:
    (tmp_path / ".squawk.toml").write_text('excluded_paths = ["*"]\n')
    assert lint(DROP) == []


def test_whether_there_is_a_transaction_is_what_the_runner_says(lint: Lint, tmp_path: Path) -> None:
    text = (
        "VACUUM FULL a;\nALTER TABLE a ADD CONSTRAINT c CHECK (b > 0) NOT VALID;\nALTER TABLE a VALIDATE CONSTRAINT c;"
    )
    inside, outside = lint(text), lint(text, in_transaction=False)
    assert inside != outside
    (tmp_path / ".squawk.toml").write_text("assume_in_transaction = true\n")
    assert lint(text, in_transaction=False) == outside
    (tmp_path / ".squawk.toml").write_text("assume_in_transaction = false\n")
    assert lint(text) == inside


@pytest.mark.parametrize(
    "text",
    [
        f"-- squawk-ignore {BAN}\n{DROP}",
        f"\ufeff-- squawk-ignore {BAN}\r\nDROP TABLE a;\r\n",
        f"{DROP}-- squawk-ignore-file {BAN}",
        f"-- squawk-ignore-file\n{DROP}",
    ],
)
def test_its_comments_count(lint: Lint, text: str) -> None:
    assert lint(text) == []


def test_our_rules_may_be_named_in_its_comments(lint: Lint) -> None:
    assert lint(f"-- squawk-ignore mixed-transaction, {BAN}, secret\n{DROP}") == []


def test_a_rule_that_nobody_knows_is_told(lint: Lint) -> None:
    (finding,) = lint("-- squawk-ignore ban-drop-tabel\nSELECT 1;")
    assert (finding.message, finding.line, finding.column) == ("unknown name ban-drop-tabel", 1, 18)
    assert lint("-- squawk-ignore ban-drop-tabel\nSELECT 1;", exclude={"unused-ignore"}) == []


# What it does not look at


def test_what_its_grammar_refuses_is_a_notice_not_a_finding(lint: Lint) -> None:
    (finding,) = lint(f"{DROP}ä\nSELEC 1;\nSELEC 2;\n")
    assert (finding.level, finding.place, finding.rule) == (Level.NOTICE, "01_x.sql:2:1", "not-linted")
    assert "grammar" in finding.message


def test_the_other_files_are_looked_at_all_the_same(lint: Lint) -> None:
    assert rules(lint("SELEC 1;", DROP)) == ["not-linted", BAN]


def test_a_large_file_is_passed_over_with_a_notice(lint: Lint) -> None:
    line = "INSERT INTO t VALUES (1);\n"
    fits = DROP + line * ((LARGEST - len(DROP)) // len(line))
    findings = lint(fits, DROP + " " * LARGEST)
    assert [(finding.rule, finding.level) for finding in findings] == [
        (BAN, Level.WARNING),
        ("not-linted", Level.NOTICE),
    ]
    assert lint(DROP + " " * LARGEST, exclude={"not-linted"}) == []


# When there is no answer


@pytest.mark.parametrize(
    ("text", "place", "told"),
    [
        ("excluded_rules = [\n", ".squawk.toml:2:1", "unexpected eof"),
        ('pg_version = "17"\nexcluded_rules = ["nope"]\n', ".squawk.toml", "invalid rule name nope"),
        ("assume_in_transaction = 3\n", ".squawk.toml:1:25", "expected a boolean"),
        (b"\xff", ".squawk.toml", "valid UTF-8"),
    ],
)
def test_a_broken_configuration_is_named(lint: Lint, tmp_path: Path, text: str | bytes, place: str, told: str) -> None:
    (tmp_path / ".squawk.toml").write_bytes(text.encode() if isinstance(text, str) else text)
    finding = refusal_of(lint, DROP, DROP)
    assert finding.place == place
    assert finding.message.startswith("squawk's configuration cannot be used:")
    assert told in finding.message


def test_a_broken_configuration_above_the_checkout_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / ".squawk.toml").write_text("[\n")
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (checkout / "01_x.sql").write_text(DROP)
    with pytest.raises(InputError) as caught:
        squawk(checkout, [PurePosixPath("01_x.sql")], pg_version=None, in_transaction=True, exclude=())
    assert "above the checkout" in caught.value.findings[0].hint


def test_the_file_on_which_it_crashes_is_named(lint: Lint) -> None:
    deep = f"SELECT {'(' * 200_000}1{')' * 200_000};"
    finding = refusal_of(lint, DROP, DROP, deep, DROP)
    assert finding.place == "03_x.sql"
    assert "exit code -6" in finding.message
    assert "overflow" in finding.message
    assert "excluded_paths" in finding.hint


def test_a_file_that_is_not_utf_8_is_named(lint: Lint) -> None:
    finding = refusal_of(lint, DROP, b"SELECT '\xff';")
    assert finding.place == "02_x.sql"
    assert "valid UTF-8" in finding.message


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^01_x\.sql: the file cannot be read: No such file"):
        squawk(tmp_path, [PurePosixPath("01_x.sql")], pg_version=None, in_transaction=True, exclude=())


def test_a_version_that_is_none_is_an_error(lint: Lint) -> None:
    assert "Invalid number in version" in refusal_of(lint, DROP, pg_version="x").message


@pytest.fixture
def python_elsewhere(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that python seems to run from, without squawk in it or on the path."""
    folder = tmp_path_factory.mktemp("bin")
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    monkeypatch.setenv("PATH", "")
    return folder


def a_program(folder: Path, script: str) -> None:
    program = folder / "squawk"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


@pytest.mark.usefixtures("python_elsewhere")
def test_without_squawk_nothing_is_skipped_in_silence(lint: Lint) -> None:
    finding = refusal_of(lint, DROP)
    assert "not installed" in finding.message
    assert "lint: off" in finding.hint


def test_squawk_is_found_on_the_path_as_well(
    lint: Lint, python_elsewhere: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    on_path = tmp_path / "bin"
    on_path.mkdir()
    a_program(on_path, "echo '[]'")
    monkeypatch.setenv("PATH", f"{python_elsewhere}{os.pathsep}{on_path}")
    assert lint(DROP) == []


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("echo hello; echo went wrong >&2", "exit code 0): went wrong"),
        ("exit 0", "no answer in JSON"),
        ("echo '{}'", "no answer in JSON"),
        ("echo '[1]'", "no answer in JSON"),
        ("""echo '[{"file": "01_x.sql"}]'""", "no answer in JSON"),
        ("echo '[]'; exit 101", "exit code 101"),
        ("kill -9 $$", "exit code -9"),
    ],
)
def test_an_answer_that_is_none_is_an_error(lint: Lint, python_elsewhere: Path, script: str, told: str) -> None:
    a_program(python_elsewhere, script)
    assert told in refusal_of(lint, DROP).message


def test_a_program_that_cannot_be_started_is_an_error(lint: Lint, python_elsewhere: Path) -> None:
    a_program(python_elsewhere, "")
    (python_elsewhere / "squawk").chmod(0o644)
    assert "cannot be started: Permission denied" in refusal_of(lint, DROP).message


def test_it_is_not_waited_for_for_ever(lint: Lint, python_elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_program(python_elsewhere, "exec /bin/sleep 30")
    monkeypatch.setattr(runner.squawk, "TIMEOUT", 0.1)
    assert "did not end within 0.1 s" in refusal_of(lint, DROP).message


def test_it_gets_nothing_of_our_environment(
    lint: Lint, python_elsewhere: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://app:hunter2@db/app")
    a_program(python_elsewhere, "export -p > environment; echo '[]'")
    lint(DROP)
    assert "hunter2" not in (tmp_path / "environment").read_text()


def test_what_it_prints_for_github_does_not_mix_with_its_answer(lint: Lint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert rules(lint(DROP)) == [BAN]

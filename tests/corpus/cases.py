"""The table of cases.

To add one: write `files/NAME.sql`, add a line below, run

    RENEW_CORPUS=1 .venv/bin/python -m pytest tests/corpus

and read what it wrote to `expected/NAME.txt`. Where bytes matter that an editor or git could change, the line has the
file's content in `data`. A case of several files is a folder of `sets`; what its folder `before` has is applied first.

`row`: which kind of file it is, after what 32 public sets of migrations have:

 1 quotes, semicolons and comment marks in comments and literals   10 numbers of unequal width
 2 dollar quotes, DO blocks, bodies, literals over lines           11 up and down pairs
 3 how a file ends                                                 12 roles, rights, settings of the server
 4 extensions, statements that return rows                         13 temporary tables, files without a statement
 5 values added to enums                                           14 tables of a runner
 6 percent signs, backslashes, operators, other alphabets          15 other tools' marks
 7 settings left behind                                            16 numbers given twice, blanks in names, links
 8 transactions of the file's own                                  17 placeholders
 9 statements that refuse a transaction                            18 psql's commands, line ends, COPY, size, failures
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from runner.errors import Drift, InputError, MigrationFailed, Refused

ROWS = range(1, 19)
APPLIED = 0


@dataclass(frozen=True, kw_only=True)
class Case:
    """A file, or a set of them, and what becomes of it."""

    row: int
    name: str
    exit_code: int = APPLIED
    at: str = ""  # line and column, "3:1", of the first thing that is wrong; in a set with its file: "02_b.sql:3:1"
    says: str = ""  # a part of what is said about it
    data: bytes | None = None  # the file's content, where it is not one of `files`
    before: str = ""  # SQL that the database has behind it
    after: str = ""  # SQL that undoes what reaches beyond the database
    holds: str = ""  # a condition that is true afterwards
    inputs: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)  # symbolic links in the folder of a set
    again: str = ""  # tells cases of one file apart: with other inputs, it is read in another way

    @property
    def id(self) -> str:
        """Names the case, and its file in `expected`."""
        return f"{self.name}-{self.again}" if self.again else self.name


def applied(row: int, name: str, holds: str = "", **others: Any) -> Case:
    """It runs as it was meant."""
    return Case(row=row, name=name, holds=holds, **others)


def refused(row: int, name: str, at: str, says: str, **others: Any) -> Case:
    """Nothing of it runs."""
    return Case(row=row, name=name, exit_code=InputError.exit_code, at=at, says=says, **others)


def failed(row: int, name: str, at: str, says: str, **others: Any) -> Case:
    """The server refuses a statement; what ran before it in the same transaction is rolled back."""
    return Case(row=row, name=name, exit_code=MigrationFailed.exit_code, at=at, says=says, **others)


NOTES = "(SELECT array_agg(id ORDER BY id) FROM notes) = ARRAY"
BODIES = "(SELECT array_agg(body ORDER BY id) FROM notes) = ARRAY"
MOOD = "CREATE TYPE mood AS ENUM ('glad')"
PEOPLE = "CREATE TABLE people (name text); INSERT INTO people VALUES ('Ada'), ('Grace')"
NO_NOTES = "to_regclass('public.notes') IS NULL"
OWN = {"own-transactions": "honour"}

CASES = (
    applied(1, "quotes_in_comments", f"{BODIES}['a', 'b']"),
    applied(1, "semicolons_in_comments", f"{BODIES}['a']"),
    applied(
        1,
        "semicolons_in_literals",
        f"{BODIES}['a;b', 'it''s; fine'] AND (SELECT \"semi;colon\" FROM notes LIMIT 1) = ';;'",
    ),
    applied(1, "comment_marks_in_literals", f"{BODIES}['-- no comment', '/* neither', '*/', 'a--b']"),
    applied(1, "nested_comments", f"{NOTES}[2]"),
    applied(1, "comment_marks_in_operators", f"{NOTES}[6, 7, 8]"),
    refused(1, "comment_never_ends", "2:1", "the comment that begins here never ends"),
    refused(1, "literal_never_ends", "4:32", "the literal that begins here never ends"),
    refused(1, "name_never_ends", "2:14", "the quoted name that begins here never ends"),
    applied(2, "dollar_bodies", "(SELECT body FROM notes WHERE id = 42) = 'a; stamped'"),
    applied(2, "dollar_tags_nested", f"{BODIES}['a;b;$$;', ';', '$$;']"),
    applied(2, "do_blocks", f"{NOTES}[1, 2, 3]"),
    applied(2, "literals_over_lines", f"{BODIES}[E'first;\\n\\n  -- third\\n/* fourth', 'ab;c', 'd']"),
    applied(2, "atomic_body", "(SELECT kind FROM spans) = 'a;' AND span(3) = 13"),
    applied(2, "rules", "(SELECT id FROM old_notes) = 9"),
    applied(
        2,
        "dollars_that_quote_nothing",
        "(SELECT array_agg(body ORDER BY id$) FROM price$list) = ARRAY['$', '$$', '$a$']",
    ),
    refused(2, "dollar_body_never_ends", "2:4", "the text that begins here with $body$ never ends"),
    applied(3, "no_newline_at_the_end", f"{NOTES}[1]"),
    applied(3, "no_semicolon_at_the_end", f"{NOTES}[1]"),
    applied(3, "ends_inside_a_comment", f"{NOTES}[1]"),
    applied(3, "comment_behind_the_last_statement", f"{NOTES}[1]"),
    applied(3, "doubled_semicolons", f"{NOTES}[1]"),
    applied(4, "extension", "to_regclass('notes') IS NOT NULL"),
    failed(4, "extension_that_is_not_there", "2:5", 'extension "no-such-extension" is not available'),
    applied(4, "rows_returned", "(SELECT count(*) FROM notes) = 501"),
    applied(5, "enum_value_added", "'calm' = ANY (enum_range(NULL::mood)::text[])", before=MOOD),
    applied(5, "enum_value_used", "(SELECT feeling FROM notes) = 'calm'", before=MOOD),
    applied(
        5,
        "enum_of_the_same_file",
        "(SELECT weather FROM days) = 'rain'",
    ),
    failed(
        5,
        "enum_value_used_inside_a_block",
        "3:50",
        'unsafe use of new value "calm" of enum type mood',
        before=MOOD,
    ),
    refused(
        5, "enum_value_added_before_the_block", "3:1", "a migration and its ledger row are one transaction", before=MOOD
    ),
    applied(
        5,
        "enum_value_added_before_the_block",
        "(SELECT feeling FROM notes) = 'calm'",
        before=MOOD,
        inputs=OWN,
        again="honoured",
    ),
    applied(6, "percent_signs", f"{BODIES}['100 %', 'a of \"B\" % a']"),
    applied(6, "backslashes_in_plain_literals", f"{BODIES}['C:\\', '\\''; ', '\\\\server\\share', 'a\\nb', 'data']"),
    applied(6, "escape_strings", f"{BODIES}['it''s; fine', '\\', E'a\\nb''c\\\\''; ', 'one''''two;', 'E', 'éAA;']"),
    applied(6, "question_marks", f"{NOTES}[1, 2]"),
    applied(6, "not_ascii", "(SELECT array_agg(日本 ORDER BY naïve) FROM größen) = ARRAY['ß – „Anführung“', '😀;']"),
    failed(6, "not_ascii_fails", "2:48", 'column "ungültig" does not exist'),
    applied(6, "strings_of_another_age", f"{BODIES}['it''s; gone', 'a\\', 'C:\\']"),
    refused(
        6,
        "no_break_space",
        "2:1",
        "syntax error",
        data="CREATE TABLE notes (id int);\nDROP\u00a0TABLE notes;\n".encode(),
    ),
    refused(
        6,
        "zero_width_space",
        "2:1",
        "syntax error",
        data="CREATE TABLE notes (id int);\n\u200bDROP TABLE notes;\n".encode(),
    ),
    applied(
        6,
        "odd_spaces_in_literals",
        f"{BODIES}[U&'a\\00a0b\\200b']",
        data="CREATE TABLE notes (id int, body text); --\u00a0ok\n"
        "INSERT INTO notes VALUES (1, 'a\u00a0b\u200b');\n".encode(),
    ),
    refused(7, "encoding_changed", "2:1", "a migration is sent as UTF-8"),
    applied(7, "encoding_as_pg_dump_says", f"{BODIES}['größer']"),
    applied(8, "wrapped_whole", f"{NOTES}[1]"),
    applied(8, "end_for_commit", "to_regclass('notes') IS NOT NULL"),
    refused(8, "block_and_more", "2:1", "a migration and its ledger row are one transaction"),
    applied(8, "block_and_more", f"{NOTES}[1]", inputs=OWN, again="honoured"),
    refused(8, "several_blocks", "1:1", "a migration and its ledger row are one transaction"),
    applied(8, "several_blocks", f"{NOTES}[1, 2]", inputs=OWN, again="honoured"),
    failed(8, "second_block_fails", "7:13", 'relation "nots" does not exist', holds="NOT EXISTS (SELECT FROM notes)"),
    refused(8, "commit_without_begin", "2:1", "a migration and its ledger row are one transaction"),
    applied(8, "commit_without_begin_as_written", "'notes_id'::regclass IS NOT NULL"),
    refused(8, "rolled_back_at_the_end", "1:1", "a migration and its ledger row are one transaction"),
    refused(8, "begin_with_options", "1:1", "this file begins its own, with options"),
    refused(8, "block_never_ends", "3:1", "the transaction that begins here never ends"),
    applied(8, "savepoints", f"{NOTES}[2]"),
    refused(8, "chained", "2:1", "a migration and its ledger row are one transaction"),
    refused(8, "two_phases", "2:1", "a migration and its ledger row are one transaction"),
    applied(9, "concurrently", "'people_name'::regclass IS NOT NULL", before=PEOPLE),
    applied(
        9,
        "concurrently_among_others",
        "to_regclass('people_mail') IS NULL AND (SELECT every(mail IS NULL) FROM people)",
        before=PEOPLE,
    ),
    failed(
        9,
        "concurrently_fails",
        "2:1",
        "could not create unique index",
        before=PEOPLE,
        holds="(SELECT every(mail = 'nobody') FROM people)"
        " AND NOT (SELECT indisvalid FROM pg_index WHERE indexrelid = 'people_mail'::regclass)",
    ),
    refused(
        9,
        "concurrently_inside_a_block",
        "3:3",
        "PostgreSQL does not run CREATE INDEX CONCURRENTLY inside the BEGIN",
        before=PEOPLE,
    ),
    refused(
        9, "lock_outside_of_a_transaction", "1:1", "LOCK TABLE means nothing outside of a transaction", before=PEOPLE
    ),
    applied(9, "detach_partition", "NOT EXISTS (SELECT FROM pg_inherits WHERE inhparent = 'days'::regclass)"),
    applied(12, "grants", "has_table_privilege('nobody', 'notes', 'SELECT')"),
    failed(12, "grant_to_a_missing_role", "2:1", 'role "no_such_role" does not exist'),
    applied(
        12,
        "cluster_wide",
        "has_table_privilege('corpus_reader', 'notes', 'SELECT')",
        after="DROP OWNED BY corpus_reader; DROP ROLE corpus_reader",
    ),
    applied(12, "server_setting", after="ALTER SYSTEM RESET log_min_duration_statement"),
    applied(12, "role_left_behind", f"{NOTES}[1]"),
    applied(
        13,
        "temporary_tables",
        "(SELECT count(*) FROM notes) = 1",
        before="CREATE TABLE people (id int, name text); INSERT INTO people VALUES (1, 'Ada')",
    ),
    applied(13, "empty"),
    applied(13, "comments_only"),
    applied(13, "semicolons_only"),
    applied(13, "empty_transaction"),
    refused(14, "ledger_dropped", "2:1", "this statement changes schema_migrations"),
    refused(14, "ledger_written", "1:1", "this statement changes schema_migrations"),
    refused(14, "ledger_altered", "2:1", "this statement changes migration_history"),
    refused(14, "ledgers_schema_dropped", "1:1", "this statement changes schema public"),
    applied(14, "own_table_of_that_name", "to_regclass('crm.schema_migrations') IS NULL"),
    applied(14, "another_runners_table", "to_regclass('flyway_schema_history') IS NULL"),
    refused(15, "goose", "6", "what follows this mark of goose undoes the migration"),
    applied(15, "goose_up_only", "one() = 1"),
    refused(
        15,
        "goose_no_transaction",
        "1",
        "another tool's way to say that the file runs without a transaction",
        before=PEOPLE,
    ),
    refused(15, "dbmate", "4", "what follows this mark of dbmate undoes the migration"),
    refused(15, "sql_migrate", "3", "what follows this mark of sql-migrate undoes the migration"),
    refused(15, "tern", "2", "what follows this mark of tern undoes the migration"),
    refused(15, "node_pg_migrate", "3", "what follows this mark of node-pg-migrate undoes the migration"),
    refused(15, "sqlx", "1", "another tool's way to say that the file runs without a transaction", before=PEOPLE),
    applied(15, "drizzle", "'notes_body'::regclass IS NOT NULL"),
    applied(15, "marks_in_a_literal", "(SELECT body LIKE '%+goose Down%' FROM notes)"),
    refused(
        15,
        "postgres_migrations",
        "1",
        "another tool's way to say that the file runs without a transaction",
        before=PEOPLE,
    ),
    refused(15, "unknown_directive", "1", "unknown directive `no-transactions`"),
    refused(17, "placeholder_to_fill_in", "2:14", "syntax error"),
    refused(17, "placeholder_of_a_shell", "3:7", "syntax error"),
    refused(17, "placeholder_of_psql", "2:28", "syntax error"),
    applied(17, "placeholders_that_stay", "(SELECT body FROM templates WHERE id = 1) LIKE '%${y}%'"),
    refused(18, "psql_commands", "1:1", "`\\set` is a command of psql"),
    refused(18, "psql_conditions", "2:23", "`\\gset` is a command of psql"),
    refused(18, "psql_dump_marks", "1:1", "`\\restrict` is a command of psql"),
    failed(18, "commit_in_a_do_block", "2:1", "invalid transaction termination"),
    applied(18, "commit_in_a_do_block_as_written", f"{NOTES}[1]"),
    failed(18, "commit_in_a_procedure", "3:1", "invalid transaction termination"),
    refused(18, "copy_with_rows", "2:1", "COPY from stdin or to stdout needs psql"),
    applied(18, "copy_of_the_server", f"{BODIES}['a;b']"),
    refused(18, "typing_error", "2:8", 'syntax error at or near "TABEL"'),
    refused(18, "words_no_server_reads", "3:14", "trailing junk after numeric literal"),
    failed(18, "fails_in_the_middle", "5:5", "duplicate key value"),
    failed(18, "fails_in_a_body", "4:10", 'relation "notse" does not exist'),
    applied(18, "deep_expression", "(SELECT length(said) FROM deep) = 64"),
    applied(
        18,
        "byte_order_mark",
        f"{NOTES}[1]",
        data=b"\xef\xbb\xbfCREATE TABLE notes (id int); INSERT INTO notes VALUES (1);",
    ),
    applied(18, "byte_order_mark_alone", data=b"\xef\xbb\xbf"),
    refused(
        18,
        "byte_order_mark_inside",
        "2:1",
        "syntax error",
        data=b"CREATE TABLE notes (id int);\n\xef\xbb\xbfDROP TABLE notes;\n",
    ),
    applied(
        18,
        "crlf",
        f"{BODIES}[E'a\\nb;']",
        data=b"-- Purpose: Windows\r\n\r\nCREATE TABLE notes (\r\n\tid int, body text\r\n);\r\n"
        b"INSERT INTO notes VALUES (1, 'a\r\nb;'); -- x\r\n",
    ),
    failed(
        18,
        "crlf_and_byte_order_mark",
        "4:15",
        'type "txet" does not exist',
        data=b"\xef\xbb\xbf-- \xc3\xa9\r\nCREATE TABLE notes (id int);\r\n"
        b"ALTER TABLE notes\r\n\tADD COLUMN \xc3\xa9 txet;\r\n",
    ),
    applied(
        18,
        "lone_carriage_returns",
        f"{BODIES}[E'a\\rb']",
        data=b"-- old Macintosh\rCREATE TABLE notes (id int, body text);\r\r"
        b"INSERT INTO notes -- ;\rVALUES (1, 'a\rb');\r",
    ),
    refused(
        18,
        "not_utf_8",
        "2",
        "the file is not UTF-8",
        data="CREATE TABLE notes (id int);\n-- größer\n".encode("latin-1"),
    ),
    refused(18, "utf_16", "1", "the file is not UTF-8", data="CREATE TABLE notes (id int);".encode("utf-16")),
    refused(18, "nul_byte", "2", "the file contains a NUL byte", data=b"SELECT 1;\nSELECT '\0';\n"),
    applied(
        18,
        "many_statements",
        "(SELECT count(*) FROM notes) = 6434",
        data=b"CREATE TABLE notes (id int, body text);\n"
        + b"".join(b"INSERT INTO notes VALUES (%d, 'it''s; %s');\n" % (number, b"x" * 50) for number in range(6434)),
    ),
    failed(
        18,
        "many_statements_and_one_fails",
        "5002:43",
        "invalid input syntax for type integer",
        data=b"CREATE TABLE notes (id int, body text);\n"
        + b"".join(b"INSERT INTO notes VALUES (1, '%s');\n" % (b"x" * 250) for _ in range(5000))
        + b"INSERT INTO notes (body, id) VALUES ('a', 'b');\n",
    ),
    failed(
        18,
        "many_statements_and_one_repeats",
        "4001:1",
        "duplicate key value",
        data=b"CREATE TABLE notes (id int PRIMARY KEY, body text);\n"
        + b"".join(b"INSERT INTO notes VALUES (%d, '%s');\n" % (number % 3999, b"x" * 250) for number in range(5000)),
    ),
)

SETS = (
    refused(10, "numbers_grow", "9_notes.sql", "as a number, version 9 sorts differently than as text"),
    applied(
        10, "numbers_grow", "to_regclass('notes') IS NOT NULL", inputs={"version-order": "numeric"}, again="numeric"
    ),
    applied(10, "words_in_order", "to_regclass('notes') IS NOT NULL", inputs={"version-order": "text"}, again="text"),
    refused(10, "dates_among_time_stamps", "20260131_notes.sql", "sorts differently than as text"),
    refused(10, "one_digit", "1_notes.sql", "a version has two digits or more"),
    applied(10, "one_digit", "to_regclass('notes') IS NOT NULL", inputs={"version-order": "numeric"}, again="numeric"),
    applied(18, "versions_past_64_bits", "(SELECT max(version) FROM schema_migrations) = '99999999999999999999'"),
    applied(11, "down_files", "(SELECT count(down_body) FROM schema_migrations) = 2"),
    refused(11, "down_file_alone", "02_body.down.sql", "there is no 02_body.sql that this file belongs to"),
    refused(11, "up_in_the_name", "01_notes.up.sql", "a migration has no .up in its name"),
    applied(
        7, "settings_left_behind", "to_regclass('public.notes') IS NOT NULL AND to_regclass('app.inside') IS NOT NULL"
    ),
    applied(7, "search_path_emptied", "to_regclass('public.people') IS NOT NULL"),
    applied(13, "temporary_tables_left_behind", "(SELECT id FROM notes) = 2"),
    failed(13, "temporary_table_of_another_file", "02_second.sql:1:38", 'relation "chosen" does not exist'),
    applied(5, "enum_value_in_files_of_its_own", "(SELECT feeling FROM notes) = 'calm'"),
    refused(16, "same_number_twice", "02_people.sql", "version 02 is also that of 02_body.sql"),
    refused(16, "same_number_in_two_widths", "1_people.sql", "version 1 is also that of 01_notes.sql"),
    applied(16, "blanks_in_names", "(SELECT name FROM schema_migrations WHERE version = '01') = 'add notes'"),
    applied(16, "links", "to_regclass('others') IS NOT NULL", links={"02_others.sql": "../shared/others.sql"}),
    refused(
        16,
        "link_out_of_the_checkout",
        "02_others.sql",
        "this link leads out of the checkout",
        links={"02_others.sql": "../../outside.sql"},
    ),
    refused(
        16, "link_to_nothing", "02_others.sql", "the file cannot be read", links={"02_others.sql": "../shared/gone.sql"}
    ),
    applied(16, "gaps", "(SELECT count(*) FROM schema_migrations) = 3", says="the numbering has gaps: 3 to 4"),
    applied(
        16,
        "applied_file_missing",
        "to_regclass('people') IS NOT NULL",
        says="migration 02 (body) was applied, but its file is not in this checkout",
    ),
    Case(row=16, name="merged_late", exit_code=Refused.exit_code, at="02_body.sql:1", says="migration 02 came late"),
    applied(
        16,
        "merged_late",
        "(SELECT count(*) FROM schema_migrations) = 3",
        says="migration 02 runs behind 03",
        inputs={"out-of-order": "allow"},
        again="allowed",
    ),
    applied(16, "renamed"),
    Case(row=16, name="edited", exit_code=Drift.exit_code, at="01_notes.sql:1", says="Migration 01 checksum mismatch!"),
    applied(16, "edited_comments", says="in comments or layout only"),
    refused(
        14,
        "another_tools_ledger",
        "",
        "schema_migrations",
        before="CREATE TABLE schema_migrations (version bigint, dirty boolean)",
    ),
    applied(
        14,
        "ledger_elsewhere",
        "(SELECT count(*) FROM ops.schema_migrations) = 2",
        inputs={"tracking-schema": "ops"},
        before="CREATE SCHEMA ops",
    ),
    applied(
        9,
        "one_of_each",
        "(SELECT array_agg(transactional ORDER BY version) FROM schema_migrations) = ARRAY[true, false, true, false]",
    ),
    refused(18, "nothing_runs_when_one_is_refused", "02_refused.sql:1:1", "`\\connect` is a command of psql"),
    failed(
        18,
        "second_file_fails",
        "02_people.sql:2:1",
        'relation "peopel" does not exist',
        holds="to_regclass('people') IS NULL AND to_regclass('notes') IS NOT NULL",
    ),
    failed(18, "checked", "01_notes.check.sql:2:1", "row 1 does not begin with true", holds=NO_NOTES),
)

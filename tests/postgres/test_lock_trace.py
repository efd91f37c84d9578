"""What a statement locks, rewrites and reads is the same on an empty copy of the schema as on the filled original.

The statements are those of the lock table of PostgreSQL's ALTER TABLE page, and the usual suspects.
https://www.postgresql.org/docs/current/sql-altertable.html
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest

from runner.core.lock_modes import mode_name
from runner.core.trial import Trace
from runner.postgres.embedded import EmbeddedServer
from runner.postgres.lock_trace import LONGEST_SQL, shown
from runner.postgres.rehearse import rehearse, rehearse_for_good
from runner.postgres.sending import Timeouts
from runner.postgres.session import Connection, connect
from tests.builders import a_migration
from tests.conftest import Database

TIMEOUTS = Timeouts(lock=timedelta(seconds=5), statement=timedelta())
SCHEMA = """
    CREATE TYPE mood AS ENUM ('sad', 'ok');
    CREATE DOMAIN short AS text CHECK (length(VALUE) < 1000);
    CREATE TABLE users (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text, age int, score numeric(10, 2), nick varchar(20),
        state text DEFAULT 'new', happy mood, brief short, seen timestamp);
    ALTER TABLE users ADD CONSTRAINT adult CHECK (age > 0) NOT VALID;
    CREATE INDEX users_email_idx ON users (email);
    CREATE TABLE orders (id bigint PRIMARY KEY, user_id bigint, amount int);
    ALTER TABLE orders ADD CONSTRAINT orders_user_fk FOREIGN KEY (user_id) REFERENCES users NOT VALID;
    CREATE TABLE events (at date NOT NULL, what text) PARTITION BY RANGE (at);
    CREATE TABLE events_25 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
    CREATE TABLE events_26 (at date NOT NULL, what text);
    CREATE VIEW grown_ups AS SELECT id FROM users WHERE age > 17;
    CREATE MATERIALIZED VIEW totals AS SELECT user_id, sum(amount) AS total FROM orders GROUP BY 1;
    CREATE UNIQUE INDEX totals_idx ON totals (user_id);
    CREATE SEQUENCE numbers;
    CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE TRIGGER t BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION f();
    """
ROWS = """
    INSERT INTO users (email, age, score, nick, happy, brief)
    SELECT 'u' || i || '@example.com', 18 + i % 50, i, 'n' || i, 'ok', 'b' FROM generate_series(1, 2000) AS i;
    INSERT INTO orders SELECT i, i, i FROM generate_series(1, 2000) AS i;
    INSERT INTO events SELECT date '2025-01-01' + i % 300, 'x' FROM generate_series(1, 2000) AS i;
    REFRESH MATERIALIZED VIEW totals;
    ANALYZE;
    """

STRONG = "ACCESS EXCLUSIVE users"
REWRITTEN = (STRONG, "ACCESS EXCLUSIVE users_email_idx", "ACCESS EXCLUSIVE users_pkey", "rewrites users", "reads users",
             "rebuilds users_email_idx", "rebuilds users_pkey")  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A statement, and what is seen of it: the locks that no query takes, and the work."""

    sql: str
    seen: tuple[str, ...]


def case(sql: str, *seen: str) -> Case:
    return Case(sql, tuple(sorted(seen)))


CASES = [
    # columns
    case("ALTER TABLE users ADD COLUMN note text", STRONG),
    case("ALTER TABLE users ADD COLUMN level int NOT NULL DEFAULT 1", STRONG),
    case("ALTER TABLE users ADD COLUMN luck float DEFAULT random()", *REWRITTEN),
    case("ALTER TABLE users ADD COLUMN twice int GENERATED ALWAYS AS (age * 2) STORED", *REWRITTEN),
    case("ALTER TABLE users DROP COLUMN nick", STRONG),
    case("ALTER TABLE users ALTER COLUMN score TYPE bigint", *REWRITTEN),
    case("ALTER TABLE users ALTER COLUMN nick TYPE varchar(40)", STRONG),
    case("ALTER TABLE users ALTER COLUMN nick TYPE varchar(10)", *REWRITTEN),
    case("ALTER TABLE users ALTER COLUMN nick TYPE text", STRONG),
    case("ALTER TABLE users ALTER COLUMN score TYPE numeric(12, 2)", STRONG),
    case("ALTER TABLE users ALTER COLUMN seen TYPE date", *REWRITTEN),
    case("ALTER TABLE users ALTER COLUMN email SET NOT NULL", STRONG, "reads users"),
    case("ALTER TABLE users ALTER COLUMN email DROP NOT NULL", STRONG),
    case("ALTER TABLE users ALTER COLUMN state SET DEFAULT 'x'", STRONG),
    case("ALTER TABLE users ALTER COLUMN state DROP DEFAULT", STRONG),
    case("ALTER TABLE users ALTER COLUMN state SET STATISTICS 500", "SHARE UPDATE EXCLUSIVE users"),
    case("ALTER TABLE users ALTER COLUMN state SET STORAGE EXTERNAL", STRONG),
    case("ALTER TABLE users RENAME COLUMN nick TO name", STRONG),
    # constraints
    case("ALTER TABLE users ADD CONSTRAINT c CHECK (score > 0)", STRONG, "reads users"),
    case("ALTER TABLE users ADD CONSTRAINT c CHECK (score > 0) NOT VALID", STRONG),
    case("ALTER TABLE users VALIDATE CONSTRAINT adult", "SHARE UPDATE EXCLUSIVE users", "reads users"),
    case("ALTER TABLE users DROP CONSTRAINT adult", STRONG),
    case("ALTER TABLE users ADD UNIQUE (nick)", STRONG, "reads users"),
    case("ALTER TABLE orders ADD FOREIGN KEY (user_id) REFERENCES users", "SHARE ROW EXCLUSIVE orders",
         "SHARE ROW EXCLUSIVE users", "reads orders"),
    case("ALTER TABLE orders ADD FOREIGN KEY (user_id) REFERENCES users NOT VALID", "SHARE ROW EXCLUSIVE orders",
         "SHARE ROW EXCLUSIVE users"),
    case("ALTER TABLE orders VALIDATE CONSTRAINT orders_user_fk", "SHARE UPDATE EXCLUSIVE orders", "reads orders"),
    case("CREATE TABLE items (id int PRIMARY KEY, user_id bigint REFERENCES users)", "SHARE ROW EXCLUSIVE users"),
    # tables
    case("ALTER TABLE users RENAME TO people", STRONG),
    case("ALTER TABLE users SET (fillfactor = 70)", "SHARE UPDATE EXCLUSIVE users"),
    case("ALTER TABLE orders SET UNLOGGED", "ACCESS EXCLUSIVE orders", "ACCESS EXCLUSIVE orders_pkey",
         "rewrites orders", "reads orders", "rebuilds orders_pkey"),
    case("ALTER TABLE users ENABLE ROW LEVEL SECURITY", STRONG),
    case("ALTER TABLE users REPLICA IDENTITY FULL", STRONG),
    case("ALTER TABLE users CLUSTER ON users_email_idx", "SHARE UPDATE EXCLUSIVE users",
         "SHARE UPDATE EXCLUSIVE users_email_idx"),
    case("CREATE POLICY p ON users USING (true)", STRONG),
    case("ALTER TABLE orders DISABLE TRIGGER t", "SHARE ROW EXCLUSIVE orders"),
    case("CREATE TRIGGER u BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION f()", "SHARE ROW EXCLUSIVE orders"),
    case("DROP TRIGGER t ON orders", "ACCESS EXCLUSIVE orders"),
    case("TRUNCATE orders", "ACCESS EXCLUSIVE orders", "ACCESS EXCLUSIVE orders_pkey", "empties orders"),
    case("DROP TABLE orders CASCADE", "ACCESS EXCLUSIVE orders", "ACCESS EXCLUSIVE orders_pkey",
         "ACCESS EXCLUSIVE totals", "ACCESS EXCLUSIVE totals_idx", STRONG),
    case("LOCK TABLE users IN SHARE MODE", "SHARE users"),
    case("COMMENT ON TABLE users IS 'x'", "SHARE UPDATE EXCLUSIVE users"),
    case("GRANT SELECT ON users TO PUBLIC"),
    case("ALTER TABLE events ATTACH PARTITION events_26 FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')",
         "ACCESS EXCLUSIVE events_26", "SHARE UPDATE EXCLUSIVE events", "reads events_26"),
    case("ALTER TABLE events DETACH PARTITION events_25", "ACCESS EXCLUSIVE events", "ACCESS EXCLUSIVE events_25"),
    case("ALTER TABLE events ADD COLUMN who text", "ACCESS EXCLUSIVE events", "ACCESS EXCLUSIVE events_25"),
    # indexes
    case("CREATE INDEX i ON users (age)", "SHARE users", "reads users"),
    case("CREATE INDEX CONCURRENTLY i ON users (age)", "SHARE UPDATE EXCLUSIVE users", "reads users"),
    case("DROP INDEX users_email_idx", STRONG, "ACCESS EXCLUSIVE users_email_idx"),
    case("DROP INDEX CONCURRENTLY users_email_idx", "SHARE UPDATE EXCLUSIVE users",
         "SHARE UPDATE EXCLUSIVE users_email_idx"),
    case("ALTER INDEX users_email_idx RENAME TO j", "SHARE UPDATE EXCLUSIVE users_email_idx"),
    case("REINDEX INDEX users_email_idx", "SHARE users", "ACCESS EXCLUSIVE users_email_idx", "reads users",
         "rebuilds users_email_idx"),
    case("REINDEX TABLE CONCURRENTLY users", "SHARE UPDATE EXCLUSIVE users", "reads users"),
    case("CLUSTER users USING users_email_idx", *REWRITTEN),
    case("VACUUM users", "SHARE UPDATE EXCLUSIVE users", "reads users"),
    case("VACUUM FULL users", *REWRITTEN),
    case("ANALYZE users", "SHARE UPDATE EXCLUSIVE users"),
    # views, functions, types, sequences
    case("CREATE OR REPLACE VIEW grown_ups AS SELECT id, age FROM users", "ACCESS EXCLUSIVE grown_ups"),
    case("DROP VIEW grown_ups", "ACCESS EXCLUSIVE grown_ups"),
    case("REFRESH MATERIALIZED VIEW totals", "ACCESS EXCLUSIVE totals", "ACCESS EXCLUSIVE totals_idx", "reads orders",
         "reads totals", "rewrites totals", "rebuilds totals_idx"),
    case("ALTER TYPE mood ADD VALUE 'glad'"),
    case("ALTER DOMAIN short ADD CHECK (VALUE <> '')", "SHARE users", "reads users"),
    case("ALTER SEQUENCE numbers INCREMENT 2", "SHARE ROW EXCLUSIVE numbers"),
    case("CREATE OR REPLACE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'"),
    # rows
    case("INSERT INTO orders (id, user_id) VALUES (9999, NULL)"),
    case("UPDATE users SET state = 'x'", "reads users"),
    case("DELETE FROM orders WHERE amount > 5", "reads orders"),
    case("DO $$ BEGIN EXECUTE 'ALTER TABLE users ADD COLUMN x int'; END $$", STRONG),
]  # fmt: skip


@pytest.fixture(scope="module")
def templates(servers: Callable[[int], EmbeddedServer]) -> Callable[[int], tuple[EmbeddedServer, tuple[str, str]]]:
    """Makes, once a version, the schema twice: without rows, and with some."""
    made: dict[int, tuple[str, str]] = {}

    def both(version: int) -> tuple[EmbeddedServer, tuple[str, str]]:
        server = servers(version)
        if version not in made:
            for name, sql in (("trace_empty", SCHEMA), ("trace_filled", SCHEMA + ROWS)):
                with connect(server.create_database(name), application_name="a test") as connection:
                    connection.execute(sql.encode())
            made[version] = ("trace_empty", "trace_filled")
        return server, made[version]

    return both


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.sql[:60])
def test_a_statement_is_seen_alike_on_an_empty_schema_and_on_a_filled_one(
    templates: Callable[[int], tuple[EmbeddedServer, tuple[str, str]]], version: int, case: Case
) -> None:
    server, names = templates(version)
    for template in names:
        with copy_of(server, template) as connection:
            found = seen(traces(connection, case.sql))
            # Whether the table that a foreign key refers to is read by its index, the planner decides.
            by_plan = {"reads users"} if "orders_user_fk" in case.sql or "FOREIGN KEY" in case.sql else set()
            assert (template, set(found) - by_plan) == (template, set(case.seen) - by_plan)


def copy_of(server: EmbeddedServer, template: str) -> "_Copy":
    return _Copy(server, template)


class _Copy:
    """A connection to a copy of a template, gone afterwards."""

    def __init__(self, server: EmbeddedServer, template: str) -> None:
        self._server, self._template = server, template

    def __enter__(self) -> Connection:
        self._connection = connect(
            self._server.create_database("trace_copy", template=self._template), application_name="a test"
        )
        return self._connection

    def __exit__(self, *_: object) -> None:
        self._connection.close()
        with connect(self._server.url(), application_name="a test") as connection:
            connection.execute("DROP DATABASE trace_copy WITH (FORCE)")


def traces(connection: Connection, sql: str) -> Iterator[Trace]:
    """What is seen when the statement is executed as a migration."""
    [rehearsed] = rehearse_for_good(
        connection, [a_migration(sql=sql)], timeouts=TIMEOUTS, install=None, starting=lambda _: None, without_rows=False
    )
    assert rehearsed.failure is None, rehearsed.failure
    yield from rehearsed.traces


def seen(found: Iterator[Trace]) -> tuple[str, ...]:
    """What no plain query does, in the words of the table above."""
    told = set()
    for trace in found:
        strongest: dict[str, str] = {}
        for lock in trace.locks:  # the strongest come first
            strongest.setdefault(lock.relation, lock.mode)
        told |= {
            f"{mode_name(mode)} {bare(relation)}"
            for relation, mode in strongest.items()
            if mode not in {"AccessShareLock", "RowShareLock", "RowExclusiveLock"}
        }
        for word, names in (
            ("rewrites", trace.rewritten),
            ("rebuilds", trace.rebuilt),
            ("empties", trace.emptied),
            ("reads", trace.scanned),
        ):
            told |= {f"{word} {bare(name)}" for name in names}
    return tuple(sorted(told))


def bare(name: str) -> str:
    return name.removeprefix("public.")


# Names

ODD_NAMES = """
    CREATE SCHEMA app;
    CREATE SCHEMA "Odd.One";
    CREATE TABLE users (id int);
    CREATE TABLE app.users (id int);
    CREATE TABLE app."Users" (id int);
    CREATE TABLE "User" (id int);
    CREATE TABLE "a.b.c.d" (id int);
    CREATE TABLE "app.users" (id int);
    CREATE TABLE "app.orders" (id int);
    CREATE TABLE "say ""hi"" again" (id int);
    CREATE TABLE "Odd.One"."t.u" (id int);
    """
NAMES = {  # as a statement has them, and as they are told
    "users": "public.users",
    "app.users": "app.users",
    'app."Users"': 'app."Users"',
    '"User"': 'public."User"',
    '"a.b.c.d"': 'public."a.b.c.d"',
    '"app.users"': 'public."app.users"',
    '"app.orders"': 'public."app.orders"',
    '"say ""hi"" again"': 'public."say ""hi"" again"',
    '"Odd.One"."t.u"': '"Odd.One"."t.u"',
}


@pytest.fixture
def odd(database: Database) -> Iterator[Connection]:
    with database.connect() as connection:
        connection.execute(ODD_NAMES)
        yield connection


def test_a_lock_that_an_earlier_migration_has_taken_is_told_again_whatever_the_name(odd: Connection) -> None:
    def taken_again(name: str) -> set[str]:
        files = [a_migration(number, sql=f"ALTER TABLE {name} ADD COLUMN c{number} int") for number in (1, 2)]
        done = rehearse(odd, files, timeouts=TIMEOUTS, install=None, starting=lambda _: None, behind=lambda: None)
        return {lock.relation for trace in done.rehearsed[1].traces for lock in trace.locks}

    assert {name: taken_again(name) for name in NAMES} == {name: {told} for name, told in NAMES.items()}


def test_a_name_that_nothing_has_is_no_lock(odd: Connection) -> None:
    files = [a_migration(number, sql='DROP TABLE IF EXISTS "a.b.c.d.e", app.nope, nope.users') for number in (1, 2)]
    done = rehearse(odd, files, timeouts=TIMEOUTS, install=None, starting=lambda _: None, behind=lambda: None)
    assert [trace.locks for each in done.rehearsed for trace in each.traces] == [(), ()]


def test_a_lock_of_a_transaction_of_its_own_is_told_whatever_the_name(odd: Connection) -> None:
    for name, told in NAMES.items():
        [trace] = traces(odd, f"VACUUM {name}")
        assert [lock.relation for lock in trace.locks] == [told]


# The text


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        ("SELECT\n  1", "SELECT 1"),
        ("SELECT '" + "x" * LONGEST_SQL + "'", "SELECT '" + "x" * (LONGEST_SQL - 8) + " …"),
        ("SELECT" + " " * 5 * LONGEST_SQL + "'x'", "SELECT …"),
        ("SELECT" + " " * (4 * LONGEST_SQL - 10) + "'secret'", "SELECT 'sec …"),
    ],
    ids=["short", "long", "long-with-blanks", "cut-behind-blanks"],
)
def test_a_statement_that_is_not_shown_to_its_end_ends_in_an_ellipsis(sql: str, text: str) -> None:
    [statement] = a_migration(sql=sql).statements
    assert shown(statement) == text

"""The copy of a target's schema: it is the same, the target stays as it is, and nothing of the copy stays."""

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from runner.core.database_url import DatabaseUrl
from runner.core.shadow_choice import Provider, ShadowChoice, parse_shadow_choice
from runner.errors import DatabaseUnusable, Finding
from runner.postgres.clone import understandable
from runner.postgres.embedded import EmbeddedServer
from runner.postgres.programs import LocalPrograms, address_of, our_libpq
from runner.postgres.schema_snapshot import schema_snapshot
from runner.postgres.session import connect
from runner.postgres.shadow import Shadow, shadow_of
from tests.conftest import SCRAM_ROLE, Database

NAME = "db_migrate_shadow_of_a_test"
AUTO = ShadowChoice(provider=Provider.AUTO)
EMBEDDED = ShadowChoice(provider=Provider.EMBEDDED)
LEDGER = """
    CREATE TABLE {schema}.schema_migrations (
        version text PRIMARY KEY, name text, twice text GENERATED ALWAYS AS (name || name) STORED);
    CREATE TABLE {schema}.migration_history (id int GENERATED ALWAYS AS IDENTITY, version text);
    INSERT INTO {schema}.schema_migrations VALUES ('1', E'ein\\\\n "Ä\\tß" %s'), ('2', NULL);
    INSERT INTO {schema}.migration_history (version) VALUES ('1'), ('1'), ('2');
    DELETE FROM {schema}.migration_history WHERE id = 2"""


def shadow(
    target: Database | DatabaseUrl,
    choice: ShadowChoice = AUTO,
    *,
    ledger_schema: str = "public",
    extensions: Collection[str] = (),
    roles: Collection[str] = (),
    lock_timeout: timedelta = timedelta(seconds=5),
    told: list[str] | None = None,
) -> AbstractContextManager[Shadow]:
    """A copy of a database, by default as a run makes it."""

    @contextmanager
    def opened() -> Iterator[Shadow]:
        url = target.url if isinstance(target, Database) else target
        with (
            closing(connect(url, application_name="a test", settled=False)) as connection,
            shadow_of(
                url,
                choice,
                connection=connection,
                ledger_schema=ledger_schema,
                extensions=extensions,
                roles=roles,
                name=NAME,
                lock_timeout=lock_timeout,
                tell=lambda text: told.append(text) if told is not None else None,
            ) as found,
        ):
            yield found

    return opened()


def refusal(target: Database | DatabaseUrl, choice: ShadowChoice = AUTO, **given: Any) -> Finding:
    """What is said when no copy can be had."""
    with pytest.raises(DatabaseUnusable) as raised, shadow(target, choice, **given):
        pass
    [finding] = raised.value.findings
    return finding


def url_of(database: Database) -> ShadowChoice:
    return parse_shadow_choice(database.url.value)


def ask(copy: Shadow, sql: str) -> list[tuple[object, ...]]:
    with copy.connect("test") as connection:
        return connection.execute(sql.encode()).fetchall()


def do(copy: Shadow, sql: str) -> None:
    with copy.connect("test") as connection:
        connection.execute(sql.encode())


def snapshot(database: Database) -> tuple[str, ...]:
    return schema_snapshot(database.url, LocalPrograms(database.server.programs))


@pytest.fixture
def other(servers: Callable[[int], EmbeddedServer], version: int) -> Iterator[Database]:
    """An empty database on the server of the target, as somebody gives it for trying."""
    server = servers(version)
    server.create_database("other")
    yield Database(server, "other")
    with connect(server.url(), application_name="a test") as connection:
        connection.execute(b"DROP DATABASE other WITH (FORCE)")


@pytest.fixture
def a_database(servers: Callable[[int], EmbeddedServer]) -> Iterator[Callable[[int], Database]]:
    """Makes an empty database on the server of a version, one on each."""
    made: list[Database] = []

    def make(version: int) -> Database:
        servers(version).create_database("one_of_two")
        made.append(Database(servers(version), "one_of_two"))
        return made[-1]

    yield make
    for each in made:
        Database(each.server, "postgres").query("DROP DATABASE one_of_two WITH (FORCE)")


def test_the_copy_has_the_schema_and_the_ledger_of_the_target_which_stays_as_it_is(example_database: Database) -> None:
    before = example_database.dump()
    with shadow(example_database) as copy:
        assert schema_snapshot(copy.url, copy.programs) == snapshot(example_database)
        everything = "SELECT * FROM {} ORDER BY 1"
        for table in ("schema_migrations", "migration_history", "migration_runs", "migration_environment"):
            rows = example_database.query(everything.format(table))
            assert rows
            assert ask(copy, everything.format(table)) == rows
        assert ask(copy, "SELECT count(*) FROM users") == [(0,)]
        assert copy.notes == ()
        assert copy.server.startswith(f"PostgreSQL {example_database.value('SHOW server_version')}")
        assert copy.target in copy.server
        do(copy, "DROP TABLE users CASCADE")
    assert example_database.dump() == before
    locks = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    assert example_database.value(locks) == 0


def test_the_copy_is_met_as_the_target_is(database: Database) -> None:
    """The same role, the same names of roles and of the database, so `$user` and `ALTER DATABASE` lead to the same."""
    database.query("CREATE ROLE met LOGIN SUPERUSER; CREATE SCHEMA met; CREATE ROLE \"Owner of 'all'\"")
    try:
        with shadow(DatabaseUrl(value=database.as_role("met")), roles={"named", "pg_read_all_data", "public"}) as copy:
            assert ask(copy, "SELECT current_user, current_database(), current_schema()") == [
                ("met", database.name, "met")
            ]
            do(copy, f"ALTER DATABASE {database.name} SET geqo = off; CREATE TABLE t (); GRANT SELECT ON t TO named")
            do(copy, "SET ROLE \"Owner of 'all'\"; ALTER TABLE met.t ADD a int")
            assert ask(copy, "SELECT rolcanlogin FROM pg_roles WHERE rolname = 'named'") == [(False,)]
    finally:
        database.query("DROP SCHEMA met; DROP ROLE met; DROP ROLE \"Owner of 'all'\"")


def test_the_usual_databases_can_be_copied_too(servers: Callable[[int], EmbeddedServer], version: int) -> None:
    target = Database(servers(version), "postgres")
    target.query("CREATE TABLE in_postgres (a int)")
    try:
        with shadow(target) as copy:
            assert ask(copy, "SELECT current_database(), to_regclass('in_postgres')::text") == [
                ("postgres", "in_postgres")
            ]
    finally:
        target.query("DROP TABLE in_postgres")


def test_a_session_of_the_copy_begins_with_the_settings_of_the_target(database: Database) -> None:
    name = database.name
    database.query(
        f"""CREATE SCHEMA "the app"; CREATE ROLE setter LOGIN SUPERUSER;
        ALTER DATABASE {name} SET search_path = "the app", "$user", public;
        ALTER DATABASE {name} SET work_mem = '5MB'; ALTER DATABASE {name} SET geqo_threshold = 13;
        ALTER DATABASE {name} SET log_min_duration_statement = '1s';
        ALTER DATABASE {name} SET default_transaction_read_only = on;
        ALTER ROLE setter SET work_mem = '6MB'; ALTER ROLE setter SET "my.tenant" = 'it''s, "one"';
        ALTER ROLE setter IN DATABASE {name} SET work_mem = '7MB'; ALTER ROLE setter SET DateStyle = 'German, DMY';
        ALTER ROLE ALL SET my.every = 'x'; ALTER ROLE nobody SET my.others = 'y'"""
    )
    names = ("search_path", "work_mem", "geqo_threshold", "log_min_duration_statement", "default_transaction_read_only",
             "my.tenant", "datestyle", "my.every", "my.others", "geqo")  # fmt: skip
    asked = f"SELECT {', '.join(f'''current_setting('{each}', true)''' for each in names)}"
    url = database.as_role("setter") + "&options=-c%20geqo%3Doff"
    try:
        with shadow(DatabaseUrl(value=url)) as copy:
            assert ask(copy, asked) == [
                (
                    '"the app", "$user", public',
                    "7MB",
                    "13",
                    "-1",
                    "off",
                    'it\'s, "one"',
                    "German, DMY",
                    "x",
                    None,
                    "off",
                )
            ]
            assert copy.notes == ()
    finally:
        reset = f"ALTER DATABASE {name} SET default_transaction_read_only = off"
        database.server.create_database("resetting")
        with connect(database.server.url("resetting"), application_name="a test") as connection:
            connection.execute(reset.encode())
            connection.execute(b"ALTER ROLE ALL RESET ALL; ALTER ROLE nobody RESET ALL; DROP ROLE setter")
        database.query("DROP DATABASE resetting")


def test_what_the_server_itself_sets_of_times_is_that_of_the_copy(database: Database) -> None:
    """In UTC a timestamp becomes one with a time zone without a rewrite; elsewhere it does not."""
    with database.connect() as connection:
        connection.execute("ALTER SYSTEM SET timezone = 'Asia/Tokyo'")
        connection.execute("SELECT pg_reload_conf()")
    try:
        until(lambda: database.value("SHOW timezone") == "Asia/Tokyo")
        with shadow(database.url) as copy:
            assert ask(copy, "SHOW timezone") == [("Asia/Tokyo",)]
    finally:
        with database.connect() as connection:
            connection.execute("ALTER SYSTEM RESET timezone")
            connection.execute("SELECT pg_reload_conf()")
        until(lambda: database.value("SHOW timezone") != "Asia/Tokyo")


def until(true: Callable[[], bool]) -> None:
    """A server reads its configuration again a moment later."""
    for _ in range(100):
        if true():
            return
        time.sleep(0.05)
    raise AssertionError("it never came true")


def test_on_a_server_of_the_users_the_schema_of_the_role_is_the_first_to_be_looked_in(
    database: Database, other: Database
) -> None:
    database.query("CREATE ROLE met LOGIN SUPERUSER; CREATE SCHEMA met")
    try:
        with shadow(DatabaseUrl(value=database.as_role("met")), url_of(other)) as copy:
            assert ask(copy, "SELECT current_user, current_schema()") == [("postgres", "met")]
    finally:
        database.query("DROP SCHEMA met; DROP ROLE met")


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII", "EUC_JP"])
def test_the_copy_has_the_encoding_of_the_target(
    servers: Callable[[int], EmbeddedServer], version: int, other: Database, encoding: str
) -> None:
    server = servers(version)
    postgres = Database(server, "postgres")
    postgres.query(f"CREATE DATABASE encoded TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'")
    try:
        target = Database(server, "encoded")
        letter = "あ" if encoding == "EUC_JP" else "é"
        target.query(f"CREATE TABLE \"t{letter}\" (a text DEFAULT '{letter}')")
        with shadow(target, url_of(other)) as copy:
            assert ask(copy, "SHOW server_encoding") == [(encoding,)]
            assert schema_snapshot(copy.url, copy.programs) == snapshot(target)
    finally:
        postgres.query("DROP DATABASE encoded WITH (FORCE)")


def test_a_ledger_elsewhere_comes_with_its_rows(database: Database, other: Database) -> None:
    schema = '"a ""ledger"" %s"'
    database.query(f"CREATE SCHEMA {schema}; {LEDGER.format(schema=schema)}")
    with shadow(database, url_of(other), ledger_schema='a "ledger" %s') as copy:
        for table in ("schema_migrations", "migration_history"):
            rows = f"SELECT * FROM {schema}.{table} ORDER BY 1"
            assert ask(copy, rows) == database.query(rows)


def test_triggers_do_not_hear_of_the_ledgers_rows(database: Database, other: Database) -> None:
    database.query(LEDGER.format(schema="public"))
    database.query(
        """CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'heard'; END $$;
        CREATE TRIGGER shouts BEFORE INSERT ON schema_migrations FOR EACH ROW EXECUTE FUNCTION shout()"""
    )
    with shadow(database, url_of(other)) as copy:
        assert ask(copy, "SELECT count(*) FROM schema_migrations") == [(2,)]


@pytest.mark.parametrize(
    "sql",
    [
        "DROP SCHEMA public",
        "ALTER SCHEMA public OWNER TO nobody; COMMENT ON SCHEMA public IS 'ours'",
        "DROP SCHEMA public; CREATE SCHEMA public; COMMENT ON SCHEMA public IS NULL",
        'CREATE TABLE "a""b" ("%s" int, E\'x\' text)'.replace("E'x'", '"x\'\\y"'),
        """CREATE TABLE t (a text); ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE ROLE "p o" ;
        CREATE POLICY p ON t TO "p o", nobody USING (a = current_user)""",
        """CREATE TABLE t (a text STORAGE EXTERNAL, b tsvector, c vector_like); CREATE INDEX ON t USING gin (b)""",
        """CREATE FUNCTION f() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'x'; END $$;
        CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION f()""",
        "CREATE PUBLICATION p FOR ALL TABLES",
        "CREATE EXTENSION vector; CREATE TABLE t (a vector(3)); CREATE INDEX ON t USING hnsw (a vector_l2_ops)",
        "SELECT lo_create(4711)",
    ],
)
def test_restores(database: Database, other: Database, sql: str) -> None:
    if "vector_like" in sql:
        database.query("CREATE DOMAIN vector_like AS float[] CHECK (cardinality(VALUE) = 3)")
    database.query(sql)
    try:
        with shadow(database, url_of(other)) as copy:
            if "lo_create" in sql:
                return
            options = ["--schema-only", "--no-owner", "--no-privileges"]
            with database.connect() as connection, copy.connect("test") as there:
                found = [
                    copy.programs.run("pg_dump", options, address_of(each, "a test")).decode().splitlines()
                    for each in (connection, there)
                ]
            target, shown = ([line for line in lines if line and not line.startswith(("--", "\\"))] for lines in found)
            assert shown == target
    finally:
        if '"p o"' in sql:
            database.query('DROP TABLE t; DROP ROLE "p o"')


def test_materialized_views_that_are_filled_can_be_read(database: Database, other: Database) -> None:
    database.query(
        """CREATE TABLE t (a int); CREATE MATERIALIZED VIEW "1" AS SELECT a FROM t;
        CREATE MATERIALIZED VIEW "0" AS SELECT a FROM "1"; CREATE UNIQUE INDEX ON "1" (a);
        CREATE MATERIALIZED VIEW failing AS SELECT 1 / coalesce(sum(a), 0) FROM t WITH NO DATA;
        CREATE MATERIALIZED VIEW empty AS SELECT a FROM t WITH NO DATA;
        INSERT INTO t VALUES (1); REFRESH MATERIALIZED VIEW failing"""
    )
    with shadow(database, url_of(other)) as copy:
        do(copy, 'REFRESH MATERIALIZED VIEW CONCURRENTLY "1"')
        assert ask(copy, "SELECT relname::text FROM pg_class WHERE relkind = 'm' AND relispopulated ORDER BY 1") == [
            ("0",), ("1",),
        ]  # fmt: skip
        assert copy.notes == ("the materialized view public.failing cannot be read: division by zero",)


def test_the_copy_knows_no_way_to_other_servers(database: Database, other: Database) -> None:
    database.query(
        """CREATE FOREIGN DATA WRAPPER w; CREATE SERVER "the bank" FOREIGN DATA WRAPPER w;
        CREATE USER MAPPING FOR PUBLIC SERVER "the bank" OPTIONS (password 'hush');
        CREATE USER MAPPING FOR nobody SERVER "the bank" OPTIONS (password 'hush')"""
    )
    told: list[str] = []
    with shadow(database, url_of(other), told=told) as copy:
        assert ask(copy, "SELECT count(*) FROM pg_user_mappings") == [(0,)]
        assert len(copy.notes) == 2
        assert told == [*copy.notes]
        assert "hush" not in repr(copy)
    assert database.value("SELECT count(*) FROM pg_user_mappings") == 2


def test_an_extension_that_the_server_lacks_is_named(database: Database, version: int) -> None:
    finding = refusal(database, EMBEDDED, extensions=["vector", "postgis", "hstore"])
    assert "does not have the extensions hstore, postgis" in finding.message
    assert f"docker://postgres:{version}" in finding.hint


def test_collations_that_the_server_lacks_are_named(database: Database) -> None:
    """As those of ICU, without which ours is built; so the target cannot have them here, and gets a made-up one."""
    database.query("SET allow_system_table_mods = on; CREATE COLLATION pg_catalog.\"xx-x-icu\" FROM \"C\"; "
                   'CREATE TABLE sorted (a text COLLATE "xx-x-icu")')  # fmt: skip
    finding = refusal(database, EMBEDDED)
    assert "does not have the collation xx-x-icu" in finding.message


def test_auto_tells_why_no_server_suits(database: Database, monkeypatch: pytest.MonkeyPatch, version: int) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    finding = refusal(database, extensions=["postgis"])
    assert f"PostgreSQL {version}" in finding.message
    assert "embedded, does not have the extension postgis; " in finding.message
    assert "a container of postgres:" in finding.message
    assert "docker://" in finding.hint


def test_an_older_server_is_refused(a_database: Callable[[int], Database]) -> None:
    finding = refusal(a_database(18), url_of(a_database(16)))
    assert "is older than the target" in finding.message


def test_a_newer_server_takes_an_older_schema(a_database: Callable[[int], Database]) -> None:
    older = a_database(16)
    older.query("CREATE TABLE t (a int NOT NULL)")
    with shadow(older, url_of(a_database(18))) as copy:
        assert ask(copy, "SELECT count(*) FROM t") == [(0,)]
        assert copy.target.startswith("PostgreSQL 16")
        assert copy.server.startswith("PostgreSQL 18")


def test_a_database_of_the_users_gets_the_copy_beside_it(example_database: Database, other: Database) -> None:
    with shadow(example_database, url_of(other)) as copy:
        assert schema_snapshot(copy.url, copy.programs) == snapshot(example_database)
        assert not copy.ours
        assert copy.provider is Provider.URL
        assert ask(copy, "SELECT current_database()") == [(NAME,)]
        assert ask(copy, "SELECT count(*) FROM schema_migrations") != [(0,)]
    assert not other.tables()
    assert other.value("SELECT count(*) FROM pg_database WHERE datname = %s", NAME) == 0


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_nothing_stays_when_the_block_fails(database: Database, other: Database, error: type[BaseException]) -> None:
    def fail() -> None:
        with shadow(database, url_of(other)) as copy, copy.connect("held"):
            raise error

    with pytest.raises(error):
        fail()
    assert other.value("SELECT count(*) FROM pg_database WHERE datname = %s", NAME) == 0


def test_what_the_server_does_not_take_is_told_and_nothing_stays(database: Database, other: Database) -> None:
    database.query(
        """SET allow_system_table_mods = on;
        CREATE FUNCTION pg_catalog.made_up() RETURNS int LANGUAGE sql AS 'SELECT 1';
        CREATE TABLE t (a int DEFAULT pg_catalog.made_up())"""
    )
    finding = refusal(database, url_of(other))
    assert "does not take the schema of the target: ERROR: function made_up() does not exist" in finding.message
    assert other.value("SELECT count(*) FROM pg_database WHERE datname = %s", NAME) == 0


def test_the_target_itself_is_no_place_for_its_copy(database: Database) -> None:
    database.query("CREATE TABLE t (a int)")
    finding = refusal(database, url_of(database))
    assert "names the target itself" in finding.message


def test_a_database_in_use_is_no_place_for_a_copy(database: Database, other: Database) -> None:
    other.query("CREATE TABLE used (a int)")
    finding = refusal(database, url_of(other))
    assert "is in use: it has used" in finding.message


def test_a_role_that_may_make_no_database_cannot_hold_a_copy(database: Database, other: Database) -> None:
    choice = parse_shadow_choice(other.as_role("nobody"))
    finding = refusal(database, choice)
    assert "may not make a database" in finding.message
    assert "CREATEDB" in finding.hint


def test_roles_that_a_users_server_lacks_are_told(a_database: Callable[[int], Database]) -> None:
    database = a_database(16)
    database.query("CREATE ROLE here; CREATE TABLE t (a int); CREATE POLICY p ON t TO here")
    try:
        finding = refusal(database, url_of(a_database(18)))
        assert 'role "here" does not exist' in finding.message
        assert finding.hint.startswith('CREATE ROLE "here"')
    finally:
        database.query("DROP TABLE t; DROP ROLE here")


def test_a_table_that_is_locked_is_not_waited_for_longer_than_asked(database: Database, other: Database) -> None:
    database.query("CREATE TABLE t (a int)")
    with database.connect() as holder, holder.transaction():
        holder.execute("LOCK TABLE t")
        finding = refusal(database, url_of(other), lock_timeout=timedelta(milliseconds=200))
        assert "timeout" in finding.message
    assert "lock-timeout" in finding.hint


def test_a_role_that_may_not_read_everything_is_told_what_it_needs(database: Database, other: Database) -> None:
    database.query("CREATE TABLE hidden (a int)")
    url = DatabaseUrl(value=database.as_role(SCRAM_ROLE, "right"))
    finding = refusal(url, url_of(other))
    assert "permission denied for table hidden" in finding.message
    assert finding.hint.startswith(f'GRANT pg_read_all_data TO "{SCRAM_ROLE}"')
    assert "right" not in finding.message
    database.query(f"GRANT pg_read_all_data TO {SCRAM_ROLE}")
    try:
        with shadow(url) as copy:
            assert ask(copy, "SELECT current_user, count(*) FROM hidden") == [(SCRAM_ROLE, 0)]
    finally:
        database.query(f"REVOKE pg_read_all_data FROM {SCRAM_ROLE}")


def test_options_of_columns_that_only_some_servers_know_are_left_out() -> None:
    dump = (
        b"ALTER TABLE ONLY public.t ALTER COLUMN a SET (pg_attver=22026888);\n"
        b'ALTER TABLE ONLY public."t (1)" ALTER COLUMN "b c" SET (n_distinct=5, pg_attver=1);\n'
        b"ALTER FOREIGN TABLE ONLY public.f ALTER COLUMN a SET (pg_attver=2);\n"
        b"ALTER TABLE ONLY public.t ALTER COLUMN a SET DEFAULT (1);\n"
    )
    assert understandable(dump, ("n_distinct", "pg_attver")) == (
        b'ALTER TABLE ONLY public."t (1)" ALTER COLUMN "b c" SET (n_distinct=5);\n'
        b"ALTER TABLE ONLY public.t ALTER COLUMN a SET DEFAULT (1);\n"
    )
    assert understandable(dump, ("n_distinct",)) == dump


def test_the_programs_that_we_carry_use_the_client_library_that_we_use() -> None:
    """Theirs has no TLS."""
    assert "psycopg" in Path(our_libpq()).parent.name

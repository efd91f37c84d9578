"""What a server of somebody's would keep of a proof."""

import pytest

from runner.gates.lasting import lasting
from tests.builders import a_migration


@pytest.mark.parametrize(
    ("sql", "name"),
    [
        ("ALTER SYSTEM SET work_mem = '1GB'", "ALTER SYSTEM"),
        ("ALTER ROLE ada SET search_path = app", "ALTER ROLE"),
        ("ALTER USER ada NOLOGIN", "ALTER ROLE"),
        ("DROP ROLE IF EXISTS ada", "DROP ROLE"),
        ("CREATE DATABASE other", "CREATE DATABASE"),
        ("DROP DATABASE other", "DROP DATABASE"),
        ("ALTER DATABASE app SET work_mem = '1GB'", "ALTER DATABASE"),
        ("REVOKE CONNECT ON DATABASE app FROM PUBLIC", "REVOKE ON DATABASE"),
        ("CREATE TABLESPACE fast LOCATION '/fast'", "CREATE TABLESPACE"),
        ("ALTER TABLESPACE fast RENAME TO slow", "ALTER TABLESPACE"),
    ],
)
def test_what_would_stay_on_the_server(sql: str, name: str) -> None:
    (found,) = lasting([a_migration(1), a_migration(2, sql=f"SELECT 1;\n{sql};")])
    assert found.place == "migrations/02_example.sql:2:1"
    assert found.message == (f"{name} would stay on the server of `shadow-database`, for its other databases as well")
    (in_check,) = lasting([a_migration(3, check="SELECT true; ALTER ROLE ada NOLOGIN")])
    assert in_check.place == "migrations/03_example.check.sql:1:14"


@pytest.mark.parametrize(
    "sql", ["CREATE TABLE t ()", "CREATE ROLE ada", "GRANT ada TO eve", "COMMENT ON ROLE ada IS 'x'", "SELECT 1"]
)
def test_what_does_not(sql: str) -> None:
    assert lasting([a_migration(sql=sql)]) == []

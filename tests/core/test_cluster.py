"""What a statement needs or changes outside of its database."""

import postgast
import pytest

from runner.core.classify import traits
from runner.core.migration import Traits


def traits_of(sql: str) -> Traits:
    (statement,) = postgast.parse(sql).stmts
    return traits(statement.stmt)


@pytest.mark.parametrize(
    ("sql", "roles"),
    [
        ("GRANT SELECT ON t TO ada, Eve", "ada eve"),
        ("GRANT SELECT ON t TO PUBLIC, CURRENT_USER, SESSION_USER, CURRENT_ROLE", ""),
        ("REVOKE ALL ON SCHEMA app FROM ada", "ada"),
        ('GRANT SELECT ON t TO "Ada" GRANTED BY eve', "Ada eve"),
        ("GRANT readers TO ada WITH ADMIN OPTION", "readers ada"),
        ("REVOKE readers FROM ada", "readers ada"),
        ("ALTER DEFAULT PRIVILEGES FOR ROLE ada IN SCHEMA app GRANT SELECT ON TABLES TO eve", "ada eve"),
        ("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC", ""),
        ("ALTER TABLE t OWNER TO ada", "ada"),
        ("ALTER TABLE t OWNER TO CURRENT_USER", ""),
        ("ALTER VIEW v OWNER TO ada", "ada"),
        ("ALTER FUNCTION f() OWNER TO ada", "ada"),
        ("ALTER SCHEMA app OWNER TO ada", "ada"),
        ("ALTER TABLE t ADD COLUMN a int", ""),
        ("CREATE SCHEMA AUTHORIZATION ada", "ada"),
        ("CREATE SCHEMA app AUTHORIZATION ada CREATE TABLE t (a int) GRANT SELECT ON t TO eve", "ada eve"),
        ("CREATE SCHEMA app", ""),
        ("CREATE POLICY p ON t TO ada, PUBLIC", "ada"),
        ("CREATE POLICY p ON t", ""),
        ("ALTER POLICY p ON t TO ada", "ada"),
        ("SET ROLE ada", "ada"),
        ("SET LOCAL ROLE ada", "ada"),
        ("SET ROLE NONE", ""),
        ("RESET ROLE", ""),
        ("SET SESSION AUTHORIZATION 'ada'", "ada"),
        ("SET SESSION AUTHORIZATION DEFAULT", ""),
        ("SET search_path TO ada", ""),
        ("CREATE ROLE ada", ""),
        ("CREATE ROLE ada IN ROLE readers ROLE eve ADMIN bob", "readers eve bob"),
        ("ALTER ROLE ada LOGIN", "ada"),
        ("ALTER ROLE ada SET work_mem = '1GB'", "ada"),
        ("ALTER ROLE ALL SET work_mem = '1GB'", ""),
        ("ALTER GROUP readers ADD USER ada", "readers ada"),
        ("ALTER ROLE ada RENAME TO eve", "ada"),
        ("ALTER TABLE ada RENAME TO eve", ""),
        ("DROP ROLE ada, eve", "ada eve"),
        ("DROP ROLE IF EXISTS ada", ""),
        ("REASSIGN OWNED BY ada TO eve", "ada eve"),
        ("DROP OWNED BY ada", "ada"),
        ("COMMENT ON ROLE ada IS 'x'", "ada"),
        ("COMMENT ON TABLE ada IS 'x'", ""),
        ("SECURITY LABEL ON ROLE ada IS 'x'", "ada"),
        ("CREATE DATABASE d OWNER ada", "ada"),
        ("CREATE DATABASE d OWNER DEFAULT", ""),
        ("CREATE TABLESPACE s OWNER ada LOCATION '/x'", "ada"),
        ("CREATE USER MAPPING FOR ada SERVER s", "ada"),
        ("CREATE USER MAPPING FOR PUBLIC SERVER s", ""),
        ("DROP USER MAPPING IF EXISTS FOR ada SERVER s", ""),
        ("ALTER TABLE ALL IN TABLESPACE s OWNED BY ada SET TABLESPACE x", "ada"),
    ],
)
def test_roles(sql: str, roles: str) -> None:
    assert " ".join(traits_of(sql).roles) == roles


@pytest.mark.parametrize(
    ("sql", "name"),
    [
        ("CREATE ROLE ada", "CREATE ROLE"),
        ("CREATE USER ada", "CREATE USER"),
        ("CREATE GROUP readers", "CREATE GROUP"),
        ("ALTER USER ada LOGIN", "ALTER ROLE"),
        ("ALTER ROLE ada SET work_mem = '1GB'", "ALTER ROLE"),
        ("ALTER ROLE ada RENAME TO eve", "ALTER ROLE"),
        ("DROP ROLE ada", "DROP ROLE"),
        ("GRANT readers TO ada", "GRANT ROLE"),
        ("REVOKE readers FROM ada", "REVOKE ROLE"),
        ("GRANT SELECT ON t TO ada", ""),
        ("GRANT CONNECT ON DATABASE d TO ada", "GRANT ON DATABASE"),
        ("REVOKE CREATE ON TABLESPACE s FROM ada", "REVOKE ON TABLESPACE"),
        ("GRANT SET ON PARAMETER work_mem TO ada", "GRANT ON PARAMETER"),
        ("CREATE DATABASE d", "CREATE DATABASE"),
        ("DROP DATABASE d", "DROP DATABASE"),
        ("ALTER DATABASE d SET work_mem = '1GB'", "ALTER DATABASE"),
        ("ALTER DATABASE d CONNECTION LIMIT 5", "ALTER DATABASE"),
        ("ALTER DATABASE d RENAME TO e", "ALTER DATABASE"),
        ("ALTER DATABASE d OWNER TO ada", "ALTER DATABASE"),
        ("ALTER DATABASE d REFRESH COLLATION VERSION", "ALTER DATABASE"),
        ("ALTER SYSTEM SET work_mem = '1GB'", "ALTER SYSTEM"),
        ("CREATE TABLESPACE s LOCATION '/x'", "CREATE TABLESPACE"),
        ("DROP TABLESPACE s", "DROP TABLESPACE"),
        ("ALTER TABLESPACE s SET (seq_page_cost = 1)", "ALTER TABLESPACE"),
        ("ALTER TABLESPACE s RENAME TO x", "ALTER TABLESPACE"),
        ("ALTER TABLESPACE s OWNER TO ada", "ALTER TABLESPACE"),
        ("COMMENT ON DATABASE d IS 'x'", "COMMENT ON DATABASE"),
        ("COMMENT ON ROLE ada IS 'x'", "COMMENT ON ROLE"),
        ("COMMENT ON TABLE t IS 'x'", ""),
        ("SECURITY LABEL ON TABLESPACE s IS 'x'", "SECURITY LABEL ON TABLESPACE"),
        ("SECURITY LABEL ON TABLE t IS 'x'", ""),
        ("CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p", "CREATE SUBSCRIPTION"),
        ("CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p WITH (connect = false)", ""),
        ("DROP SUBSCRIPTION s", "DROP SUBSCRIPTION"),
        ("REASSIGN OWNED BY ada TO eve", ""),
        ("ALTER TABLE t OWNER TO ada", ""),
        ("ALTER SCHEMA app OWNER TO ada", ""),
        ("SET ROLE ada", ""),
    ],
)
def test_cluster_wide(sql: str, name: str) -> None:
    assert traits_of(sql).cluster_wide == name


SCRAM = f"SCRAM-SHA-256$4096:c2FsdA==${'a' * 43}=:{'b' * 43}="


@pytest.mark.parametrize(
    ("sql", "password"),
    [
        ("CREATE ROLE ada PASSWORD 'x'", True),
        ("CREATE USER ada WITH LOGIN ENCRYPTED PASSWORD 'x'", True),
        ("CREATE ROLE ada", False),
        ("CREATE ROLE ada PASSWORD NULL", False),
        ("CREATE ROLE ada PASSWORD ''", False),
        (f"CREATE ROLE ada PASSWORD '{SCRAM}'", False),
        ("CREATE ROLE ada PASSWORD 'SCRAM-SHA-256$4096:c2FsdA==$short:short'", True),
        (f"CREATE ROLE ada PASSWORD 'md5{'0a' * 16}'", False),
        ("CREATE ROLE ada PASSWORD 'md5sum'", True),
        ("ALTER ROLE ada PASSWORD 'x'", True),
        ("ALTER ROLE ada VALID UNTIL 'infinity'", False),
        ("CREATE USER MAPPING FOR ada SERVER s OPTIONS (user 'ada', password 'x')", True),
        ("CREATE USER MAPPING FOR ada SERVER s OPTIONS (user 'ada', password_required 'false')", False),
        ("ALTER USER MAPPING FOR ada SERVER s OPTIONS (SET password 'x')", True),
        ("ALTER USER MAPPING FOR ada SERVER s OPTIONS (DROP password)", False),
        ("CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (host 'h', password 'x')", True),
        ("ALTER SERVER s OPTIONS (ADD sslpassword 'x')", True),
        ("CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (host 'h')", False),
        ("CREATE SUBSCRIPTION s CONNECTION 'host=h password=x' PUBLICATION p", True),
        ("CREATE SUBSCRIPTION s CONNECTION 'postgresql://ada:x@h/d' PUBLICATION p", True),
        ("CREATE SUBSCRIPTION s CONNECTION 'postgresql://ada@h:5432/d' PUBLICATION p", False),
        ("CREATE SUBSCRIPTION s CONNECTION 'host=h passfile=/x' PUBLICATION p", False),
        ("ALTER SUBSCRIPTION s CONNECTION 'host=h password = x'", True),
        ("ALTER SUBSCRIPTION s DISABLE", False),
    ],
)
def test_password(sql: str, password: bool) -> None:
    assert traits_of(sql).password is password

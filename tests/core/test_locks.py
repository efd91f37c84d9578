"""On what a statement takes an ACCESS EXCLUSIVE lock; `tests/postgres/test_locks.py` asks servers about many more."""

import postgast
import pytest

from runner.core.classify import traits


def locks_of(sql: str) -> str:
    (statement,) = postgast.parse(sql).stmts
    return " ".join(traits(statement.stmt).locks)


@pytest.mark.parametrize(
    ("sql", "locks"),
    [
        ("ALTER TABLE App.T ADD COLUMN a int", "app.t"),
        ('ALTER TABLE ONLY "App"."T" ADD COLUMN a int', "App.T"),
        ("ALTER TABLE t ALTER COLUMN a SET STATISTICS 10", ""),
        ("ALTER TABLE t ALTER COLUMN a SET STATISTICS 10, ALTER COLUMN a SET DEFAULT 1", "t"),
        ("ALTER TABLE t VALIDATE CONSTRAINT c", ""),
        ("ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT VALID", "t"),
        ("ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES u", ""),
        ("ALTER TABLE t ADD COLUMN a int REFERENCES u", "t"),
        ("ALTER TABLE t SET (fillfactor = 70)", ""),
        ("ALTER TABLE t SET (fillfactor = 70, user_catalog_table = true)", "t"),
        ("ALTER TABLE t DISABLE TRIGGER tr", ""),
        ("ALTER TABLE t DISABLE RULE ru", "t"),
        ("ALTER TABLE t OWNER TO r", "t"),
        ("ALTER TABLE t ATTACH PARTITION p DEFAULT", "p"),
        ("ALTER TABLE t DETACH PARTITION p", "t p"),
        ("ALTER TABLE t DETACH PARTITION p CONCURRENTLY", "p"),
        ("ALTER TABLE t DETACH PARTITION p FINALIZE", "p"),
        ("ALTER FOREIGN TABLE t ADD COLUMN a int", "t"),
        ("ALTER TYPE pair ADD ATTRIBUTE z int", ""),
        ("ALTER TABLE t RENAME TO u", "t"),
        ("ALTER TABLE t RENAME COLUMN a TO b", "t"),
        ("ALTER INDEX i RENAME TO j", ""),
        ("ALTER TYPE pair RENAME ATTRIBUTE x TO y", ""),
        ("ALTER FUNCTION f() RENAME TO g", ""),
        ("ALTER VIEW v SET SCHEMA app", "v"),
        ("ALTER FUNCTION f() SET SCHEMA app", ""),
        ("ALTER INDEX i DEPENDS ON EXTENSION e", "i"),
        ("ALTER TRIGGER tr ON t DEPENDS ON EXTENSION e", ""),
        ("ALTER SEQUENCE s RESTART", ""),
        ("ALTER SEQUENCE s OWNER TO r", "s"),
        ("CREATE TABLE t (a int REFERENCES u)", ""),
        ("CREATE TABLE p PARTITION OF t DEFAULT", "t"),
        ("CREATE FOREIGN TABLE p PARTITION OF t DEFAULT SERVER s", "t"),
        ("CREATE TABLE p () INHERITS (t)", ""),
        ("CREATE INDEX i ON t (a)", ""),
        ("CREATE POLICY p ON t", "t"),
        ("ALTER POLICY p ON t USING (true)", "t"),
        ("CREATE RULE r AS ON UPDATE TO t DO NOTHING", "t"),
        ("CREATE TRIGGER tr BEFORE INSERT ON t EXECUTE FUNCTION f()", ""),
        ("CREATE OR REPLACE VIEW v AS SELECT 1", "v"),
        ("CREATE VIEW v AS SELECT 1", ""),
        ("DROP TABLE t, app.u", "t app.u"),
        ("DROP INDEX i", "i"),
        ("DROP INDEX CONCURRENTLY i", ""),
        ("DROP MATERIALIZED VIEW v", "v"),
        ("DROP TRIGGER tr ON app.t", "app.t"),
        ("DROP POLICY p ON t", "t"),
        ("DROP FUNCTION f()", ""),
        ("DROP SCHEMA app", ""),
        ("TRUNCATE t, app.u", "t app.u"),
        ("LOCK t, app.u", "t app.u"),
        ("LOCK t IN ACCESS EXCLUSIVE MODE NOWAIT", "t"),
        ("LOCK t IN EXCLUSIVE MODE", ""),
        ("REINDEX TABLE t", "t"),
        ("REINDEX (CONCURRENTLY off) INDEX i", "i"),
        ("REINDEX TABLE CONCURRENTLY t", ""),
        ("REINDEX SCHEMA app", ""),
        ("CLUSTER t USING i", "t"),
        ("CLUSTER", ""),
        ("VACUUM FULL t, u", "t u"),
        ("VACUUM (FULL) t", "t"),
        ("VACUUM (FULL off) t", ""),
        ("VACUUM t", ""),
        ("ANALYZE t", ""),
        ("REFRESH MATERIALIZED VIEW v", "v"),
        ("REFRESH MATERIALIZED VIEW CONCURRENTLY v", ""),
        ("SELECT * FROM t FOR UPDATE", ""),
        ("COMMENT ON TABLE t IS 'x'", ""),
    ],
)
def test_locks(sql: str, locks: str) -> None:
    assert locks_of(sql) == locks

CREATE SCHEMA crm;
CREATE TABLE crm.schema_migrations (version text);
INSERT INTO crm.schema_migrations VALUES ('1');
DROP TABLE crm.schema_migrations;

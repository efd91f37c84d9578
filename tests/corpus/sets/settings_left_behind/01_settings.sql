CREATE SCHEMA app;
SET search_path = app;
SET client_min_messages = error;
SET SESSION statement_timeout = '100ms';
SET lock_timeout TO 1;
SET default_transaction_read_only = on;
CREATE TABLE inside (id int);

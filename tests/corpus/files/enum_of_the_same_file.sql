CREATE TYPE weather AS ENUM ('sun');
ALTER TYPE weather ADD VALUE 'rain';
CREATE TABLE days (day date, weather weather DEFAULT 'rain');
INSERT INTO days VALUES ('2026-11-22', 'rain');

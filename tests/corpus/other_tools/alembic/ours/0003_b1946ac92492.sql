-- Migration: Revision b1946ac92492
-- Origin: b1946ac92492

CREATE INDEX CONCURRENTLY users_status ON users (status);

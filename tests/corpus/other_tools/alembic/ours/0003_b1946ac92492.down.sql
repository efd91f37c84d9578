-- Migration: Undo "Revision b1946ac92492"
-- Origin: b1946ac92492

DROP INDEX CONCURRENTLY users_status;

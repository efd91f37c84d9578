-- Migration: Index for full-text search
-- Purpose: Makes search_documents() use an index instead of reading every document.

-- In a migration of its own, so that a build that fails or waits for a lock takes nothing else with it.
-- Built inside the transaction: it blocks writes to documents, which is short while the table is small.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX documents_search_vector_idx ON documents USING gin (search_vector);

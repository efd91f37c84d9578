-- The search finds what it should in the demo workspace: all words, a phrase, and nothing that is excluded.
SELECT title = 'Travel and expenses' AS found, title, rank
FROM search_documents('b0000000-0000-4000-8000-000000000001', 'expenses receipt');

SELECT title = 'Search relaunch' AS found, title, rank
FROM search_documents('b0000000-0000-4000-8000-000000000001', '"search results" -flights');

-- No document is left out of the index, and each has the version that it shows.
SELECT count(*) FILTER (WHERE search_vector IS NULL) = 0 AS all_indexed, count(*) AS documents
FROM documents;

SELECT count(*) = 0 AS all_versions_kept
FROM documents
WHERE NOT EXISTS (
    SELECT FROM document_versions AS version
    WHERE version.document_id = documents.id AND version.title = documents.title AND version.body = documents.body
);

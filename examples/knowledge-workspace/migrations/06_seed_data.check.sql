-- The triggers have kept a search vector and a first version of every document.
SELECT search_vector IS NOT NULL AND EXISTS (SELECT FROM document_versions WHERE document_id = documents.id), title
FROM documents
WHERE workspace_id = 'b0000000-0000-4000-8000-000000000001';

-- The generated columns and the view add up: 148.40 / 1.06 + 233.20 / 1.06 + 18.50 / 1.13.
SELECT gross_total = 400.10 AND net_total = 376.37 AND missing_receipts = 0, gross_total, net_total
FROM expense_report_totals
WHERE report_id = 'f0000000-0000-4000-8000-000000000001';

SELECT task_count = 3 AND done_count = 1 AND logged_hours = 14, logged_hours
FROM project_progress
WHERE project_id = 'c0000000-0000-4000-8000-000000000001';

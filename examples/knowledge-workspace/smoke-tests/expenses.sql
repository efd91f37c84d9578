-- The categories that the expense form offers are there.
SELECT count(*) >= 6 AS categories_present, string_agg(code, ', ' ORDER BY code) AS codes
FROM expense_categories;

-- The demo report adds up, net amounts included.
SELECT gross_total = 400.10 AND net_total = 376.37 AS adds_up, gross_total, net_total, currency
FROM expense_report_totals
WHERE report_id = 'f0000000-0000-4000-8000-000000000001';

-- Nobody's report is reimbursed while a receipt is missing.
SELECT count(*) = 0 AS all_receipts_present
FROM expense_report_totals
WHERE status = 'reimbursed' AND missing_receipts > 0;

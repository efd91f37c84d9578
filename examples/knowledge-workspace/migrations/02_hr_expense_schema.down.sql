-- Drops the HR and expense schema. Employees and expense reports are lost.

DROP VIEW expense_report_totals;
DROP TABLE expense_items;
DROP TABLE expense_reports;
DROP TABLE expense_categories;
DROP TABLE employees;
DROP TABLE departments;

DROP TYPE expense_status;
DROP TYPE employment_type;

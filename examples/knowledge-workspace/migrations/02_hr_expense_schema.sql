-- Migration: HR and expense schema
-- Purpose: Creates departments, employees and expense reports, and the rules that keep decisions consistent.

CREATE TYPE employment_type AS ENUM ('full_time', 'part_time', 'contractor');
CREATE TYPE expense_status AS ENUM ('draft', 'submitted', 'approved', 'rejected', 'reimbursed');

CREATE TABLE departments (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    workspace_id uuid NOT NULL,
    name         text NOT NULL,
    cost_center  text NOT NULL,
    CONSTRAINT departments_workspace_id_id_key UNIQUE (workspace_id, id),
    CONSTRAINT departments_workspace_id_name_key UNIQUE (workspace_id, name),
    CONSTRAINT departments_workspace_fkey FOREIGN KEY (workspace_id) REFERENCES workspaces (id) ON DELETE CASCADE,
    CONSTRAINT departments_cost_center_format CHECK (cost_center ~ '^CC-\d{4}$')
);

CREATE TABLE employees (
    id              uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workspace_id    uuid NOT NULL,
    user_id         uuid NOT NULL,
    department_id   bigint NOT NULL,
    manager_id      uuid,
    job_title       text NOT NULL,
    employment_type employment_type NOT NULL DEFAULT 'full_time',
    hired_on        date NOT NULL,
    left_on         date,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT employees_workspace_id_id_key UNIQUE (workspace_id, id),
    CONSTRAINT employees_workspace_id_user_id_key UNIQUE (workspace_id, user_id),
    CONSTRAINT employees_workspace_fkey FOREIGN KEY (workspace_id) REFERENCES workspaces (id) ON DELETE CASCADE,
    CONSTRAINT employees_user_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE RESTRICT,
    CONSTRAINT employees_department_fkey FOREIGN KEY (workspace_id, department_id)
        REFERENCES departments (workspace_id, id),
    CONSTRAINT employees_manager_fkey FOREIGN KEY (workspace_id, manager_id) REFERENCES employees (workspace_id, id),
    CONSTRAINT employees_not_own_manager CHECK (manager_id <> id),
    CONSTRAINT employees_left_after_hired CHECK (left_on >= hired_on)
);
CREATE INDEX employees_user_id_idx ON employees (user_id);
CREATE INDEX employees_workspace_id_department_id_idx ON employees (workspace_id, department_id);
CREATE INDEX employees_workspace_id_manager_id_idx ON employees (workspace_id, manager_id);
COMMENT ON COLUMN employees.manager_id IS 'Decides on the expense reports; null at the top of the organisation';

CREATE TABLE expense_categories (
    code         text PRIMARY KEY,
    name         text NOT NULL,
    receipt_from numeric(12, 2) NOT NULL DEFAULT 0,
    CONSTRAINT expense_categories_code_format CHECK (code ~ '^[a-z_]+$'),
    CONSTRAINT expense_categories_receipt_from_not_negative CHECK (receipt_from >= 0)
);
COMMENT ON TABLE expense_categories IS 'Reference data, the same for all workspaces';
COMMENT ON COLUMN expense_categories.receipt_from IS 'An item of this gross amount or more needs a receipt';

CREATE TABLE expense_reports (
    id           uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workspace_id uuid NOT NULL,
    employee_id  uuid NOT NULL,
    title        text NOT NULL,
    currency     text NOT NULL DEFAULT 'EUR',
    status       expense_status NOT NULL DEFAULT 'draft',
    submitted_at timestamptz,
    decided_at   timestamptz,
    decided_by   uuid,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    -- Books must be kept, so a report holds its employee, and with it the workspace.
    CONSTRAINT expense_reports_employee_fkey FOREIGN KEY (workspace_id, employee_id)
        REFERENCES employees (workspace_id, id) ON DELETE RESTRICT,
    CONSTRAINT expense_reports_decided_by_fkey FOREIGN KEY (workspace_id, decided_by)
        REFERENCES employees (workspace_id, id) ON DELETE RESTRICT,
    CONSTRAINT expense_reports_currency_format CHECK (currency ~ '^[A-Z]{3}$'),
    CONSTRAINT expense_reports_draft_is_not_submitted CHECK ((status = 'draft') = (submitted_at IS NULL)),
    CONSTRAINT expense_reports_decision_is_complete CHECK (
        num_nonnulls(decided_at, decided_by) = CASE WHEN status IN ('draft', 'submitted') THEN 0 ELSE 2 END
    ),
    CONSTRAINT expense_reports_decided_after_submission CHECK (decided_at >= submitted_at),
    CONSTRAINT expense_reports_not_decided_by_oneself CHECK (decided_by <> employee_id)
);
CREATE INDEX expense_reports_workspace_id_employee_id_idx ON expense_reports (workspace_id, employee_id);
CREATE INDEX expense_reports_workspace_id_decided_by_idx ON expense_reports (workspace_id, decided_by);
CREATE INDEX expense_reports_waiting_idx ON expense_reports (workspace_id, submitted_at) WHERE status = 'submitted';

CREATE TABLE expense_items (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    report_id     uuid NOT NULL,
    category_code text NOT NULL,
    spent_on      date NOT NULL,
    description   text NOT NULL,
    gross_amount  numeric(12, 2) NOT NULL,
    vat_rate      numeric(5, 4) NOT NULL DEFAULT 0,
    net_amount    numeric(12, 2) NOT NULL GENERATED ALWAYS AS (round(gross_amount / (1 + vat_rate), 2)) STORED,
    receipt_url   text,
    CONSTRAINT expense_items_report_fkey FOREIGN KEY (report_id) REFERENCES expense_reports (id) ON DELETE CASCADE,
    CONSTRAINT expense_items_category_fkey FOREIGN KEY (category_code)
        REFERENCES expense_categories (code) ON DELETE RESTRICT,
    CONSTRAINT expense_items_gross_amount_positive CHECK (gross_amount > 0),
    CONSTRAINT expense_items_vat_rate_range CHECK (vat_rate BETWEEN 0 AND 0.5)
);
CREATE INDEX expense_items_report_id_idx ON expense_items (report_id);
CREATE INDEX expense_items_category_code_idx ON expense_items (category_code);
COMMENT ON COLUMN expense_items.vat_rate IS 'A fraction: 0.19 is 19 %';

CREATE VIEW expense_report_totals AS
SELECT
    report.id AS report_id,
    report.workspace_id,
    report.employee_id,
    report.status,
    report.currency,
    count(item.id) AS item_count,
    coalesce(sum(item.gross_amount), 0) AS gross_total,
    coalesce(sum(item.net_amount), 0) AS net_total,
    count(item.id) FILTER (
        WHERE item.receipt_url IS NULL AND item.gross_amount >= category.receipt_from
    ) AS missing_receipts
FROM expense_reports AS report
LEFT JOIN expense_items AS item ON item.report_id = report.id
LEFT JOIN expense_categories AS category ON category.code = item.category_code
GROUP BY report.id;
COMMENT ON VIEW expense_report_totals IS 'One row per expense report, in the currency of the report';

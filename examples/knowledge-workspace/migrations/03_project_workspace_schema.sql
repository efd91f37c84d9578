-- Migration: Project workspace schema
-- Purpose: Creates projects with milestones, tasks, dependencies and time entries, and links projects to documents.

CREATE TYPE project_status AS ENUM ('planned', 'active', 'on_hold', 'completed', 'cancelled');
CREATE TYPE task_status AS ENUM ('todo', 'in_progress', 'blocked', 'done');
CREATE TYPE task_priority AS ENUM ('low', 'normal', 'high', 'urgent');

CREATE TABLE projects (
    id           uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workspace_id uuid NOT NULL,
    key          text NOT NULL,
    name         text NOT NULL,
    status       project_status NOT NULL DEFAULT 'planned',
    lead_id      uuid,
    budget_hours numeric(8, 2),
    starts_on    date,
    ends_on      date,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT projects_workspace_id_id_key UNIQUE (workspace_id, id),
    CONSTRAINT projects_workspace_id_key_key UNIQUE (workspace_id, key),
    CONSTRAINT projects_workspace_fkey FOREIGN KEY (workspace_id) REFERENCES workspaces (id) ON DELETE CASCADE,
    CONSTRAINT projects_lead_fkey FOREIGN KEY (workspace_id, lead_id) REFERENCES employees (workspace_id, id),
    CONSTRAINT projects_key_format CHECK (key ~ '^[A-Z]{2,6}$'),
    CONSTRAINT projects_budget_hours_positive CHECK (budget_hours > 0),
    CONSTRAINT projects_ends_after_start CHECK (ends_on >= starts_on),
    CONSTRAINT projects_active_has_lead CHECK (status <> 'active' OR lead_id IS NOT NULL)
);
CREATE INDEX projects_workspace_id_lead_id_idx ON projects (workspace_id, lead_id);
COMMENT ON COLUMN projects.key IS 'Short name used in conversation, e.g. WIKI';

CREATE TABLE milestones (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project_id uuid NOT NULL,
    name       text NOT NULL,
    due_on     date NOT NULL,
    reached_at timestamptz,
    CONSTRAINT milestones_project_id_name_key UNIQUE (project_id, name),
    CONSTRAINT milestones_project_id_id_key UNIQUE (project_id, id),
    CONSTRAINT milestones_project_fkey FOREIGN KEY (project_id) REFERENCES projects (id) ON DELETE CASCADE
);

CREATE TABLE tasks (
    id             uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    project_id     uuid NOT NULL,
    milestone_id   bigint,
    title          text NOT NULL,
    status         task_status NOT NULL DEFAULT 'todo',
    priority       task_priority NOT NULL DEFAULT 'normal',
    assignee_id    uuid,
    estimate_hours numeric(6, 2),
    due_on         date,
    completed_at   timestamptz,
    is_open        boolean NOT NULL GENERATED ALWAYS AS (status <> 'done') STORED,
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT tasks_project_fkey FOREIGN KEY (project_id) REFERENCES projects (id) ON DELETE CASCADE,
    CONSTRAINT tasks_milestone_fkey FOREIGN KEY (project_id, milestone_id) REFERENCES milestones (project_id, id),
    CONSTRAINT tasks_assignee_fkey FOREIGN KEY (assignee_id) REFERENCES employees (id) ON DELETE SET NULL,
    CONSTRAINT tasks_title_not_blank CHECK (btrim(title) <> ''),
    CONSTRAINT tasks_estimate_hours_positive CHECK (estimate_hours > 0),
    CONSTRAINT tasks_done_has_date CHECK ((status = 'done') = (completed_at IS NOT NULL))
);
CREATE INDEX tasks_project_id_milestone_id_idx ON tasks (project_id, milestone_id);
CREATE INDEX tasks_assignee_id_idx ON tasks (assignee_id);
CREATE INDEX tasks_open_by_due_date_idx ON tasks (project_id, due_on) WHERE is_open;

CREATE TABLE task_dependencies (
    task_id    uuid NOT NULL,
    blocked_by uuid NOT NULL,
    PRIMARY KEY (task_id, blocked_by),
    CONSTRAINT task_dependencies_task_fkey FOREIGN KEY (task_id) REFERENCES tasks (id) ON DELETE CASCADE,
    CONSTRAINT task_dependencies_blocked_by_fkey FOREIGN KEY (blocked_by) REFERENCES tasks (id) ON DELETE CASCADE,
    CONSTRAINT task_dependencies_not_on_itself CHECK (blocked_by <> task_id)
);
CREATE INDEX task_dependencies_blocked_by_idx ON task_dependencies (blocked_by);

CREATE TABLE time_entries (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    task_id     uuid NOT NULL,
    employee_id uuid NOT NULL,
    worked_on   date NOT NULL,
    duration    interval NOT NULL,
    hours       numeric(6, 2) NOT NULL GENERATED ALWAYS AS (round(extract(epoch FROM duration) / 3600, 2)) STORED,
    note        text,
    CONSTRAINT time_entries_task_fkey FOREIGN KEY (task_id) REFERENCES tasks (id) ON DELETE CASCADE,
    CONSTRAINT time_entries_employee_fkey FOREIGN KEY (employee_id) REFERENCES employees (id) ON DELETE CASCADE,
    CONSTRAINT time_entries_duration_fits_a_day CHECK (duration BETWEEN '1 minute' AND '24 hours')
);
CREATE INDEX time_entries_task_id_idx ON time_entries (task_id);
CREATE INDEX time_entries_employee_id_worked_on_idx ON time_entries (employee_id, worked_on);

CREATE TABLE project_documents (
    workspace_id uuid NOT NULL,
    project_id   uuid NOT NULL,
    document_id  uuid NOT NULL,
    PRIMARY KEY (project_id, document_id),
    CONSTRAINT project_documents_project_fkey FOREIGN KEY (workspace_id, project_id)
        REFERENCES projects (workspace_id, id) ON DELETE CASCADE,
    CONSTRAINT project_documents_document_fkey FOREIGN KEY (workspace_id, document_id)
        REFERENCES documents (workspace_id, id) ON DELETE CASCADE
);
CREATE INDEX project_documents_workspace_id_project_id_idx ON project_documents (workspace_id, project_id);
CREATE INDEX project_documents_workspace_id_document_id_idx ON project_documents (workspace_id, document_id);

-- Hours are summed per task first: joining tasks and entries directly would count a task once per entry.
CREATE VIEW project_progress AS
WITH logged AS (
    SELECT task_id, sum(hours) AS hours FROM time_entries GROUP BY task_id
)
SELECT
    project.id AS project_id,
    project.workspace_id,
    project.key,
    project.status,
    count(task.id) AS task_count,
    count(task.id) FILTER (WHERE NOT task.is_open) AS done_count,
    coalesce(sum(task.estimate_hours), 0) AS estimated_hours,
    coalesce(sum(logged.hours), 0) AS logged_hours,
    round(100 * coalesce(sum(logged.hours), 0) / project.budget_hours, 1) AS budget_used_percent
FROM projects AS project
LEFT JOIN tasks AS task ON task.project_id = project.id
LEFT JOIN logged ON logged.task_id = task.id
GROUP BY project.id;
COMMENT ON VIEW project_progress IS 'One row per project; budget_used_percent is null when the project has no budget';

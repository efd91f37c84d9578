-- Migration: Row level security
-- Purpose: Lets the application see and change only rows of workspaces in which the current user has a role.
-- Breaking: A session of the application that does not set app.user_id sees no rows of any workspace.
--
-- The tables are new and nobody waits for them yet:
-- lint-ignore-file several-exclusive-locks, work-under-exclusive-lock

-- The owner of the tables is not subject to the policies, so migrations and the back office keep working.
-- The application must connect as a role that does not own the tables, and run
-- SET LOCAL app.user_id = '…' at the start of each transaction.

-- SECURITY DEFINER: a policy on workspace_members that reads workspace_members itself would recurse.
-- ATOMIC: names are bound now, so no search_path of a caller can mislead these functions.
CREATE FUNCTION current_workspace_ids(minimum member_role DEFAULT 'viewer') RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER
BEGIN ATOMIC
    SELECT workspace_id FROM workspace_members WHERE user_id = current_app_user_id() AND role >= minimum;
END;
COMMENT ON FUNCTION current_workspace_ids(member_role) IS 'Where the current user has at least this role';

CREATE FUNCTION current_employee_ids() RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER
BEGIN ATOMIC
    SELECT id FROM employees WHERE user_id = current_app_user_id() AND left_on IS NULL;
END;
COMMENT ON FUNCTION current_employee_ids() IS 'The current user as an employee, once per workspace';

CREATE FUNCTION managed_employee_ids() RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER
BEGIN ATOMIC
    SELECT id FROM employees WHERE manager_id IN (SELECT current_employee_ids());
END;
COMMENT ON FUNCTION managed_employee_ids() IS 'Employees whose manager is the current user';

DO $enable$
DECLARE
    table_name text;
BEGIN
    FOREACH table_name IN ARRAY ARRAY[
        'users', 'workspaces', 'workspace_members', 'documents', 'document_versions', 'tags', 'document_tags',
        'document_comments', 'departments', 'employees', 'expense_reports', 'expense_items', 'projects', 'milestones',
        'tasks', 'task_dependencies', 'time_entries', 'project_documents', 'audit_events'
    ] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', table_name);
    END LOOP;
END;
$enable$;

-- Tables with a workspace_id and no rule of their own: all members read, this role and above writes.
DO $policies$
DECLARE
    target record;
BEGIN
    FOR target IN
        SELECT * FROM (VALUES
            ('workspace_members', 'owner'), ('departments', 'owner'), ('employees', 'owner'),
            ('documents', 'editor'), ('tags', 'editor'), ('document_tags', 'editor'),
            ('projects', 'editor'), ('project_documents', 'editor')
        ) AS tenant (table_name, writer)
    LOOP
        EXECUTE format('CREATE POLICY %I ON %I FOR SELECT USING (workspace_id IN (SELECT current_workspace_ids()))',
                       target.table_name || '_read', target.table_name);
        EXECUTE format('CREATE POLICY %I ON %I USING (workspace_id IN (SELECT current_workspace_ids(%L)))',
                       target.table_name || '_write', target.table_name, target.writer);
    END LOOP;
END;
$policies$;

CREATE POLICY users_read ON users FOR SELECT
    USING (id = current_app_user_id() OR EXISTS (SELECT FROM workspace_members WHERE user_id = users.id));
CREATE POLICY users_write_self ON users FOR UPDATE
    USING (id = current_app_user_id());

CREATE POLICY workspaces_read ON workspaces FOR SELECT
    USING (id IN (SELECT current_workspace_ids()));
CREATE POLICY workspaces_write ON workspaces FOR UPDATE
    USING (id IN (SELECT current_workspace_ids('owner')));

-- What hangs on a row that has policies is visible with it: a subquery sees only what its table's policies let through.
CREATE POLICY document_versions_read ON document_versions FOR SELECT
    USING (EXISTS (SELECT FROM documents WHERE id = document_id));

CREATE POLICY document_comments_read ON document_comments FOR SELECT
    USING (EXISTS (SELECT FROM documents WHERE id = document_id));
CREATE POLICY document_comments_write_own ON document_comments
    USING (author_id = current_app_user_id() AND EXISTS (SELECT FROM documents WHERE id = document_id));

CREATE POLICY milestones_read ON milestones FOR SELECT
    USING (EXISTS (SELECT FROM projects WHERE id = project_id));
CREATE POLICY milestones_write ON milestones
    USING (EXISTS (SELECT FROM projects
                   WHERE id = project_id AND workspace_id IN (SELECT current_workspace_ids('editor'))));

CREATE POLICY tasks_read ON tasks FOR SELECT
    USING (EXISTS (SELECT FROM projects WHERE id = project_id));
CREATE POLICY tasks_write ON tasks
    USING (EXISTS (SELECT FROM projects
                   WHERE id = project_id AND workspace_id IN (SELECT current_workspace_ids('editor'))));

CREATE POLICY task_dependencies_read ON task_dependencies FOR SELECT
    USING (EXISTS (SELECT FROM tasks WHERE id = task_id));
CREATE POLICY task_dependencies_write ON task_dependencies
    USING (EXISTS (SELECT FROM tasks JOIN projects ON projects.id = project_id
                   WHERE tasks.id = task_id AND workspace_id IN (SELECT current_workspace_ids('editor')))
           AND EXISTS (SELECT FROM tasks WHERE id = blocked_by));

CREATE POLICY time_entries_read ON time_entries FOR SELECT
    USING (EXISTS (SELECT FROM tasks WHERE id = task_id));
CREATE POLICY time_entries_write_own ON time_entries
    USING (employee_id IN (SELECT current_employee_ids()) AND EXISTS (SELECT FROM tasks WHERE id = task_id));

-- Expense reports: one's own, those of the people one manages, and for owners of the workspace all.
CREATE POLICY expense_reports_read ON expense_reports FOR SELECT
    USING (employee_id IN (SELECT current_employee_ids())
           OR employee_id IN (SELECT managed_employee_ids())
           OR workspace_id IN (SELECT current_workspace_ids('owner')));
CREATE POLICY expense_reports_write_own ON expense_reports
    USING (employee_id IN (SELECT current_employee_ids()) AND status IN ('draft', 'submitted'));
CREATE POLICY expense_reports_decide ON expense_reports FOR UPDATE
    USING (employee_id IN (SELECT managed_employee_ids()) AND status = 'submitted')
    WITH CHECK (employee_id IN (SELECT managed_employee_ids()) AND status IN ('approved', 'rejected')
                AND decided_by IN (SELECT current_employee_ids()));

CREATE POLICY expense_items_read ON expense_items FOR SELECT
    USING (EXISTS (SELECT FROM expense_reports WHERE id = report_id));
CREATE POLICY expense_items_write_own ON expense_items
    USING (EXISTS (SELECT FROM expense_reports
                   WHERE id = report_id AND status = 'draft' AND employee_id IN (SELECT current_employee_ids())));

-- No policy lets the application write: the trail is filled by triggers alone.
CREATE POLICY audit_events_read ON audit_events FOR SELECT
    USING (workspace_id IN (SELECT current_workspace_ids('owner')));

-- A view reads its tables as its own owner, past the policies, unless it is told otherwise.
DO $views$
BEGIN
    IF current_setting('server_version_num')::integer >= 150000 THEN
        ALTER VIEW expense_report_totals SET (security_invoker = true);
        ALTER VIEW project_progress SET (security_invoker = true);
    ELSE
        RAISE WARNING 'PostgreSQL 14 has no security_invoker: do not grant the views to the application';
    END IF;
END;
$views$;

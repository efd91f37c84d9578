-- Removes row level security: whoever may read a table sees the rows of all workspaces again.

DO $views$
BEGIN
    IF current_setting('server_version_num')::integer >= 150000 THEN
        ALTER VIEW project_progress RESET (security_invoker);
        ALTER VIEW expense_report_totals RESET (security_invoker);
    END IF;
END;
$views$;

DO $disable$
DECLARE
    table_name  text;
    policy_name text;
BEGIN
    FOREACH table_name IN ARRAY ARRAY[
        'users', 'workspaces', 'workspace_members', 'documents', 'document_versions', 'tags', 'document_tags',
        'document_comments', 'departments', 'employees', 'expense_reports', 'expense_items', 'projects', 'milestones',
        'tasks', 'task_dependencies', 'time_entries', 'project_documents', 'audit_events'
    ] LOOP
        FOR policy_name IN SELECT polname FROM pg_policy WHERE polrelid = table_name::regclass LOOP
            EXECUTE format('DROP POLICY %I ON %I', policy_name, table_name);
        END LOOP;
        EXECUTE format('ALTER TABLE %I DISABLE ROW LEVEL SECURITY', table_name);
    END LOOP;
END;
$disable$;

DROP FUNCTION managed_employee_ids();
DROP FUNCTION current_employee_ids();
DROP FUNCTION current_workspace_ids(member_role);

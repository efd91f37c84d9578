-- Drops triggers, audit trail and search. The audit trail is lost; document versions written so far stay.

DROP TRIGGER expense_reports_guard_status ON expense_reports;
DROP FUNCTION guard_expense_status();

DROP TRIGGER projects_audit ON projects;
DROP TRIGGER expense_reports_audit ON expense_reports;
DROP TRIGGER employees_audit ON employees;
DROP TRIGGER documents_audit ON documents;
DROP TRIGGER workspace_members_audit ON workspace_members;
DROP FUNCTION record_audit_event();
DROP TABLE audit_events;

DROP TRIGGER documents_keep_version ON documents;
DROP FUNCTION keep_document_version();

DROP TRIGGER tasks_set_updated_at ON tasks;
DROP TRIGGER projects_set_updated_at ON projects;
DROP TRIGGER expense_reports_set_updated_at ON expense_reports;
DROP TRIGGER employees_set_updated_at ON employees;
DROP TRIGGER documents_set_updated_at ON documents;
DROP FUNCTION set_updated_at();

DROP FUNCTION search_documents(uuid, text);
DROP TRIGGER documents_set_search_vector ON documents;
DROP FUNCTION set_document_search_vector();
ALTER TABLE documents DROP COLUMN search_vector;

DROP FUNCTION current_app_user_id();

-- Migration: Triggers, audit trail and full-text search
-- Purpose: Lets the database keep update times, versions, an audit trail and search vectors, and guards expense status.
--
-- The tables are new and nobody waits for them yet:
-- lint-ignore-file work-under-exclusive-lock

-- Who is asking. Empty counts as absent: a setting made with SET LOCAL is '' after its transaction, not null.
CREATE FUNCTION current_app_user_id() RETURNS uuid
LANGUAGE sql STABLE
RETURN nullif(current_setting('app.user_id', true), '')::uuid;
COMMENT ON FUNCTION current_app_user_id() IS 'From the setting app.user_id; null outside of requests';

-- Full-text search. A trigger, as a generated column cannot ask the workspace for its language.
ALTER TABLE documents ADD COLUMN search_vector tsvector;
COMMENT ON COLUMN documents.search_vector IS 'Kept by a trigger: words of the title weigh A, those of the body B';

CREATE FUNCTION set_document_search_vector() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $search$
DECLARE
    language regconfig := (SELECT search_language FROM public.workspaces WHERE id = NEW.workspace_id);
BEGIN
    NEW.search_vector := setweight(to_tsvector(language, NEW.title), 'A')
                      || setweight(to_tsvector(language, NEW.body), 'B');
    RETURN NEW;
END;
$search$;

CREATE TRIGGER documents_set_search_vector BEFORE INSERT OR UPDATE OF title, body, workspace_id ON documents
    FOR EACH ROW EXECUTE FUNCTION set_document_search_vector();

-- Documents written before this migration. Comes before set_updated_at, which would take it for an edit.
UPDATE documents SET title = title;

CREATE FUNCTION search_documents(in_workspace uuid, words text)
RETURNS TABLE (document_id uuid, title text, rank real)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT document.id, document.title, ts_rank(document.search_vector, query)
    FROM workspaces AS workspace
    CROSS JOIN websearch_to_tsquery(workspace.search_language::regconfig, words) AS query
    JOIN documents AS document ON document.workspace_id = workspace.id AND document.search_vector @@ query
    WHERE workspace.id = in_workspace AND document.status <> 'archived'
    ORDER BY 3 DESC, document.id;
END;

-- Update times.
CREATE FUNCTION set_updated_at() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END;
$$;

CREATE TRIGGER documents_set_updated_at BEFORE UPDATE ON documents
    FOR EACH ROW EXECUTE FUNCTION set_updated_at();
CREATE TRIGGER employees_set_updated_at BEFORE UPDATE ON employees
    FOR EACH ROW EXECUTE FUNCTION set_updated_at();
CREATE TRIGGER expense_reports_set_updated_at BEFORE UPDATE ON expense_reports
    FOR EACH ROW EXECUTE FUNCTION set_updated_at();
CREATE TRIGGER projects_set_updated_at BEFORE UPDATE ON projects
    FOR EACH ROW EXECUTE FUNCTION set_updated_at();
CREATE TRIGGER tasks_set_updated_at BEFORE UPDATE ON tasks
    FOR EACH ROW EXECUTE FUNCTION set_updated_at();

-- Document versions, the current one included.
-- SECURITY DEFINER: the application may read versions, but only this trigger writes them.
CREATE FUNCTION keep_document_version() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $version$
BEGIN
    IF TG_OP = 'UPDATE' AND (NEW.title, NEW.body) IS NOT DISTINCT FROM (OLD.title, OLD.body) THEN
        RETURN NULL;
    END IF;
    -- The row lock of this very statement makes concurrent edits queue, so the next number is free.
    INSERT INTO public.document_versions (document_id, version_number, title, body, edited_by, edited_at)
    SELECT NEW.id, coalesce(max(version_number), 0) + 1, NEW.title, NEW.body,
           coalesce(public.current_app_user_id(), NEW.created_by), NEW.updated_at
    FROM public.document_versions
    WHERE document_id = NEW.id;
    RETURN NULL;
END;
$version$;

CREATE TRIGGER documents_keep_version AFTER INSERT OR UPDATE OF title, body ON documents
    FOR EACH ROW EXECUTE FUNCTION keep_document_version();

INSERT INTO document_versions (document_id, version_number, title, body, edited_by, edited_at)
SELECT id, 1, title, body, created_by, updated_at
FROM documents
WHERE NOT EXISTS (SELECT FROM document_versions WHERE document_id = documents.id);

-- Audit trail.
CREATE TABLE audit_events (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    workspace_id uuid NOT NULL,
    table_name   text NOT NULL,
    row_id       text NOT NULL,
    action       text NOT NULL,
    actor_id     uuid,
    changes      jsonb NOT NULL,
    occurred_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT audit_events_action_known CHECK (action IN ('INSERT', 'UPDATE', 'DELETE'))
);
CREATE INDEX audit_events_row_idx ON audit_events (table_name, row_id);
CREATE INDEX audit_events_workspace_id_occurred_at_idx ON audit_events (workspace_id, occurred_at);
COMMENT ON TABLE audit_events IS 'Has no foreign keys: the trail outlives what it describes';
COMMENT ON COLUMN audit_events.changes IS '{"column": {"old": …, "new": …}}, changed columns only';

CREATE FUNCTION record_audit_event() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $audit$
DECLARE
    before  jsonb := to_jsonb(OLD);  -- null for INSERT
    after   jsonb := to_jsonb(NEW);  -- null for DELETE
    known   jsonb := coalesce(after, before);
    changes jsonb;
BEGIN
    SELECT jsonb_object_agg(key, jsonb_build_object('old', before -> key, 'new', after -> key))
    INTO changes
    FROM jsonb_object_keys(known) AS key
    WHERE before -> key IS DISTINCT FROM after -> key AND key <> ALL (TG_ARGV);

    IF changes IS NOT NULL THEN
        INSERT INTO public.audit_events (workspace_id, table_name, row_id, action, actor_id, changes)
        VALUES ((known ->> 'workspace_id')::uuid, TG_TABLE_NAME, coalesce(known ->> 'id', known ->> 'user_id'),
                TG_OP, public.current_app_user_id(), changes);
    END IF;
    RETURN NULL;
END;
$audit$;
COMMENT ON FUNCTION record_audit_event() IS 'For tables with a workspace_id; arguments are columns to leave out';

CREATE TRIGGER workspace_members_audit AFTER INSERT OR UPDATE OR DELETE ON workspace_members
    FOR EACH ROW EXECUTE FUNCTION record_audit_event('joined_at');
CREATE TRIGGER documents_audit AFTER INSERT OR UPDATE OR DELETE ON documents
    FOR EACH ROW EXECUTE FUNCTION record_audit_event('updated_at', 'body', 'search_vector');
CREATE TRIGGER employees_audit AFTER INSERT OR UPDATE OR DELETE ON employees
    FOR EACH ROW EXECUTE FUNCTION record_audit_event('updated_at');
CREATE TRIGGER expense_reports_audit AFTER INSERT OR UPDATE OR DELETE ON expense_reports
    FOR EACH ROW EXECUTE FUNCTION record_audit_event('updated_at');
CREATE TRIGGER projects_audit AFTER INSERT OR UPDATE OR DELETE ON projects
    FOR EACH ROW EXECUTE FUNCTION record_audit_event('updated_at');

-- The life of an expense report: draft ⇄ submitted → approved → reimbursed, or rejected.
CREATE FUNCTION guard_expense_status() RETURNS trigger
LANGUAGE plpgsql
AS $guard$
BEGIN
    IF (OLD.status, NEW.status) NOT IN (
        ('draft', 'submitted'), ('submitted', 'draft'), ('submitted', 'approved'),
        ('submitted', 'rejected'), ('approved', 'reimbursed')
    ) THEN
        RAISE EXCEPTION 'expense report "%" cannot go from % to %', NEW.title, OLD.status, NEW.status
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END;
$guard$;

CREATE TRIGGER expense_reports_guard_status BEFORE UPDATE OF status ON expense_reports
    FOR EACH ROW WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION guard_expense_status();

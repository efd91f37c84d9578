-- Migration: Knowledge workspace schema
-- Purpose: Creates users, workspaces and their members, and documents with versions, tags and comments.

CREATE TYPE member_role AS ENUM ('viewer', 'editor', 'owner');
COMMENT ON TYPE member_role IS 'From least to most rights: policies compare roles by this order';

CREATE TYPE document_status AS ENUM ('draft', 'published', 'archived');

CREATE TABLE users (
    id             uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    email          text NOT NULL,
    display_name   text NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    deactivated_at timestamptz,
    CONSTRAINT users_email_key UNIQUE (email),
    CONSTRAINT users_email_lowercase CHECK (email = lower(email)),
    CONSTRAINT users_email_format CHECK (email ~ '^[^@\s]+@[^@\s]+\.[^@\s]+$')
);
COMMENT ON TABLE users IS 'People who can sign in; never deleted once they wrote something, only deactivated';

CREATE TABLE workspaces (
    id              uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    slug            text NOT NULL,
    name            text NOT NULL,
    search_language text NOT NULL DEFAULT 'english',
    settings        jsonb NOT NULL DEFAULT '{}',
    created_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT workspaces_slug_key UNIQUE (slug),
    CONSTRAINT workspaces_slug_format CHECK (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'),
    CONSTRAINT workspaces_search_language_known CHECK (search_language IN ('simple', 'english', 'french', 'german')),
    CONSTRAINT workspaces_settings_is_object CHECK (jsonb_typeof(settings) = 'object')
);
COMMENT ON TABLE workspaces IS 'The tenant: whatever belongs to a customer hangs on a workspace';
COMMENT ON COLUMN workspaces.search_language IS 'Text search configuration by which the documents are indexed';

CREATE TABLE workspace_members (
    workspace_id uuid NOT NULL,
    user_id      uuid NOT NULL,
    role         member_role NOT NULL DEFAULT 'viewer',
    joined_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace_id, user_id),
    CONSTRAINT workspace_members_workspace_fkey FOREIGN KEY (workspace_id) REFERENCES workspaces (id) ON DELETE CASCADE,
    CONSTRAINT workspace_members_user_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE INDEX workspace_members_user_id_idx ON workspace_members (user_id);

CREATE TABLE documents (
    id           uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workspace_id uuid NOT NULL,
    parent_id    uuid,
    title        text NOT NULL,
    body         text NOT NULL DEFAULT '',
    status       document_status NOT NULL DEFAULT 'draft',
    metadata     jsonb NOT NULL DEFAULT '{}',
    created_by   uuid NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    published_at timestamptz,
    -- The target of composite foreign keys, which keep references inside one workspace.
    CONSTRAINT documents_workspace_id_id_key UNIQUE (workspace_id, id),
    CONSTRAINT documents_workspace_fkey FOREIGN KEY (workspace_id) REFERENCES workspaces (id) ON DELETE CASCADE,
    CONSTRAINT documents_parent_fkey FOREIGN KEY (workspace_id, parent_id)
        REFERENCES documents (workspace_id, id) ON DELETE CASCADE,
    CONSTRAINT documents_created_by_fkey FOREIGN KEY (created_by) REFERENCES users (id) ON DELETE RESTRICT,
    CONSTRAINT documents_title_not_blank CHECK (btrim(title) <> ''),
    CONSTRAINT documents_not_own_parent CHECK (parent_id <> id),
    CONSTRAINT documents_metadata_is_object CHECK (jsonb_typeof(metadata) = 'object'),
    CONSTRAINT documents_published_has_date CHECK (status <> 'published' OR published_at IS NOT NULL)
);
CREATE INDEX documents_workspace_id_parent_id_idx ON documents (workspace_id, parent_id);
CREATE INDEX documents_created_by_idx ON documents (created_by);
CREATE INDEX documents_recently_published_idx ON documents (workspace_id, published_at DESC)
    WHERE status = 'published';
COMMENT ON COLUMN documents.parent_id IS 'The page above; deleting a page deletes the pages below it';
COMMENT ON COLUMN documents.metadata IS 'Properties a workspace defines for itself, e.g. {"review_by": "2026-12-31"}';

CREATE TABLE document_versions (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    document_id    uuid NOT NULL,
    version_number bigint NOT NULL,
    title          text NOT NULL,
    body           text NOT NULL,
    edited_by      uuid NOT NULL,
    edited_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT document_versions_document_id_version_number_key UNIQUE (document_id, version_number),
    CONSTRAINT document_versions_document_fkey FOREIGN KEY (document_id) REFERENCES documents (id) ON DELETE CASCADE,
    CONSTRAINT document_versions_edited_by_fkey FOREIGN KEY (edited_by) REFERENCES users (id) ON DELETE RESTRICT,
    CONSTRAINT document_versions_number_positive CHECK (version_number > 0)
);
CREATE INDEX document_versions_edited_by_idx ON document_versions (edited_by);

CREATE TABLE tags (
    id           uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workspace_id uuid NOT NULL,
    name         text NOT NULL,
    CONSTRAINT tags_workspace_id_name_key UNIQUE (workspace_id, name),
    CONSTRAINT tags_workspace_id_id_key UNIQUE (workspace_id, id),
    CONSTRAINT tags_workspace_fkey FOREIGN KEY (workspace_id) REFERENCES workspaces (id) ON DELETE CASCADE,
    CONSTRAINT tags_name_lowercase CHECK (name = lower(btrim(name)) AND name <> '')
);

CREATE TABLE document_tags (
    workspace_id uuid NOT NULL,
    document_id  uuid NOT NULL,
    tag_id       uuid NOT NULL,
    PRIMARY KEY (document_id, tag_id),
    CONSTRAINT document_tags_document_fkey FOREIGN KEY (workspace_id, document_id)
        REFERENCES documents (workspace_id, id) ON DELETE CASCADE,
    CONSTRAINT document_tags_tag_fkey FOREIGN KEY (workspace_id, tag_id)
        REFERENCES tags (workspace_id, id) ON DELETE CASCADE
);
CREATE INDEX document_tags_workspace_id_document_id_idx ON document_tags (workspace_id, document_id);
CREATE INDEX document_tags_workspace_id_tag_id_idx ON document_tags (workspace_id, tag_id);

CREATE TABLE document_comments (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    document_id uuid NOT NULL,
    author_id   uuid NOT NULL,
    body        text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    resolved_at timestamptz,
    CONSTRAINT document_comments_document_fkey FOREIGN KEY (document_id) REFERENCES documents (id) ON DELETE CASCADE,
    CONSTRAINT document_comments_author_fkey FOREIGN KEY (author_id) REFERENCES users (id) ON DELETE RESTRICT,
    CONSTRAINT document_comments_body_not_blank CHECK (btrim(body) <> ''),
    CONSTRAINT document_comments_resolved_after_creation CHECK (resolved_at >= created_at)
);
CREATE INDEX document_comments_document_id_idx ON document_comments (document_id);
CREATE INDEX document_comments_author_id_idx ON document_comments (author_id);

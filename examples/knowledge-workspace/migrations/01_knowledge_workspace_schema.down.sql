-- Drops the knowledge workspace schema, newest table first. Everything written in it is lost.

DROP TABLE document_comments;
DROP TABLE document_tags;
DROP TABLE tags;
DROP TABLE document_versions;
DROP TABLE documents;
DROP TABLE workspace_members;
DROP TABLE workspaces;
DROP TABLE users;

DROP TYPE document_status;
DROP TYPE member_role;

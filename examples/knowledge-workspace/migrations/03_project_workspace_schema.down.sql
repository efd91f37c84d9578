-- Drops the project schema. Projects, tasks and logged time are lost; documents stay.

DROP VIEW project_progress;
DROP TABLE project_documents;
DROP TABLE time_entries;
DROP TABLE task_dependencies;
DROP TABLE tasks;
DROP TABLE milestones;
DROP TABLE projects;

DROP TYPE task_priority;
DROP TYPE task_status;
DROP TYPE project_status;

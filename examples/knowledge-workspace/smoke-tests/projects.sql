-- The numbers of the demo project: hours are not counted twice, and the budget is the project's.
SELECT done_count <= task_count AND logged_hours = 14 AND budget_used_percent = 11.7 AS adds_up,
       key, task_count, done_count, logged_hours, budget_used_percent
FROM project_progress
WHERE project_id = 'c0000000-0000-4000-8000-000000000001';

-- No task waits for itself, not even through others.
WITH RECURSIVE waits AS (
    SELECT task_id, blocked_by FROM task_dependencies
    UNION
    SELECT waits.task_id, task_dependencies.blocked_by
    FROM waits
    JOIN task_dependencies ON task_dependencies.task_id = waits.blocked_by
)
SELECT count(*) FILTER (WHERE task_id = blocked_by) = 0 AS no_cycles, count(*) AS dependencies
FROM waits;

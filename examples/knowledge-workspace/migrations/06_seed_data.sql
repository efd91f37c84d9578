-- Migration: Reference data and demo workspace
-- Purpose: Adds the expense categories and a small demo workspace, kept everywhere for training and smoke tests.

INSERT INTO expense_categories (code, name, receipt_from) VALUES
    ('travel', 'Travel by train, air or taxi', 0),
    ('mileage', 'Mileage in one''s own car', 100000),
    ('lodging', 'Lodging', 0),
    ('meals', 'Meals & entertainment', 25),
    ('equipment', 'Equipment', 0),
    ('training', 'Courses, books; conferences', 50);

INSERT INTO users (id, email, display_name, created_at) VALUES
    ('a0000000-0000-4000-8000-000000000001', 'ines@demo.example', 'Inès Duarte', '2026-01-05 08:00+00'),
    ('a0000000-0000-4000-8000-000000000002', 'tom@demo.example', 'Tom O''Hara', '2026-01-05 08:05+00'),
    ('a0000000-0000-4000-8000-000000000003', 'yuki@demo.example', 'Yuki Mori', '2026-01-12 09:30+00'),
    ('a0000000-0000-4000-8000-000000000004', 'guest@demo.example', 'Guest Reader', '2026-02-02 10:00+00');

INSERT INTO workspaces (id, slug, name, settings, created_at) VALUES
    ('b0000000-0000-4000-8000-000000000001', 'demo', 'Demo workspace',
     '{"theme": "light", "week_starts_on": "monday"}', '2026-01-05 08:00+00');

INSERT INTO workspace_members (workspace_id, user_id, role, joined_at)
SELECT 'b0000000-0000-4000-8000-000000000001', users.id, member.role::member_role, users.created_at
FROM (VALUES
    ('ines@demo.example', 'owner'),
    ('tom@demo.example', 'editor'),
    ('yuki@demo.example', 'editor'),
    ('guest@demo.example', 'viewer')
) AS member (email, role)
JOIN users USING (email);

-- Knowledge.

INSERT INTO documents (id, workspace_id, parent_id, title, body,
                       status, metadata, created_by, created_at, updated_at, published_at)
VALUES
    ('d0000000-0000-4000-8000-000000000001', 'b0000000-0000-4000-8000-000000000001',
     NULL, 'Employee handbook',
     'Start here. Each page names its owner and the date of its next review.',
     'published', '{"review_by": "2027-01-31"}', 'a0000000-0000-4000-8000-000000000001',
     '2026-01-06 09:00+00', '2026-01-06 09:00+00', '2026-01-06 12:00+00'),
    ('d0000000-0000-4000-8000-000000000002', 'b0000000-0000-4000-8000-000000000001',
     'd0000000-0000-4000-8000-000000000001', 'Travel and expenses',
     $md$Book trains early; flights need a reason.

* Hand in a report within 30 days.
* Meals from €25 need a receipt.
* Questions? Ask your manager, who'll decide -- usually within 2 days.
$md$,
     'published', '{"review_by": "2026-12-31"}', 'a0000000-0000-4000-8000-000000000001',
     '2026-01-07 10:00+00', '2026-01-07 10:00+00', '2026-01-08 08:00+00'),
    ('d0000000-0000-4000-8000-000000000003', 'b0000000-0000-4000-8000-000000000001',
     NULL, 'How we write decisions',
     'One page: the question, the options, what we chose, and what would change our mind.',
     'published', '{}', 'a0000000-0000-4000-8000-000000000002',
     '2026-02-10 14:00+00', '2026-02-10 14:00+00', '2026-02-11 09:00+00'),
    ('d0000000-0000-4000-8000-000000000004', 'b0000000-0000-4000-8000-000000000001',
     NULL, 'Search relaunch',
     'Goals, risks and the plan for better search results. 100% of the old pages stay reachable.',
     'draft', '{}', 'a0000000-0000-4000-8000-000000000003',
     '2026-03-02 11:00+00', '2026-03-02 11:00+00', NULL);

INSERT INTO tags (workspace_id, name)
SELECT 'b0000000-0000-4000-8000-000000000001', name
FROM unnest(ARRAY['policy', 'how-to', 'project']) AS name;

INSERT INTO document_tags (workspace_id, document_id, tag_id)
SELECT documents.workspace_id, documents.id, tags.id
FROM (VALUES
    ('Employee handbook', 'policy'),
    ('Travel and expenses', 'policy'),
    ('Travel and expenses', 'how-to'),
    ('How we write decisions', 'how-to'),
    ('Search relaunch', 'project')
) AS pair (title, tag)
JOIN documents ON documents.title = pair.title
JOIN tags ON tags.workspace_id = documents.workspace_id AND tags.name = pair.tag
WHERE documents.workspace_id = 'b0000000-0000-4000-8000-000000000001';

INSERT INTO document_comments (document_id, author_id, body, created_at, resolved_at) VALUES
    ('d0000000-0000-4000-8000-000000000002', 'a0000000-0000-4000-8000-000000000002',
     'Does "flights need a reason" hold for islands, too?', '2026-01-09 09:00+00', '2026-01-09 15:20+00'),
    ('d0000000-0000-4000-8000-000000000004', 'a0000000-0000-4000-8000-000000000001',
     'Please add what we do when the index has to be rebuilt.', '2026-03-03 08:45+00', NULL);

-- People and expenses.

INSERT INTO departments (workspace_id, name, cost_center) VALUES
    ('b0000000-0000-4000-8000-000000000001', 'Operations', 'CC-1000'),
    ('b0000000-0000-4000-8000-000000000001', 'Engineering', 'CC-2000');

INSERT INTO employees (id, workspace_id, user_id, department_id, manager_id, job_title, employment_type, hired_on)
SELECT person.id::uuid, departments.workspace_id, users.id, departments.id, person.manager_id::uuid, person.job_title,
       person.employment_type::employment_type, person.hired_on::date
FROM (VALUES
    ('e0000000-0000-4000-8000-000000000001', 'ines@demo.example', 'Operations', NULL,
     'Head of operations', 'full_time', '2024-04-01'),
    ('e0000000-0000-4000-8000-000000000002', 'tom@demo.example', 'Engineering', 'e0000000-0000-4000-8000-000000000001',
     'Software engineer', 'full_time', '2025-02-15'),
    ('e0000000-0000-4000-8000-000000000003', 'yuki@demo.example', 'Engineering', 'e0000000-0000-4000-8000-000000000001',
     'Search engineer', 'part_time', '2026-01-12')
) AS person (id, email, department, manager_id, job_title, employment_type, hired_on)
JOIN users USING (email)
JOIN departments ON departments.name = person.department
WHERE departments.workspace_id = 'b0000000-0000-4000-8000-000000000001';

INSERT INTO expense_reports (id, workspace_id, employee_id, title, status, submitted_at, decided_at, decided_by) VALUES
    ('f0000000-0000-4000-8000-000000000001', 'b0000000-0000-4000-8000-000000000001',
     'e0000000-0000-4000-8000-000000000002', 'Conference in Porto', 'approved', '2026-03-20 16:00+00',
     '2026-03-21 09:10+00', 'e0000000-0000-4000-8000-000000000001'),
    ('f0000000-0000-4000-8000-000000000002', 'b0000000-0000-4000-8000-000000000001',
     'e0000000-0000-4000-8000-000000000003', 'New keyboard', 'submitted', '2026-04-02 07:30+00', NULL, NULL);

INSERT INTO expense_items (report_id, category_code, spent_on, description, gross_amount, vat_rate, receipt_url)
SELECT expense_reports.id, item.category_code, item.spent_on::date, item.description, item.gross_amount, item.vat_rate,
       item.receipt_url
FROM (VALUES
    ('Conference in Porto', 'travel', '2026-03-16', 'Train, there and back', 148.40, 0.06, 'receipts/0001.pdf'),
    ('Conference in Porto', 'lodging', '2026-03-18', 'Two nights', 233.20, 0.06, 'receipts/0002.pdf'),
    ('Conference in Porto', 'meals', '2026-03-17', 'Dinner', 18.50, 0.13, NULL),
    ('New keyboard', 'equipment', '2026-04-01', 'Keyboard', 119.00, 0.19, 'receipts/0003.pdf')
) AS item (report, category_code, spent_on, description, gross_amount, vat_rate, receipt_url)
JOIN expense_reports ON expense_reports.title = item.report
WHERE expense_reports.workspace_id = 'b0000000-0000-4000-8000-000000000001';

-- Projects.

INSERT INTO projects (id, workspace_id, key, name, status, lead_id, budget_hours, starts_on, ends_on) VALUES
    ('c0000000-0000-4000-8000-000000000001', 'b0000000-0000-4000-8000-000000000001',
     'SEARCH', 'Search relaunch', 'active', 'e0000000-0000-4000-8000-000000000003', 120, '2026-03-01', '2026-06-30');

INSERT INTO milestones (project_id, name, due_on) VALUES
    ('c0000000-0000-4000-8000-000000000001', 'Beta', '2026-04-30'),
    ('c0000000-0000-4000-8000-000000000001', 'Launch', '2026-06-15');

INSERT INTO tasks (project_id, milestone_id, title, status, priority, assignee_id, estimate_hours, due_on, completed_at)
SELECT milestones.project_id, milestones.id, task.title, task.status::task_status, task.priority::task_priority,
       employees.id, task.estimate_hours, task.due_on::date, task.completed_at::timestamptz
FROM (VALUES
    ('Beta', 'Collect 50 real queries', 'done', 'high', 'Search engineer', 8, '2026-03-13', '2026-03-12 15:00+00'),
    ('Beta', 'Weigh titles above bodies', 'in_progress', 'normal', 'Search engineer', 16, '2026-04-10', NULL),
    ('Launch', 'Measure answer times', 'todo', 'normal', 'Software engineer', 12, '2026-05-22', NULL)
) AS task (milestone, title, status, priority, assignee, estimate_hours, due_on, completed_at)
JOIN milestones ON milestones.name = task.milestone AND milestones.project_id = 'c0000000-0000-4000-8000-000000000001'
JOIN employees ON employees.job_title = task.assignee
    AND employees.workspace_id = 'b0000000-0000-4000-8000-000000000001';

INSERT INTO task_dependencies (task_id, blocked_by)
SELECT later.id, earlier.id
FROM tasks AS later
JOIN tasks AS earlier USING (project_id)
WHERE project_id = 'c0000000-0000-4000-8000-000000000001'
    AND later.title = 'Measure answer times' AND earlier.title = 'Weigh titles above bodies';

INSERT INTO time_entries (task_id, employee_id, worked_on, duration, note)
SELECT tasks.id, tasks.assignee_id, entry.worked_on::date, entry.duration::interval, entry.note
FROM (VALUES
    ('Collect 50 real queries', '2026-03-11', '4 hours', 'From the support inbox'),
    ('Collect 50 real queries', '2026-03-12', '3 hours 30 minutes', NULL),
    ('Weigh titles above bodies', '2026-03-30', '6 hours 30 minutes', NULL)
) AS entry (title, worked_on, duration, note)
JOIN tasks ON tasks.title = entry.title AND tasks.project_id = 'c0000000-0000-4000-8000-000000000001';

INSERT INTO project_documents (workspace_id, project_id, document_id) VALUES
    ('b0000000-0000-4000-8000-000000000001', 'c0000000-0000-4000-8000-000000000001',
     'd0000000-0000-4000-8000-000000000004');

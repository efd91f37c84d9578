-- Removes the demo workspace with all that was added to it since, and the expense categories.
-- Stops, and changes nothing, where other workspaces use a category or a demo user.

-- Not by the cascade of the workspace: expense reports hold their employees.
DELETE FROM expense_reports WHERE workspace_id = 'b0000000-0000-4000-8000-000000000001';
DELETE FROM workspaces WHERE id = 'b0000000-0000-4000-8000-000000000001';
DELETE FROM users WHERE id BETWEEN 'a0000000-0000-4000-8000-000000000001' AND 'a0000000-0000-4000-8000-000000000004';
DELETE FROM expense_categories WHERE code IN ('travel', 'mileage', 'lodging', 'meals', 'equipment', 'training');

-- Last, as the deletions above left a trail of their own.
DELETE FROM audit_events WHERE workspace_id = 'b0000000-0000-4000-8000-000000000001';

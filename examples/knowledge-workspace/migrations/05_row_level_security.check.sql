-- Every table with rows of a workspace is protected.
SELECT relrowsecurity, relname
FROM pg_class
JOIN pg_attribute ON attrelid = pg_class.oid AND attname = 'workspace_id'
WHERE relnamespace = 'public'::regnamespace AND relkind = 'r';

-- A protected table without a policy would be closed to everybody.
SELECT EXISTS (SELECT FROM pg_policy WHERE polrelid = pg_class.oid), relname
FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relrowsecurity;

-- Without a user there is no workspace.
SELECT count(*) = 0 AS nothing_is_visible FROM current_workspace_ids();

-- Row level security is on for every table that holds rows of a workspace.
SELECT relrowsecurity AS protected, relname AS table_name
FROM pg_class
JOIN pg_attribute ON attrelid = pg_class.oid AND attname = 'workspace_id'
WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
ORDER BY relname;

-- Every workspace has somebody who can manage it.
SELECT NOT EXISTS (
    SELECT FROM workspaces
    WHERE NOT EXISTS (
        SELECT FROM workspace_members
        JOIN users ON users.id = user_id
        WHERE workspace_id = workspaces.id AND role = 'owner' AND deactivated_at IS NULL
    )
) AS every_workspace_has_an_owner;

CREATE OR REPLACE VIEW new_users AS SELECT id, email FROM users WHERE status = 'new';

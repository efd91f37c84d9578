CREATE TABLE templates (id int, body text);
INSERT INTO templates VALUES (1, 'Dear {{ name }}, {% if x %}${y}{% endif %} <%= z %>');
INSERT INTO templates VALUES (2, $$ :owner {{ }} ${HOME} $1 $$);

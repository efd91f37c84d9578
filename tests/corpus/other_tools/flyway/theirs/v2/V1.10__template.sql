CREATE TABLE templates (body text DEFAULT '${name}');

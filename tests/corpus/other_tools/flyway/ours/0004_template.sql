-- Migration: Template
-- Origin: v2/V1.10__template.sql

CREATE TABLE templates (body text DEFAULT '${name}');

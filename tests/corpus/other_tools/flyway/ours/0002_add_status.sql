-- Migration: Add status
-- Origin: V1.1__add_status.sql

ALTER TABLE users ADD COLUMN status text NOT NULL DEFAULT 'new';

-- Migration: Undo "Changelog 2"
-- Origin: changelog.sql::2::ada

DROP FUNCTION
one_more(bigint);

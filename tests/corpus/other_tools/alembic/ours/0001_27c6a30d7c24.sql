-- Migration: Revision 27c6a30d7c24
-- Origin: 27c6a30d7c24

CREATE TABLE users (
    id BIGINT NOT NULL, 
    email TEXT NOT NULL, 
    PRIMARY KEY (id)
);

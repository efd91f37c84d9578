-- first; second; third
CREATE TABLE notes ( -- one; two
    id int, /* three; */
    body text -- four;
); -- five;
/* ;
;; */ INSERT INTO notes VALUES (1 /* ; */, 'a' -- ;
);

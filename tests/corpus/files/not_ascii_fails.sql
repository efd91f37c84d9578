CREATE TABLE größen (id int, "日本" text);
/* 😀é */	INSERT INTO größen VALUES ('日本', 'ü', ungültig);

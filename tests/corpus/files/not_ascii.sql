CREATE TABLE größen (naïve int, "日本" text DEFAULT '😀;');
INSERT INTO größen VALUES (1, 'ß – „Anführung“'); INSERT INTO größen (naïve) VALUES (2);
/* é */	COMMENT ON TABLE größen IS '✓';

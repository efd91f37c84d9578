CREATE TABLE spans (start int, "end" int, kind text);
CREATE FUNCTION span(lowest int) RETURNS bigint LANGUAGE sql
BEGIN ATOMIC
    INSERT INTO spans VALUES (lowest, 9, CASE WHEN lowest > 0 THEN 'a;' ELSE CASE lowest WHEN 0 THEN 'b' END END);
    SELECT sum(spans.end - spans.start) FROM spans; -- END;
END;
CREATE PROCEDURE clear() BEGIN /* here */ ATOMIC DELETE FROM spans WHERE kind = 'END;'; END;
SELECT span(2);

"""Definitions of an index, as people write them and as the server does."""

import pytest

from runner.core.index_shape import alike, shape_of_text


@pytest.mark.parametrize(
    ("ours", "servers"),
    [
        ("CREATE INDEX CONCURRENTLY i ON t (A)", "CREATE INDEX i ON public.t USING btree (a)"),
        ("CREATE INDEX IF NOT EXISTS i ON ONLY app.t USING btree (a ASC)", "CREATE INDEX i ON app.t USING btree (a)"),
        (
            "CREATE INDEX ON t (lower(a) DESC, ((b))) INCLUDE (c) WHERE b > 3 AND a <> 'x'",
            "CREATE INDEX i ON t USING btree (lower(a) DESC, b) INCLUDE (c) WHERE ((b > 3) AND (a <> 'x'::text))",
        ),
        ("CREATE INDEX i ON t USING gin (a gin_trgm_ops)", "CREATE INDEX i ON public.t USING gin (a gin_trgm_ops)"),
        (
            "CREATE INDEX i ON t (a DESC NULLS FIRST, b NULLS LAST) WHERE t.c IN ('x', 'y') AND d LIKE 'z%'",
            "CREATE INDEX i ON t (a DESC, b) WHERE ((c = ANY (ARRAY['x'::text, 'y'::text])) AND (d ~~ 'z%'::text))",
        ),
        (
            'CREATE INDEX i ON t (a COLLATE pg_catalog."C" public.text_pattern_ops)',
            'CREATE INDEX i ON public.t USING btree (a COLLATE "C" text_pattern_ops)',
        ),
        (
            "CREATE UNIQUE INDEX i ON t (a) NULLS NOT DISTINCT",
            "CREATE UNIQUE INDEX i ON public.t USING btree (a) NULLS NOT DISTINCT",
        ),
    ],
)
def test_one_index_written_in_two_ways_has_one_shape(ours: str, servers: str) -> None:
    assert alike(shape_of_text(ours), shape_of_text(servers)) is True


@pytest.mark.parametrize(
    "other",
    [
        "CREATE UNIQUE INDEX i ON t (a)",
        "CREATE INDEX i ON t (b)",
        "CREATE INDEX i ON t (a, b)",
        "CREATE INDEX i ON t (a DESC)",
        "CREATE INDEX i ON t (a NULLS FIRST)",
        "CREATE INDEX i ON t (lower(a))",
        "CREATE INDEX i ON t (a) INCLUDE (b)",
        "CREATE INDEX i ON t (a) WHERE a > 0",
        "CREATE INDEX i ON t USING hash (a)",
    ],
)
def test_another_index_has_another_shape(other: str) -> None:
    assert alike(shape_of_text(other), shape_of_text("CREATE INDEX i ON t (a)")) is False


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("t (lower(a))", "t (upper(a))"),
        ("t (a) WHERE b < 5", "t (a) WHERE b > 100"),
        ("t (a) WHERE b IN (1, 2)", "t (a) WHERE b IN (1, 3)"),
        ("t (a) WHERE b LIKE 'x'", "t (a) WHERE b ILIKE 'x'"),
        ("t (a)", "t (a text_pattern_ops)"),
        ("t (a)", 't (a COLLATE "C")'),
        ("t (a) WHERE b = 'x'", "t (a) WHERE ((b)::text = 'x'::text)"),
    ],
)
def test_of_what_the_server_may_write_in_another_way_nobody_can_tell(one: str, other: str) -> None:
    shapes = shape_of_text(f"CREATE INDEX i ON {one}"), shape_of_text(f"CREATE INDEX i ON {other}")
    assert alike(*shapes) is None
    assert alike(shapes[0], shapes[0]) is True
    assert alike(shapes[0], None) is None


@pytest.mark.parametrize("text", ["", "CREATE NEWFANGLED INDEX", "CREATE TABLE t ()", "SELECT 1; SELECT 2"])
def test_what_is_no_index_has_none(text: str) -> None:
    assert shape_of_text(text) is None

"""Definitions of an index, as people write them and as the server does."""

import pytest

from runner.core.index_shape import shape_of_text


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
            "CREATE UNIQUE INDEX i ON t (a) NULLS NOT DISTINCT",
            "CREATE UNIQUE INDEX i ON public.t USING btree (a) NULLS NOT DISTINCT",
        ),
    ],
)
def test_one_index_written_in_two_ways_has_one_shape(ours: str, servers: str) -> None:
    assert shape_of_text(ours) == shape_of_text(servers) is not None


@pytest.mark.parametrize(
    "other",
    [
        "CREATE UNIQUE INDEX i ON t (a)",
        "CREATE INDEX i ON t (b)",
        "CREATE INDEX i ON t (a, b)",
        "CREATE INDEX i ON t (a DESC)",
        "CREATE INDEX i ON t (lower(a))",
        "CREATE INDEX i ON t (a) INCLUDE (b)",
        "CREATE INDEX i ON t (a) WHERE a > 0",
        "CREATE INDEX i ON t USING hash (a)",
    ],
)
def test_another_index_has_another_shape(other: str) -> None:
    assert shape_of_text(other) not in {None, shape_of_text("CREATE INDEX i ON t (a)")}


@pytest.mark.parametrize("text", ["", "CREATE NEWFANGLED INDEX", "CREATE TABLE t ()", "SELECT 1; SELECT 2"])
def test_what_is_no_index_has_none(text: str) -> None:
    assert shape_of_text(text) is None

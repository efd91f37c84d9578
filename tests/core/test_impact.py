"""The verdict on a statement, by the rule that docs/dry-runs.md tells."""

from dataclasses import replace
from typing import Any

import pytest

from runner.core.impact import Attention, attention, impact_of, impacts_of, risk_of, worth_telling
from runner.core.impact_words import (
    describe_lock_taken,
    describe_table,
    describe_work,
    dry_run_lines,
    dry_run_verdict,
)
from runner.core.model import DryRunMode
from runner.core.trial import DryRun, LockTaken, Rehearsed, Risk, TableFacts, Trace
from tests.builders import a_migration

USERS = TableFacts(name="public.users", size=12 * 1024**3, rows=48_000_000, writes=130.4)
ORDERS = TableFacts(name="public.orders", size=8192, rows=3)
EMPTY = TableFacts(name="public.empty", size=8192, rows=0, empty=True)
FACTS = {facts.name: facts for facts in (USERS, ORDERS, EMPTY)}


def a_trace(**others: Any) -> Trace:
    return Trace(line=3, sql="ALTER TABLE users …", **others)


def lock(mode: str, relation: str = "public.users", index_of: str = "") -> LockTaken:
    return LockTaken(relation=relation, mode=f"{mode}Lock", index_of=index_of)


STRONG = (lock("AccessExclusive"),)


@pytest.mark.parametrize(
    ("trace", "risk"),
    [
        (a_trace(), Risk.INSTANT),
        (a_trace(locks=(lock("RowExclusive"),)), Risk.INSTANT),
        (a_trace(locks=(lock("ShareUpdateExclusive"),)), Risk.INSTANT),
        (a_trace(locks=(lock("Share"),)), Risk.SHORT),
        (a_trace(locks=(lock("ShareRowExclusive"),)), Risk.SHORT),
        (a_trace(locks=STRONG), Risk.SHORT),
        (a_trace(locks=STRONG, emptied=("public.users",)), Risk.SHORT),
        (a_trace(locks=STRONG, scanned=("public.users",)), Risk.SCALES),
        (a_trace(locks=(lock("ShareUpdateExclusive"),), scanned=("public.users",)), Risk.SCALES),
        (a_trace(scanned=("public.users",)), Risk.SCALES),
        (a_trace(locks=STRONG, scanned=("public.users",), rewritten=("public.users",)), Risk.REWRITES),
        (a_trace(locks=STRONG, scanned=("public.empty",), rewritten=("public.empty",)), Risk.SHORT),
        (a_trace(locks=STRONG, scanned=("public.of_which_nobody_knows",)), Risk.SCALES),
        (a_trace(row_locks=("public.users",)), Risk.SHORT),
        (a_trace(row_locks=("public.empty",)), Risk.INSTANT),
        (a_trace(locks=(replace(STRONG[0], before=True),)), Risk.SCALES),
        (a_trace(locks=(lock("AccessExclusive", "i", "public.empty"),), rebuilt=("i",)), Risk.SHORT),
        (a_trace(locks=(lock("AccessExclusive", "i", "public.users"),), rebuilt=("i",)), Risk.SCALES),
    ],
)
def test_a_verdict_is_by_the_work_on_tables_that_have_rows(trace: Trace, risk: Risk) -> None:
    assert risk_of(trace, FACTS) is risk


def impact(trace: Trace) -> Any:
    return impact_of(Rehearsed(migration=a_migration(8), traces=(trace,)), trace, FACTS)


@pytest.mark.parametrize(
    ("trace", "expected"),
    [
        (a_trace(locks=STRONG, rewritten=("public.users",)), Attention.STOPS),
        (a_trace(locks=(lock("Share"),), scanned=("public.users",)), Attention.STOPS),
        (a_trace(locks=STRONG), Attention.WAITS),
        (a_trace(locks=(lock("ShareUpdateExclusive"),), scanned=("public.users",)), Attention.NONE),
        (a_trace(scanned=("public.users",)), Attention.NONE),
        (a_trace(row_locks=("public.users",)), Attention.WAITS),
        (a_trace(row_locks=("public.users",), scanned=("public.users",)), Attention.WAITS),
        (a_trace(locks=(replace(STRONG[0], before=True),)), Attention.STOPS),
        (a_trace(), Attention.NONE),
    ],
)
def test_what_stops_others_is_told_from_what_lets_them_go_on(trace: Trace, expected: Attention) -> None:
    assert attention(impact(trace)) is expected


def test_of_each_relation_the_strongest_lock_is_told() -> None:
    found = impact(a_trace(locks=(lock("Share"), lock("AccessExclusive"), lock("AccessShare", "public.orders"))))
    assert found.locks == STRONG


def test_the_lock_of_an_index_is_told_only_where_it_is_stronger_than_that_of_its_table() -> None:
    index = lock("AccessExclusive", "public.users_idx", "public.users")
    assert impact(a_trace(locks=(*STRONG, index))).locks == STRONG
    assert impact(a_trace(locks=(lock("Share"), index))).locks == (index, lock("Share"))


def test_the_largest_table_comes_first() -> None:
    found = impact(a_trace(locks=(lock("ShareRowExclusive", "public.orders"), lock("ShareRowExclusive"))))
    assert found.tables == (USERS, ORDERS)


def test_a_statement_that_touches_nothing_is_left_out() -> None:
    result = Rehearsed(migration=a_migration(), traces=(a_trace(), a_trace(locks=STRONG), a_trace(left_out="no row")))
    assert [each.trace.left_out for each in impacts_of([result], FACTS)] == ["", "no row"]
    assert all(map(worth_telling, impacts_of([result], FACTS)))


def test_a_lock_is_told_with_the_size_of_its_table_and_what_it_blocks() -> None:
    found = impact(a_trace(locks=STRONG))
    assert describe_lock_taken(found.locks[0], found) == (
        "ACCESS EXCLUSIVE on public.users (12 GB, 48 M rows, 130 writes/s): blocks reads and writes"
    )


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        (USERS, "12 GB, 48 M rows, 130 writes/s"),
        (ORDERS, "8 kB, 3 rows"),
        (EMPTY, "empty"),
        (TableFacts(name="x", size=100, rows=1), "100 bytes, 1 row"),
        (TableFacts(name="x", size=1536, writes=0.2), "1.5 kB"),
    ],
)
def test_a_table_is_told_as_far_as_the_server_knows_it(facts: TableFacts, text: str) -> None:
    assert describe_table(facts) == text


def test_what_is_rewritten_is_not_told_as_read_again() -> None:
    trace = a_trace(rewritten=("a",), scanned=("a", "b"), rebuilt=("i",), emptied=("c",))
    assert describe_work(trace) == ["rewrites a", "empties c", "rebuilds i", "reads all of b"]
    assert describe_work(a_trace(row_locks=("a",))) == ["locks rows of a"]


def tried(*traces: Trace, **others: Any) -> DryRun:
    result = Rehearsed(migration=a_migration(8), traces=traces, **others)
    return DryRun(mode=DryRunMode.SHADOW, rehearsed=(result,), impacts=impacts_of([result], FACTS))


@pytest.mark.parametrize(
    ("dry_run", "verdict"),
    [
        (tried(), "nobody who uses the database has to wait"),
        (tried(a_trace(locks=STRONG)), "1 statement locks a table for a moment, or rows until the migration ends"),
        (
            tried(a_trace(locks=STRONG), a_trace(locks=STRONG)),
            "2 statements lock a table for a moment, or rows until the migration ends",
        ),
        (
            tried(a_trace(locks=STRONG, scanned=("public.users",)), a_trace(locks=STRONG)),
            "1 statement stops others for as long as the work on public.users takes",
        ),
    ],
)
def test_the_verdict_of_a_dry_run_is_the_worst_that_was_seen(dry_run: DryRun, verdict: str) -> None:
    assert dry_run_verdict(dry_run) == verdict


def test_a_long_statement_ends_in_an_ellipsis() -> None:
    first, *_ = dry_run_lines(tried(replace(a_trace(locks=STRONG), sql="x" * 101)))
    assert first.endswith(f": {'x' * 99}…")
    first, *_ = dry_run_lines(tried(replace(a_trace(locks=STRONG), sql="x" * 100)))
    assert first.endswith(f": {'x' * 100}")

"""What of a server's health is told, how, and what is not."""

from datetime import timedelta
from typing import Any

import pytest

from runner.core.ailments import ailments, hidden_sessions
from runner.core.health import (
    ConnectionLimit,
    HealthFacts,
    InvalidIndex,
    Link,
    PreparedTransaction,
    Synchronous,
    WraparoundVacuum,
)
from runner.core.steps import Session
from runner.errors import Finding, Level

MINUTE = timedelta(minutes=1)


def found(**facts: Any) -> list[Finding]:
    return ailments(HealthFacts(database="app", **facts))


def messages(**facts: Any) -> list[str]:
    return [finding.message for finding in found(**facts)]


def a_session(**others: Any) -> Session:
    """An idle transaction of 20 minutes."""
    values: dict[str, Any] = {
        "pid": 4711,
        "application": "reporting",
        "role": "app",
        "state": "idle in transaction",
        "age": 20 * MINUTE,
        "query": "SELECT * FROM orders",
    }
    return Session(**values | others)


def test_a_healthy_server_has_nothing_to_be_told() -> None:
    assert found() == []


# Transactions


def test_an_old_idle_transaction_is_named_with_the_statement_that_ends_it() -> None:
    (finding,) = found(sessions=(a_session(),))
    assert finding.message == (
        "an old transaction stands idle: pid 4711, reporting, role app, "
        "idle in transaction for 20 min 00 s: SELECT * FROM orders"
    )
    assert finding.hint.endswith("SELECT pg_terminate_backend(4711);")
    assert finding.detail.endswith("FROM pg_stat_activity WHERE pid = 4711;")
    assert finding.level is Level.WARNING


def test_an_old_transaction_at_work_may_be_waited_for() -> None:
    (finding,) = found(sessions=(a_session(state="active"),))
    assert finding.message.startswith("an old transaction is at work: pid 4711")
    assert finding.hint.endswith("SELECT pg_cancel_backend(4711);")


@pytest.mark.parametrize("age", [5 * MINUTE - timedelta(milliseconds=1), None], ids=["young", "of unknown age"])
def test_others_are_not_told(age: timedelta | None) -> None:
    assert found(sessions=(a_session(age=age),)) == []


def test_a_transaction_is_old_from_five_minutes_on() -> None:
    assert len(found(sessions=(a_session(age=5 * MINUTE),))) == 1


def test_a_prepared_transaction_is_named_as_its_commands_take_it() -> None:
    def prepared(minutes: int) -> tuple[PreparedTransaction, ...]:
        return (PreparedTransaction(gid="it's", owner="app", age=minutes * MINUTE),)

    (finding,) = found(prepared=prepared(20))
    assert finding.message == "an old transaction waits for COMMIT PREPARED: it's, role app, for 20 min 00 s"
    assert "ROLLBACK PREPARED 'it''s';" in finding.hint
    assert found(prepared=prepared(4)) == []


def test_of_many_the_first_are_told_and_the_rest_is_counted() -> None:
    sessions = tuple(a_session(pid=pid) for pid in range(1, 9))
    told = messages(sessions=sessions)
    assert ["pid 1," in told[0], "pid 5," in told[4], told[5:]] == [True, True, ["and 3 more of this kind"]]


# Dumps


@pytest.mark.parametrize("name", ["pg_dump", "pg_dumpall"])
@pytest.mark.parametrize("age", [MINUTE, 20 * MINUTE, None], ids=["young", "old", "hidden"])
def test_a_dump_is_told_by_its_name_once_and_whatever_its_age(name: str, age: timedelta | None) -> None:
    (message,) = messages(sessions=(a_session(application=name, state="active", age=age),))
    assert message.startswith(f"a dump is running: pid 4711, {name}")


def test_an_old_copy_to_the_client_is_a_dump_and_a_young_one_is_not() -> None:
    copy = a_session(state="active", query="copy public.users (id, name)\nto stdout")
    assert messages(sessions=(copy,))[0].startswith("a dump is running")
    assert found(sessions=(a_session(age=MINUTE, query=copy.query),)) == []


@pytest.mark.parametrize("query", ["COPY users FROM STDIN", "COPY users TO PROGRAM '…'", "SELECT 1"])
def test_what_copies_elsewhere_is_a_transaction_like_others(query: str) -> None:
    assert messages(sessions=(a_session(query=query),))[0].startswith("an old transaction")


@pytest.mark.parametrize("name", ["pg_dumping", "my pg_dump", "pg_restore"])
def test_a_name_like_that_of_a_dump_is_none(name: str) -> None:
    assert found(sessions=(a_session(application=name, age=MINUTE),)) == []


# Wraparound


def test_an_autovacuum_to_prevent_wraparound_names_its_table() -> None:
    (finding,) = found(vacuums=(WraparoundVacuum(pid=4711, table="public.orders", age=3 * MINUTE),))
    assert "public.orders to prevent wraparound" in finding.message
    assert "pid 4711, for 3 min 00 s" in finding.message


@pytest.mark.parametrize("which", ["oldest_transaction", "oldest_multixact"])
def test_a_database_near_wraparound_is_told_before_all_else_is_left_out_for_it(which: str) -> None:
    assert found(**{which: 1_599_999_999}) == []
    (message,) = messages(**{which: 1_600_000_000})
    kind = "transactions" if which == "oldest_transaction" else "multixacts"
    assert message == (
        f"database app has rows that were not frozen for 1.6 bn {kind}; at 2.1 bn the server writes no more"
    )


# Standbys


@pytest.mark.parametrize(
    ("names", "connected", "told"),
    [
        ("", 0, False),
        ("standby_a", 0, True),
        ("*", 0, True),
        ("*", 1, False),
        ("FIRST 2 (a, b, c)", 1, True),
        ("FIRST 2 (a, b, c)", 2, False),
        ("any 2 (a, b)", 1, True),
        ("2(a, b)", 1, True),
        ("first_of_all", 1, False),
        ("standby_a", None, False),
    ],
)
def test_a_commit_that_would_wait_for_ever_is_told(names: str, connected: int | None, told: bool) -> None:
    assert bool(found(synchronous=Synchronous(names=names, connected=connected))) is told


@pytest.mark.parametrize(("commit", "told"), [("remote_write", 1), ("remote_apply", 1), ("local", 0), ("off", 0)])
def test_a_session_may_wait_for_no_standby(commit: str, told: int) -> None:
    assert len(found(synchronous=Synchronous(names="a", commit=commit))) == told


# Connections


@pytest.mark.parametrize(
    ("used", "most", "reserved", "told"),
    [
        (1, 100, 3, False),
        (87, 100, 3, False),
        (88, 100, 3, True),  # nine of ten
        (1, 3, 0, False),  # two more may come
        (2, 3, 0, True),
        (1, 2, 0, True),
        (5, 10, 8, True),  # more than this role is allowed
    ],
)
def test_connections_are_told_when_few_are_left(used: int, most: int, reserved: int, told: bool) -> None:
    limit = ConnectionLimit(scope="server", used=used, most=most, reserved=reserved)
    assert bool(found(limits=(limit,))) is told


def test_a_limit_is_named_by_whose_it_is() -> None:
    limits = (
        ConnectionLimit(scope="server", used=99, most=103, reserved=3),
        ConnectionLimit(scope="role", name="migrator", used=1, most=2),
    )
    assert messages(limits=limits) == [
        "99 of 100 connections of the server are in use",
        "1 of 2 connections of the role migrator are in use",
    ]


# Indexes


def test_an_invalid_index_is_told_with_the_command_that_drops_it() -> None:
    (finding,) = found(invalid=(InvalidIndex(name="public.a_idx", table="public.a"),))
    assert finding.message.startswith("index public.a_idx of public.a is invalid")
    assert finding.hint.startswith("DROP INDEX CONCURRENTLY public.a_idx;")


def test_one_that_is_just_being_built_is_not_told() -> None:
    assert found(invalid=(InvalidIndex(name="a", table="b", builder=4711),)) == []


def test_one_that_waits_for_its_parts_is_a_notice() -> None:
    (finding,) = found(invalid=(InvalidIndex(name="public.it's", table="public.p", partitioned=True),))
    assert finding.level is Level.NOTICE
    assert "is not valid yet: a partition has no index attached to it" in finding.message
    assert "'public.it''s'::regclass" in finding.detail


# The way to the server


@pytest.mark.parametrize(
    ("link", "says"),
    [
        (Link(local=True), ""),
        (Link(local=False), "the connection to the server is not encrypted"),
        (Link(local=False, encrypted=True, sslmode="verify-full"), ""),
        (Link(local=False, encrypted=True), ""),  # by Kerberos
        (Link(local=False, encrypted=True, sslmode="prefer"), "TLS with sslmode=prefer"),
        (Link(local=False, encrypted=True, sslmode="require"), "TLS with sslmode=require"),
        (Link(local=False, encrypted=True, sslmode="verify-ca"), "TLS with sslmode=verify-ca"),
    ],
)
def test_a_way_on_which_others_may_stand_is_told(link: Link, says: str) -> None:
    told = messages(link=link)
    assert len(told) == bool(says)
    assert says in "".join(told)


# Rights


def test_what_the_role_does_not_see_is_a_notice_with_the_grant() -> None:
    facts = HealthFacts(database="app", hidden=3)
    (finding,) = hidden_sessions(facts, 'deploy"bot')
    assert (finding.level, finding.hint) == (Level.NOTICE, 'GRANT pg_read_all_stats TO "deploy""bot";')
    assert finding.message.endswith(": 3 in this database")
    assert hidden_sessions(HealthFacts(database="app"), "app") == []


def test_what_hurts_most_is_told_first() -> None:
    told = messages(
        sessions=(a_session(), a_session(application="pg_dump")),
        oldest_transaction=2_000_000_000,
        invalid=(InvalidIndex(name="a", table="b", partitioned=True), InvalidIndex(name="c", table="b")),
        link=Link(local=False),
        synchronous=Synchronous(names="a"),
    )
    assert [message.split()[:3] for message in told] == [
        ["COMMIT", "would", "wait"],
        ["database", "app", "has"],
        ["a", "dump", "is"],
        ["an", "old", "transaction"],
        ["the", "connection", "to"],
        ["index", "c", "of"],
        ["index", "a", "of"],
    ]

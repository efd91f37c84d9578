"""What of a server's health is worth a word before a migration; each rule is a section of docs/health.md."""

import re
from collections.abc import Sequence
from datetime import timedelta

from runner.core.durations import in_words
from runner.core.health import HealthFacts
from runner.core.sessions import SHOWN, describe
from runner.core.sizes import count_in_words
from runner.core.steps import Session
from runner.errors import Finding, Level

OLD = timedelta(minutes=5)  # of a transaction
MAY_FOLLOW = 2  # connections that a run opens besides the one that looks
NEARLY_ALL = 0.9  # of the connections that a limit allows

# From this age on vacuum leaves out all else, by default; at the second one the server writes no more.
# https://www.postgresql.org/docs/current/runtime-config-vacuum.html#GUC-VACUUM-FAILSAFE-AGE
# https://www.postgresql.org/docs/current/routine-vacuuming.html#VACUUM-FOR-WRAPAROUND
NEAR_WRAPAROUND = 1_600_000_000
WRAPAROUND = 2**31 - 3_000_000

DUMPS = re.compile(r"pg_dump(all)?")  # by application_name, which all roles see
COPIES_OUT = re.compile(r"\s*COPY\b.*\bTO\s+STDOUT\b", re.IGNORECASE | re.DOTALL)
# https://www.postgresql.org/docs/current/runtime-config-wal.html#GUC-SYNCHRONOUS-COMMIT
WAITS_FOR_STANDBYS = frozenset({"on", "remote_write", "remote_apply"})
# https://www.postgresql.org/docs/current/runtime-config-replication.html#GUC-SYNCHRONOUS-STANDBY-NAMES
HOW_MANY = re.compile(r"\s*(?:(?:FIRST|ANY)\s*)?(\d+)\s*\(", re.IGNORECASE)

SHOW_SESSION = "SELECT usename, application_name, state, xact_start, query FROM pg_stat_activity WHERE pid = {};"
SHOW_PREPARED = "SELECT gid, owner, prepared FROM pg_prepared_xacts WHERE database = current_database();"
SHOW_VACUUM = "SELECT pid, query, xact_start FROM pg_stat_activity WHERE query LIKE '%(to prevent wraparound)';"
SHOW_AGES = "SELECT datname, age(datfrozenxid), mxid_age(datminmxid) FROM pg_database ORDER BY 2 DESC;"
SHOW_STANDBYS = "SELECT application_name, state, sync_state FROM pg_stat_replication;"
SHOW_CONNECTIONS = (
    "SELECT datname, usename, application_name, count(*) FROM pg_stat_activity GROUP BY 1, 2, 3 ORDER BY 4;"
)
SHOW_INVALID = "SELECT indexrelid::regclass, indrelid::regclass FROM pg_index WHERE NOT indisvalid;"
SHOW_PARTS = "SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = {}::regclass;"
SHOW_TLS = "SELECT ssl, version, cipher FROM pg_stat_ssl WHERE pid = pg_backend_pid();"
SHOW_HIDDEN = "SELECT pid, usename, application_name FROM pg_stat_activity WHERE query = '<insufficient privilege>';"


def ailments(facts: HealthFacts) -> list[Finding]:
    """All that a migration may wait for, or fail at, the worst first. What may well be meant is a notice."""
    rules = (
        missing_standbys,
        near_wraparound,
        dumps,
        old_transactions,
        prepared_transactions,
        wraparound_vacuums,
        few_connections,
        unproven_link,
        invalid_indexes,
        unfinished_parents,
    )
    return [finding for rule in rules for finding in rule(facts)]


def dumps(facts: HealthFacts) -> list[Finding]:
    """pg_dump, however young, and old transactions that copy out: what they have read stays locked until they end."""
    return _first(
        [
            Finding(
                f"a dump is running: {describe(session)}",
                level=Level.WARNING,
                hint=f"wait until it has ended, or end it: SELECT pg_terminate_backend({session.pid});",
                detail=SHOW_SESSION.format(session.pid),
            )
            for session in facts.sessions
            if _is_dump(session)
        ]
    )


def old_transactions(facts: HealthFacts) -> list[Finding]:
    """Those of five minutes or more that are no dumps: a migration may wait for their locks, and others behind it."""
    old = [session for session in facts.sessions if _is_old(session) and not _is_dump(session)]
    return _first([_idle(session) if session.state.startswith("idle") else _at_work(session) for session in old])


def _idle(session: Session) -> Finding:
    return Finding(
        f"an old transaction stands idle: {describe(session)}",
        level=Level.WARNING,
        hint=f"end it, which takes back what it has not committed: SELECT pg_terminate_backend({session.pid});",
        detail=SHOW_SESSION.format(session.pid),
    )


def _at_work(session: Session) -> Finding:
    return Finding(
        f"an old transaction is at work: {describe(session)}",
        level=Level.WARNING,
        hint=f"wait until it is through, or cancel its statement: SELECT pg_cancel_backend({session.pid});",
        detail=SHOW_SESSION.format(session.pid),
    )


def prepared_transactions(facts: HealthFacts) -> list[Finding]:
    """Old ones of two-phase commit: no session ends them, nor does a restart.

    https://www.postgresql.org/docs/current/sql-prepare-transaction.html
    """
    return _first(
        [
            Finding(
                f"an old transaction waits for COMMIT PREPARED: {one.gid}, role {one.owner}, for {in_words(one.age)}",
                level=Level.WARNING,
                hint=f"as that role, COMMIT PREPARED {_literal(one.gid)}; or ROLLBACK PREPARED {_literal(one.gid)};",
                detail=SHOW_PREPARED,
            )
            for one in facts.prepared
            if one.age >= OLD
        ]
    )


def wraparound_vacuums(facts: HealthFacts) -> list[Finding]:
    """Other autovacuums end when somebody waits for their lock; these do not.

    https://www.postgresql.org/docs/current/routine-vacuuming.html#AUTOVACUUM
    """
    return _first(
        [
            Finding(
                f"autovacuum works on {one.table} to prevent wraparound, and gives way to nobody: "
                f"pid {one.pid}, for {in_words(one.age)}",
                level=Level.WARNING,
                hint="wait until it has ended; cancelled, it would begin anew",
                detail=SHOW_VACUUM,
            )
            for one in facts.vacuums
        ]
    )


def near_wraparound(facts: HealthFacts) -> list[Finding]:
    """Rows so old that the server may soon refuse to write."""
    ages = {"transactions": facts.oldest_transaction, "multixacts": facts.oldest_multixact}
    return [
        Finding(
            f"database {facts.database} has rows that were not frozen for {count_in_words(age)} {what}; "
            f"at {count_in_words(WRAPAROUND)} the server writes no more",
            level=Level.WARNING,
            hint="VACUUM (FREEZE) the tables with the oldest relfrozenxid, and see what keeps autovacuum from it",
            detail=SHOW_AGES,
        )
        for what, age in ages.items()
        if age >= NEAR_WRAPAROUND
    ]


def missing_standbys(facts: HealthFacts) -> list[Finding]:
    """Fewer of them are connected than must confirm a COMMIT: it would wait for ever."""
    names, connected = facts.synchronous.names, facts.synchronous.connected
    if not names.strip() or connected is None or facts.synchronous.commit not in WAITS_FOR_STANDBYS:
        return []
    number = HOW_MANY.match(names)
    needed = int(number[1]) if number else 1
    if connected >= needed:
        return []
    return [
        Finding(
            f"COMMIT would wait for standbys that are not connected: synchronous_standby_names is {names!r}, "
            f"which asks for {needed}, and there are {connected}",
            level=Level.WARNING,
            hint="connect them, or take them out of synchronous_standby_names",
            detail=SHOW_STANDBYS,
        )
    ]


def few_connections(facts: HealthFacts) -> list[Finding]:
    """Limits of server, database or role that leave too few for a run, or are nearly reached."""
    return [
        Finding(
            f"{limit.used} of {limit.allowed} connections of the {f'{limit.scope} {limit.name}'.strip()} are in use",
            level=Level.WARNING,
            hint="a run needs two, at times three: end sessions that nobody needs, or raise the limit",
            detail=SHOW_CONNECTIONS,
        )
        for limit in facts.limits
        if limit.allowed - limit.used < MAY_FOLLOW or limit.used >= NEARLY_ALL * limit.allowed
    ]


def invalid_indexes(facts: HealthFacts) -> list[Finding]:
    """Those that failed builds have left; not those that somebody may just be building."""
    return _first(
        [
            Finding(
                f"index {index.name} of {index.table} is invalid: no query uses it, and writes may still pay for it",
                level=Level.WARNING,
                hint=f"DROP INDEX CONCURRENTLY {index.name}; and build it again, if it is still wanted",
                detail=SHOW_INVALID,
            )
            for index in facts.invalid
            if index.builder is None and not index.partitioned
        ]
    )


def unfinished_parents(facts: HealthFacts) -> list[Finding]:
    """Indexes of partitioned tables, made ON ONLY them, that wait for their parts: a notice, as that may be meant.

    https://www.postgresql.org/docs/current/ddl-partitioning.html#DDL-PARTITIONING-DECLARATIVE-MAINTENANCE
    """
    return _first(
        [
            Finding(
                f"index {index.name} of the partitioned table {index.table} is not valid yet: "
                "a partition has no index attached to it",
                level=Level.NOTICE,
                hint=f"build it there with CONCURRENTLY, then ALTER INDEX {index.name} ATTACH PARTITION …",
                detail=SHOW_PARTS.format(_literal(index.name)),
            )
            for index in facts.invalid
            if index.builder is None and index.partitioned
        ]
    )


def unproven_link(facts: HealthFacts) -> list[Finding]:
    """A network on which others could listen, or answer in the server's place.

    https://www.postgresql.org/docs/current/libpq-ssl.html#LIBPQ-SSL-PROTECTION
    """
    link = facts.link
    hint = "`sslmode=verify-full` in the URL, and `sslrootcert=system`, or the file of the authority's certificate"
    if link.local or (link.encrypted and link.sslmode in {"", "verify-full"}):
        return []
    if not link.encrypted:
        return [
            Finding("the connection to the server is not encrypted", level=Level.WARNING, hint=hint, detail=SHOW_TLS)
        ]
    return [
        Finding(
            f"nobody has verified that this is the server which the URL names: TLS with sslmode={link.sslmode}",
            level=Level.WARNING,
            hint=hint,
            detail=SHOW_TLS,
        )
    ]


def hidden_sessions(facts: HealthFacts, role: str) -> list[Finding]:
    """Sessions that nobody could look at: a notice, as there may be nothing wrong with them."""
    if not facts.hidden:
        return []
    return [
        Finding(
            f"role {role} does not see what the sessions of other roles do: {facts.hidden} in this database",
            level=Level.NOTICE,
            hint=f"GRANT pg_read_all_stats TO {_quoted(role)};",
            detail=SHOW_HIDDEN,
        )
    ]


def _is_old(session: Session) -> bool:
    return session.age is not None and session.age >= OLD


def _is_dump(session: Session) -> bool:
    return bool(DUMPS.fullmatch(session.application) or (_is_old(session) and COPIES_OUT.match(session.query)))


def _first(findings: Sequence[Finding]) -> list[Finding]:
    """The first of them; the others are counted."""
    if len(findings) <= SHOWN:
        return list(findings)
    return [*findings[:SHOWN], Finding(f"and {len(findings) - SHOWN} more of this kind", level=findings[0].level)]


def _literal(text: str) -> str:
    """The text as SQL takes it; a backslash in it stays one."""
    return "'" + text.replace("'", "''") + "'"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'

"""Our own lint rules, beside those of squawk: what the traits of a file's statements tell about how it will run.

A page says what each is for, docs/lint.md.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from runner.core.migration import Control, Migration, Statement
from runner.errors import Finding, Level

LARGEST = 1024 * 1024  # bytes of a file that squawk and the search for secrets look at

RULES: Mapping[str, str] = {
    "if-not-exists-concurrently": "IF NOT EXISTS on an index built CONCURRENTLY hides an invalid one",
    "mixed-transaction": "a statement that no transaction may hold keeps the others of its file out of one as well",
    "password-in-sql": "a password stands in the file",
    "several-exclusive-locks": "one transaction locks several tables against everybody",
    "work-under-exclusive-lock": "rows are worked on while a table is locked against everybody",
    "cluster-wide": "the statement reaches beyond this database",
    "secret": "something in the file looks like a password, key or token",
    "not-linted": "squawk did not look at the file",
}
"""Each rule of ours in one line; its name is also its anchor on the page."""

IGNORE = re.compile(rb"(?:--|/\*)[ \t]*(?:squawk|lint)-ignore(-file)?(?![-\w])((?:(?!--|\*/)[^\n])*)")
COMMENT = re.compile(rb"\s*(?:--.*|/\*(?:(?!\*/).)*\*/\s*)")
FAR = 64 * 1024  # bytes of a line before and behind a statement in which a comment is looked for

OPENS = frozenset({Control.BEGIN, Control.BEGIN_WITH_OPTIONS})
CLOSES = frozenset({Control.COMMIT, Control.ROLLBACK, Control.PREPARE})
SETTINGS = frozenset({"variable_set_stmt", "variable_show_stmt"})  # a transaction would not make them safer


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hit:
    """A statement that a rule speaks of."""

    statement: Statement
    message: str
    hint: str


def lint(migration: Migration, *, exclude: Collection[str] = ()) -> list[Finding]:
    """What our rules say of a file, in the order of its lines. `exclude`: rules that are not asked."""
    source = migration.source
    ignored = _Ignored(source.data)
    findings = []
    for rule, check in CHECKS.items():
        if rule in exclude:
            continue
        hits = [hit for hit in check(migration) if not ignored.at(hit.statement, rule)]
        if rule in ONCE_A_FILE:
            hits = _first(hits)
        findings += [
            Finding(
                hit.message,
                level=Level.WARNING,
                path=source.path,
                line=hit.statement.line,
                column=hit.statement.column,
                hint=hit.hint,
                rule=rule,
            )
            for hit in hits
        ]
    return sorted(findings, key=lambda finding: (finding.line or 0, finding.column or 0))


def without_rules(findings: Iterable[Finding], exclude: Collection[str]) -> list[Finding]:
    """The findings but those of these rules."""
    return [finding for finding in findings if finding.rule not in exclude]


def documented(findings: Iterable[Finding], page: str) -> list[Finding]:
    """The findings, those of our rules with a link into `page`, the address of docs/lint.md."""
    return [
        replace(finding, url=page + anchor(finding.rule)) if finding.rule in RULES and not finding.url else finding
        for finding in findings
    ]


def anchor(rule: str) -> str:
    """Where the page speaks of one of our rules."""
    return f"#{rule}"


def _hides_invalid_index(migration: Migration) -> Iterator[_Hit]:
    for statement in migration.statements:
        if statement.traits.hides_invalid_index:
            yield _Hit(
                statement=statement,
                message="IF NOT EXISTS is content with the invalid index that an interrupted CREATE INDEX CONCURRENTLY "
                "leaves, which serves no query and slows down every write",
                hint="leave IF NOT EXISTS out: an invalid index then shows, and DROP INDEX CONCURRENTLY takes it away",
            )


def _mixed(migration: Migration) -> Iterator[_Hit]:
    if migration.transactional or migration.headers.no_transaction:
        return
    alone = [statement for statement, block in _blocks(migration) if not block]
    causes = [statement for statement in alone if statement.traits.no_transaction]
    what = causes[0].traits.no_transaction if causes else "a new enum value that the same file uses"
    if not causes and len(alone) == len(migration.statements):  # without blocks of its own, nothing else is left
        causes = [statement for statement in alone if statement.traits.enum_values]
    apart = {id(statement) for statement in causes}
    others = [
        statement
        for statement in alone
        if id(statement) not in apart and not statement.traits.control and statement.traits.kind not in SETTINGS
    ]
    if not causes or not others:
        return
    count = sum(statement.count for statement in others)
    several = f"{count} other statements" if count > 1 else "another statement"
    yield _Hit(
        statement=causes[0],
        message=f"{what} keeps the file out of a transaction, and with it {several}, the first in line "
        f"{others[0].line}: what fails half-way stays half done",
        hint="split the file: what can be one transaction into one migration, this into another",
    )


def _password(migration: Migration) -> Iterator[_Hit]:
    for statement in migration.statements:
        if statement.traits.password:
            yield _Hit(
                statement=statement,
                message="a password stands here, for all who can read the repository, the ledger or the server's log",
                hint="set it outside of migrations (`\\password` of psql sends a role's one hashed), and change this "
                "one, as it is published",
            )


def _several_locks(migration: Migration) -> Iterator[_Hit]:
    for statement, name, held in _exclusive_locks(migration):
        if held:
            first, since = held[0]
            yield _Hit(
                statement=statement,
                message=f"locks {name} against everybody (ACCESS EXCLUSIVE) while {first} is still locked since line "
                f"{since.line}: both until the end of the transaction, and in a deadlock with whoever takes them the "
                "other way round",
                hint="give each table a migration of its own",
            )


def _work_under_lock(migration: Migration) -> Iterator[_Hit]:
    held: tuple[str, Statement] | None = None
    transaction = 0
    locks = {id(statement): (name, statement) for statement, name, before in _exclusive_locks(migration) if not before}
    for statement, block in _blocks(migration):
        if block != transaction:
            transaction, held = block, None
        if held and statement.traits.takes_time:
            name, since = held
            yield _Hit(
                statement=statement,
                message=f"works on rows, which may take long, while {name} is locked against everybody (ACCESS "
                f"EXCLUSIVE) since line {since.line}: every query on it waits for the end of the transaction",
                hint="move this statement into a migration of its own, or before the one that locks",
            )
        held = held or locks.get(id(statement))


def _cluster_wide(migration: Migration) -> Iterator[_Hit]:
    for statement in migration.statements:
        if statement.traits.cluster_wide:
            yield _Hit(
                statement=statement,
                message=f"{statement.traits.cluster_wide} reaches beyond this database: a rehearsal on a shadow "
                "database cannot show it, and putting this database back does not undo it",
                hint="keep such statements with whatever sets up the server, or write a down file that undoes it",
            )


CHECKS: Mapping[str, Callable[[Migration], Iterable[_Hit]]] = {
    "if-not-exists-concurrently": _hides_invalid_index,
    "mixed-transaction": _mixed,
    "password-in-sql": _password,
    "several-exclusive-locks": _several_locks,
    "work-under-exclusive-lock": _work_under_lock,
    "cluster-wide": _cluster_wide,
}
ONCE_A_FILE = frozenset({"several-exclusive-locks", "work-under-exclusive-lock"})


def _first(hits: list[_Hit]) -> list[_Hit]:
    """One for all of them."""
    if len(hits) < 2:
        return hits
    more = sum(hit.statement.count for hit in hits[1:])
    return [replace(hits[0], message=f"{hits[0].message} ({more} more like it in this file)")]


def _blocks(migration: Migration) -> Iterator[tuple[Statement, int]]:
    """Each statement with the number of the transaction that it shares with others; 0 when it runs alone."""
    block = last = int(migration.transactional)
    for statement in migration.statements:
        control = statement.traits.control
        if control in OPENS or (control is Control.CHAIN and block):
            block = last = last + 1
        yield statement, block
        if control in CLOSES:
            block = 0


def _exclusive_locks(migration: Migration) -> Iterator[tuple[Statement, str, list[tuple[str, Statement]]]]:
    """Each relation that a transaction locks against everybody, with those it holds by then. What the file has made
    itself is left out, as nobody uses it yet.
    """
    made, known = _Names(), _Names()
    held: list[tuple[str, Statement]] = []
    transaction = 0
    for statement, block in _blocks(migration):
        if block != transaction:
            transaction, known, held = block, _Names(), []
        for name in statement.traits.locks if block else ():
            if name not in made and name not in known:
                yield statement, name, held
                known.add(name)
                held.append((name, statement))
        for name in statement.traits.creates:
            made.add(name)


class _Names:
    """Names of relations. One without a schema is taken for the same as one with any."""

    def __init__(self) -> None:
        self._whole: set[str] = set()
        self._last: set[str] = set()

    def add(self, name: str) -> None:
        self._whole.add(name)
        self._last.add(_last(name))

    def __contains__(self, name: str) -> bool:
        return name in self._whole or _last(name) in (self._whole if "." in name else self._last)


def _last(name: str) -> str:
    return name.rpartition(".")[2]


class _Ignored:
    """What the comments of a file take out: `-- squawk-ignore rule, rule` or `-- lint-ignore rule, rule` above or
    beside a statement, or `-- squawk-ignore-file` and `-- lint-ignore-file` anywhere.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._everywhere: frozenset[str] | None = None

    def at(self, statement: Statement, rule: str) -> bool:
        """Whether a rule is to be silent about a statement."""
        return rule in self._of_file() or rule in self._of_place(statement.start)

    def _of_file(self) -> frozenset[str]:
        if self._everywhere is None:
            self._everywhere = frozenset(self._find_everywhere())
        return self._everywhere

    def _find_everywhere(self) -> Iterator[str]:
        place = self._data.find(b"-ignore-file")
        while place >= 0:
            for comment in IGNORE.finditer(self._line(place)):
                if comment[1]:
                    yield from _rules(comment) or RULES
            place = self._data.find(b"-ignore-file", place + 1)

    def _of_place(self, start: int) -> set[str]:
        """The rules named in the statement's first line, and in the comments just above."""
        begin = self._begin(start)
        lines = [self._line(start)]
        while begin:
            lines.append(self._line(begin - 1))
            begin = self._begin(begin - 1)
            if not COMMENT.fullmatch(lines[-1]):
                break
        return {
            rule for line in lines for comment in IGNORE.finditer(line) if not comment[1] for rule in _rules(comment)
        }

    def _begin(self, position: int) -> int:
        return self._data.rfind(b"\n", 0, position) + 1

    def _line(self, position: int) -> bytes:
        """The line that a byte, or the line end there, belongs to; of a very long one, what is near."""
        begin = max(self._begin(position), position - FAR)
        end = self._data.find(b"\n", position, position + FAR)
        return self._data[begin : position + FAR if end < 0 else end]


def _rules(comment: "re.Match[bytes]") -> list[str]:
    names = comment[2].decode(errors="replace").split(",")
    return [name.strip() for name in names if name.strip()]

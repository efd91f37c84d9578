"""What a pull request does to the migrations folder: three lists of its files, compared."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from typing import NamedTuple, Protocol

from runner.core.naming import FileName, Kind, parse_name
from runner.errors import Finding, InputError

SUFFIX = ".sql"
MOST_LINKS = 40  # on the way to one file; Linux takes as many
ASTRAY = "link "  # before the id of a link that leads to no file of its commit
FETCH_MORE = "give actions/checkout `fetch-depth: 2`, or `0` where it has a `ref`, and git is read instead"
ASK_GITHUB = "give `github-token: ${{ github.token }}` in a job with `permissions: contents: read`"


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequest:
    """The pull request that a workflow runs for."""

    number: int
    repository: str  # that it wants to be merged into: "octo-org/shop"
    base_ref: str  # the branch that it wants to be merged into: "main"
    base_sha: str  # of that branch when GitHub last looked; the branch may be ahead of it
    head_sha: str
    merge_sha: str = ""  # of GitHub's trial merge, when the workflow runs for that
    with_secrets: bool = False  # the workflow has the repository's secrets, also when a fork asks


@dataclass(frozen=True, slots=True, kw_only=True)
class Trees:
    """The files of the migrations folder, each with the id of its content, in three commits."""

    merge_base: Mapping[str, str]  # where the pull request left the base branch
    base: Mapping[str, str]  # the base branch as it is
    head: Mapping[str, str]  # the pull request


class Compared(NamedTuple):
    """What the check is given of a pull request."""

    folder: PurePosixPath  # of the migrations, as it is shown: relative to the checkout
    trees: Trees
    held: Callable[[Mapping[str, str]], Mapping[str, Collection[str]]]  # of what is `expected`, what the checkout has


class EntryKind(StrEnum):
    """What a git tree has, in GitHub's words where it has one."""

    TREE = "tree"
    FILE = "blob"
    LINK = "link"
    SUBMODULE = "commit"


class Entry(NamedTuple):
    """One thing in a git tree."""

    kind: EntryKind
    id: str


class Repository(Protocol):
    """Where trees are read: git's own store, or GitHub."""

    def entries(self, tree: str) -> Mapping[str, Entry]:
        """What a tree has, by name. Bytes that are not UTF-8 stand there as surrogates."""

    def target(self, link: str) -> str:
        """Where a symbolic link leads, as it is written there."""


class Rename(NamedTuple):
    """A file under two names."""

    old: str
    new: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What a pull request did to the migrations themselves, by file name, each list sorted."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    renamed: tuple[Rename, ...] = ()  # the same content, or the same version
    touched: tuple[str, ...] = ()  # every file that is new or different, down and check files too


def files_of(repository: Repository, root: str, folders: Iterable[PurePosixPath]) -> dict[str, str]:
    """The files of the first of the folders that a commit has, with the ids of their contents, links followed inside
    that commit; none where it has no such folder. `root` is the tree of the commit.
    """
    top = [Entry(EntryKind.TREE, root)]
    for folder in folders:
        place = _walk(repository, top, folder.parts)
        if place and place[-1].kind is EntryKind.TREE:
            return {
                name.encode(errors="surrogateescape").decode(errors="replace"): content
                for name, entry in repository.entries(place[-1].id).items()
                if (content := _content(repository, place, name, entry))
            }
    return {}


def leads_nowhere(content: str | None) -> bool:
    """Whether this is the content of a link that leads to no file of the repository."""
    return content is not None and content.startswith(ASTRAY)


def expected(trees: Trees, changes: Changes) -> dict[str, str]:
    """What a checkout of the pull request has to show for it: names with the ids of their contents. An empty id is that
    of a file that must be gone; of a file that both sides changed only the name is known, which has ASTRAY for an id.

    A trial merge has the base branch's changes too: what that deleted, or renamed, may be anywhere.
    """
    wanted = {}
    for name in changes.touched:
        if trees.base.get(name) == trees.merge_base.get(name):
            wanted[name] = trees.head[name]
        elif name in trees.base:
            wanted[name] = ASTRAY
    for name, content in trees.merge_base.items():
        if name.endswith(SUFFIX) and name not in trees.head and trees.base.get(name) == content:
            wanted[name] = ""
    return wanted


def astray(wanted: Mapping[str, str], held: Mapping[str, Collection[str]]) -> tuple[list[str], list[str]]:
    """The names that a folder lacks, or has with another content, and those that it has and must not. `held` has what
    is there, each with the ids that its content may have in git.
    """
    lacking = [
        name
        for name, content in wanted.items()
        if content and (name not in held or not (leads_nowhere(content) or content in held[name]))
    ]
    return sorted(lacking), sorted(name for name, content in wanted.items() if not content and name in held)


def changes_of(trees: Trees) -> Changes:
    """Compare. What the base branch has just so is not counted: a commit may have come to both."""
    touched = sorted(name for name in trees.head if _differs(trees, name))
    new = [name for name in touched if name not in trees.merge_base and _up(name)]
    gone = sorted(
        name for name in trees.merge_base if name not in trees.head and name in trees.base and _beside(name) is None
    )
    renamed = _renames(trees, gone, new)
    return Changes(
        added=tuple(name for name in new if name not in {rename.new for rename in renamed}),
        changed=tuple(name for name in touched if name in trees.merge_base and _up(name)),
        deleted=tuple(name for name in gone if name not in {rename.old for rename in renamed} and _up(name)),
        renamed=tuple(renamed),
        touched=tuple(touched),
    )


def first_known(from_git: Callable[[], Trees | None], from_github: Callable[[], Trees] | None) -> Trees:
    """The trees from the first source that has them. Raises InputError with both ways out when none does."""
    trees = from_git()
    if trees is None and from_github is not None:
        trees = from_github()
    if trees is None:
        raise InputError(
            Finding(
                "what the pull request changes is not known: the checkout has no history, and there is no token to "
                "ask GitHub with",
                hint=f"{ASK_GITHUB}; or {FETCH_MORE}",
            )
        )
    return trees


def migrations_in(names: Iterable[str]) -> list[FileName]:
    """The up files among the names, in the order of their text."""
    return [file for name in sorted(names) if (file := _up(name))]


def _walk(repository: Repository, place: Sequence[Entry], parts: Sequence[str]) -> list[Entry] | None:
    """Follow a path as Linux would: everything from the root to where it leads; None where that is nowhere in here."""
    here, left, links = list(place), list(parts)[::-1], 0
    while left:
        part = left.pop()
        if here[-1].kind is not EntryKind.TREE:
            return None
        if part in {"", "."}:
            continue
        if part == "..":
            here.pop()
            if not here:
                return None
            continue
        entry = repository.entries(here[-1].id).get(part)
        if entry is None:
            return None
        if entry.kind is EntryKind.LINK:
            links += 1
            target = repository.target(entry.id)
            if links > MOST_LINKS or not target or target.startswith("/"):
                return None
            left += target.split("/")[::-1]
        else:
            here.append(entry)
    return here


def _content(repository: Repository, place: Sequence[Entry], name: str, entry: Entry) -> str:
    """The id of a file's content; empty for what is no file."""
    match entry.kind:
        case EntryKind.FILE:
            return entry.id
        case EntryKind.LINK:
            led = _walk(repository, place, [name])
            return led[-1].id if led and led[-1].kind is EntryKind.FILE else f"{ASTRAY}{entry.id}"
        case _:
            return ""


def _differs(trees: Trees, name: str) -> bool:
    content = trees.head[name]
    return name.endswith(SUFFIX) and content not in {trees.merge_base.get(name), trees.base.get(name)}


def _up(name: str) -> FileName | None:
    parsed = parse_name(PurePosixPath(name))
    return parsed if isinstance(parsed, FileName) and parsed.kind is Kind.UP else None


def _beside(name: str) -> FileName | None:
    """Set for down and check files."""
    parsed = parse_name(PurePosixPath(name))
    return parsed if isinstance(parsed, FileName) and parsed.kind is not Kind.UP else None


def _renames(trees: Trees, gone: list[str], new: list[str]) -> list[Rename]:
    """Pairs of a file that is gone and a new one: of the same content first, then of the same version."""
    left, renames = list(new), list[Rename]()
    for alike in (lambda old, name: trees.merge_base[old] == trees.head[name], _same_version):
        for old in gone:
            if any(rename.old == old for rename in renames):
                continue
            if found := next((name for name in left if alike(old, name)), None):
                left.remove(found)
                renames.append(Rename(old, found))
    return sorted(renames)


def _same_version(one: str, other: str) -> bool:
    first, second = _up(one), _up(other)
    return first is not None and second is not None and int(first.version) == int(second.version)

"""What a pull request does to the migrations folder: three lists of its files, compared."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import NamedTuple

from runner.core.naming import FileName, Kind, parse_name
from runner.errors import Finding, InputError

SUFFIX = ".sql"
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

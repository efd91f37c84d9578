"""What a pull request changes, read from the checkout's own git history, where it has enough of it."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from runner.core.changes import PullRequest, Trees
from runner.errors import Finding, InputError

if TYPE_CHECKING:
    from dulwich.objects import Commit, ObjectID, Tree
    from dulwich.repo import Repo

GIT = ".git"
OF_A_SUBMODULE = "/modules/"  # in what its file .git points to


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the migrations are."""

    root: Path  # of the repository that has them, somewhere in the checkout
    folder: PurePosixPath  # relative to that
    shown: PurePosixPath  # relative to the checkout, ready for annotations


def locate(checkout: Path, folder: PurePosixPath) -> Place:
    """Find the repository of a folder, links followed: actions/checkout may have been given a `path`.

    Raises InputError when the folder is not in the checkout.
    """
    top, real = Path(os.path.realpath(checkout)), Path(os.path.realpath(checkout / folder))
    named = Path(os.path.normpath(checkout / folder))
    if not real.is_relative_to(top):
        raise InputError(
            Finding(
                "migrations-path: this folder is not in the checkout, so no pull request can be compared with it",
                path=folder,
                hint="give a folder of the repository, relative to its root",
            )
        )
    inside = [place for place in (real, *real.parents) if place.is_relative_to(top)]
    root = next((place for place in inside if _is_repository(place)), top)
    return Place(
        root=root,
        folder=PurePosixPath(real.relative_to(root)),
        shown=PurePosixPath(named.relative_to(checkout) if named.is_relative_to(checkout) else real.relative_to(top)),
    )


def trees_from_git(pull: PullRequest, place: Place) -> Trees | None:
    """The folder before and after; None when the checkout is not of this pull request, or has too little history.

    A checkout of GitHub's trial merge needs its parents (`fetch-depth: 2`); one of the pull request itself needs all
    that came since it left the base branch.
    """
    from dulwich.repo import Repo

    try:
        with Repo(str(place.root)) as repo:
            return _trees(repo, pull, place.folder)
    except Exception:  # noqa: BLE001 - whatever keeps the history from being read, GitHub can still be asked
        return None


def _is_repository(place: Path) -> bool:
    """Whether it is the root of one that is not a submodule of another."""
    git = place / GIT
    try:
        return git.is_dir() or (git.is_file() and OF_A_SUBMODULE not in git.read_text(errors="replace"))
    except OSError:
        return False


def _trees(repo: "Repo", pull: PullRequest, folder: PurePosixPath) -> Trees | None:
    head = _commit(repo, repo.head())
    if _is_trial_merge(head, pull):
        before = base = _commit(repo, head.parents[0])
    elif _contains(repo, head.id, _id(pull.head_sha)):
        base = _commit(repo, _base(repo, pull))
        before = _commit(repo, _merge_base(repo, base.id, head.id))
    else:
        return None
    return Trees(
        merge_base=_files(repo, before, folder), base=_files(repo, base, folder), head=_files(repo, head, folder)
    )


def _is_trial_merge(head: "Commit", pull: PullRequest) -> bool:
    """GitHub's own, of the base branch and the pull request; a branch may end in a merge of its own."""
    match [parent.decode() for parent in head.parents]:
        case [_, merged]:
            return merged == pull.head_sha or head.id.decode() == pull.merge_sha
        case _:
            return False


def _base(repo: "Repo", pull: PullRequest) -> "ObjectID":
    """The newest commit of the base branch that the checkout knows: the event's may be of days ago."""
    from dulwich.refs import Ref

    known = _id(pull.base_sha)
    try:
        fetched = repo.refs[Ref(f"refs/remotes/origin/{pull.base_ref}".encode())]
    except KeyError:
        return known
    return fetched if _contains(repo, fetched, known) else known


def _contains(repo: "Repo", commit: "ObjectID", ancestor: "ObjectID") -> bool:
    return commit == ancestor or (ancestor in repo.object_store and _merge_base(repo, ancestor, commit) == ancestor)


def _merge_base(repo: "Repo", one: "ObjectID", other: "ObjectID") -> "ObjectID | None":
    from dulwich.graph import find_merge_base

    return next(iter(find_merge_base(repo, [one, other])), None)


def _id(sha: str) -> "ObjectID":
    from dulwich.objects import ObjectID

    return ObjectID(sha.encode())


def _commit(repo: "Repo", commit_id: "ObjectID | None") -> "Commit":
    """Raises KeyError when the history does not have it."""
    from dulwich.objects import Commit

    found = repo.object_store[commit_id] if commit_id else None
    if not isinstance(found, Commit):
        raise KeyError(commit_id)
    return found


def _files(repo: "Repo", commit: "Commit", folder: PurePosixPath) -> dict[str, str]:
    """The files of a folder, with the ids of their contents; none where the commit has no such folder."""
    from dulwich.objects import S_ISGITLINK

    tree = _tree(repo, commit.tree)
    for part in folder.parts:
        name = os.fsencode(part)
        if name not in tree or not stat.S_ISDIR(tree[name][0]):
            return {}
        tree = _tree(repo, tree[name][1])
    return {
        entry.path.decode(errors="replace"): entry.sha.decode()
        for entry in tree.items()
        if not stat.S_ISDIR(entry.mode) and not S_ISGITLINK(entry.mode)
    }


def _tree(repo: "Repo", tree_id: "ObjectID") -> "Tree":
    """Raises KeyError when the history does not have it: a partial clone may lack some."""
    from dulwich.objects import Tree

    found = repo.object_store[tree_id]
    if not isinstance(found, Tree):
        raise KeyError(tree_id)
    return found

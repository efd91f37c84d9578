"""What a pull request changes, read from the checkout's own git history, where it has enough of it."""

import hashlib
import os
import stat
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from runner.core.changes import Entry, EntryKind, PullRequest, Trees, files_of, leads_nowhere
from runner.core.checksum import normalise
from runner.errors import Finding, InputError

if TYPE_CHECKING:
    from dulwich.objects import Commit, ObjectID
    from dulwich.repo import Repo

GIT = ".git"
OF_A_SUBMODULE = "/modules/"  # in what its file .git points to


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the migrations are."""

    root: Path  # of the repository that has them, somewhere in the checkout
    folder: PurePosixPath  # relative to that, as it is named: each commit may have another link there
    real: PurePosixPath  # relative to that, as the checkout's links lead to it
    shown: PurePosixPath  # relative to the checkout, ready for annotations

    @property
    def folders(self) -> tuple[PurePosixPath, ...]:
        """Where a commit may have them: under their name, or, where the link is none of git's, where it leads."""
        return tuple(dict.fromkeys((self.folder, self.real)))


def locate(checkout: Path, folder: PurePosixPath) -> Place:
    """Find the repository of a folder, links followed: actions/checkout may have been given a `path`. Inside of it the
    folder keeps its name.

    Raises InputError when the folder is not in the checkout.
    """
    named = Path(os.path.normpath(checkout / folder))
    top, real = Path(os.path.realpath(checkout)), Path(os.path.realpath(named))
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
        folder=_inside(root, named),
        real=PurePosixPath(real.relative_to(root)),
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
            return _trees(repo, pull, place)
    except _unreadable():  # GitHub can still be asked
        return None


def contents(folder: Path, wanted: Mapping[str, str]) -> dict[str, frozenset[str]]:
    """Which of the wanted files a folder has, each with the ids that its content may have in git: as it is, with the
    line ends that git may have stored, or as a pointer of Git LFS. What need not be compared is not read.
    """
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return {}
    named = {os.fsencode(entry.name).decode(errors="replace"): entry for entry in entries}
    return {name: _ids(named[name], content) for name, content in wanted.items() if name in named}


def _ids(file: Path, wanted: str) -> frozenset[str]:
    if not wanted or leads_nowhere(wanted):
        return frozenset()
    try:
        data = file.read_bytes() if file.is_file() else None
    except (OSError, RuntimeError):  # a loop of links is a RuntimeError before Python 3.13
        data = None
    if data is None:
        return frozenset()
    pointer = (
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{hashlib.sha256(data).hexdigest()}\nsize {len(data)}\n"
    )
    return frozenset(_blob_id(text, wanted) for text in (data, normalise(data), pointer.encode()))


def _blob_id(data: bytes, like: str) -> str:
    """The id that git gives a content, of the length of another."""
    make = hashlib.sha256 if len(like) == hashlib.sha256().digest_size * 2 else hashlib.sha1
    digest = make(b"blob %d\0" % len(data))
    digest.update(data)
    return digest.hexdigest()


def _unreadable() -> tuple[type[Exception], ...]:
    """What the library raises for a repository that is none, that lacks objects, is damaged, or newer than it knows.
    The built-in ones are its own as well: of damaged packs it says OverflowError, BufferError, AssertionError too.
    """
    from dulwich import errors
    from dulwich.pack import PackFileDisappeared, UnresolvedDeltas
    from dulwich.refs import SymrefLoop
    from dulwich.repo import InvalidWorktreeConfiguration, UnsupportedExtension, UnsupportedVersion

    return (
        errors.NotGitRepository,
        errors.FileFormatException,
        errors.ChecksumMismatch,
        errors.WrongObjectException,
        errors.ObjectMissing,
        errors.MissingCommitError,
        errors.ApplyDeltaError,
        errors.RefFormatError,
        PackFileDisappeared,
        UnresolvedDeltas,
        SymrefLoop,
        InvalidWorktreeConfiguration,
        UnsupportedExtension,
        UnsupportedVersion,
        zlib.error,
        struct.error,
        OSError,
        EOFError,
        LookupError,
        ValueError,
        OverflowError,
        BufferError,
        AssertionError,
    )


def _inside(root: Path, named: Path) -> PurePosixPath:
    """A path, relative to the root of its repository: links on the way there are followed, those behind it kept."""
    places = ((Path(os.path.realpath(place)), place) for place in (*reversed(named.parents), named))
    real, place = next((real, place) for real, place in places if real.is_relative_to(root))
    return PurePosixPath(real.relative_to(root) / named.relative_to(place))


def _is_repository(place: Path) -> bool:
    """Whether it is the root of one that is not a submodule of another."""
    git = place / GIT
    try:
        return git.is_dir() or (git.is_file() and OF_A_SUBMODULE not in git.read_text(errors="replace"))
    except OSError:
        return False


def _trees(repo: "Repo", pull: PullRequest, place: Place) -> Trees | None:
    head = _commit(repo, repo.head())
    if _is_trial_merge(head, pull):
        before = base = _commit(repo, head.parents[0])
    elif _contains(repo, head.id, _id(pull.head_sha)):
        base = _commit(repo, _base(repo, pull))
        before = _commit(repo, _merge_base(repo, base.id, head.id))
    else:
        return None
    store = _Store(repo)
    merge_base, base_files, head_files = (
        files_of(store, commit.tree.decode(), place.folders) for commit in (before, base, head)
    )
    return Trees(merge_base=merge_base, base=base_files, head=head_files)


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


@dataclass(frozen=True, slots=True)
class _Store:
    """Trees and links of a repository. Raises KeyError for what it lacks, as a partial clone may."""

    repo: "Repo"

    def entries(self, tree: str) -> dict[str, Entry]:
        from dulwich.objects import Tree

        found = self.repo.object_store[_id(tree)]
        if not isinstance(found, Tree):
            raise KeyError(tree)
        return {
            entry.path.decode(errors="surrogateescape"): Entry(_kind(entry.mode), entry.sha.decode())
            for entry in found.items()
        }

    def target(self, link: str) -> str:
        from dulwich.objects import Blob

        found = self.repo.object_store[_id(link)]
        if not isinstance(found, Blob):
            raise KeyError(link)
        return found.data.decode(errors="surrogateescape")


def _kind(mode: int) -> EntryKind:
    from dulwich.objects import S_ISGITLINK

    if S_ISGITLINK(mode):
        return EntryKind.SUBMODULE
    if stat.S_ISDIR(mode):
        return EntryKind.TREE
    return EntryKind.LINK if stat.S_ISLNK(mode) else EntryKind.FILE

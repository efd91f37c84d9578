"""A pull request adds migrations behind those of its base branch, and leaves those alone."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath

from runner.core.changes import Changes, Trees, astray, leads_nowhere, migrations_in
from runner.core.model import Verdict
from runner.core.naming import LEDGER_FILE, FileName, Kind, VersionOrder, parse_name, problems_of_order
from runner.core.next_version import next_version
from runner.errors import Finding, InputError, Level

GATE = "pull request"
PATHS_SHOWN = 5
CHECK_OUT = (
    "on `pull_request` leave out the `ref` of actions/checkout, as its default is right, or give "
    "`ref: ${{ github.event.pull_request.head.sha }}`, as on `pull_request_target`; no step before this one may change "
    "the files"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequestPolicy:
    """What a pull request may do."""

    folder: PurePosixPath  # of the migrations, as it is shown: relative to the checkout
    base_branch: str  # "main"
    order: VersionOrder
    allow_out_of_order: bool
    time: datetime  # that proposed versions may carry


def check_pull_request(policy: PullRequestPolicy, trees: Trees, changes: Changes) -> tuple[Verdict, list[Finding]]:
    """Whether the pull request leaves alone what the base branch has, and everything that is wrong with it."""
    if not (trees.merge_base or trees.base or trees.head):
        return _verdict(f"git has no {policy.folder}, so no pull request changes it"), [_not_in_git(policy)]
    findings = [
        *(_changed(policy, name) for name in changes.changed if not leads_nowhere(trees.base.get(name))),
        *(_deleted(policy, name) for name in changes.deleted),
        *_renamed(policy, trees, changes),
        *_versions(policy, trees, changes),
    ]
    wrong = [finding for finding in findings if finding.level is Level.ERROR]
    if not wrong:
        return _verdict(
            f"it adds {_counted(len(changes.added))}, and leaves those of {policy.base_branch} alone"
        ), findings
    listed = _listed(list(dict.fromkeys(str(finding.path) for finding in wrong)))
    return (
        Verdict(
            gate=GATE,
            passed=False,
            reason=f"it changes what {policy.base_branch} has, or its versions are taken or late: {listed}",
            way_out=f"leave the migrations that {policy.base_branch} has as they are, and add new ones behind them",
        ),
        findings,
    )


def check_checkout(
    policy: PullRequestPolicy, wanted: Mapping[str, str], held: Mapping[str, Collection[str]]
) -> list[Finding]:
    """What keeps the checkout's folder from being the pull request's. What is looked at there would not be what is
    going to be merged.
    """
    lacking, left = ([str(policy.folder / name) for name in names] for names in astray(wanted, held))
    found = []
    if lacking:
        found.append(
            Finding(
                f"the checkout is not of this pull request: it lacks {_listed(lacking)}, or has another content there",
                hint=CHECK_OUT,
            )
        )
    if left:
        found.append(
            Finding(
                f"the checkout is not of this pull request, which deletes what is there: {_listed(left)}",
                hint=CHECK_OUT,
            )
        )
    return found


def check_links(policy: PullRequestPolicy, trees: Trees) -> list[Finding]:
    """The links among the pull request's files of which no commit tells what they have."""
    return [
        Finding(
            "this link leads to no file of the repository, so nobody can tell whether a pull request changes it",
            path=policy.folder / name,
            hint="put the file itself here, or a relative link to a file of the repository, outside of submodules",
        )
        for name, content in sorted(trees.head.items())
        if leads_nowhere(content) and isinstance(parse_name(PurePosixPath(name)), FileName)
    ]


def _listed(paths: list[str]) -> str:
    more = f" and {len(paths) - PATHS_SHOWN} more" if len(paths) > PATHS_SHOWN else ""
    return ", ".join(paths[:PATHS_SHOWN]) + more


def _verdict(reason: str) -> Verdict:
    return Verdict(gate=GATE, passed=True, reason=reason)


def _counted(number: int) -> str:
    return f"{number or 'no'} migration{'' if number == 1 else 's'}"


def _not_in_git(policy: PullRequestPolicy) -> Finding:
    return Finding(
        "this folder is not in the repository of the pull request: what it changes there cannot be told",
        level=Level.WARNING,
        path=policy.folder,
        hint="commit the migrations, so that a change of an applied one is found in its pull request",
    )


def _changed(policy: PullRequestPolicy, name: str) -> Finding:
    return Finding(
        f"{policy.base_branch} has this migration, and the pull request changes it",
        path=policy.folder / name,
        line=1,
        hint="restore the file, and put the change into a new migration",
    )


def _deleted(policy: PullRequestPolicy, name: str) -> Finding:
    return Finding(
        f"{policy.base_branch} has this migration, and the pull request deletes it",
        path=policy.folder / name,
        hint="restore the file; to undo what it did, add a new migration",
    )


def _renamed(policy: PullRequestPolicy, trees: Trees, changes: Changes) -> Iterator[Finding]:
    """A renamed file, unless its old name had to be mended: it is no migration's, or gave the set no clear order."""
    had = migrations_in(trees.base)
    mendable = {problem.path.name for problem in problems_of_order(had, policy.order) if problem.path}
    known = {file.path.name for file in had}
    for old, new in changes.renamed:
        same = trees.merge_base[old] == trees.head[new]
        if same and (old in mendable or old not in known):
            continue
        hint = f"name it {old} again"
        if not same:
            hint += ", with its old content, and put the change into a new migration"
        yield Finding(
            f"{policy.base_branch} has this migration as {old}, and the pull request renames it",
            path=policy.folder / new,
            line=1,
            hint=hint,
        )


def _versions(policy: PullRequestPolicy, trees: Trees, changes: Changes) -> Iterator[Finding]:
    """Added migrations whose version another one has, or that are behind what the base branch has."""
    had = migrations_in(trees.base)
    highest = max(had, key=lambda file: policy.order.key(file.version), default=None)
    by_number = {int(file.version): file for file in had}
    versions = {file.version for file in (*had, *migrations_in(trees.head))}
    for file in sorted(migrations_in(changes.added), key=lambda file: policy.order.key(file.version)):
        other = by_number.setdefault(int(file.version), file)
        late = highest is not None and policy.order.key(file.version) < policy.order.key(highest.version)
        if other is not file:
            whose = f"which {policy.base_branch} has" if other in had else "which is new too"
            message, level = f"version {file.version} is also that of {other.path.name}, {whose}", Level.ERROR
        elif highest and late and file.path.name != LEDGER_FILE:
            message = f"version {file.version} comes late: {policy.base_branch} already has {highest.version}"
            level = Level.WARNING if policy.allow_out_of_order else Level.ERROR
        else:
            continue
        hint = _renaming(policy, trees, file, versions) if level is Level.ERROR else ""
        yield Finding(message, level=level, path=policy.folder / file.path.name, line=1, hint=hint)


def _renaming(policy: PullRequestPolicy, trees: Trees, file: FileName, versions: set[str]) -> str:
    """What to rename a file to; the version is added to those that are taken."""
    try:
        version = next_version(versions, policy.order, policy.time)
    except InputError as error:
        return error.findings[0].hint
    versions.add(version)
    rest = file.path.name.removeprefix(file.version)
    beside = [kind for kind in (Kind.DOWN, Kind.CHECK) if f"{file.stem}{kind}.sql" in trees.head]
    also = f", and its {' and '.join(f'{kind}.sql' for kind in beside)} with it" if beside else ""
    return f"rename it to {version}{rest}{also}"

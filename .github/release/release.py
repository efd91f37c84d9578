#!/usr/bin/env python3
"""Makes the release vX.Y.Z of the action out of the commit that the tag release/vX.Y.Z marks.

    release.py check release/vX.Y.Z      prints X.Y.Z when the checkout is ready to become that release
    release.py notes X.Y.Z IMAGE         prints the notes of the release
    release.py publish X.Y.Z IMAGE       makes the release's commit, and pushes its tags

The release is a commit of its own behind the one that was marked. Its action.yml names the image by digest, so that who
pins the commit has pinned the image as well. Without `.github` it holds no workflow: GitHub lets no job's token push a
tag to workflows that differ from those of the branches. Nothing else differs.

It is made of the marked commit and the image alone, its date included. Publishing again gives the same commit, and a
run that failed half-way can be repeated; a release that is there already is never changed.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

NUMBER = r"(0|[1-9]\d*)"
VERSION = re.compile(rf"{NUMBER}\.{NUMBER}\.{NUMBER}")
IMAGE = re.compile(r"ghcr\.io/[a-z0-9._/-]+@sha256:[0-9a-f]{64}")
BUILT_HERE = "  image: Dockerfile\n"
# https://github.com/actions/checkout#push-a-commit-using-the-built-in-token
WHO = {"NAME": "github-actions[bot]", "EMAIL": "41898282+github-actions[bot]@users.noreply.github.com"}


class NotReady(Exception):
    """Why there is no release, and what to do."""


def main(*argv: str) -> str:
    """Do what the arguments say, and tell what came of it. Raises NotReady."""
    match argv:
        case "check", tag:
            return checked(tag)
        case "notes", version, image:
            return notes(version, image)
        case "publish", version, image:
            return publish(version, image)
    raise NotReady(f"it is called in one of three ways\n\n{__doc__}")


def checked(tag: str) -> str:
    """The version that a tag asks for. Raises NotReady when the checkout is not that version."""
    version = tag.removeprefix("release/v")
    if tag == version or not VERSION.fullmatch(version):
        raise NotReady(f"{tag}: a release is asked for by a tag such as release/v1.2.3")
    here = re.search(r'^__version__ = "(.*)"$', Path("runner/__init__.py").read_text(), re.MULTILINE)
    if not here or here[1] != version:
        found = here[1] if here else "none"
        raise NotReady(f"runner/__init__.py has version {found}: make it {version}, and mark that commit with {tag}")
    changes_in(version)
    return version


def changes_in(version: str) -> str:
    """The section of a version in the changelog. Raises NotReady when there is none, or nothing in it."""
    sections = re.split(r"^## +\[?([^]\s]+).*\n", Path("CHANGELOG.md").read_text(), flags=re.MULTILINE)
    text = dict(zip(sections[1::2], sections[2::2], strict=True)).get(version, "").strip()
    if not text:
        raise NotReady(f"CHANGELOG.md has nothing under `## {version}`: say there what users will notice")
    return text


def notes(version: str, image: str) -> str:
    """The notes of a release, in Markdown."""
    name = os.environ.get("GITHUB_REPOSITORY", "org/db-migrate-action")
    return f"""{changes_in(version)}

## Image

`{image}`, for amd64 and arm64. Where it was built, and of what:

```sh
gh attestation verify oci://{image} --repo {name}
```
"""


def publish(version: str, image: str) -> str:
    """Push the tag of a release, and move that of its major version when no later one is there.

    Raises NotReady when the release is there already and is another one.
    """
    if not VERSION.fullmatch(version) or not IMAGE.fullmatch(image):
        raise NotReady(f"{version} {image}: wanted are 1.2.3 and an image by its digest")
    commit = release_commit(version, image)
    there = tags_of_origin()
    tag, major = f"v{version}", f"v{version.partition('.')[0]}"
    if there.get(tag, commit) != commit:
        raise NotReady(f"{tag} is there already, of another commit or image, and never changes: release the next one")
    tags = [tag, major] if is_latest_of_its_line(version, there) else [tag]
    push(commit, {tag: there.get(tag, "") for tag in tags if there.get(tag) != commit})
    return f"{' and '.join(tags)} mark {commit}"


def is_latest_of_its_line(version: str, tags: Iterable[str]) -> bool:
    versions = [number(tag.removeprefix("v")) for tag in tags if VERSION.fullmatch(tag.removeprefix("v"))]
    return all(other <= number(version) for other in versions if other[0] == number(version)[0])


def number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def release_commit(version: str, image: str) -> str:
    """The commit of a release, behind the one that is checked out. The same each time it is made."""
    action = git("show", "HEAD:action.yml")
    if action.count(BUILT_HERE) != 1:
        raise NotReady(f"action.yml must say `{BUILT_HERE.strip()}`, once: it is what becomes the image")
    action = action.replace(BUILT_HERE, f"  image: docker://{image}\n")
    when = f"@{git('show', '--no-patch', '--format=%ct', 'HEAD').strip()} +0000"
    people = ("AUTHOR", "COMMITTER")
    as_bot = {f"GIT_{one}_{key}": value for one in people for key, value in {**WHO, "DATE": when}.items()}
    with tempfile.TemporaryDirectory() as folder:
        index = {"GIT_INDEX_FILE": f"{folder}/index"}
        git("read-tree", "HEAD", environ=index)
        git("rm", "-r", "--quiet", "--cached", "--ignore-unmatch", ".github", environ=index)
        blob = git("hash-object", "-w", "--stdin", text=action).strip()
        git("update-index", "--cacheinfo", f"100644,{blob},action.yml", environ=index)
        tree = git("write-tree", environ=index).strip()
    return git("commit-tree", tree, "-p", "HEAD", "-m", f"Release v{version}", environ=as_bot).strip()


def tags_of_origin() -> dict[str, str]:
    """The tags that everybody sees, and what they mark."""
    lines = git("ls-remote", "--tags", "--refs", "origin").splitlines()
    return {name.removeprefix("refs/tags/"): commit for commit, _, name in (line.partition("\t") for line in lines)}


def push(commit: str, before: Mapping[str, str]) -> None:
    """Let tags mark a commit, all or none, unless somebody else has moved one since it was looked at."""
    if before:
        leases = [f"--force-with-lease=refs/tags/{tag}:{old}" for tag, old in before.items()]
        git("push", "--quiet", "--atomic", *leases, "origin", *(f"{commit}:refs/tags/{tag}" for tag in before))


def git(*arguments: str, text: str = "", environ: Mapping[str, str] | None = None) -> str:
    ran = subprocess.run(  # noqa: S603
        ["git", *arguments],  # noqa: S607
        input=text,
        env={**os.environ, **(environ or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        raise NotReady(f"git {arguments[0]}: {ran.stderr.strip()}")
    return ran.stdout


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{main(*sys.argv[1:])}\n")
    except NotReady as error:
        sys.exit(f"release: {error}")

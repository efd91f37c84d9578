"""Versions of releases, as Semantic Versioning 2.0.0 has them (https://semver.org)."""

import re
from dataclasses import dataclass

NUMBER = r"(?:0|[1-9][0-9]*)"
PART = rf"(?:{NUMBER}|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)"  # of a pre-release: no number has a leading zero
VERSION = re.compile(
    rf"(?P<major>{NUMBER})\.(?P<minor>{NUMBER})\.(?P<patch>{NUMBER})"
    rf"(?:-(?P<prerelease>{PART}(?:\.{PART})*))?(?:\+(?P<build>[0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*))?"
)
LONGEST = 255  # of a tag's name: git keeps it as the name of a file. int() has a limit as well, of 4300 digits


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A version of a release."""

    major: int
    minor: int
    patch: int
    prerelease: str = ""  # "rc.1"
    build: str = ""  # "20261122"


def parse_version(text: str) -> Version | None:
    """`1.2.3-rc.1+20261122`; None for what is no version, or longer than a tag. A `v` before it is no part of it
    (https://semver.org/#is-v123-a-semantic-version).
    """
    match = VERSION.fullmatch(text) if len(text) <= LONGEST else None
    if match is None:
        return None
    major, minor, patch = (int(match[name]) for name in ("major", "minor", "patch"))
    return Version(
        major=major, minor=minor, patch=patch, prerelease=match["prerelease"] or "", build=match["build"] or ""
    )

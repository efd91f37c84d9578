"""Versions of releases; the examples are those of https://semver.org and of the page about its regular expression."""

import pytest

from runner.core.semver import Version, parse_version

VALID = """
0.0.4 1.2.3 10.20.30 1.1.2-prerelease+meta 1.1.2+meta 1.1.2+meta-valid 1.0.0-alpha 1.0.0-beta 1.0.0-alpha.beta
1.0.0-alpha.beta.1 1.0.0-alpha.1 1.0.0-alpha0.valid 1.0.0-alpha.0valid
1.0.0-alpha-a.b-c-somethinglong+build.1-aef.1-its-okay 1.0.0-rc.1+build.1 2.0.0-rc.1+build.123 1.2.3-beta
10.2.3-DEV-SNAPSHOT 1.2.3-SNAPSHOT-123 1.0.0 2.0.0 1.1.7 2.0.0+build.1848 2.0.1-alpha.1227 1.0.0-alpha+beta
1.2.3----RC-SNAPSHOT.12.9.1--.12+788 1.2.3----R-S.12.9.1--.12+meta 1.2.3----RC-SNAPSHOT.12.9.1--.12
1.0.0+0.build.1-rc.10000aaa-kk-0.1 99999999999999999999999.999999999999999999.99999999999999999 1.0.0-0A.is.legal
1.0.0-0.3.7 1.0.0-x.7.z.92 1.0.0-x-y-z.-- 1.0.0-alpha+001 1.0.0+20130313144700 1.0.0-beta+exp.sha.5114f85
1.0.0+21AF26D3----117B344092BD 0.0.0 1.0.0-0 1.0.0--
"""

INVALID = """
1 1.2 1.2.3-0123 1.2.3-0123.0123 1.1.2+.123 +invalid -invalid -invalid+invalid -invalid.01 alpha alpha.beta alpha.beta.1
alpha.1 alpha+beta alpha_beta alpha. alpha.. beta 1.0.0-alpha_beta -alpha. 1.0.0-alpha.. 1.0.0-alpha..1 1.0.0-alpha...1
1.0.0-alpha....1 1.0.0-alpha.....1 1.0.0-alpha......1 1.0.0-alpha.......1 01.1.1 1.01.1 1.1.01 1.2.3.DEV 1.2-SNAPSHOT
1.2.31.2.3----RC-SNAPSHOT.12.09.1--..12+788 1.2-RC-SNAPSHOT -1.0.3-gamma+b7718 +justmeta 9.8.7+meta+meta
9.8.7-whatever+meta+meta
99999999999999999999999.999999999999999999.99999999999999999----RC-SNAPSHOT.12.09.1--------------------------------..12
v1.2.3 V1.2.3 =1.2.3 1.2.3- 1.2.3+ 1.2.3-+build 1.2.3-00 1.2.3-rc.00 1.2.x 1.2.* 1..3 .1.2.3 1.2.3. 00.0.0 1.2.3-é
1,2,3 ١.٢.٣ 1.2.٣ 1.2.3-٣ １.２.３ 1.2.3-rc¹ 1٢.0.0 1.2.3-1٢
"""


@pytest.mark.parametrize("text", VALID.split())
def test_reads_a_version(text: str) -> None:
    version = parse_version(text)
    assert version is not None
    prerelease, build = f"-{version.prerelease}", f"+{version.build}"
    assert text == (
        f"{version.major}.{version.minor}.{version.patch}"
        f"{prerelease if version.prerelease else ''}{build if version.build else ''}"
    )


@pytest.mark.parametrize("text", INVALID.split())
def test_refuses_what_is_no_version(text: str) -> None:
    assert parse_version(text) is None


@pytest.mark.parametrize("text", ["", "1.2.3\n", "\n1.2.3", " 1.2.3", "1.2.3 ", "1.2.3\r", "1.2.3\0", "1.2.3\n4.5.6"])
def test_refuses_what_is_around_a_version(text: str) -> None:
    assert parse_version(text) is None


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("1.2.3", Version(major=1, minor=2, patch=3)),
        ("1.2.3-rc.1", Version(major=1, minor=2, patch=3, prerelease="rc.1")),
        ("1.2.3+5", Version(major=1, minor=2, patch=3, build="5")),
        ("1.2.3+5-rc.1", Version(major=1, minor=2, patch=3, build="5-rc.1")),
        ("1.2.3-rc-1+5.x", Version(major=1, minor=2, patch=3, prerelease="rc-1", build="5.x")),
    ],
)
def test_tells_the_parts_of_a_version(text: str, version: Version) -> None:
    assert parse_version(text) == version


def test_a_number_may_be_as_long_as_a_tag() -> None:
    assert parse_version("9" * 251 + ".0.0") == Version(major=10**251 - 1, minor=0, patch=0)
    assert parse_version("9" * 252 + ".0.0") is None


@pytest.mark.parametrize(
    "text",
    ["9" * 5000 + ".0.0", "0.0.0-" + "a." * 50_000, "0.0.0-" + "0" * 100_000, "1" * 100_000, "0.0.0-" + "-" * 99999],
)
def test_takes_no_time_for_what_is_far_too_long(text: str) -> None:
    assert parse_version(text) is None

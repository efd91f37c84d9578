"""Where files are tried that must not touch the target: the input `shadow-database`."""

import re
from dataclasses import dataclass, field
from enum import StrEnum

from runner.core.database_url import DatabaseUrl, parse_database_url

DOCKER_SCHEME = "docker://"
# https://github.com/distribution/reference/blob/main/reference.go: name, tag and digest, as `docker run` takes them
IMAGE = r"[a-z0-9][a-z0-9._/-]*(?::\d+/[a-z0-9._/-]+)?(?::[\w][\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"


class Provider(StrEnum):
    """What gives the throw-away database."""

    AUTO = "auto"  # what suits the target best of what is there
    EMBEDDED = "embedded"  # the server that we carry
    DOCKER = "docker"  # a container beside ours
    URL = "url"  # an empty database on a server of the user's
    OFF = "off"  # nothing is tried


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowChoice:
    """What was asked for."""

    provider: Provider
    image: str = ""  # of DOCKER: "postgres:17"
    url: DatabaseUrl | None = field(default=None, repr=False)  # of URL


class NoImage(ValueError):
    """What follows docker:// is not the name of an image."""


def parse_shadow_choice(text: str) -> ShadowChoice:
    """`auto`, `embedded`, `off`, `docker://postgres:17`, or the URL of a database. Raises NoImage, MalformedUrl."""
    if text in {Provider.AUTO, Provider.EMBEDDED, Provider.OFF}:
        return ShadowChoice(provider=Provider(text))
    if text.startswith(DOCKER_SCHEME):
        image = text.removeprefix(DOCKER_SCHEME)
        if not re.fullmatch(IMAGE, image):
            raise NoImage(image)
        return ShadowChoice(provider=Provider.DOCKER, image=image)
    return ShadowChoice(provider=Provider.URL, url=parse_database_url(text))

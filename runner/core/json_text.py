"""Values as JSON that a program reads from standard output."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any

from runner.core.durations import milliseconds
from runner.core.model import RunContext

MARK = "##["  # GitHub's runner obeys `##[name]` anywhere in a line


def json_text(content: Mapping[str, Any], scrub: Callable[[str], str]) -> str:
    """The document, without anything that a terminal or a runner obeys: in ASCII, with every mark escaped."""
    return json.dumps(json_object(content, scrub), indent=2).replace(MARK, "##\\u005b")


def json_object(content: Mapping[str, Any], scrub: Callable[[str], str]) -> dict[str, Any]:
    """The same, ready for `json.dumps`. Moments are in UTC, durations in milliseconds; what is not known is None, as is
    an empty text. Texts are scrubbed before they are escaped.
    """
    return {key: _value(each, scrub) for key, each in content.items()}


def schema_url(context: RunContext, name: str) -> str:
    """Where the schema of a document lies: the file beside our pages, and not the page that shows it."""
    return f"{context.docs_url.replace('/blob/', '/raw/', 1)}/{name}"


def _value(value: Any, scrub: Callable[[str], str]) -> Any:
    match value:
        case StrEnum():  # a word of ours
            return value.value
        case str() | PurePosixPath():
            readable = str(value).encode(errors="backslashreplace").decode()  # a file's name may be no text
            return scrub(readable) or None
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        case timedelta():
            return milliseconds(value)
        case Mapping():
            return json_object(value, scrub)
        case list() | tuple():
            return [_value(each, scrub) for each in value]
        case _:  # a number, true or false, or nothing
            return value

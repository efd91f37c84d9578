"""Passwords, keys and tokens in the checkout's files, found with detect-secrets; nothing is sent anywhere.

What is none carries the library's own comments: `-- pragma: allowlist secret` at the end of its line, or
`-- pragma: allowlist nextline secret` on the line above (https://github.com/Yelp/detect-secrets#inline-allowlisting).
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from runner.core.lint import LARGEST
from runner.errors import Finding, InputError, Level

if TYPE_CHECKING:
    from detect_secrets.plugins.base import BasePlugin

KEYWORD = "KeywordDetector"
DETECTORS = (
    "AWSKeyDetector", "AzureStorageKeyDetector", "BasicAuthDetector", "DiscordBotTokenDetector", "GitHubTokenDetector",
    "GitLabTokenDetector", "JwtTokenDetector", KEYWORD, "MailchimpDetector", "NpmDetector", "OpenAIDetector",
    "PrivateKeyDetector", "PypiTokenDetector", "SendGridDetector", "SlackDetector", "SquareOAuthDetector",
    "StripeDetector", "TelegramBotTokenDetector", "TwilioKeyDetector",
)  # fmt: skip
"""Those that know a secret by its shape, and by the name before it. Entropy would report every hash of seed data; the
detectors of Artifactory, Cloudant, IBM and SoftLayer take ordinary SQL in capitals, or any long text, for a key.
"""
HARMLESS_NAMES = "hash|digest|checksum|encrypt|salt"  # password_hash, password_encryption
LOOKS_CHOSEN = re.compile(r"(?=.*[A-Za-z])(?=.*[0-9])(?!.*://)\S{7,}")  # hunter2; no word of an enum, no address
LOOKS_HASHED = re.compile(r"(?:md5|0x|\\x)?[0-9a-fA-F]{32,}|.*\$.*\$.*|\{.*\}.*")
PLACEHOLDERS = frozenset({"pass", "password", "passwd", "pwd", "secret"})  # postgres://user:password@host

BYTE_ORDER_MARK = "\ufeff"
SHORTEST = 8  # characters of a line in which a secret has room
AT_ONCE = 4096  # characters; some of the detectors' expressions are quadratic
OVERLAP = 1024  # characters, longer than a key
QUOTE = re.compile(r"['\"`]")
LONG_WORD = re.compile(r"\w{256}")  # on which the one that goes by names would take minutes


def secrets_in_files(checkout: Path, files: Sequence[PurePosixPath]) -> list[Finding]:
    """A warning for each line of these files and each kind of secret that seems to stand there; never the secret
    itself. Files over 1 MiB are not looked at. Raises InputError when a file cannot be read.
    """
    if not files:
        return []
    from detect_secrets.settings import get_plugins, transient_settings

    plugins = [{"name": name} for name in DETECTORS if name != KEYWORD]
    plugins.append({"name": KEYWORD, "keyword_exclude": HARMLESS_NAMES})
    with transient_settings({"plugins_used": plugins}):  # without the filter that would ask the network
        detectors = get_plugins()
        return [finding for path in dict.fromkeys(files) for finding in _in_file(checkout, path, detectors)]


def _in_file(checkout: Path, path: PurePosixPath, detectors: "Sequence[BasePlugin]") -> Iterator[Finding]:
    from detect_secrets.filters.allowlist import is_line_allowlisted
    from detect_secrets.util.code_snippet import get_code_snippet

    lines = _lines(checkout, path)
    for number, line in enumerate(lines, start=1):
        kinds = dict(_in_line(line, str(path), detectors)) if len(line) >= SHORTEST else {}
        if kinds and not is_line_allowlisted(str(path), line, get_code_snippet(lines, number)):
            for kind, column in kinds.items():
                yield _finding(kind, path, number, column)


def _lines(checkout: Path, path: PurePosixPath) -> list[str]:
    """As git counts them; none of a file that is too large."""
    place = checkout / path
    try:
        text = "" if place.stat().st_size > LARGEST else place.read_bytes().decode(errors="replace")
    except OSError as error:
        raise InputError(Finding(f"the file cannot be read: {error.strerror}", path=path)) from None
    return [line.removesuffix("\r") for line in text.removeprefix(BYTE_ORDER_MARK).split("\n")]


def _in_line(line: str, name: str, detectors: "Sequence[BasePlugin]") -> Iterator[tuple[str, int]]:
    """The kinds of secrets in a line, with the column of each."""
    for start in range(0, max(len(line) - OVERLAP, 1), AT_ONCE - OVERLAP):
        piece = line[start : start + AT_ONCE]
        has_names = QUOTE.search(piece) and not LONG_WORD.search(piece)
        for detector in detectors:
            by_name = type(detector).__name__ == KEYWORD
            if by_name and not has_names:
                continue
            for secret in detector.analyze_line(filename=name, line=piece):
                value = secret.secret_value or ""
                if _is_meant(value, by_name=by_name):
                    yield secret.type, start + piece.find(value) + 1


def _is_meant(value: str, *, by_name: bool) -> bool:
    """Whether it is more than a placeholder; and when only the name before it is suspect, more than a word."""
    from detect_secrets.filters import heuristic

    if heuristic.is_templated_secret(value) or value.lower() in PLACEHOLDERS:
        return False
    if not by_name:
        return True
    return bool(
        LOOKS_CHOSEN.fullmatch(value)
        and not LOOKS_HASHED.fullmatch(value)
        and not heuristic.is_potential_uuid(value)
        and not heuristic.is_sequential_string(value)
    )


def _finding(kind: str, path: PurePosixPath, line: int, column: int) -> Finding:
    what = "a password or key" if kind == "Secret Keyword" else kind
    return Finding(
        f"this looks like a secret ({what}), for all who can read the repository or the ledger",
        level=Level.WARNING,
        path=path,
        line=line,
        column=column,
        hint="take it out, and change it where it is used: git keeps it; if it is none, end the line with "
        "`-- pragma: allowlist secret`",
        rule="secret",
    )

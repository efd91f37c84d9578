"""The comment on a pull request: one for each key, kept up to date in its place.

https://docs.github.com/en/rest/issues/comments; to GitHub a pull request is an issue as well.
"""

from typing import Any

from runner.core.marked import marks_of, same_text
from runner.errors import Finding, InputError
from runner.github.answers import Purpose
from runner.github.client import GitHub

LARGEST_COMMENT = 65_536  # characters; beyond it GitHub says "Body is too long"
LARGEST_BODY = LARGEST_COMMENT - len(marks_of("").begin) - 1  # beside the hidden line
MOST_PAGES = 30  # of 100 comments; no more than 2,500 can be written under a pull request

COMMENTING = Purpose(
    "pull-requests: write",
    "comment on the pull request",
    "leave `pr-comment` out, the summary says the same; for a pull request from a fork GitHub's token only reads",
)


def put_comment(github: GitHub, *, repository: str, number: int, key: str, body: str) -> str:
    """Write the comment of `key`: into the one that is there, else a first one. Returns its URL.

    `body` has at most LARGEST_BODY characters. Nothing is sent when the comment says the same already. What others have
    written is left alone, even when it begins like ours. Raises InputError when GitHub does not do it.
    """
    mark = marks_of(key).begin
    text = f"{mark}\n{body.strip()}"
    if len(text) > LARGEST_COMMENT:
        raise InputError(
            Finding(
                f"the comment has {len(text):,} characters, and GitHub takes {LARGEST_COMMENT:,}",
                hint="have the template `pr_comment.md.j2` say less; the summary has room for 1 MiB",
            )
        )
    issues = f"{github.path_of(repository)}/issues"
    author = None if github.as_app else _id(github, github.get("/user"))

    def ours() -> Any:
        for comment in github.each(f"{issues}/{number}/comments", pages=MOST_PAGES):
            if _body(comment).startswith(mark) and _is_by(author, comment):
                return comment
        return None

    comment = ours() or github.post(f"{issues}/{number}/comments", {"body": text}, unless=ours)
    if not same_text(_body(comment), text):
        comment = github.patch(f"{issues}/comments/{_id(github, comment)}", {"body": text})
    match comment:
        case {"html_url": str(url)}:
            return url
    raise github.unusable("html_url")


def _id(github: GitHub, answer: Any) -> int:
    match answer:
        case {"id": int(number)}:
            return number
    raise github.unusable("id")


def _body(comment: Any) -> str:
    match comment:
        case {"body": str(body)}:
            return body
    return ""


def _is_by(author: int | None, comment: Any) -> bool:
    """Whether that person has written it; an app, when there is no person."""
    match comment:
        case {"user": {"id": int(number), "type": str(kind)}}:
            return kind == "Bot" if author is None else number == author
    return False

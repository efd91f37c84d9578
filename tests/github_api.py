"""A GitHub for tests: a real repository, and a server on the loopback that answers as GitHub's REST API does.

Every request is held against GitHub's own description of its API, and so is every answer that the server builds;
what does not fit fails the test. https://docs.github.com/en/rest
"""

import base64
import gzip
import json
import os
import re
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from runner.core.changes import PullRequest
from tests.openapi import CLOUD, ENTERPRISE, Description, Operation, description

REPOSITORY = "octo-org/shop"
TOKEN = "ghs_16C7e42F292c6912E7710c838347Ae178B4a"
TOKEN_OF_A_PERSON = "ghp_16C7e42F292c6912E7710c838347Ae178B4a"
BOT = {"login": "github-actions[bot]", "id": 41898282, "type": "Bot"}
PERSON = {"login": "octocat", "id": 1, "type": "User"}
ANOTHER = {"login": "hubot", "id": 2, "type": "User"}
MOVED = "/repositories/1"  # where GitHub redirects a repository's old name to
LARGEST_COMMENT, LARGEST_RELEASE = 65_536, 125_000  # characters


class Origin:
    """A repository as GitHub has it, made with git itself."""

    def __init__(self, path: Path, *options: str) -> None:
        """A new one with one empty commit on `main`. `options` are those of git init."""
        self.path = path
        path.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main", *options)
        self.git("config", "uploadpack.allowAnySHA1InWant", "true")
        self.git("config", "uploadpack.allowFilter", "true")
        self.commit()

    def git(self, *arguments: str) -> str:
        """What git says."""
        return git(self.path, *arguments)

    def commit(self, files: Mapping[str, str | Path | None] | None = None, *, on: str = "main") -> str:
        """Write files, or delete those that are None, and commit them on a branch; a Path becomes a symbolic link.
        Returns the commit.
        """
        if on != self.git("branch", "--show-current"):
            known = self.git("branch", "--list", on)
            self.git("switch", "--quiet", *([] if known else ["--create"]), on)
        for name, text in (files or {}).items():
            place = self.path / name
            if text is None:
                place.unlink()
            else:
                place.parent.mkdir(parents=True, exist_ok=True)
                if place.is_dir() and not place.is_symlink():
                    place.rmdir()
                elif place.is_symlink() or isinstance(text, Path):
                    place.unlink(missing_ok=True)
                if isinstance(text, Path):
                    place.symlink_to(text)
                else:
                    place.write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "a commit")
        return self.git("rev-parse", "HEAD")

    def branch_off(self, name: str) -> None:
        """Begin a branch at the tip of `main`."""
        self.git("branch", name, "main")

    def pull(self, head: str, *, number: int = 7, base_sha: str = "") -> PullRequest:
        """Open a pull request for a branch, with GitHub's trial merge as refs/pull/7/merge."""
        self.git("switch", "--quiet", "--detach", "main")
        self.git("merge", "--quiet", "--no-ff", "--message", "Merge", head)
        merge = self.git("rev-parse", "HEAD")
        self.git("update-ref", f"refs/pull/{number}/merge", merge)
        self.git("switch", "--quiet", "main")
        return PullRequest(
            number=number,
            repository=REPOSITORY,
            base_ref="main",
            base_sha=base_sha or self.git("rev-parse", "main"),
            head_sha=self.git("rev-parse", head),
            merge_sha=merge,
        )

    def checkout(self, place: Path, ref: str, *, depth: int = 0, filtered: str = "") -> Path:
        """What actions/checkout makes of a ref or a commit: everything with a depth of 0."""
        place.mkdir(parents=True)
        git(place, "init", "--quiet")
        git(place, "remote", "add", "origin", self.path.as_uri())
        what = ["+refs/heads/*:refs/remotes/origin/*", ref] if depth == 0 else [f"--depth={depth}", ref]
        filters = [f"--filter={filtered}"] if filtered else []
        git(place, "fetch", "--quiet", "--no-tags", *filters, "origin", *what)
        git(place, "checkout", "--quiet", "--detach", self.git("rev-parse", ref))
        return place


def git(place: Path, *arguments: str) -> str:
    """Run git in a folder, without anybody's settings."""
    done = subprocess.run(
        ["git", "-c", "user.name=Ada", "-c", "user.email=ada@example.com", *arguments],
        cwd=place,
        env={"PATH": os.environ["PATH"], "HOME": str(place), "GIT_CONFIG_NOSYSTEM": "1"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.strip()


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer; a text is sent as it is, everything else as JSON."""

    status: int = 200  # 0 hangs up instead
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)
    to: str = ""  # the method it is kept for: "POST"
    late: bool = False  # given after what was asked for has been done


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request, as it came."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def json(self) -> Any:
        """What was sent."""
        return json.loads(self.body)


@dataclass(kw_only=True)
class GitHubServer:
    """The server: `next_answers` are given before any of its own, `truncated` trees pretend to be too large."""

    url: str
    origin: Origin | None = None
    description: Description = field(repr=False)
    token: str = TOKEN
    next_answers: list[Answer] = field(default_factory=list)
    truncated: bool = False
    tags: set[str] = field(default_factory=set)
    comments: list[dict[str, Any]] = field(default_factory=list)  # the oldest first
    releases: list[dict[str, Any]] = field(default_factory=list)  # the newest first
    requests: list[Request] = field(default_factory=list)
    misfits: list[str] = field(default_factory=list)  # what GitHub's description says otherwise

    @property
    def sent(self) -> list[Request]:
        """The requests that write."""
        return [request for request in self.requests if request.method != "GET"]

    def comment(self, body: str, by: Mapping[str, object]) -> dict[str, Any]:
        """Somebody writes a comment."""
        operation = self._operation("POST", "/issues/7/comments")
        number = len(self.comments) + 1
        entry: dict[str, Any] = self.description.example(operation, 201)
        entry |= {
            "id": number,
            "body": body,
            "html_url": f"https://github.com/{REPOSITORY}/pull/7#issuecomment-{number}",
        }
        entry["user"] |= by
        self.comments.append(entry)
        return entry

    def release(self, tag: str, body: str | None, *, draft: bool = False, **more: object) -> dict[str, Any]:
        """Somebody makes a release."""
        number = len(self.releases) + 1
        place = f"untagged-{number}" if draft else quote(tag)
        entry: dict[str, Any] = self.description.example(self._operation("POST", "/releases"), 201)
        entry |= {
            "id": number,
            "tag_name": tag,
            "name": tag,
            "body": body,
            "draft": draft,
            "html_url": f"https://github.com/{REPOSITORY}/releases/tag/{place}",
            **more,
        }
        self.releases.insert(0, entry)
        return entry

    def answer(self, request: Request) -> Answer:
        """What GitHub would say."""
        operation = self.description.operation(request.method, request.path)
        if operation is None:
            return self._misfit(request, "there is no such operation")
        content_type = request.headers.get("content-type", "")
        wrong = self.description.wrong_request(operation, request.query, content_type, request.body)
        if wrong:
            return self._misfit(request, *wrong)
        for planned in self.next_answers:
            if planned.to in ("", request.method):
                self.next_answers.remove(planned)
                if planned.late:
                    self._own_answer(operation, request)
                return planned
        return self._own_answer(operation, request)

    def _own_answer(self, operation: Operation, request: Request) -> Answer:
        answer = self._built(operation, request)
        wrong = self.description.wrong_answer(operation, answer.status, answer.body)
        return self._misfit(request, *(f"the answer {answer.status}: {each}" for each in wrong)) if wrong else answer

    def _misfit(self, request: Request, *wrong: str) -> Answer:
        self.misfits += [f"{request.method} {request.path}: {each}" for each in wrong]
        return Answer(status=400, body={"message": "; ".join(wrong)})

    def _built(self, operation: Operation, request: Request) -> Answer:
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return _refusal(401, "Bad credentials")
        path = request.path.removeprefix(f"/repos/{REPOSITORY}")
        for method, shape, build in self._routes():
            if method == request.method and (match := re.fullmatch(shape, path)):
                try:
                    return build(operation, request, *match.groups())
                except subprocess.CalledProcessError:
                    break
        return _refusal(404, "Not Found")

    def _routes(self) -> Iterator[tuple[str, str, Callable[..., Answer]]]:
        yield "GET", r"/git/ref/(heads/.+|tags/.+)", self._reference
        yield "GET", r"/compare/([0-9a-f]{40})\.\.\.([0-9a-f]{40})", self._comparison
        yield "GET", r"/git/trees/([0-9a-f]{40})", self._tree
        yield "GET", r"/git/blobs/([0-9a-f]{40})", self._blob
        yield "GET", r"/user", self._user
        yield "GET", r"/issues/7/comments", lambda _, request: self._page(request, self.comments)
        yield "POST", r"/issues/7/comments", self._create_comment
        yield "PATCH", r"/issues/comments/(\d+)", self._edit_comment
        yield "GET", r"/releases", lambda _, request: self._page(request, self.releases)
        yield "POST", r"/releases", self._create_release
        yield "GET", r"/releases/tags/(.+)", self._release_of_tag
        yield "PATCH", r"/releases/(\d+)", self._edit_release

    @property
    def _origin(self) -> Origin:
        assert self.origin
        return self.origin

    @property
    def _author(self) -> Mapping[str, object]:
        return BOT if self.token.startswith("ghs_") else PERSON

    def _operation(self, method: str, path: str) -> Operation:
        operation = self.description.operation(method, f"/repos/{REPOSITORY}{path}")
        assert operation
        return operation

    def _like_the_example(self, operation: Operation, **ours: object) -> Answer:
        return Answer(body=self.description.example(operation, 200) | ours)

    def _reference(self, operation: Operation, _: Request, ref: str) -> Answer:
        if ref.removeprefix("tags/") in self.tags:
            return self._like_the_example(operation, ref=f"refs/{ref}")
        if self.origin is None:
            return _refusal(404, "Not Found")
        sha = self._origin.git("rev-parse", "--verify", "--quiet", f"refs/{ref}")
        target = {"type": "commit", "sha": sha, "url": f"{self.url}/repos/{REPOSITORY}/git/commits/{sha}"}
        return self._like_the_example(operation, ref=f"refs/{ref}", object=target)

    def _comparison(self, operation: Operation, _: Request, base: str, head: str) -> Answer:
        example = self.description.example(operation, 200)
        merge_base = example["merge_base_commit"] | {"sha": self._origin.git("merge-base", base, head)}
        return Answer(
            body=example | {"status": "diverged", "merge_base_commit": merge_base, "commits": [], "files": []}
        )

    def _tree(self, _: Operation, __: Request, sha: str) -> Answer:
        entries = []
        for line in self._origin.git("ls-tree", "-z", sha).split("\0"):
            if line:
                about, path = line.split("\t")
                mode, kind, blob = about.split()
                entries.append({"path": path, "mode": mode, "type": kind, "sha": blob})
        return Answer(body={"sha": sha, "tree": entries, "truncated": self.truncated})

    def _blob(self, operation: Operation, _: Request, sha: str) -> Answer:
        data = self._origin.git("cat-file", "blob", sha).encode()
        content = base64.encodebytes(data).decode()
        return self._like_the_example(operation, sha=sha, size=len(data), encoding="base64", content=content)

    def _user(self, operation: Operation, _: Request) -> Answer:
        if self._author is BOT:
            return _refusal(403, "Resource not accessible by integration")
        return self._like_the_example(operation, **self._author)

    def _page(self, request: Request, entries: list[dict[str, Any]]) -> Answer:
        asked = {name: int(value) for name, (value,) in parse_qs(request.query).items()}
        size, page = min(asked.get("per_page", 30), 100), asked.get("page", 1)
        more = len(entries) > page * size
        following = f"{self.url}{MOVED}/somewhere?per_page={size}&page={page + 1}"
        headers = {"Link": f'<{following}>; rel="next", <{following}>; rel="last"'} if more else {}
        return Answer(body=entries[(page - 1) * size : page * size], headers=headers)

    def _create_comment(self, _: Operation, request: Request) -> Answer:
        if len(request.json["body"]) > LARGEST_COMMENT:
            return _invalid("IssueComment", "body", "unprocessable", f"Body is too long (maximum is {LARGEST_COMMENT})")
        return Answer(status=201, body=self.comment(request.json["body"], self._author))

    def _edit_comment(self, _: Operation, request: Request, number: str) -> Answer:
        return _edited(self.comments, number, request.json)

    def _release_of_tag(self, _: Operation, __: Request, tag: str) -> Answer:
        found = [entry for entry in self.releases if entry["tag_name"] == tag and not entry["draft"]]
        return Answer(body=found[0]) if found else _refusal(404, "Not Found")

    def _create_release(self, _: Operation, request: Request) -> Answer:
        asked = {"body": None} | request.json
        asked.pop("make_latest", None)
        tag = asked.pop("tag_name")
        if any(entry["tag_name"] == tag and not entry["draft"] for entry in self.releases):
            return _invalid("Release", "tag_name", "already_exists", "")
        if len(asked["body"] or "") > LARGEST_RELEASE:
            return _invalid("Release", "body", "custom", f"body is too long (maximum is {LARGEST_RELEASE} characters)")
        return Answer(status=201, body=self.release(tag, **asked))

    def _edit_release(self, _: Operation, request: Request, number: str) -> Answer:
        return _edited(self.releases, number, request.json)


def _edited(entries: list[dict[str, Any]], number: str, changes: Mapping[str, object]) -> Answer:
    for entry in entries:
        if entry["id"] == int(number):
            entry.update(changes)
            return Answer(body=entry)
    return _refusal(404, "Not Found")


def _refusal(status: int, message: str) -> Answer:
    about = "https://docs.github.com/rest"
    return Answer(status=status, body={"message": message, "documentation_url": about, "status": str(status)})


def _invalid(resource: str, name: str, code: str, message: str) -> Answer:
    error = {"resource": resource, "field": name, "code": code} | ({"message": message} if message else {})
    answer = _refusal(422, "Validation Failed")
    assert isinstance(answer.body, dict)
    return Answer(status=422, body=answer.body | {"errors": [error]})


@contextmanager
def github_server(origin: Origin | None = None, *, enterprise: bool = False) -> Iterator[GitHubServer]:
    """A server for the length of a test: github.com, or one of a company's own, whose API has a path of its own."""
    base = "/api/v3" if enterprise else ""

    class Handler(BaseHTTPRequestHandler):
        def serve(self) -> None:
            address = urlsplit(self.path)
            path = unquote(address.path)
            path = path.removeprefix(base) if path.startswith(base) else f"outside of {base}: {path}"
            request = Request(
                method=self.command,
                path=f"/repos/{REPOSITORY}{path.removeprefix(MOVED)}" if path.startswith(MOVED) else path,
                query=address.query,
                headers={name.lower(): value for name, value in self.headers.items()},
                body=self.rfile.read(int(self.headers.get("Content-Length") or 0)),
            )
            github.requests.append(request)
            answer = github.answer(request)
            if not answer.status:
                self.close_connection = True
                return
            body = (answer.body if isinstance(answer.body, str) else json.dumps(answer.body)).encode()
            headers = {"Content-Type": "application/json"} | dict(answer.headers)
            if "gzip" in request.headers.get("accept-encoding", ""):
                body, headers["Content-Encoding"] = gzip.compress(body, 1), "gzip"
            self.send_response(answer.status)
            for name, value in (headers | {"Content-Length": str(len(body))}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PATCH = serve  # noqa: N815 - the names are the library's

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the library's
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        github = GitHubServer(
            url=f"http://127.0.0.1:{server.server_port}{base}",
            origin=origin,
            description=description(ENTERPRISE if enterprise else CLOUD),
        )
        try:
            yield github
        finally:
            server.shutdown()
            thread.join()
        assert not github.misfits, "\n".join(github.misfits)

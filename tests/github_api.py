"""A GitHub for tests: a real repository, and a server on the loopback that answers as GitHub's REST API does.

https://docs.github.com/en/rest/git/trees, https://docs.github.com/en/rest/git/blobs,
https://docs.github.com/en/rest/commits/commits#compare-two-commits and
https://docs.github.com/en/rest/git/refs#get-a-reference
"""

import base64
import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

from runner.core.changes import PullRequest

REPOSITORY = "octo-org/shop"
TOKEN = "ghs_16C7e42F292c6912E7710c838347Ae178B4a"


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

    status: int = 200
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request, as it came."""

    path: str
    query: str
    headers: Mapping[str, str]


@dataclass(kw_only=True)
class GitHubServer:
    """The server: `next_answers` are given before any of its own, `truncated` trees pretend to be too large."""

    url: str
    origin: Origin | None = None
    token: str = TOKEN
    next_answers: list[Answer] = field(default_factory=list)
    truncated: bool = False
    requests: list[Request] = field(default_factory=list)

    def answer(self, request: Request) -> Answer:
        """What GitHub would say."""
        if self.next_answers:
            return self.next_answers.pop(0)
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return Answer(status=401, body={"message": "Bad credentials", "status": "401"})
        prefix = f"/repos/{REPOSITORY}/"
        for shape, method in (
            (r"git/ref/heads/(.+)", self._reference),
            (r"compare/([0-9a-f]{40})\.\.\.([0-9a-f]{40})", self._comparison),
            (r"git/trees/([0-9a-f]{40})", self._tree),
            (r"git/blobs/([0-9a-f]{40})", self._blob),
        ):
            if match := re.fullmatch(re.escape(prefix) + shape, request.path):
                try:
                    return Answer(body=method(*match.groups()))
                except subprocess.CalledProcessError:
                    break
        return Answer(status=404, body={"message": "Not Found", "status": "404"})

    @property
    def _origin(self) -> Origin:
        assert self.origin
        return self.origin

    def _reference(self, branch: str) -> object:
        sha = self._origin.git("rev-parse", "--verify", "--quiet", f"refs/heads/{branch}")
        return {"ref": f"refs/heads/{branch}", "object": {"type": "commit", "sha": sha}}

    def _comparison(self, base: str, head: str) -> object:
        sha = self._origin.git("merge-base", base, head)
        return {"status": "diverged", "merge_base_commit": {"sha": sha}, "commits": [], "files": []}

    def _tree(self, sha: str) -> object:
        entries = []
        for line in self._origin.git("ls-tree", "-z", sha).split("\0"):
            if line:
                about, path = line.split("\t")
                mode, kind, blob = about.split()
                entries.append({"path": path, "mode": mode, "type": kind, "sha": blob})
        return {"sha": sha, "tree": entries, "truncated": self.truncated}

    def _blob(self, sha: str) -> object:
        text = self._origin.git("cat-file", "blob", sha)
        return {"sha": sha, "encoding": "base64", "content": base64.encodebytes(text.encode()).decode()}


@contextmanager
def github_server(origin: Origin | None = None) -> Iterator[GitHubServer]:
    """A server for the length of a test."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            address = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(path=unquote(address.path), query=address.query, headers=headers)
            github.requests.append(request)
            answer = github.answer(request)
            body = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
            self.send_response(answer.status)
            for name, value in ({"Content-Type": "application/json"} | dict(answer.headers)).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the library's
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        github = GitHubServer(url=f"http://127.0.0.1:{server.server_port}", origin=origin)
        try:
            yield github
        finally:
            server.shutdown()
            thread.join()

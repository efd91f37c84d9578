"""What is answered: JSON, and what went wrong as problem+json.

https://www.rfc-editor.org/rfc/rfc9457
"""

import json
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from runner.api.database import InProduction
from runner.errors import DatabaseUnusable, Finding, RunnerError

MEDIA_TYPE = "application/problem+json"
WORDS = {
    HTTPStatus.NOT_FOUND: "there is nothing under this path",
    HTTPStatus.METHOD_NOT_ALLOWED: "this path does not know the method; `Allow` names those that it knows",
}


class Json(JSONResponse):
    """In ASCII: what a client has sent and gets back may be no text."""

    def render(self, content: Any) -> bytes:
        """The document on one line."""
        return json.dumps(content, separators=(",", ":")).encode()


class Problem(Exception):
    """Ends a request. `detail` is one sentence for people; `members` are for programs."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        findings: Sequence[Finding] = (),
        **members: Any,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers, self.members = status, detail, headers, members
        self.findings = findings

    @classmethod
    def of(cls, error: RunnerError) -> "Problem":
        """What the command line would tell with an exit code."""
        unusable = isinstance(error, DatabaseUnusable)
        status = HTTPStatus.SERVICE_UNAVAILABLE if unusable else HTTPStatus.CONFLICT
        return cls(status, str(error.findings[0]), findings=error.findings, exitCode=error.exit_code)

    def response(self, scrub: Callable[[str], str]) -> Response:
        """The answer, without secrets."""
        content = {
            "type": "about:blank",  # the status says it all: https://www.rfc-editor.org/rfc/rfc9457#section-4.2.1
            "title": self.status.phrase,
            "status": self.status.value,
            "detail": scrub(self.detail),
            **self.members,
        }
        if self.findings:
            content["findings"] = [_finding(finding.scrubbed(scrub)) for finding in self.findings]
        return Json(content, status_code=self.status, headers=self.headers, media_type=MEDIA_TYPE)


def _finding(finding: Finding) -> dict[str, Any]:
    """With the keys of the report (docs/report.schema.json): what is not known is null."""
    return {
        "level": finding.level,
        "message": finding.message,
        "path": str(finding.path) if finding.path else None,
        "line": finding.line,
        "column": finding.column,
        "rule": finding.rule or None,
        "url": finding.url or None,
        "sqlstate": finding.sqlstate or None,
        "hint": finding.hint or None,
        "detail": finding.detail or None,
    }


def handlers(scrub: Callable[[str], str]) -> dict[Any, Any]:
    """What makes an answer of an exception."""

    def of_problem(_: Request, problem: Problem) -> Response:
        return problem.response(scrub)

    def of_run(_: Request, error: RunnerError) -> Response:
        return Problem.of(error).response(scrub)

    def of_production(_: Request, __: InProduction) -> None:
        """Nothing: the guard says what it says wherever there is nothing."""

    def of_http(_: Request, error: HTTPException) -> Response:
        status = HTTPStatus(error.status_code)
        return Problem(status, WORDS.get(status, status.description), headers=error.headers).response(scrub)

    return {Problem: of_problem, RunnerError: of_run, InProduction: of_production, HTTPException: of_http}

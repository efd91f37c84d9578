"""The description of the API, docs/openapi.json.

https://spec.openapis.org/oas/v3.1.0
"""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from runner import __version__
from runner.api.answers import MEDIA_TYPE as PROBLEM
from runner.api.events import MEDIA_TYPE as EVENTS
from runner.api.log import Kind
from runner.api.requests import JSON, LARGEST_BODY, LONGEST_WAIT
from runner.core.model import DOCS_URL, StageState
from runner.errors import Level, Outcome

Object = dict[str, Any]

RAW = DOCS_URL.replace("/blob/", "/raw/", 1)
MOMENT: Object = {"type": "string", "format": "date-time"}
COUNT: Object = {"type": "integer", "minimum": 0}
CHALLENGE: Object = {"schema": {"type": "string"}, "description": "`Bearer`, as RFC 6750 says."}
RETRY_AFTER: Object = {"schema": {"type": "integer", "minimum": 1}, "description": "Seconds to wait."}
LOCATION: Object = {"schema": {"type": "string", "format": "uri-reference"}, "description": "Of the run."}
WHEN = {
    HTTPStatus.BAD_REQUEST: "The body is not JSON, or names a field twice.",
    HTTPStatus.UNAUTHORIZED: "The token is missing or wrong.",
    HTTPStatus.NOT_FOUND: "There is nothing under this path. In production there is nothing under any path.",
    HTTPStatus.REQUEST_TIMEOUT: "The body did not arrive in time.",
    HTTPStatus.CONFLICT: "A run is under way, here or in another process; or files or ledger are not as they must be.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: f"The body has more than {LARGEST_BODY} bytes.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: f"The body is not {JSON}.",
    HTTPStatus.UNPROCESSABLE_ENTITY: "The body is JSON, but not what this path takes.",
    HTTPStatus.TOO_MANY_REQUESTS: "Too many requests, or too many streams of events.",
    HTTPStatus.SERVICE_UNAVAILABLE: "The database cannot be reached or used, or has not told yet whose it is; or the "
    "server is about to end, or has too many connections.",
}
ALWAYS = (
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
OF_A_BODY = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)
STREAM = (
    "`stage` tells how a stage has ended, `step` how a migration has; `log` has a line of the log, for "
    "people. `gap` counts events that are no longer kept. `end` has the run with its report, and is the last. Each but "
    "`gap` has a number as its `id`: a client that comes again with `Last-Event-ID` gets what it has missed."
)


def description_json() -> str:
    """The file beside the pages."""
    return json.dumps(description("/"), indent=2, ensure_ascii=False) + "\n"


def description(root: str) -> Mapping[str, Any]:
    """The description of an application that is mounted under `root`."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "db-migrate",
            "version": __version__,
            "description": "Where a database stands, and runs of its migrations. Not in production.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "externalDocs": {"url": f"{DOCS_URL}/api.md"},
        "servers": [{"url": root}],
        "security": [{"token": []}],
        "paths": {
            "/api/migrations": {"get": _status(), "post": _start()},
            "/api/migrations/runs/{id}": {"parameters": [_identifier()], "get": _run()},
            "/api/migrations/runs/{id}/events": {"parameters": [_identifier()], "get": _events()},
            "/api/openapi.json": {"get": _openapi()},
        },
        "components": {
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "`INTERNAL_ADMIN_TOKEN` of the server."}
            },
            "schemas": {
                "Wanted": _wanted_schema(),
                "Standing": _standing_schema(),
                "BriefRun": _run_schema(report=False),
                "Run": _run_schema(report=True),
                "Event": _event_schema(),
                "Stage": _stage_schema(),
                "Step": _step_schema(),
                "Problem": _problem_schema(),
                "Finding": _finding_schema(),
            },
        },
    }


def _status() -> Object:
    return {
        "operationId": "getStatus",
        "summary": "Where the database stands, and the run under way or the last one.",
        "responses": {"200": _json("Both.", _ref("Standing")), **_problems(*ALWAYS, HTTPStatus.CONFLICT)},
    }


def _start() -> Object:
    headers = {"Location": LOCATION, "Preference-Applied": {"schema": {"type": "string"}}}
    links = {
        "run": {"operationId": "getRun", "parameters": {"id": "$response.body#/id"}},
        "events": {"operationId": "getEvents", "parameters": {"id": "$response.body#/id"}},
    }
    return {
        "operationId": "startRun",
        "summary": "Start a run; a dry run, unless `dryRun` is false.",
        "parameters": [
            {
                "name": "Prefer",
                "in": "header",
                "description": f"`wait=30` answers when the run has ended, or after so many seconds, at most "
                f"{LONGEST_WAIT}. https://www.rfc-editor.org/rfc/rfc7240#section-4.3",
                "schema": {"type": "string"},
            }
        ],
        "requestBody": {"required": False, "content": {JSON: {"schema": _ref("Wanted")}}},
        "responses": {
            "200": _json("It has ended, well or not, while the client waited.", _ref("Run"), headers, links),
            "202": _json("It goes on.", _ref("Run"), headers, links),
            **_problems(*ALWAYS, HTTPStatus.CONFLICT, *OF_A_BODY),
        },
    }


def _run() -> Object:
    return {
        "operationId": "getRun",
        "summary": "A run, with its report once it has ended. The last ten are remembered.",
        "responses": {"200": _json("The run.", _ref("Run")), **_problems(*ALWAYS)},
    }


def _events() -> Object:
    return {
        "operationId": "getEvents",
        "summary": "A run as it goes on, as server-sent events.",
        "parameters": [
            {
                "name": "Last-Event-ID",
                "in": "header",
                "description": "The `id` of the last event that was seen; anything else means none.",
                "schema": {"type": "string"},
            }
        ],
        "responses": {
            "200": {"description": STREAM, "content": {EVENTS: {"schema": _ref("Event")}}},
            "204": {"description": "All events were seen."},
            **_problems(*ALWAYS),
        },
    }


def _openapi() -> Object:
    schema = {"type": "object"}
    return {
        "operationId": "getDescription",
        "summary": "This description.",
        "responses": {"200": _json("The description.", schema), **_problems(*ALWAYS)},
    }


def _identifier() -> Object:
    return {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}, "description": "Of the run."}


def _json(text: str, schema: Object, headers: Object | None = None, links: Object | None = None) -> Object:
    more = {"headers": headers} if headers else {}
    more |= {"links": links} if links else {}
    return {"description": text, "content": {JSON: {"schema": schema}}, **more}


def _problems(*statuses: HTTPStatus) -> Object:
    headers = {
        HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": CHALLENGE},
        HTTPStatus.TOO_MANY_REQUESTS: {"Retry-After": RETRY_AFTER},
    }
    return {
        str(status.value): {
            "description": WHEN[status],
            "content": {PROBLEM: {"schema": _ref("Problem")}},
            **({"headers": headers[status]} if status in headers else {}),
        }
        for status in sorted(statuses)
    }


def _ref(name: str) -> Object:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(properties: Object, *, required: list[str] | None = None, more: bool = False) -> Object:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties) if required is None else required,
        **({} if more else {"additionalProperties": False}),
    }


def _or_null(schema: Object) -> Object:
    return {"anyOf": [schema, {"type": "null"}]}


def _wanted_schema() -> Object:
    about = "`false` applies the pending migrations. `true` tries them, as `dry-run-mode` says, and changes nothing."
    return _object({"dryRun": {"type": "boolean", "default": True, "description": about}}, required=[])


def _standing_schema() -> Object:
    status = {"type": "object", "description": f"As `db-migrate status --json`: {RAW}/status.schema.json"}
    return _object({"status": status, "run": _or_null(_ref("BriefRun"))})


def _run_schema(*, report: bool) -> Object:
    properties: Object = {
        "id": {"type": "string", "format": "uuid"},
        "dryRun": {"type": "boolean"},
        "state": {"enum": ["running", "ended"]},
        "startedAt": MOMENT,
        "endedAt": _or_null(MOMENT),
        "exitCode": _or_null({"type": "integer", "description": f"{DOCS_URL}/exit-codes.md"}),
        "outcome": {"enum": [*Outcome, None]},
        "url": {"type": "string", "format": "uri-reference"},
        "events": {"type": "string", "format": "uri-reference"},
    }
    if report:
        about = f"{RAW}/report.schema.json; null before the end, and where the run did not come to write it."
        properties["report"] = _or_null({"type": "object", "description": about})
    return _object(properties)


def _event_schema() -> Object:
    """Each of the stream; OpenAPI 3.1 has no word for that."""
    data = {
        Kind.LOG: _object({"line": {"type": "string"}}),
        Kind.STAGE: _ref("Stage"),
        Kind.STEP: _ref("Step"),
        Kind.GAP: _object({"events": {"type": "integer", "minimum": 1}}),
        Kind.END: _ref("Run"),
    }
    return {"oneOf": [_sent(kind, schema) for kind, schema in data.items()]}


def _sent(kind: Kind, schema: Object) -> Object:
    about = "A JSON object, on one line."
    data = {"type": "string", "contentMediaType": JSON, "contentSchema": schema, "description": about}
    return _object({"id": {"type": "string"}, "event": {"const": kind}, "data": data}, required=["event", "data"])


def _stage_schema() -> Object:
    note = {"type": ["string", "null"], "description": "What it found."}
    state = {"enum": list(StageState)}
    return _object({"name": {"type": "string"}, "state": state, "note": note, "duration_ms": COUNT})


def _step_schema() -> Object:
    return _object(
        {
            "version": {"type": "string"},
            "path": {"type": "string", "description": "Of the file, in the checkout."},
            "state": {"enum": ["completed", "failed", "undone"]},
            "duration_ms": COUNT,
            "statements": COUNT,
            "statements_done": COUNT,
        }
    )


def _problem_schema() -> Object:
    text = {"type": "string"}
    properties: Object = {
        "type": text,
        "title": text,
        "status": {"type": "integer"},
        "detail": text,
        "errors": {"type": "array", "items": _object({"pointer": text, "detail": text})},
        "findings": {"type": "array", "items": _ref("Finding")},
        "exitCode": {"type": "integer"},
        "run": _ref("BriefRun"),
    }
    return _object(properties, required=["type", "title", "status", "detail"], more=True)


def _finding_schema() -> Object:
    text, number = {"type": ["string", "null"]}, {"type": ["integer", "null"]}
    return _object(
        {
            "level": {"enum": list(Level)},
            "message": {"type": "string"},
            "path": text,
            "line": number,
            "column": number,
            "rule": text,
            "url": text,
            "sqlstate": text,
            "hint": text,
            "detail": text,
        }
    )

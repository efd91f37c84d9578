"""GitHub's own description of its REST API, and whether a request and an answer are as it says.

https://github.com/github/rest-api-description, from npm's @octokit/openapi. It is OpenAPI 3.0, whose schemas are those
of JSON Schema's draft 4 with one word more: `nullable`.
"""

import copy
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from jsonschema import Draft4Validator, validators  # type: ignore[import-untyped]
from referencing import Registry, Specification

GENERATED = Path(__file__).parent / "node/node_modules/@octokit/openapi/generated"
CLOUD, ENTERPRISE = "api.github.com", "ghes-3.19"
JSON = "application/json"
EVERYWHERE = {401, 403, 404, 429}  # answers that any operation may give, whether it says so or not
URN = "urn:github"


def _or_null(rule: Callable[..., Any]) -> Callable[..., Iterator[Any]]:
    def checked(validator: Any, value: Any, instance: Any, schema: Mapping[str, Any]) -> Iterator[Any]:
        if instance is not None or not schema.get("nullable"):
            yield from rule(validator, value, instance, schema) or ()

    return checked


Validator = validators.extend(
    Draft4Validator, {word: _or_null(rule) for word, rule in Draft4Validator.VALIDATORS.items() if word != "$ref"}
)


@dataclass(frozen=True)
class Operation:
    """One thing that can be asked: a method and a path with its parameters, `/repos/{owner}/{repo}/releases`."""

    method: str
    template: str
    about: Mapping[str, Any]


class Description:
    """The API of github.com, or of a server of one's own."""

    def __init__(self, name: str) -> None:
        file = GENERATED / f"{name}.json"
        assert file.exists(), f"{file} is missing: run `make test`, which installs what the tests ask in GitHub's place"
        self._contents: Mapping[str, Any] = json.loads(file.read_bytes())
        self._registry: Registry[Any] = Registry().with_resource(
            URN, Specification.OPAQUE.create_resource(self._contents)
        )

    def operation(self, method: str, path: str) -> Operation | None:
        """What a request asks for; of several the one with the fewest parameters. None when it is nothing at all."""
        found = [
            Operation(method, template, methods[method.lower()])
            for template, methods in self._contents["paths"].items()
            if method.lower() in methods and self._fits(template, methods[method.lower()], path)
        ]
        return min(found, key=lambda operation: operation.template.count("{"), default=None)

    def _fits(self, template: str, about: Mapping[str, Any], path: str) -> bool:
        for expected, part in zip_longest(template.split("/"), path.split("/")):
            if expected is None:  # the last parameter of some paths has slashes of its own: a branch, a tag
                return any(each.get("x-multi-segment") for each in self._parameters(about))
            if not part if expected.startswith("{") else part != expected:
                return False
        return True

    def _parameters(self, about: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        return [self._resolved(each) for each in about.get("parameters", [])]

    def _resolved(self, value: Mapping[str, Any]) -> Mapping[str, Any]:
        return self._at(value["$ref"]) if "$ref" in value else value

    def _at(self, pointer: str) -> Mapping[str, Any]:
        place: Any = self._contents
        for part in pointer.removeprefix("#/").split("/"):
            place = place[part]
        return place  # type: ignore[no-any-return]

    def wrong_request(self, operation: Operation, query: str, content_type: str, body: bytes) -> list[str]:
        """What is wrong with a request. What the operation does not know is, too: GitHub would pass over it."""
        known = {each["name"]: each for each in self._parameters(operation.about) if each["in"] == "query"}
        problems = []
        for name, text in parse_qsl(query, keep_blank_values=True):
            if name not in known:
                problems.append(f"it has no query parameter {name}")
            elif known[name]["schema"].get("type") == "integer" and not text.isdecimal():
                problems.append(f"{name} is a number, not {text!r}")
        if "requestBody" not in operation.about:
            return [*problems, *(["it takes no body"] if body else [])]
        if content_type != JSON:
            return [*problems, f"its body is JSON, not {content_type or 'of no type'}"]
        sent, schema = json.loads(body), operation.about["requestBody"]["content"][JSON]["schema"]
        place = f"{_pointer(operation)}/requestBody/content/application~1json/schema"
        unknown = sorted(sent.keys() - schema["properties"].keys())
        return [*problems, *(f"it has no {name}" for name in unknown), *self._invalid(place, sent)]

    def wrong_answer(self, operation: Operation, status: int, body: object) -> list[str]:
        """What is wrong with an answer."""
        response = operation.about["responses"].get(str(status))
        if response is None:
            known = status in EVERYWHERE
            return self._invalid("#/components/schemas/basic-error", body) if known else [f"it never answers {status}"]
        place = response.get("$ref", f"{_pointer(operation)}/responses/{status}")
        return self._invalid(f"{place}/content/application~1json/schema", body)

    def _invalid(self, place: str, value: object) -> list[str]:
        validator = Validator({"$ref": URN + place}, registry=self._registry)
        return [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(value)]

    def example(self, operation: Operation, status: int) -> Any:
        """GitHub's own example of an answer."""
        response = self._resolved(operation.about["responses"][str(status)])
        examples = response["content"][JSON]["examples"]
        return copy.deepcopy(self._resolved(next(iter(examples.values())))["value"])


def _pointer(operation: Operation) -> str:
    return f"#/paths/{operation.template.replace('/', '~1')}/{operation.method.lower()}"


@cache
def description(name: str) -> Description:
    """Read once; the file has more than ten megabytes."""
    return Description(name)

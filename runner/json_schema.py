"""The schema of db-migrate.yml for editors, made of the inputs themselves; docs/db-migrate.schema.json is its text.

https://json-schema.org/draft/2020-12
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from runner.config_file import ENVIRONMENTS, KEYS, LOCKED, ONLY_AT_THE_TOP
from runner.core.durations import UNITS
from runner.inputs import BY_NAME, ENVIRONMENT, NEARLY_PRODUCTION, Input

DIALECT = "https://json-schema.org/draft/2020-12/schema"
NAME = {
    "type": "string",
    "pattern": f"^{ENVIRONMENT.pattern}$",
    "not": {"pattern": f"^(?:{NEARLY_PRODUCTION.pattern})$"},
}
SPECIFIC: Mapping[str, Mapping[str, object]] = {"environment": NAME}


def config_schema() -> str:
    """The schema as text, with a line break at its end."""
    inside = [name for name in KEYS if name not in ONLY_AT_THE_TOP]
    schema = {
        "$schema": DIALECT,
        "title": "db-migrate.yml",
        "description": "Values for the inputs of db-migrate-action, for all environments and for each.",
        **_keys(KEYS),
        "$defs": {name: _value(BY_NAME[name]) for name in KEYS},
    }
    schema["properties"][ENVIRONMENTS] = {
        "description": "What is said here of an environment comes before the top level.",
        "type": "object",
        "propertyNames": NAME,
        "additionalProperties": _keys(inside),
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _keys(names: Iterable[str]) -> dict[str, Any]:
    """An object that has these inputs, and the list of those that are locked."""
    names = list(names)
    locked = {
        "description": "Inputs that only this file sets: another value from elsewhere is refused.",
        "type": "array",
        "minItems": 1,
        "items": {"enum": names},
    }
    properties: dict[str, Any] = {name: {"$ref": f"#/$defs/{name}"} for name in names} | {LOCKED: locked}
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _value(known: Input) -> dict[str, object]:
    text: dict[str, object] = {"type": "string", "minLength": 1}
    form: Mapping[str, object] = SPECIFIC.get(known.name, text)
    if known.choices:
        form = {"enum": list(known.choices)}
    elif known.flag:
        form = {"type": "boolean"}
    elif known.most is not None:
        form = {"type": "integer", "minimum": 0, "maximum": known.most}
    elif known.duration:
        form = {"type": ["string", "integer"], "minimum": 0, "pattern": rf"^[0-9]{{1,9}}\s*({'|'.join(UNITS)})?$"}
    elif known.several:
        form = {"type": ["string", "array"], "minLength": 1, "minItems": 1, "items": text}
    return {"description": known.description, **form}

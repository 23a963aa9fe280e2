"""A tool's JSON schema as a typed model, and the schema's own check. What a server says of itself is data."""

from __future__ import annotations

from typing import Any

import jsonschema  # type: ignore[import-untyped]
import referencing
import referencing.exceptions
from pydantic import BaseModel, ConfigDict, Field, create_model, model_validator

from connectors.base import Arguments
from connectors.errors import Malformed, Rejected
from connectors.model import JsonObject

_TYPES: dict[str, Any] = {
    "string": str,
    "integer": int,
    "number": float,
    "boolean": bool,
    "array": list[Any],
    "object": dict[str, Any],
}


class Given(Arguments):
    """Arguments of a tool whose schema is not known yet: kept as they are, and checked when it is."""

    given: JsonObject = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _whole(cls, data: Any) -> Any:
        return {"given": data} if isinstance(data, dict) else data


class Known:
    """The schema of one tool, able to judge arguments. References to other documents are never followed."""

    def __init__(self, schema: Any, *, name: str) -> None:
        self.schema: JsonObject = {"additionalProperties": False, **(schema if isinstance(schema, dict) else {})}
        try:
            jsonschema.Draft202012Validator.check_schema(self.schema)
        except jsonschema.SchemaError as error:
            raise Malformed(f"{name} describes a tool with a schema that is none.") from error
        self._validator = jsonschema.Draft202012Validator(self.schema, registry=referencing.Registry())

    def check(self, values: JsonObject) -> None:
        """Rejected with the first thing that is wrong."""
        try:
            error = next(iter(self._validator.iter_errors(values)), None)
        except (referencing.exceptions.Unresolvable, RecursionError) as unresolved:
            raise Rejected("The tool's schema points elsewhere, and other documents are not read.") from unresolved
        if error is not None:
            where = ".".join(str(part) for part in error.path) or "arguments"
            raise Rejected(f"{where}: does not fit the tool's schema ({error.validator}).")


def model_of(name: str, schema: JsonObject) -> type[BaseModel]:
    """A model with the schema's top-level properties; what lies deeper is judged by the schema itself."""
    properties = schema.get("properties")
    required = schema.get("required")
    needed = set(map(str, required)) if isinstance(required, list) else set()
    fields: dict[str, Any] = {}
    for key, about in (properties if isinstance(properties, dict) else {}).items():
        known = about if isinstance(about, dict) else {}
        kind = _TYPES.get(str(known.get("type")), Any)
        words = str(known.get("description") or "")[:300] or None
        fields[key] = (
            (kind, Field(description=words)) if key in needed else (kind, Field(default=None, description=words))
        )
    title = "".join(part.title() for part in name.split("_"))
    config = ConfigDict(frozen=True, extra="forbid", str_max_length=32_768, protected_namespaces=())
    made: type[BaseModel] = create_model(f"{title}Arguments", __config__=config, **fields)
    return made

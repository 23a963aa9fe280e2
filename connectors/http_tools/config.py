"""The settings of HTTP tools: one base address, and each tool with its parameters and the shape of its answer."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from connectors.http import HttpAccess
from connectors.http_tools.template import WINDOW_NAMES, placeholders

_TOOL_NAME = r"^[a-z]+(_[a-z0-9]+)+$"
_PATH = re.compile(r"/(?!/)[^?#\s\\]*")
Scalar = str | int | float | bool


class Parameter(BaseModel):
    """One argument of a tool."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["string", "integer", "number", "boolean", "strings"] = "string"
    description: str = ""
    default: Scalar | list[str] | None = Field(default=None, description="Without one the argument is required.")
    optional: bool = Field(default=False, description="May be left out; query parameters made of it then are, too.")
    choices: tuple[str, ...] = ()
    pattern: str | None = Field(default=None, max_length=200)
    max_length: int = Field(default=500, gt=0, le=32_000)
    minimum: float | None = None
    maximum: float | None = None


class Shape(BaseModel):
    """How an answer becomes evidence. Paths are dotted names with `[n]`, such as `data.items[0].name`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["rows", "objects", "changes", "text"] = "rows"
    items: str = Field(default="", description="Where the list is; the document itself unless set.")
    fields: dict[str, str] = Field(default_factory=dict, description="Column or field to its path within an item.")
    api_kind: str = "Item"
    name: str = Field(default="name", description="Path of an object's name.")


class HttpTool(BaseModel):
    """One tool."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=_TOOL_NAME)
    summary: str = Field(min_length=4)
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    effect: Literal["read", "write"] = "read"
    path: str
    query: dict[str, str] = Field(default_factory=dict)
    body: JsonValue = None
    parameters: dict[str, Parameter] = Field(default_factory=dict)
    answer: Shape = Shape()

    @model_validator(mode="after")
    def _sound(self) -> HttpTool:
        if self.effect == "read" and self.method not in ("GET", "HEAD"):
            raise ValueError(f"{self.name}: {self.method} needs `effect: write`")
        if self.body is not None and self.effect == "read":
            raise ValueError(f"{self.name}: only a write has a body")
        if not _PATH.fullmatch(self.path):
            raise ValueError(f"{self.name}: the path begins with one / and has no ? or #; use `query`")
        for name in self.parameters:
            if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
                raise ValueError(f"{self.name}: parameter {name!r} is not in small letters, digits and _")
        known = set(self.parameters) | WINDOW_NAMES
        used: list[Any] = [*placeholders(self.path), *placeholders(self.query), *placeholders(self.body)]
        unknown = sorted(set(used) - known)
        if unknown:
            raise ValueError(f"{self.name}: {unknown[0]} is no parameter")
        self._check_path()
        self._check_answer()
        return self

    def _check_path(self) -> None:
        for name in placeholders(self.path):
            parameter = self.parameters.get(name)
            if parameter is not None and (parameter.optional or parameter.type == "strings"):
                raise ValueError(f"{self.name}: {name} is part of the path, so it is one value and required")

    def _check_answer(self) -> None:
        if self.answer.kind == "changes" and not {"at", "service", "what"} <= set(self.answer.fields):
            raise ValueError(f"{self.name}: changes need the fields at, service and what")


class HttpToolsConfig(HttpAccess):
    """`url` is the only address that is ever asked; its path, if any, stands before every tool's."""

    tools: tuple[HttpTool, ...] = Field(min_length=1, max_length=100)
    check_path: str | None = Field(
        default=None, pattern=r"^/[^?#\s]*$", description="What `check` asks; the address alone unless set."
    )
    allow_private: bool = Field(default=False, description="The host's name may resolve to a private address.")

    @model_validator(mode="after")
    def _distinct(self) -> HttpToolsConfig:
        names = [tool.name for tool in self.tools]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice:
            raise ValueError(f"the tool {twice} is there twice")
        return self

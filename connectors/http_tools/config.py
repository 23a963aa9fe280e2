"""The settings of HTTP tools: one base address, and each tool with its parameters and the shape of its answer."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, SecretStr, model_validator

from connectors.http import HttpAccess
from connectors.http_tools.template import WINDOW_NAMES, placeholders

_TOOL_NAME = r"^[a-z]+(_[a-z0-9]+)+$"
_PATH = re.compile(r"/(?!/)[^?#\s\\]*")
Scalar = str | int | float | bool
# What a write is given beside its own parameters: see connectors/_writes.py.
WRITE_NAMES = frozenset({"proposal", "uid", "version"})


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


class Target(BaseModel):
    """The thing that a write changes, as a read: precondition before, and what tells afterwards whether it was done.

    `mark` is where the answer holds the proposal's id once it was done. `fields` maps paths of the answer to the values
    they have by then; without a mark they alone tell.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    query: dict[str, str] = Field(default_factory=dict)
    uid: str = Field(default="", description="Path of what never changes, such as an id.")
    version: str = Field(default="", description="Path of what every change changes.")
    mark: str = ""
    fields: dict[str, JsonValue] = Field(default_factory=dict)
    made: bool = Field(default=False, description="The write makes it: before, there is none (404).")
    if_match: bool = Field(default=False, description="Send the version as If-Match, so that the server compares.")


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
    target: Target | None = None

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
        known = set(self.parameters) | WINDOW_NAMES | (WRITE_NAMES if self.effect == "write" else frozenset())
        used: list[Any] = [*placeholders(self.path), *placeholders(self.query), *placeholders(self.body)]
        used += self._check_target()
        unknown = sorted(set(used) - known)
        if unknown:
            raise ValueError(f"{self.name}: {unknown[0]} is no parameter")
        self._check_path()
        self._check_answer()
        return self

    def _check_target(self) -> list[str]:
        """What a write's target needs; gives the names that it uses."""
        taken = sorted(WRITE_NAMES & set(self.parameters)) if self.effect == "write" else []
        if taken:
            raise ValueError(f"{self.name}: a write is given {taken[0]}; call the parameter something else")
        target = self.target
        if target is None:
            return []
        if self.effect == "read":
            raise ValueError(f"{self.name}: only a write has a target")
        if not _PATH.fullmatch(target.path):
            raise ValueError(f"{self.name}: the target's path begins with one / and has no ? or #; use `query`")
        if not (target.mark or target.fields):
            raise ValueError(f"{self.name}: the target needs `mark` or `fields` to tell whether it was done")
        if target.if_match and not target.version:
            raise ValueError(f"{self.name}: if_match needs the target's version")
        return [*placeholders(target.path), *placeholders(target.query), *placeholders(target.fields)]

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
    writes: bool = Field(default=False, description="Carry out changes that were approved; otherwise only read.")
    signing_secret: SecretStr | None = Field(
        default=None, min_length=16, description="Writes are signed with it, as Standard Webhooks says."
    )

    @model_validator(mode="after")
    def _distinct(self) -> HttpToolsConfig:
        names = [tool.name for tool in self.tools]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice:
            raise ValueError(f"the tool {twice} is there twice")
        return self

    @property
    def secrets(self) -> tuple[str, ...]:
        signing = (self.signing_secret.get_secret_value(),) if self.signing_secret else ()
        return (*super().secrets, *signing)

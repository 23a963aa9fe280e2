"""Parameters of the configuration as a typed model of arguments."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StrictBool, StrictFloat, StrictInt, create_model

from connectors._writes import WriteArguments
from connectors.base import Arguments
from connectors.http_tools.config import HttpTool, Parameter


def arguments_of(tool: HttpTool) -> type[BaseModel]:
    """A model that refuses unknown names, wrong types and values out of bounds."""
    fields: dict[str, Any] = {name: _field(parameter) for name, parameter in tool.parameters.items()}
    title = "".join(part.title() for part in tool.name.split("_"))
    base = WriteArguments if tool.effect == "write" else Arguments
    made: type[BaseModel] = create_model(f"{title}Arguments", __base__=base, **fields)
    return made


def _field(parameter: Parameter) -> tuple[Any, Any]:
    type_ = _type(parameter)
    about: dict[str, Any] = {"description": parameter.description or None}
    if parameter.optional and parameter.default is None:
        return type_ | None, Field(default=None, **about)
    if parameter.default is not None:
        return type_, Field(default=parameter.default, validate_default=True, **about)
    return type_, Field(**about)


def _type(parameter: Parameter) -> Any:
    given = (("ge", parameter.minimum), ("le", parameter.maximum))
    bounds: dict[str, Any] = {key: value for key, value in given if value is not None}
    text = Annotated[str, Field(max_length=parameter.max_length, pattern=parameter.pattern)]
    match parameter.type:
        case "integer":
            return Annotated[StrictInt, Field(**bounds)]
        case "number":
            return Annotated[StrictFloat | StrictInt, Field(**bounds)]
        case "boolean":
            return StrictBool
        case "strings":
            return Annotated[list[text], Field(max_length=100)]
        case _ if parameter.choices:
            return Literal[parameter.choices]
        case _:
            return text

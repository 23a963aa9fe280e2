"""Finds connectors by their type: the module `connectors.TYPE` and its name `CONNECTOR`.

A new connector is a new module; nothing here changes. A module is imported only when its type is configured, since
some drivers cost half a second and 60 MB.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

import connectors
from connectors.base import Connector
from connectors.errors import Misconfigured

_NOT_CONNECTORS = frozenset(
    {
        "model",
        "errors",
        "base",
        "capping",
        "registry",
        "http",
        "sql",
        "log_templates",
        "guards",
        "testing",
        "redaction",
    }
)


def connector_types() -> list[str]:
    """Every known connector type, sorted; imports none of them."""
    names = (module.name for module in pkgutil.iter_modules(connectors.__path__))
    return sorted(name for name in names if name not in _NOT_CONNECTORS and not name.startswith("_"))


def connector_class(type_: str) -> type[Connector[Any]]:
    """The class for a type. Misconfigured when the type is unknown or its driver is not installed."""
    if type_ not in connector_types():
        raise Misconfigured(f"There is no connector {type_!r}. Known: {', '.join(connector_types())}.")
    try:
        module = importlib.import_module(f"connectors.{type_}")
    except ModuleNotFoundError as error:
        raise Misconfigured(
            f"The {type_} connector needs the Python package {error.name!r}. "
            f"Install it with: pip install 'inquest[{type_}]'."
        ) from error
    found: type[Connector[Any]] = module.CONNECTOR
    return found

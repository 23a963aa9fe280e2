"""Kubernetes: what runs, what broke, what changed. Mapping API objects is pure; the driver loads on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from connectors.kubernetes.connector import CONNECTOR

__all__ = ["CONNECTOR"]


def __getattr__(name: str) -> Any:
    # Recorded objects are mapped without a cluster, so the driver (0.4 s, 60 MB) waits until someone connects.
    if name != "CONNECTOR":
        raise AttributeError(name)
    from connectors.kubernetes.connector import CONNECTOR

    return CONNECTOR

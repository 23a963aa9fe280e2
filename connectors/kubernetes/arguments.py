"""The typed arguments of the Kubernetes tools. Everything is optional: empty means all."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from connectors.base import Arguments

# A label or subdomain (RFC 1123); also keeps dots and slashes from leaving the path they are put into.
DnsName = Annotated[str, Field(max_length=253, pattern=r"^$|^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]
Services = Annotated[list[Annotated[str, Field(max_length=253)]], Field(default_factory=list, max_length=200)]


class Scope(Arguments):
    """Which objects: of one namespace, of some services."""

    namespace: DnsName = ""
    services: Services


class PodScope(Scope):
    unhealthy_only: bool = Field(default=False, description="Only pods that are not ready or restarted lately.")


class EventScope(Scope):
    warnings_only: bool = False


class NodeScope(Arguments):
    with_requests: bool = Field(default=False, description="Sum what the pods on each node ask for; reads all pods.")


class LogScope(Scope):
    """Logs of one pod or, without one, of the least healthy pods of the services."""

    pod: DnsName = ""
    container: DnsName = ""
    previous: bool = Field(default=False, description="The run before the last restart.")
    tail: int = Field(default=500, ge=1, le=5_000, description="Lines from the end, per container.")
    level: Literal["", "trace", "debug", "info", "warn", "error", "fatal"] = ""


class QueryArguments(Arguments):
    command: str = Field(description="kubectl get pods -n shop, kubectl logs web-1, or GET /api/v1/…; reads only.")


class ChangeScope(Scope):
    hours_before: int = Field(default=24, ge=0, le=24 * 90, description="How far before the window to look.")

"""Who is acting, and what they may do."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from connectors.model import Frozen


class Role(StrEnum):
    VIEWER = "viewer"
    RESPONDER = "responder"
    LEAD = "lead"
    ADMIN = "admin"


class PrincipalKind(StrEnum):
    PERSON = "person"
    API_KEY = "api_key"
    SCHEDULE = "schedule"
    WEBHOOK = "webhook"
    SYSTEM = "system"
    POLICY = "policy"
    """A policy that a person wrote, approving what it names; `id` is the policy's name."""


class Principal(Frozen):
    """Whoever acts. `id` is a Slack user id, an API key id, or the name of a part of Inquest."""

    kind: PrincipalKind
    id: str
    name: str = ""
    guest: bool = False
    time_zone: str = "UTC"

    @property
    def actor(self) -> str:
        """How the event log names this principal, such as `person:U123`."""
        return f"{self.kind.value}:{self.id}"

    @property
    def approver(self) -> str:
        """How an approval names this principal: people by their id, a policy so that no person can be it."""
        return self.actor if self.kind is PrincipalKind.POLICY else self.id


SYSTEM = Principal(kind=PrincipalKind.SYSTEM, id="inquest", name="Inquest")


class Squad(Frozen):
    """A team that owns services, channels and sources."""

    name: str
    members: frozenset[str] = frozenset()
    lead: str | None = None
    channels: frozenset[str] = frozenset()
    services: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    limits: dict[str, float] = Field(default_factory=dict)

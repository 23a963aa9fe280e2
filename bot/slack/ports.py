"""What the Slack face asks of the rest: a few narrow protocols, so that tests and faces see the same edges."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from bot.domain.access import Principal
from bot.domain.events import Event
from bot.domain.evidence import Evidence
from bot.domain.investigation import Investigation
from bot.domain.remediation import Proposal
from bot.services.ask import Answered
from bot.services.investigations import OpenRequest
from bot.services.sweep_desk import Draft, Listed
from bot.slack.anomaly_ports import AnomalyVerbs
from bot.store import Outgoing, Posted, RoleBinding
from bot.store.turns import Turns
from connectors.model import Health


class InvestigationVerbs(Protocol):
    """`bot.services.investigations.Investigations`, as far as Slack uses it."""

    async def open(self, request: OpenRequest, *, by: Principal, delivery_id: str | None = None) -> Investigation: ...
    async def pause(self, investigation_id: str, *, by: Principal, delivery_id: str | None = None) -> str: ...
    async def resume(self, investigation_id: str, *, by: Principal, delivery_id: str | None = None) -> str: ...
    async def cancel(self, investigation_id: str, *, by: Principal, delivery_id: str | None = None) -> str: ...
    async def retry(self, investigation_id: str, *, by: Principal, delivery_id: str | None = None) -> str: ...
    async def guide(
        self, investigation_id: str, text: str, *, by: Principal, delivery_id: str | None = None
    ) -> str: ...
    async def feedback(
        self, investigation_id: str, *, value: str, note: str = "", by: Principal, delivery_id: str | None = None
    ) -> str: ...
    async def get(self, investigation_id: str) -> Investigation: ...
    async def recent(
        self, *, by: Principal, limit: int = 20, only_running: bool = False
    ) -> Sequence[Investigation]: ...
    async def in_thread(self, channel: str, thread_ts: str) -> Investigation | None: ...
    async def evidence(self, evidence_id: str) -> Evidence: ...
    async def handoff(self, investigation_id: str, *, to: str, by: Principal) -> str: ...


class PublishingStore(Protocol):
    """`bot.store.Store`, as far as the publisher uses it."""

    @property
    def turns(self) -> Turns: ...
    async def investigation(self, investigation_id: str) -> Investigation: ...
    async def evidence(self, ids: Sequence[str]) -> Sequence[Evidence]: ...
    async def proposal(self, proposal_id: str) -> Proposal: ...
    async def proposals(self, *, investigation_id: str | None = None) -> Sequence[Proposal]: ...
    async def outgoing(self, *, limit: int = 100) -> Sequence[Outgoing]: ...
    async def mark_published(self, stream: str, seq: int) -> None: ...
    async def wait_for_outgoing(self, timeout_s: float) -> None: ...
    async def hold_outbox(self, *, worker: str) -> bool: ...
    async def drop(self, name: str, *, worker: str) -> None: ...
    async def posted(self, stream: str) -> Sequence[Posted]: ...
    async def keep_posted(self, posted: Posted) -> None: ...
    async def read(self, stream: str, *, after: int = 0, limit: int = 10_000) -> Sequence[Event]: ...


Words = Callable[[str, Principal], Awaitable[str]]
MembersOf = Callable[[str], Awaitable[Sequence[str] | None]]


class Questions(Protocol):
    """`bot.services.ask.Ask`, as far as Slack uses it."""

    async def ask(self, text: str, *, by: Principal) -> Answered: ...


class ProposalVerbs(Protocol):
    """`bot.services.approvals.Decisions`, as far as Slack uses it. `value` is what a button carries."""

    async def get(self, proposal_id: str) -> Proposal: ...
    async def awaiting(self, by: Principal) -> Sequence[Proposal]: ...
    async def checked(self, value: str, *, by: Principal, place: str | None = None) -> Proposal: ...
    async def approve(
        self, value: str, *, by: Principal, place: str | None = None, delivery_id: str | None = None
    ) -> str: ...
    async def reject(
        self, value: str, *, by: Principal, reason: str = "", place: str | None = None, delivery_id: str | None = None
    ) -> str: ...


class RoleVerbs(Protocol):
    """`bot.services.granting.Granting`, as far as Slack uses it."""

    @property
    def squads(self) -> Sequence[str]: ...
    async def may(self, by: Principal) -> bool: ...
    async def given(self) -> Sequence[RoleBinding]: ...
    async def grant(
        self, role: str, user: str, *, squad: str | None, by: Principal, delivery_id: str | None = None
    ) -> str: ...
    async def revoke(
        self, role: str, user: str, *, squad: str | None, by: Principal, delivery_id: str | None = None
    ) -> str: ...


class SweepVerbs(Protocol):
    """`bot.services.sweep_desk.SweepDesk`, as far as Slack uses it. The sentences are safe to show."""

    async def may(self, by: Principal) -> bool: ...
    async def listed(self) -> Sequence[Listed]: ...
    async def offered(self) -> Sequence[tuple[str, str]]: ...
    async def save(self, draft: Draft, *, by: Principal) -> str: ...
    async def pause(self, name: str, *, by: Principal) -> str: ...
    async def resume(self, name: str, *, by: Principal) -> str: ...
    async def run(self, name: str, *, by: Principal) -> str: ...
    async def delete(self, name: str, *, by: Principal) -> str: ...


@dataclass(frozen=True)
class Extras:
    """Parts that may not be set up. Each callable gets the typed text and who typed it, and gives what to show.

    `health` maps a source's name to how it is; `role` says in words what a person may do; `ticket` opens a ticket
    for an investigation id; `keep_eval` keeps it as an eval; `follow_groups` keeps roles equal to user groups.
    """

    ask: Words | None = None
    answer: Questions | None = None
    sweeps: Words | None = None
    runbooks: Words | None = None
    ticket: Words | None = None
    keep_eval: Words | None = None
    health: Callable[[], Awaitable[Mapping[str, Health]]] | None = None
    role: Callable[[Principal], Awaitable[str]] | None = None
    proposals: ProposalVerbs | None = None
    roles: RoleVerbs | None = None
    anomalies: AnomalyVerbs | None = None
    sweep_desk: SweepVerbs | None = None
    follow_groups: Callable[[MembersOf], Awaitable[None]] | None = None


__all__ = [
    "Extras",
    "InvestigationVerbs",
    "OpenRequest",
    "Outgoing",
    "Posted",
    "ProposalVerbs",
    "PublishingStore",
    "Words",
]

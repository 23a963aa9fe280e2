"""The ticket of an incident: made, kept up to date through its life, linked both ways.

Every write is a proposal of low risk like any other. Where a policy names the tool it is approved by that policy; else
it stands in the thread and waits for a person. Nothing here can send anything.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from bot.domain.access import PrincipalKind
from bot.domain.events import EventKind
from bot.domain.evidence import ChosenBy
from bot.domain.ids import derived_id
from bot.domain.incident import Incident, IncidentState, Moment, Ticket
from bot.domain.investigation import Investigation
from bot.domain.remediation import Proposal, ProposalState, proposal_stream
from bot.domain.states import Risk
from bot.errors import InvalidRequest, UnknownId
from bot.services.approvals import Decisions
from bot.services.duty import keep_duty
from bot.services.execute import Execute
from bot.services.incidents import Incidents
from bot.services.policy import TicketRules
from bot.services.propose import Proposer
from bot.services.remediate import Recorder
from bot.store import Store
from connectors.model import Effect, JsonObject, Objects, ToolCall

log = structlog.get_logger(__name__)

_ACTOR = "system:inquest"
_EVERY_S = 5.0
_LEASE_S = 30.0
_ATTEMPTS = 3
_MOST_LINES = 10
_WORDS = {
    EventKind.INCIDENT_MITIGATED: "Mitigated",
    EventKind.INCIDENT_RESOLVED: "Resolved",
    EventKind.INCIDENT_REOPENED: "It is back",
}


class Tickets:
    """One process at a time has this duty."""

    def __init__(
        self,
        *,
        store: Store,
        execute: Execute,
        proposer: Proposer,
        decisions: Decisions,
        incidents: Incidents,
        rules: TicketRules,
        worker: str,
    ) -> None:
        self._store = store
        self._execute = execute
        self._proposer = proposer
        self._decisions = decisions
        self._incidents = incidents
        self._rules = rules
        self._worker = worker

    @property
    def source(self) -> str | None:
        """The instance that tickets are made at: the one that was named, else the first that may write."""
        for name, instance in sorted(self._execute.instances.items()):
            tools = {tool.name: tool for tool in instance.connector.tools()}
            writes = "create_issue" in tools and tools["create_issue"].effect is Effect.WRITE
            if writes and self._rules.source in ("", name):
                return name
        return None

    async def run(self) -> None:
        """Until cancelled."""
        if self.source:
            await keep_duty(
                "tickets", self.round, store=self._store, worker=self._worker, every_s=_EVERY_S, lease_s=_LEASE_S
            )

    async def round(self) -> None:
        """Move every incident and its ticket one step on."""
        for incident in await self._incidents.live():
            try:
                await self.step(incident)
            except InvalidRequest as error:
                log.info("ticket.not_possible", incident=incident.id, reason=str(error))

    async def step(self, incident: Incident) -> None:
        """What this incident needs next."""
        incident = await self._incidents.moved_on(incident)
        if incident.wanted_by is not None and incident.ticket is None:
            await self._make(incident)
        elif incident.ticket is not None and await self._tell(incident, incident.ticket):
            if incident.state is IncidentState.RESOLVED:
                self._incidents.settled(incident)
        elif incident.wanted_by is None and incident.state is IncidentState.RESOLVED:
            self._incidents.settled(incident)

    async def _make(self, incident: Incident) -> None:
        state = await self._store.investigation(incident.investigations[0])
        if state.report is None:
            return  # still being written
        arguments: JsonObject = {
            "summary": f"[Inquest] {incident.title}"[:250],
            "description": description(incident, state),
            "labels": ["inquest"],
        }
        title = f"Make a ticket: {incident.title}"
        done = await self._carried(incident, "ticket", "create_issue", arguments, title=title)
        if done.state is not ProposalState.SUCCEEDED:
            return
        key, url = await self._made_for(done)
        if key:
            await self._incidents.link(incident, connector=done.call.connector, key=key, url=url)

    async def _tell(self, incident: Incident, ticket: Ticket) -> bool:
        """Comment on every turn since the ticket was linked, move it when the incident is over; True: all is told."""
        for moment in incident.moments:
            if moment.seq < ticket.linked_seq:
                continue
            for name, tool, arguments in self._steps(ticket, moment):
                done = await self._carried(
                    incident, f"{name} {moment.seq}", tool, arguments, title=f"{ticket.key}: {_WORDS[moment.kind]}"
                )
                if done.state.is_open:
                    return False  # one after the other: each is bound to the status that the one before left
        return True

    def _steps(self, ticket: Ticket, moment: Moment) -> list[tuple[str, str, JsonObject]]:
        body = f"{_WORDS[moment.kind]} at {moment.at:%Y-%m-%d %H:%M} UTC: {moment.text}"
        steps: list[tuple[str, str, JsonObject]] = [("comment", "add_comment", {"key": ticket.key, "body": body})]
        status = {
            EventKind.INCIDENT_RESOLVED: self._rules.resolved_status,
            EventKind.INCIDENT_REOPENED: self._rules.reopened_status,
        }.get(moment.kind)
        if status:
            steps.append(("move", "transition_issue", {"key": ticket.key, "to": status}))
        return steps

    async def _carried(
        self, incident: Incident, step: str, tool: str, arguments: JsonObject, *, title: str
    ) -> Proposal:
        """The proposal of this step, made if need be; what was out of date or failed is proposed anew, a few times."""
        for attempt in range(_ATTEMPTS):
            proposal_id = derived_id("prop", incident.id, step, str(attempt))
            try:
                found = await self._store.proposal(proposal_id)
            except UnknownId:
                return await self._propose(incident, proposal_id, tool, arguments, title=title)
            if found.state not in (ProposalState.SUPERSEDED, ProposalState.FAILED):
                break
        return found

    async def _propose(
        self, incident: Incident, proposal_id: str, tool: str, arguments: JsonObject, *, title: str
    ) -> Proposal:
        connector = incident.ticket.connector if incident.ticket else str(self.source)
        call = ToolCall(connector=connector, tool=tool, arguments=arguments)
        bound, preview = await self._proposer.bind(call, proposal_id)
        wanted = incident.wanted_by
        asked = wanted if wanted is not None and wanted.kind is PrincipalKind.PERSON else incident.requester
        body = {
            "id": proposal_id,
            "investigation_id": incident.investigations[-1],
            "title": title[:200],
            "why": f"Incident {incident.id} is {incident.state.value}.",
            "risk": Risk.LOW,
            "requester": asked,
            "squad": incident.squad,
            "service": incident.service,
            "environment": incident.environment,
            "cause": incident.cause,
            "component": incident.component,
            "settle_s": 60.0,
        }
        proposal = await self._proposer.make(bound, preview, body, actor=_ACTOR)
        await self._decisions.approve_by_policy(proposal)
        return proposal

    async def _made_for(self, proposal: Proposal) -> tuple[str, str]:
        """Key and address of the ticket that was made; by its label, so that a lost answer makes no difference."""
        jql = f'labels = "inquest-{proposal.id}"'
        call = ToolCall(connector=proposal.call.connector, tool="search_issues", arguments={"jql": jql, "limit": 1})
        stream = proposal_stream(proposal.id)
        self._execute.attach(stream, Recorder(self._store, proposal.id))
        try:
            done = await self._execute.run(call, by=ChosenBy.RUNBOOK, stream=stream, phase="verify", why="its key")
        finally:
            self._execute.detach(stream)
        payload = done.evidence.payload if done.evidence else None
        item = payload.items[0] if isinstance(payload, Objects) and payload.items else None
        return (item.name, str(item.fields.get("url") or "")) if item else ("", "")


def description(incident: Incident, state: Investigation) -> str:
    """What the ticket says: the cause, what happened when, and the way back to the thread."""
    assert state.report is not None
    synthesis = state.report.synthesis
    cause = synthesis.root_cause or "The cause is not settled."
    lines = [cause, f"Confidence {synthesis.confidence:.2f}. Asked: {state.question.text}", ""]
    lines += _timeline([f"{one.at:%H:%M} UTC {one.text}" for one in synthesis.timeline])
    lines += _timeline([action.text for action in synthesis.recommended_actions])
    lines += [f"Investigation {state.id}, incident {incident.id}.", *_thread(state.origin)]
    return "\n".join(lines)


def _timeline(entries: Sequence[str]) -> list[str]:
    return [*(f"- {entry}" for entry in entries[:_MOST_LINES]), ""] if entries else []


def _thread(origin: JsonObject) -> list[str]:
    """The address of the Slack thread, for whoever is signed in to the workspace."""
    team, channel, ts = (str(origin.get(key) or "") for key in ("team", "channel", "thread_ts"))
    if not team or not channel:
        return []
    place = f"/thread/{channel}-{ts}" if ts else ""
    return [f"Thread: https://app.slack.com/client/{team}/{channel}{place}"]

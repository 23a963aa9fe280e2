"""Incidents: opened by a policy or a button, mitigated by a change that helped, resolved when it stayed quiet.

A cause that comes back belongs to the incident it belonged to before: its id is made of environment, component and
cause, so that nobody has to look it up.
"""

from __future__ import annotations

import contextlib
from datetime import datetime, timedelta

from bot.domain.access import Principal, PrincipalKind, Role
from bot.domain.events import EventKind, NewEvent
from bot.domain.evidence import Hypothesis
from bot.domain.ids import derived_id
from bot.domain.incident import INCIDENT_PREFIX, Incident, IncidentState, fold, incident_stream
from bot.domain.investigation import Investigation
from bot.domain.remediation import Proposal, ProposalState
from bot.errors import InvalidRequest, NotAllowed, SequenceConflict
from bot.services.policy import Roles, TicketRules
from bot.store import Store
from connectors.model import Clock, JsonObject

_ACTOR = "system:inquest"
_ATTEMPTS = 10
_SAME_FOR = timedelta(days=7)
_LONGEST_TITLE = 200
_BY_POLICY = Principal(kind=PrincipalKind.POLICY, id="tickets", name="the policy about tickets")


class Incidents:
    """Their streams; nothing here speaks to a ticket system."""

    def __init__(self, *, store: Store, roles: Roles, rules: TicketRules, clock: Clock) -> None:
        self._store = store
        self._roles = roles
        self._rules = rules
        self._clock = clock
        self._settled: dict[str, int] = {}

    async def found(self, state: Investigation, leading: Hypothesis) -> None:
        """An investigation settled on a cause: open its incident, or open it again, where the policy says so."""
        if not self._rules.by_policy:
            return
        await self._wanted(state, (leading.component, leading.cause), leading.statement, _BY_POLICY)

    async def want_ticket(self, investigation_id: str, by: Principal) -> str:
        """The button: a ticket for this investigation; a sentence to show. NotAllowed for who may not ask."""
        state = await self._store.investigation(investigation_id)
        authority = (await self._roles.surroundings()).authority_of(by.id)
        asked = by.id == state.requester.id or authority.reaches(Role.RESPONDER, state.squad)
        if by.guest or not asked:
            raise NotAllowed("Whoever opened the investigation asks for its ticket, or a responder of its squad.")
        if state.report is None:
            raise InvalidRequest("There is no report yet; a ticket would have nothing to say.")
        first = next(iter(state.report.synthesis.hypotheses), None) if state.report.synthesis.root_cause else None
        place = (first.component, first.cause) if first else ("", investigation_id)
        title = state.report.synthesis.root_cause or state.question.text
        incident = await self._wanted(state, place, title, by)
        if incident.ticket is not None:
            return f"There is one already: {incident.ticket.key} {incident.ticket.url}".strip()
        return "The ticket is being prepared. Where no policy approves it, it waits for a yes in this thread."

    async def _wanted(self, state: Investigation, place: tuple[str, str], title: str, by: Principal) -> Incident:
        """The incident, with the wish for a ticket kept; tried again when others write at the same time."""
        for _ in range(_ATTEMPTS):
            with contextlib.suppress(SequenceConflict):
                incident = await self._incident_of(state, *place, title)
                if incident.wanted_by is None:
                    wish: JsonObject = {"by": by.model_dump(mode="json")}
                    incident = await self._append(incident, EventKind.TICKET_WANTED, wish)
                return incident
        raise SequenceConflict("Too many write to this incident at once. Try again.")

    async def live(self) -> list[Incident]:
        """Those that may still need something, oldest first by name."""
        ends = await self._store.audit.ends(prefix=INCIDENT_PREFIX)
        names = [end.stream.removeprefix(INCIDENT_PREFIX) for end in ends if self._settled.get(end.stream) != end.seq]
        return [await self.get(name) for name in names]

    def settled(self, incident: Incident) -> None:
        """Nothing is left to do until something happens to it."""
        self._settled[incident_stream(incident.id)] = incident.seq

    async def get(self, incident_id: str) -> Incident:
        return fold(await self._store.read(incident_stream(incident_id)))

    async def moved_on(self, incident: Incident) -> Incident:
        """Mitigated by a change that was seen to help; resolved when it stayed so."""
        if incident.state is IncidentState.OPEN:
            helped = await self._helped(incident)
            if helped is not None:
                payload: JsonObject = {"proposal_id": helped.id, "text": f"{helped.title}: {helped.outcome_text}"}
                return await self._append(incident, EventKind.INCIDENT_MITIGATED, payload)
        quiet_for = self._clock.now() - incident.moved_at
        if incident.state is IncidentState.MITIGATED and quiet_for >= timedelta(minutes=self._rules.quiet_minutes):
            text = f"quiet for {quiet_for.total_seconds() / 60:.0f} minutes since the change"
            return await self._append(incident, EventKind.INCIDENT_RESOLVED, {"text": text})
        return incident

    async def link(self, incident: Incident, *, connector: str, key: str, url: str) -> Incident:
        return await self._append(incident, EventKind.TICKET_LINKED, {"connector": connector, "key": key, "url": url})

    async def _helped(self, incident: Incident) -> Proposal | None:
        """A change of one of its investigations that was carried out since it opened, and whose symptom went."""
        for investigation_id in incident.investigations:
            for one in await self._store.proposals(investigation_id=investigation_id):
                good = one.state is ProposalState.SUCCEEDED and bool(one.checks)
                if good and one.verified_at is not None and one.verified_at >= incident.moved_at:
                    return one
        return None

    async def _incident_of(self, state: Investigation, component: str, cause: str, title: str) -> Incident:
        """The incident of this cause; a new one when the last is long over."""
        environment = state.analysis.environment if state.analysis else "production"
        for generation in range(1, 1_000):
            incident_id = derived_id("inc", environment, component, cause, str(generation))
            events = await self._store.read(incident_stream(incident_id))
            if not events:
                return await self._open(incident_id, state, component, cause, title, environment)
            known = fold(events)
            if known.state is IncidentState.RESOLVED and self._clock.now() - known.moved_at > _SAME_FOR:
                continue
            if state.id in known.investigations or known.state is IncidentState.OPEN:
                return known
            payload: JsonObject = {"investigation_id": state.id, "text": f"found again: {title}"[:_LONGEST_TITLE]}
            return await self._append(known, EventKind.INCIDENT_REOPENED, payload)
        raise InvalidRequest("This cause had a thousand incidents.")

    async def _open(  # noqa: PLR0917 - an incident is all of these
        self, incident_id: str, state: Investigation, component: str, cause: str, title: str, environment: str
    ) -> Incident:
        service = component.partition("/")[2] if component.startswith("app/") else None
        payload: JsonObject = {
            "title": " ".join(title.split())[:_LONGEST_TITLE],
            "investigation_id": state.id,
            "requester": state.requester.model_dump(mode="json"),
            "squad": self._roles.owner_of(service) or state.squad,
            "service": service,
            "environment": environment,
            "component": component,
            "cause": cause,
        }
        event = NewEvent(kind=EventKind.INCIDENT_OPENED, actor=_ACTOR, at=self._clock.now(), payload=payload)
        with contextlib.suppress(SequenceConflict):  # somebody else opened it in this moment
            await self._store.append(incident_stream(incident_id), expected_seq=0, events=[event])
        return await self.get(incident_id)

    async def _append(self, incident: Incident, kind: EventKind, payload: JsonObject) -> Incident:
        """One event behind what was seen; SequenceConflict when somebody else wrote first."""
        event = NewEvent(kind=kind, actor=_ACTOR, at=self._at(incident), payload=payload)
        await self._store.append(incident_stream(incident.id), expected_seq=incident.seq, events=[event])
        return await self.get(incident.id)

    def _at(self, incident: Incident) -> datetime:
        return max(self._clock.now(), incident.moved_at)

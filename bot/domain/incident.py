"""An incident: a cause that investigations found, how it goes with it, and the ticket about it. Changes by events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from pydantic import AwareDatetime

from bot.domain.access import Principal
from bot.domain.events import Event, EventKind
from bot.errors import MoveRefused
from connectors.model import Frozen

INCIDENT_PREFIX = "incident/"


class IncidentState(StrEnum):
    OPEN = "open"
    MITIGATED = "mitigated"
    RESOLVED = "resolved"


_S = IncidentState
_K = EventKind
_MOVES: Mapping[EventKind, tuple[frozenset[IncidentState], IncidentState]] = MappingProxyType(
    {
        _K.INCIDENT_MITIGATED: (frozenset({_S.OPEN}), _S.MITIGATED),
        _K.INCIDENT_RESOLVED: (frozenset({_S.OPEN, _S.MITIGATED}), _S.RESOLVED),
        _K.INCIDENT_REOPENED: (frozenset({_S.MITIGATED, _S.RESOLVED}), _S.OPEN),
    }
)


class Ticket(Frozen):
    """Where the incident is written down elsewhere."""

    connector: str
    key: str
    url: str = ""
    linked_seq: int


class Moment(Frozen):
    """A turn that the ticket should tell of."""

    seq: int
    kind: EventKind
    at: AwareDatetime
    text: str = ""


class Incident(Frozen):
    """The whole record, as its stream adds up."""

    id: str
    seq: int
    state: IncidentState = IncidentState.OPEN
    title: str
    investigations: tuple[str, ...]
    requester: Principal
    squad: str | None = None
    service: str | None = None
    environment: str = "production"
    component: str = ""
    cause: str = ""
    opened_at: AwareDatetime
    moved_at: AwareDatetime
    wanted_by: Principal | None = None
    """Who asked for a ticket; the policy's own wish when it was the policy."""
    ticket: Ticket | None = None
    moments: tuple[Moment, ...] = ()


def incident_stream(incident_id: str) -> str:
    return INCIDENT_PREFIX + incident_id


def open_incident(event: Event) -> Incident:
    """The incident that an IncidentOpened event begins."""
    if event.kind is not EventKind.INCIDENT_OPENED:
        raise MoveRefused("An incident begins with IncidentOpened.")
    payload: dict[str, Any] = dict(event.payload)
    investigation = str(payload.pop("investigation_id"))
    fixed = {"seq": event.seq, "opened_at": event.at, "moved_at": event.at, "investigations": (investigation,)}
    return Incident.model_validate({**payload, **fixed, "id": event.stream.removeprefix(INCIDENT_PREFIX)})


def apply(state: Incident, event: Event) -> Incident:
    """The incident after one more event. MoveRefused when the state table has no such move."""
    change = _CHANGES.get(event.kind)
    update = change(state, event) if change else {}
    return state.model_copy(update={"seq": event.seq, **update})


def fold(events: Iterable[Event]) -> Incident:
    """All events of one stream, in order."""
    found = iter(events)
    state = open_incident(next(found))
    for event in found:
        state = apply(state, event)
    return state


def _moved(state: Incident, event: Event) -> dict[str, Any]:
    origins, target = _MOVES[event.kind]
    if state.state not in origins:
        raise MoveRefused(f"An incident that is {state.state.value} cannot become {target.value}.")
    moment = Moment(seq=event.seq, kind=event.kind, at=event.at, text=str(event.payload.get("text", "")))
    again = event.payload.get("investigation_id")
    more = (str(again),) if again and again not in state.investigations else ()
    return {
        "state": target,
        "moved_at": event.at,
        "moments": (*state.moments, moment),
        "investigations": (*state.investigations, *more),
    }


def _wanted(_: Incident, event: Event) -> dict[str, Any]:
    return {"wanted_by": Principal.model_validate(event.payload["by"])}


def _linked(_: Incident, event: Event) -> dict[str, Any]:
    return {"ticket": Ticket.model_validate({**event.payload, "linked_seq": event.seq})}


_CHANGES: Mapping[EventKind, Callable[[Incident, Event], dict[str, Any]]] = MappingProxyType(
    {
        **dict.fromkeys(_MOVES, _moved),
        EventKind.TICKET_WANTED: _wanted,
        EventKind.TICKET_LINKED: _linked,
    }
)

"""The public names of the stream API, mapped from event kinds in this one place."""

from __future__ import annotations

from bot.domain.events import Event, EventKind
from connectors.model import JsonObject

_NAMES: dict[EventKind, str] = {
    EventKind.INVESTIGATION_CREATED: "investigation.started",
    EventKind.PHASE_STARTED: "phase.started",
    EventKind.PHASE_FINISHED: "phase.completed",
    EventKind.TOOL_STARTED: "tool.started",
    EventKind.STATE_CHANGED: "state.transition",
    EventKind.GAP_NOTED: "error.occurred",
}


def public_name(event: Event) -> str:
    """The name under which outsiders know an event; `progress.update` for everything without one of its own."""
    if event.kind is EventKind.TOOL_FINISHED:
        return "tool.completed" if event.payload.get("outcome") in ("succeeded", "empty") else "tool.failed"
    if event.kind is EventKind.STATE_CHANGED and event.payload.get("to") in ("completed", "failed"):
        return f"investigation.{event.payload['to']}"
    return _NAMES.get(event.kind, "progress.update")


def public_event(event: Event) -> JsonObject:
    """An event as the stream API sends it."""
    return {
        "id": event.seq,
        "event": public_name(event),
        "kind": event.kind.value,
        "at": event.at.isoformat(),
        "actor": event.actor,
        "data": event.payload,
    }

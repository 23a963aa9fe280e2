"""Events as the engine writes them, made short."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from bot.domain.events import EventKind, NewEvent
from bot.domain.evidence import Evidence
from connectors.model import Column, JsonObject, Rows, SourceRef, ToolCall

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def event(kind: EventKind, payload: JsonObject | None = None, *, at_s: float = 0, actor: str = "system:w") -> NewEvent:
    return NewEvent(kind=kind, actor=actor, at=NOON + timedelta(seconds=at_s), payload=payload or {})


def created(
    text: str = "why is checkout slow?",
    *,
    at_s: float = 0,
    by: str = "person",
    requester: str = "U1",
    origin: JsonObject | None = None,
    squad: str | None = None,
) -> list[NewEvent]:
    question: JsonObject = {"text": text, "asked_at": (NOON + timedelta(seconds=at_s)).isoformat()}
    payload: JsonObject = {
        "question": question,
        "requester": {"kind": by, "id": requester},
        "squad": squad,
        "origin": origin or {"face": "slack", "team": "T1", "channel": "C1"},
    }
    opened = event(EventKind.INVESTIGATION_CREATED, payload, at_s=at_s, actor=f"{by}:{requester}")
    return [opened, event(EventKind.QUEUED, at_s=at_s)]


def moved(to: str, *, reason: str = "", at_s: float = 1) -> NewEvent:
    return event(EventKind.STATE_CHANGED, {"to": to, "reason": reason}, at_s=at_s)


def call(number: int = 1) -> ToolCall:
    return ToolCall(connector="prometheus/main", tool="query_range", arguments={"query": f"up{{n='{number}'}}"})


def tool_started(number: int, *, at_s: float = 2) -> NewEvent:
    payload: JsonObject = {
        "execution_id": f"ex_{number}",
        "call": call(number).model_dump(mode="json"),
        "by": "reasoner",
        "phase": "collect",
        "why": "the error rate of checkout",
    }
    return event(EventKind.TOOL_STARTED, payload, at_s=at_s)


def tool_finished(number: int, *, evidence_id: str | None = None, at_s: float = 3) -> NewEvent:
    payload: JsonObject = {
        "execution_id": f"ex_{number}",
        "outcome": "succeeded",
        "evidence_id": evidence_id,
        "headline": "errors 0.2 % → 4.1 %",
        "stats": {"duration_ms": 12.5, "rows": 10, "bytes": 2048, "cost_usd": 0.0},
    }
    return event(EventKind.TOOL_FINISHED, payload, at_s=at_s)


def phase(name: str, *, started: bool, at_s: float = 2) -> NewEvent:
    if started:
        return event(EventKind.PHASE_STARTED, {"phase": name, "input": {"calls": 2}}, at_s=at_s)
    return event(EventKind.PHASE_FINISHED, {"phase": name, "state": "completed", "output": {"n": 1}}, at_s=at_s)


def evidence(evidence_id: str, *, number: int = 1) -> Evidence:
    payload = Rows(columns=(Column(name="n"), Column(name="x")), rows=((1, 0.1), (2, None), ("nul\x00", "é😀")))
    return Evidence(
        id=evidence_id,
        call=call(number),
        payload=payload,
        source=SourceRef(query="up", language="promql"),
        collected_at=NOON,
        headline="nul\x00 in a headline",
    )

"""An anomaly: signals of one likely cause, in one thread, from the first onset to recovery. Rebuilt from its events."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from pydantic import AwareDatetime

from bot.domain.events import Event, EventKind
from bot.domain.ids import StreamId, derived_id
from bot.domain.states import Severity
from connectors.model import Frozen, JsonObject

_ORDER = list(Severity)
_MOST_SIGNALS = 200


class AnomalyState(StrEnum):
    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    SNOOZED = "snoozed"
    DISMISSED = "dismissed"
    RESOLVED = "resolved"


class Signal(Frozen):
    """One series that left its normal, or one alert of another system. `unusual` is in decades; a limit has none."""

    key: str
    source: str
    metric: str
    kind: str
    at: AwareDatetime
    service: str | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    unit: str | None = None
    unusual: float = 0.0
    severity: Severity = Severity.LOW
    text: str = ""
    query: str = ""
    url: str | None = None
    recovered_at: AwareDatetime | None = None

    @property
    def fingerprint(self) -> str:
        """The same oddity of the same thing has the same fingerprint, whenever it comes back."""
        return derived_id("fp", self.source, self.service or "", self.metric, self.kind)


class Anomaly(Frozen):
    """What people see as one card. `count` says how often it came; `signals` are the newest state of each series."""

    id: str
    seq: int = 0
    state: AnomalyState = AnomalyState.OPEN
    severity: Severity = Severity.LOW
    title: str = ""
    fingerprint: str = ""
    services: tuple[str, ...] = ()
    signals: tuple[Signal, ...] = ()
    sweep: str | None = None
    channel: str | None = None
    count: int = 1
    first_seen_at: AwareDatetime
    last_seen_at: AwareDatetime
    snoozed_until: AwareDatetime | None = None
    investigation_id: str | None = None
    useful: int = 0
    not_an_anomaly: int = 0

    @property
    def is_live(self) -> bool:
        return self.state in (AnomalyState.OPEN, AnomalyState.ACKNOWLEDGED, AnomalyState.SNOOZED)

    @property
    def stream(self) -> StreamId:
        return anomaly_stream(self.id)


def anomaly_stream(anomaly_id: str) -> StreamId:
    return f"anomaly/{anomaly_id}"


def worst(severities: Iterable[Severity]) -> Severity:
    return max(severities, key=_ORDER.index, default=Severity.INFO)


def raised(severity: Severity, steps: int = 1) -> Severity:
    """One step worse for each, at most critical."""
    return _ORDER[min(_ORDER.index(severity) + steps, len(_ORDER) - 1)]


def fold(events: Iterable[Event], anomaly_id: str) -> Anomaly | None:
    """The anomaly that these events add up to; None without an AnomalyFound."""
    state: Anomaly | None = None
    for event in events:
        if event.kind is EventKind.ANOMALY_FOUND and state is None:
            state = _found(event, anomaly_id)
        elif state is not None:
            state = _changed(state, event).model_copy(update={"seq": event.seq})
    return state


def _found(event: Event, anomaly_id: str) -> Anomaly:
    signals = _signals(event.payload)
    return Anomaly(
        id=anomaly_id,
        seq=event.seq,
        severity=Severity(str(event.payload.get("severity", "low"))),
        title=str(event.payload.get("title", "")),
        fingerprint=str(event.payload.get("fingerprint", "")),
        services=tuple(sorted({s.service for s in signals if s.service})),
        signals=signals,
        sweep=_text(event.payload.get("sweep")),
        channel=_text(event.payload.get("channel")),
        first_seen_at=min(s.at for s in signals),
        last_seen_at=event.at,
    )


def _changed(state: Anomaly, event: Event) -> Anomaly:
    payload = event.payload
    match event.kind:
        case EventKind.ANOMALY_GROUPED:
            return _grouped(state, event)
        case EventKind.ANOMALY_SNOOZED:
            until = payload.get("until")
            update: dict[str, object] = {"state": AnomalyState.SNOOZED, "snoozed_until": until}
        case EventKind.ANOMALY_DISMISSED:
            update = {"state": AnomalyState.DISMISSED, "not_an_anomaly": state.not_an_anomaly + 1}
        case EventKind.ANOMALY_RESOLVED:
            update = {"state": AnomalyState.RESOLVED}
        case EventKind.FEEDBACK_GIVEN:
            acknowledged = AnomalyState.ACKNOWLEDGED if state.state is AnomalyState.OPEN else state.state
            update = {"useful": state.useful + (payload.get("value") == "useful"), "state": acknowledged}
        case EventKind.INVESTIGATION_CREATED:
            update = {"investigation_id": payload.get("investigation_id")}
        case _:
            return state
    return Anomaly.model_validate({**state.model_dump(), **update})


def _grouped(state: Anomaly, event: Event) -> Anomaly:
    """More signals, or recoveries; a return after the end opens it again and counts."""
    signals = {signal.key: signal for signal in state.signals}
    signals.update({signal.key: signal for signal in _signals(event.payload)})
    kept = tuple(signals.values())[-_MOST_SIGNALS:]
    again = bool(event.payload.get("again"))
    return state.model_copy(
        update={
            "signals": kept,
            "services": tuple(sorted({s.service for s in kept if s.service})),
            "severity": Severity(str(event.payload.get("severity", state.severity.value))),
            "title": str(event.payload.get("title", state.title)),
            "last_seen_at": event.at,
            "count": state.count + again,
            "state": AnomalyState.OPEN if again else state.state,
        }
    )


def _signals(payload: JsonObject) -> tuple[Signal, ...]:
    given = payload.get("signals")
    return tuple(Signal.model_validate(one) for one in given) if isinstance(given, list) else ()


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None

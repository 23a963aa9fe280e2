"""An anomaly: signals of one likely cause, in one thread, from the first onset to recovery. Rebuilt from its events."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TypeAlias

from pydantic import AwareDatetime

from bot.domain.events import Event, EventKind
from bot.domain.ids import StreamId, derived_id
from bot.domain.states import Severity
from connectors.model import Change, Frozen, JsonObject

_ORDER = list(Severity)
_MOST_SIGNALS = 200
_MOST_KEPT = 50
_FURTHEST = timedelta(hours=24)
Point: TypeAlias = tuple[float, float | None]
"""Seconds since 1970 and the value there; None where there was none."""


class AnomalyState(StrEnum):
    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    SNOOZED = "snoozed"
    DISMISSED = "dismissed"
    RESOLVED = "resolved"


class Signal(Frozen):
    """One series that left its normal, or one alert of another system. `unusual` is in decades; a limit has none.

    `points` are the newest of the series when it was found, for the picture.
    """

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
    points: tuple[Point, ...] = ()

    @property
    def fingerprint(self) -> str:
        """The same oddity of the same thing has the same fingerprint, whenever it comes back."""
        return derived_id("fp", self.source, self.service or "", self.metric, self.kind)


class Episode(Frozen):
    """One time it was there; the first is the finding itself."""

    started_at: AwareDatetime
    ended_at: AwareDatetime | None = None


class Answered(Frozen):
    """What somebody said about it: `snooze`, `not_an_anomaly`, `useful` or `mute`."""

    value: str
    by: str
    at: AwareDatetime
    until: AwareDatetime | None = None


class Anomaly(Frozen):
    """What people see as one card. `count` says how often it came; `signals` are the newest state of each series.

    `peak` is the worst it ever was; `hushed` says why it makes no noise. `changes` is what was deployed or configured
    around the onset; None: not asked.
    """

    id: str
    seq: int = 0
    state: AnomalyState = AnomalyState.OPEN
    severity: Severity = Severity.LOW
    peak: Severity = Severity.LOW
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
    muted: bool = False
    hushed: str = ""
    episodes: tuple[Episode, ...] = ()
    answers: tuple[Answered, ...] = ()
    changes: tuple[Change, ...] | None = None
    changes_note: str = ""

    @property
    def is_live(self) -> bool:
        return self.state in (AnomalyState.OPEN, AnomalyState.ACKNOWLEDGED, AnomalyState.SNOOZED)

    @property
    def askable(self) -> tuple[str, ...]:
        """The services that sources can be asked about, without components such as `node/NAME`."""
        return tuple(service for service in self.services if "/" not in service)

    @property
    def stream(self) -> StreamId:
        return anomaly_stream(self.id)

    def since(self, now: datetime) -> str | None:
        """The newest onset as an instant to ask about; None when it is longer ago than a question should reach."""
        began = self.episodes[-1].started_at if self.episodes else self.first_seen_at
        return began.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if now - began <= _FURTHEST else None


def anomaly_stream(anomaly_id: str) -> StreamId:
    return f"anomaly/{anomaly_id}"


def worst(severities: Iterable[Severity]) -> Severity:
    return max(severities, key=_ORDER.index, default=Severity.INFO)


def raised(severity: Severity, steps: int = 1) -> Severity:
    """One step worse for each, at most critical."""
    return _ORDER[min(_ORDER.index(severity) + steps, len(_ORDER) - 1)]


def fold(events: Iterable[Event], anomaly_id: str, onto: Anomaly | None = None) -> Anomaly | None:
    """The anomaly that these events add up to, `onto` what earlier ones did; None without an AnomalyFound."""
    state = onto
    for event in events:
        if event.kind is EventKind.ANOMALY_FOUND and state is None:
            state = _found(event, anomaly_id)
        elif state is not None:
            state = _changed(state, event).model_copy(update={"seq": event.seq})
    return state


def _found(event: Event, anomaly_id: str) -> Anomaly:
    signals = _signals(event.payload)
    severity, first = Severity(str(event.payload.get("severity", "low"))), min(s.at for s in signals)
    return Anomaly(
        id=anomaly_id,
        seq=event.seq,
        severity=severity,
        peak=severity,
        title=str(event.payload.get("title", "")),
        fingerprint=str(event.payload.get("fingerprint", "")),
        services=tuple(sorted({s.service for s in signals if s.service})),
        signals=signals,
        sweep=_text(event.payload.get("sweep")),
        channel=_text(event.payload.get("channel")),
        hushed=_text(event.payload.get("hushed")) or "",
        first_seen_at=first,
        last_seen_at=event.at,
        episodes=(Episode(started_at=first),),
    )


def _changed(state: Anomaly, event: Event) -> Anomaly:
    payload = event.payload
    match event.kind:
        case EventKind.ANOMALY_GROUPED:
            return _grouped(state, event)
        case EventKind.ANOMALY_SNOOZED:
            until = payload.get("until")
            update: dict[str, object] = {"state": AnomalyState.SNOOZED, "snoozed_until": until}
            update["answers"] = _answered(state, event, "snooze", until=until)
        case EventKind.ANOMALY_DISMISSED:
            muted = payload.get("mute") is True
            after = AnomalyState.DISMISSED if state.is_live else state.state
            update = {"state": after, "muted": muted, "snoozed_until": None}
            update["not_an_anomaly"] = state.not_an_anomaly + (not muted)
            update["answers"] = _answered(state, event, "mute" if muted else "not_an_anomaly")
            update["episodes"] = _ended(state, event)
        case EventKind.ANOMALY_RESOLVED:
            update = {"state": AnomalyState.RESOLVED, "snoozed_until": None, "episodes": _ended(state, event)}
        case EventKind.FEEDBACK_GIVEN:
            acknowledged = AnomalyState.ACKNOWLEDGED if state.state is AnomalyState.OPEN else state.state
            update = {"useful": state.useful + (payload.get("value") == "useful"), "state": acknowledged}
            update["answers"] = _answered(state, event, str(payload.get("value")))
        case EventKind.INVESTIGATION_CREATED:
            update = {"investigation_id": payload.get("investigation_id")}
        case _:
            return state
    return Anomaly.model_validate({**dict(state), **update})


def _answered(state: Anomaly, event: Event, value: str, *, until: object = None) -> tuple[Answered, ...]:
    said = Answered.model_validate({"value": value, "by": event.actor, "at": event.at, "until": until})
    return (*state.answers, said)[-_MOST_KEPT:]


def _ended(state: Anomaly, event: Event) -> tuple[Episode, ...]:
    """The running episode ends here."""
    if not state.episodes or state.episodes[-1].ended_at is not None:
        return state.episodes
    return (*state.episodes[:-1], state.episodes[-1].model_copy(update={"ended_at": event.at}))


def _grouped(state: Anomaly, event: Event) -> Anomaly:
    """More signals, or recoveries, or what changed then; a return after the end opens it again and counts."""
    fresh = _signals(event.payload)
    signals = {signal.key: signal for signal in state.signals}
    signals.update({signal.key: _with_points(signal, signals.get(signal.key)) for signal in fresh})
    kept = tuple(signals.values())[-_MOST_SIGNALS:]
    again, woke = bool(event.payload.get("again")), bool(event.payload.get("woke"))
    severity = Severity(str(event.payload.get("severity", state.severity.value)))
    update: dict[str, object] = {
        "signals": kept,
        "services": tuple(sorted({s.service for s in kept if s.service})),
        "severity": severity,
        "peak": worst((state.peak, severity)),
        "title": str(event.payload.get("title", state.title)),
        "last_seen_at": event.at if fresh else state.last_seen_at,
        "hushed": str(event.payload.get("hushed", state.hushed)),
    }
    if again:
        begun = Episode(started_at=min((s.at for s in fresh), default=event.at))
        update |= {"count": state.count + 1, "episodes": (*state.episodes, begun)[-_MOST_KEPT:]}
    if again or (woke and state.state is AnomalyState.SNOOZED):
        update |= {"state": AnomalyState.OPEN, "snoozed_until": None, "muted": False}
    return state.model_copy(update=update | _changes(event.payload))


def _with_points(signal: Signal, before: Signal | None) -> Signal:
    """A recovery keeps the picture of the finding."""
    if signal.points or before is None:
        return signal
    return signal.model_copy(update={"points": before.points})


def _changes(payload: JsonObject) -> dict[str, object]:
    given = payload.get("changes")
    if not isinstance(given, list):
        return {}
    found = tuple(Change.model_validate(one) for one in given)
    return {"changes": found, "changes_note": str(payload.get("changes_note", ""))}


def _signals(payload: JsonObject) -> tuple[Signal, ...]:
    given = payload.get("signals")
    return tuple(Signal.model_validate(one) for one in given) if isinstance(given, list) else ()


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None

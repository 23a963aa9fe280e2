"""From signals to anomalies: one page for one cause, folded when it returns, quiet where people said so."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta

from bot.domain.access import SYSTEM, Principal
from bot.domain.anomaly import Anomaly, AnomalyState, Signal, anomaly_stream, fold
from bot.domain.events import Event, EventKind, NewEvent
from bot.domain.ids import make_id
from bot.domain.states import Severity
from bot.errors import MoveRefused, NotAllowed, SequenceConflict, UnknownId
from bot.services.sweep_judging import Vote, precision, reluctance, severity_of_group, title_of
from bot.store import Store
from connectors.model import Clock, JsonObject

REGISTRY = "sweep/anomalies"
_TOGETHER = timedelta(minutes=10)
_RETURNS = timedelta(hours=24)
_ATTEMPTS = 20
_PAGE = 10_000
Neighbours = Callable[[str], Collection[str]]
Opener = Callable[[Anomaly], Awaitable[str | None]]


class Anomalies:
    """Finds the group a signal belongs to and keeps what people answer. Signals come from one process at a time."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        neighbours: Neighbours | None = None,
        channel_of: Callable[[str], str | None] | None = None,
        investigate: Opener | None = None,
    ) -> None:
        self._store, self._clock = store, clock
        self._neighbours = neighbours or (lambda _service: ())
        self._channel_of = channel_of or (lambda _service: None)
        self._investigate = investigate
        self._known: dict[str, Anomaly] = {}
        self._votes: dict[str, list[Vote]] = {}
        self._read = 0

    async def refresh(self) -> None:
        """Learn what others wrote: the registry names every anomaly and every answer."""
        while events := await self._store.read(REGISTRY, after=self._read, limit=_PAGE):
            for event in events:
                await self._note(event)
            self._read = events[-1].seq

    async def _note(self, event: Event) -> None:
        anomaly_id = str(event.payload.get("anomaly_id", ""))
        if event.kind is EventKind.FEEDBACK_GIVEN:
            self._count(event)
        if anomaly_id:
            await self._load(anomaly_id)

    def _count(self, event: Event) -> None:
        if event.payload.get("value") == "forget":
            self._votes.pop(str(event.payload.get("fingerprint")), None)
            return
        useful = event.payload.get("value") == "useful"
        for fingerprint in _texts(event.payload.get("fingerprints")):
            vote = Vote(fingerprint=fingerprint, useful=useful, at=event.at, by=event.actor)
            self._votes.setdefault(fingerprint, []).append(vote)

    async def _load(self, anomaly_id: str) -> Anomaly | None:
        found = fold(await self._store.read(anomaly_stream(anomaly_id)), anomaly_id)
        if found:
            self._known[anomaly_id] = found
        return found

    # reading

    async def get(self, anomaly_id: str) -> Anomaly:
        """One anomaly as it is now. UnknownId."""
        found = await self._load(anomaly_id)
        if found is None:
            raise UnknownId(f"There is no anomaly {anomaly_id[:60]!r}.")
        return found

    def recent(self, *, limit: int = 20) -> list[Anomaly]:
        """As of the last refresh, the newest first."""
        return sorted(self._known.values(), key=lambda one: one.last_seen_at, reverse=True)[:limit]

    def reluctance(self, fingerprint: str) -> float:
        """How many decades more this fingerprint needs, from people's answers."""
        return reluctance(self._votes.get(fingerprint, ()), self._clock.now())

    def sensitivity(self) -> Mapping[str, float]:
        """Every fingerprint that people's answers changed, and by how much now."""
        return {fingerprint: round(self.reluctance(fingerprint), 2) for fingerprint in self._votes}

    def precision(self) -> float | None:
        """The share of useful among the answers of the last 30 days; None without answers."""
        return precision((vote for votes in self._votes.values() for vote in votes), self._clock.now())

    # from sweeps and alerts

    async def report(
        self, signals: Sequence[Signal], *, sweep: str | None = None, channel: str | None = None
    ) -> list[Anomaly]:
        """Fold signals into live anomalies or open new ones; gives those that changed."""
        joined: dict[str, list[Signal]] = {}
        fresh: list[list[Signal]] = []
        for signal in sorted(signals, key=lambda one: one.at):
            home = self._home(signal)
            if home is None:
                _gather(fresh, signal, self._related)
            elif not _is_known(home, signal):
                joined.setdefault(home.id, []).append(signal)
        changed = [await self._join(self._known[home], group) for home, group in joined.items()]
        changed += [await self._open(group, sweep=sweep, channel=channel) for group in fresh]
        return [await self._escalate(one) for one in changed]

    async def recovered(self, keys: Collection[str], *, at: datetime) -> list[Anomaly]:
        """These series are normal again; an anomaly of which nothing is left is resolved."""
        changed = []
        for anomaly in [one for one in self._known.values() if one.is_live]:
            back = [s for s in anomaly.signals if s.key in keys and s.recovered_at is None]
            if not back:
                continue
            healed = {s.key: s.model_copy(update={"recovered_at": at}) for s in back}
            left = [s for s in anomaly.signals if s.recovered_at is None and s.key not in healed]
            events = [self._event(EventKind.ANOMALY_GROUPED, self._grouping(anomaly, list(healed.values())))]
            if not left:
                events.append(self._event(EventKind.ANOMALY_RESOLVED, {"reason": "every signal is normal again"}))
            changed.append(await self._append(anomaly.id, events))
        return changed

    def _home(self, signal: Signal) -> Anomaly | None:
        """The anomaly it belongs to: live with that series, live and related in time, or the same come back."""
        live = [one for one in self._known.values() if one.is_live]
        for one in live:
            if any(known.key == signal.key for known in one.signals):
                return one
        for one in live:
            if signal.at - one.last_seen_at <= _TOGETHER and any(self._related(k, signal) for k in one.signals):
                return one
        ended = [one for one in self._known.values() if not one.is_live and signal.at - one.last_seen_at <= _RETURNS]
        same = [one for one in ended if any(known.fingerprint == signal.fingerprint for known in one.signals)]
        return max(same, key=lambda one: one.last_seen_at, default=None)

    def _related(self, one: Signal, other: Signal) -> bool:
        if abs(one.at - other.at) > _TOGETHER:
            return False
        if one.service is None or other.service is None:
            return one.service == other.service and one.source == other.source
        return one.service == other.service or other.service in self._neighbours(one.service)

    async def _join(self, home: Anomaly, signals: Sequence[Signal]) -> Anomaly:
        payload = self._grouping(home, signals, again=not home.is_live)
        return await self._append(home.id, [self._event(EventKind.ANOMALY_GROUPED, payload)])

    def _grouping(self, anomaly: Anomaly, signals: Sequence[Signal], *, again: bool = False) -> JsonObject:
        after = list(({one.key: one for one in anomaly.signals} | {one.key: one for one in signals}).values())
        return {
            "signals": [one.model_dump(mode="json") for one in signals],
            "severity": severity_of_group(after).value if any(s.recovered_at is None for s in after) else "info",
            "title": title_of(after),
            "again": again,
        }

    async def _open(self, group: Sequence[Signal], *, sweep: str | None, channel: str | None) -> Anomaly:
        anomaly_id = make_id("an", secrets.token_bytes(10))
        service = next((signal.service for signal in group if signal.service), None)
        payload: JsonObject = {
            **self._grouping(_nothing(anomaly_id, group[0].at), group),
            "fingerprint": group[0].fingerprint,
            "sweep": sweep,
            "channel": channel or (self._channel_of(service) if service else None),
        }
        payload.pop("again", None)
        pointer = self._event(EventKind.ANOMALY_FOUND, {"anomaly_id": anomaly_id})
        await self._write(REGISTRY, [pointer])  # first: a pointer to nothing is harmless, a lost anomaly is not
        return await self._append(anomaly_id, [self._event(EventKind.ANOMALY_FOUND, payload)])

    async def _escalate(self, anomaly: Anomaly) -> Anomaly:
        """At critical severity an investigation starts by itself, once."""
        wanted = anomaly.severity is Severity.CRITICAL and anomaly.state is AnomalyState.OPEN
        if self._investigate is None or not wanted or anomaly.investigation_id:
            return anomaly
        opened = await self._investigate(anomaly)
        if opened is None:
            return anomaly
        event = self._event(EventKind.INVESTIGATION_CREATED, {"investigation_id": opened})
        return await self._append(anomaly.id, [event])

    # from people

    async def snooze(self, anomaly_id: str, *, until: datetime, by: Principal) -> Anomaly:
        """Stay silent about it until then."""
        _member(by)
        if until <= self._clock.now():
            raise MoveRefused("That time is over already. Snooze until a time to come.")
        payload: JsonObject = {"until": until.isoformat()}
        return await self._answer(anomaly_id, EventKind.ANOMALY_SNOOZED, payload, value="", by=by)

    async def dismiss(self, anomaly_id: str, *, by: Principal, note: str = "") -> Anomaly:
        """Not an anomaly: the same must be more unusual next time."""
        _member(by)
        return await self._answer(
            anomaly_id, EventKind.ANOMALY_DISMISSED, {"note": note[:500]}, value="not_an_anomaly", by=by
        )

    async def useful(self, anomaly_id: str, *, by: Principal) -> Anomaly:
        """Worth reading: keep telling."""
        _member(by)
        return await self._answer(anomaly_id, EventKind.FEEDBACK_GIVEN, {"value": "useful"}, value="useful", by=by)

    async def forget(self, fingerprint: str, *, by: Principal) -> None:
        """Undo what people's answers changed for this fingerprint."""
        _member(by)
        payload: JsonObject = {"value": "forget", "fingerprint": fingerprint}
        await self._write(REGISTRY, [self._event(EventKind.FEEDBACK_GIVEN, payload, by)])
        await self.refresh()

    async def _answer(
        self, anomaly_id: str, kind: EventKind, payload: JsonObject, *, value: str, by: Principal
    ) -> Anomaly:
        anomaly = await self.get(anomaly_id)
        if not anomaly.is_live and kind is not EventKind.FEEDBACK_GIVEN:
            raise MoveRefused(f"This anomaly is {anomaly.state.value} already.")
        after = await self._append(anomaly_id, [self._event(kind, payload, by)])
        fingerprints = sorted({signal.fingerprint for signal in anomaly.signals}) if value else []
        about: JsonObject = {"anomaly_id": anomaly_id, "value": value, "fingerprints": list(fingerprints)}
        await self._write(REGISTRY, [self._event(EventKind.FEEDBACK_GIVEN, about, by)])
        await self.refresh()
        return after

    # writing

    async def _append(self, anomaly_id: str, events: Sequence[NewEvent]) -> Anomaly:
        await self._write(anomaly_stream(anomaly_id), events)
        return await self.get(anomaly_id)

    async def _write(self, stream: str, events: Sequence[NewEvent]) -> None:
        seq = self._read if stream == REGISTRY else 0
        for _ in range(_ATTEMPTS):
            while later := await self._store.read(stream, after=seq, limit=_PAGE):
                seq = later[-1].seq
            try:
                await self._store.append(stream, expected_seq=seq, events=events)
            except SequenceConflict:
                continue
            return
        raise SequenceConflict("Too much is happening here right now. Try again.")

    def _event(self, kind: EventKind, payload: JsonObject, by: Principal = SYSTEM) -> NewEvent:
        return NewEvent(kind=kind, actor=by.actor, at=self._clock.now(), payload=payload)


def _is_known(home: Anomaly, signal: Signal) -> bool:
    """It was told already and has not ended since."""
    known = next((one for one in home.signals if one.key == signal.key), None)
    return home.is_live and known is not None and known.recovered_at is None and known.at >= signal.at


def _gather(groups: list[list[Signal]], signal: Signal, related: Callable[[Signal, Signal], bool]) -> None:
    """Put a signal to those it is related to; a signal between two groups makes them one."""
    near = [group for group in groups if any(related(one, signal) for one in group)]
    merged = [one for group in near for one in group] + [signal]
    groups[:] = [group for group in groups if group not in near] + [merged]


def _nothing(anomaly_id: str, at: datetime) -> Anomaly:
    return Anomaly(id=anomaly_id, first_seen_at=at, last_seen_at=at)


def _member(by: Principal) -> None:
    if by.guest:
        raise NotAllowed("Guests can read, but not answer for the team.")


def _texts(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []

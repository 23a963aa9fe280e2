"""Every anomaly and every answer, as the log tells them; finds the anomaly that a signal belongs to."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import timedelta

from bot.domain.anomaly import Anomaly, Signal, anomaly_stream, fold
from bot.domain.events import Event, EventKind, NewEvent
from bot.errors import SequenceConflict, UnknownId
from bot.services.sweep_judging import Vote
from bot.store import Store

REGISTRY = "sweep/anomalies"
_TOGETHER = timedelta(minutes=10)
_RETURNS = timedelta(hours=24)
_ATTEMPTS = 20
_PAGE = 10_000
Neighbours = Callable[[str], Collection[str]]


class Book:
    """Memory of one process over the log; `refresh` learns what others wrote."""

    def __init__(self, store: Store, *, neighbours: Neighbours | None = None) -> None:
        self._store = store
        self._neighbours = neighbours or (lambda _service: ())
        self._known: dict[str, Anomaly] = {}
        self._live_by_key: dict[str, str] = {}
        self._live_by_service: dict[str | None, dict[str, None]] = {}
        self._ended_by_fingerprint: dict[str, str] = {}
        self._ends: dict[str, int] = {}
        self._read = 0
        self.votes: dict[str, list[Vote]] = {}
        self.muted: dict[str, Vote] = {}

    @property
    def known(self) -> Mapping[str, Anomaly]:
        return self._known

    def live(self) -> list[Anomaly]:
        """Those that have not ended, in the order they were found."""
        ids = dict.fromkeys(one for group in self._live_by_service.values() for one in group)
        return [self._known[one] for one in ids]

    def live_with(self, keys: Collection[str]) -> list[Anomaly]:
        """Live anomalies that one of these series belongs to."""
        ids = dict.fromkeys(self._live_by_key[key] for key in sorted(keys) if key in self._live_by_key)
        return [self._known[one] for one in ids]

    # reading

    async def refresh(self) -> None:
        """The registry names every anomaly and every answer."""
        while events := await self._store.read(REGISTRY, after=self._read, limit=_PAGE):
            for event in events:
                self._count(event)
            named = dict.fromkeys(str(event.payload.get("anomaly_id") or "") for event in events)
            for anomaly_id in named:
                if anomaly_id:
                    await self.load(anomaly_id)
            self._read = events[-1].seq

    def _count(self, event: Event) -> None:
        """An answer. `forget` takes back what was answered for a fingerprint, also that it is muted."""
        value = event.payload.get("value")
        if event.kind is not EventKind.FEEDBACK_GIVEN or not value:
            return
        named = _texts(event.payload.get("fingerprints")) or _texts([event.payload.get("fingerprint")])
        for fingerprint in named:
            vote = Vote(fingerprint=fingerprint, useful=value == "useful", at=event.at, by=event.actor)
            if value == "forget":
                self.votes.pop(fingerprint, None)
                self.muted.pop(fingerprint, None)
            elif value == "mute":
                self.muted[fingerprint] = vote
            else:
                self.votes.setdefault(fingerprint, []).append(vote)

    async def load(self, anomaly_id: str) -> Anomaly | None:
        """One anomaly as it is now; only what came since the last look is read."""
        known = self._known.get(anomaly_id)
        after = known.seq if known else 0
        found = fold(await self._store.read(anomaly_stream(anomaly_id), after=after), anomaly_id, known)
        if found and found is not known:
            self._keep(found)
        return found

    async def get(self, anomaly_id: str) -> Anomaly:
        """The same; UnknownId when there is none."""
        found = await self.load(anomaly_id)
        if found is None:
            raise UnknownId(f"There is no anomaly {anomaly_id[:60]!r}.")
        return found

    # where a signal belongs

    def home(self, signal: Signal) -> Anomaly | None:
        """Live with that series, live and related in time, or the same come back within a day."""
        same_series = self._live_by_key.get(signal.key)
        if same_series is not None:
            return self._known[same_series]
        for anomaly_id in self._near(signal.service):
            one = self._known[anomaly_id]
            if signal.at - one.last_seen_at <= _TOGETHER and any(self.related(k, signal) for k in one.signals):
                return one
        ended = self._known.get(self._ended_by_fingerprint.get(signal.fingerprint, ""))
        if ended is not None and not ended.is_live and signal.at - ended.last_seen_at <= _RETURNS:
            return ended
        return None

    def _near(self, service: str | None) -> list[str]:
        services = [service] if service is None else [service, *self._neighbours(service)]
        return [one for name in services for one in self._live_by_service.get(name, ())]

    def related(self, one: Signal, other: Signal) -> bool:
        """Close in time, and of one service or of two that call each other."""
        if abs(one.at - other.at) > _TOGETHER:
            return False
        if one.service is None or other.service is None:
            return one.service == other.service and one.source == other.source
        return one.service == other.service or other.service in self._neighbours(one.service)

    def _keep(self, anomaly: Anomaly) -> None:
        before = self._known.get(anomaly.id)
        if before is not None and before.is_live:
            self._drop(before)
        self._known[anomaly.id] = anomaly
        if not anomaly.is_live:
            for signal in anomaly.signals:
                self._ended_by_fingerprint[signal.fingerprint] = anomaly.id
            return
        for signal in anomaly.signals:
            self._live_by_key[signal.key] = anomaly.id
            self._live_by_service.setdefault(signal.service, {})[anomaly.id] = None

    def _drop(self, anomaly: Anomaly) -> None:
        for signal in anomaly.signals:
            if self._live_by_key.get(signal.key) == anomaly.id:
                del self._live_by_key[signal.key]
            group = self._live_by_service.get(signal.service, {})
            group.pop(anomaly.id, None)
            if not group:
                self._live_by_service.pop(signal.service, None)

    # writing

    async def append(self, anomaly_id: str, events: Sequence[NewEvent]) -> Anomaly:
        """Behind what is there now; gives the anomaly after it."""
        known = self._known.get(anomaly_id)
        before = known.seq if known else 0
        written = await self._write(anomaly_stream(anomaly_id), events, before)
        after = fold(written, anomaly_id, known) if written[0].seq == before + 1 else None
        if after is None:  # somebody else wrote in between
            return await self.get(anomaly_id)
        self._keep(after)
        return after

    async def note(self, event: NewEvent) -> None:
        """Into the registry, which everybody reads."""
        await self.write(REGISTRY, [event])

    async def write(self, stream: str, events: Sequence[NewEvent]) -> None:
        """Behind whatever is in any stream, remembering where that was."""
        start = self._read if stream == REGISTRY else self._ends.get(stream, 0)
        self._ends[stream] = (await self._write(stream, events, start))[-1].seq
        while len(self._ends) > _PAGE:
            self._ends.pop(next(iter(self._ends)))

    async def _write(self, stream: str, events: Sequence[NewEvent], seq: int) -> Sequence[Event]:
        for _ in range(_ATTEMPTS):
            try:
                appended = await self._store.append(stream, expected_seq=seq, events=events)
            except SequenceConflict:
                while later := await self._store.read(stream, after=seq, limit=_PAGE):
                    seq = later[-1].seq
                continue
            return appended.events
        raise SequenceConflict("Too much is happening here right now. Try again.")


def gather(groups: list[list[Signal]], signal: Signal, related: Callable[[Signal, Signal], bool]) -> None:
    """Put a signal to those it is related to; a signal between two groups makes them one."""
    near = [group for group in groups if any(related(one, signal) for one in group)]
    if not near:
        groups.append([signal])
        return
    first, rest = near[0], near[1:]
    first.append(signal)
    for group in rest:
        first.extend(group)
    if rest:
        gone = {id(group) for group in rest}
        groups[:] = [group for group in groups if id(group) not in gone]


def is_known(home: Anomaly, signal: Signal) -> bool:
    """It was told already and has not ended since; or it is an old alert that is sent once more after its end."""
    known = next((one for one in home.signals if one.key == signal.key), None)
    if known is None or known.at < signal.at:
        return False
    return (home.is_live and known.recovered_at is None) or (signal.kind == "alert" and known.recovered_at is not None)


def fingerprints_of(signals: Iterable[Signal]) -> list[str]:
    """Of all of them, each once."""
    return sorted({signal.fingerprint for signal in signals})


def _texts(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []

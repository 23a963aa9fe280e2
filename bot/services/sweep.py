"""Runs sweeps: fetch what is new, judge it, hand signals on. A slow or broken source delays only itself."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import structlog

from bot.domain.events import Event, EventKind, NewEvent
from bot.domain.evidence import Evidence, ToolExecution
from bot.domain.ids import StreamId
from bot.domain.states import Outcome
from bot.errors import SequenceConflict
from bot.services.execute import Execute
from bot.services.sweep_anomalies import Anomalies
from bot.services.sweep_burn import Burns
from bot.services.sweep_keeping import kept_parts, take_back
from bot.services.sweep_model import Sweep
from bot.services.sweep_reading import series_of
from bot.services.sweep_watch import Tick, Watch
from bot.services.unrecorded import ask_unrecorded
from bot.store import Store
from connectors.model import Clock, Frozen, JsonObject, Series, TimeWindow, ToolCall

log = structlog.get_logger(__name__)

_ACTOR = "schedule:sweeps"
_CATCH_UP = timedelta(hours=6)
_ATTEMPTS = 20
_KEEP_EVERY = timedelta(minutes=15)
_TOO_OLD = timedelta(hours=6)


class SweepOutcome(Frozen):
    """What one tick did; this is also the payload of SweepRan."""

    sweep: str
    outcome: str
    reason: str = ""
    due: datetime
    points: int = 0
    series: int = 0
    signals: int = 0
    recovered: int = 0
    missed: int = 0
    learning: bool = False
    learning_series: int = 0
    duration_ms: float = 0.0


class Sweeps:
    """Every sweep of this process. Only the process that holds the schedule runs them."""

    def __init__(
        self, sweeps: Sequence[Sweep], *, store: Store, execute: Execute, anomalies: Anomalies, clock: Clock
    ) -> None:
        self.sweeps = tuple(sweeps)
        self._store, self._execute, self._anomalies, self._clock = store, execute, anomalies, clock
        self._ends = StreamEnds(store)
        self._watches: dict[str, Watch] = {}
        self._until: dict[str, datetime] = {}
        self._last_due: dict[str, datetime] = {}
        self._last: dict[str, SweepOutcome] = {}
        self._kept_at: dict[str, datetime] = {}
        self._recalled: set[str] = set()
        self._burns: dict[str, Burns] = {}

    def replace(self, sweeps: Sequence[Sweep]) -> None:
        """Go on with these; what another query taught is forgotten."""
        before = {sweep.name: sweep for sweep in self.sweeps}
        self.sweeps = tuple(sweeps)
        for sweep in sweeps:
            known = before.get(sweep.name, sweep)
            if known.model_copy(update={"enabled": sweep.enabled}) != sweep:
                self._recalled.add(sweep.name)
                for kept in (self._watches, self._until, self._kept_at, self._burns):
                    kept.pop(sweep.name, None)

    @property
    def anomalies(self) -> Anomalies:
        return self._anomalies

    def watch(self, name: str) -> Watch | None:
        """What a sweep remembers; None before its first tick."""
        return self._watches.get(name)

    def last(self, name: str) -> SweepOutcome | None:
        """What the last tick in this process did."""
        return self._last.get(name)

    def forget(self) -> None:
        """Another process holds the schedule now: what was learned here grows old."""
        self._watches.clear()
        self._until.clear()
        self._last_due.clear()
        self._kept_at.clear()
        self._recalled.clear()
        self._burns.clear()

    async def run(self, sweep: Sweep, *, due: datetime | None = None) -> SweepOutcome:
        """One tick. Never raises for a source that fails; the outcome says what happened."""
        started = self._clock.now()
        due = due or started
        missed = await self._missed(sweep, due)
        await self._recall(sweep)
        await self._anomalies.refresh()
        execution = await self._fetch(sweep, started)
        outcome = SweepOutcome(sweep=sweep.name, outcome=execution.outcome.value, due=due, missed=missed)
        series = _series(execution.evidence, sweep)
        if execution.evidence is not None and series is not None:
            outcome = await self._judge(sweep, execution.evidence, [*series, *self._burn(sweep, series)], outcome)
        elif execution.error is not None:
            said = f"{sweep.place}: {execution.error}" if sweep.place else execution.error
            outcome = outcome.model_copy(update={"reason": said})
        elif execution.outcome in (Outcome.SUCCEEDED, Outcome.EMPTY):
            self._until[sweep.name] = started
        spent_ms = (self._clock.now() - started).total_seconds() * 1_000
        outcome = outcome.model_copy(update={"duration_ms": round(spent_ms, 1)})
        await self._record(outcome)
        self._last[sweep.name] = outcome
        if started - self._kept_at.setdefault(sweep.name, started) >= _KEEP_EVERY:
            await self.keep(sweep)
        return outcome

    async def keep(self, sweep: Sweep) -> None:
        """Write down what was learned, so that a restart goes on where this was."""
        watch, until = self._watches.get(sweep.name), self._until.get(sweep.name)
        if watch is None or until is None or not watch.places:
            return
        burns = self._burns.get(sweep.name)
        parts = await asyncio.to_thread(lambda: list(kept_parts(watch, until=until.timestamp(), burns=burns)))
        await self._store.sweep_states.keep(sweep.name, parts, self._clock.now())
        self._kept_at[sweep.name] = self._clock.now()

    async def keep_all(self) -> None:
        """The same for every sweep."""
        for sweep in self.sweeps:
            await self.keep(sweep)

    async def _recall(self, sweep: Sweep) -> None:
        """Before the first tick: go on with what was kept, unless it is too old or does not fit any more."""
        if sweep.name in self._watches or sweep.name in self._recalled:
            return
        self._recalled.add(sweep.name)
        parts = await self._store.sweep_states.kept(sweep.name)
        if not parts:
            return
        watch, burns = Watch(sweep, reluctance=self._anomalies.reluctance), _burns(sweep)
        try:
            until = await asyncio.to_thread(take_back, watch, parts, burns=burns)
        except ValueError as error:
            log.warning("sweep.state_not_used", sweep=sweep.name, reason=str(error))
            return
        reaches = datetime.fromtimestamp(until, UTC)
        if self._clock.now() - reaches > _TOO_OLD:
            log.info("sweep.state_too_old", sweep=sweep.name, until=reaches.isoformat())
            return
        self._watches[sweep.name], self._until[sweep.name], self._burns[sweep.name] = watch, reaches, burns

    async def _missed(self, sweep: Sweep, due: datetime) -> int:
        """How many ticks nobody ran since the last one; they are caught up with this one."""
        last = self._last_due.get(sweep.name) or await self._last_ran(sweep)
        self._last_due[sweep.name] = due
        if last is None:
            return 0
        return max(0, math.floor((due - last).total_seconds() / sweep.every_s + 0.5) - 1)

    async def _last_ran(self, sweep: Sweep) -> datetime | None:
        events = await self._all(sweep.name)
        ran = [event for event in events if event.kind is EventKind.SWEEP_RAN]
        return datetime.fromisoformat(str(ran[-1].payload["due"])) if ran else None

    async def _all(self, name: str) -> list[Event]:
        found: list[Event] = []
        while page := await self._store.read(sweep_stream(name), after=found[-1].seq if found else 0):
            found.extend(page)
        return found

    async def _fetch(self, sweep: Sweep, now: datetime) -> ToolExecution:
        """Only what is new; the first time, enough history to learn from."""
        history = now - timedelta(hours=sweep.learn_hours)
        start = max(self._until.get(sweep.name, history), now - max(_CATCH_UP, timedelta(hours=sweep.learn_hours)))
        start = min(start - timedelta(seconds=sweep.every_s), now - timedelta(seconds=1))
        arguments: JsonObject = {**sweep.arguments}
        if sweep.tool in ("get_service_signals", "get_dependency_signals"):
            arguments.setdefault("baseline_minutes", 0)
        call = ToolCall(
            connector=sweep.source, tool=sweep.tool, arguments=arguments, window=TimeWindow(start=start, end=now)
        )
        return await ask_unrecorded(self._execute, call, stream=sweep_stream(sweep.name))

    def _burn(self, sweep: Sweep, series: Sequence[Series]) -> Sequence[Series]:
        """The burn rates of objectives, out of the same answer."""
        if not sweep.objectives:
            return ()
        return self._burns.setdefault(sweep.name, _burns(sweep)).series(series)

    async def _judge(
        self, sweep: Sweep, evidence: Evidence, series: Sequence[Series], outcome: SweepOutcome
    ) -> SweepOutcome:
        watch = self._watches.get(sweep.name)
        learning = watch is None
        if watch is None:
            watch = self._watches[sweep.name] = Watch(sweep, reluctance=self._anomalies.reluctance)
        query = evidence.source.query
        # Beside the event loop: ten thousand series take a while, and people wait for acknowledgements.
        until = _reach(evidence, sweep)
        if learning:
            tick = await asyncio.to_thread(watch.learn, series, query=query, until=until)
        else:
            tick = await asyncio.to_thread(watch.feed, series, query=query, learning=False, until=until)
        if evidence.call.window is not None:
            self._until[sweep.name] = evidence.call.window.end
        await self._tell(sweep, tick)
        return outcome.model_copy(
            update={
                "points": tick.points,
                "series": len(watch.places),
                "signals": len(tick.new),
                "recovered": len(tick.recovered),
                "learning": learning,
                "learning_series": tick.learning,
                "reason": _not_whole(evidence.truncated, tick.dropped),
            }
        )

    async def _tell(self, sweep: Sweep, tick: Tick) -> None:
        if tick.new:
            await self._anomalies.report(tick.new, sweep=sweep.name, channel=sweep.channel)
        if tick.recovered:
            await self._anomalies.recovered(tick.recovered, at=self._clock.now())

    async def _record(self, outcome: SweepOutcome) -> None:
        payload: JsonObject = outcome.model_dump(mode="json")
        events = [NewEvent(kind=EventKind.SWEEP_RAN, actor=_ACTOR, at=self._clock.now(), payload=payload)]
        if outcome.missed:
            gone: JsonObject = {"missed": outcome.missed, "due": outcome.due.isoformat()}
            missed = NewEvent(kind=EventKind.SWEEP_MISSED, actor=_ACTOR, at=self._clock.now(), payload=gone)
            events.insert(0, missed)
        await self._ends.append(sweep_stream(outcome.sweep), events)


def _burns(sweep: Sweep) -> Burns:
    return Burns(sweep.objectives, step_s=sweep.every_s)


def _not_whole(truncated: str | None, dropped: int) -> str:
    """What is not watched, in words; empty when everything is."""
    parts = [f"the answer is not whole: {truncated}"] if truncated else []
    parts += [f"{dropped} series over the limit are not watched"] if dropped else []
    return "; ".join(parts)


def _reach(evidence: Evidence, sweep: Sweep) -> float:
    """How far points may reach, in seconds since 1970: what was asked, and one step for rounding."""
    window = evidence.call.window
    return window.end.timestamp() + sweep.every_s if window else math.inf


def _series(evidence: Evidence | None, sweep: Sweep) -> Sequence[Series] | None:
    """What can be judged in an answer; None when there is nothing of that kind."""
    if evidence is None:
        return None
    at = evidence.call.window.end if evidence.call.window else evidence.collected_at
    return series_of(evidence.payload, sweep.tool, source=sweep.source, at=at, step_s=sweep.every_s)


def sweep_stream(name: str) -> StreamId:
    return f"sweep/{name}"


class StreamEnds:
    """Appends wherever a stream ends, remembering where that was."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._ends: dict[StreamId, int] = {}

    async def append(self, stream: StreamId, events: Sequence[NewEvent]) -> int:
        """The sequence number of the last of them. SequenceConflict after many tries."""
        for _ in range(_ATTEMPTS):
            seq = self._ends.get(stream, 0)
            try:
                appended = await self._store.append(stream, expected_seq=seq, events=events)
            except SequenceConflict:
                while later := await self._store.read(stream, after=seq):
                    seq = later[-1].seq
                self._ends[stream] = seq
                continue
            self._ends[stream] = appended.events[-1].seq
            return self._ends[stream]
        raise SequenceConflict("Too much is happening here right now. Try again.")

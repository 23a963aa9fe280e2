"""What one sweep remembers between ticks: a detector's place per series, its newest point, what is out of normal."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from bot.analysis.anomaly.checks import standstill
from bot.analysis.anomaly.detector import Detector, Tuning, Verdicts
from bot.analysis.anomaly.jumps import jumps, recent_level
from bot.analysis.anomaly.scale import Floats
from bot.domain.anomaly import Point, Signal
from bot.domain.states import Severity
from bot.services.sweep_judging import sentence, severity_of
from bot.services.sweep_model import Limit, Sweep
from connectors.model import Series, canonical_digest

_FIRST_PLACES = 64
_MOST_SERIES = 20_000
_LONGEST_QUERY = 2_000
_NORMAL = 3.0
_RECENT = 60
_RELEARNED = 1.0
_JUDGED_S = 1_800.0
_JUMPS = 2
_RARE = 1.5
_STILL = 15
_FORGOTTEN_S = 86_400.0
_LEAST_RELUCTANCE = 1.0
_Identity: TypeAlias = tuple[str, str | None, tuple[tuple[str, str], ...]]


@dataclass
class Place:
    """One series. `odd` is its signal while it is out of normal; `calm` counts normal points since."""

    key: str
    row: int
    series: Series
    last_at: float = 0.0
    value: float = float("nan")
    odd: Signal | None = None
    calm: int = 0
    missing: int = 0


@dataclass
class Tick:
    """What one look brought."""

    points: int = 0
    new: list[Signal] = field(default_factory=list)
    recovered: set[str] = field(default_factory=set)
    learning: int = 0
    dropped: int = 0


@dataclass(frozen=True)
class Seen:
    """What the detector said about one point; `low` and `high` bound what was normal before it; `known`: learned."""

    at: float
    low: float = 0.0
    high: float = 0.0
    unusual: float = 0.0
    distance: float = 0.0
    known: bool = False
    sudden: bool = False


class Watch:
    """Feeds new points of many series to one detector and says which became odd or normal again."""

    def __init__(self, sweep: Sweep, *, reluctance: Callable[[str], float] | None = None) -> None:
        self._sweep = sweep
        self._reluctance = reluctance or (lambda _fingerprint: 0.0)
        points_a_day = 86_400 / sweep.every_s
        self._tuning = Tuning(
            threshold=sweep.threshold,
            memory=int(min(max(points_a_day, 240), 720)),
            sample=240,
            sample_every=3,
            quiet=max(sweep.recovered_after, 10),
            fatigue=0.0,
        )
        self._detector = Detector(_FIRST_PLACES, self._tuning)
        self._room = _FIRST_PLACES
        self._places: dict[str, Place] = {}
        self._recent = np.full((_FIRST_PLACES, _RECENT), np.nan)
        self._times: deque[float] = deque(maxlen=_RECENT)
        self._by_identity: dict[_Identity, Place] = {}
        self._missing = np.zeros(_FIRST_PLACES, dtype=np.int64)
        self._young = np.ones(_FIRST_PLACES, dtype=bool)
        self._jumps = np.zeros(_FIRST_PLACES, dtype=np.int64)
        self._free: list[int] = []
        self._limited = {limit.metric for limit in sweep.limits}
        self._query = ""

    @property
    def places(self) -> dict[str, Place]:
        return self._places

    @property
    def detector(self) -> Detector:
        return self._detector

    def recent(self, rows: NDArray[np.intp]) -> tuple[Floats, Floats]:
        """The newest values of these series, and their times."""
        return self._recent[rows], np.array(self._times)

    def restore_recent(self, rows: NDArray[np.intp], recent: Floats, times: Floats) -> None:
        """Put back what `recent` gave. ValueError when it has another shape."""
        if recent.shape != (len(rows), _RECENT) or times.ndim != 1:
            raise ValueError("the newest values were kept in another shape")
        self._recent[rows] = recent
        self._times = deque(times.tolist(), maxlen=_RECENT)

    def adopt(self, places: Sequence[Place]) -> NDArray[np.intp]:
        """Give room to series that were watched before; their rows."""
        first = len(self._places)
        if first + len(places) > self._room:
            self._grow(first + len(places))
        for place in places:
            if place.key in self._places:
                raise ValueError("a series was kept twice")
            place.row = self._new_row()
            self._places[place.key] = self._by_identity[_identity(place.series)] = place
            self._missing[place.row] = place.missing
        return np.array([place.row for place in list(self._places.values())[first:]], dtype=np.intp)

    def learn(self, series: Sequence[Series], *, query: str, until: float, judge_s: float = _JUDGED_S) -> Tick:
        """The first look: learn from history, and tell only what began in the last `judge_s` and still lasts."""
        if min(len(series), _MOST_SERIES) > self._room:
            self._grow(min(len(series), _MOST_SERIES))
        newest = max((at.timestamp() for one in series for at, _ in one.points[-1:]), default=0.0)
        tick = self.feed(series, query=query, learning=True, until=until, learn_until=min(newest, until) - judge_s)
        tick.new = [signal for signal in tick.new if self._places[signal.key].odd is signal]
        tick.recovered.clear()
        return tick

    def feed(
        self,
        series: Iterable[Series],
        *,
        query: str,
        learning: bool,
        until: float = math.inf,
        learn_until: float = math.inf,
    ) -> Tick:
        """Take in points newer than those known; while `learning` nothing up to `learn_until` is reported.

        `until`, in seconds since 1970, is how far was asked: a point beyond comes from a clock that is wrong.
        """
        tick, self._query = Tick(), query[:_LONGEST_QUERY]
        columns: dict[float, dict[int, float]] = {}
        for one in series:
            if self._sweep.metrics and one.metric not in self._sweep.metrics and one.metric not in self._limited:
                continue
            place = self._place(one, tick)
            if place is not None:
                self._take(place, one, columns, until=until, tick=tick)
        for at in sorted(columns):
            self._step(at, columns[at], learning=learning and at <= learn_until, tick=tick)
        if not learning and columns:
            self._silent({row for column in columns.values() for row in column}, max(columns), tick)
            self._stuck(max(columns), tick)
        tick.learning = sum(1 for place in self._places.values() if self._young[place.row])
        return tick

    def _take(
        self, place: Place, one: Series, columns: dict[float, dict[int, float]], *, until: float, tick: Tick
    ) -> None:
        for at, value in one.points:
            second = at.timestamp()
            if value is not None and place.last_at < second <= until:
                columns.setdefault(second, {})[place.row] = value
                place.last_at = second
                tick.points += 1

    def _place(self, one: Series, tick: Tick) -> Place | None:
        identity = _identity(one)
        known = self._by_identity.get(identity)
        if known is not None:
            return known
        if len(self._places) >= _MOST_SERIES and not self._make_room(tick):
            tick.dropped += 1
            return None
        key = f"{self._sweep.source} {one.metric} {canonical_digest(dict(sorted(one.labels.items())))[:16]}"
        key = f"{key} {one.service}" if one.service else key
        place = Place(key=key, row=self._new_row(), series=one.model_copy(update={"points": ()}))
        self._places[key] = self._by_identity[identity] = place
        return place

    def _new_row(self) -> int:
        if self._free:
            return self._free.pop()
        if len(self._places) >= self._room:
            self._grow(len(self._places) + 1)
        return len(self._places)

    def _make_room(self, tick: Tick) -> bool:
        """Forget series that nobody has seen for a day, such as those of pods that are gone."""
        newest = max(place.last_at for place in self._places.values())
        gone = [place for place in self._places.values() if place.last_at < newest - _FORGOTTEN_S]
        for place in gone:
            del self._places[place.key]
            del self._by_identity[_identity(place.series)]
            if place.odd is not None:
                tick.recovered.add(place.key)
        rows = np.array([place.row for place in gone], dtype=np.intp)
        if len(rows):
            self._detector.clear(rows)
            self._recent[rows], self._missing[rows], self._young[rows] = np.nan, 0, True
            self._free.extend(rows.tolist())
        return bool(gone)

    def _grow(self, least: int) -> None:
        """Room for `least` series and a few more: every place costs work at each tick, also an empty one."""
        before, rows = self._room, np.arange(self._room)
        self._room = -(-max(least, before + before // 4) // _FIRST_PLACES) * _FIRST_PLACES
        larger = Detector(self._room, self._tuning)
        if self._places:
            larger.restore(rows, self._detector.state(rows))
        self._detector, more = larger, self._room - before
        self._recent = np.vstack([self._recent, np.full((more, _RECENT), np.nan)])
        self._missing = np.concatenate([self._missing, np.zeros(more, dtype=np.int64)])
        self._jumps = np.concatenate([self._jumps, np.zeros(more, dtype=np.int64)])
        self._young = np.concatenate([self._young, np.ones(more, dtype=bool)])

    def _step(self, at: float, column: dict[int, float], *, learning: bool, tick: Tick) -> None:
        rows = np.fromiter(column, dtype=np.intp, count=len(column))
        values = np.full(self._room, np.nan)
        values[rows] = np.fromiter(column.values(), dtype=np.float64, count=len(column))
        if not learning:
            self._jumps = jumps(self._recent, values, self._jumps)
        self._recent = np.roll(self._recent, -1, axis=1)
        self._recent[:, -1] = values
        self._times.append(at)
        low, high = (bound.copy() for bound in self._detector.bounds())
        verdicts = self._detector.update(values)
        self._missing[rows] = 0
        self._young[rows] = verdicts.learning[rows]
        if learning:
            return
        # A season or a trend widens the band of all; then the last hour tells a sudden change, if it is rare as well.
        sudden = (np.abs(self._jumps) >= _JUMPS) & (verdicts.unusual >= _RARE)
        strange = ((verdicts.unusual >= self._sweep.threshold - _LEAST_RELUCTANCE) | sudden) & ~verdicts.learning
        strange &= not self._sweep.limits_only
        for place in self._places.values():
            row = place.row
            if row in column and (strange[row] or place.odd is not None or place.series.metric in self._limited):
                place.value = column[row]
                seen = _seen(at, verdicts, row, low=float(low[row]), high=float(high[row]))
                self._look(place, self._locally(place, seen) if sudden[row] else seen, tick)

    def _look(self, place: Place, seen: Seen, tick: Tick) -> None:
        limit = _crossed(self._sweep.limits, place)
        if place.odd is not None and place.odd.kind == "still" and place.value != place.odd.value:
            place.odd = None  # it moves again, and this very point may be worth a page
            tick.recovered.add(place.key)
        if place.odd is not None:
            place.calm = place.calm + 1 if limit is None and _is_calm(place, seen) else 0
            if place.calm >= self._sweep.recovered_after:
                place.odd, place.calm = None, 0
                tick.recovered.add(place.key)
        elif limit is not None:
            self._report(place, self._signal(place, "limit", seen), limit.severity, tick)
        elif seen.known and (seen.sudden or self._matters(place, seen)):
            signal = self._signal(place, "high" if place.value > seen.high else "low", seen)
            if seen.unusual >= self._sweep.threshold + self._reluctance(signal.fingerprint):
                self._report(place, signal, None, tick)

    def _locally(self, place: Place, seen: Seen) -> Seen:
        """The same point beside the last hour instead of all that is known."""
        middle, spread, _ = recent_level(self._recent[place.row : place.row + 1, :-_JUMPS])
        low, high = float(middle[0] - _NORMAL * spread[0]), float(middle[0] + _NORMAL * spread[0])
        unusual = max(seen.unusual, self._sweep.threshold)
        return replace(seen, low=low, high=high, unusual=unusual, sudden=True)

    def _matters(self, place: Place, seen: Seen) -> bool:
        """Unusual is not enough: it must be outside normal, by an amount that somebody would notice."""
        outside = max(seen.low - place.value, place.value - seen.high)
        middle = abs(seen.low + seen.high) / 2
        far = abs(seen.distance) >= self._sweep.least_distance
        return far and outside > 0 and outside >= self._sweep.least_change_ratio * middle

    def _signal(self, place: Place, kind: str, seen: Seen) -> Signal:
        one = place.series
        return Signal(
            key=place.key,
            source=self._sweep.source,
            metric=one.metric,
            kind=kind,
            at=datetime.fromtimestamp(seen.at, UTC),
            service=one.service,
            value=None if kind == "missing" else place.value,
            low=self._low(place.row, seen.low),
            high=seen.high,
            unit=one.unit,
            unusual=seen.unusual,
            query=self._query,
            points=self._newest(place.row),
        )

    def _low(self, row: int, low: float) -> float:
        """What never was below zero has no normal below zero."""
        known = self._recent[row][~np.isnan(self._recent[row])]
        return max(low, 0.0) if len(known) and known.min() >= 0 else low

    def _newest(self, row: int) -> tuple[Point, ...]:
        """The newest points of a series, for its picture."""
        values = self._recent[row, _RECENT - len(self._times) :]
        known = [(at, float(value)) for at, value in zip(self._times, values, strict=True) if not np.isnan(value)]
        return tuple(known)

    def _report(self, place: Place, signal: Signal, severity: Severity | None, tick: Tick) -> None:
        judged = severity or severity_of(signal)
        place.odd = signal.model_copy(update={"severity": judged, "text": sentence(signal)})
        place.calm = 0
        tick.recovered.discard(place.key)
        tick.new.append(place.odd)

    def _silent(self, spoke: set[int], at: float, tick: Tick) -> None:
        """A series that used to speak and does not, while others of the same answer do.

        Bad is a service of which nothing speaks any more. A metric that all services lost at once was renamed or is
        not collected: that is no trouble of theirs and is not told.
        """
        if not self._sweep.missing_after:
            return
        speaking = [place for place in self._places.values() if place.row in spoke]
        services = {place.series.service for place in speaking}
        metrics = {place.series.metric for place in speaking}
        for place in self._places.values():
            missing = int(self._missing[place.row])
            if place.row in spoke or place.last_at == 0 or missing > self._sweep.missing_after:
                continue
            self._missing[place.row] = missing + 1
            told = place.odd is None and place.series.service and place.series.metric in metrics
            if missing + 1 == self._sweep.missing_after and told:
                partly = Severity.LOW if place.series.service in services else None
                self._report(place, self._signal(place, "missing", Seen(at=at)), partly, tick)

    def _stuck(self, at: float, tick: Tick) -> None:
        """A series that moved at nearly every point and shows one number since: what measures it hangs. No page."""
        still = standstill(self._recent, least=_STILL) & ~np.isin(self._recent[:, -1], (0.0, 1.0))
        for place in self._places.values():
            if still[place.row] and place.odd is None and not self._sweep.limits_only:
                place.value = float(self._recent[place.row, -1])
                self._report(place, self._signal(place, "still", Seen(at=at)), Severity.LOW, tick)

    def missing(self, place: Place) -> int:
        """For how many ticks in a row it had no data."""
        return int(self._missing[place.row])


def _is_calm(place: Place, seen: Seen) -> bool:
    """Back inside what was normal at the onset, or at a level that has become the normal one since."""
    odd = place.odd
    if odd is None or odd.low is None or odd.high is None or odd.kind in ("missing", "limit"):
        return True
    if odd.kind == "still":
        return False
    return odd.low <= place.value <= odd.high or abs(seen.distance) < _RELEARNED


def _crossed(limits: Sequence[Limit], place: Place) -> Limit | None:
    for limit in limits:
        if limit.metric != place.series.metric:
            continue
        over = limit.above is not None and place.value > limit.above
        under = limit.below is not None and place.value < limit.below
        if over or under:
            return limit
    return None


def _seen(at: float, verdicts: Verdicts, row: int, *, low: float, high: float) -> Seen:
    return Seen(
        at=at,
        low=low,
        high=high,
        unusual=float(verdicts.unusual[row]),
        distance=float(verdicts.distance[row]),
        known=not bool(verdicts.learning[row]),
    )


def _identity(one: Series) -> _Identity:
    return one.metric, one.service, tuple(sorted(one.labels.items()))

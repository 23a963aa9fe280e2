"""What one sweep remembers between ticks: a detector's place per series, its newest point, what is out of normal."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from bot.analysis.anomaly.detector import Detector, Tuning, Verdicts
from bot.analysis.anomaly.scale import Floats
from bot.domain.anomaly import Point, Signal
from bot.domain.states import Severity
from bot.services.sweep_config import Limit, Sweep
from bot.services.sweep_judging import sentence, severity_of
from connectors.model import Series, canonical_digest

_FIRST_PLACES = 64
_MOST_SERIES = 20_000
_LONGEST_QUERY = 2_000
_NORMAL = 3.0
_RECENT = 60


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
    """What the detector said about one point; `low` and `high` bound what was normal before it."""

    at: float
    low: float = 0.0
    high: float = 0.0
    unusual: float = 0.0
    distance: float = 0.0
    onset: bool = False


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
        while len(self._places) + len(places) > self._room:
            self._grow()
        first = len(self._places)
        for place in places:
            place.row = len(self._places)
            self._places[place.key] = place
        if len(self._places) != first + len(places):
            raise ValueError("a series was kept twice")
        return np.arange(first, len(self._places))

    def feed(self, series: Iterable[Series], *, query: str, learning: bool) -> Tick:
        """Take in points newer than those known; while `learning` nothing is reported."""
        tick, self._query = Tick(), query[:_LONGEST_QUERY]
        columns: dict[float, dict[int, float]] = {}
        for one in series:
            if self._sweep.metrics and one.metric not in self._sweep.metrics:
                continue
            place = self._place(one, tick)
            if place is not None:
                self._take(place, one, columns, tick)
        for at in sorted(columns):
            self._step(at, columns[at], learning=learning, tick=tick)
        if not learning and columns:
            self._silent({row for column in columns.values() for row in column}, max(columns), tick)
        tick.learning = sum(1 for place in self._places.values() if place.last_at == 0)
        return tick

    def _take(self, place: Place, one: Series, columns: dict[float, dict[int, float]], tick: Tick) -> None:
        for at, value in one.points:
            second = at.timestamp()
            if value is not None and second > place.last_at:
                columns.setdefault(second, {})[place.row] = value
                place.last_at = second
                tick.points += 1

    def _place(self, one: Series, tick: Tick) -> Place | None:
        key = f"{self._sweep.source} {one.metric} {canonical_digest(dict(sorted(one.labels.items())))[:16]}"
        key = f"{key} {one.service}" if one.service else key
        known = self._places.get(key)
        if known is not None:
            known.series = one.model_copy(update={"points": ()})
            return known
        if len(self._places) >= _MOST_SERIES:
            tick.dropped += 1
            return None
        if len(self._places) == self._room:
            self._grow()
        place = Place(key=key, row=len(self._places), series=one.model_copy(update={"points": ()}))
        self._places[key] = place
        return place

    def _grow(self) -> None:
        rows = np.arange(self._room)
        larger = Detector(self._room * 2, self._tuning)
        larger.restore(rows, self._detector.state(rows))
        self._detector, self._room = larger, self._room * 2
        self._recent = np.vstack([self._recent, np.full_like(self._recent, np.nan)])

    def _step(self, at: float, column: dict[int, float], *, learning: bool, tick: Tick) -> None:
        values = np.full(self._room, np.nan)
        values[list(column)] = list(column.values())
        self._recent = np.roll(self._recent, -1, axis=1)
        self._recent[:, -1] = values
        self._times.append(at)
        low, high = (bound.copy() for bound in self._detector.bounds())
        verdicts = self._detector.update(values)
        for place in self._places.values():
            if place.row not in column:
                continue
            place.value, place.missing = column[place.row], 0
            if not learning:
                self._look(
                    place, _seen(at, verdicts, place.row, low=float(low[place.row]), high=float(high[place.row])), tick
                )

    def _look(self, place: Place, seen: Seen, tick: Tick) -> None:
        limit = _crossed(self._sweep.limits, place)
        if place.odd is not None:
            place.calm = place.calm + 1 if limit is None and abs(seen.distance) < _NORMAL else 0
            if place.calm >= self._sweep.recovered_after:
                place.odd, place.calm = None, 0
                tick.recovered.add(place.key)
        elif limit is not None:
            self._report(place, self._signal(place, "limit", seen), limit.severity, tick)
        elif seen.onset and self._matters(place, seen):
            signal = self._signal(place, "high" if place.value > seen.high else "low", seen)
            if seen.unusual >= self._sweep.threshold + self._reluctance(signal.fingerprint):
                self._report(place, signal, None, tick)

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
            low=seen.low,
            high=seen.high,
            unit=one.unit,
            unusual=seen.unusual,
            query=self._query,
            points=self._newest(place.row),
        )

    def _newest(self, row: int) -> tuple[Point, ...]:
        """The newest points of a series, for its picture."""
        values = self._recent[row, _RECENT - len(self._times) :]
        known = [(at, float(value)) for at, value in zip(self._times, values, strict=True) if not np.isnan(value)]
        return tuple(known)

    def _report(self, place: Place, signal: Signal, severity: Severity | None, tick: Tick) -> None:
        judged = severity or severity_of(signal)
        place.odd = signal.model_copy(update={"severity": judged, "text": sentence(signal)})
        place.calm = 0
        tick.new.append(place.odd)

    def _silent(self, spoke: set[int], at: float, tick: Tick) -> None:
        """A series that used to speak and does not, while others of the same answer do."""
        if not self._sweep.missing_after:
            return
        for place in self._places.values():
            if place.row in spoke or place.last_at == 0 or place.missing > self._sweep.missing_after:
                continue
            place.missing += 1
            if place.missing == self._sweep.missing_after and place.odd is None and place.series.service:
                self._report(place, self._signal(place, "missing", Seen(at=at)), None, tick)


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
        onset=bool(verdicts.onset[row]) and not bool(verdicts.learning[row]),
    )

"""Discovery and the signals of services: few requests, many answers, every series cited."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from connectors.base import Ask
from connectors.errors import ConnectorError
from connectors.model import Series, TimeWindow
from connectors.prometheus.api import Answered, Line, PrometheusApi, grid
from connectors.prometheus.conventions import NAMES, SERVICE_LABELS, Chosen, choose, first_of
from connectors.prometheus.plan import Query, needs_labels

DISCOVERY_TTL = timedelta(minutes=5)
STEPS_S = (1, 2, 5, 10, 15, 20, 30, 45, 60, 75, 90, 120, 180, 300, 600, 900, 1800, 3600, 7200, 21600, 86400)
_SHARED_METRICS = {
    "connections",
    "connections_limit",
    "connections_ratio",
    "replication_lag",
    "queue_depth",
    "pool_ratio",
}
_DATABASE_METRICS = {"connections", "connections_limit", "connections_ratio", "replication_lag"}


class Discovered(NamedTuple):
    at: datetime
    span_key: tuple[int, int]
    chosen: Chosen
    labels: dict[str, frozenset[str]]
    scrape_s: float
    services: tuple[str, ...]


class Fetched(NamedTuple):
    series: list[Series]
    queries: list[Query]
    notes: list[str]
    requests: int


class Signals:
    """Keeps what it discovered for five minutes, so that sixteen questions ask the names once."""

    def __init__(self, api: PrometheusApi) -> None:
        self._api = api
        self._kept: Discovered | None = None
        self._lock = asyncio.Lock()

    async def discover(self, span: TimeWindow, ask: Ask) -> Discovered:
        """Which conventions are in use, which services there are, and how often they are scraped."""
        key = (int(span.start.timestamp()) // 3600, int(span.end.timestamp()) // 3600)
        async with self._lock:
            kept = self._kept
            if kept is None or kept.span_key != key or ask.clock.now() - kept.at > DISCOVERY_TTL:
                kept = self._kept = await self._look(span, ask, key)
            return kept

    async def fetch(self, queries: list[Query], span: TimeWindow, step_s: float, ask: Ask) -> Fetched:
        """All queries at once, bounded; one that fails is a note, unless all fail."""
        before = self._api.requests
        outcomes = await asyncio.gather(
            *(self._api.range(query.promql, span, step_s, ask) for query in queries), return_exceptions=True
        )
        gathered = Gathered(span, step_s)
        asked, notes = [], []
        failures: list[ConnectorError] = []
        for query, outcome in zip(queries, outcomes, strict=True):
            if isinstance(outcome, ConnectorError):
                failures.append(outcome)
                notes.append(f"{query.metric} is missing: {outcome}")
            elif isinstance(outcome, BaseException):
                raise outcome
            else:
                asked.append(query)
                notes += [f"partial: {warning}" for warning in outcome.warnings]
                gathered.add(query, outcome)
        if failures and len(failures) == len(queries):
            raise failures[0]
        kept = list(gathered.series.values())
        return Fetched([*kept, *error_ratios(kept)], asked, list(dict.fromkeys(notes)), self._api.requests - before)

    async def _look(self, span: TimeWindow, ask: Ask, key: tuple[int, int]) -> Discovered:
        names = await self._api.label_values("__name__", [f'{{__name__=~"{NAMES}"}}'], span, ask)
        chosen = choose(names)
        families = needs_labels(chosen)
        found = await asyncio.gather(*(self._api.label_names([family], span, ask) for family in families))
        labels = {family: frozenset(names) for family, names in zip(families, found, strict=True)}
        scrape_s, services = await asyncio.gather(
            self._scrape_s(chosen, span, ask), self._services(chosen, labels, span, ask)
        )
        return Discovered(ask.clock.now(), key, chosen, labels, scrape_s, services)

    async def _scrape_s(self, chosen: Chosen, span: TimeWindow, ask: Ask) -> float:
        """How far apart samples are, measured on what is there; a minute when nothing tells."""
        probe = "up" if "up" in chosen.present else next(iter(chosen.counters), None)
        if probe is None:
            return 60.0
        answer = await self._api.instant(f"max(count_over_time({probe}[15m]))", span.end.timestamp(), ask)
        counts = [value for line in answer.lines for _, value in line.points if value]
        return max(1.0, 900.0 / counts[0]) if counts else 60.0

    async def _services(
        self, chosen: Chosen, labels: dict[str, frozenset[str]], span: TimeWindow, ask: Ask
    ) -> tuple[str, ...]:
        wanted: dict[str, list[str]] = {}
        for family in (*chosen.counters, *chosen.histograms[:1], *(("up",) if "up" in chosen.present else ())):
            label = first_of(SERVICE_LABELS, labels.get(family, frozenset()))
            if label is not None:
                wanted.setdefault(label, []).append(family)
        found = await asyncio.gather(
            *(self._api.label_values(label, families, span, ask) for label, families in wanted.items())
        )
        return tuple(sorted({name for names in found for name in names if name}))


def rate_window_s(scrape_s: float, step_s: float) -> int:
    """At least four samples, so that a lost scrape leaves no hole; at least the step, so that nothing is skipped."""
    return int(max(60, math.ceil(4 * scrape_s), step_s))


def step_for(span: TimeWindow, *, series: int, most_points: int, finest_s: float) -> float:
    """The finest usual step at which this many series stay within the points."""
    seconds = span.duration.total_seconds()
    room = max(2, min(most_points // max(1, series), 11_000))
    needed = max(finest_s, seconds / room)
    return float(next((step for step in STEPS_S if step >= needed), math.ceil(needed / 86_400) * 86_400))


def signals_step_s(queries: list[Query], services: int, span: TimeWindow, ask: Ask, *, finest_s: float) -> float:
    """The finest step at which all answers fit the points: then nothing need be thinned, and series stay aligned."""
    shared = sum(1 for query in queries if query.metric in _SHARED_METRICS)
    edges = 3 if any(query.callee_label for query in queries) else 1
    ratios = sum(1 for query in queries if query.metric == "error_rate")
    expected = (len(queries) - shared + ratios) * max(1, services) * edges + 2 * shared
    return step_for(span, series=expected, most_points=ask.limits.max_points, finest_s=finest_s)


class Gathered:
    """Series by metric and service (and callee): the first family that has a service keeps it."""

    def __init__(self, span: TimeWindow, step_s: float) -> None:
        self._span, self._step_s = span, step_s
        self._family_of: dict[str, str] = {}
        self.series: dict[tuple[str, str, str], Series] = {}

    def add(self, query: Query, answer: Answered) -> None:
        for line in answer.lines:
            service = _service(query, line)
            if query.family and self._family_of.setdefault(service, query.family) != query.family:
                continue  # errors of one family over requests of another would be no ratio
            callee = line.labels.get(query.callee_label, "") if query.callee_label else ""
            key = (query.metric, service, callee)
            if key not in self.series:
                self.series[key] = self._series(query, line, service, callee)

    def _series(self, query: Query, line: Line, service: str, callee: str) -> Series:
        labels = {"caller": service, "callee": callee} if query.callee_label else dict(line.labels)
        return Series(
            labels=labels,
            service=service or None,
            metric=query.metric,
            unit=query.unit,
            step_s=self._step_s,
            points=filled(line.points, self._span, self._step_s),
        )


def _service(query: Query, line: Line) -> str:
    """The service a line is about; a database's address loses its port."""
    name = line.labels.get(query.service_label, "")
    return name.partition(":")[0] if query.metric in _DATABASE_METRICS else name


def filled(
    points: list[tuple[float, float | None]], span: TimeWindow, step_s: float
) -> tuple[tuple[datetime, float | None], ...]:
    """One point per step of the span; what the server left out is a gap, None."""
    known = {round(at, 3): value for at, value in points}
    first, last = grid(span, step_s)
    count = round((last - first) / step_s) + 1
    times = (round(first + index * step_s, 3) for index in range(count))
    return tuple((datetime.fromtimestamp(at, UTC), known.get(at)) for at in times)


def error_ratios(series: Iterable[Series]) -> list[Series]:
    """errors / requests of each service, step by step; unknown where there were no requests."""
    kept = list(series)
    requests = {s.service: s for s in kept if s.metric == "request_rate"}
    ratios = []
    for errors in (s for s in kept if s.metric == "error_rate" and s.service in requests):
        totals = dict(requests[errors.service].points)
        points = tuple((at, _ratio(value, totals.get(at))) for at, value in errors.points)
        ratios.append(errors.model_copy(update={"metric": "error_ratio", "unit": "ratio", "points": points}))
    return ratios


def _ratio(part: float | None, whole: float | None) -> float | None:
    if part is None or not whole:
        return None
    return min(1.0, part / whole)

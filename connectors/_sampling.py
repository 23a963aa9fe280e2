"""Counts over time as rates, and sampled lines as groups with scaled counts. Pure.

Shared by the connectors of log stores: all count exactly on the server, and read some of the lines.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from connectors._log_groups import LogLine, group_lines
from connectors.model import Column, LogGroup, Rows, Series, TimeWindow

LEVELS: dict[str, tuple[str, ...]] = {
    "error": ("error", "err", "fatal", "critical", "crit", "alert", "emergency", "emerg", "panic", "severe"),
    "warn": ("warn", "warning"),
    "info": ("info", "information", "notice", "ok"),
    "debug": ("debug", "trace", "verbose"),
}
FAILURE_WORDS = ("error", "exception", "fatal", "failed", "failure", "panic", "traceback", "refused", "timeout")
"""Words that mark a failing line where lines carry no level."""
_STEPS_S = (1, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 21_600, 43_200, 86_400)
_ENOUGH_LINES = 20
_RARE_SERVICES = 8
LINE_COLUMNS = tuple(Column(name=name) for name in ("at", "service", "level", "message", "trace_id", "host"))
Counts = Mapping[str | None, Mapping[float, float]]


class Line(NamedTuple):
    """One log line of a store; `id` tells equal texts apart."""

    id: str
    at: datetime | None
    service: str | None
    level: str | None
    message: str
    trace: str | None = None
    host: str | None = None


class Sample(NamedTuple):
    """Lines of one span, and how many there are in all by service."""

    lines: Sequence[Line]
    counts: Mapping[str | None, int]

    @property
    def total(self) -> int:
        return max(len(self.lines), sum(self.counts.values()))

    @property
    def is_whole(self) -> bool:
        return len(self.lines) >= self.total

    def factors(self) -> dict[str | None, float]:
        """How many lines each sampled line of a service stands for."""
        read = Counter(line.service for line in self.lines)
        return {service: max(1.0, self.counts.get(service, n) / n) for service, n in read.items()}

    def plain(self) -> list[LogLine]:
        return [LogLine(line.service, line.at, line.level, line.message) for line in self.lines]


def fold(now: Sample, before: Sample) -> list[LogGroup]:
    """Groups of the lines of now, biggest first, each with its count before, both scaled to all lines."""
    return group_lines(now.plain(), before.plain(), factors_now=now.factors(), factors_before=before.factors())


def sample_note(words: str, sample: Sample) -> str | None:
    """A note when counts had to be scaled."""
    if sample.is_whole:
        return None
    return f"counts of the {words} are scaled from {len(sample.lines):,} of {sample.total:,} lines"


def rare_services(sample: Sample) -> list[str]:
    """Services of which few or no lines were among those read; at most eight, rarest first."""
    read = Counter(line.service for line in sample.lines)
    thin = [s for s, n in sample.counts.items() if s is not None and read[s] < min(n, _ENOUGH_LINES)]
    return sorted(thin, key=lambda service: read[service])[:_RARE_SERVICES]


def merged(*parts: Sequence[Line]) -> list[Line]:
    """Each line once."""
    return list({line.id: line for part in parts for line in part}.values())


def step_for(span: TimeWindow, *, points: int) -> int:
    """The smallest round step, in seconds, that gives at most `points` points."""
    needed = span.duration.total_seconds() / max(1, points)
    return next((step for step in _STEPS_S if step >= needed), _STEPS_S[-1])


def rate_points(
    counts: Mapping[float, float], span: TimeWindow, *, step_s: int
) -> tuple[tuple[datetime, float | None], ...]:
    """Counts by the start of their step (epoch seconds) as rates.

    No line in a step is a rate of zero: the store was asked and had none. Steps at the edges are divided by the
    seconds that lie in the span; less than half a step is left out, so that an edge is no false dip or peak.
    """
    start_s, end_s = span.start.timestamp(), span.end.timestamp()
    at_s = start_s // step_s * step_s
    points: list[tuple[datetime, float | None]] = []
    while at_s < end_s:
        covered_s = min(at_s + step_s, end_s) - max(at_s, start_s)
        if covered_s >= step_s / 2:
            points.append((datetime.fromtimestamp(at_s, UTC), counts.get(at_s, 0.0) / covered_s))
        at_s += step_s
    return tuple(points)


def rate_series(metric: str, counts: Counts, span: TimeWindow, *, step_s: int) -> list[Series]:
    """One series in 1/s for each service."""
    return [
        Series(
            labels={"service": service} if service else {},
            service=service,
            metric=metric,
            unit="1/s",
            step_s=step_s,
            points=rate_points(by_time, span, step_s=step_s),
        )
        for service, by_time in sorted(counts.items(), key=lambda pair: (-sum(pair[1].values()), pair[0] or ""))
    ]


def line_rows(lines: Sequence[Line]) -> Rows:
    """Lines as a table."""
    rows = tuple(
        (line.at.isoformat() if line.at else None, line.service, line.level, line.message, line.trace, line.host)
        for line in lines
    )
    return Rows(columns=LINE_COLUMNS, rows=rows)


def spellings(levels: Sequence[str]) -> list[str]:
    """Every way the levels are written, in small letters."""
    return [word for level in levels for word in LEVELS.get(level, (level,))]


def level_of(word: str | None) -> str | None:
    """The canonical level (error, warn, info, debug) of a spelling; the spelling itself where it is none."""
    if not word:
        return None
    small = word.strip().lower()
    return next((level for level, words in LEVELS.items() if small in words), small)

"""Time series as a native chart, and in words where there is no chart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median

from bot.slack.blocks.limits import CHART_LABEL, CHART_POINTS, CHART_SERIES, CHART_TITLE, Block
from bot.slack.blocks.text import clip, escape_line, one_line
from connectors.model import Series, SeriesSet

BARS = "▁▂▃▄▅▆▇█"
_BUCKETS = (CHART_POINTS, 15, 10, 6, 4)


@dataclass(frozen=True)
class Line:
    """One series thinned to a common grid; `values` holds the point of each step that stands out most."""

    name: str
    values: tuple[float, ...]


def most_telling(series: Sequence[Series]) -> list[Series]:
    """Series that have points, the one that moved most first."""
    return sorted((s for s in series if _values(s)), key=_movement, reverse=True)


def _values(series: Series) -> list[float]:
    return [v for _, v in series.points if v is not None]


def _movement(series: Series) -> tuple[float, float]:
    """How far the last third lies from the first half: by its usual spread, and by its share of the larger of both."""
    values = _values(series)
    early, late = values[: max(1, len(values) // 2)], values[-max(1, len(values) // 3) :]
    usual, now, highest = median(early), median(late), max(abs(v) for v in values)
    spread = max(median(abs(v - usual) for v in early), highest * 0.02, 1e-12)
    share = abs(now - usual) / max(abs(now), abs(usual), 1e-12)
    return min(10.0, abs(now - usual) / spread) * share, highest / max(abs(usual), highest * 0.02, 1e-12)


def chart(payload: SeriesSet, onset: datetime | None = None) -> Block | None:
    """A line chart of at most six series; None when no grid fits without inventing points."""
    chosen = most_telling(payload.series)
    if not chosen:
        return None
    chosen = [s for s in chosen if (s.unit, s.metric) == (chosen[0].unit, chosen[0].metric)][:CHART_SERIES]
    unit = chosen[0].unit or ""
    for steps in _BUCKETS:
        grid = _grid(chosen, steps)
        lines = [line for s in chosen if (line := _thin(s, grid))]
        if len(lines) == len(chosen) or (lines and steps == _BUCKETS[-1]):
            return _block(lines, grid, chosen, unit, onset)
    return None


def _grid(series: Sequence[Series], steps: int) -> list[float]:
    """Starts of equal steps from the first to the last point, as UNIX seconds."""
    times = [at.timestamp() for s in series for at, _ in s.points]
    first, last = min(times), max(times)
    steps = min(steps, max(1, len({round(t) for t in times})))
    width = max((last - first) / steps, 1e-3)
    return [first + width * place for place in range(steps)]


def _thin(series: Series, grid: Sequence[float]) -> Line | None:
    """The point of each step furthest from the median, so that peaks and dips stay; None when a step is empty."""
    middle = median(_values(series))
    width = grid[1] - grid[0] if len(grid) > 1 else math.inf
    found: dict[int, float] = {}
    for at, value in series.points:
        if value is None:
            continue
        place = min(len(grid) - 1, max(0, int((at.timestamp() - grid[0]) / width))) if len(grid) > 1 else 0
        if place not in found or abs(value - middle) > abs(found[place] - middle):
            found[place] = value
    if len(found) < len(grid):
        return None
    return Line(name_of(series), tuple(found[place] for place in range(len(grid))))


def name_of(series: Series) -> str:
    """What tells this series from its neighbours, short."""
    telling = {k: v for k, v in series.labels.items() if k not in ("__name__", "job", "instance", "environment", "env")}
    extra = next((v for k, v in telling.items() if v != series.service), "")
    return one_line(" ".join(p for p in (series.service or "", extra) if p) or series.metric) or "series"


def _block(lines: list[Line], grid: list[float], chosen: Sequence[Series], unit: str, onset: datetime | None) -> Block:
    labels = _labels(grid)
    names = _unique([line.name for line in lines])
    title = one_line(f"{chosen[0].metric} ({unit})" if unit else chosen[0].metric)
    if onset:
        title = f"{clip(title, CHART_TITLE - 16)} · onset {onset.astimezone(UTC):%H:%M}"
    data = [
        {"name": name, "data": [{"label": at, "value": _short(v)} for at, v in zip(labels, line.values, strict=True)]}
        for name, line in zip(names, lines, strict=True)
    ]
    axis: Block = {"categories": labels, "x_label": "UTC"}
    if unit:
        axis["y_label"] = clip(one_line(unit), CHART_TITLE)
    shown = {"type": "line", "series": data, "axis_config": axis}
    return {"type": "data_visualization", "title": clip(title, CHART_TITLE) or "Chart", "chart": shown}


def _short(value: float) -> float:
    return float(f"{value:.6g}")


def _labels(grid: Sequence[float]) -> list[str]:
    times = [datetime.fromtimestamp(t, UTC) for t in grid]
    for form in ("%H:%M", "%H:%M:%S", "%d %b %H:%M", "%d %b %H:%M:%S"):
        labels = [f"{at:{form}}" for at in times]
        if len(set(labels)) == len(labels):
            return labels
    return [f"{at:%H:%M:%S} {place}" for place, at in enumerate(times, start=1)]


def _unique(names: Sequence[str]) -> list[str]:
    made: list[str] = []
    for name in names:
        short, number = clip(name, CHART_LABEL, note="…") or "series", 2
        while short in made:
            short = f"{clip(name, CHART_LABEL - 4, note='…')} {number}"
            number += 1
        made.append(short)
    return made


def summary(payload: SeriesSet, onset: datetime | None = None, *, most: int = CHART_SERIES) -> str:
    """The same in words and bars: one line per series, for readers without charts. Safe for mrkdwn."""
    series = most_telling(payload.series)
    lines = [_in_words(s) for s in series[:most]]
    if len(series) > most:
        lines.append(f"_and {len(series) - most} more series that moved less_")
    empty = len(payload.series) - len(series)
    if empty:
        lines.append(f"_{empty} series without a point in this window_")
    if onset:
        lines.append(f"Onset of the trouble: *{onset.astimezone(UTC):%H:%M} UTC*")
    return "\n".join(lines)


def _in_words(series: Series) -> str:
    values = _values(series)
    peak = max(values)
    at = next(t for t, v in series.points if v == peak).astimezone(UTC)
    unit = f" {escape_line(series.unit, 20)}" if series.unit else ""
    gaps = len(series.points) - len(values)
    said = f"`{escape_line(name_of(series), 60).replace('`', chr(39))}` {sparkline(series)} "
    said += f"median {median(values):.4g}{unit}, peak {peak:.4g}{unit} at {at:%H:%M}, last {values[-1]:.4g}{unit}"
    return said + (f" ({gaps} points missing)" if gaps else "")


def sparkline(series: Series, width: int = 20) -> str:
    """A row of bars; a missing stretch is a dot, never a zero."""
    points = series.points
    size = max(1, math.ceil(len(points) / width))
    groups = [[v for _, v in points[n : n + size] if v is not None] for n in range(0, len(points), size)]
    peaks = [max(g, key=abs) if g else None for g in groups]
    known = [p for p in peaks if p is not None]
    low, high = min(known, default=0.0), max(known, default=0.0)
    return "".join("·" if p is None else BARS[_bar(p, low, high)] for p in peaks)


def _bar(value: float, low: float, high: float) -> int:
    """0 to 7; halves keep the largest numbers from overflowing."""
    scale = high / 2 - low / 2
    return min(7, max(0, int((value / 2 - low / 2) / scale * 7))) if scale else 0

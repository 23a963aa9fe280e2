"""The last belt round an answer: rows, points and bytes are cut visibly, and peaks survive."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

from pydantic import JsonValue

from connectors.model import (
    Changes,
    Limits,
    Logs,
    Objects,
    Payload,
    Rows,
    Series,
    SeriesSet,
    Text,
    Traces,
)

Point = tuple[datetime, float | None]
T = TypeVar("T")


def cap_payload(payload: Payload, limits: Limits) -> tuple[Payload, str | None]:
    """The payload within `limits`, and a note in words on what was cut (None: nothing)."""
    match payload:
        case Rows():
            rows, note = _cap_rows(payload.rows, limits)
            return (payload.model_copy(update={"rows": rows}), note) if note else (payload, None)
        case SeriesSet():
            return _cap_series(payload, limits)
        case Logs():
            groups, note = _first(payload.groups, limits.max_rows, "log groups")
            return payload.model_copy(update={"groups": groups}), note
        case Objects():
            items, note = _first(payload.items, limits.max_rows, "objects")
            return payload.model_copy(update={"items": items}), note
        case Changes():
            changes, note = _first(payload.items, limits.max_rows, "changes")
            return payload.model_copy(update={"items": changes}), note
        case Traces():
            edges, note = _first(payload.edges, limits.max_rows, "edges")
            return payload.model_copy(update={"edges": edges}), note
        case Text():
            return _cap_text(payload, limits)


def _first(items: tuple[T, ...], most: int, noun: str) -> tuple[tuple[T, ...], str | None]:
    if len(items) <= most:
        return items, None
    return items[:most], f"first {most:,} of {len(items):,} {noun}"


def _cap_rows(
    rows: tuple[tuple[JsonValue, ...], ...], limits: Limits
) -> tuple[tuple[tuple[JsonValue, ...], ...], str | None]:
    kept, note = _first(rows, limits.max_rows, "rows")
    size = 0
    for index, row in enumerate(kept):
        size += sum(len(cell) if isinstance(cell, str) else 8 for cell in row)
        if size > limits.max_bytes:
            return kept[:index], f"first {index:,} of {len(rows):,} rows (byte cap {limits.max_bytes:,})"
    return kept, note


def _cap_text(payload: Text, limits: Limits) -> tuple[Text, str | None]:
    if len(payload.text) <= limits.max_bytes:
        return payload, None
    return Text(text=payload.text[: limits.max_bytes]), f"first {limits.max_bytes:,} characters"


def _cap_series(payload: SeriesSet, limits: Limits) -> tuple[SeriesSet, str | None]:
    series, note = _first(payload.series, limits.max_rows, "series")
    total = sum(len(s.points) for s in series)
    if total <= limits.max_points:
        return payload.model_copy(update={"series": series}), note
    share = max(2, limits.max_points // max(1, len(series)))
    thinned = tuple(_thin(s, share) for s in series)
    words = f"{total:,} points thinned to {sum(len(s.points) for s in thinned):,} (peaks kept)"
    return SeriesSet(series=thinned), "; ".join(n for n in (note, words) if n)


def _thin(series: Series, most: int) -> Series:
    if len(series.points) <= most:
        return series
    points = downsample(series.points, most)
    step_s = series.step_s * len(series.points) / max(1, len(points))
    return series.model_copy(update={"points": points, "step_s": step_s})


def downsample(points: Sequence[Point], most: int) -> tuple[Point, ...]:
    """At most `most` of the points; every bucket keeps its lowest and its highest, so that no peak is lost."""
    if len(points) <= most:
        return tuple(points)
    buckets = max(1, most // 2)
    width = len(points) / buckets
    kept: list[Point] = []
    for bucket in range(buckets):
        part = points[int(bucket * width) : int((bucket + 1) * width)]
        known = [p for p in part if p[1] is not None]
        if not known:
            kept.extend(part[:1])
            continue
        extremes = {min(known, key=_value), max(known, key=_value)}
        kept.extend(sorted(extremes))
    return tuple(kept)


def _value(point: Point) -> float:
    return point[1] if point[1] is not None else 0.0

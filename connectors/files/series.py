"""Tables with a column of time as series: wide (a number in each column) or long (`metric` and `value`)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from statistics import median
from typing import Any, NamedTuple

from connectors.model import Series

_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE", "DECIMAL", "UINTEGER", "UBIGINT")
_SERVICES = ("service", "app", "job", "deployment", "destination")
_MAX_LABELS = 6


class Shape(NamedTuple):
    """How a table holds series. `metric` names the column of names in a long table."""

    time: str
    values: tuple[str, ...]
    labels: tuple[str, ...]
    metric: str | None


def shape(columns: Sequence[tuple[str, str]]) -> Shape | None:
    """None when there is no column of time, or no number."""
    time = next((name for name, kind in columns if kind.startswith("TIMESTAMP")), None)
    numbers = tuple(name for name, kind in columns if kind.startswith(_NUMBERS))
    texts = tuple(name for name, kind in columns if kind == "VARCHAR")[:_MAX_LABELS]
    if time is None or not numbers:
        return None
    metric = next((name for name in texts if name.lower() in {"metric", "name", "__name__"}), None)
    if metric is not None and any(name.lower() == "value" for name in numbers):
        numbers = tuple(name for name in numbers if name.lower() == "value")
        return Shape(time, numbers, tuple(name for name in texts if name != metric), metric)
    return Shape(time, numbers, texts, None)


def query(table: str, found: Shape) -> str:
    """Rows of the window in order; `?` are its start and end."""
    names = [found.time, *([found.metric] if found.metric else []), *found.labels, *found.values]
    columns = ", ".join(_name(name) for name in names)
    time = f"{_name(found.time)}::TIMESTAMPTZ"
    return f"SELECT {columns} FROM {_name(table)} WHERE {time} >= ? AND {time} < ? ORDER BY {_name(found.time)}"  # noqa: S608


def build(rows: Iterable[Sequence[Any]], found: Shape) -> list[Series]:
    """One series for each metric and set of labels; of two points at one time the later one stays."""
    points: dict[tuple[str, tuple[tuple[str, str], ...]], dict[datetime, float | None]] = defaultdict(dict)
    first = 2 if found.metric else 1
    for row in rows:
        at = _utc(row[0])
        texts = row[first : first + len(found.labels)]
        labels = tuple((key, str(value)) for key, value in zip(found.labels, texts, strict=True) if value is not None)
        for name, value in zip(found.values, row[first + len(found.labels) :], strict=True):
            points[str(row[1]) if found.metric else name, labels][at] = None if value is None else float(value)
    return [_series(metric, dict(labels), sorted(kept.items())) for (metric, labels), kept in points.items()]


def _series(metric: str, labels: dict[str, str], points: list[tuple[datetime, float | None]]) -> Series:
    steps = [(later[0] - earlier[0]).total_seconds() for earlier, later in pairwise(points)]
    service = next((labels[key] for key in _SERVICES if key in labels), None)
    step_s = median(steps) if steps else 60.0
    return Series(labels=labels, service=service, metric=metric, step_s=step_s, points=tuple(points))


def _utc(value: datetime) -> datetime:
    return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


def _name(value: str) -> str:
    return '"' + value.replace('"', '""') + '"'

"""Loki's HTTP API, typed at the border.

Source: https://grafana.com/docs/loki/latest/reference/loki-http-api/ (read 2026-11).
"""

from __future__ import annotations

import math
from typing import NamedTuple
from urllib.parse import quote

from pydantic import JsonValue

from connectors._json import mapping, moment, need_list, need_mapping, number
from connectors._reading import Reading
from connectors.errors import ConnectorError, Malformed, Rejected, TimedOut
from connectors.model import JsonObject, TimeWindow

LANGUAGE = "logql"
MAX_ENTRIES = 5_000
"""`max_entries_limit_per_query`, as Loki ships."""
MAX_POINTS_PER_SERIES = 11_000


class Entry(NamedTuple):
    """One line with its labels; `at_ns` since the epoch."""

    labels: dict[str, str]
    at_ns: int
    text: str


class Samples(NamedTuple):
    """One series of a metric query: epoch seconds and values."""

    labels: dict[str, str]
    points: list[tuple[float, float | None]]


class Found(NamedTuple):
    """What a query answered: lines of a log query or samples of a metric query."""

    entries: list[Entry]
    samples: list[Samples]


async def query_lines(
    reading: Reading, logql: str, span: TimeWindow, *, limit: int, newest_first: bool = True
) -> list[Entry]:
    """At most `limit` lines of `[start, end)`, in the order asked for."""
    params = {
        "query": logql,
        "start": _ns(span.start.timestamp()),
        "end": _ns(span.end.timestamp()),
        "limit": str(min(limit, MAX_ENTRIES)),
        "direction": "backward" if newest_first else "forward",
    }
    found = await _query(reading, "/loki/api/v1/query_range", params)
    return sorted(found.entries, key=lambda entry: -entry.at_ns if newest_first else entry.at_ns)


async def query_range(reading: Reading, logql: str, span: TimeWindow, *, step_s: float, limit: int) -> Found:
    """A query over a span at multiples of the step."""
    params = {
        "query": logql,
        "start": _ns(math.ceil(span.start.timestamp() / step_s) * step_s),
        "end": _ns(span.end.timestamp()),
        "step": f"{step_s:g}s",
        "limit": str(min(limit, MAX_ENTRIES)),
        "direction": "backward",
    }
    return await _query(reading, "/loki/api/v1/query_range", params)


async def query_instant(reading: Reading, logql: str, at_s: float, *, limit: int = 100) -> Found:
    """A metric query at one moment."""
    params = {"query": logql, "time": _ns(at_s), "limit": str(min(limit, MAX_ENTRIES))}
    return await _query(reading, "/loki/api/v1/query", params)


async def label_names(reading: Reading, span: TimeWindow) -> list[str]:
    """The names of stream labels within the span."""
    return await _texts(reading, "/loki/api/v1/labels", span)


async def label_values(reading: Reading, label: str, span: TimeWindow) -> list[str]:
    """The values of one stream label within the span."""
    return await _texts(reading, f"/loki/api/v1/label/{quote(label, safe='')}/values", span)


async def _texts(reading: Reading, path: str, span: TimeWindow) -> list[str]:
    params = {"start": _ns(span.start.timestamp()), "end": _ns(span.end.timestamp())}
    data = _data(await reading.get(path, params, show=f"GET {path}"), reading.name)
    if data is None:
        return []
    if not isinstance(data, list):
        raise Malformed(f"{reading.name} answered labels of an unexpected shape.")
    return [str(value) for value in data]


async def _query(reading: Reading, path: str, params: dict[str, str]) -> Found:
    try:
        answer = await reading.get(path, params, show=params["query"])
    except Rejected as error:
        raise _sharper(error) from error
    data = need_mapping(_data(answer, reading.name), reading.name, "resultType")
    try:
        return _found(data, reading.name)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise Malformed(f"{reading.name} answered a result of an unexpected shape.") from error


def _data(answer: JsonValue, name: str) -> JsonValue:
    envelope = need_mapping(answer, name, "status")
    if envelope.get("status") != "success":
        raise Malformed(f"{name} answered JSON that is not Loki's own.")
    return envelope.get("data")


def _sharper(error: ConnectorError) -> ConnectorError:
    words = str(error).lower()
    if "deadline exceeded" in words or "timed out" in words:
        return TimedOut(str(error))
    return error


def _found(data: JsonObject, name: str) -> Found:
    kind, result = data["resultType"], need_list(data.get("result") or [], name)
    if kind == "streams":
        return Found([entry for stream in result for entry in _entries(stream)], [])
    if kind in ("matrix", "vector"):
        return Found([], [_samples(line) for line in result])
    raise ValueError(kind)


def _entries(stream: JsonObject) -> list[Entry]:
    labels = _labels(stream["stream"])
    values = stream["values"]
    if not isinstance(values, list):
        raise TypeError
    found = []
    for value in values:
        if not isinstance(value, list):
            raise TypeError
        more = mapping(value[2]) if len(value) > 2 else {}
        extra = _labels(mapping(more, "structuredMetadata") or mapping(more, "parsed"))
        found.append(Entry(labels | extra, int(str(value[0])), str(value[1])))
    return found


def _samples(line: JsonObject) -> Samples:
    pairs = [line["value"]] if "value" in line else line["values"]
    if not isinstance(pairs, list):
        raise TypeError
    points = []
    for pair in pairs:
        if not isinstance(pair, list) or moment(pair[0]) is None:
            raise TypeError
        points.append((float(str(pair[0])), number(pair[1])))
    return Samples(_labels(line["metric"]), points)


def _labels(value: JsonValue) -> dict[str, str]:
    if not isinstance(value, dict):
        raise TypeError
    return {str(key): str(item) for key, item in value.items()}


def _ns(seconds: float) -> str:
    """Nanoseconds, whole microseconds of them so that binary fractions do not show."""
    return f"{round(seconds * 1_000_000)}000"

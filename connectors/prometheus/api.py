"""Prometheus' HTTP API, typed at the border.

Source: https://prometheus.io/docs/prometheus/latest/querying/api/ (read 2026-11).
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from pydantic import JsonValue, SecretStr

from connectors.base import Ask
from connectors.errors import ConnectorError, Malformed, NotFound, Rejected, TimedOut, Unavailable
from connectors.http import MAX_JSON_PARTS, HttpClient, Params
from connectors.model import Limits, TimeWindow
from connectors.prometheus.config import PrometheusConfig

LANGUAGE = "promql"
MAX_POINTS_PER_SERIES = 11_000
"""The server refuses more in one range query."""
_LONGEST_GET = 2_000


class Line(NamedTuple):
    """One series of an answer: seconds since the epoch, and the value or None for NaN and infinities."""

    labels: dict[str, str]
    points: list[tuple[float, float | None]]


class Answered(NamedTuple):
    lines: list[Line]
    warnings: tuple[str, ...]


class PrometheusApi:
    """Reads only. Every call is bounded in bytes, in time on the server, and in number at once."""

    def __init__(self, config: PrometheusConfig, *, name: str) -> None:
        tenant = {"x-scope-orgid": SecretStr(config.tenant)} if config.tenant else {}
        access = config.model_copy(update={"headers": {**tenant, **config.headers}})
        self._http = HttpClient(access, name=name)
        self._name = name
        self._slots = asyncio.Semaphore(config.concurrency)
        self.requests = 0

    async def open(self) -> None:
        await self._http.open()

    async def close(self) -> None:
        await self._http.close()

    async def instant(self, promql: str, at_s: float, ask: Ask) -> Answered:
        """The value of every series at one moment."""
        params = {"query": promql, "time": f"{at_s:.3f}", "timeout": f"{ask.limits.deadline_s:g}s"}
        return self._lines(await self._get("/api/v1/query", params, ask))

    async def range(self, promql: str, span: TimeWindow, step_s: float, ask: Ask) -> Answered:
        """Every series over `[start, end)`, at multiples of the step so that equal questions have equal answers."""
        start, end = grid(span, step_s)
        params = {
            "query": promql,
            "start": f"{start:.3f}",
            "end": f"{end:.3f}",
            "step": f"{step_s:g}",
            "timeout": f"{ask.limits.deadline_s:g}s",
        }
        return self._lines(await self._get("/api/v1/query_range", params, ask))

    async def label_values(self, label: str, selectors: list[str], span: TimeWindow, ask: Ask) -> list[str]:
        """The values of a label among the series that match, within the span."""
        data = await self._get(f"/api/v1/label/{quote(label, safe='')}/values", _matching(selectors, span), ask)
        return self._texts(data["data"])

    async def label_names(self, selectors: list[str], span: TimeWindow, ask: Ask) -> list[str]:
        data = await self._get("/api/v1/labels", _matching(selectors, span), ask)
        return self._texts(data["data"])

    async def metadata(self, ask: Ask, *, most: int) -> dict[str, Any]:
        """Type, help and unit by metric name; empty where the server keeps none."""
        try:
            data = await self._get("/api/v1/metadata", {"limit": str(most)}, ask)
        except NotFound:
            return {}
        return self._mapping(data["data"])

    async def exemplars(self, promql: str, span: TimeWindow, ask: Ask) -> list[Any]:
        """Exemplars by series; NotFound where the server keeps none."""
        times = {"start": f"{span.start.timestamp():.3f}", "end": f"{span.end.timestamp():.3f}"}
        data = (await self._get("/api/v1/query_exemplars", {"query": promql, **times}, ask))["data"]
        if data is not None and not isinstance(data, list):
            raise Malformed(f"{self._name} answered data of an unexpected shape.")
        return data or []

    async def section(self, path: str, params: Params, ask: Ask) -> dict[str, Any]:
        """The `data` object of alerts, rules, targets, status."""
        return self._mapping((await self._get(path, params, ask))["data"])

    async def _get(self, path: str, params: Params, ask: Ask) -> dict[str, Any]:
        long = sum(len(value) for value in params.values() if isinstance(value, str)) > _LONGEST_GET
        post = long and path.startswith("/api/v1/query")
        async with self._slots:
            self.requests += 1
            try:
                reply = await self._http.request(
                    "POST" if post else "GET",
                    path,
                    params=None if post else params,
                    form=params if post else None,
                    max_bytes=ask.limits.max_bytes,
                    timeout_s=ask.limits.deadline_s,
                )
            except (Rejected, Unavailable) as error:
                raise _sharper(error) from error
        return self._envelope(reply.json(self._name, most_parts=_most_parts(ask.limits)))

    def _envelope(self, value: JsonValue) -> dict[str, Any]:
        if not isinstance(value, dict) or value.get("status") not in {"success", "error"}:
            raise Malformed(f"{self._name} answered JSON that is not Prometheus' own.")
        if value["status"] == "error":
            raise Rejected(f"{self._name} refused the query: {self._http.clean(str(value.get('error', 'no reason')))}.")
        if "data" not in value:
            raise Malformed(f"{self._name} answered without data.")
        return value

    def _mapping(self, data: JsonValue) -> dict[str, Any]:
        if not isinstance(data, dict):
            raise Malformed(f"{self._name} answered data of an unexpected shape.")
        return data

    def _texts(self, data: JsonValue) -> list[str]:
        if data is None:
            return []
        if not isinstance(data, list):
            raise Malformed(f"{self._name} answered data of an unexpected shape.")
        return [str(item) for item in data]

    def _lines(self, envelope: dict[str, Any]) -> Answered:
        warnings = tuple(self._http.clean(str(w)) for w in envelope.get("warnings") or ())
        try:
            return Answered(_parse(envelope["data"]), warnings)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise Malformed(f"{self._name} answered series of an unexpected shape.") from error


def grid(span: TimeWindow, step_s: float) -> tuple[float, float]:
    """First and last multiple of the step inside `[start, end)`; the first may lie just before a tiny window."""
    first = math.ceil(span.start.timestamp() / step_s) * step_s
    last = (math.ceil(span.end.timestamp() / step_s) - 1) * step_s
    return min(first, last), last


def _sharper(error: ConnectorError) -> ConnectorError:
    """A 503 or 422 whose reason is the query's own timeout is a timeout."""
    words = str(error).lower()
    if "timed out" in words or "deadline exceeded" in words or "context canceled" in words:
        return TimedOut(str(error))
    return error


def _most_parts(limits: Limits) -> int:
    """A point is one part and a series three; a source that is allowed more of them may answer so much."""
    return max(MAX_JSON_PARTS, limits.max_points + 4 * limits.max_rows)


def _matching(selectors: list[str], span: TimeWindow) -> Mapping[str, str | list[str]]:
    times = {"start": f"{span.start.timestamp():.3f}", "end": f"{span.end.timestamp():.3f}"}
    return {**times, "match[]": selectors} if selectors else times


def _parse(data: dict[str, Any]) -> list[Line]:
    kind, result = data["resultType"], data.pop("result")
    if kind == "scalar":
        return [Line({}, [_point(result)])]
    if kind == "string":
        return []
    if kind not in {"vector", "matrix"}:
        raise ValueError(kind)
    result.reverse()
    lines: list[Line] = []
    while result:  # each series as decoded goes when its line is made, so that both are never there at once
        item = result.pop()
        pairs = item.get("values", []) if kind == "matrix" else [item["value"]] if "value" in item else []
        lines.append(Line(_labels(item), [_point(pair) for pair in pairs]))
    return lines


def _labels(item: dict[str, Any]) -> dict[str, str]:
    return {str(key): str(value) for key, value in item["metric"].items()}


def _point(pair: list[Any]) -> tuple[float, float | None]:
    value = float(pair[1])
    return float(pair[0]), value if math.isfinite(value) else None


def quoted(text: str) -> str:
    """A PromQL string literal."""
    return json.dumps(text, ensure_ascii=False)

"""The Prometheus HTTP API over generated series.

Shapes follow https://prometheus.io/docs/prometheus/latest/querying/api/ (read 2026-11-20).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
import promql_parser
from aiohttp import web

from bot.demo.world.prometheus_rules import RULES, Rules
from bot.demo.world.prometheus_store import SeriesStore
from bot.demo.world.promql import Evaluator, PromqlError, RawSeries, Scalar, Text, Vector
from bot.demo.world.promql.evaluate import Matcher, matchers_of, parse
from bot.demo.world.promql.values import Array, Value, Window
from bot.demo.world.series import Series

MAX_POINTS = 11_000
_STATUS = {"bad_data": 400, "execution": 422, "timeout": 503}


class PrometheusServer:
    """Routes of one server over one store."""

    def __init__(self, store: SeriesStore, clock: Callable[[], float]) -> None:
        self.store = store
        self._clock = clock
        self.rules = Rules(store, clock)
        store.metrics.families["ALERTS"] = self.rules.family()
        self.evaluator = Evaluator(store.select)

    def app(self) -> web.Application:
        """The application with all routes."""
        app = web.Application(middlewares=[_errors])
        for path, handler in (
            ("query", self._query),
            ("query_range", self._query_range),
            ("labels", self._labels),
            ("series", self._series),
            ("format_query", self._format),
        ):
            app.router.add_route("GET", f"/api/v1/{path}", handler)
            app.router.add_route("POST", f"/api/v1/{path}", handler)
        app.router.add_get("/api/v1/label/{name}/values", self._label_values)
        app.router.add_get("/api/v1/metadata", self._metadata)
        app.router.add_get("/api/v1/rules", self._rules)
        app.router.add_get("/api/v1/alerts", self._alerts)
        app.router.add_get("/api/v1/targets", self._targets)
        app.router.add_get("/api/v1/status/buildinfo", self._buildinfo)
        app.router.add_get("/api/v1/status/config", self._config)
        app.router.add_get("/-/healthy", _healthy)
        app.router.add_get("/-/ready", _healthy)
        return app

    async def _query(self, request: web.Request) -> web.Response:
        form = await _form(request)
        moment = _time(form.get("time"), "time", default=self._clock())
        value = self.evaluator.evaluate(_required(form, "query"), np.array([moment]))
        if isinstance(value, Window):
            rows = [_matrix_row(raw, moment - value.range_s, moment) for raw in value.series]
            return _success({"resultType": "matrix", "result": [row for row in rows if row["values"]]})
        if isinstance(value, Scalar):
            return _success({"resultType": "scalar", "result": [moment, number(value.values[0])]})
        if isinstance(value, Text):
            return _success({"resultType": "string", "result": [moment, value.value]})
        rows = [{"metric": dict(s.labels), "value": [moment, number(s.values[0])]} for s in value.samples if s.there[0]]
        return _success({"resultType": "vector", "result": rows})

    async def _query_range(self, request: web.Request) -> web.Response:
        form = await _form(request)
        start = _time(form.get("start"), "start")
        end = _time(form.get("end"), "end")
        step = _duration(form.get("step"))
        if end < start:
            raise PromqlError('invalid parameter "end": end timestamp must not be before start time', "bad_data")
        if (end - start) / step > MAX_POINTS:
            message = "exceeded maximum resolution of 11,000 points per timeseries. "
            raise PromqlError(message + "Try decreasing the query resolution (?step=XX)", "bad_data")
        times: Array = start + step * np.arange(math.floor((end - start) / step + 1e-9) + 1, dtype=float)
        value = self.evaluator.evaluate(_required(form, "query"), times)
        return _success({"resultType": "matrix", "result": _matrix(value, times)})

    def _chosen(self, form: Mapping[str, Any]) -> list[Series]:
        selectors: list[str] = form.get("match[]", [])
        start = _time(form.get("start"), "start", default=0.0)
        end = _time(form.get("end"), "end", default=self._clock())
        wanted = [_selector(text) for text in selectors] or [[("__name__", "!=", "")]]
        found = [raw for matchers in wanted for raw in self.store.select(matchers)]
        alive = [raw for raw in found if raw.times[0] <= end and raw.times[-1] >= start]
        return [Series(raw.labels, raw.values) for raw in alive]

    async def _labels(self, request: web.Request) -> web.Response:
        form = await _form(request)
        return _success(sorted({name for series in self._chosen(form) for name in series.labels}))

    async def _label_values(self, request: web.Request) -> web.Response:
        form = await _form(request)
        name = request.match_info["name"]
        found = {series.labels[name] for series in self._chosen(form) if name in series.labels}
        return _success(sorted(found))

    async def _series(self, request: web.Request) -> web.Response:
        form = await _form(request)
        if not form.get("match[]"):
            raise PromqlError("no match[] parameter provided", "bad_data")
        unique = {json.dumps(dict(s.labels), sort_keys=True): dict(s.labels) for s in self._chosen(form)}
        return _success([unique[key] for key in sorted(unique)])

    async def _format(self, request: web.Request) -> web.Response:
        form = await _form(request)
        return _success(parse(_required(form, "query")).prettify())

    async def _metadata(self, request: web.Request) -> web.Response:
        wanted = request.query.get("metric")
        rows: dict[str, list[dict[str, str]]] = {}
        for family in self.store.metrics.families.values():
            name = family.name
            if family.kind == "histogram":
                name = name.rsplit("_", 1)[0]
            if family.name != "ALERTS" and wanted in {None, name}:
                rows[name] = [{"type": family.kind, "help": family.help, "unit": ""}]
        limit = int(request.query.get("limit", "0")) or len(rows)
        return _success(dict(list(rows.items())[:limit]))

    async def _rules(self, request: web.Request) -> web.Response:
        if request.query.get("type") == "record":
            return _success({"groups": []})
        group = {"name": "shop", "file": "/etc/prometheus/rules/shop.yml", "interval": 15, "limit": 0}
        rules = [self.rules.describe(rule) for rule in RULES]
        return _success({"groups": [{**group, "rules": rules}]})

    async def _alerts(self, _request: web.Request) -> web.Response:
        return _success({"alerts": [alert for rule in RULES for alert in self.rules.alerts(rule)]})

    async def _targets(self, _request: web.Request) -> web.Response:
        active = []
        for raw in self.store.select([("__name__", "=", "up")]):
            if raw.valid_until[-1] <= self._clock():
                continue
            labels = {name: value for name, value in raw.labels.items() if name != "__name__"}
            active.append(_target(labels, healthy=bool(raw.values[-1]), scraped=float(raw.times[-1])))
        return _success({"activeTargets": active, "droppedTargets": []})

    async def _buildinfo(self, _request: web.Request) -> web.Response:
        fields = {"version": "2.53.2", "revision": "", "branch": "HEAD", "buildUser": "", "buildDate": ""}
        return _success({**fields, "goVersion": "go1.22.6"})

    async def _config(self, _request: web.Request) -> web.Response:
        return _success({"yaml": "global:\n  scrape_interval: 15s\n  evaluation_interval: 15s\n"})


def number(value: float) -> str:
    """A sample value as the API writes it."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return np.format_float_positional(value, trim="-")


def _target(labels: dict[str, str], *, healthy: bool, scraped: float) -> dict[str, Any]:
    url = f"http://{labels['instance']}/metrics"
    return {
        "discoveredLabels": {"__address__": labels["instance"], "job": labels["job"]},
        "labels": labels,
        "scrapePool": labels["job"],
        "scrapeUrl": url,
        "globalUrl": url,
        "lastError": "" if healthy else f'Get "{url}": dial tcp {labels["instance"]}: connect: connection refused',
        "lastScrape": datetime.fromtimestamp(scraped, UTC).isoformat().replace("+00:00", "Z"),
        "lastScrapeDuration": 0.004,
        "health": "up" if healthy else "down",
        "scrapeInterval": "15s",
        "scrapeTimeout": "10s",
    }


def _matrix(value: Value, times: Any) -> list[dict[str, Any]]:
    if isinstance(value, Scalar):
        return [{"metric": {}, "values": _points(times, value.values)}]
    if isinstance(value, Vector):
        return [
            {"metric": dict(s.labels), "values": _points(times[s.there], s.values[s.there])}
            for s in value.samples
            if s.there.any()
        ]
    message = 'invalid parameter "query": invalid expression type for range query, must be Scalar or instant Vector'
    raise PromqlError(message, "bad_data")


def _points(times: Any, values: Any) -> list[list[Any]]:
    return [[float(t), number(float(v))] for t, v in zip(times, values, strict=True)]


def _matrix_row(raw: RawSeries, start: float, end: float) -> dict[str, Any]:
    inside = (raw.times >= start) & (raw.times <= end)
    return {"metric": dict(raw.labels), "values": _points(raw.times[inside], raw.values[inside])}


def _selector(text: str) -> list[Matcher]:
    node = parse(text)
    if not isinstance(node, promql_parser.VectorSelector):
        raise PromqlError(f'invalid parameter "match[]": not a selector: {text}', "bad_data")
    return matchers_of(node)


async def _form(request: web.Request) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    sources = [request.query, await request.post() if request.method == "POST" else {}]
    for source in sources:
        for name, value in source.items():
            if name == "match[]":
                merged.setdefault(name, []).append(str(value))
            else:
                merged[name] = str(value)
    return merged


def _required(form: Mapping[str, Any], name: str) -> str:
    if not form.get(name):
        raise PromqlError(f'invalid parameter "{name}": 1:1: parse error: no expression found in input', "bad_data")
    return str(form[name])


def _time(text: str | None, name: str, *, default: float | None = None) -> float:
    if text is None or text == "":
        if default is None:
            raise PromqlError(f'invalid parameter "{name}": cannot parse "" to a valid timestamp', "bad_data")
        return default
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
    except ValueError:
        problem = f'invalid parameter "{name}": cannot parse "{text}" to a valid timestamp'
        raise PromqlError(problem, "bad_data") from None


def _duration(text: str | None) -> float:
    try:
        step = float(text or "")
    except ValueError:
        try:
            step = promql_parser.parse_duration(text or "").total_seconds()
        except ValueError:
            raise PromqlError(f'invalid parameter "step": cannot parse "{text}"', "bad_data") from None
    if step <= 0:
        message = "zero or negative query resolution step widths are not accepted. Try a positive integer"
        raise PromqlError(f'invalid parameter "step": {message}', "bad_data")
    return step


def _success(data: Any) -> web.Response:
    return web.json_response({"status": "success", "data": data})


async def _healthy(_request: web.Request) -> web.Response:
    return web.Response(text="Prometheus Server is Healthy.\n")


@web.middleware
async def _errors(request: web.Request, handler: Any) -> web.StreamResponse:
    try:
        response: web.StreamResponse = await handler(request)
    except PromqlError as error:
        body = {"status": "error", "errorType": error.kind, "error": str(error)}
        return web.json_response(body, status=_STATUS.get(error.kind, 422))
    return response

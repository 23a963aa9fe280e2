"""The Loki connector: lifecycle, health, what there is, and free LogQL; tools over lines are beside it."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import ClassVar

from pydantic import JsonValue, ValidationError

from connectors._guarded import guarded
from connectors._json import iso, text
from connectors._linked import LinkedConnector
from connectors.base import Answer, Ask, NoArguments, tool
from connectors.errors import Malformed, NotFound, Rejected, Unauthorized
from connectors.guards import GuardLimits
from connectors.http import HttpClient
from connectors.loki import api
from connectors.loki.arguments import LogqlArguments, RangeArguments
from connectors.loki.config import LokiConfig
from connectors.loki.links import explore_link
from connectors.loki.queries import SERVICE_LABELS
from connectors.loki.tools_logs import LogTools
from connectors.model import (
    Column,
    EvidenceKind,
    Health,
    HealthStatus,
    Limits,
    Rows,
    SchemaEntry,
    Series,
    SeriesSet,
    SourceSchema,
    TimeWindow,
)

_USUAL_POINTS = 240
_MOST_LABELS = 50
_SHOWN_VALUES = 20
_PROBE = Limits(deadline_s=8.0, max_bytes=4_000_000)


class LokiConnector(LogTools, LinkedConnector[LokiConfig, HttpClient]):
    """Reads any server that speaks Loki's query API."""

    type: ClassVar[str] = "loki"
    driver_errors = (ValidationError,)  # an answer whose values do not fit our types
    Config = LokiConfig

    def make_link(self) -> HttpClient:
        return HttpClient(self.config.access(), name=self.name)

    async def probe(self) -> Health:
        ask = Ask(None, _PROBE, self.clock)
        reading = self.reading(ask)
        names = await api.label_names(reading, self.window(ask))
        version = None
        with contextlib.suppress(NotFound, Rejected, Unauthorized, Malformed):  # hosted Loki keeps this to itself
            version = text(await reading.get("/loki/api/v1/status/buildinfo"), "version")
        words = f"Loki {version}" if version else "Loki"
        return Health(
            status=HealthStatus.HEALTHY,
            latency_ms=0.0,
            detail=f"{words} answers; {len(names)} labels in the last half hour.",
            version=version,
        )

    async def describe(self) -> SourceSchema:
        ask = Ask(None, _PROBE, self.clock)
        reading, span = self.reading(ask), self.window(ask)
        names = sorted(await api.label_names(reading, span))
        shape = await self.shape(reading, span)
        services: list[str] = []
        if shape is not None:
            services = sorted(await api.label_values(reading, shape.service, span))
        entries = tuple(
            SchemaEntry(name=name, kind="label", description="names the service" if _is(shape, name) else None)
            for name in names[:_MOST_LABELS]
        )
        cut = f"first {_MOST_LABELS} of {len(names)} labels" if len(names) > _MOST_LABELS else None
        return SourceSchema(entries=entries, services=tuple(services[:1_000]), truncated=cut)

    @tool("Stream labels with some of their values.", returns=[EvidenceKind.ROWS])
    async def list_labels(self, _arguments: NoArguments, ask: Ask) -> Answer:
        reading, span = self.reading(ask), self.allowed(self.window(ask))
        names = sorted(await api.label_names(reading, span))
        names.sort(key=lambda name: name not in SERVICE_LABELS)
        rows: list[tuple[JsonValue, ...]] = []
        for name in names[: min(_MOST_LABELS, ask.limits.max_rows)]:
            values = await api.label_values(reading, name, span)
            rows.append((name, len(values), ", ".join(values[:_SHOWN_VALUES])))
        if len(rows) < len(names):
            reading.note(f"first {len(rows)} of {len(names)} labels")
        columns = tuple(Column(name=name) for name in ("label", "values", "some"))
        return reading.answer(Rows(columns=columns, rows=tuple(rows)), language="http", window=span)

    @tool(
        "Run LogQL over the window: lines, or series of a metric query.",
        returns=[EvidenceKind.ROWS, EvidenceKind.SERIES],
    )
    async def query_range(self, arguments: RangeArguments, ask: Ask) -> Answer:
        reading, span = self.reading(ask), self.allowed(self.window(ask))
        logql = self._guarded(arguments.logql, ask.limits)
        step_s, note = _step(arguments.step_s, span)
        reading.note(note)
        limit = min(arguments.limit, ask.limits.max_rows)
        found = await api.query_range(reading, logql, span, step_s=step_s, limit=limit + 1)
        url = explore_link(self.config, logql, span)
        if found.entries or not found.samples:
            entries = sorted(found.entries, key=lambda entry: -entry.at_ns)
            if len(entries) > limit:
                reading.note(f"newest {limit:,} lines; there are more")
            return reading.answer(_line_table(entries[:limit]), language=api.LANGUAGE, url=url, window=span)
        series = tuple(_series(one, step_s) for one in found.samples)
        return reading.answer(SeriesSet(series=series), language=api.LANGUAGE, url=url, window=span)

    @tool("Run a LogQL metric query at the end of the window, or now.", returns=[EvidenceKind.ROWS])
    async def query_instant(self, arguments: LogqlArguments, ask: Ask) -> Answer:
        reading, span = self.reading(ask), self.window(ask)
        logql = self._guarded(arguments.logql, ask.limits)
        found = await api.query_instant(reading, logql, span.end.timestamp(), limit=ask.limits.max_rows)
        url = explore_link(self.config, logql, span)
        payload = _line_table(found.entries) if found.entries else _value_table(found.samples)
        return reading.answer(payload, language=api.LANGUAGE, url=url, window=span)

    def _guarded(self, logql: str, limits: Limits) -> str:
        bounds = GuardLimits(max_rows=limits.max_rows, max_range_s=self.config.max_range_days * 86_400)
        judged = guarded(logql, dialect="logql", limits=bounds)
        return judged.text


def _is(shape: object, name: str) -> bool:
    return getattr(shape, "service", None) == name


def _step(wanted_s: float | None, span: TimeWindow) -> tuple[float, str | None]:
    seconds = span.duration.total_seconds()
    if wanted_s is None:
        return float(max(1, round(seconds / _USUAL_POINTS))), None
    if seconds / wanted_s < api.MAX_POINTS_PER_SERIES:
        return wanted_s, None
    chosen = float(round(seconds / (api.MAX_POINTS_PER_SERIES - 1)) + 1)
    return (
        chosen,
        f"step raised from {wanted_s:g} s to {chosen:g} s to stay within {api.MAX_POINTS_PER_SERIES:,} points",
    )


def _line_table(entries: list[api.Entry]) -> Rows:
    columns = tuple(Column(name=name) for name in ("at", "line", "labels"))
    rows = tuple(
        (iso(datetime.fromtimestamp(entry.at_ns / 1e9, UTC)), entry.text, {**entry.labels}) for entry in entries
    )
    return Rows(columns=columns, rows=rows)


def _value_table(samples: list[api.Samples]) -> Rows:
    names = sorted({name for one in samples for name in one.labels})
    columns = (*(Column(name=name, type="label") for name in names), Column(name="value", type="double"))
    rows = tuple(
        (*(one.labels.get(name) for name in names), one.points[-1][1] if one.points else None) for one in samples
    )
    return Rows(columns=columns, rows=rows)


def _series(one: api.Samples, step_s: float) -> Series:
    service = next((one.labels[label] for label in SERVICE_LABELS if one.labels.get(label)), None)
    points = tuple((datetime.fromtimestamp(at_s, UTC), value) for at_s, value in one.points)
    return Series(labels=one.labels, service=service, metric="value", step_s=step_s, points=points)

"""Finding things: metrics and labels by words, services by convention, and the traces that exemplars point at."""

from __future__ import annotations

import asyncio
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from pydantic import Field, JsonValue

from connectors.base import Answer, Arguments, Ask, NoArguments, tool
from connectors.errors import Malformed, NotFound, Rejected
from connectors.model import Column, EvidenceKind, Limits, Rows, SourceRef, TimeWindow
from connectors.prometheus.api import LANGUAGE, PrometheusApi
from connectors.prometheus.config import PrometheusConfig
from connectors.prometheus.links import graph_link, page_link
from connectors.prometheus.objects import service_of, texts
from connectors.prometheus.search import Found, search
from connectors.prometheus.signals import Discovered, Signals

_MOST_METADATA = 5_000
_MOST_LABELS = 60
_SHOWN_VALUES = 20
_TRACE_LABELS = ("trace_id", "traceID", "traceid", "traceId", "TraceID")


class SearchArguments(Arguments):
    words: str | tuple[str, ...] = Field(description="Words to find in names, help texts and units of metrics.")


class LabelArguments(Arguments):
    words: str | tuple[str, ...] = Field(default=(), description="Words in names or values of labels; empty: all.")
    promql: str = Field(default="", max_length=2_000, description="Only labels of the series of this selector.")


class ExemplarArguments(Arguments):
    promql: str = Field(min_length=1, description="A query over the series that carry exemplars.")
    limit: int = Field(default=100, gt=0, le=1_000)


class SearchTools(ABC):
    """Reads names, never numbers."""

    name: str
    config: PrometheusConfig
    link: PrometheusApi
    _signals: Signals

    @abstractmethod
    def _window(self, ask: Ask) -> TimeWindow: ...

    @abstractmethod
    def _recent(self) -> TimeWindow: ...

    @abstractmethod
    def _allowed(self, span: TimeWindow) -> TimeWindow: ...

    @abstractmethod
    def _guarded(self, promql: str, limits: Limits) -> str: ...

    @tool("Find metrics by words in their names, help texts or units.", returns=[EvidenceKind.ROWS])
    async def search_metrics(self, arguments: SearchArguments, ask: Ask) -> Answer:
        words = arguments.words if isinstance(arguments.words, str) else " ".join(arguments.words)
        names = await self.link.label_values("__name__", [], self._recent(), ask)
        about = await self.link.metadata(ask, most=_MOST_METADATA)
        return self._names_answer("GET /api/v1/label/__name__/values", _found_rows(search(words, names, about)))

    @tool("Labels whose names or values hold the words, with some of their values.", returns=[EvidenceKind.ROWS])
    async def search_labels(self, arguments: LabelArguments, ask: Ask) -> Answer:
        span = self._allowed(self._window(ask))
        selectors = [self._guarded(arguments.promql, ask.limits)] if arguments.promql else []
        names = [name for name in await self.link.label_names(selectors, span, ask) if name != "__name__"]
        read = names[:_MOST_LABELS]
        found = await asyncio.gather(*(self.link.label_values(name, selectors, span, ask) for name in read))
        words = _words(arguments.words)
        rows = [row for name, values in zip(read, found, strict=True) if (row := _label_row(name, values, words))]
        note = f"first {len(read)} of {len(names)} labels" if len(names) > len(read) else None
        columns = tuple(Column(name=name, type="text") for name in ("label", "values", "count"))
        answer = self._names_answer("GET /api/v1/labels; label values", Rows(columns=columns, rows=tuple(rows)))
        return answer._replace(truncated=note, api_calls=1 + len(read))

    @tool("Services that metrics name, and from which conventions.", returns=[EvidenceKind.ROWS])
    async def list_services(self, _arguments: NoArguments, ask: Ask) -> Answer:
        span = self._allowed(self._window(ask))
        found = await self._signals.discover(span, ask)
        rows = tuple((name, ", ".join(_families(found)) or None) for name in found.services)
        columns = (Column(name="service", type="text"), Column(name="found_in", type="text"))
        families = _families(found) or ["up"]
        query = f"GET /api/v1/label/{{service label}}/values of {', '.join(families)}"
        answer = self._names_answer(query, Rows(columns=columns, rows=rows))
        return answer._replace(source=answer.source.model_copy(update={"window": span}))

    @tool("Exemplars of the window: single requests behind the numbers, with trace ids.", returns=[EvidenceKind.ROWS])
    async def list_exemplars(self, arguments: ExemplarArguments, ask: Ask) -> Answer:
        promql = self._guarded(arguments.promql, ask.limits)
        span = self._allowed(self._window(ask))
        try:
            series = await self.link.exemplars(promql, span, ask)
        except NotFound as error:
            raise Rejected(f"{self.name} keeps no exemplars.") from error
        try:
            rows = sorted((row for one in series for row in _exemplar_rows(one)), key=lambda row: str(row[0]))
        except (TypeError, ValueError, AttributeError, OverflowError) as error:
            raise Malformed(f"{self.name} answered exemplars of an unexpected shape.") from error
        kept = rows[-min(arguments.limit, ask.limits.max_rows) :]
        note = f"newest {len(kept):,} of {len(rows):,} exemplars" if len(rows) > len(kept) else None
        columns = (
            Column(name="at", type="timestamp"),
            *(Column(name=name, type="text") for name in ("service", "metric")),
            Column(name="value", type="double"),
            *(Column(name=name, type="text") for name in ("trace_id", "labels")),
        )
        link = graph_link(self.config, [promql], span, None)
        source = SourceRef(query=promql, language=LANGUAGE, url=link, window=span)
        return Answer(Rows(columns=columns, rows=tuple(kept)), source, truncated=note)

    def _names_answer(self, query: str, rows: Rows) -> Answer:
        source = SourceRef(query=query, language="http", url=page_link(self.config, "graph"))
        return Answer(rows, source, api_calls=2)


def _words(given: str | tuple[str, ...]) -> list[str]:
    text = given if isinstance(given, str) else " ".join(given)
    return [word for word in re.split(r"[^a-z0-9]+", text.lower()) if word]


def _label_row(name: str, values: list[str], words: list[str]) -> tuple[JsonValue, ...] | None:
    """A label all of whose values are shown when its name fits, else only the values that fit."""
    if not words or any(word in name.lower() for word in words):
        shown = values
    else:
        shown = [value for value in values if any(word in value.lower() for word in words)]
    return (name, ", ".join(shown[:_SHOWN_VALUES]), len(values)) if shown else None


def _exemplar_rows(series: Any) -> Iterator[tuple[JsonValue, ...]]:
    labels = texts(series.get("seriesLabels"))
    for exemplar in series.get("exemplars") or ():
        own = texts(exemplar.get("labels"))
        at = datetime.fromtimestamp(float(exemplar["timestamp"]), UTC)
        trace = next((own[label] for label in _TRACE_LABELS if own.get(label)), None)
        others = " ".join(f"{key}={value}" for key, value in own.items() if key not in _TRACE_LABELS)
        metric = labels.get("__name__", "value")
        yield at.isoformat(), service_of(labels), metric, float(exemplar["value"]), trace, others or None


def _found_rows(found: list[Found]) -> Rows:
    columns = tuple(Column(name=name, type="text") for name in ("metric", "type", "unit", "help"))
    return Rows(columns=columns, rows=tuple((f.name, f.type, f.unit, f.help) for f in found))


def _families(found: Discovered) -> list[str]:
    return [*found.chosen.counters, *found.chosen.histograms[:1]]

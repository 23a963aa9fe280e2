"""The Prometheus connector: signals by discovery, free PromQL under a guard, alerts, rules, targets, search."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import Field

from connectors._guarded import guarded
from connectors._linked import LinkedConnector
from connectors.base import Answer, Arguments, Ask, NoArguments, tool
from connectors.errors import Malformed, NotFound, Rejected
from connectors.model import (
    Column,
    EvidenceKind,
    Health,
    HealthStatus,
    Item,
    Limits,
    Objects,
    Payload,
    Rows,
    SchemaEntry,
    Series,
    SeriesSet,
    SourceRef,
    SourceSchema,
    TimeWindow,
)
from connectors.prometheus import objects
from connectors.prometheus.api import LANGUAGE, MAX_POINTS_PER_SERIES, Line, PrometheusApi
from connectors.prometheus.config import PrometheusConfig
from connectors.prometheus.links import graph_link, page_link
from connectors.prometheus.objects import service_of
from connectors.prometheus.plan import Query, Scope, plan_dependencies, plan_signals
from connectors.prometheus.signals import Signals, filled, rate_window_s, signals_step_s, step_for
from connectors.prometheus.tools_search import SearchTools

_DEFAULT_SPAN = timedelta(minutes=30)
_USUAL_POINTS = 240
_PAST = timedelta(minutes=10)
_MOST_METADATA = 5_000


class SignalsArguments(Arguments):
    services: tuple[str, ...] = Field(default=(), description="Empty: every service discovery finds.")
    baseline_minutes: int = Field(
        default=60, ge=0, le=1_440, description="How long before the window to fetch as well."
    )


class PromqlArguments(Arguments):
    promql: str = Field(min_length=1)


class RangeArguments(PromqlArguments):
    step_s: float | None = Field(default=None, ge=1, le=86_400, description="Chosen when empty.")


class PrometheusConnector(SearchTools, LinkedConnector[PrometheusConfig, PrometheusApi]):
    """Reads any server that speaks Prometheus' query API."""

    type = "prometheus"
    Config = PrometheusConfig

    def make_link(self) -> PrometheusApi:
        return PrometheusApi(self.config, name=self.name)

    def prepare(self) -> None:
        self._signals = Signals(self.link)

    async def probe(self) -> Health:
        ask = self._own_ask()
        await self.link.instant("vector(1)", self.clock.now().timestamp(), ask)
        version, writable = None, None
        try:
            version = (await self.link.section("/api/v1/status/buildinfo", {}, ask)).get("version")
            flags = await self.link.section("/api/v1/status/flags", {}, ask)
            writable = any(flags.get(f"web.enable-{what}") == "true" for what in ("admin-api", "remote-write-receiver"))
        except (NotFound, Rejected):
            pass  # relatives of Prometheus leave these out
        words = f"Prometheus {version}" if version else "Answers queries"
        warning = "; its admin API or remote write is open to whoever reaches it" if writable else ""
        return Health(
            status=HealthStatus.DEGRADED if writable else HealthStatus.HEALTHY,
            latency_ms=0.0,
            detail=f"{words}{warning}.",
            writable=writable,
            version=str(version) if version else None,
        )

    async def describe(self) -> SourceSchema:
        ask, span = self._own_ask(), self._recent()
        names = await self.link.label_values("__name__", [], span, ask)
        about = await self.link.metadata(ask, most=_MOST_METADATA)
        found = await self._signals.discover(span, ask)
        entries = tuple(_entry(name, about.get(name)) for name in names[: ask.limits.max_rows])
        cut = f"first {len(entries):,} of {len(names):,} metrics" if len(names) > len(entries) else None
        return SourceSchema(entries=entries, services=found.services, truncated=cut)

    @tool(
        "Request rate, errors, latency and resource use of each service, with the time before as baseline.",
        returns=[EvidenceKind.SERIES],
    )
    async def get_service_signals(self, arguments: SignalsArguments, ask: Ask) -> Answer:
        return await self._get_signals(arguments, ask, dependencies=False)

    @tool(
        "Rate, error ratio and p99 latency of the calls between services, as the callers see them.",
        returns=[EvidenceKind.SERIES],
    )
    async def get_dependency_signals(self, arguments: SignalsArguments, ask: Ask) -> Answer:
        return await self._get_signals(arguments, ask, dependencies=True)

    async def _get_signals(self, arguments: SignalsArguments, ask: Ask, *, dependencies: bool) -> Answer:
        window = self._window(ask)
        start = window.start - timedelta(minutes=arguments.baseline_minutes)
        span = self._allowed(TimeWindow(start=start, end=window.end))
        found = await self._signals.discover(span, ask)
        plan = plan_dependencies if dependencies else plan_signals
        outline = plan(found.chosen, found.labels, Scope(arguments.services, 60))
        services = len(arguments.services) or len(found.services)
        step_s = signals_step_s(outline, services, span, ask, finest_s=max(15.0, found.scrape_s))
        queries = plan(found.chosen, found.labels, Scope(arguments.services, rate_window_s(found.scrape_s, step_s)))
        fetched = await self._signals.fetch(queries, span, step_s, ask)
        source = self._series_source(queries, span, step_s) if queries else self._nothing_found(span)
        return Answer(
            SeriesSet(series=tuple(fetched.series)),
            source,
            truncated="; ".join(fetched.notes) or None,
            api_calls=max(1, fetched.requests),
        )

    @tool("Run a PromQL query over the window.", returns=[EvidenceKind.SERIES])
    async def query_range(self, arguments: RangeArguments, ask: Ask) -> Answer:
        promql = self._guarded(arguments.promql, ask.limits)
        span = self._allowed(self._window(ask))
        step_s, note = _range_step(arguments.step_s, span, ask.limits)
        answer = await self.link.range(promql, span, step_s, ask)
        series = tuple(_series(line, span, step_s) for line in answer.lines)
        notes = [*([note] if note else []), *(f"partial: {warning}" for warning in answer.warnings)]
        source = self._series_source([Query("", None, promql, "")], span, step_s)
        return Answer(SeriesSet(series=series), source, truncated="; ".join(notes) or None)

    @tool("Run a PromQL query at the end of the window, or now.", returns=[EvidenceKind.ROWS])
    async def query_instant(self, arguments: PromqlArguments, ask: Ask) -> Answer:
        promql = self._guarded(arguments.promql, ask.limits)
        span = self._window(ask)
        answer = await self.link.instant(promql, span.end.timestamp(), ask)
        notes = [f"partial: {warning}" for warning in answer.warnings]
        source = SourceRef(query=promql, language=LANGUAGE, url=graph_link(self.config, [promql], span, None))
        return Answer(_table(answer.lines), source, truncated="; ".join(notes) or None)

    @tool("Alerts that fire or are pending, now or in a past window.", returns=[EvidenceKind.OBJECTS])
    async def list_alerts(self, _arguments: NoArguments, ask: Ask) -> Answer:
        if ask.window is not None and ask.window.end < self.clock.now() - _PAST:
            return await self._past_alerts(ask.window, ask)
        data = await self.link.section("/api/v1/alerts", {}, ask)
        items = tuple(objects.alert(raw) for raw in _listed(data.get("alerts"), self.name))
        return Answer(_objects(_firing_first(items)), self._page("GET /api/v1/alerts", "alerts"))

    async def _past_alerts(self, window: TimeWindow, ask: Ask) -> Answer:
        length_s = max(60, int(window.duration.total_seconds()))
        promql = f"last_over_time(ALERTS[{length_s}s])"
        answer = await self.link.instant(promql, window.end.timestamp(), ask)
        began = await self.link.instant(f"last_over_time(ALERTS_FOR_STATE[{length_s}s])", window.end.timestamp(), ask)
        since = {_identity(line.labels): _iso(line.points[-1][1]) for line in began.lines if line.points}
        items = tuple(objects.past_alert(line.labels, since.get(_identity(line.labels))) for line in answer.lines)
        link = graph_link(self.config, [promql], window, None)
        source = SourceRef(query=promql, language=LANGUAGE, url=link, window=window)
        return Answer(_objects(_firing_first(items)), source, api_calls=2)

    @tool("Alerting and recording rules with their health.", returns=[EvidenceKind.OBJECTS])
    async def list_rules(self, _arguments: NoArguments, ask: Ask) -> Answer:
        data = await self.link.section("/api/v1/rules", {}, ask)
        items = objects.rules(_listed(data.get("groups"), self.name))
        return Answer(_objects(tuple(items)), self._page("GET /api/v1/rules", "rules"))

    @tool("Scrape targets, those that are down first.", returns=[EvidenceKind.OBJECTS])
    async def list_targets(self, _arguments: NoArguments, ask: Ask) -> Answer:
        data = await self.link.section("/api/v1/targets", {"state": "active"}, ask)
        items = objects.targets(_listed(data.get("activeTargets"), self.name))
        return Answer(_objects(tuple(items)), self._page("GET /api/v1/targets?state=active", "targets"))

    # shared by the tools

    def _window(self, ask: Ask) -> TimeWindow:
        """The call's window, else the last half hour."""
        return ask.window or self._recent()

    def _recent(self) -> TimeWindow:
        now = self.clock.now()
        return TimeWindow(start=now - _DEFAULT_SPAN, end=now)

    def _own_ask(self) -> Ask:
        return Ask(None, Limits(), self.clock)

    def _allowed(self, span: TimeWindow) -> TimeWindow:
        if span.duration > timedelta(days=self.config.max_range_days):
            raise Rejected(f"{self.name} answers at most {self.config.max_range_days} days at once. Ask for less.")
        return span

    def _guarded(self, promql: str, limits: Limits) -> str:
        judged = guarded(promql, dialect="promql")
        return judged.text

    def _series_source(self, queries: Sequence[Query], span: TimeWindow, step_s: float) -> SourceRef:
        texts = [query.promql for query in queries]
        return SourceRef(
            query="\n".join(dict.fromkeys(texts)),
            language=LANGUAGE,
            url=graph_link(self.config, texts, span, step_s),
            window=span,
        )

    def _nothing_found(self, span: TimeWindow) -> SourceRef:
        query = "GET /api/v1/label/__name__/values (no metric of a known convention)"
        return SourceRef(query=query, language="http", url=page_link(self.config, "graph"), window=span)

    def _page(self, query: str, page: str) -> SourceRef:
        return SourceRef(query=query, language="http", url=page_link(self.config, page))


def _range_step(wanted_s: float | None, span: TimeWindow, limits: Limits) -> tuple[float, str | None]:
    seconds = span.duration.total_seconds()
    if wanted_s is None:
        return step_for(span, series=1, most_points=min(_USUAL_POINTS, limits.max_points), finest_s=1.0), None
    if seconds / wanted_s <= MAX_POINTS_PER_SERIES:
        return wanted_s, None
    chosen = step_for(span, series=1, most_points=MAX_POINTS_PER_SERIES, finest_s=wanted_s)
    return chosen, f"step raised from {wanted_s:g} s to {chosen:g} s to stay within {MAX_POINTS_PER_SERIES:,} points"


def _series(line: Line, span: TimeWindow, step_s: float) -> Series:
    labels = {key: value for key, value in line.labels.items() if key != "__name__"}
    return Series(
        labels=labels,
        service=service_of(labels),
        metric=line.labels.get("__name__", "value"),
        step_s=step_s,
        points=filled(line.points, span, step_s),
    )


def _table(lines: list[Line]) -> Rows:
    names = sorted({name for line in lines for name in line.labels})
    columns = (*(Column(name=name, type="label") for name in names), Column(name="value", type="double"))
    rows = tuple((*(line.labels.get(n) for n in names), line.points[-1][1] if line.points else None) for line in lines)
    return Rows(columns=columns, rows=rows)


def _objects(items: tuple[Item, ...]) -> Payload:
    return Objects(items=items)


def _firing_first(items: tuple[Item, ...]) -> tuple[Item, ...]:
    return tuple(sorted(items, key=lambda item: (item.fields["state"] != "firing", item.name)))


def _listed(value: Any, name: str) -> list[dict[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise Malformed(f"{name} answered a list of an unexpected shape.")
    return value


def _entry(name: str, about: Any) -> SchemaEntry:
    first = about[0] if isinstance(about, list) and about and isinstance(about[0], dict) else {}
    return SchemaEntry(name=name, kind=str(first.get("type") or "metric"), description=first.get("help") or None)


def _identity(labels: dict[str, str]) -> frozenset[tuple[str, str]]:
    return frozenset((key, value) for key, value in labels.items() if key not in {"__name__", "alertstate"})


def _iso(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()

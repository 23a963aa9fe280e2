"""The case file laid out for measuring: every series, log group, item, change and edge with its evidence id."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

from bot.analysis.shifts import Array
from bot.domain.evidence import Evidence
from bot.domain.question import CaseFile, IssueType, Setting
from connectors.model import (
    Change,
    Changes,
    Edge,
    Item,
    LogGroup,
    Logs,
    Objects,
    Rows,
    Series,
    SeriesSet,
    Text,
    TimeWindow,
    Traces,
)


@dataclass(frozen=True, slots=True)
class Measured:
    """One series as arrays: times in epoch seconds, gaps NaN."""

    series: Series
    evidence_id: str
    connector: str
    times: Array
    values: Array

    @property
    def caller(self) -> str | None:
        return self.series.labels.get("caller")

    @property
    def callee(self) -> str | None:
        return self.series.labels.get("callee")


@dataclass(frozen=True, slots=True)
class SeenItem:
    item: Item
    evidence_id: str
    connector: str


@dataclass(frozen=True, slots=True)
class SeenEdge:
    edge: Edge
    evidence_id: str
    baseline: bool


@dataclass(frozen=True)
class Facts:
    """Everything measured, flat. `window` is the time asked about; `end_s` the last moment anything was seen."""

    window: TimeWindow
    now: datetime
    asked: tuple[str, ...]
    issue: IssueType
    setting: Setting
    series: tuple[Measured, ...] = ()
    logs: tuple[tuple[LogGroup, str], ...] = ()
    items: tuple[SeenItem, ...] = ()
    changes: tuple[tuple[Change, str], ...] = ()
    edges: tuple[SeenEdge, ...] = ()
    texts: tuple[tuple[str, str], ...] = ()
    connectors: frozenset[str] = frozenset()
    services: frozenset[str] = field(default=frozenset())

    @property
    def start_s(self) -> float:
        return self.window.start.timestamp()

    @property
    def resolution_s(self) -> float:
        """The usual step of the series, seconds; an onset cannot be known more exactly than this."""
        steps = sorted(measured.series.step_s for measured in self.series)
        return steps[len(steps) // 2] if steps else 0.0

    @property
    def end_s(self) -> float:
        return min(self.window.end.timestamp(), self.now.timestamp())


def lay_out(case: CaseFile, *, now: datetime) -> Facts:
    """Flatten a case file; evidence that is the same is taken once."""
    evidence = _unique(case.evidence)
    series = tuple(_measured(e) for e in evidence if isinstance(e.payload, SeriesSet))
    logs = tuple((g, e.id) for e in evidence if isinstance(e.payload, Logs) for g in e.payload.groups)
    changes = tuple((c, e.id) for e in evidence if isinstance(e.payload, Changes) for c in e.payload.items)
    facts = Facts(
        window=case.analysis.window,
        now=now,
        asked=case.analysis.services,
        issue=case.analysis.issue_type,
        setting=case.setting,
        series=tuple(m for group in series for m in group),
        logs=logs,
        items=tuple(
            SeenItem(i, e.id, e.call.connector)
            for e in evidence
            if isinstance(e.payload, Objects)
            for i in e.payload.items
        ),
        changes=_unique_changes(changes),
        edges=tuple(_edges(evidence, case.analysis.window)),
        texts=tuple(_texts(evidence)),
        connectors=frozenset(e.call.connector for e in evidence),
    )
    return Facts(**{**facts.__dict__, "services": frozenset(_services(facts))})


def _unique(evidence: Sequence[Evidence]) -> list[Evidence]:
    return list({e.id: e for e in evidence}.values())


def _measured(evidence: Evidence) -> Iterator[Measured]:
    assert isinstance(evidence.payload, SeriesSet)
    for series in evidence.payload.series:
        if not series.points:
            continue
        times = np.asarray([at.timestamp() for at, _ in series.points], dtype=float)
        values = np.asarray([np.nan if v is None else v for _, v in series.points], dtype=float)
        yield Measured(series, evidence.id, evidence.call.connector, times, values)


def _unique_changes(changes: Sequence[tuple[Change, str]]) -> tuple[tuple[Change, str], ...]:
    """The same change is often told by two sources: one is kept, the earliest, the most specific kind."""
    kept: list[tuple[Change, str]] = []
    for change, evidence_id in sorted(changes, key=lambda pair: (pair[0].at, pair[0].service, pair[0].what)):
        twin = next((n for n, (other, _) in enumerate(kept) if _same_change(other, change)), None)
        if twin is None:
            kept.append((change, evidence_id))
        elif kept[twin][0].change == "other" or (change.change == "config" and kept[twin][0].change == "deployment"):
            kept[twin] = (change, evidence_id)
    return tuple(kept)


def _same_change(one: Change, other: Change) -> bool:
    if one.service != other.service or abs((one.at - other.at).total_seconds()) > 180:
        return False
    if one.version and other.version:
        return _bare(one.version) == _bare(other.version)
    rollouts = {"deployment", "config", "other"}
    return one.change == other.change or (one.change in rollouts and other.change in rollouts)


def _bare(version: str) -> str:
    return version.rsplit(":", 1)[-1].removeprefix("v")


def _edges(evidence: Sequence[Evidence], window: TimeWindow) -> Iterator[SeenEdge]:
    for one in evidence:
        if isinstance(one.payload, Traces):
            span = one.source.window or one.call.window
            baseline = span is not None and span.end <= window.start
            for edge in one.payload.edges:
                yield SeenEdge(edge, one.id, baseline)


def _texts(evidence: Sequence[Evidence]) -> Iterator[tuple[str, str]]:
    """Every piece of free text of a backend that a person or a model might read."""
    for one in evidence:
        payload = one.payload
        if isinstance(payload, Logs):
            for group in payload.groups:
                yield from ((line, one.id) for line in (group.template, *group.examples))
        elif isinstance(payload, Text):
            yield payload.text, one.id
        elif isinstance(payload, Rows):
            yield from ((cell, one.id) for row in payload.rows for cell in row if isinstance(cell, str))
        elif isinstance(payload, Objects):
            for item in payload.items:
                yield item.name, one.id
                yield from ((text, one.id) for text in _strings(item.fields))
        elif isinstance(payload, Changes):
            yield from ((change.what, one.id) for change in payload.items)


def _strings(value: object, depth: int = 0) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict) and depth < 6:
        for inner in value.values():
            yield from _strings(inner, depth + 1)
    elif isinstance(value, list) and depth < 6:
        for inner in value:
            yield from _strings(inner, depth + 1)


def _services(facts: Facts) -> Iterator[str]:
    yield from (s.name for s in facts.setting.services)
    for one in facts.series:
        yield from (name for name in (one.series.service, one.caller, one.callee) if name)
    yield from (group.service for group, _ in facts.logs if group.service)
    yield from (change.service for change, _ in facts.changes if change.service)
    for seen in facts.edges:
        yield from (seen.edge.caller, seen.edge.callee)
    for seen_item in facts.items:
        service = seen_item.item.fields.get("service")
        if isinstance(service, str) and service:
            yield service


def instant(epoch_s: float) -> datetime:
    """An aware UTC datetime from epoch seconds."""
    return datetime.fromtimestamp(epoch_s, UTC)


def clock(at: datetime | float) -> str:
    """`14:02 UTC`, as sentences show times."""
    moment = instant(at) if isinstance(at, float) else at.astimezone(UTC)
    return moment.strftime("%H:%M UTC")

"""Small builders shared by the adapters: evidence and case files around payloads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from bot.domain.evidence import Evidence
from bot.domain.question import Analysis, CaseFile, IssueType, Question, Service, Setting
from connectors.model import Payload, Series, SourceRef, TimeWindow, ToolCall


def at(epoch_s: float) -> datetime:
    return datetime.fromtimestamp(epoch_s, UTC)


def window(start_s: float, end_s: float) -> TimeWindow:
    return TimeWindow(start=at(start_s), end=at(end_s))


def evidence(name: str, connector: str, tool: str, payload: Payload, span: TimeWindow) -> Evidence:
    call = ToolCall(connector=connector, tool=tool, window=span)
    source = SourceRef(query=tool, language="recording", window=span)
    return Evidence(id=name, call=call, payload=payload, source=source, collected_at=span.end)


def series(
    points: Sequence[tuple[float, float | None]],
    metric: str,
    *,
    service: str | None,
    unit: str | None,
    step_s: float,
    labels: Mapping[str, str] | None = None,
) -> Series:
    return Series(
        labels=dict(labels or {}),
        service=service,
        metric=metric,
        unit=unit,
        step_s=step_s,
        points=tuple((at(t), v) for t, v in points),
    )


def case_file(
    asked: Sequence[str],
    span: TimeWindow,
    kept: Iterable[Evidence],
    calls: Mapping[str, Sequence[str]] | None = None,
    issue: IssueType = IssueType.UNKNOWN,
) -> CaseFile:
    """A case whose call graph, where one is known, comes from the configuration."""
    services = tuple(Service(name=name, depends_on=tuple(callees)) for name, callees in sorted((calls or {}).items()))
    return CaseFile(
        question=Question(text="recorded incident", asked_at=span.end),
        analysis=Analysis(issue_type=issue, window=span, services=tuple(asked)),
        setting=Setting(services=services),
        evidence=tuple(kept),
    )

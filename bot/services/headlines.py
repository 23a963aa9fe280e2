"""One line for people on what a source answered; numbers come from the payload and nowhere else."""

from __future__ import annotations

from bot.domain.evidence import Evidence
from connectors.model import Changes, LogGroup, Logs, Objects, Rows, SeriesSet, Text, Traces

_LONGEST = 160


def headline(evidence: Evidence) -> str:
    """A plain summary of the payload: how much there is, and the most telling part of it."""
    payload = evidence.payload
    match payload:
        case Rows():
            return _count(len(payload.rows), "row")
        case SeriesSet():
            services = {series.service for series in payload.series if series.service}
            words = _count(len(payload.series), "series", "series")
            return f"{words} of {_count(len(services), 'service')}" if services else words
        case Logs():
            return _logs(payload)
        case Objects():
            return _objects(payload)
        case Changes():
            return _changes(payload)
        case Traces():
            return f"{_count(len(payload.edges), 'call edge')}, {_count(len(payload.slowest), 'slow trace')}"
        case Text():
            return _clip(payload.text.strip().partition("\n")[0])


def _logs(payload: Logs) -> str:
    if not payload.groups:
        return "No matching log lines"
    top = max(payload.groups, key=_rise)
    new = "new: " if top.baseline_count == 0 else ""
    return _clip(f"{_count(payload.total, 'log line')}; {new}{top.count:,} × “{top.template}”")


def _rise(group: LogGroup) -> int:
    return group.count - (group.baseline_count or 0)


def _objects(payload: Objects) -> str:
    kinds: dict[str, int] = {}
    for item in payload.items:
        kinds[item.api_kind] = kinds.get(item.api_kind, 0) + 1
    return ", ".join(f"{number:,} {kind}" for kind, number in sorted(kinds.items())) or "Nothing found"


def _changes(payload: Changes) -> str:
    if not payload.items:
        return "No changes"
    last = max(payload.items, key=lambda change: change.at)
    return _clip(f"{_count(len(payload.items), 'change')}; last {last.at:%H:%M} UTC: {last.service}: {last.what}")


def _count(number: int, noun: str, plural: str | None = None) -> str:
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def _clip(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"

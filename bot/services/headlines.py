"""One line for people on what a source answered; numbers come from the payload and nowhere else."""

from __future__ import annotations

import re
from datetime import datetime

from bot.analysis import telling
from bot.analysis.changes import short_images
from bot.domain.evidence import Evidence
from connectors.model import Changes, LogGroup, Logs, Objects, Rows, SeriesSet, Text, Traces, payload_size

_LONGEST = 160


def headline(evidence: Evidence, *, now: datetime) -> str:
    """The most telling finding in this evidence, else how much there is and that nothing stands out."""
    found = None if isinstance(evidence.payload, Rows | Text) else telling(evidence, now=now)
    return _clip(_sentence(found)) if found else plain_summary(evidence)


def is_quick(evidence: Evidence) -> bool:
    """Whether `headline` is a matter of microseconds; everything else belongs in a thread."""
    return isinstance(evidence.payload, Rows | Text) or payload_size(evidence.payload) == 0


def plain_summary(evidence: Evidence) -> str:
    """How much a payload holds, in words."""
    payload = evidence.payload
    match payload:
        case Rows():
            return _count(len(payload.rows), "row")
        case SeriesSet():
            services = {series.service for series in payload.series if series.service}
            words = _count(len(payload.series), "series", "series")
            words = f"{words} of {_count(len(services), 'service')}" if services else words
            return f"{words}; nothing stands out" if payload.series else "No such series"
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


def _sentence(statement: str) -> str:
    return statement[:1].upper() + statement[1:]


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
    if not kinds:
        return "Nothing found"
    words = ", ".join(_count(number, *_noun(kind)) for kind, number in sorted(kinds.items()))
    return f"{words}; nothing stands out"


def _noun(kind: str) -> tuple[str, str]:
    """`ResourceQuota` becomes “resource quota”, “resource quotas”; words that are plural already stay."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", kind).lower()
    if words.endswith("s"):
        return words, words
    return words, words[:-1] + "ies" if re.search(r"[^aeiou]y$", words) else words + "s"


def _changes(payload: Changes) -> str:
    if not payload.items:
        return "No changes"
    newest = sorted(payload.items, key=lambda change: change.at, reverse=True)[:3]
    told = "; ".join(f"{change.at:%H:%M} {change.service}: {short_images(change.what)}" for change in newest)
    return _clip(f"{_count(len(payload.items), 'change')}: {told}")


def _count(number: int, noun: str, plural: str | None = None) -> str:
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def _clip(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"

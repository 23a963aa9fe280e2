"""Bodies of searches, built from typed parts; nothing a person wrote is ever more than a value. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pydantic import JsonValue

from connectors._search_dsl.fields import Fields
from connectors.model import JsonObject, TimeWindow

MOST_SERVICES = 100
LEVELS: dict[str, tuple[str, ...]] = {
    "error": ("error", "err", "fatal", "critical", "crit", "alert", "emergency", "emerg", "panic", "severe"),
    "warn": ("warn", "warning"),
    "info": ("info", "information", "notice"),
    "debug": ("debug", "trace", "verbose"),
}
# Words that mark a failing line where lines carry no level.
FAILURE_WORDS = "error exception fatal failed failure panic traceback refused timeout denied"
_STEPS_S = (1, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 21_600, 43_200, 86_400)


def time_text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def in_span(fields: Fields, span: TimeWindow) -> JsonObject:
    """[start, end) on the time field."""
    limits: JsonObject = {"gte": time_text(span.start), "lt": time_text(span.end)}
    limits["format"] = "strict_date_optional_time"
    return {"range": {fields.time or "@timestamp": limits}}


def of_services(fields: Fields, services: Sequence[str]) -> list[JsonValue]:
    """A filter on the services, or none."""
    if not services or fields.service is None:
        return []
    return [{"terms": {fields.service: list(services)}}]


def at_level(fields: Fields, levels: Sequence[str]) -> JsonObject:
    """Lines of these levels, whatever the spelling; by words of failure where lines carry no level."""
    if fields.level is None:
        return {"match": {fields.message or "message": FAILURE_WORDS}}
    spellings = [word for level in levels for word in LEVELS.get(level, (level,))]
    every: list[JsonValue] = [form for word in spellings for form in (word, word.upper(), word.title())]
    return {"terms": {fields.level: every}}


def with_text(fields: Fields, text: str) -> list[JsonValue]:
    """Lines that hold all words of the text; whole or within, where messages are not analysed."""
    if not text.strip():
        return []
    message = fields.message or "message"
    if fields.searches_words:
        return [{"match": {message: {"query": text, "operator": "and"}}}]
    escaped = text.replace("\\", "\\\\").replace("*", "\\*").replace("?", "\\?")
    return [{"wildcard": {message: {"value": f"*{escaped}*", "case_insensitive": True}}}]


def every(filters: Sequence[JsonValue]) -> JsonObject:
    return {"bool": {"filter": list(filters)}}


def step_for(span: TimeWindow, *, points: int) -> int:
    """The smallest round step, in seconds, that gives at most `points` points."""
    needed = span.duration.total_seconds() / max(1, points)
    return next((step for step in _STEPS_S if step >= needed), _STEPS_S[-1])


def rates_body(fields: Fields, span: TimeWindow, services: Sequence[str], *, step_s: int) -> JsonObject:
    """Lines and error lines per service over time, busiest in errors first."""
    failing = at_level(fields, ["error"])
    over_time: JsonObject = {
        "date_histogram": {"field": fields.time or "@timestamp", "fixed_interval": f"{step_s}s", "min_doc_count": 1},
        "aggs": {"errors": {"filter": failing}},
    }
    inner: JsonObject = {"errors": {"filter": failing}, "over_time": over_time}
    aggs: JsonObject = {"all": {"filter": {"match_all": {}}, "aggs": inner}}
    if fields.service is not None:
        by_service: JsonObject = {
            "terms": {"field": fields.service, "size": MOST_SERVICES, "order": {"errors": "desc"}},
            "aggs": inner,
        }
        aggs = {"services": by_service}
    filters: list[JsonValue] = [in_span(fields, span), *of_services(fields, services)]
    return {"size": 0, "query": every(filters), "aggs": aggs, "track_total_hits": True}


def lines_body(fields: Fields, filters: Sequence[JsonValue], *, size: int, newest_first: bool = True) -> JsonObject:
    """Lines with only the fields that are read, in order of time."""
    # An index of the expression without the field sorts last instead of failing its shard.
    direction: JsonObject = {"order": "desc" if newest_first else "asc", "unmapped_type": "date"}
    order: JsonValue = {fields.time or "@timestamp": direction}
    return {
        "size": size,
        "query": every(filters),
        "sort": [order],
        "_source": source_fields(fields),
        "track_total_hits": True,
    }


def source_fields(fields: Fields) -> list[JsonValue]:
    """Names to fetch; the keyword beside a text is fetched as the text."""
    named = (fields.time, fields.service, fields.level, fields.message, fields.trace, fields.host)
    return [*sorted({name.removesuffix(".keyword") for name in named if name})]


def by_service_counts(fields: Fields) -> JsonObject:
    """Exact number of lines per service."""
    if fields.service is None:
        return {}
    return {"services": {"terms": {"field": fields.service, "size": MOST_SERVICES}}}

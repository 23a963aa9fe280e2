"""Answers of searches as payloads. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from pydantic import JsonValue

from connectors._sampling import Line
from connectors._search_dsl.fields import Fields
from connectors.model import Change, Column, JsonObject, Rows, Series, TimeWindow

Point = tuple[datetime, float | None]


def mapping(value: JsonValue, *path: str) -> JsonObject:
    """The map at a path, or an empty one."""
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def listed(value: JsonValue) -> list[JsonObject]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def total_of(answer: JsonObject) -> int:
    """How many documents match, whatever was fetched."""
    total = mapping(answer, "hits").get("total")
    value = total.get("value") if isinstance(total, dict) else total
    return value if isinstance(value, int) else 0


def count_of(bucket: JsonObject) -> int:
    value = bucket.get("doc_count")
    return value if isinstance(value, int) else 0


def hits_of(answer: JsonObject) -> list[JsonObject]:
    return listed(mapping(answer, "hits").get("hits"))


def source_value(source: JsonObject, name: str | None) -> JsonValue:
    """The value of a dotted field, whether the document nests it or spells the dots."""
    if name is None:
        return None
    plain = name.removesuffix(".keyword")
    if plain in source:
        return source[plain]
    head, _, rest = plain.partition(".")
    while rest:
        inner = source.get(head)
        if isinstance(inner, dict) and (found := source_value(inner, rest)) is not None:
            return found
        step, _, rest = rest.partition(".")
        head = f"{head}.{step}"
    return None


def text_value(source: JsonObject, name: str | None) -> str | None:
    """A field as text; of several values the first."""
    value = source_value(source, name)
    if isinstance(value, list):
        value = value[0] if value else None
    return None if value is None or isinstance(value, dict) else str(value)


def moment(value: JsonValue) -> datetime | None:
    """A date as documents hold it: RFC 3339 text or milliseconds since 1970."""
    if isinstance(value, list):
        value = value[0] if value else None
    if isinstance(value, bool) or value is None:
        return None
    try:
        if isinstance(value, int | float):
            return datetime.fromtimestamp(value / 1000, UTC)
        found = datetime.fromisoformat(str(value).replace("Z", "+00:00")[:32])
    except (ValueError, OverflowError, OSError):
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def lines_of(answer: JsonObject, fields: Fields) -> list[Line]:
    found: list[Line] = []
    for hit in hits_of(answer):
        source = mapping(hit, "_source")
        level = text_value(source, fields.level)
        found.append(
            Line(
                id=f"{hit.get('_index')}/{hit.get('_id')}",
                at=moment(source_value(source, fields.time)),
                service=text_value(source, fields.service),
                level=level.lower() if level else None,
                message=text_value(source, fields.message) or "",
                trace=text_value(source, fields.trace),
                host=text_value(source, fields.host),
            )
        )
    return found


def rate_series(answer: JsonObject, span: TimeWindow, *, step_s: int) -> list[Series]:
    """`log_error_rate` and `log_rate` of each service in lines per second."""
    aggregations = mapping(answer, "aggregations")
    buckets = listed(mapping(aggregations, "services").get("buckets"))
    found: list[Series] = []
    for bucket in buckets or ([mapping(aggregations, "all")] if "all" in aggregations else []):
        service = str(bucket["key"]) if "key" in bucket else None
        over_time = listed(mapping(bucket, "over_time").get("buckets"))
        errors = {moment(b.get("key")): count_of(mapping(b, "errors")) for b in over_time}
        lines = {moment(b.get("key")): count_of(b) for b in over_time}
        for metric, counts in (("log_error_rate", errors), ("log_rate", lines)):
            points = rate_points(counts, span, step_s=step_s)
            found.append(
                Series(
                    labels={"service": service} if service else {},
                    service=service,
                    metric=metric,
                    unit="1/s",
                    step_s=step_s,
                    points=points,
                )
            )
    return sorted(found, key=lambda series: series.metric != "log_error_rate")


def rate_points(counts: dict[datetime | None, int], span: TimeWindow, *, step_s: int) -> tuple[Point, ...]:
    """Counts per step as rates. No line in a step is a rate of zero: the store was asked and had none.

    Steps at the edges are divided by the seconds that lie in the span; less than half a step is left out, so that an
    edge is neither a false dip nor a false peak.
    """
    start_s, end_s = span.start.timestamp(), span.end.timestamp()
    at_s = start_s // step_s * step_s
    points: list[Point] = []
    while at_s < end_s:
        covered_s = min(at_s + step_s, end_s) - max(at_s, start_s)
        if covered_s >= step_s / 2:
            at = datetime.fromtimestamp(at_s, UTC)
            points.append((at, counts.get(at, 0) / covered_s))
        at_s += step_s
    return tuple(points)


def service_counts(answer: JsonObject) -> dict[str | None, int]:
    """Exact counts per service; under None when lines name no service."""
    found: dict[str | None, int] = {}
    buckets = listed(mapping(answer, "aggregations", "services").get("buckets"))
    for bucket in buckets:
        found[str(bucket.get("key"))] = count_of(bucket)
    rest = total_of(answer) - sum(found.values())
    if rest > 0:
        found[None] = rest
    return found


LINE_COLUMNS = tuple(Column(name=name) for name in ("at", "service", "level", "message", "trace_id", "host"))


def line_rows(lines: Iterable[Line]) -> Rows:
    rows = tuple(
        (line.at.isoformat() if line.at else None, line.service, line.level, line.message, line.trace, line.host)
        for line in lines
    )
    return Rows(columns=LINE_COLUMNS, rows=rows)


_VERSION = ("version", "service.version", "tag", "image.tag")
_AUTHOR = ("author", "user.name", "deployed_by", "by")
_PREVIOUS = ("previous_version", "previous.version")
_URL = ("url", "url.full", "event.url", "link")
_KIND = ("change", "event.type", "kind", "type")
_ENVIRONMENT = ("environment", "service.environment", "env")


def deployment_changes(documents: Iterable[JsonObject], fields: Fields, *, environment: str) -> list[Change]:
    """Deployments of this environment (or of none that is named) as changes, newest first."""
    found: list[Change] = []
    for source in documents:
        at, service = moment(source_value(source, fields.time)), text_value(source, fields.service)
        where = _first_text(source, _ENVIRONMENT)
        if at is None or not service or (where and not _same_environment(where, environment)):
            continue
        version, previous = _first_text(source, _VERSION), _first_text(source, _PREVIOUS)
        found.append(
            Change(
                at=at,
                service=service,
                what=_deployment_words(version, previous, text_value(source, "status")),
                change=_change_kind(_first_text(source, _KIND)),
                version=version,
                by=_first_text(source, _AUTHOR),
                url=_web(_first_text(source, _URL)),
            )
        )
    return found


def _first_text(source: JsonObject, names: Iterable[str]) -> str | None:
    return next((value for name in names if (value := text_value(source, name))), None)


_SAME_PLACE = {"prod": "production", "prd": "production", "stage": "staging", "stg": "staging", "dev": "development"}


def _same_environment(one: str, other: str) -> bool:
    first, second = one.lower(), other.lower()
    return _SAME_PLACE.get(first, first) == _SAME_PLACE.get(second, second)


def _deployment_words(version: str | None, previous: str | None, status: str | None) -> str:
    words = f"deployed {version}" if version else "deployed"
    words += f" (was {previous})" if previous else ""
    return words + (f", {status}" if status and status.lower() not in ("success", "succeeded", "ok") else "")


def _change_kind(word: str | None) -> str:
    known = ("deployment", "config", "scale", "flag", "restart", "other")
    return word if word in known else "deployment"


def _web(url: str | None) -> str | None:
    return url if url and url.startswith(("http://", "https://")) else None

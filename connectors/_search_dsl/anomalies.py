"""Services over thresholds in a metrics index: the queries and their answers. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pydantic import JsonValue

from connectors._search_dsl.answers import hits_of, listed, mapping, source_value, text_value
from connectors._search_dsl.arguments import AnomalyArguments
from connectors._search_dsl.fields import METRIC_CANDIDATES, Fields
from connectors._search_dsl.queries import MOST_SERVICES, every, in_span, time_text
from connectors.model import Column, JsonObject, Rows, TimeWindow

_COLUMNS = ("service", "error_ratio", "p99_ms", "over", "team", "criticality", "on_call")
_OWNER_FIELDS = {
    "team": ("team", "owner", "squad"),
    "criticality": ("criticality", "tier", "priority"),
    "on_call": ("on_call", "oncall", "on-call", "contact"),
}


class Found(NamedTuple):
    """The worst of one service in the window."""

    service: str
    error_ratio: float | None
    p99_ms: float | None


def metric_fields(fields: Fields) -> dict[str, str]:
    """The fields of the index that hold an error ratio and a P99 in milliseconds."""
    found = {sort: next((n for n in names if n in fields.types), None) for sort, names in METRIC_CANDIDATES.items()}
    return {sort: name for sort, name in found.items() if name}


def anomaly_pipeline(index: str, fields: Fields, window: TimeWindow) -> tuple[str, list[JsonValue]]:
    """An ES|QL pipeline and its parameters. Names come from the mapping and the settings, never from a question."""
    wanted = ", ".join(f"{sort} = MAX(`{name}`)" for sort, name in metric_fields(fields).items())
    first = next(iter(metric_fields(fields)))
    query = (
        f"FROM {index} | WHERE `{fields.time}` >= ? AND `{fields.time}` < ? "
        f"| STATS {wanted} BY `{fields.service}` | SORT {first} DESC | LIMIT {MOST_SERVICES}"
    )
    return query, [time_text(window.start), time_text(window.end)]


def anomaly_body(fields: Fields, window: TimeWindow) -> JsonObject:
    """The same as a search, for servers without ES|QL."""
    worst: JsonObject = {sort: {"max": {"field": name}} for sort, name in metric_fields(fields).items()}
    terms: JsonObject = {"field": fields.service, "size": MOST_SERVICES}
    return {
        "size": 0,
        "query": every([in_span(fields, window)]),
        "aggs": {"services": {"terms": terms, "aggs": worst}},
    }


def from_rows(rows: Rows, fields: Fields) -> list[Found]:
    names = [column.name for column in rows.columns]
    made = [dict(zip(names, row, strict=True)) for row in rows.rows]
    return [
        Found(str(row.get(fields.service or "")), _number(row.get("error_ratio")), _number(row.get("p99_ms")))
        for row in made
    ]


def from_buckets(answer: JsonObject) -> list[Found]:
    return [
        Found(
            str(bucket.get("key")),
            _number(mapping(bucket, "error_ratio").get("value")),
            _number(mapping(bucket, "p99_ms").get("value")),
        )
        for bucket in listed(mapping(answer, "aggregations", "services").get("buckets"))
    ]


def _number(value: JsonValue) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def owners_of(answer: JsonObject, fields: Fields) -> dict[str, JsonObject]:
    """What the lookup index says of each service."""
    owners: dict[str, JsonObject] = {}
    for hit in hits_of(answer):
        source = mapping(hit, "_source")
        service = text_value(source, fields.service)
        if service:
            owners[service] = {sort: _first(source, names) for sort, names in _OWNER_FIELDS.items()}
    return owners


def _first(source: JsonObject, names: Sequence[str]) -> JsonValue:
    return next((value for name in names if (value := source_value(source, name)) is not None), None)


def anomaly_rows(found: Sequence[Found], owners: Mapping[str, JsonObject], arguments: AnomalyArguments) -> Rows:
    """Only services over a threshold, the highest error ratio first."""
    rows: list[tuple[JsonValue, ...]] = []
    for one in sorted(found, key=lambda f: (-(f.error_ratio or 0.0), -(f.p99_ms or 0.0), f.service)):
        over = [
            name
            for name, value, limit in (
                ("error_ratio", one.error_ratio, arguments.error_ratio),
                ("p99_ms", one.p99_ms, arguments.p99_ms),
            )
            if value is not None and value > limit
        ]
        if over:
            owner = owners.get(one.service, {})
            known = tuple(owner.get(sort) for sort in _OWNER_FIELDS)
            rows.append((one.service, one.error_ratio, one.p99_ms, ", ".join(over), *known))
    return Rows(columns=tuple(Column(name=name) for name in _COLUMNS), rows=tuple(rows))

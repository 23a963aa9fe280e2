"""The aggregations that are asked, computed over documents: terms, date_histogram, filter, min, max."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from tests.support.elasticsearch_query import TEXTS, instant, matches, parsing, value_at

Documents = Sequence[Mapping[str, Any]]
Types = Mapping[str, str]


def time_ms(value: Any) -> int | None:
    return None if value is None else round(instant(value).timestamp() * 1000)


def aggregate(specs: Any, docs: Documents, types: Types) -> dict[str, Any]:
    return {name: _one(spec, docs, types) for name, spec in specs.items()}


def _one(spec: Any, docs: Documents, types: Types) -> dict[str, Any]:
    inner = spec.get("aggs", {})
    kinds = set(spec) - {"aggs"}
    if len(kinds) != 1:
        raise parsing("Expected exactly one aggregation type")
    kind = kinds.pop()
    body = spec[kind]
    match kind:
        case "filter":
            kept = [doc for doc in docs if matches(body, doc, types)]
            return {"doc_count": len(kept), **aggregate(inner, kept, types)}
        case "min" | "max" if types.get(body["field"]) in ("double", "float", "long"):
            values = [value for doc in docs if (value := value_at(doc, body["field"])) is not None]
            return {"value": (min if kind == "min" else max)(values, default=None)}
        case "min" | "max":
            times = [ms for doc in docs if (ms := time_ms(value_at(doc, body["field"]))) is not None]
            edge = (min if kind == "min" else max)(times, default=None)
            return {"value": edge, "value_as_string": _text(edge)} if edge is not None else {"value": None}
        case "terms":
            return _terms(body, inner, docs, types)
        case "date_histogram":
            return _histogram(body, inner, docs, types)
        case _:
            raise parsing(f"Unknown aggregation type [{kind}]")


def _terms(body: Any, inner: Any, docs: Documents, types: Types) -> dict[str, Any]:
    if types.get(body["field"]) in TEXTS:
        raise parsing(f"Fielddata is disabled on [{body['field']}]")
    groups: dict[Any, list[Mapping[str, Any]]] = {}
    for doc in docs:
        if (value := value_at(doc, body["field"])) is not None:
            groups.setdefault(value, []).append(doc)
    buckets = [{"key": k, "doc_count": len(v), **aggregate(inner, v, types)} for k, v in groups.items()]
    buckets.sort(key=lambda bucket: (-_rank(bucket, body.get("order")), str(bucket["key"])))
    size = body.get("size", 10)
    rest = sum(bucket["doc_count"] for bucket in buckets[size:])
    return {"doc_count_error_upper_bound": 0, "sum_other_doc_count": rest, "buckets": buckets[:size]}


def _rank(bucket: Mapping[str, Any], order: Any) -> int:
    if not order:
        return int(bucket["doc_count"])
    path, direction = next(iter(order.items()))
    if path not in bucket or direction != "desc":
        raise parsing(f"Invalid aggregator order path [{path}]")
    return int(bucket[path]["doc_count"])


def _histogram(body: Any, inner: Any, docs: Documents, types: Types) -> dict[str, Any]:
    interval = body["fixed_interval"]
    if not interval.endswith("s"):
        raise parsing(f"unable to parse [{interval}] as a time value")
    step_ms = int(interval[:-1]) * 1000
    groups: dict[int, list[Mapping[str, Any]]] = {}
    for doc in docs:
        ms = time_ms(value_at(doc, body["field"]))
        if ms is not None:
            groups.setdefault(ms // step_ms * step_ms, []).append(doc)
    buckets = [
        {"key_as_string": _text(key), "key": key, "doc_count": len(members), **aggregate(inner, members, types)}
        for key, members in sorted(groups.items())
    ]
    return {"buckets": buckets}


def _text(ms: int | None) -> str | None:
    return None if ms is None else datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")

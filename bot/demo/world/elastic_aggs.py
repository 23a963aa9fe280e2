"""Aggregations of Elasticsearch, computed from the documents that matched."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from bot.demo.world.elastic_query import Body, ElasticError, QueryCompiler, parsing, type_of
from bot.demo.world.journal import Document, iso

Documents = list[Document]
_SPANS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_CALENDAR = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 7 * 86400}
_MOST_BUCKETS = 65_536


class Aggregator:
    """Computes a tree of aggregations over documents."""

    def __init__(self, compiler: QueryCompiler, render: Callable[[Document], dict[str, Any]]) -> None:
        self.compiler = compiler
        self._render = render

    def run(self, body: Body, documents: Documents) -> dict[str, Any]:
        """The `aggregations` part of an answer."""
        return {name: self._one(name, spec, documents) for name, spec in body.items()}

    def _one(self, name: str, spec: Body, documents: Documents) -> dict[str, Any]:
        inner = spec.get("aggs") or spec.get("aggregations") or {}
        kinds = [key for key in spec if key not in {"aggs", "aggregations", "meta"}]
        if len(kinds) != 1:
            raise parsing(f"Expected exactly one aggregation type in [{name}]")
        method = getattr(self, f"_{kinds[0]}", None)
        if method is None or not re.fullmatch(r"[a-z_]+", kinds[0]):
            raise parsing(f"Unknown aggregation type [{kinds[0]}]")
        result: dict[str, Any] = method(spec[kinds[0]], documents, inner)
        return result

    def _bucket(self, documents: Documents, inner: Body, **head: Any) -> dict[str, Any]:
        return {**head, "doc_count": len(documents), **self.run(inner, documents)}

    # buckets

    def _date_histogram(self, spec: Body, documents: Documents, inner: Body) -> dict[str, Any]:
        size = _span(spec)
        offset = _plain_span(str(spec["offset"])) if "offset" in spec else 0.0
        groups: dict[int, Documents] = {}
        for document in documents:
            groups.setdefault(math.floor((document.at - offset) / size), []).append(document)
        low, high = (min(groups), max(groups)) if groups else (0, -1)
        bounds = spec.get("extended_bounds") or {}
        edges = [
            math.floor((self._date(bounds[key]) - offset) / size)
            for key in ("min", "max")
            if bounds.get(key) is not None
        ]
        if edges:
            low, high = (min(low, *edges), max(high, *edges)) if groups else (min(edges), max(edges))
        if high - low > _MOST_BUCKETS:
            raise ElasticError(400, "too_many_buckets_exception", "Trying to create too many buckets")
        least = int(spec.get("min_doc_count", 0))
        buckets = []
        for slot in range(low, high + 1):
            members = groups.get(slot, [])
            if len(members) >= least:
                at = slot * size + offset
                buckets.append(self._bucket(members, inner, key_as_string=iso(at), key=round(at * 1000)))
        return {"buckets": buckets}

    def _date(self, value: Any) -> float:
        from bot.demo.world.elastic_query import parse_date

        return parse_date(value, self.compiler.now)

    def _terms(self, spec: Body, documents: Documents, inner: Body) -> dict[str, Any]:
        field, size = _keyword(spec), int(spec.get("size", 10))
        groups: dict[str, Documents] = {}
        for document in documents:
            value = document.index if field == "_index" else document.fields.get(field, spec.get("missing"))
            if value is not None and _wanted(str(value), spec):
                groups.setdefault(str(value), []).append(document)
        least = int(spec.get("min_doc_count", 1))
        rows = [(key, members) for key, members in groups.items() if len(members) >= least]
        rows.sort(key=lambda row: (-len(row[1]), row[0]))
        buckets = [self._bucket(members, inner, key=key) for key, members in rows]
        _order(buckets, spec.get("order"))
        others = sum(bucket["doc_count"] for bucket in buckets[size:])
        return {"doc_count_error_upper_bound": 0, "sum_other_doc_count": others, "buckets": buckets[:size]}

    def _filter(self, spec: Body, documents: Documents, inner: Body) -> dict[str, Any]:
        holds = self.compiler.compile(spec)
        return self._bucket([d for d in documents if holds(d)], inner)

    def _filters(self, spec: Body, documents: Documents, inner: Body) -> dict[str, Any]:
        queries = spec["filters"]
        if isinstance(queries, dict):
            return {"buckets": {name: self._filter(query, documents, inner) for name, query in queries.items()}}
        return {"buckets": [self._filter(query, documents, inner) for query in queries]}

    def _global(self, _spec: Body, documents: Documents, inner: Body) -> dict[str, Any]:
        return self._bucket(documents, inner)

    def _missing(self, spec: Body, documents: Documents, inner: Body) -> dict[str, Any]:
        return self._bucket([d for d in documents if spec["field"] not in d.fields], inner)

    def _date_range(self, spec: Body, documents: Documents, inner: Body) -> dict[str, Any]:
        buckets = []
        for part in spec["ranges"]:
            low = self._date(part["from"]) if "from" in part else -math.inf
            high = self._date(part["to"]) if "to" in part else math.inf
            members = [d for d in documents if low <= d.at < high]
            key = part.get("key", f"{part.get('from', '*')}-{part.get('to', '*')}")
            buckets.append(self._bucket(members, inner, key=key))
        return {"buckets": buckets}

    # single values

    def _numbers(self, spec: Body, documents: Documents) -> list[float]:
        field = str(spec["field"])
        if type_of(field) == "date":
            return [document.at * 1000 for document in documents]
        if type_of(field) is not None:
            reason = f"Field [{field}] of type [{type_of(field)}] is not supported for this aggregation"
            raise ElasticError(400, "illegal_argument_exception", reason)
        return []

    def _metric(self, spec: Body, documents: Documents, fold: Callable[[list[float]], float]) -> dict[str, Any]:
        values = self._numbers(spec, documents)
        if not values:
            return {"value": None}
        value = fold(values)
        text = {"value_as_string": iso(value / 1000)} if type_of(str(spec["field"])) == "date" else {}
        return {"value": value, **text}

    def _min(self, spec: Body, documents: Documents, _inner: Body) -> dict[str, Any]:
        return self._metric(spec, documents, min)

    def _max(self, spec: Body, documents: Documents, _inner: Body) -> dict[str, Any]:
        return self._metric(spec, documents, max)

    def _avg(self, spec: Body, documents: Documents, _inner: Body) -> dict[str, Any]:
        return self._metric(spec, documents, lambda values: float(np.mean(values)))

    def _percentiles(self, spec: Body, documents: Documents, _inner: Body) -> dict[str, Any]:
        values = self._numbers(spec, documents)
        levels = spec.get("percents", [1, 5, 25, 50, 75, 95, 99])
        return {"values": {f"{float(p)}": float(np.percentile(values, p)) if values else None for p in levels}}

    def _cardinality(self, spec: Body, documents: Documents, _inner: Body) -> dict[str, Any]:
        field = _keyword(spec)
        return {"value": len({str(d.fields[field]) for d in documents if field in d.fields})}

    def _value_count(self, spec: Body, documents: Documents, _inner: Body) -> dict[str, Any]:
        return {"value": sum(spec["field"] in document.fields for document in documents)}

    def _top_hits(self, spec: Body, documents: Documents, _inner: Body) -> dict[str, Any]:
        ordered = sort_documents(documents, spec.get("sort"))
        start, size = int(spec.get("from", 0)), int(spec.get("size", 3))
        hits = [self._render(document) for document in ordered[start : start + size]]
        total = {"value": len(documents), "relation": "eq"}
        return {"hits": {"total": total, "max_score": 1.0 if hits else None, "hits": hits}}


def sort_documents(documents: Documents, spec: Body) -> Documents:
    """Documents in the order of a `sort` body; the first key decides, then the next."""
    ordered = list(documents)
    for field, descending in reversed(sort_keys(spec)):
        ordered.sort(key=partial(sort_value, field=field), reverse=descending)
    return ordered


def sort_keys(spec: Body) -> list[tuple[str, bool]]:
    """(field, descending) of each part of a `sort` body."""
    keys = []
    for part in spec if isinstance(spec, list) else ([spec] if spec else []):
        if isinstance(part, str):
            name, _, direction = part.partition(":")
            keys.append((name, direction == "desc"))
            continue
        for field, options in part.items():
            direction = options if isinstance(options, str) else options.get("order", "asc")
            keys.append((field, direction == "desc"))
    return keys


def sort_value(document: Document, field: str) -> Any:
    """What one document is sorted by."""
    if field == "@timestamp":
        return round(document.at * 1000)
    if field in {"_doc", "_shard_doc", "_id"}:
        return document.id
    return 0 if field == "_score" else str(document.fields.get(field, ""))


def _keyword(spec: Body) -> str:
    field = str(spec.get("field"))
    if type_of(field) == "match_only_text":
        reason = (
            f"Fielddata is disabled on [{field}]. Text fields are not optimised for operations that require "
            "per-document field data like aggregations and sorting. Please use a keyword field instead."
        )
        raise ElasticError(400, "illegal_argument_exception", reason)
    return field


def _wanted(value: str, spec: Body) -> bool:
    include, exclude = spec.get("include"), spec.get("exclude")
    for rule, keep in ((include, True), (exclude, False)):
        if rule is not None:
            hit = value in rule if isinstance(rule, list) else re.fullmatch(str(rule), value) is not None
            if hit != keep:
                return False
    return True


def _order(buckets: list[dict[str, Any]], order: Body) -> None:
    parts = order if isinstance(order, list) else ([order] if order else [])
    for part in reversed(parts):
        path, direction = next(iter(part.items()))
        buckets.sort(key=partial(_at_path, path=path), reverse=direction == "desc")


def _at_path(bucket: Mapping[str, Any], path: str) -> Any:
    if path in {"_count", "_key"}:
        return bucket["doc_count" if path == "_count" else "key"]
    value: Any = bucket
    for step in re.split(r"[>.]", path):
        value = value.get(step) if isinstance(value, Mapping) else None
    value = value.get("value", value.get("doc_count")) if isinstance(value, Mapping) else value
    return value if value is not None else -math.inf


def _plain_span(text: str) -> float:
    found = re.fullmatch(r"([+-]?\d+)(ms|s|m|h|d|w)", text)
    if not found:
        raise ElasticError(400, "parse_exception", f"failed to parse setting with value [{text}] as a time value")
    return float(int(found.group(1)) * _SPANS[found.group(2)])


def _span(spec: Body) -> float:
    if "fixed_interval" in spec:
        return _plain_span(str(spec["fixed_interval"]))
    if "calendar_interval" in spec:
        text = str(spec["calendar_interval"])
        return float(_CALENDAR.get(text) or _plain_span(text))
    raise ElasticError(400, "illegal_argument_exception", "Invalid interval specified, must be non-null and non-empty")

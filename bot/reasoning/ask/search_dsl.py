"""What was read of a question about logs as one request of the search API, for servers that do not speak ES|QL."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from bot.reasoning.ask.search import LogWish, shown
from connectors.model import Column, JsonObject, Rows

_INTERVALS = {"hour": "3600s", "minute": "60s", "day": "86400s"}
_MOST_BUCKETS = 1_000


def dsl(wish: LogWish) -> str:
    """`{"method", "path", "body"}` as text, as the guard and `run_query` take it."""
    time = str(wish.field("time"))
    edges: JsonObject = {"gte": _at(wish.span.start), **({"lt": _at(wish.span.end)} if wish.span.end else {})}
    filters: list[JsonObject] = [{"range": {time: edges}}]
    filters += [_filter(wish, field, how, values) for field, how, values in wish.filters]
    body: JsonObject = {"query": {"bool": {"filter": list(filters)}}}
    groups = _groups(wish, time)
    if groups is not None:
        body |= {"size": 0, "aggs": groups}
    elif wish.counts:
        body |= {"size": 0, "aggs": {"number": {"filter": {"match_all": {}}}}}
    else:
        body |= {"size": wish.limit, "sort": [{time: {"order": "desc"}}], "_source": list(shown(wish))}
    return json.dumps({"method": "POST", "path": f"/{wish.index.name}/_search", "body": body})


def _groups(wish: LogWish, time: str) -> JsonObject | None:
    """One level for each group; the name of a level is the name of its column."""
    found: JsonObject | None = None
    if wish.by_service:
        size = min(wish.limit, _MOST_BUCKETS)
        found = {"service": {"terms": {"field": exact(wish, str(wish.field("service"))), "size": size}}}
    if wish.bucket:
        level: JsonObject = {"date_histogram": {"field": time, "fixed_interval": _INTERVALS[wish.bucket]}}
        found = {"bucket": {**level, **({"aggs": found} if found else {})}}
    return found


def _filter(wish: LogWish, field: str, how: str, values: tuple[str, ...]) -> JsonObject:
    if how == "has":
        return {"multi_match": {"query": values[0], "fields": [field], "type": "phrase"}}
    if how == "is":
        return {"term": {exact(wish, field): {"value": values[0]}}}
    return {"terms": {exact(wish, field): list(values)}}


def exact(wish: LogWish, field: str) -> str:
    """The field that keeps a value whole: its own, or the keyword beside a text."""
    keyword = f"{field}.keyword"
    return keyword if wish.index.fields.get(field) == "text" and keyword in wish.index.fields else field


def _at(moment: datetime | None) -> str:
    assert moment is not None, "a span of logs has a start"
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def rows_of(text: str) -> Rows | None:
    """The counts in an answer to one of these requests as rows; None when it is no such answer."""
    try:
        answer: Any = json.loads(text)
    except ValueError:
        return None
    found = answer.get("aggregations") if isinstance(answer, dict) else None
    if not isinstance(found, dict) or len(found) != 1:
        return None
    if "number" in found:
        return Rows(columns=(Column(name="number"),), rows=((found["number"].get("doc_count"),),))
    names: list[str] = []
    rows = _flat(found, names, ())
    return Rows(columns=tuple(Column(name=name) for name in (*names, "number")), rows=tuple(rows))


def _flat(level: dict[str, Any], names: list[str], before: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    """The buckets of a level, each with those around it; empty ones are left out."""
    name = next(key for key in ("bucket", "service") if key in level)
    if name not in names:
        names.append(name)
    found: list[tuple[Any, ...]] = []
    inner = level[name]
    for bucket in inner.get("buckets", []) if isinstance(inner, dict) else []:
        here = (*before, bucket.get("key_as_string", bucket.get("key")))
        if "service" in bucket:
            found += _flat({"service": bucket["service"]}, names, here)
        elif bucket.get("doc_count"):
            found.append((*here, bucket["doc_count"]))
    return found

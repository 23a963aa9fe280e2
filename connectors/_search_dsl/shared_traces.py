"""Which services failed in the same traces: the search and its answer. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Set
from datetime import datetime
from itertools import combinations

from pydantic import JsonValue

from connectors._search_dsl.answers import listed, mapping, moment
from connectors._search_dsl.fields import Fields
from connectors._search_dsl.queries import at_level, every, in_span, time_text
from connectors.model import JsonObject, TimeWindow

MOST_TRACES = 500
Times = dict[str, datetime]
"""When each service first failed in one trace."""
SHARED_COLUMNS = ("first_service", "then_service", "shared_traces", "first_was_earlier", "first_at", "then_at")


def shared_body(fields: Fields, window: TimeWindow) -> JsonObject:
    """Error lines by trace, and within a trace by service with the time of the first."""
    earliest: JsonObject = {"first": {"min": {"field": fields.time}}}
    services: JsonObject = {"terms": {"field": fields.service, "size": 20}, "aggs": earliest}
    traces: JsonObject = {"terms": {"field": fields.trace, "size": MOST_TRACES}, "aggs": {"services": services}}
    return {
        "size": 0,
        "query": every([in_span(fields, window), at_level(fields, ["error"])]),
        "aggs": {"traces": traces},
    }


def times_of(answer: JsonObject) -> list[Times]:
    """The answer to `shared_body`."""
    return [_times(trace) for trace in listed(mapping(answer, "aggregations", "traces").get("buckets"))]


def shared_rows(traces: Iterable[Times], wanted: Set[str]) -> tuple[tuple[JsonValue, ...], ...]:
    """One row a pair of services: in how many traces both failed, and in how many of them the first did so first."""
    shared: dict[tuple[str, str], list[bool]] = {}
    firsts: Times = {}
    for times in traces:
        for service, at in times.items():
            firsts[service] = min(at, firsts.get(service, at))
        for one, other in combinations(sorted(times), 2):
            if not wanted or {one, other} & wanted:
                shared.setdefault((one, other), []).append(times[one] <= times[other])
    rows = [_row(pair, order, firsts) for pair, order in shared.items()]
    return tuple(sorted(rows, key=lambda row: (-int(str(row[2])), str(row[0]))))


def _times(trace: JsonObject) -> Times:
    found = {
        str(b.get("key")): moment(mapping(b, "first").get("value"))
        for b in listed(mapping(trace, "services").get("buckets"))
    }
    return {service: at for service, at in found.items() if at is not None}


def _row(pair: tuple[str, str], order: list[bool], firsts: Times) -> tuple[JsonValue, ...]:
    one, other = pair
    earlier = sum(order)
    if earlier * 2 < len(order):
        one, other, earlier = other, one, len(order) - earlier
    return one, other, len(order), earlier, time_text(firsts[one]), time_text(firsts[other])

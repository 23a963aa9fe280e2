"""ES|QL pipelines in the place of searches, and their tables. Pure.

Names of fields and indices come from the mapping and the settings; everything a person wrote is a parameter.
Source: https://www.elastic.co/guide/en/elasticsearch/reference/8.19/esql.html (read 2026-11).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pydantic import JsonValue

from connectors._search_dsl.answers import moment
from connectors._search_dsl.fields import Fields
from connectors._search_dsl.queries import LEVELS, time_text
from connectors._search_dsl.shared_traces import Times
from connectors.model import Rows, TimeWindow


class Pipeline(NamedTuple):
    """The text, and the values of its question marks in order."""

    query: str
    params: list[JsonValue]


def failures_pipeline(index: str, fields: Fields, window: TimeWindow, *, most: int) -> Pipeline | None:
    """When each service first failed in each trace; None where lines carry no level to tell failures by."""
    if not (fields.level and fields.trace and fields.service):
        return None
    spellings = [form for word in LEVELS["error"] for form in (word, word.upper(), word.title())]
    where, params = _in_span(fields, window)
    query = (
        f"FROM {index} | WHERE {where} AND `{fields.level}` IN ({_marks(spellings)}) "
        f"AND `{fields.trace}` IS NOT NULL AND `{fields.service}` IS NOT NULL "
        f"| STATS first = MIN(`{fields.time}`) BY `{fields.trace}`, `{fields.service}` | SORT first | LIMIT {most}"
    )
    return Pipeline(query, [*params, *spellings])


def times_by_trace(rows: Rows) -> list[Times]:
    """The table of `failures_pipeline`: first, trace, service."""
    found: dict[str, Times] = {}
    for first, trace, service in rows.rows:
        at = moment(first)
        if at is not None:
            found.setdefault(str(trace), {})[str(service)] = at
    return list(found.values())


def documents_pipeline(index: str, fields: Fields, span: TimeWindow, *, services: Sequence[str], most: int) -> Pipeline:
    """Whole documents of a span, newest first."""
    where, params = _in_span(fields, span)
    if services and fields.service:
        where += f" AND `{fields.service}` IN ({_marks(services)})"
        params += services
    return Pipeline(f"FROM {index} | WHERE {where} | SORT `{fields.time}` DESC | LIMIT {most}", params)


def _in_span(fields: Fields, span: TimeWindow) -> tuple[str, list[JsonValue]]:
    return f"`{fields.time}` >= ? AND `{fields.time}` < ?", [time_text(span.start), time_text(span.end)]


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))

"""Rows about a database's sessions as typed items: locks with their roots, statements now against before."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import JsonValue

from connectors.model import Item, JsonObject
from connectors.redaction import redact_text
from connectors.sql import json_cell


def fields(record: Any, *, without: Iterable[str] = ()) -> JsonObject:
    """A row's cells by column name; the text of statements may hold passwords, which are masked."""
    left_out = set(without)
    return {key: _field(key, value) for key, value in record.items() if key not in left_out}


def _field(key: str, value: Any) -> JsonValue:
    return redact_text(value) if key.endswith("query") and isinstance(value, str) else json_cell(value)


def locks(records: Sequence[Any], database: str) -> tuple[Item, ...]:
    """One item per waiter and blocker; `root_pids` are the sessions at the end of the chain, who wait for no one."""
    blockers: dict[int, set[int]] = defaultdict(set)
    for record in records:
        blockers[record["blocked_pid"]].add(record["blocking_pid"])
    waiters = Counter(root for pid in blockers for root in _roots(pid, blockers))
    return tuple(_lock(record, blockers, waiters, database) for record in records)


def _lock(record: Any, blockers: Mapping[int, set[int]], waiters: Mapping[int, int], database: str) -> Item:
    roots = sorted(_roots(record["blocked_pid"], blockers))
    extra: JsonObject = {
        "root_pids": list(roots),
        "blocking_is_root": record["blocking_pid"] not in blockers,
        "waiters_of_root": max((waiters[root] for root in roots), default=0),
        "deadlock": not roots,
    }
    uid = f"{record['blocked_pid']}<{record['blocking_pid']}"
    return Item(api_kind="Lock", name=record["relation"] or database, uid=uid, fields={**fields(record), **extra})


def _roots(pid: int, blockers: Mapping[int, set[int]]) -> set[int]:
    """The sessions at the ends of the chains from here; none when the chains only form a circle."""
    seen, roots, queue = {pid}, set(), list(blockers.get(pid, ()))
    while queue:
        current = queue.pop()
        if current in seen:
            continue
        seen.add(current)
        if current in blockers:
            queue.extend(blockers[current])
        else:
            roots.add(current)
    return roots


def counted_by(groups: Sequence[Any], key: str) -> JsonObject:
    counted: Counter[str] = Counter()
    for group in groups:
        counted[str(group[key])] += group["number"]
    return dict(counted.most_common(50))


class Sample(NamedTuple):
    """Statement statistics at one moment: calls and total milliseconds by statement."""

    at_s: float
    totals: Mapping[str, tuple[int, float]]


def sample(records: Sequence[Any], at_s: float) -> Sample:
    return Sample(at_s, {r["key"]: (r["calls"], r["total_ms"]) for r in records})


def statements(records: Sequence[Any], before: Sample, database: str) -> tuple[Item, ...]:
    """Statements by time spent since the sample; `baseline_mean_ms` is the mean of all calls before it."""
    items = [_statement(record, before, database) for record in records]
    return tuple(sorted(items, key=_spent, reverse=True))


def _spent(item: Item) -> tuple[float, float]:
    recent, total = item.fields["recent_ms"], item.fields["total_ms"]
    return (recent if isinstance(recent, float) else 0.0), (total if isinstance(total, float) else 0.0)


def _statement(record: Any, before: Sample, database: str) -> Item:
    calls_before, ms_before = before.totals.get(record["key"], (0, 0.0))
    if calls_before > record["calls"]:  # statistics were reset in between
        calls_before, ms_before = 0, 0.0
    calls = record["calls"] - calls_before
    spent_ms = record["total_ms"] - ms_before
    counted: JsonObject = {
        "query": redact_text(record["query"]),
        "calls": calls if calls else record["calls"],
        "mean_ms": spent_ms / calls if calls else record["mean_ms"],
        "baseline_mean_ms": ms_before / calls_before if calls and calls_before else None,
        "total_ms": record["total_ms"],
        "total_calls": record["calls"],
        "max_ms": record["max_ms"],
        "recent": calls > 0,
        "recent_ms": float(spent_ms) if calls else 0.0,
        "rows": record["rows"],
        "user": record["user"],
    }
    return Item(api_kind="Statement", name=database, uid=record["key"], fields=counted)


def worst_first(items: Iterable[Item]) -> list[Item]:
    return sorted(items, key=lambda item: not item.fields["problems"])

"""Catalog rows as typed items: locks with their roots, connections, statements now against before, table health."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import JsonValue

from connectors.model import Item, JsonObject
from connectors.redaction import redact_text
from connectors.sql import json_cell

_DEAD_RATIO, _DEAD_ROWS = 0.2, 10_000
_STALE_RATIO = 0.2
_WRAPAROUND = 1_500_000_000
_LARGE_BYTES = 10_000_000


def fields(record: Any, *, without: Iterable[str] = ()) -> JsonObject:
    """A row's cells by column name; the text of statements may hold passwords, which are masked."""
    left_out = set(without)
    return {key: _field(key, value) for key, value in record.items() if key not in left_out}


def _field(key: str, value: Any) -> JsonValue:
    return redact_text(value) if key.endswith("query") and isinstance(value, str) else json_cell(value)


def activity(records: Sequence[Any], database: str) -> tuple[Item, ...]:
    return tuple(
        Item(api_kind="Activity", name=r["database"] or database, uid=str(r["pid"]), fields=fields(r)) for r in records
    )


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


def connections(groups: Sequence[Any], limits: Any, database: str) -> Item:
    """All client connections of the server; `limit` is what ordinary roles can reach."""
    used = sum(g["number"] for g in groups)
    limit = max(1, limits["most"] - limits["reserved"])
    by_state = _by(groups, "state")
    own = sum(g["number"] for g in groups if g["database"] == database)
    idle = [g["oldest_idle_in_transaction_s"] for g in groups if g["oldest_idle_in_transaction_s"] is not None]
    oldest = [g["oldest_transaction_s"] for g in groups if g["oldest_transaction_s"] is not None]
    counted: JsonObject = {
        "used": used,
        "limit": limit,
        "ratio": round(used / limit, 4),
        "max_connections": limits["most"],
        "reserved": limits["reserved"],
        "database_used": own,
        "database_limit": limits["database_limit"] if limits["database_limit"] >= 0 else None,
        "by_state": by_state,
        "by_application": _by(groups, "application"),
        "by_user": _by(groups, "user"),
        "by_database": _by(groups, "database"),
        "waiting": sum(g["waiting"] for g in groups),
        "oldest_transaction_s": max(oldest, default=None),
        "oldest_idle_in_transaction_s": max(idle, default=None),
    }
    return Item(api_kind="Connections", name=database, fields=counted)


def _by(groups: Sequence[Any], key: str) -> JsonObject:
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


def tables(records: Sequence[Any]) -> list[Item]:
    """Tables with what is wrong with them, worst first."""
    return _worst_first(
        Item(api_kind="Table", name=r["name"], namespace=r["schema"], fields={**fields(r), **_table_health(r)})
        for r in records
    )


def _table_health(r: Any) -> JsonObject:
    rows = r["live_rows"] + r["dead_rows"]
    dead_ratio = r["dead_rows"] / rows if rows else 0.0
    problems: list[str] = []
    if dead_ratio > _DEAD_RATIO and r["dead_rows"] > _DEAD_ROWS:
        problems.append("many dead rows")
    if rows > _DEAD_ROWS and r["last_analyze"] is None and r["last_autoanalyze"] is None:
        problems.append("never analyzed")
    elif r["live_rows"] > _DEAD_ROWS and r["modified_since_analyze"] > _STALE_RATIO * r["live_rows"]:
        problems.append("statistics are stale")
    if r["sequential_scans"] > max(100, r["index_scans"]) and r["size_bytes"] > _LARGE_BYTES:
        problems.append("mostly read by sequential scans")
    if r["transaction_age"] is not None and r["transaction_age"] > _WRAPAROUND:
        problems.append("near transaction wraparound")
    return {"dead_ratio": round(dead_ratio, 4), "problems": list(problems)}


def indexes(records: Sequence[Any]) -> list[Item]:
    """Indexes with what is wrong with them, worst first."""
    shapes: dict[str, list[str]] = defaultdict(list)
    for record in records:
        shapes[record["shape"]].append(record["name"])
    return _worst_first(
        Item(
            api_kind="Index",
            name=r["name"],
            namespace=r["schema"],
            fields={**fields(r, without=("shape",)), "problems": list(_index_problems(r, shapes[r["shape"]]))},
        )
        for r in records
    )


def _index_problems(r: Any, alike: Sequence[str]) -> list[str]:
    problems = []
    if not r["valid"]:
        problems.append("invalid: a concurrent build failed")
    if len(alike) > 1:
        problems.append(f"duplicate of {', '.join(name for name in alike if name != r['name'])}")
    if r["scans"] == 0 and not r["unique"] and not r["constrains"] and r["size_bytes"] > _LARGE_BYTES:
        problems.append("never used since statistics began")
    return problems


def _worst_first(items: Iterable[Item]) -> list[Item]:
    return sorted(items, key=lambda item: not item.fields["problems"])

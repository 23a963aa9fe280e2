"""Catalog rows as typed items: activity, connections, health of tables and indexes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from connectors._database_items import counted_by, fields, worst_first
from connectors.model import Item, JsonObject

_DEAD_RATIO, _DEAD_ROWS = 0.2, 10_000
_STALE_RATIO = 0.2
_WRAPAROUND = 1_500_000_000
_LARGE_BYTES = 10_000_000


def activity(records: Sequence[Any], database: str) -> tuple[Item, ...]:
    return tuple(
        Item(api_kind="Activity", name=r["database"] or database, uid=str(r["pid"]), fields=fields(r)) for r in records
    )


def connections(groups: Sequence[Any], limits: Any, database: str) -> Item:
    """All client connections of the server; `limit` is what ordinary roles can reach."""
    used = sum(g["number"] for g in groups)
    limit = max(1, limits["most"] - limits["reserved"])
    by_state = counted_by(groups, "state")
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
        "by_application": counted_by(groups, "application"),
        "by_user": counted_by(groups, "user"),
        "by_database": counted_by(groups, "database"),
        "waiting": sum(g["waiting"] for g in groups),
        "oldest_transaction_s": max(oldest, default=None),
        "oldest_idle_in_transaction_s": max(idle, default=None),
    }
    return Item(api_kind="Connections", name=database, fields=counted)


def tables(records: Sequence[Any]) -> list[Item]:
    """Tables with what is wrong with them, worst first."""
    return worst_first(
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
    return worst_first(
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

"""Rows of system tables as typed items: activity, connections, statements, replicas, health of tables and disks."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from connectors._database_items import fields, worst_first
from connectors.model import Item, JsonObject
from connectors.redaction import redact_text

_MANY_PARTS = 300
"""The server delays inserts at 1,000 active parts in a partition (`parts_to_delay_insert`)."""
_FULL_RATIO = 0.9


def activity(records: Sequence[Mapping[str, Any]], database: str) -> tuple[Item, ...]:
    return tuple(
        Item(api_kind="Activity", name=str(r["database"] or database), uid=str(r["pid"]), fields=fields(_numbers(r)))
        for r in records
    )


def _numbers(record: Mapping[str, Any]) -> dict[str, Any]:
    """64-bit integers travel as text, and aggregates over nothing as 'nan'."""
    return {key: _number(key, value) for key, value in record.items()}


def _number(key: str, value: Any) -> Any:
    if not isinstance(value, str) or key in {"key", "pid", "name", "query", "user", "message"}:
        return value
    if value in {"nan", "inf", "-inf"}:
        return None
    return int(value) if value.lstrip("-").isdigit() and len(value) < 20 else value


def connections(
    counts: Sequence[Mapping[str, Any]],
    limits: Sequence[Mapping[str, Any]],
    users: Sequence[Mapping[str, Any]],
    database: str,
) -> Item:
    """Client connections of all protocols against the server's limit; queries that run now apart."""
    by_name = {str(r["name"]): int(r["number"]) for r in counts}
    most = {str(r["name"]): int(r["number"]) for r in limits}
    queries = by_name.pop("Query", 0)
    used = sum(number for name, number in by_name.items() if name != "InterserverConnection")
    limit = most.get("max_connections") or None
    counted: JsonObject = {
        "used": used,
        "limit": limit,
        "ratio": round(used / limit, 4) if limit else None,
        "by_protocol": {name.removesuffix("Connection"): number for name, number in by_name.items()},
        "by_state": {"active": queries},
        "by_user": {str(r["user"]): int(r["number"]) for r in users},
        "running_queries": queries,
        "max_concurrent_queries": most.get("max_concurrent_queries") or None,
        "waiting": 0,
    }
    return Item(api_kind="Connections", name=database, fields=counted)


def statements(records: Sequence[Mapping[str, Any]], database: str) -> tuple[Item, ...]:
    return tuple(
        Item(
            api_kind="Statement",
            name=database,
            uid=str(r["key"]),
            fields={
                **fields(_numbers(r), without=("key",)),
                "query": redact_text(str(r["query"])),
                "total_calls": int(r["calls"]) + int(r["baseline_calls"]),
                "recent": True,
                "recent_ms": float(r["total_ms"]),
            },
        )
        for r in records
    )


def replicas(records: Sequence[Mapping[str, Any]]) -> tuple[Item, ...]:
    return tuple(
        Item(
            api_kind="Replica",
            name=str(r["name"]),
            namespace=str(r["database"]),
            uid=str(r["replica"]),
            fields={**fields(_numbers(r)), "state": _replica_state(r)},
        )
        for r in records
    )


def _replica_state(r: Mapping[str, Any]) -> str:
    if r["is_session_expired"]:
        return "keeper session expired"
    return "read-only" if r["is_readonly"] else "streaming"


def tables(records: Sequence[Mapping[str, Any]]) -> list[Item]:
    return worst_first(
        Item(
            api_kind="Table",
            name=str(r["name"]),
            namespace=str(r["schema"]),
            fields={**fields(_numbers(r)), "problems": list(_table_problems(_numbers(r)))},
        )
        for r in records
    )


def _table_problems(r: Mapping[str, Any]) -> list[str]:
    problems = []
    if (r["most_parts_in_a_partition"] or 0) > _MANY_PARTS:
        problems.append(f"{r['most_parts_in_a_partition']} parts in one partition: inserts come faster than merges")
    if r["failed_mutations"]:
        problems.append("a mutation fails again and again")
    elif r["unfinished_mutations"]:
        problems.append("a mutation has not finished")
    return problems


def disks(records: Sequence[Mapping[str, Any]]) -> list[Item]:
    return [_disk(_numbers(r)) for r in records]


def _disk(r: Mapping[str, Any]) -> Item:
    ratio = 1 - r["free_bytes"] / r["total_bytes"] if r["total_bytes"] else 0.0
    problems = [f"{ratio:.0%} full"] if ratio > _FULL_RATIO else []
    told = {**fields(r), "used_ratio": round(ratio, 4), "problems": list(problems)}
    return Item(api_kind="Disk", name=str(r["name"]), fields=told)


def errors(records: Sequence[Mapping[str, Any]]) -> tuple[Item, ...]:
    return tuple(
        Item(
            api_kind="ServerError",
            name=str(r["name"]),
            uid=str(r["code"]),
            fields={**fields(_numbers(r)), "message": redact_text(str(r["message"]))},
        )
        for r in records
    )


def write_reasons(grants: Sequence[str]) -> list[str]:
    """What the account could change, as SHOW GRANTS tells it."""
    reading = ("SELECT", "SHOW", "CHECK", "dictGet", "SHOW ACCESS", "displaySecretsInShowAndSelect", "SOURCES")
    reasons = []
    for grant in grants:
        rights, _, rest = grant.removeprefix("GRANT ").partition(" ON ")
        if not rest:
            continue
        names = [right.strip() for right in re.sub(r"\([^)]*\)", "", rights).split(",")]
        able = [name for name in names if name and not name.startswith(reading) and name != "KILL QUERY"]
        if able:
            shown = ", ".join(able[:3]) + (" …" if len(able) > 3 else "")
            reasons.append(f"{shown} on {rest.split(' TO ')[0]}")
    return reasons

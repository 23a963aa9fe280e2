"""Documents as tables, and the server's own state as typed items."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from bson import json_util

from connectors._database_items import counted_by
from connectors.model import Column, Item, JsonObject, Limits, TimeWindow
from connectors.redaction import redact_text
from connectors.sql import TableBuilder

_ENVELOPE = frozenset({"ok", "$clusterTime", "operationTime", "lsid", "signature"})
_MAX_QUERY = 4_000
_WRITING_ACTIONS = frozenset({"insert", "update", "remove", "createCollection", "dropCollection", "createIndex",
                              "dropDatabase", "createUser", "anyAction", "convertToCapped", "shutdown"})  # fmt: skip


def table(documents: Sequence[Mapping[str, Any]], limits: Limits) -> TableBuilder:
    """Documents as rows: a column for each top-level field, in the order they were first seen."""
    names: dict[str, str] = {}
    for document in documents:
        for key, value in document.items():
            if names.get(key) is None:
                names[key] = type(value).__name__ if value is not None else ""
    builder = TableBuilder([Column(name=name, type=kind) for name, kind in names.items()], limits)
    for document in documents:
        builder.add([document.get(name) for name in names])
    return builder


def unwrapped(name: str, documents: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The answer without the envelope every reply has; `distinct` as one row for each value."""
    if name == "distinct":
        return [{"value": value} for value in documents[0].get("values", ())]
    if name in {"find", "aggregate", "listCollections", "listIndexes"}:
        return list(documents)
    return [{key: value for key, value in document.items() if key not in _ENVELOPE} for document in documents]


def command_text(command: Any) -> str:
    """A command as extended JSON, masked and cut."""
    if not isinstance(command, Mapping):
        return redact_text(str(command)[:_MAX_QUERY])
    shown = {key: value for key, value in command.items() if key not in {"lsid", "$clusterTime", "$db"}}
    return redact_text(json_util.dumps(shown)[:_MAX_QUERY])


def activity(operations: Sequence[Mapping[str, Any]], database: str, min_seconds: float) -> tuple[Item, ...]:
    """Operations of clients, longest first; our own are left out."""
    seen = [o for o in operations if o.get("appName") != "inquest" and o.get("op") not in {None, "none"}]
    items = [_operation(o, database) for o in seen if _seconds(o) >= min_seconds]
    return tuple(sorted(items, key=lambda item: -float(str(item.fields["duration_s"] or 0))))


def _seconds(operation: Mapping[str, Any]) -> float:
    micros = operation.get("microsecs_running")
    return float(micros) / 1e6 if micros is not None else float(operation.get("secs_running") or 0)


def _operation(o: Mapping[str, Any], database: str) -> Item:
    users = [str(user.get("user")) for user in o.get("effectiveUsers") or () if isinstance(user, Mapping)]
    told: JsonObject = {
        "pid": str(o.get("opid")),
        "user": users[0] if users else None,
        "application": str(o.get("appName") or ""),
        "client": str(o.get("client") or ""),
        "state": "waiting for a lock" if o.get("waitingForLock") else "active" if o.get("active") else "idle",
        "wait_event": "lock" if o.get("waitingForLock") else None,
        "duration_s": _seconds(o),
        "query": command_text(o.get("command") or {}),
        "plan": str(o["planSummary"]) if o.get("planSummary") else None,
        "yields": int(o.get("numYields") or 0),
    }
    return Item(api_kind="Activity", name=str(o.get("ns") or database), uid=str(o.get("opid")), fields=told)


def connections(status: Mapping[str, Any], operations: Sequence[Mapping[str, Any]], database: str) -> Item:
    """Connections of this server against what it accepts; waiting operations for locks."""
    counts = status.get("connections") or {}
    used = int(counts.get("current") or 0)
    limit = used + int(counts.get("available") or 0)
    apps = [{"application": str(o.get("appName") or "unnamed"), "number": 1} for o in operations]
    told: JsonObject = {
        "used": used,
        "limit": limit or None,
        "ratio": round(used / limit, 4) if limit else None,
        "by_state": {"active": int(counts.get("active") or 0)},
        "by_application": counted_by(apps, "application"),
        "waiting": sum(1 for o in operations if o.get("waitingForLock")),
        "created_since_start": int(counts.get("totalCreated") or 0),
    }
    return Item(api_kind="Connections", name=database, fields=told)


def statements(records: Sequence[Mapping[str, Any]], window: TimeWindow, database: str) -> tuple[Item, ...]:
    """Profiled operations by shape: time in the window, against the equal span before it."""
    groups: dict[tuple[str, str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for record in records:
        shape = str(record.get("queryHash") or record.get("planCacheShapeHash") or record.get("planSummary") or "")
        groups[str(record.get("ns")), str(record.get("op")), shape].append(record)
    items = [_statement(key, group, window, database) for key, group in groups.items()]
    return tuple(sorted(filter(None, items), key=lambda item: -float(str(item.fields["total_ms"]))))


def _statement(
    key: tuple[str, str, str], group: Sequence[Mapping[str, Any]], window: TimeWindow, database: str
) -> Item | None:
    now = [float(r["millis"]) for r in group if r["ts"] >= window.start]
    before = [float(r["millis"]) for r in group if r["ts"] < window.start]
    if not now:
        return None
    slowest = max(group, key=lambda r: float(r["millis"]))
    told: JsonObject = {
        "query": command_text(slowest.get("command") or {}),
        "collection": key[0],
        "operation": key[1],
        "plan": str(slowest.get("planSummary") or ""),
        "calls": len(now),
        "mean_ms": sum(now) / len(now),
        "baseline_mean_ms": sum(before) / len(before) if before else None,
        "total_ms": sum(now),
        "total_calls": len(group),
        "max_ms": max(now),
        "recent": True,
        "recent_ms": sum(now),
        "documents_examined": int(slowest.get("docsExamined") or 0),
        "keys_examined": int(slowest.get("keysExamined") or 0),
    }
    return Item(api_kind="Statement", name=database, uid="/".join(key), fields=told)


def replicas(status: Mapping[str, Any]) -> tuple[Item, ...]:
    """Members of the replica set, with the lag of each behind the primary's last operation."""
    members = [m for m in status.get("members") or () if isinstance(m, Mapping)]
    primary = next((_utc(m.get("optimeDate")) for m in members if m.get("stateStr") == "PRIMARY"), None)
    newest = primary or max(
        (_utc(m.get("optimeDate")) or datetime.min.replace(tzinfo=UTC) for m in members), default=None
    )
    return tuple(_member(m, newest) for m in members)


def _utc(value: Any) -> datetime | None:
    return value.astimezone(UTC) if isinstance(value, datetime) and value.tzinfo else None


def _member(m: Mapping[str, Any], newest: datetime | None) -> Item:
    at = _utc(m.get("optimeDate"))
    behind = m.get("stateStr") not in {"PRIMARY", "ARBITER"} and at is not None and newest is not None
    told: JsonObject = {
        "state": str(m.get("stateStr") or "unknown").lower(),
        "lag_s": max(0.0, (newest - at).total_seconds()) if behind and newest and at else None,
        "healthy": bool(m.get("health", 1)),
        "last_error": redact_text(str(m["lastHeartbeatMessage"])[:500]) if m.get("lastHeartbeatMessage") else None,
        "source": str(m.get("syncSourceHost") or "") or None,
        "up_s": float(m.get("uptime") or 0),
    }
    return Item(api_kind="Replica", name=str(m.get("name")), uid=str(m.get("_id")), fields=told)


def write_reasons(status: Mapping[str, Any]) -> list[str] | None:
    """What the account could change, by `connectionStatus`; None when the server does not tell."""
    info = status.get("authInfo")
    if not isinstance(info, Mapping) or "authenticatedUserPrivileges" not in info:
        return None
    reasons = []
    for privilege in info["authenticatedUserPrivileges"]:
        able = sorted(_WRITING_ACTIONS & set(privilege.get("actions") or ()))
        if able:
            where = privilege.get("resource") or {}
            place = f"{where.get('db') or '*'}.{where.get('collection') or '*'}" if "db" in where else "the cluster"
            reasons.append(f"{', '.join(able[:3])} on {place}")
    return reasons

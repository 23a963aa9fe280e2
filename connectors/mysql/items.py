"""Rows of MySQL's catalogs as typed items: activity, connections, replication, health of tables and indexes."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from connectors._database_items import counted_by, fields, worst_first
from connectors.model import Item, JsonObject
from connectors.redaction import redact_text

_LARGE_BYTES = 10_000_000
_FREE_RATIO = 0.3
_USED_IDS_RATIO = 0.8
_BITS = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}
_WRITES_NOTHING = frozenset(
    """
    usage|select|process|show databases|show view|replication client|binlog monitor|slave monitor|replica monitor
    |references|connection admin|show_routine|performance_schema|binlog_monitor
    """.replace("\n", "").replace("    ", "").split("|")
)  # fmt: skip
_GRANT = re.compile(r"^GRANT (?P<rights>.+?) ON (?P<object>.+?) TO ", re.IGNORECASE)


def activity(records: Sequence[Mapping[str, Any]], database: str) -> tuple[Item, ...]:
    return tuple(
        Item(api_kind="Activity", name=r["database"] or database, uid=str(r["pid"]), fields=_numbered(r))
        for r in records
    )


def _numbered(record: Mapping[str, Any]) -> JsonObject:
    """Fields with seconds as numbers: the server answers decimals."""
    return fields({key: _seconds(key, value) for key, value in record.items()})


def _seconds(key: str, value: Any) -> Any:
    return float(value) if key.endswith("_s") and value is not None else value


def lock_records(records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Records as `locks` of the shared module wants them."""
    return [{key: _seconds(key, value) for key, value in record.items()} for record in records]


def connections(groups: Sequence[Mapping[str, Any]], limits: Mapping[str, Any], database: str) -> Item:
    """All client connections of the server. One more than `limit` is kept for an administrator."""
    counted_groups = [{**group, "number": int(group["number"])} for group in groups]
    used = sum(group["number"] for group in counted_groups)
    limit = max(1, int(limits["most"]))
    oldest = [float(g["oldest_transaction_s"]) for g in groups if g["oldest_transaction_s"] is not None]
    idle = [float(g["oldest_idle_in_transaction_s"]) for g in groups if g["oldest_idle_in_transaction_s"] is not None]
    counted: JsonObject = {
        "used": used,
        "limit": limit,
        "ratio": round(used / limit, 4),
        "max_connections": limit,
        "max_user_connections": int(limits["user_limit"]) or None,
        "most_used": int(limits["most_used"]) if limits["most_used"] is not None else None,
        "database_used": sum(g["number"] for g in counted_groups if g["database"] == database),
        "by_state": counted_by(counted_groups, "state"),
        "by_application": counted_by(counted_groups, "application"),
        "by_user": counted_by(counted_groups, "user"),
        "by_client": counted_by(counted_groups, "client"),
        "by_database": counted_by(counted_groups, "database"),
        "waiting": sum(int(group["waiting"] or 0) for group in groups),
        "oldest_transaction_s": max(oldest, default=None),
        "oldest_idle_in_transaction_s": max(idle, default=None),
    }
    return Item(api_kind="Connections", name=database, fields=counted)


def statement_records(records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Records as `statements` of the shared module wants them."""
    times = ("total_ms", "mean_ms", "max_ms")
    return [
        {**record, **{key: float(record[key]) for key in times}, "calls": int(record["calls"])} for record in records
    ]


def replica_status(record: Mapping[str, Any], database: str) -> Item:
    """One channel of SHOW REPLICA STATUS, under its old names or its new ones."""

    def value(*names: str) -> Any:
        return next((record[name] for name in names if record.get(name) not in (None, "")), None)

    io = value("replica_io_running", "slave_io_running")
    sql = value("replica_sql_running", "slave_sql_running")
    lag = value("seconds_behind_source", "seconds_behind_master")
    error = value("last_sql_error", "last_io_error")
    told: JsonObject = {
        "lag_s": float(lag) if lag is not None else None,
        "state": "streaming" if (io, sql) == ("Yes", "Yes") else "stopped" if "No" in (io, sql) else "connecting",
        "role": "replica",
        "source": f"{value('source_host', 'master_host')}:{value('source_port', 'master_port')}",
        "io_running": str(io),
        "sql_running": str(sql),
        "last_error": redact_text(str(error)[:1_000]) if error else None,
    }
    return Item(api_kind="Replica", name=str(value("channel_name", "connection_name") or database), fields=told)


def tables(records: Sequence[Mapping[str, Any]]) -> list[Item]:
    """Tables with what is wrong with them, worst first."""
    return worst_first(
        Item(
            api_kind="Table",
            name=r["name"],
            namespace=r["schema"],
            fields={**fields(r, without=("id_type",)), "problems": list(_table_problems(r))},
        )
        for r in records
    )


def _table_problems(r: Mapping[str, Any]) -> list[str]:
    problems = []
    if not r["has_primary_key"]:
        problems.append("no primary key: replicas apply its changes slowly")
    if r["engine"] and str(r["engine"]).lower() in {"myisam", "aria"}:
        problems.append(f"engine {r['engine']} locks the whole table on writes")
    total = int(r["total_bytes"] or 0)
    if total > _LARGE_BYTES and int(r["free_bytes"] or 0) > _FREE_RATIO * total:
        problems.append("much free space inside: rebuild when quiet")
    used = _used_ids(r)
    if used is not None and used > _USED_IDS_RATIO:
        problems.append(f"ids are used up to {used:.0%}")
    return problems


def _used_ids(r: Mapping[str, Any]) -> float | None:
    kind = re.match(r"(\w+)", str(r["id_type"] or ""))
    if kind is None or kind[1] not in _BITS or r["next_id"] is None:
        return None
    unsigned = "unsigned" in str(r["id_type"])
    return float(int(r["next_id"]) / 2 ** (_BITS[kind[1]] - (0 if unsigned else 1)))


def indexes(records: Sequence[Mapping[str, Any]], reads: Sequence[Mapping[str, Any]] | None) -> list[Item]:
    """Indexes with what is wrong with them; `reads` is None when the server does not count them."""
    scans = {(r["table"], r["name"]): int(r["scans"]) for r in reads or ()}
    by_table: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for record in records:
        by_table[record["table"]].append(record)
    return worst_first(
        Item(
            api_kind="Index",
            name=r["name"],
            namespace=r["schema"],
            fields={
                **fields(r),
                "unique": bool(r["unique"]),
                "primary": r["name"] == "PRIMARY",
                "scans": scans.get((r["table"], r["name"])),
                "problems": list(_index_problems(r, by_table[r["table"]], scans, counted=reads is not None)),
            },
        )
        for r in records
    )


def _index_problems(
    r: Mapping[str, Any], others: Sequence[Mapping[str, Any]], scans: Mapping[tuple[str, str], int], *, counted: bool
) -> list[str]:
    problems = []
    for other in others:
        if other["name"] == r["name"] or r["name"] == "PRIMARY" or other["type"] != r["type"]:
            continue
        if other["columns"] == r["columns"]:
            problems.append(f"duplicate of {other['name']}")
        elif not r["unique"] and str(other["columns"]).startswith(f"{r['columns']}, "):
            problems.append(f"already the beginning of {other['name']}")
    if counted and not scans.get((r["table"], r["name"])) and not r["unique"]:
        problems.append("never read since the server started")
    return problems


def write_reasons(grants: Sequence[str]) -> list[str]:
    """What the account could change, as SHOW GRANTS tells it."""
    reasons = []
    for grant in grants:
        found = _GRANT.match(grant)
        if found is None:
            continue
        rights = [r.strip().lower() for r in re.sub(r"\([^)]*\)", "", found["rights"]).split(",")]
        able = [right for right in rights if right not in _WRITES_NOTHING]
        if able:
            shown = ", ".join(able[:3]) + (" …" if len(able) > 3 else "")
            reasons.append(f"{shown} on {found['object'].replace('`', '')}")
        if "WITH GRANT OPTION" in grant.upper():
            reasons.append("it may grant rights to others")
    return reasons

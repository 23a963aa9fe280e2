"""Findings from typed objects: databases, alerts, scrape targets, and the plain Kubernetes states."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from bot.analysis.facts import Facts, SeenItem, clock
from bot.analysis.metrics import three_digits
from bot.analysis.signals import make_finding
from bot.domain.evidence import Finding, FindingKind

_K = FindingKind
_SEVERITY_WEIGHT = {"critical": 0.7, "high": 0.6, "page": 0.7, "error": 0.6, "warning": 0.4, "medium": 0.4}


def object_findings(facts: Facts) -> Iterator[Finding]:
    """Findings of every item that is not a Kubernetes object."""
    names = database_names(facts)
    for seen in facts.items:
        kind = seen.item.api_kind
        if kind == "Connections":
            yield from _connections(seen, names)
        elif kind == "Statement":
            yield from _statement(seen, names)
        elif kind in {"Replica", "Replication"}:
            yield from _replica(seen, names)
        elif kind == "Alert":
            yield from _alert(seen)
        elif kind == "Target":
            yield from _target(seen)
    yield from _locks(facts, names)


def number(value: object) -> float | None:
    """A number out of a JSON field, None for anything else."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return float(value)
    try:
        return float(str(value))
    except ValueError:
        return None


def database_names(facts: Facts) -> Mapping[str, str]:
    """Connector instance → the configured database name it looks at."""
    names: dict[str, str] = {}
    for seen in facts.items:
        told = seen.item.fields.get("database")
        if isinstance(told, str) and told:
            names[seen.connector] = told
    for seen in facts.items:
        if seen.item.api_kind == "Connections" and seen.item.name:
            names.setdefault(seen.connector, seen.item.name)
    for seen in facts.items:
        names.setdefault(seen.connector, seen.item.name if seen.item.api_kind in {"Lock", "Activity"} else "")
    return {k: v or k.partition("/")[2] or k for k, v in names.items()}


def _connections(seen: SeenItem, names: Mapping[str, str]) -> Iterator[Finding]:
    fields = seen.item.fields
    used, limit = number(fields.get("used")), number(fields.get("limit"))
    ratio = number(fields.get("ratio"))
    if ratio is None and used is not None and limit:
        ratio = used / limit
    if ratio is None or ratio < 0.85:
        return
    name = names[seen.connector]
    counts = fields.get("by_application")
    by_application = counts if isinstance(counts, dict) else {}
    most = max(by_application, key=lambda k: number(by_application[k]) or 0.0, default="")
    tail = f", most of them by {most} ({number(by_application[most]):g})" if most else ""
    shown = f"{used:g} of {limit:g}" if used is not None and limit else f"{three_digits(100 * ratio):g} %"
    yield make_finding(
        _K.CONNECTIONS_AT_LIMIT,
        f"database/{name}",
        f"{shown} connections of database {name} are in use{tail}",
        (seen.evidence_id,),
        weight=0.55 + min(0.35, 3 * (ratio - 0.85)),
        data={
            "used": used, "limit": limit, "ratio": three_digits(ratio), "percent": three_digits(100 * ratio),
            "application": most, "by_application": by_application, "database": name,
        },
    )  # fmt: skip


def _locks(facts: Facts, names: Mapping[str, str]) -> Iterator[Finding]:
    """One finding per database: how many wait, how long, and who stands at the root of the chain."""
    groups: dict[str, list[SeenItem]] = {}
    for seen in facts.items:
        if seen.item.api_kind == "Lock":
            groups.setdefault(seen.connector, []).append(seen)
    for connector, locks in groups.items():
        yield _lock_chain(locks, names[connector])


def _lock_chain(locks: list[SeenItem], name: str) -> Finding:
    fields = [seen.item.fields for seen in locks]
    waits = [number(f.get("waited_s")) or 0.0 for f in fields]
    blocked = {str(f.get("blocked_pid")) for f in fields}
    roots = [f for f in fields if str(f.get("blocking_pid")) not in blocked]
    counts: dict[str, int] = {}
    for f in roots or fields:
        counts[str(f.get("blocking_pid"))] = counts.get(str(f.get("blocking_pid")), 0) + 1
    root_pid = max(counts, key=lambda pid: (counts[pid], pid))
    root = next(f for f in (roots or fields) if str(f.get("blocking_pid")) == root_pid)
    longest = three_digits(max(waits))
    since = number(root.get("blocking_duration_s"))
    text = f"{len(blocked)} sessions of database {name} wait for locks, the longest for {longest:g} s"
    text += f"; session {root_pid} blocks them"
    if root.get("blocking_state"):
        text += f" ({root['blocking_state']}" + (f" for {three_digits(since):g} s)" if since else ")")
    relation = root.get("relation")
    return make_finding(
        _K.LOCK_CHAIN,
        f"database/{name}",
        text + (f" on {relation}" if relation else ""),
        [seen.evidence_id for seen in locks],
        weight=min(0.95, 0.35 + 0.1 * min(len(blocked), 4) + min(0.25, longest / 60)),
        key="locks",
        data={
            "waiting": len(blocked), "longest_s": longest, "blocking_pid": root.get("blocking_pid"),
            "blocking_query": root.get("blocking_query"), "blocking_state": root.get("blocking_state"),
            "blocking_duration_s": since and three_digits(since), "relation": relation, "database": name,
        },
    )  # fmt: skip


def _statement(seen: SeenItem, names: Mapping[str, str]) -> Iterator[Finding]:
    fields = seen.item.fields
    mean, before = number(fields.get("mean_ms")), number(fields.get("baseline_mean_ms"))
    if mean is None or before is None or mean < 20 or mean < 2 * before:
        return
    query = " ".join(str(fields.get("query", "")).split())[:100]
    mean, before = three_digits(mean), three_digits(before)
    name = names[seen.connector]
    yield make_finding(
        _K.SLOW_STATEMENT_ROSE,
        f"database/{name}",
        f"a statement of database {name} takes {mean:g} ms on average against {before:g} ms before: “{query}”",
        (seen.evidence_id,),
        weight=min(0.8, 0.4 + 0.1 * (mean / max(before, 0.1)) ** 0.5),
        data={"mean_ms": mean, "baseline_mean_ms": before, "query": query, "database": name},
    )


def _replica(seen: SeenItem, names: Mapping[str, str]) -> Iterator[Finding]:
    lag = number(seen.item.fields.get("lag_s"))
    if lag is None or lag < 10:
        return
    name = names[seen.connector]
    yield make_finding(
        _K.REPLICATION_LAG_ROSE,
        f"database/{name}",
        f"replica {seen.item.name} of database {name} is {three_digits(lag):g} s behind",
        (seen.evidence_id,),
        weight=min(0.85, 0.4 + lag / 300),
        data={"lag_s": three_digits(lag), "database": name, "replica": seen.item.name},
    )


def _alert(seen: SeenItem) -> Iterator[Finding]:
    fields = seen.item.fields
    if str(fields.get("state", "")).lower() not in {"firing", "alerting", "alert", "active", "triggered"}:
        return
    service = str(fields.get("service") or "")
    summary = " ".join(str(fields.get("summary") or "").split())[:140]
    since = _time(fields.get("since"))
    severity = str(fields.get("severity", "")).lower()
    yield make_finding(
        _K.MONITOR_ALERTING,
        f"app/{service}" if service else "external/alerts",
        f"alert {seen.item.name} fires"
        + (f" since {clock(since)}" if since else "")
        + (f": “{summary}”" if summary else ""),
        (seen.evidence_id,),
        weight=_SEVERITY_WEIGHT.get(severity, 0.35),
        onset_s=since.timestamp() if since else None,
        data={"alert": seen.item.name, "severity": severity, "service": service},
    )


def _target(seen: SeenItem) -> Iterator[Finding]:
    fields = seen.item.fields
    if fields.get("up") not in (False, 0, "0", "down"):
        return
    job = str(fields.get("service") or fields.get("job") or seen.item.name)
    yield make_finding(
        _K.SERIES_MISSING,
        f"app/{job}",
        f"scrape target {fields.get('instance') or seen.item.name} of {job} is down",
        (seen.evidence_id,),
        weight=0.3,
        data={"job": job, "instance": fields.get("instance"), "service": job},
    )


def _time(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(value.replace("Z", "+00:00"))
    except ValueError:
        return None
    return at if at.tzinfo else None

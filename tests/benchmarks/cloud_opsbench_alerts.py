"""Recorded alerts as Alert items: what fires, about whom, and the usual and present value the monitor quotes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from connectors.model import Item, JsonObject, TimeWindow

_LOCAL = timezone(timedelta(hours=8))
_RANGE = re.compile(r"(\S+ \S+) ~ (\S+ \S+)")
_PAIR = re.compile(r"Normal=(?P<before>[\d.]+)(?P<unit>[a-z/% ]*)\s*-> Cur(?:rent)?=(?P<after>[\d.]+)")
_SINGLE = re.compile(r"Val: (?P<after>[\d.]+)")
_RULES = (
    (re.compile(r"cpu_cfs|Throttled"), "cpu_throttled_s", 1.0),
    (re.compile(r"cpu core"), "cpu_usage", 1.0),
    (re.compile(r"cpu utilization"), "node_cpu_percent", 1.0),
    (re.compile(r"Retransmission"), "tcp_retransmits", 1.0),
    (re.compile(r"p50latency"), "latency_p50", 1e-3),
    (re.compile(r"p90latency"), "latency_p90", 1e-3),
    (re.compile(r"p95latency"), "latency_p95", 1e-3),
    (re.compile(r"p99latency"), "latency_p99", 1e-3),
    (re.compile(r"LATENCY_MISSING"), "latency_mean", 1e-3),
    (re.compile(r"THROUGHPUT"), "request_rate", 1.0),
    (re.compile(r"Success Rate"), "success_ratio", 1e-2),
    (re.compile(r"mem", re.I), "memory_usage", 1.0),
)


def alert_window(case: Mapping[str, Any]) -> TimeWindow | None:
    """The span in which the monitor saw trouble."""
    spans = [_RANGE.match(a.get("time_range") or "") for a in (case.get("alerts") or {}).get("alerts", ())]
    ends = [(_local(s[1]), _local(s[2])) for s in spans if s]
    if not ends:
        return None
    return TimeWindow(start=min(a for a, _ in ends), end=max(b for _, b in ends))


def _local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=_LOCAL).astimezone(UTC)


def alert_items(case: Mapping[str, Any]) -> Iterator[Item]:
    """One item per piece of evidence of an alert; one that quotes two measures makes two."""
    span = alert_window(case)
    for alert in (case.get("alerts") or {}).get("alerts", ()):
        for said in alert.get("evidence", ()):
            head, _, tail = said.partition(" | ")
            for part in tail.split(" | "):
                yield _item(alert, head, part, span)


def _item(alert: Mapping[str, Any], head: str, part: str, span: TimeWindow | None) -> Item:
    is_node = alert["type"] == "Node"
    fields: JsonObject = {
        "state": "firing",
        "severity": "warning",
        "summary": f"{head}: {part}",
        "since": span.start.isoformat() if span else None,
        "node" if is_node else "service": alert["name"],
        **_measured(f"{head} {part}"),
    }
    return Item(api_kind="Alert", name=f"{head} {alert['name']}", fields=fields)


def _measured(text: str) -> JsonObject:
    found = next(((metric, scale) for pattern, metric, scale in _RULES if pattern.search(text)), None)
    if found is None:
        return {}
    metric, scale = found
    if pair := _PAIR.search(text):
        return {"metric": metric, "baseline": float(pair["before"]) * scale, "value": float(pair["after"]) * scale}
    if single := _SINGLE.search(text):
        return {"metric": metric, "baseline": 0.0, "value": float(single["after"]) * scale}
    return {"metric": metric, "baseline": 1.0, "value": None} if "MISSING" in text else {}

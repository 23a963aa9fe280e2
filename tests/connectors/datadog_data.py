"""An organisation for the Datadog tests: the lines of every log store's tests, and the traffic that goes with them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from tests.connectors.log_lines import NOW, told
from tests.support.datadog_double import Doc, Point, Stored

ROLLOUT = NOW - timedelta(minutes=35)


def organisation() -> Stored:
    """Two hours: payment answers slowly and fails from 30 minutes ago, after version 2.1.0 of checkout went out."""
    return Stored(_points(), _logs(), _spans(), _events(), _monitors(), frozenset({"trace.http.request"}))


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _logs() -> list[Doc]:
    docs = []
    for one in told():
        raw = {
            "timestamp": _iso(one.at),
            "status": one.level,
            "service": one.service,
            "host": f"{one.service}-1",
            "message": one.message,
            "tags": ["env:production"],
            "attributes": {"trace_id": one.trace} if one.trace else {},
        }
        facets = {
            "service": one.service,
            "status": one.level,
            "env": "production",
            "message": one.message,
            "trace_id": one.trace or None,
        }
        docs.append(Doc(one.at.timestamp(), facets, raw))
    return docs


def _points() -> list[Point]:
    points = []
    for half_minute in range(240):
        at = NOW - timedelta(minutes=half_minute / 2 + 0.25)
        bad = half_minute < 60
        for service in ("checkout", "payment"):
            version = "2.1.0" if service == "checkout" and at >= ROLLOUT else "2.0.9"
            tags = {"service": service, "env": "production", "version": version}
            points.append(Point(at.timestamp(), "trace.http.request.hits", tags, 60.0))
            points.append(Point(at.timestamp(), "trace.postgres.query.hits", tags, 900.0))
            if bad and service == "payment":
                points.append(Point(at.timestamp(), "trace.http.request.errors", tags, 30.0))
            slow_ns = 800e6 if bad and service == "payment" else 50e6
            points.append(Point(at.timestamp(), "trace.http.request", tags, slow_ns))
            points.append(Point(at.timestamp(), "container.cpu.usage", tags, 5e8))
            points.append(Point(at.timestamp(), "container.memory.usage", tags, 9e7 if bad else 5e7))
            points.append(Point(at.timestamp(), "container.memory.limit", tags, 1e8))
        staging = {"service": "payment", "env": "staging", "version": "9.9.9"}
        points.append(Point(at.timestamp(), "trace.http.request.hits", staging, 7.0))
    return points


def _spans() -> list[Doc]:
    docs = []
    for minute in range(60):
        at, bad = NOW - timedelta(minutes=minute + 0.5), minute < 30
        duration = 800e6 if bad else 40e6
        custom: dict[str, Any] = {"duration": duration, "span": {"kind": "client"}, "peer": {"service": "payment"}}
        raw = {
            "service": "checkout",
            "resource_name": "POST /pay",
            "trace_id": f"t-{minute}",
            "status": "error" if bad else "ok",
            "custom": custom,
            "start_timestamp": _iso(at),
        }
        facets = {
            "service": "checkout",
            "resource_name": "POST /pay",
            "env": "production",
            "status": raw["status"],
            "@span.kind": "client",
            "@peer.service": "payment",
            "@duration": duration,
            "_top_level": "1",
            "message": "",
        }
        docs.append(Doc(at.timestamp(), facets, raw))
    return docs


def _events() -> list[Doc]:
    docs = []
    for at, service, source, title, tags in (
        (NOW - timedelta(hours=5), "payment", "argocd", "Deployed payment 2.0.9", ["version:2.0.9", "user:ada"]),
        (NOW - timedelta(minutes=20), "checkout", "monitor", "Checkout is slow", []),
    ):
        every = [f"service:{service}", f"source:{source}", "env:production", *tags]
        inner = {"title": title, "service": service, "status": "info", "timestamp": round(at.timestamp() * 1000)}
        raw = {"timestamp": _iso(at), "tags": every, "message": f"{title}.", "attributes": inner}
        facets = {"service": service, "source": source, "env": "production", "tags": every, "message": title}
        docs.append(Doc(at.timestamp(), facets, raw))
    return docs


def _monitors() -> list[dict[str, Any]]:
    def monitor(number: int, name: str, state: str, tags: list[str], groups: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": number,
            "name": name,
            "type": "query alert",
            "query": "avg(last_5m):…",
            "message": f"{name} @slack-ops",
            "tags": tags,
            "overall_state": state,
            "overall_state_modified": _iso(NOW - timedelta(minutes=25)),
            "priority": 2,
            "state": {"groups": groups},
            "options": {},
        }

    since = round((NOW - timedelta(minutes=26)).timestamp())
    groups = {"service:payment": {"status": "Alert", "last_triggered_ts": since}}
    return [
        monitor(1, "Disk", "OK", ["service:cart"], {}),
        monitor(2, "Errors of payment", "Alert", ["env:production"], groups),
        monitor(3, "Staging errors", "Alert", ["env:staging", "service:payment"], {}),
        monitor(4, "Heartbeat", "No Data", ["service:cart"], {}),
    ]

"""An account for the New Relic tests: the lines of every log store's tests, and the traffic that goes with them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from tests.connectors.log_lines import NOW, WINDOW, told

ROLLOUT = NOW - timedelta(minutes=35)


def ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def account() -> dict[str, list[dict[str, Any]]]:
    """Two hours; payment (an agent) fails and slows from 30 minutes ago, cart (OpenTelemetry) stays well."""
    return {
        "Transaction": _transactions(),
        "Span": _spans(),
        "K8sContainerSample": _containers(),
        "Log": _logs(),
        "NrAiIncident": _incidents(),
        "Deployment": [
            _deployment(ROLLOUT, "payment", "2.1.0", "Retry faster"),
            _deployment(NOW - timedelta(hours=40), "payment", "2.0.9", "Older"),
        ],
        "ChangeTrackingEvent": [
            {
                "timestamp": ms(NOW - timedelta(minutes=50)),
                "entity.name": "cart",
                "category": "Feature Flag",
                "shortDescription": "new-basket on",
                "user": "bo",
            }
        ],
    }


def _deployment(at: datetime, service: str, version: str, description: str) -> dict[str, Any]:
    link = f"https://ci.test/{version}"
    named = {"entity.name": service, "version": version, "description": description, "user": "ada", "deepLink": link}
    return {"timestamp": ms(at), **named}


def _transactions() -> list[dict[str, Any]]:
    found = []
    for tick in range(480):
        at = NOW - timedelta(seconds=15 * tick + 7)
        bad = at >= WINDOW.start
        failed = bad and tick % 2 == 0
        found.append({"timestamp": ms(at), "appName": "payment", "duration": 0.8 if bad else 0.05, "error": failed})
    return found


def _spans() -> list[dict[str, Any]]:
    kinds = (("cart", "server", 40.0), ("payment", "server", 40.0), ("cart", "client", 900.0))
    return [
        {
            "timestamp": ms(NOW - timedelta(seconds=15 * tick + 9)),
            "service.name": service,
            "span.kind": kind,
            "duration.ms": duration_ms,
        }
        for tick in range(480)
        for service, kind, duration_ms in kinds
    ]


def _containers() -> list[dict[str, Any]]:
    return [
        {
            "timestamp": ms(NOW - timedelta(minutes=minute, seconds=5)),
            "deploymentName": "payment",
            "cpuCoresUtilization": 90.0 if minute < 30 else 40.0,
            "memoryWorkingSetUtilization": 50.0,
            "restartCount": 2 if minute < 10 else 1,
        }
        for minute in range(120)
    ]


def _logs() -> list[dict[str, Any]]:
    return [
        {
            "timestamp": ms(one.at),
            "message": one.message,
            "level": one.level.upper(),
            "service.name": one.service,
            "hostname": f"{one.service}-1",
            **({"trace.id": one.trace} if one.trace else {}),
        }
        for one in told()
    ]


def _incidents() -> list[dict[str, Any]]:
    def event(minutes: float, number: str, state: str, **more: Any) -> dict[str, Any]:
        begun = ms(NOW - timedelta(minutes=26 if number == "i1" else 300))
        names = {"incidentId": number, "event": state, "openTime": begun, "policyName": "Shop"}
        return {"timestamp": ms(NOW - timedelta(minutes=minutes)), **names, **more}

    payment = {"title": "Errors of payment above 5 %", "conditionName": "Errors", "entity.name": "payment"}
    disk = {"title": "Disk of cart above 90 %", "conditionName": "Disk", "entity.name": "cart"}
    closed = ms(NOW - timedelta(minutes=10))
    return [
        event(26, "i1", "open", priority="critical", incidentLink="https://one.newrelic.com/i1", **payment),
        event(300, "i2", "open", priority="warning", **disk),
        event(10, "i2", "close", priority="warning", closeTime=closed, **disk),
    ]


def entities() -> list[dict[str, Any]]:
    def entity(name: str, domain: str, severity: str) -> dict[str, Any]:
        return {
            "guid": f"guid-{name}",
            "name": name,
            "entityType": f"{domain}_APPLICATION_ENTITY",
            "domain": domain,
            "type": "APPLICATION",
            "reporting": True,
            "alertSeverity": severity,
            "permalink": f"https://one.newrelic.com/{name}",
            "tags": [{"key": "team", "values": ["shop"]}],
        }

    return [
        entity("cart", "APM", "NOT_ALERTING"),
        entity("payment", "APM", "CRITICAL"),
        entity("web-1", "INFRA", "WARNING"),
        entity("checkout", "EXT", "NOT_CONFIGURED"),
    ]

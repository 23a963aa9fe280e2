"""Alerts, rules and targets as typed items."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from connectors.errors import Malformed
from connectors.model import Item
from connectors.prometheus.conventions import SERVICE_LABELS

_SEVERITY_LABELS = ("severity", "priority", "level")


def service_of(labels: Mapping[str, str]) -> str | None:
    """The service that labels name, job last."""
    return next((labels[label] for label in SERVICE_LABELS if labels.get(label)), None)


def texts(value: Any) -> dict[str, str]:
    """A label set, or Malformed."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Malformed("Prometheus answered labels of an unexpected shape.")
    return {str(key): str(item) for key, item in value.items()}


def alert(raw: Mapping[str, Any]) -> Item:
    """One alert as the server holds it now."""
    labels, notes = texts(raw.get("labels")), texts(raw.get("annotations"))
    summary = notes.get("summary") or notes.get("message") or notes.get("description")
    return Item(
        api_kind="Alert",
        name=labels.get("alertname", "unnamed"),
        namespace=labels.get("namespace"),
        fields={
            "state": str(raw.get("state", "unknown")),
            "severity": next((labels[k] for k in _SEVERITY_LABELS if k in labels), None),
            "service": service_of(labels),
            "since": str(raw["activeAt"]) if raw.get("activeAt") else None,
            "summary": summary,
            "labels": dict(labels),
            "value": str(raw["value"]) if raw.get("value") is not None else None,
        },
    )


def past_alert(labels: dict[str, str], since: str | None) -> Item:
    """One alert from the ALERTS series of the past."""
    own = {key: value for key, value in labels.items() if key not in {"__name__", "alertstate"}}
    return Item(
        api_kind="Alert",
        name=labels.get("alertname", "unnamed"),
        namespace=labels.get("namespace"),
        fields={
            "state": labels.get("alertstate", "unknown"),
            "severity": next((labels[k] for k in _SEVERITY_LABELS if k in labels), None),
            "service": service_of(own),
            "since": since,
            "summary": None,
            "labels": dict(own),
            "value": None,
        },
    )


def rules(groups: Iterable[Mapping[str, Any]]) -> list[Item]:
    """Every rule, unhealthy and firing ones first."""
    found = [(group, rule) for group in groups for rule in group.get("rules") or ()]
    found.sort(key=lambda pair: (pair[1].get("health") == "ok", pair[1].get("state") != "firing"))
    return [_rule(group, rule) for group, rule in found]


def _rule(group: Mapping[str, Any], raw: Mapping[str, Any]) -> Item:
    return Item(
        api_kind="Rule",
        name=str(raw.get("name", "unnamed")),
        fields={
            "type": str(raw.get("type", "unknown")),
            "state": raw.get("state"),
            "health": raw.get("health"),
            "expression": raw.get("query"),
            "for_s": raw.get("duration"),
            "group": group.get("name"),
            "labels": dict(texts(raw.get("labels"))),
            "last_error": raw.get("lastError") or None,
            "alerts": len(raw.get("alerts") or ()),
        },
    )


def targets(active: Iterable[Mapping[str, Any]]) -> list[Item]:
    """Every scrape target, those that are down first."""
    items = [_target(raw) for raw in active]
    return sorted(items, key=lambda item: (bool(item.fields["up"]), item.name))


def _target(raw: Mapping[str, Any]) -> Item:
    labels = texts(raw.get("labels"))
    return Item(
        api_kind="Target",
        name=f"{labels.get('job', 'unknown')}/{labels.get('instance', 'unknown')}",
        namespace=labels.get("namespace"),
        fields={
            "up": raw.get("health") == "up",
            "job": labels.get("job"),
            "instance": labels.get("instance"),
            "service": service_of(labels),
            "last_error": raw.get("lastError") or None,
            "last_scrape": raw.get("lastScrape"),
        },
    )

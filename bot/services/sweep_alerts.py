"""What other systems' alerts say, in one shape. Their text is hostile: cleaned, cut, never followed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from bot.domain.anomaly import Signal
from bot.domain.states import Severity
from bot.errors import InvalidRequest
from connectors.model import Frozen, canonical_digest

_MOST_ALERTS = 1_000
_LONGEST = 500
_SERVICE_LABELS = ("service", "app", "application", "deployment", "job", "component", "host")
_SEVERITIES = {
    "critical": Severity.CRITICAL,
    "p1": Severity.CRITICAL,
    "page": Severity.CRITICAL,
    "error": Severity.HIGH,
    "high": Severity.HIGH,
    "p2": Severity.HIGH,
    "major": Severity.HIGH,
    "warning": Severity.MEDIUM,
    "medium": Severity.MEDIUM,
    "p3": Severity.MEDIUM,
    "minor": Severity.LOW,
    "low": Severity.LOW,
    "info": Severity.INFO,
}


class ReceivedAlert(Frozen):
    """One alert of another system; `key` names it there for as long as it lives."""

    system: str
    key: str
    firing: bool
    title: str
    at: datetime
    service: str | None = None
    severity: Severity = Severity.MEDIUM
    url: str | None = None

    def signal(self) -> Signal:
        return Signal(
            key=f"{self.system} {self.key}",
            source=self.system,
            metric=self.title[:120] or "alert",
            kind="alert",
            at=self.at,
            service=self.service,
            severity=self.severity,
            text=self.title,
            url=self.url,
        )


def parse(system: str, body: Any, *, now: datetime) -> list[ReceivedAlert]:
    """The alerts of a webhook. InvalidRequest says what is missing; unknown fields are ignored."""
    reader = _READERS.get(system)
    if reader is None:
        raise InvalidRequest(f"Alerts come from one of: {', '.join(sorted(_READERS))}.")
    if not isinstance(body, dict):
        raise InvalidRequest("The body must be a JSON object.")
    try:
        found = [one for one, _ in zip(reader(body, now), range(_MOST_ALERTS), strict=False)]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidRequest(f"This is not what {system} sends: {type(error).__name__}.") from error
    if not found:
        raise InvalidRequest("There is no alert in the body.")
    return found


def _alertmanager(body: Mapping[str, Any], now: datetime) -> Iterator[ReceivedAlert]:
    """Alertmanager's webhook, version 4; Grafana's unified alerting sends the same."""
    common = _texts(body.get("commonLabels"))
    for alert in _listed(body["alerts"]):
        labels = {**common, **_texts(alert.get("labels"))}
        notes = _texts(alert.get("annotations"))
        fingerprint = str(alert.get("fingerprint") or canonical_digest(dict(sorted(labels.items())))[:16])
        yield ReceivedAlert(
            system="alertmanager",
            key=_clean(fingerprint),
            firing=str(alert.get("status") or body.get("status")) != "resolved",
            title=_clean(notes.get("summary") or labels.get("alertname") or "alert"),
            at=_time(alert.get("startsAt"), now),
            service=_service(labels),
            severity=_severity(labels.get("severity")),
            url=_url(alert.get("generatorURL")),
        )


def _grafana(body: Mapping[str, Any], now: datetime) -> Iterator[ReceivedAlert]:
    for alert in _alertmanager(body, now):
        yield alert.model_copy(update={"system": "grafana"})


def _pagerduty(body: Mapping[str, Any], now: datetime) -> Iterator[ReceivedAlert]:
    """PagerDuty webhooks, version 3."""
    event = body["event"]
    data = event["data"]
    service = data.get("service")
    again = str(event.get("event_type")) == "incident.reopened"
    began = (event if again else data).get("occurred_at" if again else "created_at") or event.get("occurred_at")
    yield ReceivedAlert(
        system="pagerduty",
        key=_clean(str(data["id"])),
        firing=str(event.get("event_type")) != "incident.resolved",
        title=_clean(str(data.get("title") or "incident")),
        at=_time(began, now),
        service=_clean(str(service.get("summary"))) if isinstance(service, dict) and service.get("summary") else None,
        severity=Severity.HIGH if data.get("urgency") == "high" else Severity.MEDIUM,
        url=_url(data.get("html_url")),
    )


def _datadog(body: Mapping[str, Any], now: datetime) -> Iterator[ReceivedAlert]:
    """The payload that docs/sweeps.md asks to set in Datadog's webhook integration."""
    tags = dict(tag.split(":", 1) for tag in str(body.get("tags") or "").split(",") if ":" in tag)
    transition = str(body.get("alert_transition") or body.get("transition") or "Triggered")
    yield ReceivedAlert(
        system="datadog",
        key=_clean(str(body.get("aggregation_key") or body.get("alert_id") or body["id"])),
        firing=transition.lower() not in ("recovered", "success"),
        title=_clean(str(body.get("title") or body.get("alert_title") or "monitor")),
        at=_time(body.get("date"), now),
        service=_service({key.strip(): value.strip() for key, value in tags.items()}),
        severity=_severity(str(body.get("priority") or body.get("alert_type") or "")),
        url=_url(body.get("link")),
    )


def _generic(body: Mapping[str, Any], now: datetime) -> Iterator[ReceivedAlert]:
    """Our own: title, and optionally key, status, service, severity, at, url."""
    title = _clean(str(body["title"]))
    service = body.get("service")
    yield ReceivedAlert(
        system="generic",
        key=_clean(str(body.get("key") or canonical_digest({"title": title, "service": str(service)})[:16])),
        firing=str(body.get("status") or "firing") != "resolved",
        title=title,
        at=_time(body.get("at"), now),
        service=_clean(str(service)) if service else None,
        severity=_severity(body.get("severity")),
        url=_url(body.get("url")),
    )


_READERS: Mapping[str, Callable[[Mapping[str, Any], datetime], Iterator[ReceivedAlert]]] = {
    "alertmanager": _alertmanager,
    "grafana": _grafana,
    "pagerduty": _pagerduty,
    "datadog": _datadog,
    "generic": _generic,
}
SYSTEMS = frozenset(_READERS)


def _listed(value: Any) -> Sequence[Mapping[str, Any]]:
    if not isinstance(value, list):
        raise TypeError("a list was expected")
    return value


def _texts(value: Any) -> dict[str, str]:
    return {str(key): str(item) for key, item in value.items()} if isinstance(value, dict) else {}


def _clean(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:_LONGEST]


def _service(labels: Mapping[str, str]) -> str | None:
    return next((_clean(labels[name]) for name in _SERVICE_LABELS if labels.get(name)), None)


def _severity(word: object) -> Severity:
    return _SEVERITIES.get(str(word).strip().lower(), Severity.MEDIUM)


def _url(value: object) -> str | None:
    return (
        value if isinstance(value, str) and value.startswith(("https://", "http://")) and len(value) < 2_000 else None
    )


def _time(value: object, now: datetime) -> datetime:
    """An ISO instant or milliseconds since 1970; what cannot be read, or lies in the future, is now."""
    found = now
    with contextlib.suppress(ValueError, OverflowError, OSError):
        if isinstance(value, int | float) or (isinstance(value, str) and value.isdigit()):
            found = datetime.fromtimestamp(float(value) / 1_000, UTC)
        elif isinstance(value, str):
            read = datetime.fromisoformat(value)
            found = read if read.tzinfo else read.replace(tzinfo=UTC)
    return min(found.astimezone(UTC), now)

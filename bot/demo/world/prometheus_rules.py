"""Alerting rules of the shop, evaluated from the same series that everybody sees."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from bot.demo.world.prometheus_store import SeriesStore
from bot.demo.world.promql import Evaluator, Vector
from bot.demo.world.series import Array, Family, Series
from bot.demo.world.story import STEP_S

_ERRORS = 'sum by (service) (rate(http_requests_total{status=~"5.."}[2m]))'
_ALL = "sum by (service) (rate(http_requests_total[2m]))"
_SLOW = "histogram_quantile(0.99, sum by (service, le) (rate(http_request_duration_seconds_bucket[2m])))"


@dataclass(frozen=True)
class Rule:
    """One alerting rule; it fires when `query` has held for `hold_s`."""

    name: str
    query: str
    hold_s: int
    severity: str
    summary: str


RULES = (
    Rule("HighErrorRate", f"{_ERRORS} / {_ALL} > 0.05", 60, "critical", "More than 5 % of requests fail."),
    Rule("HighLatency", f"{_SLOW} > 1", 60, "warning", "The 99th percentile is above 1 s."),
    Rule(
        "DatabaseConnectionsNearLimit",
        "sum by (server) (pg_stat_activity_count) / on (server) pg_settings_max_connections > 0.85",
        60,
        "warning",
        "More than 85 % of the database's connections are taken.",
    ),
    Rule(
        "ContainerRestarting",
        "sum by (namespace, container) (increase(kube_pod_container_status_restarts_total[10m])) > 2",
        0,
        "warning",
        "A container has restarted more than twice in 10 minutes.",
    ),
)


class Rules:
    """Evaluates the rules over the whole history and at present."""

    def __init__(self, store: SeriesStore, clock: Callable[[], float]) -> None:
        self.store = store
        self._clock = clock
        self._evaluator = Evaluator(store.select)

    def family(self) -> Family:
        """The ALERTS series that a server writes about its own rules."""
        return Family("ALERTS", "gauge", "Alerts that are pending or firing.", self._series)

    def _active(self, rule: Rule, times: Array) -> list[tuple[Mapping[str, str], Array, Array]]:
        value = self._evaluator.evaluate(rule.query, times)
        assert isinstance(value, Vector)
        rows = []
        for sample in value.samples:
            held = np.zeros(len(times))
            for step in range(len(times)):
                before = held[step - 1] if step else 0
                held[step] = before + STEP_S if sample.there[step] else 0
            rows.append((sample.labels, held, sample.values))
        return rows

    def _series(self) -> list[Series]:
        times = self.store.story.times
        rows = []
        for rule in RULES:
            for labels, held, _ in self._active(rule, times):
                base = {"alertname": rule.name, "severity": rule.severity}
                base |= {name: value for name, value in labels.items() if name != "__name__"}
                firing = held > rule.hold_s
                for state, there in (("pending", (held > 0) & ~firing), ("firing", firing)):
                    if there.any():
                        rows.append(Series({**base, "alertstate": state}, np.where(there, 1.0, np.nan)))
        return rows

    def alerts(self, rule: Rule) -> list[dict[str, Any]]:
        """Alerts of one rule that are pending or firing now, as /api/v1/alerts lists them."""
        story = self.store.story
        last = int(np.searchsorted(story.times, self._clock(), side="right"))
        times = story.times[max(last - 240, 0) : last]
        rows = []
        for labels, held, values in self._active(rule, times):
            if held[-1] <= 0:
                continue
            since = datetime.fromtimestamp(float(times[-1] - held[-1] + STEP_S), UTC)
            named = {name: value for name, value in labels.items() if name != "__name__"}
            rows.append(
                {
                    "labels": {"alertname": rule.name, "severity": rule.severity, **named},
                    "annotations": {"summary": rule.summary},
                    "state": "firing" if held[-1] > rule.hold_s else "pending",
                    "activeAt": since.isoformat().replace("+00:00", "Z"),
                    "value": f"{float(values[-1]):e}",
                }
            )
        return rows

    def describe(self, rule: Rule) -> dict[str, Any]:
        """One rule as /api/v1/rules lists it."""
        alerts = self.alerts(rule)
        firing = any(alert["state"] == "firing" for alert in alerts)
        return {
            "state": "firing" if firing else ("pending" if alerts else "inactive"),
            "name": rule.name,
            "query": rule.query,
            "duration": rule.hold_s,
            "keepFiringFor": 0,
            "labels": {"severity": rule.severity},
            "annotations": {"summary": rule.summary},
            "alerts": alerts,
            "health": "ok",
            "evaluationTime": 0.002,
            "lastEvaluation": datetime.fromtimestamp(self._clock(), UTC).isoformat().replace("+00:00", "Z"),
            "type": "alerting",
        }

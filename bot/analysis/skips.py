"""Steps a service no longer takes: calls and operations per request that all but vanished while requests kept coming.

A program that returns early or throws shows no error and no delay of its own; it shows in what it stops doing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

import numpy as np

from bot.analysis.facts import Measured
from bot.analysis.metrics import three_digits
from bot.analysis.signals import Signal, make_finding
from bot.domain.evidence import Finding, FindingKind

LEAST_EXPECTED = 4.0
GONE = 0.3
USUALLY = 0.4
_AGO_S = 1800.0
_ERROR = re.compile(r"error|exception|fail", re.IGNORECASE)


def skipped_steps(signals: list[Signal], start_s: float) -> Iterator[Finding]:
    """One finding per step that its own operation hardly takes any more.

    Reads `operation_rate` (labels: operation) and `step_rate` (labels: operation, step), as span metrics give them. A
    step is measured against its operation, not against all requests, so that another mix of requests is no skip.
    """
    above = {
        (s.measured.evidence_id, s.measured.series.service, s.measured.series.labels.get("operation")): s.measured
        for s in signals
        if s.metric == "operation_rate"
    }
    for signal in signals:
        one = signal.measured
        service, operation = one.series.service, one.series.labels.get("operation")
        entry = above.get((one.evidence_id, service, operation))
        if signal.metric == "step_rate" and entry is not None and service:
            yield from _judge(one, entry, service, start_s)


def _judge(one: Measured, entry: Measured, service: str, start_s: float) -> Iterator[Finding]:
    operation, step = one.series.labels.get("operation", ""), one.series.labels.get("step", "")
    if not step or _ERROR.search(step):
        return
    usual, came = _counts(one, start_s), _counts(entry, start_s)
    if usual[0] <= 0 or came[0] <= 0 or came[1] <= 0:
        return
    per_request = usual[0] / came[0]
    if per_request < USUALLY:
        return
    expected = came[1] * per_request
    if expected < LEAST_EXPECTED or usual[0] < LEAST_EXPECTED or usual[1] > GONE * expected:
        return
    taken, awaited = three_digits(usual[1]), three_digits(expected)
    yield make_finding(
        FindingKind.METRIC_SHIFTED,
        f"app/{service}",
        f"“{operation}” of {service} comes to “{step}” {taken:g} times where {awaited:g} would be usual",
        (one.evidence_id,),
        weight=0.7 * (1 - math.exp(-(expected - usual[1]) / 8)),
        key=f"{operation} skips {step}",
        data={"skips": step, "seen": taken, "expected": awaited, "service": service},
    )


def _counts(one: Measured, start_s: float) -> tuple[float, float]:
    """Events before and inside the window; from well before it when the series reaches that far."""
    known = np.isfinite(one.values)
    far = known & (one.times < start_s - _AGO_S)
    before = far if np.count_nonzero(far) >= 3 else known & (one.times < start_s)
    inside = known & (one.times >= start_s)
    step = one.series.step_s
    return float(np.sum(one.values[before])) * step, float(np.sum(one.values[inside])) * step

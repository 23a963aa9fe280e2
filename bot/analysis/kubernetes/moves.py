"""How far each measure of a component moved: out of series, or out of what a monitor's alert quotes.

Both are brought into one table, so that a signature need not know which of them a site has.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bot.analysis.facts import Measured
from connectors.kubernetes.reading import text
from connectors.model import Item

LATENCY = ("latency_p50", "latency_p90", "latency_p95", "latency_p99", "latency_mean")
_LEAST_POINTS = 3


@dataclass(frozen=True, slots=True)
class Move:
    """Usual and present level of one measure, in the unit of the series; `after` is NaN when it vanished.

    `low` is the level above which it stayed for three quarters of the time: near `after` when the change lasted.
    """

    before: float
    after: float
    evidence: str
    low: float = 0.0

    @property
    def times(self) -> float:
        """How many times larger it became; a rise from nothing counts from a small floor."""
        return self.after / max(self.before, 1e-3)


def moves_of(
    items: Sequence[tuple[Item, str]],
    series: Iterable[Measured],
    *,
    start_s: float = 0.0,
    end_s: float = float("inf"),
) -> dict[str, dict[str, Move]]:
    """Component → metric → move. Series win over alerts, which quote less."""
    table: dict[str, dict[str, Move]] = {}
    for item, evidence in items:
        if item.api_kind == "Alert" and (found := _quoted(item, evidence)):
            component, metric, move = found
            table.setdefault(component, {})[metric] = move
    for one in series:
        about = _component(one)
        if about and (moved := _moved(one, start_s, end_s)):
            table.setdefault(about, {})[one.series.metric] = moved
    return table


def _quoted(item: Item, evidence: str) -> tuple[str, str, Move] | None:
    """An alert that tells its metric, usual value and present value."""
    metric, service, node = (text(item.fields, key) for key in ("metric", "service", "node"))
    before, after = _number(item.fields.get("baseline")), _number(item.fields.get("value"))
    if not metric or not (service or node) or before is None:
        return None
    component, level = f"node/{node}" if node else f"app/{service}", float("nan") if after is None else after
    return component, metric, Move(before, level, evidence, level)


def _component(one: Measured) -> str | None:
    if one.caller or one.callee:
        return None
    if one.series.service:
        return f"app/{one.series.service}"
    node = one.series.labels.get("node")
    return f"node/{node}" if node else None


def _moved(one: Measured, start_s: float, end_s: float) -> Move | None:
    known = np.isfinite(one.values)
    inside = (one.times >= start_s) & (one.times <= end_s)
    before, after = one.values[known & ~inside & (one.times < start_s)], one.values[known & inside]
    if before.size < _LEAST_POINTS:
        return None
    low, level = np.percentile(after, (25, 50)) if after.size >= _LEAST_POINTS else (np.nan, np.nan)
    return Move(float(np.median(before)), float(level), one.evidence_id, float(low))


def slowdown(moves: Mapping[str, Move]) -> Move | None:
    """The latency measure that grew by most time, if any grew."""
    grown = [moves[m] for m in LATENCY if m in moves and moves[m].after > moves[m].before]
    return max(grown, key=lambda m: m.after - m.before, default=None)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

"""How bad a signal is, in what words, and what people's answers changed: plain rules, no model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from bot.domain.anomaly import Signal, raised, worst
from bot.domain.states import Severity
from connectors.model import Frozen

_HALF_LIFE = timedelta(days=14)
_NOT_AN_ANOMALY, _USEFUL = 1.0, -0.5
_MOST, _LEAST = 4.0, -1.0
_MANY_SERVICES = 3
_S = Severity
# Value at or above → severity, worst first. Ratios are of one.
_ERRORS = ((0.2, _S.CRITICAL), (0.05, _S.HIGH), (0.01, _S.MEDIUM))
_FULL = ((0.98, _S.HIGH), (0.9, _S.MEDIUM))
_TIMES_NORMAL = ((5.0, _S.HIGH), (2.0, _S.MEDIUM))


def severity_of(signal: Signal) -> Severity:
    """From the impact on people first (errors, silence, slowness), then from how little room is left."""
    value, metric = signal.value, signal.metric
    if metric == "up" or signal.kind == "missing":
        return _S.HIGH
    if value is None:
        return signal.severity
    if metric in ("error_ratio", "call_error_ratio"):
        return _step(value, _ERRORS)
    if metric.endswith("_ratio"):
        return _step(value, _FULL)
    if metric == "request_rate":
        return _S.HIGH if signal.low is not None and signal.low > 0 and value < 0.2 * signal.low else _S.LOW
    if metric.startswith(("latency", "call_latency", "error_rate", "log_error")):
        normal = signal.high if signal.high and signal.high > 0 else None
        return _step(value / normal, _TIMES_NORMAL) if normal else _S.LOW
    return _S.LOW


def _step(value: float, steps: Sequence[tuple[float, Severity]]) -> Severity:
    return next((severity for least, severity in steps if value >= least), _S.LOW)


def severity_of_group(signals: Iterable[Signal]) -> Severity:
    """The worst of them; one step more when several services suffer together."""
    live = [signal for signal in signals if signal.recovered_at is None]
    found = worst(signal.severity for signal in live)
    services = {signal.service for signal in live if signal.service}
    return raised(found) if len(services) >= _MANY_SERVICES and found is not _S.INFO else found


def title_of(signals: Sequence[Signal]) -> str:
    """One line: the earliest of the worst signals, and how many more there are."""
    live = [signal for signal in signals if signal.recovered_at is None] or list(signals)
    top = worst(signal.severity for signal in live)
    first = min((signal for signal in live if signal.severity is top), key=lambda signal: signal.at)
    more = len({signal.key for signal in live}) - 1
    return first.text + (f" (+{more} more)" if more else "")


def sentence(signal: Signal) -> str:
    """What a person reads about one series: name, value, what is normal."""
    name = f"{signal.metric} of {signal.service}" if signal.service else signal.metric
    if signal.kind == "missing":
        return f"{name} has no data"
    if signal.value is None:
        return f"{name}: {signal.kind}"
    if signal.kind == "still":
        return f"{name} stands still at {shown(signal.value, signal.unit)}"
    text = f"{name} is {shown(signal.value, signal.unit)}"
    if signal.low is not None and signal.high is not None:
        text += f", normal is {shown(signal.low, signal.unit)} to {shown(signal.high, signal.unit)}"
    return text


def shown(value: float, unit: str | None) -> str:
    """A number with its unit; a ratio as a percentage."""
    if unit == "ratio":
        return f"{value:.1%}"
    return f"{value:.4g} {unit}" if unit and unit != "count" else f"{value:.4g}"


class Vote(Frozen):
    """What somebody said about a fingerprint."""

    fingerprint: str
    useful: bool
    at: datetime
    by: str


def reluctance(votes: Iterable[Vote], now: datetime) -> float:
    """Decades of extra unusualness a fingerprint needs: up with every “not an anomaly”, down with “useful”.

    Each vote halves in weight in 14 days, so nothing is silenced for ever.
    """
    total = 0.0
    for vote in votes:
        age = max((now - vote.at) / _HALF_LIFE, 0.0)
        total += (_USEFUL if vote.useful else _NOT_AN_ANOMALY) * 0.5**age
    return min(max(total, _LEAST), _MOST)


def precision(votes: Iterable[Vote], now: datetime, *, days: int = 30) -> float | None:
    """The share of useful among the answers of the last `days`; None without answers."""
    since = now - timedelta(days=days)
    recent = [vote.useful for vote in votes if vote.at >= since]
    return sum(recent) / len(recent) if recent else None

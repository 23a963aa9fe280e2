"""Hand-made evidence for the analysis tests: a quiet shop on a one-minute grid, to be disturbed by each test."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from bot.domain.evidence import Evidence, Gap
from bot.domain.question import Analysis, CaseFile, IssueType, Question, Service, Setting, Source
from connectors.model import (
    Change,
    ChangeKind,
    Changes,
    Item,
    JsonObject,
    LogGroup,
    Logs,
    Objects,
    Payload,
    Series,
    SeriesSet,
    SourceRef,
    TimeWindow,
    ToolCall,
)

NOW = datetime(2026, 3, 4, 14, 12, tzinfo=UTC)
ONSET = NOW - timedelta(minutes=10)
WINDOW = TimeWindow(start=NOW - timedelta(minutes=20), end=NOW)
CALLS = {"shop": ("cart", "order"), "order": ("pay", "stock"), "cart": ("stock",)}
USUAL = {"shop": 0.20, "order": 0.12, "cart": 0.03, "pay": 0.05, "stock": 0.02}
_START = NOW - timedelta(minutes=80)
_STEP_S = 30

Bend = Callable[[np.ndarray], np.ndarray]


def step(factor: float, at: datetime = ONSET) -> Bend:
    """Multiply from `at` on."""
    minutes = (at - _START).total_seconds() / _STEP_S
    return lambda v: np.where(np.arange(v.size) >= minutes, v * factor, v)


def add(amount: float, at: datetime = ONSET, until: datetime = NOW + timedelta(hours=1)) -> Bend:
    """Add between `at` and `until`."""
    first, last = ((t - _START).total_seconds() / _STEP_S for t in (at, until))
    return lambda v: np.where((np.arange(v.size) >= first) & (np.arange(v.size) < last), v + amount, v)


class Shop:
    """Builds a CaseFile: `bend` changes a series, the other calls add evidence."""

    def __init__(self, *, seed: int = 1) -> None:
        self._dice = np.random.default_rng(seed)
        self._bends: dict[tuple[str, str], list[Bend]] = {}
        self._edges: dict[tuple[str, str, str], Bend] = {}
        self._more: list[Evidence] = []
        self._hidden: set[str] = set()
        self._dropped: set[str] = set()

    def bend(self, service: str, metric: str, bend: Bend) -> Shop:
        self._bends.setdefault((service, metric), []).append(bend)
        return self

    def edge(self, caller: str, callee: str, metric: str, bend: Bend) -> Shop:
        self._edges[caller, callee, metric] = bend
        return self

    def slow(self, service: str, by_s: float) -> Shop:
        """Slow down a service and everything that waits for it."""
        for name in (service, *_waiting(service)):
            self.bend(name, "latency_p99", add(by_s))
        return self

    def failing(self, service: str, share: float) -> Shop:
        for name in (service, *_waiting(service)):
            self.bend(name, "error_ratio", add(share))
        return self

    def hide(self, *connectors: str) -> Shop:
        self._hidden.update(connectors)
        return self

    def drop(self, *metrics: str) -> Shop:
        """Metrics that no service reports; all of them when none is named."""
        self._dropped.update(metrics or _usual("shop"))
        return self

    def put(self, connector: str, tool: str, payload: Payload) -> Shop:
        number = len(self._more)
        self._more.append(evidence(f"ev_{tool}_{number}", connector, tool, payload))
        return self

    def change(
        self,
        service: str,
        at: datetime,
        kind: ChangeKind = "deployment",
        what: str = "release 2.4.1",
        source: str = "kubernetes/main",
    ) -> Shop:
        made = Change(
            at=at,
            service=service,
            what=what,
            change=kind,
            version="2.4.1" if kind == "deployment" else None,
            by="a.okafor",
        )
        return self.put(source, "list_changes", Changes(items=(made,)))

    def logs(self, *groups: LogGroup) -> Shop:
        return self.put("elasticsearch/main", "get_log_groups", Logs(groups=groups, total=sum(g.count for g in groups)))

    def items(self, connector: str, tool: str, *items: Item) -> Shop:
        return self.put(connector, tool, Objects(items=items))

    def case(
        self,
        *asked: str,
        gaps: Sequence[Gap] = (),
        pinned: Sequence[str] = (),
        ruled_out: Sequence[str] = (),
        window: TimeWindow = WINDOW,
        calls: Mapping[str, Sequence[str]] = CALLS,
    ) -> CaseFile:
        signals = self._signals()
        kept = [*([signals] if isinstance(signals.payload, SeriesSet) and signals.payload.series else []), *self._more]
        return CaseFile(
            question=Question(text="why is it slow?", asked_at=NOW),
            analysis=Analysis(issue_type=IssueType.LATENCY, window=window, services=asked),
            setting=Setting(
                services=tuple(Service(name=n, depends_on=tuple(calls.get(n, ()))) for n in USUAL),
                sources=(
                    Source(name="postgresql/pay", type="postgresql", environment="production", services=("pay",)),
                ),
            ),
            evidence=tuple(e for e in kept if e.call.connector not in self._hidden),
            gaps=tuple(gaps),
            pinned=tuple(pinned),
            ruled_out=tuple(ruled_out),
        )

    def _signals(self) -> Evidence:
        known = [(s, metric, usual) for s in USUAL for metric, usual in _usual(s).items()]
        made = [self._series(*one) for one in known if one[1] not in self._dropped]
        for (caller, callee, metric), bend in self._edges.items():
            base = 0.001 if metric == "call_error_ratio" else USUAL[callee]
            values = bend(self._noise(base, 0.05))
            made.append(series(values, metric, None, {"caller": caller, "callee": callee}))
        return evidence("ev_signals", "prometheus/main", "get_service_signals", SeriesSet(series=tuple(made)))

    def _series(self, service: str, metric: str, usual: float) -> Series:
        values = self._noise(usual, 0.05)
        for bend in self._bends.get((service, metric), []):
            values = bend(values)
        if metric.endswith("_ratio"):
            values = np.clip(values, 0, 1)
        return series(values, metric, service)

    def _noise(self, usual: float, sigma: float) -> np.ndarray:
        return usual * np.exp(sigma * self._dice.standard_normal(160))


def _usual(service: str) -> Mapping[str, float]:
    rate = {"shop": 60.0, "order": 15.0}.get(service, 30.0)
    return {
        "request_rate": rate, "error_ratio": 0.002, "latency_p99": USUAL[service],
        "cpu_ratio": 0.3, "memory_ratio": 0.4,
    }  # fmt: skip


def _waiting(service: str) -> list[str]:
    callers = [caller for caller, callees in CALLS.items() if service in callees]
    return list(dict.fromkeys([*callers, *(name for c in callers for name in _waiting(c))]))


_UNITS = {"request_rate": "1/s", "latency_p99": "s", "call_latency_p99": "s", "restarts": "count"}


def series(
    values: Sequence[float] | np.ndarray, metric: str, service: str | None, labels: dict[str, str] | None = None
) -> Series:
    points = tuple(
        (_START + timedelta(seconds=_STEP_S * n), None if not np.isfinite(v) else float(v))
        for n, v in enumerate(values)
    )
    unit = _UNITS.get(metric, "ratio" if metric.endswith("ratio") else None)
    return Series(labels=labels or {}, service=service, metric=metric, unit=unit, step_s=_STEP_S, points=points)


def evidence(name: str, connector: str, tool: str, payload: Payload, window: TimeWindow = WINDOW) -> Evidence:
    call = ToolCall(connector=connector, tool=tool, window=window)
    source = SourceRef(query=tool, language="test", window=window)
    return Evidence(id=name, call=call, payload=payload, source=source, collected_at=NOW)


def lock(pid: int, *, by: int = 90, waited_s: float = 40.0) -> Item:
    fields: JsonObject = {
        "blocked_pid": pid, "blocking_pid": by, "waited_s": waited_s, "blocking_state": "idle in transaction",
        "blocking_duration_s": 300.0, "blocking_query": "update accounts set …", "relation": "accounts",
    }  # fmt: skip
    return Item(api_kind="Lock", name="pay_db", fields=fields)


def pod(service: str, number: int, **container: object) -> Item:
    fields: JsonObject = {"service": service, "containers": [{"name": service, **container}]}  # type: ignore[dict-item]
    return Item(api_kind="Pod", name=f"{service}-7c9f-{number}", namespace="shop", fields=fields)

"""What a sweep judges: series as they come, and numbers counted out of typed objects, one point per look."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from pydantic import JsonValue

from connectors.model import Effect, EvidenceKind, Item, Objects, Payload, Series, SeriesSet, Tool

_LATELY = timedelta(minutes=10)
_PENDING_S = 300.0
_Counted = tuple[str, str, float, str]
"""Component (`database/NAME`, `node/NAME` or a service), metric, value, unit."""


def series_of(payload: Payload, tool: str, *, source: str, at: datetime, step_s: float) -> Sequence[Series] | None:
    """The series of an answer; None for a tool whose answers cannot be watched."""
    if isinstance(payload, SeriesSet):
        return payload.series
    count = _COUNTED.get(tool)
    if count is None or not isinstance(payload, Objects):
        return None
    return [
        Series(service=component, metric=metric, unit=unit, step_s=step_s, points=((at, value),))
        for component, metric, value, unit in count(payload.items, source, at)
    ]


def watchable(tool: Tool) -> bool:
    """Whether the answers of a tool can be judged: series, or objects that are counted."""
    return tool.effect is Effect.READ and (tool.returns == {EvidenceKind.SERIES} or tool.name in _COUNTED)


def _pods(items: Sequence[Item], _source: str, at: datetime) -> Iterator[_Counted]:
    """Per service: containers that ended in the last ten minutes, and pods that have waited five for a place."""
    restarts: Counter[str] = Counter()
    pending: Counter[str] = Counter()
    for item in items:
        service = str(item.fields.get("service") or item.fields.get("workload") or item.name)
        restarts[service] += sum(1 for one in _listed(item.fields.get("containers")) if _ended_lately(one, at))
        pending[service] += item.fields.get("phase") == "Pending" and _number(item.fields.get("age_s")) >= _PENDING_S
    for service in restarts:
        yield service, "restarts_lately", float(restarts[service]), "count"
        yield service, "pods_pending", float(pending[service]), "count"


def _ended_lately(container: Mapping[str, JsonValue], at: datetime) -> bool:
    ended = container.get("last_finished_at")
    try:
        return isinstance(ended, str) and at - datetime.fromisoformat(ended) <= _LATELY
    except (ValueError, TypeError):  # no time, or one without a zone
        return False


def _nodes(items: Sequence[Item], _source: str, _at: datetime) -> Iterator[_Counted]:
    for item in items:
        pressures = item.fields.get("pressures")
        yield f"node/{item.name}", "node_ready", float(item.fields.get("ready") is True), "bool"
        count = len(pressures) if isinstance(pressures, list) else 0
        yield f"node/{item.name}", "node_pressures", float(count), "count"


def _connections(items: Sequence[Item], _source: str, _at: datetime) -> Iterator[_Counted]:
    for item in items:
        if item.fields.get("ratio") is not None:
            yield f"database/{item.name}", "connections_ratio", _number(item.fields["ratio"]), "ratio"


def _locks(items: Sequence[Item], source: str, _at: datetime) -> Iterator[_Counted]:
    """Also when nobody waits, so that an end is seen."""
    component = f"database/{source.partition('/')[2] or source}"
    waiting = {str(item.fields.get("blocked_pid")) for item in items}
    yield component, "lock_waiters", float(len(waiting)), "count"
    yield component, "lock_wait", max((_number(item.fields.get("waited_s")) for item in items), default=0.0), "s"


def _replication(items: Sequence[Item], source: str, _at: datetime) -> Iterator[_Counted]:
    lags: dict[str, float] = defaultdict(float)
    for item in items:
        if item.api_kind == "Replica" and item.fields.get("lag_s") is not None:
            component = f"database/{item.name or source}"
            lags[component] = max(lags[component], _number(item.fields["lag_s"]))
    for component, lag in lags.items():
        yield component, "replication_lag", lag, "s"


_COUNTED: Mapping[str, Callable[[Sequence[Item], str, datetime], Iterator[_Counted]]] = {
    "list_pods": _pods,
    "list_nodes": _nodes,
    "get_connections": _connections,
    "list_locks": _locks,
    "get_replication": _replication,
}


def _listed(value: JsonValue) -> Iterable[Mapping[str, JsonValue]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _number(value: JsonValue) -> float:
    return float(value) if isinstance(value, int | float) else 0.0

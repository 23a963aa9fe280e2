"""Made-up incidents as evidence, scored next to a ranker that takes the largest deviation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bot.analysis import correlate
from bot.domain.evidence import Evidence
from bot.domain.question import CaseFile, IssueType, Ranking, Source
from bot.domain.states import Verdict
from connectors.model import Change, Changes, Item, LogGroup, Logs, Objects, Series, SeriesSet
from tests.benchmarks.rca import Recording, answer
from tests.benchmarks.rca_evidence import at, case_file, evidence, series, window
from tests.benchmarks.rca_incidents import POINTS, STEP_S, WINDOW_POINTS, Array, Incident, make

CASES = 240
BEGIN_S = 1_767_225_600.0
_UNITS = {"request_rate": "1/s", "latency_mean": "s", "call_latency_mean": "s"}


def write(out: Path, seed: int) -> None:
    """Write one line per case, the labels beside it, and print the figures."""
    lines, labels, tally = [], {}, Tally()
    for number in range(CASES):
        incident = make(seed, number)
        recording = recording_of(incident)
        ranking = correlate(recording.file, now=recording.now)
        line = answer(recording, ranking)
        lines.append(json.dumps(line))
        labels[incident.name] = _label(incident)
        tally.add(incident, line, ranking)
    out.write_text("\n".join(lines) + "\n")
    out.with_suffix(".labels.json").write_text(json.dumps(labels, indent=1))
    print(tally)


def recordings(seed: int) -> Iterator[Recording]:
    return (recording_of(make(seed, number)) for number in range(CASES))


def _label(incident: Incident) -> dict[str, object]:
    first = incident.faults[0] if incident.faults else None
    return {
        "root_cause_service": component_of_fault(incident, 0) if first else "",
        "root_cause_services": [component_of_fault(incident, n) for n in range(len(incident.faults))],
        "fault": first.kind if first else "healthy",
        "decoys": incident.decoys,
    }


def component_of_fault(incident: Incident, number: int) -> str:
    fault = incident.faults[number]
    return f"{fault.service}_db" if fault.kind == "database_lock_contention" else fault.service


class Tally:
    """Counts for the table: right first, decoys blamed, healthy called healthy, and the largest-deviation ranker."""

    def __init__(self) -> None:
        self.right: dict[str, list[bool]] = {}
        self.largest: list[bool] = []
        self.decoy: list[bool] = []
        self.healthy: list[bool] = []
        self.cause: list[bool] = []

    def add(self, incident: Incident, line: dict[str, object], ranking: Ranking) -> None:
        if not incident.faults:
            self.healthy.append(ranking.verdict is Verdict.NO_FAULT_FOUND)
            return
        accepted = {component_of_fault(incident, n) for n in range(len(incident.faults))}
        ranked = line["ranking"]
        first = ranked[0] if isinstance(ranked, list) and ranked else None
        self.right.setdefault(incident.faults[0].kind, []).append(first in accepted)
        self.decoy.append(first in incident.decoys and ranking.verdict is Verdict.SUPPORTED)
        self.largest.append(_largest_deviation(incident) in {f.service for f in incident.faults})
        self.cause.append(line["cause"] in {f.kind for f in incident.faults})

    def __str__(self) -> str:
        every = [r for rights in self.right.values() for r in rights]
        rows = [f"  {kind}: {sum(r)}/{len(r)}" for kind, r in sorted(self.right.items())]
        return "\n".join(
            [
                f"AC@1 {np.mean(every):.3f} of {len(every)}; largest-deviation ranker {np.mean(self.largest):.3f}",
                f"decoy blamed {np.mean(self.decoy):.3f}",
                f"healthy called healthy {np.mean(self.healthy):.3f} of {len(self.healthy)}",
                f"cause right {np.mean(self.cause):.3f}",
                *rows,
            ]
        )


def _largest_deviation(incident: Incident) -> str:
    """The service of the series with the largest z-score of the window against what was before."""

    def z(values: Array) -> float:
        before, inside = values[: POINTS - WINDOW_POINTS], values[POINTS - WINDOW_POINTS :]
        return float(abs(np.nanmean(inside) - np.nanmean(before)) / max(float(np.nanstd(before)), 1e-9))

    return max(incident.metrics, key=lambda key: z(incident.metrics[key]))[0]


def _moment(point: float) -> float:
    return BEGIN_S + STEP_S * point


def recording_of(incident: Incident) -> Recording:
    span = window(_moment(POINTS - WINDOW_POINTS), _moment(POINTS))
    kept = list(_evidence(incident))
    issue = IssueType.UNKNOWN
    file: CaseFile = case_file([incident.asked], span, kept, incident.calls, issue)
    users = [s for s in incident.services if f"postgresql/{s}" in {e.call.connector for e in kept}]
    sources = tuple(
        Source(name=f"postgresql/{s}", type="postgresql", environment="production", services=(s,)) for s in users
    )
    setting = file.setting.model_copy(update={"sources": sources})
    return Recording(incident.name, file.model_copy(update={"setting": setting}), at(_moment(POINTS)), {})


def _evidence(incident: Incident) -> Iterator[Evidence]:
    span = window(_moment(POINTS - WINDOW_POINTS), _moment(POINTS))
    made: list[Series] = [_series(values, metric, service) for (service, metric), values in incident.metrics.items()]
    network = any(f.kind in {"network_delay", "config_change"} for f in incident.faults)
    if incident.traced or network:
        made.extend(_edge(values, *key) for key, values in incident.edges.items())
    yield evidence("ev_metrics", "prometheus/main", "get_service_signals", SeriesSet(series=tuple(made)), span)
    changes = tuple(
        Change(at=at(_moment(point)), service=service, what=f"{kind} of {service}", change=kind)  # type: ignore[arg-type]
        for point, service, kind in incident.changes
        if point < POINTS
    )
    yield evidence("ev_changes", "kubernetes/main", "list_changes", Changes(items=changes), span)
    groups = tuple(_group(*told) for told in incident.errors)
    yield evidence("ev_logs", "elasticsearch/main", "get_log_groups", Logs(groups=groups, total=len(groups)), span)
    for service in incident.locks:
        yield evidence(
            f"ev_locks_{service}", f"postgresql/{service}", "list_locks", Objects(items=_locks(service)), span
        )
    for service in incident.killed:
        yield evidence(f"ev_pods_{service}", "kubernetes/main", "list_pods", Objects(items=(_pod(service),)), span)


def _series(values: Array, metric: str, service: str) -> Series:
    points = [(_moment(n), None if np.isnan(v) else float(v)) for n, v in enumerate(values)]
    return series(points, metric, service=service, unit=_UNITS.get(metric, "ratio"), step_s=STEP_S)


def _edge(values: Array, caller: str, callee: str, metric: str) -> Series:
    points = [(_moment(n), float(v)) for n, v in enumerate(values)]
    labels = {"caller": caller, "callee": callee}
    return series(points, metric, service=None, unit=_UNITS.get(metric, "ratio"), step_s=STEP_S, labels=labels)


def _group(service: str, text: str, onset: int) -> LogGroup:
    return LogGroup(
        template=text,
        service=service,
        level="error",
        count=60,
        baseline_count=0,
        first=at(_moment(onset)),
        examples=(text,),
    )


def _locks(service: str) -> tuple[Item, ...]:
    return tuple(
        Item(
            api_kind="Lock",
            name=f"{service}_db",
            fields={"blocked_pid": pid, "blocking_pid": 7, "waited_s": 30.0 + pid, "blocking_state": "active"},
        )
        for pid in (101, 102, 103)
    )


def _pod(service: str) -> Item:
    killed = at(_moment(POINTS - 8)).isoformat()
    container = {"name": service, "last_reason": "OOMKilled", "last_finished_at": killed, "restarts": 2}
    return Item(
        api_kind="Pod",
        name=f"{service}-5d9-x",
        namespace="made",
        fields={"service": service, "containers": [container]},
    )

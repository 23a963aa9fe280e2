"""PetShop recordings as evidence: one metrics source and a call graph from configuration.

The fault-free recording of a scenario is from another day; it is moved by whole days to end before the incident, as
its baseline.
Node names are disguised by a seeded shuffle before anything is ranked, so that no name can carry an answer.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bot.domain.question import IssueType
from connectors.model import Series, SeriesSet
from tests.benchmarks.rca import Recording
from tests.benchmarks.rca_evidence import at, case_file, evidence, series, window

STEP_S = 300.0
SLICE = 24
Table = dict[tuple[str, str, str], list[tuple[float, float | None]]]
_METRICS = {
    ("latency", "Average"): ("latency_mean", "s"),
    ("latency", "p50"): ("latency_p50", "s"),
    ("latency", "p95"): ("latency_p95", "s"),
    ("latency", "p99"): ("latency_p99", "s"),
    ("requests", "Sum"): ("request_rate", "1/s"),
    ("availability", "Average"): ("error_ratio", "ratio"),
}
_ISSUES = {"latency": IssueType.LATENCY, "availability": IssueType.ERRORS}


def recordings(data: Path, seed: int) -> Iterator[Recording]:
    """Every issue of every scenario that is there."""
    for scenario in sorted(p for p in data.iterdir() if (p / "graph.csv").is_file()):
        calls = _graph(scenario / "graph.csv")
        reference = _reference(scenario)
        for issue in sorted(p for p in scenario.iterdir() if (p / "metrics.csv").is_file()):
            yield _issue(f"{scenario.name}/{issue.name}", issue, calls, reference, seed)


def normal_slices(data: Path, seed: int) -> Iterator[Recording]:
    """Slices of 24 fault-free points, each asked about at its entry node, with what came before as baseline."""
    for scenario in sorted(p for p in data.iterdir() if (p / "noissue_metrics.csv.gz").is_file()):
        calls, table = _graph(scenario / "graph.csv"), _reference(scenario)
        times = sorted({t for points in table.values() for t, _ in points})
        for number in range(len(times) // SLICE):
            inside = times[number * SLICE : (number + 1) * SLICE]
            history = {k: [p for p in v if p[0] <= inside[-1]] for k, v in table.items()}
            start = inside[0] if number else inside[SLICE // 2]
            name = f"{scenario.name}/normal_{number}"
            yield _recording(name, history, calls, (start, inside[-1] + STEP_S), _entry(calls, table), seed)


def _entry(calls: Mapping[str, Sequence[str]], table: Table) -> str:
    """The measured node with the most callees among those nobody calls."""
    called = {callee for callees in calls.values() for callee in callees}
    measured = {node for node, _, _ in table}
    return max(sorted(n for n in measured if n not in called), key=lambda n: len(calls.get(n, ())))


def _issue(name: str, folder: Path, calls: dict[str, list[str]], reference: Table, seed: int) -> Recording:
    told = json.loads((folder / "case.json").read_text())["target"]
    table = _table((folder / "metrics.csv").read_text())
    times = sorted({t for points in table.values() for t, _ in points})
    joined = _joined(reference, table, times[0])
    issue = _ISSUES.get(told["metric"], IssueType.UNKNOWN)
    return _recording(name, joined, calls, (times[1] + 1, times[-1] + 1), told["node"], seed, issue)


def _joined(reference: Table, table: Table, start: float) -> Table:
    ends = [points[-1][0] for points in reference.values() if points]
    days = (start - 3600 - max(ends)) // 86400 if ends else 0
    offset = days * 86400
    return {
        key: [(t + offset, v) for t, v in reference.get(key, [])] + table.get(key, []) for key in {**reference, **table}
    }


def _recording(
    name: str,
    table: Table,
    calls: Mapping[str, Sequence[str]],
    span: tuple[float, float],
    asked: str,
    seed: int,
    issue: IssueType = IssueType.UNKNOWN,
) -> Recording:
    nodes = sorted({*calls, *(c for callees in calls.values() for c in callees), *(node for node, _, _ in table)})
    random.Random(f"{seed}/{name}").shuffle(nodes)
    alias = {node: f"node-{number:03d}" for number, node in enumerate(nodes)}
    made = [
        one
        for key, points in sorted(table.items(), key=lambda kv: alias[kv[0][0]])
        if (one := _series(key, points, alias))
    ]
    disguised = {alias[caller]: sorted(alias[c] for c in callees) for caller, callees in calls.items()}
    over = window(*span)
    kept = evidence("ev_metrics", "prometheus/main", "get_service_signals", SeriesSet(series=tuple(made)), over)
    file = case_file([alias[asked]], over, [kept], disguised, issue)
    return Recording(name, file, at(span[1]), {shown: node for node, shown in alias.items()})


def _series(
    key: tuple[str, str, str], points: list[tuple[float, float | None]], alias: dict[str, str]
) -> Series | None:
    node, metric, statistic = key
    known = _METRICS.get((metric, statistic))
    if known is None or not any(v is not None for _, v in points):
        return None
    convert = {"request_rate": lambda v: v / STEP_S, "error_ratio": lambda v: 1 - v / 100}.get(known[0], float)
    kept = [(t, None if v is None else convert(v)) for t, v in points]
    return series(kept, known[0], service=alias[node], unit=known[1], step_s=STEP_S)


def _graph(path: Path) -> dict[str, list[str]]:
    rows = list(csv.reader(path.open()))
    return {row[0]: [c for c, v in zip(rows[0][1:], row[1:], strict=True) if float(v or 0)] for row in rows[1:]}


def _reference(scenario: Path) -> Table:
    path = scenario / "noissue_metrics.csv.gz"
    return _table(gzip.decompress(path.read_bytes()).decode()) if path.is_file() else {}


def _table(text: str) -> Table:
    rows = list(csv.reader(io.StringIO(text)))
    heads = list(zip(*rows[:3], strict=True))
    table: Table = {}
    for row in (r for r in rows[4:] if r and r[0]):
        for head, cell in zip(heads[1:], row[1:], strict=False):
            table.setdefault(head, []).append((float(row[0]), float(cell) if cell else None))  # type: ignore[arg-type]
    return table

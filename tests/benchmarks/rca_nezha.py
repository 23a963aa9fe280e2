"""Nezha recordings as evidence: pod metrics, span metrics and log groups of the services they belong to.

A case has 20 minutes of metrics and 3 minutes of spans and log lines; the fault-free recording of the same system and
day is moved by whole days to end before the case, as its baseline. Nothing says where users noticed the fault, so the
question names no service.
"""

from __future__ import annotations

import csv
import gzip
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bot.domain.question import CaseFile
from connectors.model import Logs, Series, SeriesSet
from tests.benchmarks.rca import Recording
from tests.benchmarks.rca_evidence import at, case_file, evidence, series, window
from tests.benchmarks.rca_spans import Span, span_series
from tests.benchmarks.rca_templates import Line, log_groups

METRIC_STEP_S = 60.0
_SKEW_S = 90.0
_METRICS = {
    "cpu_m": ("cpu_usage", "cores", 0.001),
    "cpu_pct": ("cpu_ratio", "ratio", 0.01),
    "mem_mi": ("memory_usage", "bytes", 1_048_576.0),
    "net_rx": ("network_rx", "bytes/s", 1.0),
    "net_tx": ("network_tx", "bytes/s", 1.0),
    "server_p90": ("latency_p90", "s", 1.0),
    "server_p99": ("latency_p99", "s", 1.0),
    "client_p90": ("client_latency_p90", "s", 1.0),
    "workload": ("request_rate", "1/s", 1.0),
}
_SUFFIX = re.compile(r"-[0-9a-f]{6,10}-[0-9a-z]{5}$")


@dataclass
class Raw:
    """The three files of one folder; times in epoch seconds."""

    metrics: dict[tuple[str, str], list[tuple[float, float | None]]] = field(default_factory=dict)
    spans: list[Span] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)


def service_of(pod: str) -> str:
    """A pod's name without the replica-set suffix."""
    return _SUFFIX.sub("", pod)


def recordings(data: Path) -> Iterator[Recording]:
    """Every case of both systems, by name."""
    references: dict[str, Raw] = {}
    for folder in sorted(p for p in (data / "cases").iterdir() if (p / "case.json").is_file()):
        day = "_".join(folder.name.split("_")[:2])
        normal = data / "normal" / day
        if day not in references:
            references[day] = _read(normal) if normal.is_dir() else Raw()
        told = json.loads((folder / "case.json").read_text())
        yield _recording(folder.name, _read(folder), references[day], told)


def _recording(name: str, raw: Raw, reference: Raw, told: dict[str, float]) -> Recording:
    begin = _first_seen(raw, float(told["log_trace_window_start"]))
    end = begin + 60.0 * float(told["minutes"])
    return Recording(name, _case(raw, reference, begin, end), at(end), {})


def _first_seen(raw: Raw, told: float) -> float:
    """The first moment of the recording by its own clock, which is up to a minute off the clock of the case."""
    times = [s.start_s for s in raw.spans] or [line.at_s for line in raw.lines]
    return min((t for t in times if abs(t - told) <= _SKEW_S), default=told)


def _case(raw: Raw, reference: Raw, begin: float, end: float) -> CaseFile:
    """The window starts after the first of the three minutes, which is before the fault."""
    span = window(begin + 55.0, end)
    offset = _whole_days(reference, begin)
    pods = SeriesSet(series=tuple(_metric_series(raw, reference, offset, traced=bool(raw.spans))))
    traced = SeriesSet(series=tuple(span_series(_moved(reference.spans, offset), raw.spans, begin, end)))
    kept = [evidence("ev_metrics", "prometheus/main", "get_service_signals", pods, span)]
    kept.append(evidence("ev_spans", "tempo/main", "get_span_signals", traced, span))
    groups = log_groups(reference.lines, raw.lines, begin, end, split_s=begin + 60.0)
    if groups:
        total = sum(g.count for g in groups)
        kept.append(evidence("ev_logs", "elasticsearch/main", "get_log_groups", Logs(groups=groups, total=total), span))
    return case_file((), span, kept)


def _whole_days(reference: Raw, begin: float) -> float:
    times = [t for points in reference.metrics.values() for t, _ in points] + [s.start_s for s in reference.spans]
    return 86_400.0 * ((begin - 3_600 - max(times)) // 86_400) if times else 0.0


def _moved(spans: list[Span], offset: float) -> list[Span]:
    return [s.moved(offset) for s in spans]


def _metric_series(raw: Raw, reference: Raw, offset: float, *, traced: bool) -> Iterator[Series]:
    """Replicas of a service are told apart by their pod; the baseline is that of the service's own pods that day."""
    before: dict[tuple[str, str], list[tuple[float, float | None]]] = defaultdict(list)
    for (pod, column), points in reference.metrics.items():
        before[service_of(pod), column].extend((t + offset, v) for t, v in points)
    for (pod, column), points in sorted(raw.metrics.items()):
        known = _METRICS.get(column)
        if known is None:
            continue
        metric, unit, factor = known
        if traced and metric == "latency_p99":
            metric = "mesh_latency_p99"  # coarse buckets at little traffic; the spans say the same more finely
        merged = {round(t): v for t, v in [*before.get((service_of(pod), column), []), *points]}
        scaled = [(float(t), None if v is None else v * factor) for t, v in sorted(merged.items())]
        yield series(scaled, metric, service=service_of(pod), unit=unit, step_s=METRIC_STEP_S, labels={"pod": pod})


def _lines(path: Path) -> list[str]:
    return gzip.decompress(path.read_bytes()).decode().split("\n")


def _read(folder: Path) -> Raw:
    raw = Raw()
    for row in csv.DictReader(_lines(folder / "metrics.csv.gz")):
        for column in _METRICS:
            value = float(row[column]) if row[column] else None
            raw.metrics.setdefault((row["pod"], column), []).append((float(row["ts"]), value))
    for row in csv.DictReader(_lines(folder / "spans.csv.gz")):
        raw.spans.append(
            Span(
                trace=row["trace_id"],
                id=row["span_id"],
                parent=row["parent_id"],
                service=service_of(row["pod"]),
                operation=row["operation"],
                start_s=int(row["start_us"]) / 1e6,
                duration_s=int(row["duration_us"]) / 1e6,
            )
        )
    for text in _lines(folder / "logs.jsonl.gz"):
        if text.strip():
            told = json.loads(text)
            raw.lines.append(
                Line(told["ts_us"] / 1e6, service_of(told["pod"]), told["msg"], str(told.get("level") or ""))
            )
    return raw

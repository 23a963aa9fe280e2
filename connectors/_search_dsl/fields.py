"""Which fields of an index hold the service, the level, the message, the time and the trace. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from connectors._search_dsl.config import FieldNames
from connectors.model import JsonObject

# Elastic Common Schema first, then OpenTelemetry's mapping, then what shippers and frameworks write.
CANDIDATES: dict[str, tuple[str, ...]] = {
    "service": (
        "service.name",
        "resource.attributes.service.name",
        "service",
        "service_name",
        "serviceName",
        "kubernetes.labels.app_kubernetes_io/name",
        "kubernetes.labels.app",
        "kubernetes.deployment.name",
        "app",
        "app_name",
        "application",
        "kubernetes.container.name",
        "container.name",
        "fields.service",
        "labels.service",
    ),
    "level": (
        "log.level",
        "severity_text",
        "level",
        "severity",
        "loglevel",
        "log_level",
        "levelname",
        "fields.level",
    ),
    "message": ("message", "body.text", "msg", "body", "log", "event.original", "error.message"),
    "time": ("@timestamp", "timestamp", "time", "ts"),
    "trace": ("trace.id", "trace_id", "traceId", "traceid", "TraceId", "labels.trace_id"),
    "host": ("kubernetes.pod.name", "host.name", "resource.attributes.k8s.pod.name", "hostname", "host", "pod"),
}
METRIC_CANDIDATES: dict[str, tuple[str, ...]] = {
    "error_ratio": ("error_ratio", "error_rate", "service.error_rate", "http.error_rate", "errors.ratio"),
    "p99_ms": ("p99_ms", "latency_p99_ms", "latency_p99", "p99_latency_ms", "latency.p99", "response_time_p99"),
}
_TEXTS = frozenset({"text", "match_only_text", "annotated_text"})
_EXACT = frozenset({"keyword", "constant_keyword", "wildcard", "alias", "version", "ip"})


class Fields(NamedTuple):
    """Field names of one index expression; None where it has none of that sort."""

    time: str | None
    service: str | None
    level: str | None
    message: str | None
    trace: str | None
    host: str | None
    types: Mapping[str, str]

    @property
    def searches_words(self) -> bool:
        """Whether the message is analysed text; else it is matched whole or by wildcard."""
        return self.types.get(self.message or "") in _TEXTS


def wanted_fields(names: FieldNames) -> list[str]:
    """All names to ask `_field_caps` for."""
    plain = {name for group in CANDIDATES.values() for name in group}
    plain |= {name for name in names.model_dump().values() if name}
    plain |= {name for group in METRIC_CANDIDATES.values() for name in group}
    return sorted(plain | {f"{name}.keyword" for name in plain})


def choose_fields(caps: JsonObject, names: FieldNames) -> Fields:
    """The first candidate of each sort that the indices have, from an answer of `_field_caps`."""
    types = {name: kind for name, by_type in caps.items() if isinstance(by_type, dict) for kind in by_type}
    exact = {sort: _first_exact(_ordered(sort, names), types) for sort in ("service", "level", "trace", "host")}
    message = _first(_ordered("message", names), types, _TEXTS) or _first(_ordered("message", names), types, _EXACT)
    time = next((name for name in _ordered("time", names) if types.get(name) in ("date", "date_nanos")), None)
    return Fields(time=time, message=message, types=types, **exact)


def _ordered(sort: str, names: FieldNames) -> Iterable[str]:
    own: str | None = getattr(names, sort)
    return (own,) if own else CANDIDATES[sort]


def _first(names: Iterable[str], types: Mapping[str, str], kinds: frozenset[str]) -> str | None:
    return next((name for name in names if types.get(name) in kinds), None)


def _first_exact(names: Iterable[str], types: Mapping[str, str]) -> str | None:
    """A field that can be grouped by: a keyword, or the keyword beside a text."""
    for name in names:
        if types.get(name) in _EXACT:
            return name
        if types.get(f"{name}.keyword") in _EXACT:
            return f"{name}.keyword"
    return None

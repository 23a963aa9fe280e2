"""LogQL from typed parts; nothing a person wrote is ever more than a string literal. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from connectors._sampling import FAILURE_WORDS, spellings

SERVICE_LABELS = (
    "service_name",
    "service",
    "app",
    "app_kubernetes_io_name",
    "application",
    "component",
    "container",
    "container_name",
    "job",
)
LEVEL_LABELS = ("level", "severity", "severity_text", "log_level", "loglevel", "lvl")
DETECTED_LEVEL = "detected_level"
"""Loki 3 adds it to each line by looking at the line; it is no stream label."""
TRACE_LABELS = ("trace_id", "traceID", "traceId", "trace")
HOST_LABELS = ("pod", "instance", "host", "hostname", "node_name", "filename")


class Shape(NamedTuple):
    """What was found by looking: the label of services, the label of levels (None: lines carry none)."""

    service: str
    level: str | None
    match: Mapping[str, str]


def literal(text: str) -> str:
    """A LogQL string."""
    return json.dumps(text, ensure_ascii=False)


def selector(shape: Shape, services: Sequence[str] = ()) -> str:
    """Streams of the services, or all streams that name one."""
    parts = [f"{label}={literal(value)}" for label, value in sorted(shape.match.items())]
    if len(services) == 1:
        parts.append(f"{shape.service}={literal(services[0])}")
    else:
        among = "|".join(re.escape(service) for service in services) or ".+"
        parts.append(f"{shape.service}=~{literal(among)}")
    return "{" + ", ".join(parts) + "}"


def at_levels(shape: Shape, levels: Sequence[str]) -> str:
    """A pipeline stage that keeps lines of the levels, whatever the spelling."""
    if shape.level is None:
        words = "|".join(FAILURE_WORDS) if "error" in levels else "|".join(spellings(levels))
        return f" |~ {literal(f'(?i)({words})')}"
    return f" | {shape.level}=~{literal('(?i)(' + '|'.join(spellings(levels)) + ')')}"


def with_words(text: str) -> str:
    """Line filters that keep lines with every word, in any case."""
    return "".join(f" |~ {literal('(?i)' + re.escape(word))}" for word in text.split()[:30])


def counted(shape: Shape, lines: str, range_s: float) -> str:
    """Lines per service over the range."""
    return f"sum by ({shape.service}) (count_over_time({lines} [{round(range_s * 1000)}ms]))"

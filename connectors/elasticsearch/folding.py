"""Sampled lines as log groups, with counts scaled to all lines where only some were read. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from connectors.elasticsearch.answers import Line
from connectors.model import LogGroup

_VARIABLE = re.compile(
    r"\b[0-9a-f]{8}-[0-9a-f-]{27}\b|\b0x[0-9a-f]+\b|\b[0-9a-f]{12,}\b|"
    r"\b\d+(?:\.\d+)*(?:ms|s|m|us|µs|ns|kb|mb|gb|%)?\b",
    re.IGNORECASE,
)
Key = tuple[str | None, str | None, str]


class Sample(NamedTuple):
    """Lines of one span, and how many there are in all by service."""

    lines: Sequence[Line]
    counts: Mapping[str | None, int]

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def whole(self) -> bool:
        return len(self.lines) >= self.total

    def factors(self) -> dict[str | None, float]:
        """How many lines each sampled line of a service stands for."""
        read = Counter(line.service for line in self.lines)
        return {service: max(1.0, self.counts.get(service, n) / n) for service, n in read.items()}


def fold(now: Sample, before: Sample) -> list[LogGroup]:
    """Groups of the lines of now, biggest first, each with its count before, both scaled to all lines."""
    members: dict[Key, list[Line]] = {}
    for line in now.lines:
        members.setdefault(_key(line), []).append(line)
    earlier = Counter(_key(line) for line in before.lines)
    now_factors, before_factors = now.factors(), before.factors()
    groups = [
        LogGroup(
            template=key[2],
            service=key[0],
            level=key[1],
            count=round(len(lines) * now_factors.get(key[0], 1.0)),
            baseline_count=round(earlier.get(key, 0) * before_factors.get(key[0], 1.0)),
            first=min((line.at for line in lines if line.at), default=None),
            last=max((line.at for line in lines if line.at), default=None),
            examples=tuple(dict.fromkeys(line.message[:1000] for line in lines))[:3],
        )
        for key, lines in members.items()
    ]
    return sorted(groups, key=lambda group: group.count, reverse=True)


def _key(line: Line) -> Key:
    return line.service, line.level, _VARIABLE.sub("<*>", line.message[:1000])

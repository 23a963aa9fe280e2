"""Sampled lines as log groups, with counts scaled to all lines where only some were read. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from connectors._log_groups import LogLine, group_lines
from connectors._search_dsl.answers import Line
from connectors.model import LogGroup


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

    def plain(self) -> list[LogLine]:
        return [LogLine(line.service, line.at, line.level, line.message) for line in self.lines]


def fold(now: Sample, before: Sample) -> list[LogGroup]:
    """Groups of the lines of now, biggest first, each with its count before, both scaled to all lines."""
    return group_lines(now.plain(), before.plain(), factors_now=now.factors(), factors_before=before.factors())

"""Log lines folded with the connectors' own miner into groups with a count in the window and one before it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from connectors.log_templates import TemplateMiner
from connectors.model import LogGroup
from tests.benchmarks.rca_evidence import at


@dataclass(frozen=True, slots=True)
class Line:
    at_s: float
    service: str
    text: str
    level: str


@dataclass
class _Count:
    inside: int = 0
    before: int = 0
    first: float = 0.0
    last: float = 0.0
    example: str = ""
    levels: dict[str, int] = field(default_factory=lambda: defaultdict(int))


def log_groups(
    reference: Sequence[Line], lines: Sequence[Line], begin: float, end: float, *, split_s: float
) -> tuple[LogGroup, ...]:
    """Groups per service; the baseline is the reference and what came before the split, scaled to the window.

    The fault may be older than the split: what the reference never says counts as inside from the first line on.
    """
    miner = TemplateMiner()
    counts: dict[tuple[str, int], _Count] = defaultdict(_Count)
    tagged = [(line, False) for line in reference] + [(line, line.at_s >= split_s) for line in lines if line.at_s < end]
    marks = [(line, inside, miner.add(line.text)) for line, inside in tagged]
    usual = {(line.service, miner.canonical(n)) for line, _, n in marks[: len(reference)]}
    for line, inside, number in marks:
        key = line.service, miner.canonical(number)
        _add(counts[key], line, inside or (bool(reference) and key not in usual))
    span = (reference[-1].at_s - reference[0].at_s if reference else 0.0) + split_s - begin
    scale = (end - split_s) / span if span > 0 else 0.0
    return tuple(_group(service, miner.template(number), c, scale) for (service, number), c in sorted(counts.items()))


def _add(count: _Count, line: Line, inside: bool) -> None:
    count.levels[line.level] += 1
    if not inside:
        count.before += 1
        return
    count.inside += 1
    count.first = min(count.first or line.at_s, line.at_s)
    count.last = max(count.last, line.at_s)
    count.example = count.example or line.text


def _group(service: str, template: str, count: _Count, scale: float) -> LogGroup:
    return LogGroup(
        template=template,
        service=service,
        level=max(sorted(count.levels), key=lambda level: count.levels[level]).lower(),
        count=count.inside,
        baseline_count=round(count.before * scale),
        first=at(count.first) if count.inside else None,
        last=at(count.last) if count.inside else None,
        examples=(count.example,) if count.example else (),
    )

"""Lines of now and of before as log groups: one template for both, counts scaled where lines were sampled. Pure.

Shared by the connectors that fetch lines and fold them here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from connectors.log_templates import TemplateMiner
from connectors.model import LogGroup

_EXAMPLE_CHARS = 1_000
Key = tuple[str | None, str | None, int]
Factors = Mapping[str | None, float]


class LogLine(NamedTuple):
    """One line as a store or a container gave it."""

    service: str | None
    at: datetime | None
    level: str | None
    message: str


def group_lines(
    now: Sequence[LogLine],
    before: Sequence[LogLine],
    *,
    factors_now: Factors | None = None,
    factors_before: Factors | None = None,
    baseline_known: bool = True,
) -> list[LogGroup]:
    """Groups of the lines of now by service, level and template, biggest first.

    Factors say, by service, how many lines each given line stands for. Without `baseline_known` a group that was not
    seen before has no baseline rather than one of zero.
    """
    miner = TemplateMiner()
    ids_before = [miner.add(line.message) for line in before]
    ids_now = [miner.add(line.message) for line in now]
    # Templates may have folded into one another since a line was added, so ids are settled last.
    earlier = Counter(_key(miner, line, id_) for line, id_ in zip(before, ids_before, strict=True))
    members: dict[Key, list[LogLine]] = {}
    for line, id_ in zip(now, ids_now, strict=True):
        members.setdefault(_key(miner, line, id_), []).append(line)
    groups: list[LogGroup] = []
    for key, lines in members.items():
        seen_before = earlier.get(key, 0) if baseline_known or key in earlier else None
        baseline = None if seen_before is None else round(seen_before * _factor(factors_before, key[0]))
        count = round(len(lines) * _factor(factors_now, key[0]))
        groups.append(_group(miner.template(key[2]), key, lines, count=count, baseline=baseline))
    return sorted(groups, key=lambda group: (-group.count, group.service or "", group.template))


def _key(miner: TemplateMiner, line: LogLine, id_: int) -> Key:
    return line.service, line.level, miner.canonical(id_)


def _factor(factors: Factors | None, service: str | None) -> float:
    return (factors or {}).get(service, 1.0)


def _group(template: str, key: Key, lines: Sequence[LogLine], *, count: int, baseline: int | None) -> LogGroup:
    times = [line.at for line in lines if line.at]
    return LogGroup(
        template=template,
        service=key[0] or None,
        level=key[1],
        count=count,
        baseline_count=baseline,
        first=min(times, default=None),
        last=max(times, default=None),
        examples=tuple(dict.fromkeys(line.message[:_EXAMPLE_CHARS] for line in lines))[:3],
    )

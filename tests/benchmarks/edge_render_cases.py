"""Generated investigations for the renderer: what log lines, tickets, rows and models may say, from a seed."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta

from bot.domain.access import Principal, PrincipalKind
from bot.domain.evidence import ChosenBy, Evidence, Gap, GapReason
from bot.domain.investigation import ExecutionRecord, Investigation
from bot.domain.question import Question, TimelineEntry
from bot.domain.report import (
    Backed,
    CitedFinding,
    Cost,
    RawResult,
    RecommendedAction,
    Report,
    ReportAnalysis,
    ReportHypothesis,
    ReportTimeRange,
    Synthesis,
)
from bot.domain.states import InvestigationState, Outcome, Verdict
from connectors.model import Column, Item, LogGroup, Logs, Objects, Payload, Rows, SourceRef, Text, ToolCall
from tests.slack.hostile import NASTY
from tests.slack.story import START, WINDOW

PER_CASE = 20
FENCES = "```\n```python\nprint('```')\n``` `` ` ~~~ ```"
TRACE = "Traceback (most recent call last):\n" + '  File "/srv/app/checkout.py", line 17, in pay\n    raise Timeout()\n'
Words = Callable[[], str]


def case(rng: random.Random, number: int) -> tuple[Investigation, dict[str, Evidence]]:
    """An investigation with twenty findings, and the evidence they cite."""
    words = _writer(rng)
    drawn = [_execution(rng, words, n) for n in range(PER_CASE)]
    evidence = {found.id: found for _, found in drawn}
    made = Investigation(
        id="inv_1",
        state=rng.choice([InvestigationState.RUNNING, InvestigationState.COMPLETED, InvestigationState.FAILED]),
        question=Question(text=words(), asked_at=START),
        requester=Principal(kind=PrincipalKind.PERSON, id="U0ADA000001", name=words()[:200]),
        origin={"face": "slack", "channel": "C1"},
        created_at=START,
        updated_at=START + timedelta(seconds=number),
        executions=tuple(record for record, _ in drawn),
        gaps=(Gap(source="datadog/main", reason=GapReason.TIMED_OUT, text=words()),),
    )
    return made.model_copy(update={"report": _report(rng, words, list(evidence))}), evidence


def _writer(rng: random.Random) -> Words:
    """Texts with a word of their own at each end. One in two hundred is a trace of a megabyte."""
    count = 0

    def words() -> str:
        nonlocal count
        count += 1
        return f"q{count}begin {_middle(rng)} q{count}end"

    return words


def _middle(rng: random.Random) -> str:
    kind = rng.random()
    if kind < 0.005:
        return TRACE * (1_000_000 // len(TRACE))
    if kind < 0.05:
        return " " * rng.randrange(1, 3_000)
    if kind < 0.15:
        return FENCES * rng.randrange(1, 40)
    if kind < 0.3:
        return "".join(chr(rng.choice(_RANGES)(rng)) for _ in range(rng.randrange(400)))
    return rng.choice([" ", "\n", ""]).join(rng.choice(NASTY) for _ in range(rng.randrange(1, 5)))


_RANGES: tuple[Callable[[random.Random], int], ...] = (
    lambda r: r.randrange(0x20),
    lambda r: r.randrange(0x20, 0x7F),
    lambda r: r.randrange(0x80, 0x250),
    lambda r: r.randrange(0x590, 0x700),
    lambda r: r.randrange(0x200B, 0x2070),
    lambda r: r.randrange(0x1F300, 0x1FAFF),
    lambda r: r.randrange(0xE0000, 0xE0080),
)


def _execution(rng: random.Random, words: Words, n: int) -> tuple[ExecutionRecord, Evidence]:
    connector = f"{rng.choice(['prometheus', 'elasticsearch', 'postgresql', 'kubernetes'])}/s{n % 6}"
    call = ToolCall(connector=connector, tool="read_it", arguments={"n": n}, window=WINDOW)
    url = rng.choice([None, "http://grafana.test:3000/d/1", "https://evil.test/x", "javascript:alert(1)"])
    headline = words()
    source = SourceRef(query=words(), language="sql", url=url, window=WINDOW)
    found = Evidence(
        id=f"ev_{n}", call=call, payload=_payload(rng, words), source=source, collected_at=START, headline=headline
    )
    record = ExecutionRecord(
        id=f"ex_{n}", call=call, by=ChosenBy.REASONER, started_at=START, finished_at=START + timedelta(seconds=1),
        outcome=Outcome.SUCCEEDED, evidence_id=found.id, headline=headline,
    )  # fmt: skip
    return record, found


def _payload(rng: random.Random, words: Words) -> Payload:
    kind = rng.randrange(4)
    if kind == 0:
        width = rng.randrange(1, 12)
        rows = tuple(tuple(words() for _ in range(width)) for _ in range(rng.randrange(1, 40)))
        return Rows(columns=tuple(Column(name=f"c{n}") for n in range(width)), rows=rows)
    if kind == 1:
        groups = tuple(LogGroup(template=words(), count=rng.randrange(10**9)) for _ in range(rng.randrange(1, 20)))
        return Logs(groups=groups, total=10**9)
    if kind == 2:
        return Objects(items=tuple(Item(api_kind="Pod", name=words(), fields={"a": words()}) for _ in range(5)))
    return Text(text=words())


def _report(rng: random.Random, words: Words, ids: list[str]) -> Report:
    cited = [CitedFinding(finding="latency_rose", statement=words(), evidence=(one,)) for one in ids]
    cause = {
        "component": "app/checkout-api", "cause": "bad_deployment", "confidence": 0.86, "statement": words(),
        "for": [one.model_dump() for one in cited], "against": [], "would_disprove": words(),
    }  # fmt: skip
    raw = RawResult(evidence_id=ids[0], tool="read_it", outcome=Outcome.SUCCEEDED, headline=words())
    return Report(
        investigation_id="inv_1",
        query=words(),
        state=InvestigationState.COMPLETED,
        analysis=ReportAnalysis(
            issue_type="latency",
            time_range=ReportTimeRange(start=WINDOW.start, end=WINDOW.end),
            environment="production",
        ),
        raw_results={"prometheus/s0": (raw,)},
        synthesis=Synthesis(
            summary=words(),
            root_cause=rng.choice([None, words()]),
            confidence=0.86,
            verdict=rng.choice(list(Verdict)),
            hypotheses=(ReportHypothesis.model_validate(cause),),
            timeline=(TimelineEntry(at=START, text=words(), evidence=(ids[0],)),),
            affected_components=("app/checkout-api",),
            recommended_actions=(RecommendedAction(text=words()),),
        ),
        backed=Backed(statements=3, backed=2),
        cost=Cost(usd=1.5, tokens=10, queries=3, seconds=6.2),
    )

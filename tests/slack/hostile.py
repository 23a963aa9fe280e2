"""Generated investigations full of text nobody wants: what a log line, a ticket or a model may say."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import strategies as st

from bot.domain.access import Principal, PrincipalKind
from bot.domain.evidence import ChosenBy, Evidence, Gap, GapReason
from bot.domain.investigation import ExecutionRecord, Investigation, Requests, Transition
from bot.domain.question import Analysis, Guidance, IssueType, Plan, PlannedCall, Question, TimelineEntry
from bot.domain.report import (
    Backed,
    CitedFinding,
    Cost,
    RawResult,
    RecommendedAction,
    RelatedIssue,
    Report,
    ReportAnalysis,
    ReportHypothesis,
    ReportTimeRange,
    Synthesis,
)
from bot.domain.states import InvestigationState, Outcome, PhaseName, PhaseState, Verdict
from connectors.model import (
    Change,
    Changes,
    Column,
    Edge,
    Item,
    LogGroup,
    Logs,
    Objects,
    Payload,
    Rows,
    Series,
    SeriesSet,
    SourceRef,
    Text,
    ToolCall,
    Traces,
)
from tests.slack.story import START, WINDOW

NASTY = (
    "<!channel> <!here> <!everyone> <@U0ADA000001> <#C0PAYINC001> <!subteam^S123>",
    "<https://evil.test/steal|click me> https://evil.test www.evil.test mailto:a@evil.test javascript://x",
    "&lt;!channel&gt; &amp;lt;!channel&amp;gt; & < > <<<>>>",
    "``` not closed ``` ` ``` *bold _under ~strike",
    "\x00\x01\x07\x1b[31mred\x7f\x85\x9f",
    "\u202eevil\u2066hidden\u2069 \u200b\u200c\u200d\ufeff\u00ad\u061c",
    "👩‍👩‍👧‍👦🏳️‍🌈🔥" * 40,
    "مرحبا بالعالم שלום עולם " * 30,
    "e" + "\u0301" * 300,
    "Traceback (most recent call last):\n" + '  File "a.py", line 1\n' * 400,
    "x" * 5_000,
    "word " * 3_000,
    "\n" * 500,
    "\u2028\u2029\r\n\r",
    "\U000e0041\U000e0042 tagged",
    "",
    " ",
)
TEXT = st.one_of(st.sampled_from(NASTY), st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
SHORT = st.one_of(st.sampled_from(NASTY[:6]), st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
NAMES = st.sampled_from(
    ["prometheus/main", "elasticsearch/main", "postgresql/payment", "kubernetes/<!here>", "x" * 300, "bigquery/main"]
)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
URLS = st.sampled_from(
    [
        None,
        "http://grafana.test:3000/d/1?a=1&b=2",
        "https://evil.test/x",
        "javascript:alert(1)",
        "http://grafana.test/|x>",
        "http://grafana.test/" + "a" * 4_000,
        "http://user@grafana.test/",
        "http://[",
    ]
)


@st.composite
def payloads(draw: st.DrawFn) -> Payload:
    kind = draw(st.sampled_from(["rows", "series", "logs", "objects", "changes", "traces", "text"]))
    if kind == "rows":
        width = draw(st.integers(1, 12))
        cell = st.one_of(st.none(), TEXT, st.integers(), NUMBER)
        rows = draw(st.lists(st.lists(cell, min_size=width, max_size=width), max_size=6))
        columns = tuple(Column(name=draw(SHORT)) for _ in range(width))
        return Rows(columns=columns, rows=tuple(tuple(r) for r in rows) * draw(st.sampled_from([1, 1, 30])))
    if kind == "series":
        return SeriesSet(series=tuple(draw(st.lists(series(), max_size=8))))
    if kind == "logs":
        groups = tuple(
            LogGroup(template=draw(TEXT), count=draw(st.integers(0, 10**9))) for _ in range(draw(st.integers(0, 5)))
        )
        return Logs(groups=groups, total=10**9)
    if kind == "objects":
        items = [Item(api_kind=draw(SHORT), name=draw(TEXT), fields={"a": draw(TEXT), "b": [1, draw(SHORT)]})]
        return Objects(items=tuple(items * draw(st.integers(0, 50))))
    if kind == "changes":
        change = Change(at=START, service=draw(SHORT), what=draw(TEXT), change="deployment", url=draw(URLS))
        return Changes(items=(change,) * draw(st.integers(0, 40)))
    if kind == "traces":
        return Traces(edges=(Edge(caller=draw(SHORT), callee=draw(TEXT), count=1),) * draw(st.integers(0, 3)))
    return Text(text=draw(TEXT))


@st.composite
def series(draw: st.DrawFn) -> Series:
    values = draw(st.lists(st.one_of(st.none(), NUMBER), max_size=50))
    step_s = draw(st.sampled_from([0.5, 30.0, 7_200.0]))
    points = tuple((START + timedelta(seconds=step_s * n), v) for n, v in enumerate(values))
    return Series(
        service=draw(st.one_of(st.none(), SHORT)),
        metric=draw(SHORT),
        unit=draw(st.one_of(st.none(), SHORT)),
        labels={"pod": draw(SHORT)},
        step_s=step_s,
        points=points,
    )


@st.composite
def executions(draw: st.DrawFn, number: int) -> tuple[ExecutionRecord, Evidence | None]:
    call = ToolCall(connector=draw(NAMES), tool=draw(SHORT), arguments={"n": number, "q": draw(TEXT)}, window=WINDOW)
    outcome = draw(st.one_of(st.none(), st.sampled_from(Outcome)))
    kept = None
    if outcome is Outcome.SUCCEEDED:
        source = SourceRef(query=draw(TEXT), language=draw(SHORT), url=draw(URLS), window=WINDOW)
        kept = Evidence(
            id=f"ev_{number}",
            call=call,
            payload=draw(payloads()),
            source=source,
            collected_at=START,
            headline=draw(TEXT),
        )
    record = ExecutionRecord(
        id=f"ex_{number}",
        call=call,
        by=ChosenBy.REASONER,
        why=draw(SHORT),
        started_at=START,
        finished_at=START + timedelta(seconds=draw(st.integers(0, 5_000))) if outcome else None,
        outcome=outcome,
        error=draw(st.one_of(st.none(), TEXT)),
        evidence_id=kept.id if kept else None,
        headline=draw(TEXT) if kept else "",
        truncated=draw(st.one_of(st.none(), TEXT)),
        attempts=draw(st.integers(1, 3)),
    )
    return record, kept


@st.composite
def reports(draw: st.DrawFn) -> Report:
    many = draw(st.sampled_from([1, 1, 2, 12]))

    def finding() -> CitedFinding:
        return CitedFinding(finding="latency_rose", statement=draw(TEXT), evidence=("ev_0", "ev_1", "ev_9"))

    ranked = [
        ReportHypothesis.model_validate(
            {
                "component": draw(SHORT),
                "cause": draw(SHORT),
                "confidence": draw(st.floats(0, 1)),
                "statement": draw(TEXT),
                "for": [finding().model_dump() for _ in range(many)],
                "against": [finding().model_dump()],
                "would_disprove": draw(TEXT),
            }
        )
        for _ in range(draw(st.integers(0, 4)))
    ]
    raw = RawResult(evidence_id="ev_0", tool=draw(SHORT), outcome=Outcome.SUCCEEDED, headline=draw(TEXT))
    return Report(
        investigation_id="inv_1",
        query=draw(TEXT),
        state=InvestigationState.COMPLETED,
        analysis=ReportAnalysis(
            issue_type="latency",
            time_range=ReportTimeRange(start=WINDOW.start, end=WINDOW.end),
            environment=draw(SHORT),
        ),
        raw_results={draw(NAMES): (raw,) * many},
        synthesis=Synthesis(
            summary=draw(TEXT),
            root_cause=draw(st.one_of(st.none(), TEXT)),
            confidence=draw(st.floats(0, 1)),
            verdict=draw(st.sampled_from(Verdict)),
            hypotheses=tuple(ranked),
            timeline=(TimelineEntry(at=START, text=draw(TEXT), evidence=("ev_0",)),) * many,
            affected_components=(draw(SHORT),) * many,
            recommended_actions=(RecommendedAction(text=draw(TEXT), runbook=draw(SHORT)),) * many,
            related_issues=(RelatedIssue(investigation_id="inv_0", text=draw(TEXT)),),
        ),
        gaps=tuple(draw(st.lists(gaps(), max_size=9))),
        backed=Backed(statements=3, backed=2),
        cost=Cost(usd=1.5, tokens=10, queries=3, seconds=6.2),
        reasoner=draw(SHORT),
    )


@st.composite
def gaps(draw: st.DrawFn) -> Gap:
    return Gap(source=draw(NAMES), reason=draw(st.sampled_from(GapReason)), text=draw(TEXT))


@st.composite
def investigations(draw: st.DrawFn) -> tuple[Investigation, dict[str, Evidence]]:
    """An investigation in any state with whatever it may hold, and the evidence it cites."""
    drawn = [draw(executions(number)) for number in range(draw(st.integers(0, 9)))]
    planned = tuple(PlannedCall(call=r.call, why=draw(SHORT)) for r, _ in drawn)
    actor = draw(st.sampled_from(["person:U1", "system:inquest", "api_key:<!here>", "person:<@U2>"]))
    state = draw(st.sampled_from(InvestigationState))
    base = Investigation(
        id="inv_1",
        state=state,
        question=Question(text=draw(TEXT), asked_at=START, dry_run=draw(st.booleans()), environment=draw(SHORT)),
        requester=Principal(kind=draw(st.sampled_from(PrincipalKind)), id=draw(SHORT), name=draw(SHORT)),
        squad=draw(st.one_of(st.none(), SHORT)),
        origin={"face": "slack", "channel": "C1"},
        created_at=START,
        updated_at=START + timedelta(seconds=draw(st.integers(0, 100_000))),
        reason=draw(TEXT),
        requests=Requests(pause=actor, cancel=actor),
        executions=tuple(r for r, _ in drawn),
        gaps=tuple(draw(st.lists(gaps(), max_size=30))),
        guidance=(Guidance(text=draw(TEXT), by=actor, at=START),),
        transitions=(
            Transition(origin=InvestigationState.RUNNING, target=state, at=START, actor=actor, reason=draw(TEXT)),
        ),
    )
    analysis = Analysis(
        issue_type=IssueType.LATENCY, window=WINDOW, services=(draw(SHORT),) * 9, notes=(draw(TEXT),) * 5
    )
    phases = tuple(
        p.model_copy(update={"state": draw(st.sampled_from(PhaseState))}) if p.name is PhaseName.COLLECT else p
        for p in base.phases
    )
    update = {
        "analysis": draw(st.one_of(st.none(), st.just(analysis))),
        "plan": draw(st.one_of(st.none(), st.just(Plan(calls=planned)))),
        "report": draw(st.one_of(st.none(), reports())),
        "phases": phases,
    }
    return base.model_copy(update=update), {e.id: e for _, e in drawn if e}

"""An investigation as a worker writes it, event by event, for drawing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from bot.domain.events import EventKind, NewEvent
from bot.domain.evidence import Evidence, Finding, FindingKind, Gap, GapReason, Hypothesis
from bot.domain.ids import investigation_stream
from bot.domain.investigation import Investigation
from bot.domain.question import Analysis, IssueType, Plan, PlannedCall, TimelineEntry
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
from bot.store import Store
from connectors.model import (
    Column,
    JsonObject,
    LogGroup,
    Logs,
    Payload,
    Rows,
    Series,
    SeriesSet,
    SourceRef,
    TimeWindow,
    ToolCall,
)

START = datetime(2026, 11, 20, 13, 45, tzinfo=UTC)
WINDOW = TimeWindow(start=START, end=START + timedelta(minutes=35))
ONSET = START + timedelta(minutes=17)


def call(connector: str, tool: str = "query_range") -> ToolCall:
    return ToolCall(connector=connector, tool=tool, arguments={"query": "up"}, window=WINDOW)


def latency() -> SeriesSet:
    points = tuple((START + timedelta(seconds=30 * n), 0.1 if n < 34 else 0.8 + n / 100) for n in range(70))
    return SeriesSet(series=(Series(service="checkout-api", metric="p99 latency", unit="s", step_s=30, points=points),))


def logs() -> Logs:
    group = LogGroup(template="connection timeout after <*>ms", count=847, baseline_count=0, first=ONSET, level="error")
    return Logs(groups=(group,), total=847)


def connections() -> Rows:
    columns = (Column(name="state"), Column(name="count"))
    return Rows(columns=columns, rows=(("active", 57), ("idle in transaction", 143)))


SOURCES: dict[str, tuple[str, Payload]] = {
    "prometheus/main": ("p99 latency of checkout-api 8.1× since 14:02", latency()),
    "elasticsearch/main": ('847 × "connection timeout after 5000ms" (first 14:02)', logs()),
    "postgresql/payment": ("connections 200/200 since 14:03, 143 waiting", connections()),
}


def evidence_of(investigation_id: str, connector: str) -> Evidence:
    headline, payload = SOURCES[connector]
    return Evidence(
        id=f"ev_{connector.split('/', maxsplit=1)[0]}_{investigation_id}",
        call=call(connector),
        payload=payload,
        source=SourceRef(
            query="sum(rate(x[5m]))", language="promql", url="http://grafana.test:3000/d/1", window=WINDOW
        ),
        collected_at=START,
        headline=headline,
    )


class Teller:
    """Appends what a worker would append, at the times it happens."""

    def __init__(self, store: Store, investigation_id: str) -> None:
        self.store, self.id = store, investigation_id

    async def append(self, *events: tuple[EventKind, JsonObject], evidence: tuple[Evidence, ...] = ()) -> Investigation:
        now = await self.store.investigation(self.id)
        new = [NewEvent(kind=k, actor="system:worker", at=datetime.now(UTC), payload=p) for k, p in events]
        stream = investigation_stream(self.id)
        appended = await self.store.append(stream, expected_seq=now.seq, events=new, evidence=evidence)
        assert appended.investigation is not None
        return appended.investigation

    async def starts(self) -> None:
        await self.append((EventKind.CLAIMED, {"worker": "w", "fence": 1}), moved("running"))

    async def plans(self, *connectors: str) -> None:
        await self.append((EventKind.ANALYSIS_MADE, {"analysis": analysis().model_dump(mode="json")}))
        plan = Plan(calls=tuple(PlannedCall(call=call(c), why="to see it") for c in connectors))
        await self.append(
            (EventKind.PHASE_FINISHED, {"phase": "analyze"}),
            (EventKind.PLAN_MADE, {"plan": plan.model_dump(mode="json")}),
            (EventKind.PHASE_FINISHED, {"phase": "plan"}),
            (EventKind.PHASE_STARTED, {"phase": "collect"}),
        )

    async def asks(self, connector: str) -> None:
        payload: JsonObject = {
            "execution_id": f"ex_{connector}",
            "call": call(connector).model_dump(mode="json"),
            "by": "reasoner",
            "phase": "collect",
        }
        await self.append((EventKind.TOOL_STARTED, payload))

    async def hears(self, connector: str) -> None:
        found = evidence_of(self.id, connector)
        payload: JsonObject = {
            "execution_id": f"ex_{connector}",
            "outcome": "succeeded",
            "evidence_id": found.id,
            "headline": found.headline,
            "stats": {"duration_ms": 600.0},
        }
        await self.append((EventKind.TOOL_FINISHED, payload), evidence=(found,))

    async def fails(self, connector: str) -> None:
        gap = Gap(source=connector, reason=GapReason.TIMED_OUT, text="no answer within 10 s")
        payload: JsonObject = {"execution_id": f"ex_{connector}", "outcome": "timed_out", "error": gap.text}
        await self.append(
            (EventKind.TOOL_FINISHED, payload), (EventKind.GAP_NOTED, {"gap": gap.model_dump(mode="json")})
        )

    async def reports(self, verdict: Verdict = Verdict.SUPPORTED) -> None:
        made = report(self.id, verdict)
        ranked: JsonObject = {"hypotheses": [hypothesis(self.id).model_dump(mode="json")]}
        await self.append(
            (EventKind.PHASE_FINISHED, {"phase": "collect"}),
            (EventKind.HYPOTHESIS_RANKED, ranked),
            (EventKind.REPORT_MADE, {"report": made.to_json()}),
            moved("completing"),
            moved("completed"),
        )

    async def whole(self) -> None:
        await self.starts()
        await self.plans(*SOURCES)
        for connector in SOURCES:
            await self.asks(connector)
        for connector in SOURCES:
            await self.hears(connector)
        await self.reports()


def moved(to: str, reason: str = "") -> tuple[EventKind, JsonObject]:
    return EventKind.STATE_CHANGED, {"to": to, "reason": reason}


def analysis() -> Analysis:
    return Analysis(
        issue_type=IssueType.LATENCY, window=WINDOW, services=("checkout-api", "payment-service"), squad="payment"
    )


def hypothesis(investigation_id: str) -> Hypothesis:
    finding = Finding(
        id="fi_1",
        kind=FindingKind.LATENCY_ROSE,
        component="app/checkout-api",
        statement="p99 latency of checkout-api rose 8.1-fold at 14:02",
        evidence=(f"ev_prometheus_{investigation_id}",),
        onset=ONSET,
    )
    return Hypothesis(
        component="app/payment-service",
        cause="bad_deployment",
        confidence=0.86,
        statement="Release 2.4.1 of payment-service exhausted its database pool.",
        supporting=(finding,),
    )


def report(investigation_id: str, verdict: Verdict = Verdict.SUPPORTED) -> Report:
    leading = hypothesis(investigation_id)
    finding = leading.supporting[0]
    cited = CitedFinding(finding=finding.kind.value, statement=finding.statement, evidence=finding.evidence)
    ranked = ReportHypothesis.model_validate(
        {
            "component": leading.component,
            "cause": leading.cause,
            "confidence": leading.confidence if verdict is Verdict.SUPPORTED else 0.31,
            "statement": leading.statement,
            "for": [cited.model_dump()],
        }
    )
    supported = verdict is Verdict.SUPPORTED
    return Report(
        investigation_id=investigation_id,
        query="why?",
        state=InvestigationState.COMPLETED,
        analysis=ReportAnalysis(issue_type="latency", time_range=ReportTimeRange(start=WINDOW.start, end=WINDOW.end)),
        raw_results={
            "prometheus/main": (
                RawResult(
                    evidence_id=finding.evidence[0], tool="query_range", outcome=Outcome.SUCCEEDED, headline="8.1×"
                ),
            )
        },
        synthesis=Synthesis(
            summary="Checkout p99 is 8× normal since 14:02 UTC.",
            root_cause=leading.statement if supported else None,
            confidence=0.86 if supported else 0.31,
            verdict=verdict,
            hypotheses=() if verdict is Verdict.NO_FAULT_FOUND else (ranked,),
            timeline=(TimelineEntry(at=ONSET, text="latency rises", evidence=finding.evidence),),
            affected_components=("app/checkout-api",),
            recommended_actions=(RecommendedAction(text="Roll back payment-service to 2.3.9"),),
        ),
        gaps=(Gap(source="datadog/main", reason=GapReason.TIMED_OUT, text="no answer within 10 s"),),
        backed=Backed(statements=9, backed=9),
        cost=Cost(queries=14, seconds=6.2),
    )

"""The one entry point: a case file in, a ranking out. Pure, no model, the same answer for the same evidence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from bot.analysis.candidates import Candidate
from bot.analysis.causes_changes import change_causes, surge_causes
from bot.analysis.causes_database import database_causes
from bot.analysis.causes_runtime import runtime_causes
from bot.analysis.confidence import BAR, CEILING, PRESENT, cap, confidences, missing_roles, present
from bot.analysis.contradictions import contradictions
from bot.analysis.facts import Facts, clock, lay_out
from bot.analysis.hostile import hostile_findings
from bot.analysis.interfaces import kubernetes_findings, kubernetes_hypotheses
from bot.analysis.kube_basics import basic_findings
from bot.analysis.log_steps import step_findings
from bot.analysis.logs import log_findings
from bot.analysis.metrics import Family
from bot.analysis.objects import object_findings
from bot.analysis.scene import Scene, set_scene
from bot.analysis.signals import Signal, judge_all, memory_growth
from bot.analysis.traces import trace_findings
from bot.domain.evidence import Finding, FindingKind, Hypothesis
from bot.domain.question import CaseFile, IssueType, Ranking, TimelineEntry
from bot.domain.states import Verdict
from connectors.model import Item

_K = FindingKind
_HARD = frozenset(
    {
        _K.LOCK_CHAIN, _K.OOM_KILLED, _K.CRASH_LOOPING, _K.IMAGE_PULL_FAILED, _K.SCHEDULING_FAILED, _K.QUOTA_EXCEEDED,
        _K.CONFIG_REFERENCE_MISSING, _K.ENDPOINTS_EMPTY, _K.PORT_MISMATCH, _K.NODE_NOT_READY, _K.CONNECTIONS_AT_LIMIT,
    }
)  # fmt: skip
_SYMPTOMS = frozenset({_K.ERROR_RATE_ROSE, _K.LATENCY_ROSE, _K.MONITOR_ALERTING})
_SETTINGS = frozenset({"service_env_var_address_mismatch", "service_dns_resolution_failure", "missing_secret_binding"})
_SHOWN_HYPOTHESES = 12
_SHOWN_TIMELINE = 20
_LEAST_CONFIDENCE = 0.004


def hypothesis_key(hypothesis: Hypothesis) -> str:
    """How pinned and ruled-out lists name a hypothesis: `component cause`."""
    return f"{hypothesis.component} {hypothesis.cause}"


def correlate(case: CaseFile, *, now: datetime) -> Ranking:
    """Findings, hypotheses best first, verdict and timeline of a case. About a second for thousands of series."""
    facts = lay_out(case, now=now)
    signals = judge_all(facts)
    items = [(seen.item, seen.evidence_id) for seen in facts.items]
    findings = _findings(facts, signals, items, now)
    scene = set_scene(facts, signals, findings)
    ranked = _ranked(scene)
    hypotheses = _hypotheses(scene, ranked, case)
    hypotheses = _with_kubernetes(hypotheses, kubernetes_hypotheses(items, now=now, facts=facts), scene)
    healthy = _healthy(scene, signals, case)
    hypotheses = _steered([*hypotheses, *healthy], case)
    verdict = _verdict(hypotheses)
    kept = (*scene.findings, *(c.finding for c in scene.changes))
    return Ranking(
        findings=tuple(sorted(kept, key=lambda f: (-f.weight, f.id))),
        hypotheses=tuple(hypotheses),
        verdict=verdict,
        bar=BAR,
        onset=scene.onset,
        timeline=_timeline(scene),
        changes=tuple(change for change, _ in facts.changes),
        affected=_affected(scene, hypotheses, verdict),
        summary=_summary(scene, verdict, hypotheses),
    )


def _findings(
    facts: Facts, signals: Sequence[Signal], items: Sequence[tuple[Item, str]], now: datetime
) -> tuple[Finding, ...]:
    found: list[Finding] = [finding for _, finding in memory_growth(signals)]
    found.extend(log_findings(facts))
    found.extend(step_findings(facts))
    found.extend(contradictions(signals))
    found.extend(object_findings(facts))
    found.extend(trace_findings(facts))
    found.extend(_merged(basic_findings(items, now=now), kubernetes_findings(items, now=now, facts=facts) or []))
    found.extend(hostile_findings(facts.texts))
    return tuple({f.id: f for f in found}.values())


def _merged(basic: Iterable[Finding], finer: Sequence[Finding]) -> list[Finding]:
    """The finer signatures win; a basic finding stays only where they say nothing of that kind there."""
    told = {(f.kind, f.component) for f in finer}
    return [*finer, *(f for f in basic if (f.kind, f.component) not in told)]


def _ranked(scene: Scene) -> list[Candidate]:
    made = [*change_causes(scene), *surge_causes(scene), *database_causes(scene), *runtime_causes(scene)]
    return sorted((c for c in made if c.score > 0), key=lambda c: (-c.score, c.component, c.cause))


def _hypotheses(scene: Scene, ranked: Sequence[Candidate], case: CaseFile) -> list[Hypothesis]:
    missing = missing_roles(case.gaps, case.evidence)
    hard = any(f.kind in _HARD and f.weight >= 0.5 for f in scene.findings)
    believed = 1.0 if hard else present(scene.presence)
    out = []
    for made, confidence in zip(ranked, confidences(ranked), strict=True):
        supporting, against = made.findings()
        if not supporting or confidence < _LEAST_CONFIDENCE:
            continue
        out.append(
            Hypothesis(
                component=made.component,
                cause=made.cause,
                confidence=round(min(confidence * believed, cap(made, missing)), 3),
                statement=f"{made.statement[0].upper()}{made.statement[1:]}.",
                supporting=supporting,
                against=against,
                would_disprove=made.would_disprove,
            )
        )
    return sorted(out, key=lambda h: (-h.confidence, h.component, h.cause))[:_SHOWN_HYPOTHESES]


def _with_kubernetes(mine: list[Hypothesis], theirs: Sequence[Hypothesis], scene: Scene) -> list[Hypothesis]:
    """Signatures stand beside the others, the surer of two that agree stays; off the symptom's path they count half."""
    known = {hypothesis_key(h): h for h in mine}
    changed = {h.component: h for h in mine if h.cause == "config_change" and h.confidence >= BAR}
    for hypothesis in theirs:
        name = hypothesis.component.partition("/")[2]
        far = hypothesis.component.startswith("app/") and bool(scene.starts) and not scene.on_path(name)
        confidence = round(hypothesis.confidence * (0.5 if far else 1), 3)
        made_by = changed.get(hypothesis.component)
        if made_by is not None and hypothesis.cause in _SETTINGS:  # what is wrong with a setting that was just changed
            confidence = min(confidence, round(made_by.confidence - 0.01, 3))
        key = hypothesis_key(hypothesis)
        if key not in known or known[key].confidence < confidence:
            known[key] = hypothesis.model_copy(update={"confidence": confidence})
    return sorted(known.values(), key=lambda h: (-h.confidence, h.component, h.cause))


def _steered(hypotheses: list[Hypothesis], case: CaseFile) -> list[Hypothesis]:
    """Pinned hypotheses first, ruled-out ones last; what a person said never changes the measured confidence."""
    out = []
    for one in hypotheses:
        key = hypothesis_key(one)
        flags = {"pinned": key in case.pinned, "ruled_out": key in case.ruled_out}
        out.append(one.model_copy(update=flags))
    return sorted(out, key=lambda h: (h.ruled_out, not h.pinned, -h.confidence, h.component, h.cause))


def _verdict(hypotheses: Sequence[Hypothesis]) -> Verdict:
    best = next((h for h in hypotheses if not h.ruled_out), None)
    if best is None or best.confidence < BAR:
        return Verdict.INCONCLUSIVE
    return Verdict.NO_FAULT_FOUND if best.cause == "no_fault_found" else Verdict.SUPPORTED


def _healthy(scene: Scene, signals: Sequence[Signal], case: CaseFile) -> list[Hypothesis]:
    """`no_fault_found`, only when errors and latency were really seen inside the window and stayed calm."""
    if scene.presence >= PRESENT or any(f.kind in _HARD and f.weight >= 0.5 for f in scene.findings):
        return []
    calm = _calm(scene, signals)
    covered = {family for family, _ in calm}
    if not covered:
        return []
    trouble = max(
        (f.weight for f in _about_asked(scene) if f.kind in _SYMPTOMS),
        default=0.0,
    )
    confidence = (0.9 if covered >= {Family.ERRORS, Family.LATENCY} else 0.6) * (1 - 0.7 * trouble)
    missing = missing_roles(case.gaps, case.evidence)
    confidence = min(confidence, CEILING, 0.9 - 0.2 * len(missing & {"metrics", "logs"}))
    about = ", ".join(scene.facts.asked) or "every service seen"
    text = f"Errors and latency of {about} were read and stayed at their usual level."
    return [
        Hypothesis(
            component=f"app/{scene.facts.asked[0]}" if scene.facts.asked else "app/all",
            cause="no_fault_found",
            confidence=round(confidence, 3),
            statement=text,
            would_disprove="A signal of users that is not among those read.",
        )
    ]


def _about_asked(scene: Scene) -> list[Finding]:
    wanted = {f"app/{s}" for s in scene.facts.asked}
    return [f for f in scene.findings if not wanted or f.component in wanted]


def _calm(scene: Scene, signals: Sequence[Signal]) -> list[tuple[Family, Signal]]:
    wanted = set(scene.facts.asked)
    out: list[tuple[Family, Signal]] = []
    for signal in signals:
        service = signal.measured.series.service
        about = not wanted or service in wanted
        if about and signal.family in {Family.ERRORS, Family.LATENCY} and signal.level == signal.level:
            out.append((signal.family, signal))
    return out


def _timeline(scene: Scene) -> tuple[TimelineEntry, ...]:
    first = scene.facts.window.start - timedelta(hours=2)
    told = [*scene.findings, *(c.finding for c in scene.changes)]
    dated = [f for f in told if f.onset and f.onset >= first and f.weight >= 0.3]
    strongest = sorted(dated, key=lambda f: (-f.weight, f.id))[:_SHOWN_TIMELINE]
    entries = [(f.onset, f.statement, f.evidence) for f in strongest if f.onset]
    return tuple(TimelineEntry(at=at, text=text, evidence=ids) for at, text, ids in sorted(entries))


def _affected(scene: Scene, hypotheses: Sequence[Hypothesis], verdict: Verdict) -> tuple[str, ...]:
    names = [f"app/{s}" for s in scene.starts]
    if verdict is Verdict.SUPPORTED and hypotheses:
        names.insert(0, hypotheses[0].component)
    loud = [f.component for f in scene.findings if f.weight >= 0.5 and f.kind in {_K.ERROR_RATE_ROSE, _K.LATENCY_ROSE}]
    return tuple(dict.fromkeys([*names, *sorted(loud)]))


def _as_asked(issue: IssueType, finding: Finding) -> tuple[bool, bool, float]:
    """Findings in the words of the question first: latency when it is slow; what users feel before what logs count."""
    slow = finding.kind is _K.LATENCY_ROSE
    about_logs = str(finding.data.get("metric", "")).startswith("log")
    return slow is not (issue is IssueType.LATENCY), about_logs, -finding.weight


def _summary(scene: Scene, verdict: Verdict, hypotheses: Sequence[Hypothesis]) -> str:
    if verdict is Verdict.NO_FAULT_FOUND:
        return hypotheses[0].statement
    told = [f for service in scene.starts for f in scene.of(f"app/{service}", _K.ERROR_RATE_ROSE, _K.LATENCY_ROSE)]
    symptoms = sorted(told, key=lambda f: _as_asked(scene.facts.issue, f))
    loud = symptoms or list(scene.findings and sorted(scene.findings, key=lambda f: -f.weight)[:1])
    if not loud:
        return "Nothing that was read shows a symptom, and too little was read to call it healthy."
    text = loud[0].statement[0].upper() + loud[0].statement[1:]
    others = len({f.component for f in scene.findings if f.kind in {_K.ERROR_RATE_ROSE, _K.LATENCY_ROSE}}) - 1
    tail = f"; {others} more services show errors or latency" if others > 0 else ""
    since = f" The symptom began at {clock(scene.onset)}." if scene.onset else ""
    return f"{text}{tail}.{since}"

"""Findings from trace edges: calls that fail, and time lost between a caller and its callee."""

from __future__ import annotations

from collections.abc import Iterator

from bot.analysis.facts import Facts, SeenEdge
from bot.analysis.metrics import three_digits
from bot.analysis.signals import make_finding
from bot.domain.evidence import Finding, FindingKind
from connectors.model import Edge

_K = FindingKind


def trace_findings(facts: Facts) -> Iterator[Finding]:
    """Edges of the window against the same edges of the span before, where both were read."""
    before = {_pair(seen.edge): seen for seen in facts.edges if seen.baseline}
    for seen in facts.edges:
        if seen.baseline or not seen.edge.count:
            continue
        old = before.get(_pair(seen.edge))
        yield from _slower(seen, old)
        yield from _wider(seen, old)
        yield from _failing(seen, old)


def _pair(edge: Edge) -> tuple[str, str]:
    return edge.caller, edge.callee


def _slower(seen: SeenEdge, old: SeenEdge | None) -> Iterator[Finding]:
    now = seen.edge.p95_ms or seen.edge.p99_ms or seen.edge.p50_ms
    then = old and (old.edge.p95_ms or old.edge.p99_ms or old.edge.p50_ms)
    if not now or not then or now < 1.5 * then or now - then < 5:
        return
    yield _finding(_K.LATENCY_ROSE, seen, old, "calls", then, now, 0.3 + 0.1 * min(4.0, now / then - 1))


def _wider(seen: SeenEdge, old: SeenEdge | None) -> Iterator[Finding]:
    now, then = seen.edge.gap_ms, old.edge.gap_ms if old else None
    if now is None or then is None or now < 2 * max(then, 0.5) or now - then < 5:
        return
    yield _finding(
        _K.SPAN_GAP_GREW, seen, old, "time between", then, now, 0.4 + 0.1 * min(4.0, now / max(then, 1.0) - 1)
    )


def _failing(seen: SeenEdge, old: SeenEdge | None) -> Iterator[Finding]:
    edge = seen.edge
    share = edge.errors / edge.count
    then = old.edge.errors / old.edge.count if old and old.edge.count else 0.0
    if share < 0.02 or share < 2 * then or edge.errors < 2:
        return
    yield make_finding(
        _K.ERROR_RATE_ROSE,
        f"app/{edge.callee}",
        f"{edge.errors} of {edge.count} traced calls from {edge.caller} to {edge.callee} failed",
        [seen.evidence_id, *([old.evidence_id] if old else [])],
        weight=0.3 + min(0.5, share),
        key=f"{edge.caller}>{edge.callee}/errors",
        data={"caller": edge.caller, "callee": edge.callee, "errors": edge.errors, "count": edge.count},
    )


def _finding(  # noqa: PLR0917
    kind: FindingKind, seen: SeenEdge, old: SeenEdge | None, what: str, then: float, now: float, weight: float
) -> Finding:
    edge = seen.edge
    before, after = three_digits(then), three_digits(now)
    subject = f"{edge.caller} and {edge.callee}" if kind is _K.SPAN_GAP_GREW else f"from {edge.caller} to {edge.callee}"
    verb = "grew" if kind is _K.SPAN_GAP_GREW else "slowed"
    return make_finding(
        kind,
        f"app/{edge.callee}",
        f"{what} {subject} {verb} from {before:g} ms to {after:g} ms",
        [seen.evidence_id, *([old.evidence_id] if old else [])],
        weight=min(0.8, weight),
        key=f"{edge.caller}>{edge.callee}/{kind.value}",
        data={"caller": edge.caller, "callee": edge.callee, "before_ms": before, "after_ms": after},
    )

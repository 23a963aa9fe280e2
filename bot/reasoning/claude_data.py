"""What the model is shown: evidence, findings and gaps as data blocks that no text inside them can leave.

Every block is one JSON object between fixed marks; `<` and `>` inside it are escapes, so that a closing mark can only
be ours. All of it is masked once more on its way out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import islice
from statistics import fmean
from typing import Any

from pydantic import JsonValue

from bot.domain.evidence import Evidence, Finding, Gap, Hypothesis
from bot.domain.question import Analysis, CaseFile, Guidance, Question, Ranking
from connectors.model import Changes, JsonObject, Logs, Objects, Rows, Series, SeriesSet, Text, Traces
from connectors.redaction import is_secret_key, placeholder, redact_json

DETAILS = (30, 12, 5, 1)
"""How many items of each evidence are shown, by how tight the room is; the last level is little but the headline."""

_LONGEST_TEXT = 400
_LONGEST_BLOCK = 16_000
_MOST_FINDINGS = 60
_MOST_HYPOTHESES = 8


def block(kind: str, value: Any) -> str:
    """One data block."""
    masked = redact_json(json.loads(json.dumps(value, default=str, allow_nan=False)))
    body = json.dumps(masked, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    body = body.replace("<", "\\u003c").replace(">", "\\u003e")
    return f'<data kind="{kind}">\n{body}\n</data>'


def question_block(question: Question) -> str:
    return block(
        "question",
        {
            "text": question.text,
            "asked_at": question.asked_at.isoformat(),
            "time_zone": question.time_zone,
        },
    )


def analysis_block(analysis: Analysis) -> str:
    return block(
        "analysis",
        {
            "issue_type": analysis.issue_type.value,
            "window": [analysis.window.start.isoformat(), analysis.window.end.isoformat()],
            "services": list(analysis.services),
            "environment": analysis.environment,
            "keywords": list(analysis.keywords),
        },
    )


def evidence_block(evidence: Evidence, detail: int) -> str:
    """One piece of evidence: what was asked, its headline, and at most `DETAILS[detail]` of its items.

    One that is still long is shown with fewer, so that no single source fills the window.
    """
    made = ""
    for most in DETAILS[min(detail, len(DETAILS) - 1) :]:
        made = _evidence(evidence, most)
        if len(made) <= _LONGEST_BLOCK:
            break
    return made


def _evidence(evidence: Evidence, most: int) -> str:
    window = evidence.source.window or evidence.call.window
    return block(
        "evidence",
        {
            "id": evidence.id,
            "source": evidence.call.connector,
            "tool": evidence.call.tool,
            "query": _cut(evidence.source.query),
            "window": [window.start.isoformat(), window.end.isoformat()] if window else None,
            "headline": evidence.headline,
            "truncated": evidence.truncated,
            "holds": evidence.payload.kind,
            "payload": _payload(evidence, most),
        },
    )


def ranking_block(ranking: Ranking) -> str:
    """What the statistics say: findings with their evidence, hypotheses with their confidence."""
    return block(
        "measured",
        {
            "verdict": ranking.verdict.value,
            "bar": ranking.bar,
            "onset": ranking.onset.isoformat() if ranking.onset else None,
            "summary": ranking.summary,
            "findings": [_finding(one) for one in ranking.findings[:_MOST_FINDINGS]],
            "hypotheses": [_hypothesis(one) for one in ranking.hypotheses[:_MOST_HYPOTHESES]],
        },
    )


def candidates_block(ranking: Ranking) -> str:
    """The causes to choose from, without what the statistics think of them."""
    names = sorted({(one.component, one.cause) for one in ranking.hypotheses})
    return block("candidates", [{"component": component, "cause": cause} for component, cause in names])


def circumstances(case: CaseFile) -> str:
    """What could not be read, and what people said meanwhile."""
    return block(
        "circumstances",
        {
            "gaps": [_gap(gap) for gap in case.gaps[:40]],
            "people_say": [_guidance(one) for one in case.guidance[-10:]],
            "pinned": list(case.pinned),
            "ruled_out": list(case.ruled_out),
        },
    )


def _finding(finding: Finding) -> JsonObject:
    return {
        "id": finding.id,
        "kind": finding.kind.value,
        "component": finding.component,
        "statement": _cut(finding.statement),
        "evidence": list(finding.evidence),
        "onset": finding.onset.isoformat() if finding.onset else None,
        "weight": round(finding.weight, 2),
    }


def _hypothesis(hypothesis: Hypothesis) -> JsonObject:
    return {
        "component": hypothesis.component,
        "cause": hypothesis.cause,
        "confidence": round(hypothesis.confidence, 2),
        "statement": _cut(hypothesis.statement),
        "for": [finding.id for finding in hypothesis.supporting],
        "against": [finding.id for finding in hypothesis.against],
        "ruled_out": hypothesis.ruled_out,
        "pinned": hypothesis.pinned,
    }


def _gap(gap: Gap) -> JsonObject:
    return {"source": gap.source, "reason": gap.reason.value, "text": _cut(gap.text)}


def _guidance(guidance: Guidance) -> str:
    return _cut(guidance.text)


def _payload(evidence: Evidence, most: int) -> Any:
    payload = evidence.payload
    match payload:
        case SeriesSet():
            return [_series(one, most) for one in _first(_loudest(payload.series), most)]
        case Rows():
            return _table(payload, most)
        case Logs():
            ordered = sorted(payload.groups, key=lambda group: (group.baseline_count or 0) - group.count)
            return {"groups": [_slim(one) for one in _first(ordered, most)], "of": len(payload.groups)}
        case Objects() | Changes():
            return {"items": [_slim(one) for one in _first(payload.items, most)], "of": len(payload.items)}
        case Traces():
            return {
                "edges": [_slim(one) for one in _first(payload.edges, most)],
                "slowest": [_slim(one) for one in _first(payload.slowest, max(1, most // 4))],
                "of": len(payload.edges),
            }
        case Text():
            return payload.text[: _LONGEST_TEXT * most]


def _table(payload: Rows, most: int) -> JsonObject:
    """Rows as lists; a column whose name sounds like a secret is masked whole."""
    names = [column.name for column in payload.columns]
    hidden = {index for index, name in enumerate(names) if is_secret_key(name)}
    rows: list[JsonValue] = [
        [placeholder("value", str(cell)) if at in hidden and cell else _shortened(cell) for at, cell in enumerate(row)]
        for row in _first(payload.rows, most)
    ]
    return {"columns": list(names), "rows": rows, "of": len(payload.rows)}


def _slim(value: Any) -> JsonValue:
    return _shortened(value.model_dump(mode="json", exclude_none=True, exclude_defaults=True))


def _shortened(value: JsonValue) -> JsonValue:
    if isinstance(value, str):
        return _cut(value)
    if isinstance(value, list):
        return [_shortened(item) for item in value[:20]]
    if isinstance(value, dict):
        return {key[:_LONGEST_TEXT]: _shortened(item) for key, item in list(value.items())[:40]}
    return value


def _loudest(series: Sequence[Series]) -> list[Series]:
    """Those that changed most against their own first half, first."""
    return sorted(series, key=lambda one: -_swing(one))


def _swing(series: Series) -> float:
    values = [value for _, value in series.points if value is not None]
    if len(values) < 4:
        return 0.0
    half = len(values) // 2
    before, after = fmean(values[:half]), fmean(values[half:])
    return abs(after - before) / (abs(before) + abs(after) + 1e-9)


def _series(series: Series, most: int) -> JsonObject:
    points = [(at, value) for at, value in series.points if value is not None]
    shown = points[:: max(1, len(points) // min(12, most))] if points else []
    values = [value for _, value in points]
    return {
        "metric": series.metric,
        "service": series.service,
        "unit": series.unit,
        "labels": {key: _cut(value) for key, value in list(series.labels.items())[:12]},
        "missing": len(series.points) - len(points),
        "least": _number(min(values)) if values else None,
        "most": _number(max(values)) if values else None,
        "points": [[at.strftime("%m-%d %H:%M:%S"), _number(value)] for at, value in shown],
    }


def _number(value: float) -> float:
    return float(f"{value:.5g}")


def _first(items: Iterable[Any], most: int) -> Iterable[Any]:
    return islice(items, most)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else text[: _LONGEST_TEXT - 1] + "…"

"""The shapes in which the model answers, and how little of an answer counts.

A model words what code ranked. Confidence, verdict, timeline, actions and the list of possible causes stay code's;
whatever names something else is left out here, and what does not stand in the evidence is left out by verification.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from bot.analysis.hostile import is_hostile
from bot.domain.evidence import Finding, FindingKind, Hypothesis
from bot.domain.question import IssueType, Ranking
from bot.domain.report import CitedFinding, ReportHypothesis, Synthesis
from bot.domain.states import Verdict
from bot.reasoning.rules import word
from connectors.model import JsonObject

_LONGEST_SENTENCE = 400
_MOST_HYPOTHESES = 5
_MOST_OBSERVATIONS = 8
_LIVE = re.compile(r"https?:|www\.|<[!@#a-zA-Z/]|\]\(|@(?:channel|here|everyone)\b|javascript:|```", re.IGNORECASE)
# Among near equals a model may choose; it cannot put a cause first that code holds for clearly less likely.
_NEAR = 0.75


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore")


class AnalysisAnswer(_Answer):
    issue_type: str = "unknown"
    services: list[str] = []
    environment: str | None = None
    start: str | None = None
    end: str | None = None
    keywords: list[str] = []


class Observation(_Answer):
    finding: str | None = None
    kind: str = ""
    statement: str
    evidence: list[str] = []


class ToldHypothesis(_Answer):
    component: str
    cause: str
    statement: str = ""
    supporting: list[Observation] = []
    against: list[Observation] = []

    def __init__(self, **data: object) -> None:
        if "for" in data:
            data["supporting"] = data.pop("for")
        super().__init__(**data)


class ReportAnswer(_Answer):
    summary: str = ""
    root_cause: str | None = None
    hypotheses: list[ToldHypothesis] = []


AnswerT = TypeVar("AnswerT", bound=BaseModel)


def _object(properties: JsonObject) -> JsonObject:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


_TEXT: JsonObject = {"type": "string"}
_TEXT_OR_NULL: JsonObject = {"type": ["string", "null"]}
_TEXTS: JsonObject = {"type": "array", "items": _TEXT}
_OBSERVATIONS: JsonObject = {
    "type": "array",
    "items": _object(
        {
            "finding": _TEXT_OR_NULL,
            "kind": {"type": "string", "enum": [kind.value for kind in FindingKind]},
            "statement": _TEXT,
            "evidence": _TEXTS,
        }
    ),
}
ANALYSIS_SCHEMA = _object(
    {
        "issue_type": {"type": "string", "enum": [kind.value for kind in IssueType]},
        "services": _TEXTS,
        "environment": _TEXT_OR_NULL,
        "start": _TEXT_OR_NULL,
        "end": _TEXT_OR_NULL,
        "keywords": _TEXTS,
    }
)
REPORT_SCHEMA = _object(
    {
        "summary": _TEXT,
        "root_cause": _TEXT_OR_NULL,
        "hypotheses": {
            "type": "array",
            "items": _object(
                {
                    "component": _TEXT,
                    "cause": _TEXT,
                    "statement": _TEXT,
                    "for": _OBSERVATIONS,
                    "against": _OBSERVATIONS,
                }
            ),
        },
    }
)


def parse(text: str, shape: type[AnswerT]) -> AnswerT:
    """The answer, or ValueError with a reason that can be told to the model."""
    begin, end = text.find("{"), text.rfind("}")
    if begin < 0 or end < begin:
        raise ValueError("there is no JSON object in it")
    try:
        data = json.loads(text[begin : end + 1])
        return shape.model_validate(data) if not isinstance(data, dict) else shape(**data)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise ValueError(f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}") from error
    except (RecursionError, TypeError) as error:
        raise ValueError("it is not an object of the given shape") from error


def is_plain(text: str) -> bool:
    """A sentence for people: short, printable, nothing live in it, and not an instruction to some assistant."""
    if not text.strip() or len(text) > _LONGEST_SENTENCE or _LIVE.search(text) or is_hostile(text):
        return False
    return not any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") for c in text)


def overlay(answer: ReportAnswer, ranking: Ranking, *, free_order: bool = False) -> Synthesis:
    """Code's own conclusion with the model's words and, among near equals, its order.

    `free_order`: the model may put any ranked cause first (the arm that measures the model alone); the confidence
    of that cause stays what code computed, and the verdict follows from it.
    """
    plain = word(ranking)
    ordered = _ordered(answer, ranking, free_order=free_order)
    if not ordered:
        return plain
    told = {(one.component, one.cause): one for one in answer.hypotheses}
    shown = word(ranking.model_copy(update={"hypotheses": tuple(ordered)})).hypotheses
    hypotheses = tuple(_told(one, told.get((one.component, one.cause)), ranking) for one in shown)
    verdict = _verdict(ordered[0], ranking)
    update: dict[str, object] = {
        "verdict": verdict,
        "confidence": ordered[0].confidence,
        "hypotheses": hypotheses,
        "root_cause": _root_cause(answer, ordered, verdict),
    }
    if is_plain(answer.summary):
        update["summary"] = answer.summary.strip()
    if ordered[0] != ranking.hypotheses[0]:
        update["recommended_actions"] = word(
            ranking.model_copy(update={"hypotheses": tuple(ordered), "verdict": verdict})
        ).recommended_actions
    return plain.model_copy(update=update)


def _ordered(answer: ReportAnswer, ranking: Ranking, *, free_order: bool) -> list[Hypothesis]:
    """The ranked hypotheses with the model's choice in front where it may choose; pinned and ruled out stay."""
    known = {(one.component, one.cause): one for one in ranking.hypotheses}
    best = next((one for one in ranking.hypotheses if not one.ruled_out), None)
    if best is None:
        return list(ranking.hypotheses)
    least = 0.0 if free_order else best.confidence * _NEAR
    asked = dict.fromkeys((one.component, one.cause) for one in answer.hypotheses)
    wanted = [known[key] for key in asked if key in known]
    may_lead = [one for one in wanted if not one.ruled_out and one.confidence >= least]
    if best.pinned or not may_lead:
        return list(ranking.hypotheses)
    if not free_order and (best.confidence >= ranking.bar) != (may_lead[0].confidence >= ranking.bar):
        return list(ranking.hypotheses)
    chosen = may_lead if free_order else may_lead[:1]
    return [*chosen, *(one for one in ranking.hypotheses if one not in chosen)]


def _verdict(leading: Hypothesis, ranking: Ranking) -> Verdict:
    if leading == ranking.hypotheses[0]:
        return ranking.verdict
    if leading.confidence < ranking.bar:
        return Verdict.INCONCLUSIVE
    return Verdict.NO_FAULT_FOUND if leading.cause == "no_fault_found" else Verdict.SUPPORTED


def _root_cause(answer: ReportAnswer, ordered: Sequence[Hypothesis], verdict: Verdict) -> str | None:
    """The model's sentence only when it names the component that leads; else code's."""
    if verdict is not Verdict.SUPPORTED:
        return None
    leading = ordered[0]
    name = leading.component.partition("/")[2].lower()
    text = (answer.root_cause or "").strip()
    return text if is_plain(text) and name in text.lower() else leading.statement


def _told(plain: ReportHypothesis, told: ToldHypothesis | None, ranking: Ranking) -> ReportHypothesis:
    if told is None:
        return plain
    by_id = {finding.id: finding for finding in ranking.findings}
    update: dict[str, object] = {
        "supporting": _observed(plain.supporting, told.supporting, by_id),
        "against": _observed(plain.against, told.against, by_id),
    }
    name = plain.component.partition("/")[2].lower()
    if is_plain(told.statement) and name in told.statement.lower():
        update["statement"] = told.statement.strip()
    return plain.model_copy(update=update)


def _observed(
    measured: Sequence[CitedFinding], told: Iterable[Observation], by_id: dict[str, Finding]
) -> tuple[CitedFinding, ...]:
    """What code measured, and behind it what the model observed; a measured finding is never taken away."""
    known = {kind.value for kind in FindingKind}
    own = {one.statement for one in measured}
    added: dict[str, CitedFinding] = {}
    for one in told:
        finding = by_id.get(one.finding or "")
        kind = finding.kind.value if finding else one.kind
        statement = one.statement.strip()
        if kind in known and one.evidence and is_plain(statement) and statement not in own:
            cited = CitedFinding(finding=kind, statement=statement, evidence=tuple(dict.fromkeys(one.evidence))[:20])
            added.setdefault(statement, cited)
    return (*measured, *list(added.values())[: max(0, _MOST_OBSERVATIONS - len(measured))])

"""What past investigations know about this one: found by words and by likeness, the two ranks fused.

Words are the database's full-text search. Likeness is the cosine between signatures: which kinds of finding stood at
which components, and what was blamed. An embedder, where one is given, adds a third rank.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import structlog

from bot.domain.investigation import Investigation
from bot.domain.question import CaseFile, Ranking
from bot.domain.report import RelatedIssue, Report
from bot.domain.states import Verdict
from bot.errors import BotError
from bot.services.likeness import Embedder, fuse, nearness
from bot.store import Store
from bot.store.search import Document
from connectors.redaction import redact_text

log = structlog.get_logger(__name__)

_CANDIDATES = 30
_LEAST_LIKENESS = 0.35
_LONGEST_TITLE = 240
_LONGEST_BODY = 20_000
_LONGEST_QUERY = 100
Signature = Mapping[str, float]


class Knowledge:
    """Finds related past investigations. Never why an investigation fails: without the store it finds none."""

    def __init__(
        self, store: Store, *, most: int = 5, embedder: Embedder | None = None, embedding_s: float = 3.0
    ) -> None:
        """`embedding_s` is how long a search waits for vectors; late ones are kept for the next search."""
        self._store = store
        self._most = most
        self._embedder = embedder
        self._embedding_s = embedding_s

    async def related(self, case: CaseFile, ranking: Ranking, *, besides: str) -> tuple[RelatedIssue, ...]:
        """Past investigations like this one, best first; `besides` is the one that asks."""
        try:
            await self._catch_up()
            return await self._find(case, ranking, besides)
        except BotError as error:
            log.warning("knowledge.unavailable", reason=str(error))
            return ()

    async def _catch_up(self) -> None:
        """Index what was finished, or judged by a person, since the last time."""
        search = self._store.search
        waiting = await search.unindexed()
        await search.keep([document_of(one) for one in waiting if one.report is not None])

    async def _find(self, case: CaseFile, ranking: Ranking, besides: str) -> tuple[RelatedIssue, ...]:
        search = self._store.search
        words = await search.by_words(_words(case, ranking), limit=_CANDIDATES)
        known = await search.signatures()
        wanted = case_signature(ranking)
        likeness = {one: cosine(wanted, signature) for one, signature in known.items()}
        alike = sorted((one for one in known if likeness[one] >= _LEAST_LIKENESS), key=lambda i: (-likeness[i], i))
        ranks = [words, alike[:_CANDIDATES], *await self._by_vectors(case, ranking, words, alike)]
        fused = [one for one in fuse(ranks) if one != besides and (likeness.get(one, 0) > 0 or not wanted)]
        titles = await search.titles(fused[: self._most])
        return tuple(
            RelatedIssue(investigation_id=one, text=titles[one]) for one in fused[: self._most] if one in titles
        )

    async def _by_vectors(
        self, case: CaseFile, ranking: Ranking, words: Sequence[str], alike: Sequence[str]
    ) -> list[list[str]]:
        """A third rank by an embedder, over what the other two found; none without one, or when it takes too long."""
        if self._embedder is None:
            return []
        titles = await self._store.search.titles(list(dict.fromkeys([*words, *alike]))[:_CANDIDATES])
        ids = sorted(titles)
        texts = [titles[one] for one in ids]
        found = await nearness(self._embedder, _words(case, ranking), texts, wait_s=self._embedding_s)
        if found is None:
            return []
        near = dict(zip(ids, found, strict=True))
        return [sorted(ids, key=lambda one: (-near[one], one))]


def cosine(one: Signature, other: Signature) -> float:
    """0 (nothing in common) to 1."""
    shared = sum(weight * other[feature] for feature, weight in one.items() if feature in other)
    size = math.hypot(*one.values()) * math.hypot(*other.values())
    return shared / size if size else 0.0


def case_signature(ranking: Ranking) -> dict[str, float]:
    """What stands out in a case: kinds of finding by component, and what is blamed."""
    signature: dict[str, float] = {}
    for finding in ranking.findings:
        for feature in (f"{finding.kind.value}@{finding.component}", f"at {finding.component}"):
            signature[feature] = max(signature.get(feature, 0.0), finding.weight)
    for hypothesis in ranking.hypotheses[:3]:
        signature[f"cause {hypothesis.cause}@{hypothesis.component}"] = 2 * hypothesis.confidence
        signature[f"cause {hypothesis.cause}"] = hypothesis.confidence
    return {feature: round(weight, 4) for feature, weight in signature.items() if weight > 0}


def document_of(done: Investigation) -> Document:
    """A finished investigation as it is searched, masked: a question may hold a secret that somebody pasted.

    What a person confirmed is said in its title.
    """
    report = done.report
    assert report is not None, "only an investigation with a report is indexed"
    return Document(
        id=done.id,
        seq=done.seq,
        title=redact_text(_title(done, report))[:_LONGEST_TITLE],
        body=redact_text(_body(done, report))[:_LONGEST_BODY],
        signature=_report_signature(report),
        updated_at=done.updated_at,
    )


def _title(done: Investigation, report: Report) -> str:
    said = report.synthesis.root_cause or report.synthesis.verdict.value.replace("_", " ")
    values = [feedback.get("value") for feedback in done.feedback]
    judged = " (confirmed)" if "confirm_cause" in values else " (a person disagreed)" if "wrong_cause" in values else ""
    return f"{done.created_at:%Y-%m-%d}: {_shortened(report.query)}: {said}{judged}"


def _shortened(query: str) -> str:
    """Masked before it is cut, for half a secret is not recognised as one."""
    masked = redact_text(query)
    return masked if len(masked) <= _LONGEST_QUERY else masked[: _LONGEST_QUERY - 1] + "…"


def _body(done: Investigation, report: Report) -> str:
    synthesis = report.synthesis
    parts = [synthesis.summary, synthesis.root_cause or "", *report.analysis.services, *report.analysis.keywords]
    for hypothesis in synthesis.hypotheses:
        parts += [hypothesis.statement, hypothesis.component, hypothesis.cause.replace("_", " ")]
        parts += [one.statement for one in hypothesis.supporting]
    parts += [str(feedback.get("note", "")) for feedback in done.feedback]
    return "\n".join(dict.fromkeys(part for part in parts if part))


def _report_signature(report: Report) -> dict[str, float]:
    signature: dict[str, float] = {}
    supported = report.synthesis.verdict is Verdict.SUPPORTED
    for hypothesis in report.synthesis.hypotheses[:3]:
        signature[f"cause {hypothesis.cause}@{hypothesis.component}"] = 2 * hypothesis.confidence
        signature[f"cause {hypothesis.cause}"] = hypothesis.confidence * (1.0 if supported else 0.5)
        for one in hypothesis.supporting:
            signature[f"{one.finding}@{hypothesis.component}"] = 0.6
        signature[f"at {hypothesis.component}"] = max(0.3, hypothesis.confidence)
    return {feature: round(weight, 4) for feature, weight in signature.items() if weight > 0}


def _words(case: CaseFile, ranking: Ranking) -> str:
    """What to look for: the question's own words, its services, the leading causes and the loudest findings."""
    parts = [*case.analysis.services, *case.analysis.keywords, case.question.text]
    parts += [f"{h.component.partition('/')[2]} {h.cause.replace('_', ' ')}" for h in ranking.hypotheses[:2]]
    parts += [finding.statement for finding in ranking.findings[:3]]
    return " ".join(parts)

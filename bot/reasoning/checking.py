"""Holds a whole conclusion against its evidence: what a model said and cannot be found there is dropped and counted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from bot.domain.evidence import Evidence
from bot.domain.question import Ranking
from bot.domain.report import Backed, CitedFinding, ReportHypothesis, Synthesis
from bot.reasoning.rules import word
from bot.reasoning.verify import Facts, gather, is_backed


def verify(
    synthesis: Synthesis, *, ranking: Ranking, evidence: Sequence[Evidence], known_names: Iterable[str] = ()
) -> tuple[Synthesis, Backed]:
    """The conclusion with what stands in the evidence, and how much of what was said did.

    Cited statements and timeline entries that fail are left out. Sentences without citations of their own (summary,
    root cause, a hypothesis' statement) may use whatever their report cites; one that fails is said in code's own
    words instead, and stays counted as not backed.
    """
    return _Check(synthesis, ranking, evidence, known_names).run()


class _Check:
    def __init__(
        self, synthesis: Synthesis, ranking: Ranking, evidence: Sequence[Evidence], known_names: Iterable[str]
    ) -> None:
        self._synthesis = synthesis
        self._findings = ranking.findings
        self._plain = word(ranking)
        self._by_id = {item.id: item for item in evidence}
        self._connectors = frozenset(known_names)
        self._components = {f.component.partition("/")[2] for f in ranking.findings}
        self._components |= {h.component.partition("/")[2] for h in ranking.hypotheses}
        self._measured = {finding.statement: finding for finding in ranking.findings}
        self._own = {*self._measured, *_sentences(self._plain), *(entry.text for entry in ranking.timeline)}
        self._cache: dict[tuple[str, ...], Facts] = {}
        self._singles: dict[str, Facts] = {}
        self._universe = self._components
        if any(statement not in self._own for statement in _sentences(synthesis)):
            self._universe = self._components.union(*(self._single(item.id).names for item in evidence))
        self._made = self._backed = 0

    def run(self) -> tuple[Synthesis, Backed]:
        synthesis = self._synthesis
        hypotheses = tuple(self._hypothesis(one) for one in synthesis.hypotheses)
        timeline = tuple(one for one in synthesis.timeline if self._counted(one.text, one.evidence))
        cited = self._cited(synthesis)
        update: dict[str, object] = {
            "hypotheses": hypotheses,
            "timeline": timeline,
            "summary": self._sentence(synthesis.summary, self._plain.summary, cited),
        }
        if synthesis.root_cause:
            own = self._own_statement(synthesis) or synthesis.root_cause
            update["root_cause"] = self._sentence(synthesis.root_cause, own, cited)
        return synthesis.model_copy(update=update), Backed(statements=self._made, backed=self._backed)

    def _hypothesis(self, told: ReportHypothesis) -> ReportHypothesis:
        plain = next((h for h in self._plain.hypotheses if _key(h) == _key(told)), None)
        own = plain.statement if plain else told.statement
        observed = (*told.supporting, *told.against, *(plain.supporting if plain else ()))
        cited = [i for one in observed for i in one.evidence if i in self._by_id]
        return told.model_copy(
            update={
                "supporting": self._kept(told.supporting),
                "against": self._kept(told.against),
                "statement": self._sentence(told.statement, own, cited),
            }
        )

    def _own_statement(self, synthesis: Synthesis) -> str | None:
        if not synthesis.hypotheses:
            return self._plain.root_cause
        leading = _key(synthesis.hypotheses[0])
        return next((h.statement for h in self._plain.hypotheses if _key(h) == leading), None)

    def _kept(self, cited: Sequence[CitedFinding]) -> tuple[CitedFinding, ...]:
        return tuple(item for item in cited if self._counted(item.statement, item.evidence))

    def _counted(self, statement: str, cited: Sequence[str]) -> bool:
        self._made += 1
        stands = self._stands(statement, cited)
        self._backed += stands
        return stands

    def _sentence(self, told: str, own: str, cited: Sequence[str]) -> str:
        """`told` when it stands in what is cited, else `own`. An empty sentence states nothing and is not counted."""
        if not told:
            return told
        return told if self._counted(told, cited) else own

    def _stands(self, statement: str, cited: Sequence[str]) -> bool:
        """Code's own sentences may name what correlation concluded; a model's may name only what it cites."""
        if not cited or any(evidence_id not in self._by_id for evidence_id in cited):
            return False
        facts = self._facts(tuple(sorted(set(cited))))
        if statement not in self._own:
            return is_backed(statement, facts, known_names=self._connectors, universe=self._universe, anchored=True)
        measured = self._measured.get(statement)
        if measured is not None:
            facts = Facts.merged((facts, gather((), [measured.data])))
        return is_backed(statement, facts, known_names=(*self._components, *self._connectors))

    def _facts(self, key: tuple[str, ...]) -> Facts:
        if key not in self._cache:
            related = [f.data for f in self._findings if set(f.evidence) & set(key)]
            parts = [self._single(evidence_id) for evidence_id in key]
            self._cache[key] = Facts.merged((*parts, gather((), related)))
        return self._cache[key]

    def _single(self, evidence_id: str) -> Facts:
        if evidence_id not in self._singles:
            self._singles[evidence_id] = gather([self._by_id[evidence_id]])
        return self._singles[evidence_id]

    def _cited(self, synthesis: Synthesis) -> list[str]:
        """Everything that the report cites, and what its own measured findings stand on."""
        cited = [i for h in synthesis.hypotheses for one in (*h.supporting, *h.against) for i in one.evidence]
        cited += [i for entry in synthesis.timeline for i in entry.evidence]
        cited += [i for finding in self._findings for i in finding.evidence]
        return [i for i in dict.fromkeys(cited) if i in self._by_id]


def _sentences(synthesis: Synthesis) -> Iterator[str]:
    """Every sentence of a conclusion that verification looks at, but for the timeline."""
    yield from (sentence for sentence in (synthesis.summary, synthesis.root_cause) if sentence)
    for hypothesis in synthesis.hypotheses:
        yield hypothesis.statement
        yield from (one.statement for one in (*hypothesis.supporting, *hypothesis.against))


def _key(told: ReportHypothesis) -> tuple[str, str]:
    return told.component, told.cause

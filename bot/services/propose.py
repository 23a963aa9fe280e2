"""From a cause to proposals: runbooks that fit, parameters filled with facts, a dry run of each; nothing is done."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import structlog

from bot.domain.events import EventKind, NewEvent
from bot.domain.evidence import Evidence, Hypothesis
from bot.domain.ids import derived_id
from bot.domain.investigation import Investigation
from bot.domain.question import CaseFile, Ranking
from bot.domain.remediation import (
    Proposal,
    RunbookRef,
    Target,
    digest_of,
    event_payload,
    proposal_stream,
)
from bot.domain.report import RecommendedAction, Report
from bot.domain.states import Risk, Verdict
from bot.errors import BotError, InvalidRequest, SequenceConflict
from bot.services.execute import Execute
from bot.services.facts import Facts, facts_of
from bot.services.policy import Roles
from bot.services.verifying import checks_for
from bot.store import Store
from connectors.errors import ConnectorError
from connectors.model import Clock, Effect, Preview, ToolCall, canonical_json
from connectors.redaction import redact_text
from runbooks.model import Runbook, RunbookCall, RunbookChange, fill, placeholders

log = structlog.get_logger(__name__)

_MOST_PROPOSALS = 2
_MOST_BOOKS = 3
_ACTOR = "system:worker"
_RISKS = tuple(Risk)


class Proposer:
    """Makes proposals. It can preview, and it cannot execute: no approval passes through here."""

    def __init__(
        self,
        *,
        store: Store,
        execute: Execute,
        books: Callable[[], Sequence[Runbook]],
        roles: Roles,
        clock: Clock,
        found: Callable[[Investigation, Hypothesis], Awaitable[None]] | None = None,
    ) -> None:
        self._found = found
        self._store = store
        self._execute = execute
        # Read on first use: a process that starts should answer people before it reads a library.
        self._books = books
        self._roles = roles
        self._clock = clock

    async def propose(self, state: Investigation, case: CaseFile, ranking: Ranking) -> list[Proposal]:
        """Proposals for the leading cause, best first; the same again for the same investigation.

        None for a cause that is not settled, and none for one that a single source speaks for: text that an attacker
        can write must not lead to a change by itself.
        """
        leading = _leading(ranking)
        if leading is None or not _is_independent(leading, case.evidence):
            return []
        await self._tell(state, leading)
        facts = facts_of(leading, case.evidence)
        made: list[Proposal] = []
        await asyncio.to_thread(self._books)  # a second of reading YAML, the first time
        for book in self.fitting(leading, facts)[:_MOST_BOOKS]:
            for change in book.changes:
                if len(made) >= _MOST_PROPOSALS or any(_same_thing(p, change, facts) for p in made):
                    break
                proposal = await self._attempt(state, book, change, leading, ranking, case, facts)
                if proposal is not None:
                    made.append(proposal)
                    break
        return made

    async def _tell(self, state: Investigation, leading: Hypothesis) -> None:
        """Somebody keeps incidents; that this fails is no reason to propose nothing."""
        try:
            if self._found is not None:
                await self._found(state, leading)
        except BotError as error:
            log.warning("incident.not_opened", investigation=state.id, reason=str(error))

    def in_report(self, report: Report, made: Sequence[Proposal], case: CaseFile, ranking: Ranking) -> Report | None:
        """The report with its actions naming the proposals and the runbook; None when there is nothing to add."""
        leading = _leading(ranking)
        fitting = self.fitting(leading, facts_of(leading, case.evidence)) if leading else []
        return with_proposals(report, made, fitting) if made or fitting else None

    def fitting(self, hypothesis: Hypothesis, facts: Mapping[str, Any]) -> list[Runbook]:
        """The runbooks that fit, best first."""
        labels = {name: str(value) for name, value in facts.items() if isinstance(value, str)}
        scored = [(book.fit(hypothesis, labels), book) for book in self._books()]
        found = sorted((pair for pair in scored if pair[0] > 0), key=lambda pair: (-pair[0], pair[1].id))
        return [book for _, book in found]

    async def _attempt(  # noqa: PLR0917 - one proposal is made of all of these
        self,
        state: Investigation,
        book: Runbook,
        change: RunbookChange,
        leading: Hypothesis,
        ranking: Ranking,
        case: CaseFile,
        facts: Facts,
    ) -> Proposal | None:
        """The proposal, or None when a fact is missing, no source can do it, or its dry run is refused."""
        call = self._filled(change, facts)
        if call is None:
            return None
        proposal_id = derived_id("prop", state.id, book.id, call.connector, call.tool, canonical_json(call.arguments))
        try:
            bound, preview = await self.bind(call, proposal_id)
        except InvalidRequest as error:
            log.info("proposal.not_possible", investigation=state.id, runbook=book.id, reason=str(error))
            return None
        evidence = tuple(dict.fromkeys(e for f in leading.supporting for e in f.evidence))
        body = {
            "id": proposal_id,
            "workspace": state.workspace,
            "investigation_id": state.id,
            "title": _title(change, facts),
            "why": leading.statement,
            "risk": max(change.risk or book.risk, book.risk, key=_RISKS.index),
            "requester": state.requester,
            "service": str(facts["service"]) if facts.get("service") else None,
            "environment": case.analysis.environment,
            "cause": leading.cause,
            "component": leading.component,
            "evidence": evidence,
            "runbook": RunbookRef(id=book.id, version=book.version, title=book.title),
            "checks": checks_for(book.verify, leading, ranking, case.evidence),
            "settle_s": book.verify.settle_minutes * 60,
            "undo": self._filled(change.undo, facts) if change.undo else None,
            "undo_title": str(_filled_text(change.undo_title, facts)) if change.undo else "",
        }
        return await self.make(bound, preview, body, actor=_ACTOR)

    async def make(self, call: ToolCall, preview: Preview, body: dict[str, Any], *, actor: str) -> Proposal:
        """Write the proposal down; one of the same id that is there already is given back."""
        now = self._clock.now()
        squad = self._squad(body)
        target = Target(name=preview.target, uid=preview.target_uid, version=preview.target_version)
        proposal = Proposal.model_validate(
            {
                **body,
                "call": call,
                "target": target,
                "diff": preview.diff,
                "warnings": preview.warnings,
                "squad": squad,
                "token": secrets.token_hex(16),
                "digest": digest_of(call, target, preview.diff, body.get("evidence", ())),
                "made_at": now,
                "updated_at": now,
                "expires_at": now + timedelta(minutes=self._roles.policy.expiry_minutes),
            }
        )
        proposal = proposal.model_copy(
            update={"may_approve": self._roles.policy.demand(proposal.subject).words(proposal.squad)}
        )
        event = NewEvent(kind=EventKind.PROPOSAL_MADE, actor=actor, at=now, payload=event_payload(proposal))
        try:
            await self._store.append(proposal_stream(proposal.id), expected_seq=0, events=[event])
        except SequenceConflict:
            log.info("proposal.exists", proposal=proposal.id)
        return await self._store.proposal(proposal.id)

    def _squad(self, body: Mapping[str, Any]) -> str | None:
        """Whoever owns the service that is changed decides, not whoever asked."""
        return body.get("squad") or self._roles.owner_of(body.get("service"))

    async def bind(self, call: ToolCall, proposal_id: str) -> tuple[ToolCall, Preview]:
        """The call with mark, uid and version in it, and its dry run. InvalidRequest with the reason when refused."""
        marked = call.model_copy(update={"arguments": {**call.arguments, "proposal": proposal_id}})
        seen = await self.preview(marked)
        fixed = {"uid": seen.target_uid or "", "version": seen.target_version or ""}
        return marked.model_copy(update={"arguments": {**marked.arguments, **fixed}}), seen

    async def preview(self, call: ToolCall) -> Preview:
        """A dry run, under the source's deadline. InvalidRequest with the reason when it is refused or fails."""
        instance = self._execute.instances.get(call.connector)
        if instance is None:
            raise InvalidRequest(f"There is no source {call.connector!r} any more.")
        connector = instance.connector
        try:
            async with asyncio.timeout(instance.limits.deadline_s):
                if not instance.opened:
                    await connector.open()
                    instance.opened = True
                seen = await connector.preview(call)
        except TimeoutError as error:
            raise InvalidRequest(f"{call.connector} did not answer the dry run in time.") from error
        except ConnectorError as error:
            raise InvalidRequest(str(error)) from error
        except connector.driver_errors as error:
            raise InvalidRequest(str(connector.translate(error))) from error
        return seen.model_copy(update={"diff": redact_text(seen.diff)})

    def _filled(self, change: RunbookCall, facts: Facts) -> ToolCall | None:
        """The call with facts in it, at the instance they came from; None when one is missing or none can do it."""
        instance = self._instance(change, facts)
        if instance is None:
            return None
        try:
            arguments = {key: fill(value, facts) for key, value in change.arguments.items()}
        except KeyError as missing:
            log.info("proposal.fact_missing", fact=str(missing), tool=change.tool)
            return None
        return ToolCall(connector=instance, tool=change.tool, arguments=arguments)

    def _instance(self, change: RunbookCall, facts: Facts) -> str | None:
        """Where the facts came from first; it must offer the write."""
        names = [n for n in self._execute.instances if n.partition("/")[0] == change.source]
        preferred = facts.instances.get(change.source)
        for name in sorted(names, key=lambda n: n != preferred):
            tools = {t.name: t for t in self._execute.instances[name].connector.tools()}
            if change.tool in tools and tools[change.tool].effect is Effect.WRITE:
                return name if name == preferred or preferred is None else None
        return None

    async def undo_of(self, failed: Proposal) -> Proposal | None:
        """The way back after a change that did not help, as a proposal of its own; None when there is none."""
        if failed.undo is None:
            return None
        proposal_id = derived_id("prop", failed.id, "undo")
        try:
            bound, preview = await self.bind(failed.undo, proposal_id)
        except InvalidRequest as error:
            log.info("undo.not_possible", proposal=failed.id, reason=str(error))
            return None
        body = {
            "id": proposal_id,
            "workspace": failed.workspace,
            "investigation_id": failed.investigation_id,
            "title": failed.undo_title or f"Undo: {failed.title}",
            "why": f"“{failed.title}” did not help: {failed.outcome_text}",
            "risk": failed.risk,
            "requester": failed.requester,
            "squad": failed.squad,
            "service": failed.service,
            "environment": failed.environment,
            "cause": failed.cause,
            "component": failed.component,
            "evidence": failed.evidence,
            "runbook": failed.runbook,
            "settle_s": failed.settle_s,
            "undo_of": failed.id,
        }
        return await self.make(bound, preview, body, actor="system:inquest")


def _leading(ranking: Ranking) -> Hypothesis | None:
    if ranking.verdict is not Verdict.SUPPORTED:
        return None
    return next((h for h in ranking.hypotheses if not h.ruled_out), None)


def _is_independent(hypothesis: Hypothesis, evidence: Sequence[Evidence]) -> bool:
    """At least two sources speak for it, and not all of them by their log lines."""
    by_id = {one.id: one for one in evidence}
    cited = [by_id[e] for f in hypothesis.supporting for e in f.evidence if e in by_id]
    measured = [one for one in cited if one.payload.kind not in ("logs", "text")]
    return len({one.call.connector for one in cited}) >= 2 and bool(measured)


def _same_thing(proposal: Proposal, change: RunbookChange, facts: Facts) -> bool:
    """A second runbook that would do what is proposed already."""
    name = fill(change.arguments.get("name"), facts) if placeholders(change.arguments) <= set(facts) else None
    return proposal.call.tool == change.tool and proposal.call.arguments.get("name") == name


def _title(change: RunbookChange, facts: Facts) -> str:
    return str(_filled_text(change.title, facts))[:200]


def _filled_text(text: str, facts: Facts) -> str:
    shown = {**dict.fromkeys(placeholders(text), "?"), **facts}
    for name in ("image", "previous_image"):
        if name in shown:
            shown[name] = str(shown[name]).rpartition("/")[2]
    return str(fill(text, shown))


def with_proposals(report: Report, proposals: Sequence[Proposal], fitting: Sequence[Runbook]) -> Report:
    """The report, its recommended actions naming the proposals, and the runbook that fits best."""
    actions = [
        RecommendedAction(
            text=f"{p.title} (needs {p.may_approve})", proposal_id=p.id, runbook=p.runbook.id if p.runbook else None
        )
        for p in proposals
    ]
    advice = list(report.synthesis.recommended_actions)
    if advice and fitting and advice[0].runbook is None:
        advice[0] = advice[0].model_copy(update={"runbook": fitting[0].id})
    synthesis = report.synthesis.model_copy(update={"recommended_actions": (*actions, *advice)})
    return report.model_copy(update={"synthesis": synthesis})

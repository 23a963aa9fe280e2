"""Carries out what was approved: once, checked right before, recorded before and after, verified, undone if in vain.

One process at a time has this duty. Whatever happens to it, the next one goes on from the log: a change whose end
nobody recorded is settled by reading the target, and is never sent again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from datetime import datetime

import structlog

from bot.border import border
from bot.domain import deciding
from bot.domain.deciding import Observed
from bot.domain.events import EventKind, NewEvent
from bot.domain.evidence import ChosenBy, Evidence, ToolExecution
from bot.domain.remediation import OPEN_STATES, Proposal, ProposalState, SymptomCheck, Target, proposal_stream
from bot.domain.states import Outcome
from bot.errors import BotError, InvalidRequest, SequenceConflict, StoreBusy
from bot.services.execute import Execute
from bot.services.policy import Roles
from bot.services.propose import Proposer
from bot.services.verifying import Reading, judge, window_since
from bot.store import Store
from connectors.model import Clock, Frozen, JsonObject, Objects, ToolCall

log = structlog.get_logger(__name__)

_DUTY = "remediation"
_ACTOR = "system:inquest"
_S = ProposalState
_MOST_CONFLICTS = 50
# A write that the backend surely did not carry out. After any other error nobody knows until the target is read.
_NOT_DONE = frozenset({"rejected", "unauthorized", "not_found", "misconfigured"})


class Pace(Frozen):
    """How often things are looked at. `doubt_s`: how long a target may still show a write that was on its way."""

    tick_s: float = 1.0
    verify_every_s: float = 10.0
    doubt_s: float = 10.0
    lease_s: float = 5.0


class Recorder:
    """Writes what Execute records into the proposal's own stream."""

    def __init__(self, store: Store, proposal_id: str) -> None:
        self._store = store
        self._id = proposal_id

    async def record(self, events: Sequence[NewEvent], evidence: Sequence[Evidence] = ()) -> None:
        for _ in range(_MOST_CONFLICTS):
            state = await self._store.proposal(self._id)
            try:
                await self._store.append(
                    proposal_stream(self._id), expected_seq=state.seq, events=events, evidence=evidence
                )
            except SequenceConflict:
                continue
            return
        raise SequenceConflict("Too many write to this proposal at once.")


class Remediation:
    """Moves proposals on. `run` until cancelled; `kick` when something was decided; `step` for one proposal."""

    def __init__(
        self,
        *,
        store: Store,
        execute: Execute,
        proposer: Proposer,
        roles: Roles,
        clock: Clock,
        worker: str,
        pace: Pace | None = None,
        observe: Callable[[Proposal], None] | None = None,
    ) -> None:
        self._noted = observe or (lambda _: None)
        self._store = store
        self._execute = execute
        self._proposer = proposer
        self._roles = roles
        self._clock = clock
        self._worker = worker
        self._pace = pace or Pace()
        self._kicked = asyncio.Event()
        self._active: dict[str, asyncio.Task[None]] = {}

    def kick(self) -> None:
        """Look at once; a decision was made."""
        self._kicked.set()

    async def run(self) -> None:
        """Until cancelled. Only the process that has the duty does anything."""
        try:
            while True:
                with border("remediation.round_failed"):
                    await self._round()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._kicked.wait(), self._pace.tick_s)
                self._kicked.clear()
        finally:
            for task in self._active.values():
                task.cancel()
            await asyncio.gather(*self._active.values(), return_exceptions=True)
            with contextlib.suppress(BotError):
                await self._store.drop(_DUTY, worker=self._worker)

    async def _round(self) -> None:
        if not await self._store.hold(_DUTY, worker=self._worker, lease_s=self._pace.lease_s):
            return
        for proposal in await self._store.proposals(states=OPEN_STATES, limit=1_000):
            task = self._active.get(proposal.id)
            if task is None or task.done():
                self._active[proposal.id] = asyncio.create_task(self._guarded(proposal.id), name=proposal.id)
        self._active = {key: task for key, task in self._active.items() if not task.done()}

    async def _guarded(self, proposal_id: str) -> None:
        """One proposal; what another was quicker at is looked at again in the next round."""
        with border("remediation.step_failed", proposal=proposal_id):
            try:
                await self.step(proposal_id)
            except (SequenceConflict, StoreBusy) as error:
                log.info("remediation.again", proposal=proposal_id, reason=str(error))

    async def step(self, proposal_id: str) -> Proposal:
        """Move one proposal on as far as it goes now, and give it back."""
        proposal = await self._store.proposal(proposal_id)
        if proposal.state is _S.PROPOSED and self._clock.now() >= proposal.expires_at:
            return await self._append(proposal, EventKind.PROPOSAL_EXPIRED, {"reason": "nobody decided in time"})
        if proposal.state is _S.APPROVED:
            proposal = await self._begin(proposal)
        elif proposal.state is _S.EXECUTING:
            proposal = await self._found_executing(proposal)
        if proposal.state is _S.UNKNOWN:
            proposal = await self._settle(proposal)
        if proposal.state is _S.VERIFYING:
            proposal = await self._verify(proposal)
        return proposal

    # -- carrying out ------------------------------------------------------------------------------------------------

    async def _begin(self, proposal: Proposal) -> Proposal:
        """Everything is checked again against what is now; then the intent is recorded; then it is sent, once."""
        now = self._clock.now()
        if now >= proposal.expires_at:
            return await self._append(proposal, EventKind.PROPOSAL_EXPIRED, {"reason": "the approval expired"})
        seen = await self._observe(proposal)
        if isinstance(seen, str):
            return await self._append(proposal, EventKind.PROPOSAL_SUPERSEDED, {"reason": seen})
        around = await self._roles.surroundings()
        said = deciding.start_refusal(proposal, seen, now=self._clock.now(), around=around)
        if said:
            return await self._append(proposal, EventKind.PROPOSAL_SUPERSEDED, {"reason": said})
        payload: JsonObject = {
            "executor": self._worker,
            "digest": proposal.digest,
            "approvals": [approval.id for approval in deciding.counted(proposal, around)],
        }
        # Whoever appends this first executes; everybody else's view is old by then.
        begun = await self._append(proposal, EventKind.EXECUTION_STARTED, payload)
        self._noted(begun)
        execution = await self._call(begun, begun.call, approval=begun.id, phase="execute")
        return await self._record_end(begun.id, execution)

    async def _observe(self, proposal: Proposal) -> Observed | str:
        """The target and its dry run as they are now, or why there is none."""
        try:
            seen = await self._proposer.preview(proposal.call)
        except InvalidRequest as error:
            return str(error)
        target = Target(name=seen.target, uid=seen.target_uid, version=seen.target_version)
        return Observed(target=target, diff=seen.diff)

    async def _call(
        self, proposal: Proposal, call: ToolCall, *, approval: str | None = None, phase: str
    ) -> ToolExecution:
        stream = proposal_stream(proposal.id)
        self._execute.attach(stream, Recorder(self._store, proposal.id))
        try:
            return await self._execute.run(
                call, by=ChosenBy.RUNBOOK, stream=stream, phase=phase, approval=approval, why=proposal.title
            )
        finally:
            self._execute.detach(stream)

    async def _record_end(self, proposal_id: str, execution: ToolExecution) -> Proposal:
        proposal = await self._store.proposal(proposal_id)
        if execution.outcome in (Outcome.SUCCEEDED, Outcome.EMPTY):
            text = _outcome_of(execution)[1]
            payload: JsonObject = {"outcome": "succeeded", "text": text, "execution_id": execution.id}
            return await self._append(proposal, EventKind.EXECUTION_FINISHED, payload)
        if execution.error_kind in _NOT_DONE or execution.outcome is Outcome.SKIPPED:
            payload = {"outcome": "failed", "error": execution.error or "It was refused.", "execution_id": execution.id}
            return await self._append(proposal, EventKind.EXECUTION_FINISHED, payload)
        reason = execution.error or "The answer did not come."
        return await self._append(proposal, EventKind.OUTCOME_UNKNOWN, {"reason": reason})

    # -- settling ----------------------------------------------------------------------------------------------------

    async def _found_executing(self, proposal: Proposal) -> Proposal:
        """Executing, and not by a task of ours: whoever did it is gone. Nobody knows how far it got."""
        reason = "The process that carried it out ended before it could record the outcome."
        return await self._append(proposal, EventKind.OUTCOME_UNKNOWN, {"reason": reason})

    async def _settle(self, proposal: Proposal) -> Proposal:
        """Ask the target whether it carries the mark. A "no" counts only when a late write has had time to arrive."""
        execution = await self._call(proposal, _outcome_call(proposal), phase="settle")
        proposal = await self._store.proposal(proposal.id)
        applied, text, _ = _outcome_of(execution)
        if execution.outcome not in (Outcome.SUCCEEDED, Outcome.EMPTY):
            return proposal  # the target does not answer; asked again on the next round
        waited_s = (self._clock.now() - _unknown_since(proposal)).total_seconds()
        if applied is not True and waited_s < self._pace.doubt_s:
            return proposal
        payload: JsonObject = {"applied": applied, "text": text or "the target cannot tell"}
        return await self._append(proposal, EventKind.TARGET_READ, payload)

    # -- verifying ---------------------------------------------------------------------------------------------------

    async def _verify(self, proposal: Proposal) -> Proposal:
        """Until the target is settled and the symptom gone, or the time is up."""
        since = proposal.finished_at or proposal.updated_at
        while True:
            settled, words = await self._target_settled(proposal)
            readings = [await self._read(proposal, check) for check in proposal.checks] if settled else []
            proposal = await self._store.proposal(proposal.id)
            if proposal.state is not _S.VERIFYING:
                return proposal
            if settled and all(r.gone is True for r in readings):
                return await self._verified(proposal, "succeeded", words, readings)
            if (self._clock.now() - since).total_seconds() >= proposal.settle_s:
                proposal = await self._verified(proposal, "failed", words, readings)
                return await self._propose_undo(proposal)
            await asyncio.sleep(self._pace.verify_every_s)

    async def _target_settled(self, proposal: Proposal) -> tuple[bool, str]:
        execution = await self._call(proposal, _outcome_call(proposal), phase="verify")
        _, words, settled = _outcome_of(execution)
        return settled, words

    async def _read(self, proposal: Proposal, check: SymptomCheck) -> Reading:
        """The finding's own query, over the time since the change."""
        now = self._clock.now()
        call = check.call.model_copy(update={"window": window_since(proposal, now)})
        execution = await self._call(proposal, call, phase="verify")
        if execution.evidence is None:
            text = execution.error or "no answer"
            quiet = execution.outcome is Outcome.EMPTY
            return Reading(statement=check.statement, gone=True if quiet and check.before is None else None, text=text)
        since = proposal.finished_at or now
        return await asyncio.to_thread(judge, check, execution.evidence, since=since, now=now)

    async def _verified(self, proposal: Proposal, outcome: str, words: str, readings: Sequence[Reading]) -> Proposal:
        lines = [reading.text for reading in readings] or ["there was no measurement to hold it against"]
        text = "; ".join([words, *lines]) if words else "; ".join(lines)
        payload: JsonObject = {
            "outcome": outcome,
            "text": text,
            "readings": [reading.model_dump(mode="json") for reading in readings],
        }
        proposal = await self._append(proposal, EventKind.VERIFICATION_FINISHED, payload)
        self._noted(proposal)
        if outcome == "succeeded" and proposal.undo_of:
            await self._rolled_back(proposal)
        return proposal

    async def _propose_undo(self, failed: Proposal) -> Proposal:
        undo = await self._proposer.undo_of(failed)
        if undo is None:
            return failed
        return await self._append(failed, EventKind.UNDO_PROPOSED, {"proposal_id": undo.id})

    async def _rolled_back(self, undo: Proposal) -> None:
        """The change that did not help is undone: its own record says so."""
        original = await self._store.proposal(undo.undo_of or "")
        if original.state is _S.FAILED:
            payload: JsonObject = {"outcome": "rolled_back", "by": undo.id, "text": f"undone by {undo.id}"}
            await self._append(original, EventKind.VERIFICATION_FINISHED, payload)

    async def _append(self, proposal: Proposal, kind: EventKind, payload: JsonObject) -> Proposal:
        """One event behind what was seen; SequenceConflict when somebody else wrote first."""
        event = NewEvent(kind=kind, actor=_ACTOR, at=self._clock.now(), payload=payload)
        await self._store.append(proposal_stream(proposal.id), expected_seq=proposal.seq, events=[event])
        return await self._store.proposal(proposal.id)


def _outcome_call(proposal: Proposal) -> ToolCall:
    arguments: JsonObject = {"tool": proposal.call.tool, "arguments": proposal.call.arguments}
    return ToolCall(connector=proposal.call.connector, tool="read_outcome", arguments=arguments)


def _outcome_of(execution: ToolExecution) -> tuple[bool | None, str, bool]:
    """Applied, in words, settled; as an Outcome item says it."""
    payload = execution.evidence.payload if execution.evidence else None
    item = payload.items[0] if isinstance(payload, Objects) and payload.items else None
    if item is None:
        return None, execution.error or "", False
    applied = item.fields.get("applied")
    # A ticket that was made says where it is.
    text = str(item.fields.get("text") or (f"{item.name} {item.fields['url']}" if item.fields.get("url") else ""))
    return (applied if isinstance(applied, bool) else None), text, item.fields.get("settled") is True


def _unknown_since(proposal: Proposal) -> datetime:
    return next(step.at for step in reversed(proposal.story) if step.kind is EventKind.OUTCOME_UNKNOWN)

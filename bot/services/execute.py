"""The one gate: every ToolCall, whoever wished for it, runs here and nowhere else.

Arguments are typed, the guard inside the connector judges the text, the deadline and the budget are configuration's,
secrets are masked before anything is kept, start and finish are events, and a write without a live approval of
exactly this digest is refused.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import stamina

from bot.domain.events import EventKind, NewEvent
from bot.domain.evidence import ChosenBy, Evidence, ToolExecution
from bot.domain.ids import ApprovalId, StreamId, make_id
from bot.domain.states import Outcome
from bot.errors import BotError
from bot.services.breaker import Breaker
from bot.services.budget import Budget, Ledger
from bot.services.gaps import gap_of
from bot.services.headlines import headline, is_quick
from bot.services.masking import redact_payload
from bot.tracing import tracer
from connectors.base import Connector, parse_arguments
from connectors.errors import ConnectorError, Malformed, Rejected, Throttled, TimedOut, Unavailable
from connectors.model import (
    CallStats,
    Clock,
    Effect,
    JsonObject,
    Limits,
    ToolCall,
    ToolResult,
)
from connectors.redaction import redact_text

# A backend that was slow or shaky is worth a second and a third try; one that said no is not.
_RETRYABLE = (Unavailable, Throttled)
_BREAKER_FAILURES = (Unavailable, TimedOut, Malformed)
_ATTEMPTS = 3
_CALLS_PER_INSTANCE = 8


class Recorder(Protocol):
    """Where the gate writes what happened; the journal of an investigation, or the store itself."""

    async def record(self, events: Sequence[NewEvent], evidence: Sequence[Evidence] = ()) -> None: ...


class ApprovalCheck(Protocol):
    """Says whether an approval is live and covers exactly this call; None means yes, else the reason."""

    async def refusal(self, approval: ApprovalId | None, call: ToolCall) -> str | None: ...


class NoApprovals:
    """For processes that carry out no changes: every write is refused."""

    async def refusal(self, approval: ApprovalId | None, call: ToolCall) -> str | None:
        return "A change needs a live approval of exactly this call; there is none."


@dataclass
class Instance:
    """One configured connector with its caps and its state in this process."""

    connector: Connector[Any]
    limits: Limits
    breaker: Breaker
    gate: asyncio.Semaphore
    opened: bool = False


@dataclass(frozen=True)
class _Wish:
    id: str
    call: ToolCall
    by: ChosenBy
    phase: str | None
    started_at: datetime


@dataclass(frozen=True)
class _Attempted:
    outcome: Outcome
    result: ToolResult | None = None
    error: ConnectorError | None = None
    attempts: int = 1
    reason: str | None = None
    error_kind: str | None = None


class Execute:
    """Runs tool calls. One per process; `run` never raises for a failing call."""

    def __init__(
        self,
        connectors: Mapping[str, tuple[Connector[Any], Limits]],
        *,
        clock: Clock,
        approvals: ApprovalCheck | None = None,
        budget: Budget | None = None,
        observe: Callable[[ToolExecution], None] | None = None,
    ) -> None:
        self._instances = {
            name: Instance(connector, limits, Breaker(), asyncio.Semaphore(_CALLS_PER_INSTANCE))
            for name, (connector, limits) in connectors.items()
        }
        self._clock = clock
        self._approvals = approvals or NoApprovals()
        self._budget = budget or Budget()
        self._ledgers: dict[StreamId, Ledger] = {}
        self._recorders: dict[StreamId, Recorder] = {}
        self._still_ours: dict[StreamId, Callable[[], Awaitable[None]]] = {}
        self._opening: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._observe = observe

    @property
    def instances(self) -> Mapping[str, Instance]:
        return self._instances

    def attach(
        self,
        stream: StreamId,
        recorder: Recorder,
        ledger: Ledger | None = None,
        *,
        still_ours: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Send what happens on `stream` to `recorder` until `detach`.

        `still_ours` is asked right before each call goes out, and raises FenceLost when it should not.
        """
        if still_ours is not None:
            self._still_ours[stream] = still_ours
        self._recorders[stream] = recorder
        self._ledgers[stream] = ledger or Ledger(self._budget)

    def detach(self, stream: StreamId) -> None:
        self._recorders.pop(stream, None)
        self._still_ours.pop(stream, None)
        self._ledgers.pop(stream, None)

    @property
    def budget(self) -> Budget:
        return self._budget

    def execution_id(self) -> str:
        return make_id("ex", secrets.token_bytes(10))

    def started_event(
        self, execution_id: str, call: ToolCall, *, by: ChosenBy, phase: str | None, why: str = ""
    ) -> NewEvent:
        """The event that says a call is about to run."""
        payload: JsonObject = {
            "execution_id": execution_id,
            "call": call.model_dump(mode="json"),
            "digest": call.digest,
            "by": by.value,
            "phase": phase,
            "why": why,
        }
        return NewEvent(kind=EventKind.TOOL_STARTED, actor=f"system:{by.value}", at=self._clock.now(), payload=payload)

    async def run(
        self,
        call: ToolCall,
        *,
        by: ChosenBy,
        stream: StreamId,
        phase: str | None = None,
        approval: ApprovalId | None = None,
        execution_id: str | None = None,
        why: str = "",
    ) -> ToolExecution:
        """Run one call and record its start and its finish.

        With `execution_id`, the start was recorded already (many starts share one commit). Raises only when
        recording itself fails, or on cancellation.
        """
        recorder = self._recorders[stream]
        if execution_id is None:
            execution_id = self.execution_id()
            await recorder.record([self.started_event(execution_id, call, by=by, phase=phase, why=why)])
        wish = _Wish(execution_id, call, by, phase, self._clock.now())
        with tracer.start_as_current_span(f"{call.connector} {call.tool}") as span:
            attempted = await self._attempt(call, stream=stream, approval=approval)
            span.set_attribute("inquest.outcome", attempted.outcome.value)
        execution = await self._execution(wish, attempted)
        events, evidence = self._finished(execution)
        await recorder.record(events, evidence)
        if self._observe:
            self._observe(execution)
        return execution

    async def _attempt(self, call: ToolCall, *, stream: StreamId, approval: ApprovalId | None) -> _Attempted:
        instance = self._instances.get(call.connector)
        if instance is None:
            known = ", ".join(sorted(self._instances)) or "none"
            return _Attempted(
                Outcome.SKIPPED,
                reason=f"There is no source {call.connector!r}. Configured: {known}.",
                error_kind="not_configured",
            )
        refusal = await self._refusal(instance, call, approval)
        if refusal:
            return _Attempted(Outcome.REFUSED, reason=refusal, error_kind="rejected")
        ledger = self._ledgers[stream]
        over = ledger.refusal()
        if over:
            return _Attempted(Outcome.SKIPPED, reason=over, error_kind="too_expensive")
        ledger.reserve()
        attempted: _Attempted | None = None
        try:
            attempted = await self._guarded(instance, call, self._still_ours.get(stream))
        finally:
            ledger.settle(attempted.result.stats if attempted and attempted.result else None)
        return attempted

    async def _refusal(self, instance: Instance, call: ToolCall, approval: ApprovalId | None) -> str | None:
        try:
            tool = instance.connector.tool(call.tool)
            parse_arguments(tool, call)
        except ConnectorError as error:
            return str(error)
        if tool.effect is Effect.WRITE:
            return await self._approvals.refusal(approval, call)
        return None

    async def _guarded(
        self, instance: Instance, call: ToolCall, still_ours: Callable[[], Awaitable[None]] | None
    ) -> _Attempted:
        """Under the breaker and the deadline. The deadline covers waiting, opening and every retry."""
        name, limits = call.connector, instance.limits
        if not instance.breaker.admits():
            wait = instance.breaker.remaining_s()
            return _Attempted(
                Outcome.FAILED,
                reason=f"{name} failed several times in a row; it is asked again in {wait:.0f} s.",
                error_kind="unavailable",
            )
        try:
            async with asyncio.timeout(limits.deadline_s):
                async with instance.gate:
                    await self._open(instance)
                    if still_ours is not None:
                        await still_ours()
                    attempted = await self._with_retries(instance, call)
        except TimeoutError:
            error = TimedOut(f"{name} did not answer within {limits.deadline_s:g} s.")
            attempted = _Attempted(Outcome.TIMED_OUT, error=error)
        except (asyncio.CancelledError, BotError):
            instance.breaker.abandoned()
            raise
        if isinstance(attempted.error, _BREAKER_FAILURES):
            instance.breaker.failed()
        else:
            instance.breaker.succeeded()
        return attempted

    async def _open(self, instance: Instance) -> None:
        if instance.opened:
            return
        async with self._opening[instance.connector.name]:
            if not instance.opened:
                await instance.connector.open()
                instance.opened = True

    async def _with_retries(self, instance: Instance, call: ToolCall) -> _Attempted:
        number = 0
        # A write is sent once: an answer that did not come does not mean that nothing was done.
        writes = instance.connector.tool(call.tool).effect is Effect.WRITE
        try:
            async for attempt in stamina.retry_context(
                on=_worth_a_retry,
                attempts=1 if writes else _ATTEMPTS,
                timeout=instance.limits.deadline_s,
                wait_initial=0.1,
                wait_max=2.0,
                wait_jitter=0.1,
            ):
                with attempt:
                    number = attempt.num
                    result = await instance.connector.call(call, instance.limits)
        except TimedOut as error:
            return _Attempted(Outcome.TIMED_OUT, error=error, attempts=number)
        except Rejected as error:
            return _Attempted(Outcome.REFUSED, error=error, attempts=number)
        except ConnectorError as error:
            return _Attempted(Outcome.FAILED, error=error, attempts=number)
        outcome = Outcome.EMPTY if result.is_empty else Outcome.SUCCEEDED
        return _Attempted(outcome, result=result, attempts=number)

    async def _execution(self, wish: _Wish, attempted: _Attempted) -> ToolExecution:
        finished_at = max(self._clock.now(), wish.started_at)
        evidence = await self._keep(wish, attempted.result, finished_at) if attempted.result else None
        reason = attempted.reason or (str(attempted.error) if attempted.error else None)
        return ToolExecution(
            id=wish.id,
            call=wish.call,
            by=wish.by,
            phase=wish.phase,
            started_at=wish.started_at,
            finished_at=finished_at,
            outcome=attempted.outcome,
            error_kind=attempted.error_kind or (attempted.error.kind if attempted.error else None),
            error=redact_text(reason) if reason else None,
            evidence=evidence,
            stats=attempted.result.stats if attempted.result else CallStats(api_calls=attempted.attempts),
            attempts=attempted.attempts,
        )

    async def _keep(self, wish: _Wish, result: ToolResult, at: datetime) -> Evidence:
        payload = redact_payload(result.payload)
        source = result.source.model_copy(update={"query": redact_text(result.source.query)})
        evidence = Evidence(
            id="ev_" + wish.id.partition("_")[2],
            call=wish.call,
            payload=payload,
            source=source,
            truncated=result.truncated,
            collected_at=at,
        )
        if is_quick(evidence):
            return evidence.model_copy(update={"headline": headline(evidence, now=at)})
        words = await asyncio.to_thread(headline, evidence, now=at)
        return evidence.model_copy(update={"headline": words})

    def _finished(self, execution: ToolExecution) -> tuple[list[NewEvent], list[Evidence]]:
        evidence, actor = execution.evidence, f"system:{execution.by.value}"
        finish: JsonObject = {
            "execution_id": execution.id,
            "outcome": execution.outcome.value,
            "error_kind": execution.error_kind,
            "error": execution.error,
            "evidence_id": evidence.id if evidence else None,
            "headline": evidence.headline if evidence else (execution.error or ""),
            "truncated": evidence.truncated if evidence else None,
            "stats": execution.stats.model_dump(mode="json"),
            "attempts": execution.attempts,
        }
        events = [NewEvent(kind=EventKind.TOOL_FINISHED, actor=actor, at=execution.finished_at, payload=finish)]
        gap = gap_of(execution)
        if gap:
            noted: JsonObject = {"gap": gap.model_dump(mode="json")}
            events.append(NewEvent(kind=EventKind.GAP_NOTED, actor=actor, at=execution.finished_at, payload=noted))
        if evidence is None:
            return events, []
        kept: JsonObject = {
            "evidence_id": evidence.id,
            "execution_id": execution.id,
            "kind": evidence.payload.kind,
            "digest": evidence_digest(evidence),
            "source": evidence.source.model_dump(mode="json"),
            "headline": evidence.headline,
        }
        events.insert(0, NewEvent(kind=EventKind.EVIDENCE_KEPT, actor=actor, at=execution.finished_at, payload=kept))
        return events, [evidence]

    async def close(self) -> None:
        """Close every connector that was opened; one that will not close does not keep the others open."""
        opened = [i.connector.close() for i in self._instances.values() if i.opened]
        await asyncio.gather(*opened, return_exceptions=True)


def evidence_digest(evidence: Evidence) -> str:
    """SHA-256 (hex) of the evidence as kept, so that the log proves that it was not edited later."""
    return hashlib.sha256(evidence.model_dump_json().encode("utf-8", "surrogatepass")).hexdigest()


def _worth_a_retry(error: Exception) -> bool | float:
    if not isinstance(error, _RETRYABLE):
        return False
    return error.retry_after_s if error.retry_after_s is not None else True

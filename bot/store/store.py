"""The store: an append-only log with current rows, on SQLite or PostgreSQL. One class, the same on both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from datetime import datetime

from bot.domain.events import Event, NewEvent
from bot.domain.evidence import Evidence
from bot.domain.ids import investigation_stream, stream_subject
from bot.domain.investigation import Investigation
from bot.domain.remediation import Proposal, ProposalState
from bot.domain.states import InvestigationState
from bot.errors import BotError, InvalidRequest, SequenceConflict, StoreBusy, UnknownId
from bot.store import access, forgetting, reading, remediation, rows, verify
from bot.store.audit import AuditLog, ChainEnd
from bot.store.backend import Backend
from bot.store.discovery import Discovery
from bot.store.gathering import Gathered
from bot.store.masked import MaskedValues
from bot.store.model import Appended, BrokenLink, DuplicateDelivery, Fence, RoleBinding
from bot.store.opening import open_backend
from bot.store.query_history import QueryHistory
from bot.store.queue import Queue
from bot.store.retrying import again_when_away
from bot.store.search import Search
from bot.store.showing import Showing
from bot.store.signals import Signals, wait_for
from bot.store.sweep_states import SweepStates
from bot.store.turns import Turns
from bot.store.writing import (
    EMPTY,
    INVESTIGATION_PREFIX,
    Head,
    Writing,
    delivered_to,
    fence_lost,
    holds,
    prepare,
)
from connectors.model import Clock, SystemClock

_FOLLOW_POLL_S = 1.0
_CHUNK = 1_000


class Store(Queue, Showing):
    """Everything durable. Errors are BotErrors with a sentence that is safe to show."""

    def __init__(self, backend: Backend, *, workspace: str, clock: Clock, signals: Signals) -> None:
        super().__init__(backend, workspace=workspace, clock=clock, signals=signals)
        self._seqs = Gathered(self._ask_seqs)

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        workspace: str = "default",
        clock: Clock | None = None,
        create: bool = False,
        redis_url: str = "",
    ) -> Store:
        """Open the database at the schema this version needs.

        `create`: lay the tables when the database is empty. SchemaOutdated names what to run; StoreBusy when the
        SQLite file belongs to another process, or the database does not answer. `redis_url`: where processes on
        one PostgreSQL wake each other; without it, or when it is away, they do so through the database.
        """
        signals = Signals()
        backend = await open_backend(url, signals=signals, create=create, redis_url=redis_url)
        return cls(backend, workspace=workspace, clock=clock or SystemClock(), signals=signals)

    # events

    async def append(
        self,
        stream: str,
        *,
        expected_seq: int,
        events: Sequence[NewEvent],
        evidence: Sequence[Evidence] = (),
        fence: Fence | None = None,
        delivery_id: str | None = None,
    ) -> Appended:
        """Append behind `expected_seq` (0: the stream is new), all of it or nothing, in one transaction.

        SequenceConflict: somebody appended first. FenceLost: another worker has the claim. DuplicateDelivery: this
        delivery already had its effect. StoreBusy: the database cannot take it now; nothing is half written.
        """
        if not events:
            raise InvalidRequest("There is nothing to append.")
        head = await self._head_at(stream, expected_seq, fence=fence, delivery_id=delivery_id)
        kept = [rows.evidence_row(self._workspace, stream, one) for one in evidence]
        writing = prepare(
            self._workspace, stream, head, new=events, evidence_rows=kept, fence=fence, delivery_id=delivery_id
        )
        after = await self._shielded(writing)
        return Appended.model_construct(events=writing.events, investigation=after.investigation)

    async def _head_at(self, stream: str, seq: int, *, fence: Fence | None, delivery_id: str | None) -> Head:
        head = self._heads.get(stream)
        if seq == 0:
            head = EMPTY
        elif head is None or head.seq < seq:
            head = await self._ask(lambda c: reading.head(c, self._workspace, stream))
        if head.seq == seq:
            return head
        seen = await self.delivery_seen(delivery_id) if delivery_id else None
        if delivery_id and seen:
            raise DuplicateDelivery(delivery_id, stream=seen)
        if fence and not await self._still_holds(fence):
            raise fence_lost(fence)
        raise SequenceConflict(f"Somebody else wrote to {stream} first.")

    async def _still_holds(self, fence: Fence) -> bool:
        return await self._ask(lambda c: holds(c, fence))

    async def _shielded(self, writing: Writing) -> Head:
        """A caller that is cancelled does not tear a transaction apart: it ends, and is remembered."""
        task = asyncio.create_task(self._write(writing))
        self._writes.add(task)
        task.add_done_callback(self._written)
        return await asyncio.shield(task)

    def _written(self, task: asyncio.Task[Head]) -> None:
        self._writes.discard(task)
        if not task.cancelled():
            task.exception()

    async def _write(self, writing: Writing) -> Head:
        try:
            await self._write_surely(writing)
        except BotError:
            self._heads.pop(writing.stream, None)
            raise
        self._remember(writing)
        return writing.after

    async def _write_surely(self, writing: Writing) -> None:
        """Across a broken link: the hash says whether an earlier try was committed, so it is never written twice."""
        await again_when_away(lambda attempt: self._backend.append(writing, again=attempt > 0))

    async def read(self, stream: str, *, after: int = 0, limit: int = 10_000) -> list[Event]:
        """The events behind `after`, in order; empty for an unknown stream."""
        found = await self._ask(lambda c: reading.events(c, self._workspace, stream, after=after, limit=limit))
        head = self._heads.get(stream)
        if found and head is not None and head.seq < found[-1].seq:
            del self._heads[stream]  # committed and not yet remembered: nobody sees a state older than these events
        return found

    async def follow(self, stream: str, *, after: int) -> AsyncIterator[Event]:
        """Every event behind `after`, and then each as it comes, until the caller stops."""
        with self._signals.following(stream) as follower:
            while True:
                found, look = follower.take(after)
                while look and (found := await self.read(stream, after=after, limit=_CHUNK)):
                    for event in found:
                        yield event
                    after = found[-1].seq
                for event in found:
                    yield event
                    after = event.seq
                if not await wait_for(follower.changed, _FOLLOW_POLL_S) and await self._has_grown(stream, after):
                    follower.look()

    async def _has_grown(self, stream: str, after: int) -> bool:
        """Whether there is more than a follower has; hundreds who ask at the same moment share one question."""
        if not stream.startswith(INVESTIGATION_PREFIX):
            return True
        try:
            seq = await self._seqs.get(stream_subject(stream))
        except StoreBusy:
            return False  # asked again soon: a database that is away for a moment ends nobody's following
        return seq is None or seq > after

    async def delivery_seen(self, delivery_id: str) -> str | None:
        """The stream that this delivery led to; None when it has had no effect yet."""
        return await self._ask(lambda c: delivered_to(c, self._workspace, delivery_id))

    async def first_broken_link(self, stream: str) -> BrokenLink | None:
        """None when every event of the stream, and its end, are as they were written."""
        return await self._ask(lambda c: verify.first_broken_link(c, self._workspace, stream))

    async def broken_links(self) -> list[BrokenLink]:
        """The first broken link of every stream that has one."""
        streams = await self._ask(lambda c: verify.streams(c, self._workspace))
        found = [await self.first_broken_link(stream) for stream in streams]
        return [link for link in found if link is not None]

    # current rows

    async def investigation(self, investigation_id: str) -> Investigation:
        """The investigation as it is now. UnknownId."""
        stream = investigation_stream(investigation_id)
        if stream in self._heads:
            seq = 0 if self._backend.alone else await self._seqs.get(investigation_id)
            known = self._heads.get(stream, EMPTY)  # looked up now: our own append may just have been remembered
            if known.investigation is not None and seq is not None and known.seq >= seq:
                return known.investigation
        found = await self._ask(lambda c: reading.investigation(c, self._workspace, investigation_id))
        if found is None:
            raise UnknownId(f"There is no investigation {investigation_id[:60]!r}.")
        return found

    async def _ask_seqs(self, ids: Sequence[str]) -> dict[str, int]:
        return await self._ask(lambda c: reading.investigation_seqs(c, self._workspace, ids))

    async def investigations(
        self,
        *,
        states: Collection[InvestigationState] = (),
        requester: str | None = None,
        squad: str | None = None,
        before: str | None = None,
        limit: int = 50,
    ) -> list[Investigation]:
        """Newest first; `before` is the id of the last one already seen."""
        wanted = reading.Filter(states=states, requester=requester, squad=squad, before=before, limit=limit)
        return await self._ask(lambda c: reading.investigations(c, self._workspace, wanted))

    async def quiet_since(self, before: datetime, *, limit: int = 1_000) -> list[Investigation]:
        """Unfinished investigations without an event since then; paused ones wait for a person and are left out."""
        return await self._ask(lambda c: reading.quiet(c, self._workspace, before, limit=limit))

    async def forgettable(self, before: datetime, *, limit: int) -> list[ChainEnd]:
        """Where up to `limit` settled investigations without an event since then end; none that led to a proposal."""
        return await self._ask(lambda c: forgetting.forgettable(c, self._workspace, before, limit=limit))

    async def forget(self, ends: Sequence[ChainEnd]) -> int:
        """Delete those of these investigations that still end there; how many went."""
        gone = await self._again(lambda c: forgetting.forget(c, self._workspace, ends))
        for stream in gone:
            self._heads.pop(stream, None)
        return len(gone)

    async def forget_deliveries(self, before: datetime) -> None:
        """Delete what is remembered of deliveries from before then."""
        await self._again(lambda c: forgetting.forget_deliveries(c, self._workspace, before))

    async def find_by_origin(self, *, channel: str, thread_ts: str) -> Investigation | None:
        """The newest investigation of a thread: asked there, or its card is the thread's first message."""
        return await self._ask(lambda c: reading.by_origin(c, self._workspace, channel, thread_ts))

    async def evidence(self, ids: Sequence[str]) -> list[Evidence]:
        """In the order of the ids; unknown ones are left out."""
        return await self._ask(lambda c: reading.evidence(c, self._workspace, ids)) if ids else []

    @property
    def audit(self) -> AuditLog:
        """The log as a whole, for those who check, export and archive it."""
        return AuditLog(ask=self._ask, write=self._again, workspace=self._workspace)

    @property
    def masked(self) -> MaskedValues:
        """Masked values that may be read back, sealed."""
        return MaskedValues(ask=self._ask, write=self._again, workspace=self._workspace)

    @property
    def search(self) -> Search:
        """Words and likeness over finished investigations."""
        return Search(ask=self._ask, write=self._again, workspace=self._workspace)

    @property
    def sweep_states(self) -> SweepStates:
        """What sweeps have learned."""
        return SweepStates(ask=self._ask, write=self._again, workspace=self._workspace)

    @property
    def turns(self) -> Turns:
        """What is limited for all processes together, such as calls of Slack. Asked once: an answer soon, or none."""
        backend = self._backend
        return Turns(ask=backend.read, write=backend.write, workspace=self._workspace, alone=backend.alone)

    @property
    def discovery(self) -> Discovery:
        """Services and metrics that sources named."""
        return Discovery(ask=self._ask, write=self._again, workspace=self._workspace)

    @property
    def query_history(self) -> QueryHistory:
        """Questions that people asked of single sources."""
        return QueryHistory(ask=self._ask, write=self._again, workspace=self._workspace)

    # roles

    async def role_bindings(self, principal_id: str | None = None) -> list[RoleBinding]:
        """The roles of one principal, or of all. They change by RoleGranted and RoleRevoked in the stream `access`."""
        return await self._ask(lambda c: access.bindings(c, self._workspace, principal_id))

    # proposals

    async def proposal(self, proposal_id: str) -> Proposal:
        """One proposal as its stream adds up; UnknownId when there is none."""
        found = await self._ask(lambda c: remediation.proposal(c, self._workspace, proposal_id))
        if found is None:
            raise UnknownId(f"There is no proposal {proposal_id[:60]!r}.")
        return found

    async def proposals(
        self, *, investigation_id: str | None = None, states: Collection[ProposalState] = (), limit: int = 50
    ) -> list[Proposal]:
        """The newest first, of one investigation or of all."""
        return await self._ask(
            lambda c: remediation.proposals(
                c, self._workspace, investigation_id=investigation_id, states=states, limit=limit
            )
        )

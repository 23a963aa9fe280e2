"""What people can do with investigations: open, steer, stop, retry. Commands append events and nothing else."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from pydantic import Field

from bot.domain.access import Principal
from bot.domain.events import EventKind, NewEvent
from bot.domain.evidence import Evidence
from bot.domain.ids import InvestigationId, derived_id, investigation_stream, make_id, stream_subject
from bot.domain.investigation import Investigation
from bot.domain.question import Question, Setting
from bot.domain.states import InvestigationState
from bot.errors import BotError, InvalidRequest, MoveRefused, NotAllowed, SequenceConflict
from bot.reasoning.reading import check_question, clean, read_question
from bot.reasoning.timespan import find_instant, find_span
from bot.store import DuplicateDelivery, Store
from connectors.model import Clock, Frozen, JsonObject, TimeWindow
from connectors.redaction import redact_text

_S = InvestigationState
_LONGEST_GUIDANCE = 3_000
_ATTEMPTS = 20
_DONE_ALREADY = "That was done already."
_FEEDBACK = frozenset({"helpful", "not_helpful", "confirm_cause", "wrong_cause"})


class OpenRequest(Frozen):
    """A question as a face received it. `origin` is opaque here: where that face draws."""

    text: str
    time_zone: str = "UTC"
    since: str | None = None
    window: TimeWindow | None = None
    services: tuple[str, ...] = ()
    environment: str | None = None
    sources: tuple[str, ...] = ()
    dry_run: bool = False
    channel: str | None = None
    origin: JsonObject = Field(default_factory=dict)
    parent_id: str | None = None
    squad: str | None = None


class Investigations:
    """Commands and queries. Errors are BotErrors whose text can be shown as it is."""

    def __init__(self, *, store: Store, setting: Callable[[], Awaitable[Setting]], clock: Clock) -> None:
        self._store = store
        self._setting = setting
        self._clock = clock

    async def open(self, request: OpenRequest, *, by: Principal, delivery_id: str | None = None) -> Investigation:
        """Open and queue an investigation; returns after the commit.

        The same `delivery_id` again returns the investigation of the first time. InvalidRequest for a question that
        cannot be investigated, NotAllowed for guests.
        """
        if by.guest:
            raise NotAllowed("Guests cannot start investigations. Ask a member of the team to do it.")
        question, squad = await self._question(request)
        investigation_id = self._new_id(delivery_id)
        created: JsonObject = {
            "question": question.model_dump(mode="json"),
            "requester": by.model_dump(mode="json"),
            "squad": request.squad or squad,
            "origin": request.origin,
            "parent_id": request.parent_id,
        }
        events = [
            self._event(EventKind.INVESTIGATION_CREATED, by, created),
            self._event(EventKind.QUEUED, by, {"reason": "opened"}),
        ]
        try:
            appended = await self._store.append(
                investigation_stream(investigation_id), expected_seq=0, events=events, delivery_id=delivery_id
            )
        except (DuplicateDelivery, SequenceConflict):
            return await self._store.investigation(await self._first_time(delivery_id, investigation_id))
        assert appended.investigation is not None, "an investigation stream has a row"
        return appended.investigation

    def _new_id(self, delivery_id: str | None) -> InvestigationId:
        """A repeated delivery gets the same id, so that even a lost de-duplication cannot open it twice."""
        return derived_id("inv", delivery_id) if delivery_id else make_id("inv", secrets.token_bytes(10))

    async def _first_time(self, delivery_id: str | None, investigation_id: InvestigationId) -> InvestigationId:
        stream = await self._store.delivery_seen(delivery_id) if delivery_id else None
        return stream_subject(stream) if stream else investigation_id

    async def _question(self, request: OpenRequest) -> tuple[Question, str | None]:
        text = redact_text(check_question(request.text))  # a pasted password must not live on in the log
        now = self._clock.now()
        setting = await self._setting()
        window = request.window
        if window is None and request.since:
            # In a thread: words that the grammar does not know load a library that takes a third of a second.
            window = await asyncio.to_thread(_since, request.since, time_zone=request.time_zone, now=now)
        question = Question(
            text=text,
            asked_at=now,
            time_zone=request.time_zone,
            window=window,
            services=request.services,
            environment=request.environment,
            sources=_known_sources(request.sources, setting),
            dry_run=request.dry_run,
            channel=request.channel,
        )
        # Read it now, so that a time in the future or an unknown environment is refused before anything is stored.
        analysis = read_question(question, setting)
        return question, analysis.squad

    async def pause(self, investigation_id: InvestigationId, *, by: Principal, delivery_id: str | None = None) -> str:
        """Ask for a pause; the worker honours it at its next safe point."""

        def decide(state: Investigation) -> tuple[list[NewEvent], str]:
            if state.state not in (_S.CREATED, _S.QUEUED, _S.INITIALIZING, _S.RUNNING):
                raise _refused(state, "paused")
            return [self._event(EventKind.PAUSE_REQUESTED, by)], "Pausing at the next safe point."

        return await self._command(investigation_id, decide, by=by, delivery_id=delivery_id)

    async def resume(self, investigation_id: InvestigationId, *, by: Principal, delivery_id: str | None = None) -> str:
        """Go on with a paused investigation, or take back a pause that was not reached yet."""

        def decide(state: Investigation) -> tuple[list[NewEvent], str]:
            if state.state is not _S.PAUSED and not state.requests.pause:
                raise _refused(state, "resumed")
            return [self._event(EventKind.RESUME_REQUESTED, by)], "Going on."

        return await self._command(investigation_id, decide, by=by, delivery_id=delivery_id)

    async def cancel(self, investigation_id: InvestigationId, *, by: Principal, delivery_id: str | None = None) -> str:
        """Stop for good. Queries that run are cancelled at their sources; what was gathered is kept."""

        def decide(state: Investigation) -> tuple[list[NewEvent], str]:
            if state.state.is_final or state.state is _S.COMPLETING:
                raise _refused(state, "cancelled")
            events = [self._event(EventKind.CANCEL_REQUESTED, by)]
            if state.state in (_S.CREATED, _S.QUEUED, _S.PAUSED, _S.FAILED, _S.RETRYING):  # nobody holds it
                events.append(self._moved(_S.CANCELLED, "cancelled on request", by))
                return events, "Cancelled."
            return events, "Cancelling."

        return await self._command(investigation_id, decide, by=by, delivery_id=delivery_id)

    async def retry(self, investigation_id: InvestigationId, *, by: Principal, delivery_id: str | None = None) -> str:
        """Try a failed investigation again; what it gathered is not asked for again."""

        def decide(state: Investigation) -> tuple[list[NewEvent], str]:
            if state.state is not _S.FAILED:
                raise _refused(state, "retried")
            events = [
                self._event(EventKind.RETRY_REQUESTED, by),
                self._moved(_S.RETRYING, "retry requested", by),
                self._event(EventKind.QUEUED, by, {"reason": "retry"}),
            ]
            return events, "Trying again from where it stopped."

        return await self._command(investigation_id, decide, by=by, delivery_id=delivery_id)

    async def guide(
        self, investigation_id: InvestigationId, text: str, *, by: Principal, delivery_id: str | None = None
    ) -> str:
        """Add a hint from a person; it is taken into account from the next step on."""
        hint = redact_text(clean(text)[:_LONGEST_GUIDANCE])
        if not hint:
            raise InvalidRequest("There was no text in that hint.")

        def decide(state: Investigation) -> tuple[list[NewEvent], str]:
            if state.state.is_settled or state.state is _S.COMPLETING:
                raise _refused(state, "steered")
            return [self._event(EventKind.GUIDANCE_GIVEN, by, {"text": hint})], "Noted. I take it into account."

        return await self._command(investigation_id, decide, by=by, delivery_id=delivery_id)

    async def pin(
        self, investigation_id: InvestigationId, hypothesis: str, *, by: Principal, delivery_id: str | None = None
    ) -> str:
        """Say that a hypothesis (`component cause`) is right."""
        return await self._mark(EventKind.HYPOTHESIS_PINNED, investigation_id, hypothesis, by, delivery_id)

    async def rule_out(
        self, investigation_id: InvestigationId, hypothesis: str, *, by: Principal, delivery_id: str | None = None
    ) -> str:
        """Say that a hypothesis (`component cause`) is wrong."""
        return await self._mark(EventKind.HYPOTHESIS_RULED_OUT, investigation_id, hypothesis, by, delivery_id)

    async def _mark(
        self, kind: EventKind, investigation_id: str, hypothesis: str, by: Principal, delivery_id: str | None
    ) -> str:
        def decide(state: Investigation) -> tuple[list[NewEvent], str]:
            known = [f"{h.get('component')} {h.get('cause')}" for h in state.hypotheses]
            if hypothesis not in known:
                raise InvalidRequest("That cause is not among the hypotheses of this investigation.")
            return [self._event(kind, by, {"hypothesis": hypothesis})], "Noted."

        return await self._command(investigation_id, decide, by=by, delivery_id=delivery_id)

    async def feedback(
        self,
        investigation_id: InvestigationId,
        *,
        value: str,
        note: str = "",
        by: Principal,
        delivery_id: str | None = None,
    ) -> str:
        """Keep what a person thinks of the report: helpful, not_helpful, confirm_cause or wrong_cause."""
        if value not in _FEEDBACK:
            raise InvalidRequest(f"Feedback is one of: {', '.join(sorted(_FEEDBACK))}.")

        def decide(state: Investigation) -> tuple[list[NewEvent], str]:
            payload: JsonObject = {"value": value, "note": clean(note)[:_LONGEST_GUIDANCE]}
            return [
                self._event(EventKind.FEEDBACK_GIVEN, by, payload)
            ], "Thank you. This is kept with the investigation."

        return await self._command(investigation_id, decide, by=by, delivery_id=delivery_id)

    async def handoff(
        self, investigation_id: InvestigationId, *, to: str, by: Principal, delivery_id: str | None = None
    ) -> str:
        """Tell in the log (and so in the thread) that somebody else goes on with it."""

        def decide(state: Investigation) -> tuple[list[NewEvent], str]:
            text = f"Handed over to {to}"
            return [self._event(EventKind.GUIDANCE_GIVEN, by, {"text": text, "handoff": to})], f"{text}."

        return await self._command(investigation_id, decide, by=by, delivery_id=delivery_id)

    async def get(self, investigation_id: InvestigationId) -> Investigation:
        """One investigation; UnknownId when there is none."""
        return await self._store.investigation(investigation_id)

    async def recent(self, *, by: Principal, limit: int = 20, only_running: bool = False) -> list[Investigation]:
        """The newest first."""
        running = [state for state in _S if not state.is_settled]
        return await self._store.investigations(states=running if only_running else (), limit=limit)

    async def in_thread(self, channel: str, thread_ts: str) -> Investigation | None:
        """The investigation whose card or thread this is."""
        return await self._store.find_by_origin(channel=channel, thread_ts=thread_ts)

    async def evidence(self, evidence_id: str) -> Evidence:
        """One piece of evidence; InvalidRequest when it is not kept (any more)."""
        found = await self._store.evidence([evidence_id])
        if not found:
            raise InvalidRequest("That evidence is not kept any more.")
        return found[0]

    async def _command(
        self,
        investigation_id: InvestigationId,
        decide: Callable[[Investigation], tuple[list[NewEvent], str]],
        *,
        by: Principal,
        delivery_id: str | None,
    ) -> str:
        """Decide on the current row and append; when somebody else wrote first, decide again."""
        if by.guest:
            raise NotAllowed("Guests can read, but not steer investigations.")
        for _ in range(_ATTEMPTS):
            state = await self._store.investigation(investigation_id)
            try:
                events, sentence = decide(state)
            except BotError:
                if delivery_id and await self._store.delivery_seen(delivery_id):
                    return _DONE_ALREADY
                raise
            try:
                await self._store.append(
                    investigation_stream(investigation_id),
                    expected_seq=state.seq,
                    events=events,
                    delivery_id=delivery_id,
                )
            except SequenceConflict:
                continue
            except DuplicateDelivery:
                return _DONE_ALREADY
            return sentence
        raise SequenceConflict("Too much is happening in this investigation right now. Try again.")

    def _event(self, kind: EventKind, by: Principal, payload: JsonObject | None = None) -> NewEvent:
        return NewEvent(kind=kind, actor=by.actor, at=self._clock.now(), payload=payload or {})

    def _moved(self, target: InvestigationState, reason: str, by: Principal) -> NewEvent:
        return self._event(EventKind.STATE_CHANGED, by, {"to": target.value, "reason": reason})


def _refused(state: Investigation, wish: str) -> MoveRefused:
    return MoveRefused(f"This investigation is {state.state.value}; it cannot be {wish}.")


def _since(words: str, *, time_zone: str, now: datetime) -> TimeWindow:
    """The span from `--since`: a time ("14:00"), a length ("30m", "2 hours") or an ISO instant."""
    for attempt in (f"since {words}", words, f"last {words}"):
        found = find_span(attempt, asked_at=now, time_zone=time_zone)
        if found:
            return found.window
    at = find_instant(words, asked_at=now, time_zone=time_zone)
    if at is not None and at < now:
        return TimeWindow(start=at, end=now)
    raise InvalidRequest(f"--since {words!r} is not a time I can read. Try 14:00, 30m or 2026-11-20T14:00Z.")


def _known_sources(wanted: Sequence[str], setting: Setting) -> tuple[str, ...]:
    """Each a full name or a type of a configured source; InvalidRequest names what there is."""
    known = {source.name for source in setting.sources} | {source.type for source in setting.sources}
    for name in wanted:
        if name not in known:
            configured = ", ".join(sorted(source.name for source in setting.sources)) or "none"
            raise InvalidRequest(f"I know no source {name!r}. Configured: {configured}.")
    return tuple(wanted)

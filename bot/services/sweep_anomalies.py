"""From signals to anomalies: one page for one cause, folded when it returns, quiet where people said so."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta

from bot.domain.access import SYSTEM, Principal
from bot.domain.anomaly import Anomaly, AnomalyState, Signal, worst
from bot.domain.digest import DigestLine, digest_stream
from bot.domain.events import EventKind, NewEvent
from bot.domain.ids import make_id
from bot.domain.states import Severity
from bot.errors import InvalidRequest, MoveRefused, NotAllowed
from bot.services.sweep_book import REGISTRY, Book, Neighbours, fingerprints_of, gather, is_known
from bot.services.sweep_judging import precision, reluctance, severity_of_group, title_of
from bot.store import Store
from connectors.model import Change, Clock, JsonObject

__all__ = ["REGISTRY", "Anomalies", "Neighbours", "Opener", "Quiet"]

_ASK_CHANGES_WITHIN = timedelta(hours=1)
_ASKED_AT_ONCE = 4
PAGED = frozenset({Severity.MEDIUM, Severity.HIGH, Severity.CRITICAL})
"""Anomalies that get a card of their own; the others go to the hour's digest."""
Opener = Callable[[Anomaly], Awaitable[str | None]]
Quiet = Callable[[Collection[Signal], Severity, datetime], str]
"""Why these signals should not make a noise now; empty when they may."""


class Anomalies:
    """Finds the group a signal belongs to and keeps what people answer. Signals come from one process at a time.

    `investigate` opens an investigation; `changes` asks what was deployed or configured around an onset.
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        neighbours: Neighbours | None = None,
        channel_of: Callable[[str], str | None] | None = None,
        investigate: Opener | None = None,
        changes: Callable[[Anomaly], Awaitable[tuple[Sequence[Change], str]]] | None = None,
        quiet: Quiet | None = None,
    ) -> None:
        self._clock = clock
        self._channel_of = channel_of or (lambda _service: None)
        self._investigate, self._changes = investigate, changes
        self._quiet = quiet or (lambda _signals, _severity, _now: "")
        self._book = Book(store, neighbours=neighbours)
        self._one_at_a_time = asyncio.Lock()

    async def refresh(self) -> None:
        """Learn what others wrote: the registry names every anomaly and every answer."""
        await self._book.refresh()

    # reading

    async def get(self, anomaly_id: str) -> Anomaly:
        """One anomaly as it is now. UnknownId."""
        return await self._book.get(anomaly_id)

    def recent(self, *, limit: int = 20) -> list[Anomaly]:
        """As of the last refresh, the newest first."""
        return sorted(self._book.known.values(), key=lambda one: one.last_seen_at, reverse=True)[:limit]

    def reluctance(self, fingerprint: str) -> float:
        """How many decades more this fingerprint needs, from people's answers."""
        return reluctance(self._book.votes.get(fingerprint, ()), self._clock.now())

    def sensitivity(self) -> Mapping[str, float]:
        """Every fingerprint that people's answers changed, and by how much now."""
        return {fingerprint: round(self.reluctance(fingerprint), 2) for fingerprint in self._book.votes}

    def muted(self) -> Mapping[str, str]:
        """Every fingerprint that never speaks, and who said so."""
        return {fingerprint: vote.by for fingerprint, vote in self._book.muted.items()}

    def named(self, fingerprint: str) -> Signal | None:
        """The newest signal with that fingerprint, so that people can be told what it is."""
        found = [s for one in self._book.known.values() for s in one.signals if s.fingerprint == fingerprint]
        return max(found, key=lambda signal: signal.at, default=None)

    def precision(self) -> float | None:
        """The share of useful among the answers of the last 30 days; None without answers."""
        return precision((vote for votes in self._book.votes.values() for vote in votes), self._clock.now())

    # from sweeps and alerts

    async def report(
        self, signals: Sequence[Signal], *, sweep: str | None = None, channel: str | None = None
    ) -> list[Anomaly]:
        """Fold signals into live anomalies or open new ones; gives those that changed. Muted ones are left out."""
        async with self._one_at_a_time:
            joined: dict[str, list[Signal]] = {}
            fresh: list[list[Signal]] = []
            for signal in sorted(signals, key=lambda one: one.at):
                if signal.fingerprint in self._book.muted:
                    continue
                home = self._book.home(signal)
                if home is None:
                    gather(fresh, signal, self._book.related)
                elif not is_known(home, signal):
                    joined.setdefault(home.id, []).append(signal)
            changed = [await self._join(self._book.known[home], group) for home, group in joined.items()]
            changed += [await self._open(group, sweep=sweep, channel=channel) for group in fresh]
            return [await self._escalate(one) for one in changed]

    async def recovered(self, keys: Collection[str], *, at: datetime) -> list[Anomaly]:
        """These series are normal again; an anomaly of which nothing is left is resolved."""
        async with self._one_at_a_time:
            changed = []
            for anomaly in self._book.live_with(keys):
                back = [s for s in anomaly.signals if s.key in keys and s.recovered_at is None]
                if not back:
                    continue
                healed = {s.key: s.model_copy(update={"recovered_at": at, "points": ()}) for s in back}
                left = [s for s in anomaly.signals if s.recovered_at is None and s.key not in healed]
                events = [self._event(EventKind.ANOMALY_GROUPED, self._grouping(anomaly, list(healed.values())))]
                if not left:
                    events.append(self._event(EventKind.ANOMALY_RESOLVED, {"reason": "every signal is normal again"}))
                changed.append(await self._told(await self._book.append(anomaly.id, events)))
            return changed

    async def tend(self) -> None:
        """What time brings: snoozed anomalies wake, and new ones are asked what changed when they began."""
        now = self._clock.now()
        for one in self._book.live():
            if one.state is AnomalyState.SNOOZED and one.snoozed_until is not None and one.snoozed_until <= now:
                await self._wake(one)
        if self._changes is not None:
            wanted = [one for one in self._book.live() if one.changes is None and one.peak in PAGED]
            young = [one for one in wanted if now - one.last_seen_at <= _ASK_CHANGES_WITHIN]
            await asyncio.gather(*(self._ask_changes(one) for one in young[:_ASKED_AT_ONCE]))

    async def _wake(self, one: Anomaly) -> None:
        async with self._one_at_a_time:
            fresh = await self._book.get(one.id)
            if fresh.state is AnomalyState.SNOOZED and fresh.snoozed_until == one.snoozed_until:
                payload: JsonObject = {"woke": True, "signals": []}
                await self._book.append(one.id, [self._event(EventKind.ANOMALY_GROUPED, payload)])

    async def _ask_changes(self, one: Anomaly) -> None:
        assert self._changes is not None, "asked for only where it can be"
        found, note = await self._changes(one)
        changes = [change.model_dump(mode="json") for change in found]
        payload: JsonObject = {"changes": list(changes), "changes_note": note, "signals": []}
        await self._book.append(one.id, [self._event(EventKind.ANOMALY_GROUPED, payload)])

    async def _join(self, home: Anomaly, signals: Sequence[Signal]) -> Anomaly:
        payload = self._grouping(home, signals, again=not home.is_live)
        return await self._told(await self._book.append(home.id, [self._event(EventKind.ANOMALY_GROUPED, payload)]))

    def _grouping(self, anomaly: Anomaly, signals: Sequence[Signal], *, again: bool = False) -> JsonObject:
        after = list(({one.key: one for one in anomaly.signals} | {one.key: one for one in signals}).values())
        live = [one for one in after if one.recovered_at is None]
        severity = severity_of_group(after) if live else Severity.INFO
        return {
            "signals": [one.model_dump(mode="json") for one in signals],
            "severity": severity.value,
            "title": title_of(after),
            "again": again,
            "hushed": self._hushed(live, worst((severity, anomaly.peak))) if live else anomaly.hushed,
        }

    def _hushed(self, signals: Collection[Signal], peak: Severity) -> str:
        return self._quiet(signals, peak, self._clock.now()) if peak in PAGED else "low severity"

    async def _open(self, group: Sequence[Signal], *, sweep: str | None, channel: str | None) -> Anomaly:
        anomaly_id = make_id("an", secrets.token_bytes(10))
        service = next((signal.service for signal in group if signal.service), None)
        payload: JsonObject = {
            **self._grouping(
                Anomaly(id=anomaly_id, peak=Severity.INFO, first_seen_at=group[0].at, last_seen_at=group[0].at), group
            ),
            "fingerprint": group[0].fingerprint,
            "sweep": sweep,
            "channel": channel or self._channel_of(service or ""),
        }
        payload.pop("again", None)
        pointer = self._event(EventKind.ANOMALY_FOUND, {"anomaly_id": anomaly_id})
        await self._book.note(pointer)  # first: a pointer to nothing is harmless, a lost anomaly is not
        return await self._told(await self._book.append(anomaly_id, [self._event(EventKind.ANOMALY_FOUND, payload)]))

    async def _told(self, anomaly: Anomaly) -> Anomaly:
        """What is not worth a card, or must make no noise now, goes to the hour's digest."""
        if anomaly.hushed and anomaly.channel:
            await self.digest(anomaly, anomaly.hushed)
        return anomaly

    async def digest(self, anomaly: Anomaly, why: str) -> None:
        """A line in the digest of its channel and this hour."""
        now = self._clock.now()
        line = DigestLine(
            anomaly_id=anomaly.id,
            title=anomaly.title,
            severity=anomaly.peak,
            at=anomaly.first_seen_at,
            channel=anomaly.channel or "",
            why=why,
            ended_at=anomaly.episodes[-1].ended_at if anomaly.episodes else None,
        )
        event = self._event(EventKind.ANOMALY_GROUPED, line.model_dump(mode="json"))
        await self._book.write(digest_stream(line.channel, now), [event])

    async def _escalate(self, anomaly: Anomaly) -> Anomaly:
        """At critical severity an investigation starts by itself, once."""
        wanted = anomaly.severity is Severity.CRITICAL and anomaly.state is AnomalyState.OPEN
        if self._investigate is None or not wanted or anomaly.investigation_id:
            return anomaly
        opened = await self._investigate(anomaly)
        return anomaly if opened is None else await self.investigated(anomaly.id, opened, by=SYSTEM)

    # from people

    async def investigated(self, anomaly_id: str, investigation_id: str, *, by: Principal) -> Anomaly:
        """An investigation of it was opened."""
        _member(by)
        event = self._event(EventKind.INVESTIGATION_CREATED, {"investigation_id": investigation_id}, by)
        return await self._book.append(anomaly_id, [event])

    async def snooze(self, anomaly_id: str, *, until: datetime, by: Principal) -> Anomaly:
        """Stay silent about it until then."""
        _member(by)
        if until <= self._clock.now():
            raise MoveRefused("That time is over already. Snooze until a time to come.")
        payload: JsonObject = {"until": until.isoformat()}
        return await self._answer(anomaly_id, EventKind.ANOMALY_SNOOZED, payload, value="", by=by)

    async def dismiss(self, anomaly_id: str, *, by: Principal, note: str = "") -> Anomaly:
        """Not an anomaly: the same must be more unusual next time."""
        _member(by)
        return await self._answer(
            anomaly_id, EventKind.ANOMALY_DISMISSED, {"note": note[:500]}, value="not_an_anomaly", by=by
        )

    async def mute(self, anomaly_id: str, *, by: Principal) -> Anomaly:
        """Never speak of these series in this way again, until somebody says `forget`."""
        _member(by)
        return await self._answer(anomaly_id, EventKind.ANOMALY_DISMISSED, {"mute": True}, value="mute", by=by)

    async def useful(self, anomaly_id: str, *, by: Principal) -> Anomaly:
        """Worth reading: keep telling."""
        _member(by)
        return await self._answer(anomaly_id, EventKind.FEEDBACK_GIVEN, {"value": "useful"}, value="useful", by=by)

    async def forget(self, fingerprint: str, *, by: Principal) -> None:
        """Undo what people's answers changed for this fingerprint, also that it is muted."""
        _member(by)
        await self.refresh()
        if fingerprint not in self._book.votes and fingerprint not in self._book.muted:
            raise InvalidRequest(f"Nobody's answers changed {fingerprint[:60]!r}.")
        payload: JsonObject = {"value": "forget", "fingerprints": [fingerprint]}
        await self._book.note(self._event(EventKind.FEEDBACK_GIVEN, payload, by))
        await self.refresh()

    async def _answer(
        self, anomaly_id: str, kind: EventKind, payload: JsonObject, *, value: str, by: Principal
    ) -> Anomaly:
        anomaly = await self.get(anomaly_id)
        if not anomaly.is_live and kind is EventKind.ANOMALY_SNOOZED:
            raise MoveRefused(f"This anomaly is {anomaly.state.value} already.")
        if any(one.value == value and one.by == by.actor for one in anomaly.answers if value):
            return anomaly  # said before: a second click changes nothing
        after = await self._book.append(anomaly_id, [self._event(kind, payload, by)])
        fingerprints = fingerprints_of(anomaly.signals) if value else []
        about: JsonObject = {"anomaly_id": anomaly_id, "value": value, "fingerprints": list(fingerprints)}
        await self._book.note(self._event(EventKind.FEEDBACK_GIVEN, about, by))
        await self.refresh()
        return after

    def _event(self, kind: EventKind, payload: JsonObject, by: Principal = SYSTEM) -> NewEvent:
        return NewEvent(kind=kind, actor=by.actor, at=self._clock.now(), payload=payload)


def _member(by: Principal) -> None:
    if by.guest:
        raise NotAllowed("Guests can read, but not answer for the team.")

"""Roles by Slack user group: what the groups of the access file mean for people, kept as ordinary grants in the log.

One process that knows Slack writes them; every process, also one without Slack, then decides by the same rows. Whoever
leaves a group loses the role at the next look.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

import structlog

from bot.domain.access import Role, Squad
from bot.domain.authority import Grant
from bot.domain.events import EventKind, NewEvent
from bot.errors import BotError, SequenceConflict
from bot.services.policy import AccessFile, given_roles
from bot.store import Store
from connectors.model import Clock

log = structlog.get_logger(__name__)

ACTOR = "system:slack-groups"
_STREAM = "access"
_ATTEMPTS = 10
MembersOf = Callable[[str], Awaitable[Sequence[str] | None]]
"""The members of a group; None when Slack gives no answer, so that nothing is concluded from it."""


def is_group(name: str) -> bool:
    """Slack's ids of user groups begin with S, those of people with U or W."""
    return name.startswith("S") and name.isalnum() and name.isupper()


class Groups:
    """Keeps the grants equal to the groups."""

    def __init__(self, *, store: Store, access: AccessFile, squads: Sequence[Squad], clock: Clock) -> None:
        self._store = store
        self._access = access
        self._squads = tuple(squads)
        self._clock = clock

    @property
    def names(self) -> frozenset[str]:
        """Every group that the access file names."""
        roles = self._access.roles
        people = {*roles.admin, *roles.responder, *(m for squad in self._squads for m in squad.members)}
        return frozenset(name for name in people if is_group(name))

    async def run(self, members_of: MembersOf, *, every_s: float = 60.0) -> None:
        """Until cancelled."""
        while self.names:
            try:
                await self.sync(members_of)
            except BotError as error:
                log.warning("groups.not_read", reason=str(error))
            await asyncio.sleep(every_s)

    async def sync(self, members_of: MembersOf) -> int:
        """Ask who is in the groups and write what changed; how many grants. Nothing when a group is not answered."""
        found: dict[str, Sequence[str]] = {}
        for name in sorted(self.names):
            members = await members_of(name)
            if members is None:
                log.warning("groups.no_answer", group=name)
                return 0
            found[name] = members
        wanted = self._wanted(found)
        for _ in range(_ATTEMPTS):
            changes = await self._changes(wanted)
            if not changes:
                return 0
            seq = await self._end()
            try:
                await self._store.append(_STREAM, expected_seq=seq, events=changes)
            except SequenceConflict:
                continue
            return len(changes)
        raise SequenceConflict("Too many change roles at once.")

    def _wanted(self, found: Mapping[str, Sequence[str]]) -> set[tuple[str, Grant]]:
        """What the groups add to what the file gives people by name."""
        access, squads = self._with_people(found)
        everything = given_roles(access, squads, ())
        by_name = given_roles(self._access, self._squads, ())
        return {
            (person, grant)
            for person, grants in everything.items()
            for grant in grants - by_name.get(person, frozenset())
            if not is_group(person)
        }

    def _with_people(self, found: Mapping[str, Sequence[str]]) -> tuple[AccessFile, list[Squad]]:
        def people(names: Iterable[str]) -> list[str]:
            return [one for name in names for one in found.get(name, (name,))]

        roles = self._access.roles
        given = roles.model_copy(
            update={"admin": tuple(people(roles.admin)), "responder": tuple(people(roles.responder))}
        )
        squads = [s.model_copy(update={"members": frozenset(people(s.members))}) for s in self._squads]
        return self._access.model_copy(update={"roles": given}), squads

    async def _changes(self, wanted: set[tuple[str, Grant]]) -> list[NewEvent]:
        there = {
            (b.principal_id, Grant(role=b.role, squad=b.squad))
            for b in await self._store.role_bindings()
            if b.granted_by == ACTOR
        }
        gone = [self._event(EventKind.ROLE_REVOKED, *one) for one in sorted(there - wanted, key=str)]
        return [*gone, *(self._event(EventKind.ROLE_GRANTED, *one) for one in sorted(wanted - there, key=str))]

    def _event(self, kind: EventKind, person: str, grant: Grant) -> NewEvent:
        payload = {"principal_id": person, "role": Role(grant.role).value, "squad": grant.squad or ""}
        return NewEvent(kind=kind, actor=ACTOR, at=self._clock.now(), payload=dict(payload))

    async def _end(self) -> int:
        return next((end.seq for end in await self._store.audit.ends() if end.stream == _STREAM), 0)

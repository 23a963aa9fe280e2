"""Gives and takes roles, as events in the log; who may, and what a role can be, is decided here for every face."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from bot.domain.access import Principal, Role
from bot.domain.events import EventKind, NewEvent
from bot.errors import InvalidRequest, NotAllowed
from bot.services.appending import append_at_end
from bot.services.groups import ACTOR as GROUPS
from bot.services.policy import Roles
from bot.store import RoleBinding, Store
from connectors.model import Clock, JsonObject

STREAM = "access"
GIVEN = (Role.RESPONDER, Role.LEAD, Role.ADMIN)
_MOST_REFUSALS = 50


def role_event(
    kind: EventKind, *, role: str, user: str, squad: str | None, actor: str, at: datetime, squads: Collection[str] = ()
) -> NewEvent:
    """RoleGranted or RoleRevoked. InvalidRequest says what is wrong with it; `squads` are those that there are."""
    known = [one.value for one in GIVEN]
    if role not in known:
        raise InvalidRequest(f"There is no role {role!r} to give. Known: {', '.join(known)}.")
    if role == Role.LEAD.value and not squad:
        raise InvalidRequest("A lead leads a squad: name it.")
    if squad and squads and squad not in squads:
        raise InvalidRequest(f"There is no squad {squad!r}. Known: {', '.join(sorted(squads))}.")
    if not user.strip():
        raise InvalidRequest("Nobody was named.")
    payload: JsonObject = {"principal_id": user.strip(), "role": role, "squad": squad or ""}
    return NewEvent(kind=kind, actor=actor, at=at, payload=payload)


def words_of(payload: JsonObject) -> str:
    """A role in words that follow a name and "is"."""
    return f"{payload['role']} of squad {payload['squad']}" if payload["squad"] else f"{payload['role']} everywhere"


class Granting:
    """What admins do about roles in the App Home. NotAllowed for everybody else, which is recorded."""

    def __init__(self, *, store: Store, roles: Roles, clock: Clock) -> None:
        self._store = store
        self._roles = roles
        self._clock = clock

    @property
    def squads(self) -> Sequence[str]:
        """The squads that a role can be given in."""
        return [squad.name for squad in self._roles.squads]

    async def may(self, by: Principal) -> bool:
        """Whether this person is an admin now."""
        authority = (await self._roles.surroundings()).authority_of(by.id)
        return not by.guest and authority.reaches(Role.ADMIN, None)

    async def given(self) -> list[RoleBinding]:
        """Every role that was given here, by hand or by a user group."""
        return await self._store.role_bindings()

    async def grant(
        self, role: str, user: str, *, squad: str | None, by: Principal, delivery_id: str | None = None
    ) -> str:
        """Give it; a sentence to show."""
        event = await self._checked(EventKind.ROLE_GRANTED, role, user, squad=squad, by=by)
        await append_at_end(self._store, STREAM, [event], delivery_id=delivery_id)
        return f"{user} is {words_of(event.payload)} now."

    async def revoke(
        self, role: str, user: str, *, squad: str | None, by: Principal, delivery_id: str | None = None
    ) -> str:
        """Take it back, also for approvals that were given already; a sentence to show."""
        event = await self._checked(EventKind.ROLE_REVOKED, role, user, squad=squad, by=by)
        held = [b for b in await self.given() if (b.principal_id, b.role.value, b.squad) == (user, role, squad or None)]
        if not held:
            raise InvalidRequest("That role was not given here: it stands in a file, or it is gone already.")
        if any(binding.granted_by == GROUPS for binding in held):
            raise InvalidRequest("That role comes from a Slack user group. Take the person out of the group.")
        if role == Role.ADMIN.value and not await self._another_admin(user):
            raise InvalidRequest("That is the last admin. Give the role to somebody else first.")
        await append_at_end(self._store, STREAM, [event], delivery_id=delivery_id)
        return f"{user} is not {words_of(event.payload)} any more."

    async def _checked(self, kind: EventKind, role: str, user: str, *, squad: str | None, by: Principal) -> NewEvent:
        if not await self.may(by):
            said = "Roles are given and taken by admins. Ask one of them."
            await self._refuse(kind, by, said)
            raise NotAllowed(said)
        now = self._clock.now()
        return role_event(kind, role=role, user=user, squad=squad, actor=by.actor, at=now, squads=self.squads or ("",))

    async def _another_admin(self, user: str) -> bool:
        """Whether somebody else, by file or by hand, is an admin everywhere."""
        around = await self._roles.surroundings()
        people = {*self._roles.named, *(b.principal_id for b in await self.given())} - {user}
        return any(around.authority_of(person).reaches(Role.ADMIN, None) for person in people)

    async def _refuse(self, kind: EventKind, by: Principal, said: str) -> None:
        """Record it; a flood of them is not recorded for ever."""
        end = await self._store.audit.length(STREAM)
        last = await self._store.read(STREAM, after=max(0, end - _MOST_REFUSALS))
        if sum(event.kind is EventKind.REFUSED for event in last) >= _MOST_REFUSALS:
            return
        payload: JsonObject = {"what": kind.value, "reason": said}
        event = NewEvent(kind=EventKind.REFUSED, actor=by.actor, at=self._clock.now(), payload=payload)
        await append_at_end(self._store, STREAM, [event])

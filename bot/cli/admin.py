"""`inquest admin grant | revoke | list`: roles, as events in the log."""

from __future__ import annotations

import getpass

from bot.app import open_store
from bot.domain.access import Role
from bot.domain.events import EventKind, NewEvent
from bot.errors import InvalidRequest
from bot.settings import Settings
from bot.store import Store
from connectors.model import JsonObject, SystemClock

_STREAM = "access"
_MOST = 10_000


async def grant(settings: Settings, role: str, user: str, *, squad: str | None) -> None:
    """Give a role; in one squad, or everywhere."""
    payload = _payload(role, user, squad)
    await _append(settings, EventKind.ROLE_GRANTED, payload)
    print(f"{user} is {_words(payload)} now.")


async def revoke(settings: Settings, role: str, user: str, *, squad: str | None) -> None:
    """Take a role back. It is gone for approvals that were given already, too."""
    payload = _payload(role, user, squad)
    await _append(settings, EventKind.ROLE_REVOKED, payload)
    print(f"{user} is not {_words(payload)} any more.")


async def list_roles(settings: Settings) -> None:
    """Every role that was granted here; those of config/access.yaml stand there."""
    store = await open_store(settings, SystemClock())
    try:
        bindings = await store.role_bindings()
    finally:
        await store.close()
    for binding in bindings:
        place = f"squad {binding.squad}" if binding.squad else "everywhere"
        print(f"{binding.principal_id:<24} {binding.role.value:<10} {place:<24} granted by {binding.granted_by}")
    if not bindings:
        print("No roles were granted here.")


def _payload(role: str, user: str, squad: str | None) -> JsonObject:
    known = [one.value for one in Role if one is not Role.VIEWER]
    if role not in known:
        raise InvalidRequest(f"There is no role {role!r} to give. Known: {', '.join(known)}.")
    if role == Role.LEAD.value and not squad:
        raise InvalidRequest("A lead leads a squad: add --squad NAME.")
    return {"principal_id": user, "role": role, "squad": squad or ""}


def _words(payload: JsonObject) -> str:
    return f"{payload['role']} of squad {payload['squad']}" if payload["squad"] else f"{payload['role']} everywhere"


async def _append(settings: Settings, kind: EventKind, payload: JsonObject) -> None:
    clock = SystemClock()
    store = await open_store(settings, clock)
    try:
        event = NewEvent(kind=kind, actor=f"cli:{getpass.getuser()}", at=clock.now(), payload=payload)
        await store.append(_STREAM, expected_seq=await _end(store), events=[event])
    finally:
        await store.close()


async def _end(store: Store) -> int:
    """How far the stream of roles has got."""
    seq = 0
    while found := await store.read(_STREAM, after=seq, limit=_MOST):
        seq = found[-1].seq
    return seq

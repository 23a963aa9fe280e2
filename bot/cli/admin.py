"""`inquest admin grant | revoke | list`: roles, as events in the log."""

from __future__ import annotations

import getpass

from bot.app import open_store
from bot.domain.events import EventKind
from bot.services.appending import append_at_end
from bot.services.granting import STREAM, role_event, words_of
from bot.settings import Settings
from connectors.model import SystemClock


async def grant(settings: Settings, role: str, user: str, *, squad: str | None) -> None:
    """Give a role; in one squad, or everywhere."""
    print(f"{user} is {await _write(settings, EventKind.ROLE_GRANTED, role, user, squad=squad)} now.")


async def revoke(settings: Settings, role: str, user: str, *, squad: str | None) -> None:
    """Take a role back. It is gone for approvals that were given already, too."""
    print(f"{user} is not {await _write(settings, EventKind.ROLE_REVOKED, role, user, squad=squad)} any more.")


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


async def _write(settings: Settings, kind: EventKind, role: str, user: str, *, squad: str | None) -> str:
    """The role in words, once it is written."""
    clock, actor = SystemClock(), f"cli:{getpass.getuser()}"
    event = role_event(kind, role=role, user=user, squad=squad, actor=actor, at=clock.now())
    store = await open_store(settings, clock)
    try:
        await append_at_end(store, STREAM, [event])
    finally:
        await store.close()
    return words_of(event.payload)

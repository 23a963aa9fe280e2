"""Roles: events of the `access` stream, and the rows they add up to."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, delete, select

from bot.domain.access import Role
from bot.domain.events import Event, EventKind
from bot.store.model import RoleBinding
from bot.store.rows import as_text, table
from bot.store.statements import insert_new

STREAM = "access"


def project(connection: Connection, workspace: str, events: Iterable[Event]) -> None:
    """Keep `role_bindings` equal to what RoleGranted and RoleRevoked say (`principal_id`, `role`, `squad`)."""
    for event in events:
        if event.kind is EventKind.ROLE_GRANTED:
            _grant(connection, workspace, event)
        elif event.kind is EventKind.ROLE_REVOKED:
            _revoke(connection, workspace, event)


def _key(event: Event) -> tuple[str, str, str]:
    payload = event.payload
    return (
        as_text(str(payload["principal_id"])),
        Role(str(payload["role"])).value,
        as_text(str(payload.get("squad") or "")),
    )


def _grant(connection: Connection, workspace: str, event: Event) -> None:
    principal_id, role, squad = _key(event)
    row = {"workspace": workspace, "principal_id": principal_id, "role": role, "squad": squad}
    granted = {"granted_by": as_text(event.actor), "granted_at": event.at}
    connection.execute(insert_new(connection.dialect.name, "role_bindings"), {**row, **granted})


def _revoke(connection: Connection, workspace: str, event: Event) -> None:
    principal_id, role, squad = _key(event)
    target = table("role_bindings")
    gone = delete(target).where(
        target.c.workspace == workspace,
        target.c.principal_id == principal_id,
        target.c.role == role,
        target.c.squad == squad,
    )
    connection.execute(gone)


def bindings(connection: Connection, workspace: str, principal_id: str | None) -> list[RoleBinding]:
    """The roles of one principal, or of all."""
    target = table("role_bindings")
    wanted = select(target).where(target.c.workspace == workspace)
    if principal_id is not None:
        wanted = wanted.where(target.c.principal_id == as_text(principal_id))
    found = connection.execute(wanted.order_by(target.c.granted_at, target.c.principal_id, target.c.role))
    return [
        RoleBinding(
            principal_id=row.principal_id,
            role=Role(row.role),
            squad=row.squad or None,
            granted_by=row.granted_by,
            granted_at=row.granted_at,
        )
        for row in found
    ]

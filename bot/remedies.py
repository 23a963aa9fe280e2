"""Wires what changes things: roles, decisions, proposals, the one that carries out; part of the composition root."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import structlog

from bot.domain.access import Principal, Squad
from bot.domain.remediation import Proposal
from bot.services.approvals import ApprovalGate, Decisions
from bot.services.audit import Seals
from bot.services.embedding import installed_embedder
from bot.services.execute import Execute
from bot.services.granting import Granting
from bot.services.groups import Groups
from bot.services.incidents import Incidents
from bot.services.library import Library
from bot.services.policy import AccessFile, Roles, with_access
from bot.services.propose import Proposer
from bot.services.remediate import Pace, Remediation
from bot.services.tickets import Tickets
from bot.services.vault import Vault
from bot.settings import Settings
from bot.store import Store
from bot.worker import incarnation
from connectors.base import Connector
from connectors.model import Clock, Tool
from runbooks.loader import load_good
from runbooks.model import Runbook

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Remedies:
    """Everything about changes that one process holds."""

    roles: Roles
    decisions: Decisions
    proposer: Proposer
    remediation: Remediation
    books: Callable[[], Sequence[Runbook]]
    groups: Groups
    granting: Granting
    incidents: Incidents
    tickets: Tickets
    library: Library

    async def runbook_words(self, words: str, by: Principal) -> str:
        """What a search of the runbooks finds, for Slack: our own text, so it needs no escaping."""
        if by.guest:
            return "Guests see what is posted in their channels, and nothing beyond."
        found = await self.library.search(words, limit=5)
        lines = [f"*{book.title}* (`{book.id}`, kept by {book.owner})\n{_beginning(book.body)}" for book in found]
        return "\n\n".join(lines) or "No runbook holds these words."


def make_roles(settings: Settings, access: AccessFile, squads: Sequence[Squad], store: Store) -> Roles:
    """Roles and policy of this installation. A policy that asks for less than the defaults is told in the log."""
    admins = [name.strip() for name in settings.admins.split(",") if name.strip()]
    roles = Roles(store=store, access=access, squads=with_access(squads, access), admins=admins)
    for words in roles.policy.loosened():
        log.warning("policy.loosened", rule=words)
    return roles


def make_gate(store: Store, roles: Roles, clock: Clock) -> ApprovalGate:
    """What Execute asks before every write."""
    return ApprovalGate(store=store, roles=roles, clock=clock)


def audit_key(settings: Settings) -> bytes | None:
    """The key of the seals, which the database does not know."""
    return settings.audit_key.get_secret_value().encode() if settings.audit_key else None


def make_seals(settings: Settings, clock: Clock) -> Seals | None:
    """The file of seals; None without a key."""
    key = audit_key(settings)
    return Seals(settings.audit_file, key, workspace=settings.workspace, clock=clock) if key else None


def make_vault(settings: Settings, roles: Roles, store: Store, clock: Clock) -> Vault | None:
    """Where masked values are kept that may be read back; None without a key, or when policy names no kind."""
    kinds = roles.policy.reversible
    if settings.vault_key is None or not kinds:
        return None
    key = settings.vault_key.get_secret_value().encode()
    return Vault(store=store, key=key, kinds=kinds, workspace=settings.workspace, clock=clock)


def make_remedies(
    *,
    store: Store,
    execute: Execute,
    roles: Roles,
    clock: Clock,
    pace: Pace | None = None,
    observe: Callable[[Proposal], None] | None = None,
) -> Remedies:
    """The services around proposals."""

    @lru_cache(maxsize=1)
    def books() -> Sequence[Runbook]:
        good, wrong = load_good(tools=tools_of([i.connector for i in execute.instances.values()]))
        for words in wrong:
            log.warning("runbook.left_out", reason=words)
        return good

    rules, worker = roles.access.tickets, incarnation()
    incidents = Incidents(store=store, roles=roles, rules=rules, clock=clock)
    proposer = Proposer(store=store, execute=execute, books=books, roles=roles, clock=clock, found=incidents.found)
    remediation = Remediation(
        store=store,
        execute=execute,
        proposer=proposer,
        roles=roles,
        clock=clock,
        worker=worker,
        pace=pace,
        observe=observe,
    )
    decisions = Decisions(store=store, roles=roles, clock=clock, decided=remediation.kick)
    groups = Groups(store=store, access=roles.access, squads=roles.squads, clock=clock)
    granting = Granting(store=store, roles=roles, clock=clock)
    tickets = Tickets(
        store=store,
        execute=execute,
        proposer=proposer,
        decisions=decisions,
        incidents=incidents,
        rules=rules,
        worker=worker,
    )
    library = Library(books, embedder=installed_embedder())
    return Remedies(roles, decisions, proposer, remediation, books, groups, granting, incidents, tickets, library)


def _beginning(body: str) -> str:
    """The first paragraph, on one line."""
    return " ".join(body.partition("\n\n")[0].split())


def tools_of(connectors: Sequence[Connector[Any]]) -> Mapping[str, Mapping[str, Tool]]:
    """Every tool that connectors of these types can have, writes that are switched off here too."""
    found: dict[str, dict[str, Tool]] = {}
    for one in connectors:
        # Its own as well as its type's: tools over HTTP are described in the configuration.
        found.setdefault(one.type, {}).update((name, bound.tool) for name, bound in one._tools.items())
    return found

"""Roles and policy from `config/access.yaml`, from `inquest admin`, and from INQUEST_ADMINS. Default deny."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import Field, ValidationError

from bot.domain.access import Principal, Role, Squad
from bot.domain.authority import Authority, Grant, Policy
from bot.domain.deciding import Surroundings
from bot.store import Store
from bot.yaml_file import read_yaml
from connectors.model import Frozen


class GivenRoles(Frozen):
    """Roles by Slack user id, or by the id of a user group (`S…`). Responders act in the squads they are members of."""

    admin: tuple[str, ...] = ()
    responder: tuple[str, ...] = ()


class TicketRules(Frozen):
    """When incidents get tickets, and what their end means there. Who approves the writes is `policy.preapproved`."""

    by_policy: bool = False
    """Every settled cause gets one; otherwise only the button asks for one."""
    source: str = ""
    """Such as `jira/main`; empty: the first that may write."""
    resolved_status: str = ""
    """Where a ticket moves when its incident is over; empty: it stays, with a comment."""
    reopened_status: str = ""
    quiet_minutes: float = Field(default=60.0, gt=0)
    """How long a mitigated incident has to stay quiet to count as resolved."""


class AccessFile(Frozen):
    """`config/access.yaml`."""

    squads: tuple[Squad, ...] = ()
    roles: GivenRoles = GivenRoles()
    policy: Policy = Field(default_factory=Policy)
    tickets: TicketRules = TicketRules()


def load_access(path: Path, environment: Mapping[str, str]) -> AccessFile:
    """The file; an absent one gives nobody any role. InvalidConfiguration names file, line and key."""
    if not path.exists():
        return AccessFile()
    document = read_yaml(path, environment)
    data = document.data
    if not isinstance(data, dict):
        raise document.error((), "must be a mapping of keys to values")
    squads = data.get("squads") or {}
    if not isinstance(squads, dict):
        raise document.error(("squads",), "must map a squad's name to what it has")
    listed = [{"name": name, **(body if isinstance(body, dict) else {})} for name, body in squads.items()]
    try:
        return AccessFile.model_validate({**data, "squads": listed})
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = list(first["loc"])
        if len(where) > 1 and where[0] == "squads":
            where[1] = str(listed[int(where[1])]["name"])
        problem = {"extra_forbidden": "unknown key", "missing": "is required and missing"}.get(first["type"])
        raise document.error(tuple(where), problem or str(first["msg"])) from error


def with_access(squads: Sequence[Squad], access: AccessFile) -> tuple[Squad, ...]:
    """The squads of both files, those of the access file over the others field by field."""
    merged = {squad.name: squad for squad in squads}
    for squad in access.squads:
        before = merged.get(squad.name, Squad(name=squad.name))
        merged[squad.name] = before.model_copy(update=squad.model_dump(exclude_unset=True, exclude={"limits"}))
    return tuple(merged.values())


class Roles:
    """Who may do what, as it is right now: asked anew for every decision, so that a revoked role is gone at once."""

    def __init__(
        self, *, store: Store, access: AccessFile, squads: Sequence[Squad], admins: Sequence[str] = ()
    ) -> None:
        self._store = store
        self._given = given_roles(access, squads, admins)
        self.access = access
        self.policy = access.policy
        self.squads = tuple(squads)

    @property
    def named(self) -> frozenset[str]:
        """Everybody whom files and environment give a role."""
        return frozenset(self._given)

    async def surroundings(self) -> Surroundings:
        """Policy and everybody's roles now."""
        grants = dict(self._given)
        for binding in await self._store.role_bindings():
            one = Grant(role=binding.role, squad=binding.squad)
            grants[binding.principal_id] = grants.get(binding.principal_id, frozenset()) | {one}

        def authority_of(principal_id: str) -> Authority:
            return Authority(principal_id=principal_id, grants=grants.get(principal_id, frozenset()))

        return Surroundings(self.policy, authority_of)

    async def words(self, principal_id: str) -> str:
        """What a person may do, in words."""
        grants = (await self.surroundings()).authority_of(principal_id).grants
        shown = sorted(f"{g.role.value} of squad {g.squad}" if g.squad else g.role.value for g in grants)
        return ", ".join(shown) or Role.VIEWER.value

    async def may_respond(self, by: Principal) -> bool:
        """Whether somebody is a responder, or more, in any squad."""
        authority = (await self.surroundings()).authority_of(by.id)
        return not by.guest and any(authority.reaches(Role.RESPONDER, grant.squad) for grant in authority.grants)

    def owner_of(self, service: str | None) -> str | None:
        """The squad that a service belongs to."""
        return next((squad.name for squad in self.squads if service in squad.services), None)


def given_roles(access: AccessFile, squads: Sequence[Squad], admins: Sequence[str]) -> dict[str, frozenset[Grant]]:
    """Roles that files and environment give by name. Members of a squad are its responders when they have that role."""
    found: dict[str, set[Grant]] = {}
    for person in (*admins, *access.roles.admin):
        found.setdefault(person, set()).add(Grant(role=Role.ADMIN))
    responders = set(access.roles.responder)
    for squad in squads:
        if squad.lead:
            found.setdefault(squad.lead, set()).add(Grant(role=Role.LEAD, squad=squad.name))
        for person in squad.members & responders:
            found.setdefault(person, set()).add(Grant(role=Role.RESPONDER, squad=squad.name))
    return {person: frozenset(grants) for person, grants in found.items()}

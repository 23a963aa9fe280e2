"""Who may approve which change: roles in squads, what each risk demands, freezes and hours. Pure; default deny."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, Field

from bot.domain.access import Role
from bot.domain.states import Risk
from connectors.model import Frozen


class Grant(Frozen):
    """A role somebody holds; `squad` None: everywhere."""

    role: Role
    squad: str | None = None


class Authority(Frozen):
    """What one person may do now. Without a grant: a viewer."""

    principal_id: str
    guest: bool = False
    grants: frozenset[Grant] = frozenset()

    def reaches(self, role: Role, squad: str | None) -> bool:
        """Whether some grant is at least `role` in this squad. A lead is a responder too; an admin is everything."""
        if self.guest:
            return False
        return any(_RANK[g.role] >= _RANK[role] and _covers(g, squad) for g in self.grants)

    def words(self, squad: str | None) -> str:
        """The highest role here, in words that follow "you are"."""
        if self.guest:
            return "a guest"
        here = [g for g in self.grants if _covers(g, squad)]
        best = max(here, key=lambda g: _RANK[g.role], default=None)
        if best is None or best.role is Role.VIEWER:
            other = sorted({g.squad for g in self.grants if g.squad and g.role is not Role.VIEWER})
            return f"a viewer here (your roles are in {', '.join(other)})" if other else "a viewer"
        return f"{_ARTICLE[best.role]} of squad {best.squad}" if best.squad else _ARTICLE[best.role]


_RANK: Mapping[Role, int] = {Role.VIEWER: 0, Role.RESPONDER: 1, Role.LEAD: 2, Role.ADMIN: 3}
_ARTICLE: Mapping[Role, str] = {
    Role.VIEWER: "a viewer",
    Role.RESPONDER: "a responder",
    Role.LEAD: "the lead",
    Role.ADMIN: "an admin",
}


def _covers(grant: Grant, squad: str | None) -> bool:
    return grant.squad is None or (squad is not None and grant.squad == squad)


class Demand(Frozen):
    """What a change needs before it may run."""

    approvals: int = Field(default=1, ge=1, le=5)
    role: Role = Role.RESPONDER
    requester_may_approve: bool = False

    def words(self, squad: str | None) -> str:
        """Who may approve, as people read it: `a responder of squad payment`."""
        place = f" of squad {squad}" if squad else ""
        who = {Role.RESPONDER: f"a responder{place}", Role.LEAD: f"the lead{place} or an admin", Role.ADMIN: "an admin"}
        one = who.get(self.role, "anybody")
        return one if self.approvals == 1 else f"{self.approvals} different people, each {one}"


# contracts.md, section 1.
DEFAULT_DEMANDS: Mapping[Risk, Demand] = {
    Risk.LOW: Demand(requester_may_approve=True),
    Risk.MEDIUM: Demand(),
    Risk.HIGH: Demand(role=Role.LEAD),
    Risk.CRITICAL: Demand(approvals=2, role=Role.LEAD),
}


class Weekday(StrEnum):
    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"


class Subject(Frozen):
    """What a policy is asked about."""

    risk: Risk
    squad: str | None = None
    service: str | None = None
    environment: str = "production"
    tool: str = ""
    """Source and write tool, such as `jira/main create_issue`."""


class Scope(Frozen):
    """Which changes a rule is about; an empty field means any."""

    risks: frozenset[Risk] = frozenset()
    squads: frozenset[str] = frozenset()
    services: frozenset[str] = frozenset()
    environments: frozenset[str] = frozenset()

    def fits(self, subject: Subject) -> bool:
        pairs: tuple[tuple[object, frozenset[object]], ...] = (
            (subject.risk, frozenset(self.risks)),
            (subject.squad, frozenset(self.squads)),
            (subject.service, frozenset(self.services)),
            (subject.environment, frozenset(self.environments)),
        )
        return all(not wanted or value in wanted for value, wanted in pairs)


class PolicyRule(Frozen):
    """Changes in scope need this, or are never made (`deny` says why)."""

    scope: Scope = Scope()
    demand: Demand | None = None
    deny: str | None = None


class PreApproval(Frozen):
    """Changes of low risk, by name, that this policy approves instead of a person; each is recorded as its approval."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,40}$")
    tools: frozenset[str] = Field(min_length=1)
    """Source and write tool, such as `jira/main create_issue`; nothing else is covered."""
    scope: Scope = Scope()

    def covers(self, subject: Subject) -> bool:
        return subject.risk is Risk.LOW and subject.tool in self.tools and self.scope.fits(subject)


class Freeze(Frozen):
    """Nothing in scope changes between two moments."""

    name: str
    start: AwareDatetime
    end: AwareDatetime
    scope: Scope = Scope()

    def covers(self, subject: Subject, now: datetime) -> bool:
        return self.start <= now < self.end and self.scope.fits(subject)


class Hours(Frozen):
    """Changes in scope only at these hours of these days; `end` before `start` means past midnight."""

    days: frozenset[Weekday] = frozenset(Weekday)
    start: str = Field(default="00:00", pattern=r"^([01]\d|2[0-3]):[0-5]\d$")
    end: str = Field(default="24:00", pattern=r"^(([01]\d|2[0-3]):[0-5]\d|24:00)$")
    time_zone: str = "UTC"
    scope: Scope = Scope()

    def allow(self, now: datetime) -> bool:
        local = now.astimezone(ZoneInfo(self.time_zone))
        minute, start, end = local.hour * 60 + local.minute, _minute(self.start), _minute(self.end)
        days = list(Weekday)
        today, yesterday = days[local.weekday()], days[local.weekday() - 1]
        if start <= end:
            return today in self.days and start <= minute < end
        return (today in self.days and minute >= start) or (yesterday in self.days and minute < end)

    def words(self) -> str:
        days = ", ".join(d.value for d in Weekday if d in self.days) if len(self.days) < 7 else "any day"
        return f"{self.start}–{self.end} {self.time_zone}, {days}"


def _minute(text: str) -> int:
    hour, _, minute = text.partition(":")
    return int(hour) * 60 + int(minute)


class Policy(Frozen):
    """What the installation asks for. The first rule in scope wins; freezes and hours always hold."""

    rules: tuple[PolicyRule, ...] = ()
    freezes: tuple[Freeze, ...] = ()
    hours: tuple[Hours, ...] = ()
    preapproved: tuple[PreApproval, ...] = ()
    expiry_minutes: float = Field(default=15.0, gt=0, le=24 * 60)
    reversible: frozenset[str] = frozenset()
    """Kinds of masked values that are kept sealed, such as `email`; none by default."""
    unmask: Role = Role.ADMIN
    """Who may read them back."""

    def demand(self, subject: Subject) -> Demand:
        rule = self._rule(subject)
        return rule.demand if rule and rule.demand else DEFAULT_DEMANDS[subject.risk]

    def denial(self, subject: Subject, now: datetime) -> str | None:
        """Why nobody may approve or run this now, as a sentence; None when somebody may."""
        rule = self._rule(subject)
        if rule and rule.deny:
            return f"Policy forbids this: {rule.deny}"
        for freeze in self.freezes:
            if freeze.covers(subject, now):
                return f"Changes are frozen until {freeze.end:%d %b %H:%M} UTC ({freeze.name})."
        for hours in self.hours:
            if hours.scope.fits(subject) and not hours.allow(now):
                return f"Such changes are made only at these hours: {hours.words()}."
        return None

    def _rule(self, subject: Subject) -> PolicyRule | None:
        return next((rule for rule in self.rules if rule.scope.fits(subject)), None)

    def preapproval(self, subject: Subject) -> str | None:
        """The name of the policy that approves this, as approvals name it; None when people have to."""
        found = next((one.name for one in self.preapproved if one.covers(subject)), None)
        return f"policy:{found}" if found else None

    def loosened(self) -> list[str]:
        """What asks for less than the defaults, in words, to be logged at start."""
        asked = [(rule.demand, risk) for rule in self.rules for risk in rule.scope.risks or frozenset(Risk)]
        looser = [(d, risk) for d, risk in asked if d is not None and _is_looser(d, DEFAULT_DEMANDS[risk])]
        standing = [f"low: {tool} is approved by policy {p.name}" for p in self.preapproved for tool in p.tools]
        return sorted([*(f"{risk.value}: {demand.words(None)}" for demand, risk in looser), *standing])


def _is_looser(one: Demand, default: Demand) -> bool:
    return (
        one.approvals < default.approvals
        or _RANK[one.role] < _RANK[default.role]
        or (one.requester_may_approve and not default.requester_may_approve)
    )

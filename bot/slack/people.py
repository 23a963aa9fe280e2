"""Who is who in this workspace: names, time zones, guests; asked once, then remembered."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import Any

from bot.domain.access import Principal, PrincipalKind
from bot.slack.publisher.limiter import Priority
from bot.slack.web import SlackRefused, SlackUnreachable, SlackWeb

log = logging.getLogger(__name__)
KEPT_S = 3_600.0
KEPT_UNKNOWN_S = 30.0
MOST = 50_000
_NO_SUCH_GROUP = frozenset({"no_such_subteam", "subteam_not_found"})


@dataclass(frozen=True)
class Person:
    """One member. `known` is False when Slack does not vouch for them: then nothing is assumed in their favour.

    `asked` is False when Slack gave no answer at all, so that another try may end otherwise.
    """

    id: str
    name: str
    time_zone: str = "UTC"
    guest: bool = False
    known: bool = True
    asked: bool = True


class People:
    """Looks people up with a short patience, because somebody waits for an acknowledgement."""

    def __init__(self, web: SlackWeb, *, patience_s: float = 1.2) -> None:
        self._web = web
        self._patience_s = patience_s
        self._kept: dict[str, tuple[float, Person]] = {}
        self._asking: dict[str, asyncio.Task[Person]] = {}
        self.team = ""

    async def principal(self, user_id: str) -> Principal:
        """The acting person. Members of other organisations and people Slack cannot vouch for act as guests."""
        return (await self.acting(user_id))[0]

    async def acting(self, user_id: str) -> tuple[Principal, bool]:
        """The acting person, and whether Slack was heard about them: a guest by its silence may be none."""
        person = await self.person(user_id)
        principal = Principal(
            kind=PrincipalKind.PERSON,
            id=user_id,
            name=person.name,
            guest=person.guest or not person.known,
            time_zone=person.time_zone,
        )
        return principal, person.asked

    async def person(self, user_id: str) -> Person:
        kept = self._kept.get(user_id)
        if kept and time.monotonic() - kept[0] < (KEPT_S if kept[1].known else KEPT_UNKNOWN_S):
            return kept[1]
        task = self._asking.get(user_id)
        if task is None:
            task = self._asking[user_id] = asyncio.create_task(self._ask(user_id))
            task.add_done_callback(lambda _: self._asking.pop(user_id, None))
        done, _ = await asyncio.wait({task}, timeout=self._patience_s)
        if done:
            return task.result()
        return kept[1] if kept else Person(user_id, user_id, known=False, asked=False)

    async def names(self, user_ids: set[str]) -> dict[str, str]:
        """Display names by id; those nobody could tell are left out."""
        people = await asyncio.gather(*(self.person(u) for u in sorted(user_ids)))
        return {p.id: p.name for p in people if p.known}

    async def of_group(self, group_id: str) -> list[str] | None:
        """The members of a user group; None when Slack gives no answer. A group that is gone has nobody."""
        try:
            answer = await self._web.call("usergroups.users.list", {"usergroup": group_id}, priority=Priority.PROGRESS)
        except SlackRefused as refused:
            log.warning("slack does not say who is in a group: %s", refused)
            return [] if refused.error in _NO_SUCH_GROUP else None
        except SlackUnreachable:
            return None
        return [str(user) for user in answer.get("users") or []]

    async def _ask(self, user_id: str) -> Person:
        try:
            answer = await self._web.call("users.info", {"user": user_id}, priority=Priority.CLICK)
            person = _person(answer.get("user") or {}, user_id, team=self.team)
        except SlackRefused as refused:
            log.warning("slack does not say who somebody is: %s", refused)
            person = Person(user_id, user_id, known=False)
        except SlackUnreachable:
            before = self._kept.get(user_id)
            if before is not None and before[1].known:
                return before[1]  # Slack is away; who somebody was an hour ago is the best there is
            person = Person(user_id, user_id, known=False, asked=False)
        if len(self._kept) >= MOST:
            self._kept.pop(next(iter(self._kept)))
        self._kept[user_id] = (time.monotonic(), person)
        return person


def _person(user: dict[str, Any], user_id: str, *, team: str) -> Person:
    profile = user.get("profile") or {}
    name = profile.get("display_name") or profile.get("real_name") or user.get("real_name") or user.get("name")
    limited = any(user.get(k) for k in ("is_restricted", "is_ultra_restricted", "is_stranger", "is_bot", "deleted"))
    foreign = bool(team and user.get("team_id") and user["team_id"] != team and not user.get("enterprise_user"))
    zone = str(user.get("tz") or "UTC")
    return Person(user_id, str(name or user_id), zone, guest=bool(limited or foreign))

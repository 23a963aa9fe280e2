"""What every listener shares: who acts, and the border that turns every failure into one clear sentence."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bot.domain.access import Principal
from bot.errors import BotError, FenceLost, NotAllowed, SequenceConflict, StoreBusy
from bot.slack.answers import Answers
from bot.slack.blocks.rows import Scene
from bot.slack.blocks.text import escape
from bot.slack.config import SlackConfig
from bot.slack.incoming import Body, Place, delivery_id, place_of, team_of, user_of
from bot.slack.people import People
from bot.slack.ports import Extras, InvestigationVerbs, OpenRequest

log = logging.getLogger(__name__)
BUSY = "Inquest cannot store anything right now, so nothing was done. Try again in a minute."
NOT_HEARD = "Slack does not say who you are right now, so nothing was done. Try again in a minute."


@dataclass(frozen=True)
class Act:
    """One deed of one person, as Slack delivered it."""

    body: Body
    by: Principal
    place: Place
    delivery_id: str | None
    heard: bool = True
    """False when Slack did not say who this is, so that they act as a guest without being shown to be one."""


class NotStored(Exception):
    """It could not be taken; Slack should deliver it again. `said`: what to tell a person when that fails too."""

    def __init__(self, said: str) -> None:
        super().__init__(said)
        self.said = said


Handler = Callable[[Act], Awaitable[str | None]]


@dataclass
class Desk:
    """The services behind the listeners, and how to talk back."""

    investigations: InvestigationVerbs
    extras: Extras
    answers: Answers
    people: People
    config: SlackConfig
    bot_user_id: str = ""

    @property
    def scene(self) -> Scene:
        """What modals need to know."""
        tickets, evals = self.extras.ticket is not None, self.extras.keep_eval is not None
        return Scene(hosts=self.config.source_hosts, tickets=tickets, evals=evals)

    def bot_id_of(self, body: Body) -> str:
        """Our own user id in the workspace of this delivery."""
        found = (body.get("authorizations") or [{}])[0].get("user_id")
        return str(found or self.bot_user_id)

    async def act(self, body: Body, place: Place | None = None) -> Act:
        by, heard = await self.people.acting(user_of(body))
        return Act(body, by, place or place_of(body), delivery_id(body), heard)

    async def run(self, handler: Handler, body: Body, place: Place | None = None, *, again: bool = False) -> str | None:
        """What to say (safe to show), or None. With `again`, NotStored asks for a new delivery of what failed."""
        act = None
        try:
            act = await self.act(body, place)
            return await handler(act)
        except (StoreBusy, SequenceConflict, FenceLost) as error:
            log.warning("a delivery was not stored: %s", error)
            if again:
                raise NotStored(BUSY) from error
            return BUSY
        except NotAllowed as error:
            if act is None or act.heard:
                return escape(str(error), 2_500)
            if again:
                raise NotStored(NOT_HEARD) from error
            return NOT_HEARD
        except BotError as error:
            return escape(str(error), 2_500)
        except Exception as error:  # the border of one delivery
            number = f"err_{secrets.token_hex(4)}"
            log.exception("a delivery failed", extra={"error_id": number, "delivery_id": delivery_id(body)})
            said = f"Sorry, something went wrong on our side and is logged as `{number}`. Please try again."
            if again:
                raise NotStored(said) from error
            return said


def open_request(act: Act, text: str) -> OpenRequest:
    """A request with the place and the person filled in."""
    return OpenRequest(
        text=text, time_zone=act.by.time_zone, channel=act.place.channel or None, origin=act.place.origin()
    )


__all__ = ["Act", "Desk", "NotStored", "open_request", "team_of"]

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


@dataclass(frozen=True)
class Act:
    """One deed of one person, as Slack delivered it."""

    body: Body
    by: Principal
    place: Place
    delivery_id: str | None


class NotStored(Exception):
    """The store could not take it; Slack should deliver it again."""


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
        return Scene(hosts=self.config.source_hosts, tickets=self.extras.ticket is not None)

    def bot_id_of(self, body: Body) -> str:
        """Our own user id in the workspace of this delivery."""
        found = (body.get("authorizations") or [{}])[0].get("user_id")
        return str(found or self.bot_user_id)

    async def act(self, body: Body, place: Place | None = None) -> Act:
        by = await self.people.principal(user_of(body))
        return Act(body, by, place or place_of(body), delivery_id(body))

    async def run(self, handler: Handler, body: Body, place: Place | None = None, *, again: bool = False) -> str | None:
        """What to say (safe to show), or None. With `again`, a full store raises NotStored for a new delivery."""
        try:
            return await handler(await self.act(body, place))
        except (StoreBusy, SequenceConflict, FenceLost) as error:
            log.warning("a delivery was not stored: %s", error)
            if again:
                raise NotStored from error
            return BUSY
        except NotAllowed as error:
            if again and not (await self.people.person(user_of(body))).asked:
                raise NotStored from error  # refused only because Slack did not say who this is
            return escape(str(error), 2_500)
        except BotError as error:
            return escape(str(error), 2_500)
        except Exception:  # the border of one delivery
            number = f"err_{secrets.token_hex(4)}"
            log.exception("a delivery failed", extra={"error_id": number, "delivery_id": delivery_id(body)})
            return f"Sorry, something went wrong on our side and is logged as `{number}`. Please try again."


def open_request(act: Act, text: str) -> OpenRequest:
    """A request with the place and the person filled in."""
    return OpenRequest(
        text=text, time_zone=act.by.time_zone, channel=act.place.channel or None, origin=act.place.origin()
    )


__all__ = ["Act", "Desk", "NotStored", "open_request", "team_of"]

"""What goes in and out of the store, beside the domain's own nouns."""

from __future__ import annotations

from typing import ClassVar

from pydantic import AwareDatetime

from bot.domain.access import Role
from bot.domain.events import Event
from bot.domain.investigation import Investigation
from bot.errors import BotError
from connectors.model import Frozen


class Fence(Frozen):
    """The right to write to one investigation. A later claim makes every earlier fence worthless."""

    investigation_id: str
    worker: str
    token: int


class Claim(Frozen):
    """An investigation this worker has now. Its `claims` already counts this attempt.

    It may be paused or failed: then somebody asked for something (`investigation.requests`) while nobody held it.
    """

    investigation: Investigation
    fence: Fence


class Full(Frozen):
    """What a worker has enough of, so that its last slots stay free for others: scheduled work, and work of squads.

    `suspects`: it runs one already that was claimed twice without progress. They run one at a time, so that one that
    kills its worker does not take the blameless beside it along. `idle`: it runs nothing, so that a suspect can have it
    alone; then they come first among their like.
    """

    schedules: bool = False
    squads: frozenset[str] = frozenset()
    suspects: bool = False
    idle: bool = False


class Appended(Frozen):
    """What append wrote. `investigation` is None for streams of other things."""

    events: tuple[Event, ...]
    investigation: Investigation | None = None


class Outgoing(Frozen):
    """A stream that somebody has to redraw: it has got to `latest_seq` and was shown up to `published_seq`."""

    stream: str
    published_seq: int
    latest_seq: int


class Posted(Frozen):
    """What was posted where. `slot` names the place in the drawing, such as `card`; `digest` is of what it showed."""

    stream: str
    slot: str
    channel: str
    ts: str
    digest: str
    thread_ts: str | None = None


class RoleBinding(Frozen):
    """A role a principal has; `squad` is None when it holds everywhere."""

    principal_id: str
    role: Role
    squad: str | None = None
    granted_by: str
    granted_at: AwareDatetime


class BrokenLink(Frozen):
    """The first place where a stream does not fit its chain, or its recorded end."""

    stream: str
    seq: int
    why: str


class DuplicateDelivery(BotError):
    """This delivery already had its effect; `stream` is where it led."""

    kind: ClassVar[str] = "duplicate_delivery"

    def __init__(self, delivery_id: str, *, stream: str) -> None:
        super().__init__("This was already done.")
        self.delivery_id = delivery_id
        self.stream = stream

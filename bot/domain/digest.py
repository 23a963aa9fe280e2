"""A digest: what is worth knowing but not worth a page, one message per channel and hour. Rebuilt from its events."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from pydantic import AwareDatetime, ValidationError

from bot.domain.events import Event, EventKind
from bot.domain.ids import StreamId
from bot.domain.states import Severity
from connectors.model import Frozen

DIGEST_PREFIX = "sweep/digest."


class DigestLine(Frozen):
    """One anomaly in a digest; `why` says why it has no card of its own."""

    anomaly_id: str
    title: str
    severity: Severity
    at: AwareDatetime
    channel: str
    why: str = ""
    ended_at: AwareDatetime | None = None


def digest_stream(channel: str, at: datetime) -> StreamId:
    """The digest of this channel and hour."""
    return f"{DIGEST_PREFIX}{channel}.{at.astimezone(UTC):%Y%m%d%H}"


def fold_digest(events: Iterable[Event]) -> tuple[DigestLine, ...]:
    """The lines in the order they came; a later one about the same anomaly replaces the earlier."""
    lines: dict[str, DigestLine] = {}
    for event in events:
        if event.kind is EventKind.ANOMALY_GROUPED:
            try:
                line = DigestLine.model_validate(event.payload)
            except ValidationError:
                continue  # an event of a later version
            lines[line.anomaly_id] = line
    return tuple(lines.values())

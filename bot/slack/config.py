"""What the Slack face needs to know; the composition root fills it from the settings."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, field
from enum import StrEnum

SLACK_API = "https://slack.com/api/"


class Mode(StrEnum):
    """How Slack delivers: over a WebSocket we open, or by signed POST to our address."""

    SOCKET = "socket"
    HTTP = "http"


@dataclass(frozen=True)
class SlackConfig:
    """Tokens and limits of the Slack face. Secrets stay out of its repr.

    `source_hosts`: hosts of evidence links that may be live; None lets every link live that a connector made.
    `max_in_flight`: deliveries handled at once, beyond which new ones are refused visibly.
    `card_interval_s`: the least time between two edits of one card.
    `slack_pace`: seconds of the wall in one of Slack's; 1 outside of tests with a scaled clock.
    """

    bot_token: str = field(repr=False)
    mode: Mode = Mode.SOCKET
    app_token: str | None = field(default=None, repr=False)
    signing_secret: str | None = field(default=None, repr=False)
    api_base_url: str = SLACK_API
    source_hosts: frozenset[str] | None = None
    max_in_flight: int = 1_000
    sockets: int = 2
    worker: str = field(default_factory=lambda: f"slack-{socket.gethostname()}-{os.getpid()}")
    publish: bool = True
    card_interval_s: float = 1.0
    slack_pace: float = 1.0

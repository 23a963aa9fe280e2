"""The parts of one workspace in one place, and the events that follow from what happens in it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from bot.demo.workspace.config import APP_ID, BOT_ID, BOT_USER_ID, TEAM_ID, WorkspaceConfig
from bot.demo.workspace.courier import Courier
from bot.demo.workspace.faults import Faults
from bot.demo.workspace.feed import Feed
from bot.demo.workspace.http_delivery import HttpDelivery
from bot.demo.workspace.ledger import Ledger
from bot.demo.workspace.socket_mode import SocketMode
from bot.demo.workspace.state import Channel, State
from bot.demo.workspace.tiers import Tiers
from bot.demo.workspace.wire import Clock, Json

EVENT_OF_CHANNEL = {"channel": "message.channels", "group": "message.groups", "im": "message.im"}


@dataclass
class Core:
    """Shared by the Web API, the control API and the deliveries."""

    config: WorkspaceConfig
    clock: Clock
    feed: Feed
    state: State
    ledger: Ledger
    tiers: Tiers
    faults: Faults
    sockets: SocketMode
    http: HttpDelivery
    courier: Courier
    bot_token: str
    app_token: str
    signing_secret: str
    verification_token: str
    scopes: set[str]
    refused_blocks: set[str]
    base_url: str = ""

    def __post_init__(self) -> None:
        self.sockets.changed = self.bot_changed

    def bot_changed(self) -> None:
        """Tell followers how the bot is reached now."""
        body = {
            "connections": len(self.sockets.connections),
            "request_url": next(iter(self.courier.request_urls), None),
        }
        self.feed.publish("bot", body)

    def event(self, name: str, event: Json) -> None:
        """Deliver an event when the app subscribed to it."""
        if name in self.config.events:
            self.courier.event(self.event_payload(event))

    def event_payload(self, event: Json) -> Json:
        """The outer shape of an Events API delivery."""
        author = self.state.people.get(str(event.get("user")))
        return {
            "token": self.verification_token,
            "team_id": TEAM_ID,
            "context_team_id": TEAM_ID,
            "context_enterprise_id": None,
            "api_app_id": APP_ID,
            "event": {**event, "event_ts": event.get("event_ts") or event.get("ts") or self.state.new_ts()},
            "type": "event_callback",
            "event_id": self.state.new_id("Ev"),
            "event_time": int(self.clock.now_s()),
            "authorizations": [
                {"enterprise_id": None, "team_id": TEAM_ID, "user_id": BOT_USER_ID, "is_bot": True,
                 "is_enterprise_install": False}
            ],
            "is_ext_shared_channel": bool(author and author.team_id != TEAM_ID),
            "event_context": "4-" + secrets.token_hex(12),
        }  # fmt: skip

    def message_event(self, channel: Channel, message: Json) -> None:
        """`message` to everybody who listens, `app_mention` besides when the bot is named."""
        if BOT_USER_ID not in channel.members:
            return
        event = self._message_body(channel, message)
        from_bot = message.get("bot_id") == BOT_ID
        if not from_bot and f"<@{BOT_USER_ID}>" in message.get("text", "") and not channel.is_im:
            mention = {k: v for k, v in event.items() if k not in {"channel_type", "subtype"}}
            self.event("app_mention", {**mention, "type": "app_mention"})
        if not from_bot or self.config.self_events:
            self.event(EVENT_OF_CHANNEL[event["channel_type"]], event)

    def changed_event(self, channel: Channel, before: Json, after: Json | None) -> None:
        """`message_changed` or `message_deleted`."""
        if BOT_USER_ID not in channel.members or (before.get("bot_id") == BOT_ID and not self.config.self_events):
            return
        event: Json = {"type": "message", "channel": channel.id, "hidden": True, "ts": self.state.new_ts()}
        event |= {"channel_type": self.channel_type(channel), "previous_message": without_metadata(before)}
        if after is None:
            event |= {"subtype": "message_deleted", "deleted_ts": before["ts"]}
        else:
            event |= {"subtype": "message_changed", "message": without_metadata(after)}
        self.event(EVENT_OF_CHANNEL[event["channel_type"]], event)

    def channel_type(self, channel: Channel) -> str:
        """channel | group | im."""
        if channel.is_im:
            return "im"
        return "group" if channel.is_private else "channel"

    def _message_body(self, channel: Channel, message: Json) -> Json:
        keys = {"type", "subtype", "user", "text", "ts", "thread_ts", "parent_user_id", "blocks", "files", "bot_id",
                "app_id", "team", "client_msg_id"}  # fmt: skip
        body = {k: v for k, v in message.items() if k in keys}
        return {**body, "channel": channel.id, "channel_type": self.channel_type(channel)}


def without_metadata(message: Json) -> Json:
    """The message as people and events see it."""
    return {k: v for k, v in message.items() if k not in {"metadata", "streaming"}}


def make_core(config: WorkspaceConfig) -> Core:
    """Everything a workspace needs, not yet listening."""
    clock, feed = Clock(config.clock_scale), Feed()
    state = State(config, clock, feed)
    ledger = Ledger()
    signing_secret = config.signing_secret or secrets.token_hex(16)
    sockets = SocketMode(config, state.rng, ack_timeout_s=config.ack_timeout_s)
    http = HttpDelivery(signing_secret, config.ack_timeout_s)
    return Core(
        config=config,
        clock=clock,
        feed=feed,
        state=state,
        ledger=ledger,
        tiers=Tiers(clock, on=config.tiers),
        faults=Faults(),
        sockets=sockets,
        http=http,
        courier=Courier(
            config, clock, ledger, sockets, http, request_urls=[config.request_url] if config.request_url else []
        ),
        bot_token=config.bot_token or "xoxb-simulation-" + secrets.token_hex(12),
        app_token=config.app_token or "xapp-1-simulation-" + secrets.token_hex(12),
        signing_secret=signing_secret,
        verification_token=secrets.token_hex(12),
        scopes=set(config.scopes),
        refused_blocks=set(config.refused_blocks),
    )

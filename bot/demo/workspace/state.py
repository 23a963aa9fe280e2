"""The memory of the simulated workspace: people, channels, messages, files, views, and short-lived tokens."""

from __future__ import annotations

import itertools
import random
import secrets
import time
from dataclasses import dataclass, field

from bot.demo.workspace.config import BOT_ID, BOT_USER_ID, Person, WorkspaceConfig
from bot.demo.workspace.feed import Feed
from bot.demo.workspace.wire import Clock, Json, SlackError

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
RESPONSE_URL_USES = 5
RESPONSE_URL_LIFE_S = 1_800.0


@dataclass
class Channel:
    """One conversation; `messages` maps ts to the message as Slack would return it, oldest first.

    `replies` holds the same replies again by parent, so that a long channel stays fast.
    """

    id: str
    name: str
    topic: str = ""
    is_private: bool = False
    is_im: bool = False
    user: str | None = None
    members: set[str] = field(default_factory=set)
    messages: dict[str, Json] = field(default_factory=dict)
    replies: dict[str, dict[str, Json]] = field(default_factory=dict)

    def wire(self) -> Json:
        """The conversation object of the Web API."""
        common: Json = {"id": self.id, "created": 1_700_000_000, "is_archived": False, "is_im": self.is_im}
        if self.is_im:
            return {**common, "user": self.user, "is_org_shared": False, "is_user_deleted": False, "priority": 0}
        return {
            **common,
            "name": self.name,
            "name_normalized": self.name,
            "is_channel": not self.is_private,
            "is_group": self.is_private,
            "is_private": self.is_private,
            "is_mpim": False,
            "is_general": self.name == "general",
            "is_member": BOT_USER_ID in self.members,
            "is_shared": False,
            "is_ext_shared": False,
            "creator": "U0DANA00001",
            "topic": {"value": self.topic, "creator": "", "last_set": 0},
            "purpose": {"value": "", "creator": "", "last_set": 0},
            "num_members": len(self.members),
        }


@dataclass
class Trigger:
    """The right to open one modal, for a few seconds."""

    user: str
    born_s: float
    used: bool = False


@dataclass
class ResponseUrl:
    """A URL that may post five times in thirty minutes to where it came from."""

    token: str
    channel: str
    user: str
    born_s: float
    message_ts: str | None = None
    thread_ts: str | None = None
    is_ephemeral: bool = False
    uses: int = 0


@dataclass
class State:
    """Everything that would survive in Slack; here it lives as long as the process."""

    config: WorkspaceConfig
    clock: Clock
    feed: Feed
    people: dict[str, Person] = field(default_factory=dict)
    channels: dict[str, Channel] = field(default_factory=dict)
    ephemerals: dict[str, Json] = field(default_factory=dict)
    modals: dict[str, list[Json]] = field(default_factory=dict)
    homes: dict[str, Json] = field(default_factory=dict)
    files: dict[str, Json] = field(default_factory=dict)
    contents: dict[str, bytes] = field(default_factory=dict)
    statuses: dict[str, Json] = field(default_factory=dict)
    prompts: dict[str, Json] = field(default_factory=dict)
    triggers: dict[str, Trigger] = field(default_factory=dict)
    response_urls: dict[str, ResponseUrl] = field(default_factory=dict)
    _last_ts: int = 0
    _ids: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.rng = random.Random(self.config.seed)
        for person in self.config.people:
            self.add_person(person)
        everyone = {p.id for p in self.config.people if not p.is_guest}
        for room in self.config.rooms:
            members = set(room.members or everyone) | ({BOT_USER_ID} if room.has_bot else set())
            self.channels[room.id] = Channel(room.id, room.name, room.topic, room.is_private, members=members)

    def add_person(self, person: Person) -> None:
        """Add a member and their direct conversation with the bot."""
        self.people[person.id] = person
        dm = Channel(person.dm_id, person.name, is_im=True, user=person.id, members={person.id, BOT_USER_ID})
        self.channels.setdefault(person.dm_id, dm)

    def new_id(self, prefix: str) -> str:
        """An id of Slack's form, unique in this run."""
        number, text = next(self._ids), ""
        while number:
            number, digit = divmod(number, 36)
            text = ALPHABET[digit] + text
        noise = "".join(self.rng.choices(ALPHABET, k=5))
        return f"{prefix}0{noise}{text.rjust(4, '0')}"

    def new_ts(self) -> str:
        """A message timestamp: microseconds of the wall, never twice."""
        self._last_ts = max(self._last_ts + 1, time.time_ns() // 1000)
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"

    def channel(self, ref: str) -> Channel:
        """The channel by id, by name, or the direct conversation by user id."""
        if ref in self.people:
            ref = self.people[ref].dm_id
        if ref in self.channels:
            return self.channels[ref]
        for channel in self.channels.values():
            if not channel.is_im and channel.name == ref.removeprefix("#"):
                return channel
        raise SlackError("channel_not_found")

    def person(self, ref: str) -> Person:
        """The person by id or by name, for the control API."""
        if ref in self.people:
            return self.people[ref]
        for person in self.people.values():
            if person.name == ref.removeprefix("@").lower():
                return person
        raise SlackError("user_not_found")

    def thread(self, channel: Channel, ts: str) -> list[Json]:
        """The parent and its replies, oldest first."""
        parent = channel.messages.get(ts)
        return [*([parent] if parent else []), *channel.replies.get(ts, {}).values()]

    def announce(self, channel: Channel, ts: str) -> None:
        """Tell followers that one message is new, changed or gone."""
        message = channel.messages.get(ts)
        self.feed.publish("message", {"channel": channel.id, "ts": ts, "message": message})

    def add_message(self, channel: Channel, message: Json) -> Json:
        """Store a message; a reply to a missing parent becomes top-level without an error, as in Slack."""
        message = {"type": "message", "ts": self.new_ts(), "team": self._team(message), **message}
        parent = self._parent(channel, message.pop("thread_ts", None))
        if parent is not None:
            message["thread_ts"] = parent["ts"]
            message["parent_user_id"] = parent["user"]
        channel.messages[message["ts"]] = message
        if parent is not None:
            channel.replies.setdefault(parent["ts"], {})[message["ts"]] = message
            self._count_replies(channel, parent)
        self.announce(channel, message["ts"])
        return message

    def _team(self, message: Json) -> str:
        """The team of the author."""
        person = self.people.get(str(message.get("user")))
        return person.team_id if person else self.config.people[0].team_id if self.config.people else "T0"

    def _parent(self, channel: Channel, thread_ts: str | None) -> Json | None:
        found = channel.messages.get(thread_ts or "")
        if found is None:
            return None
        return channel.messages.get(str(found.get("thread_ts", found["ts"])), found)

    def _count_replies(self, channel: Channel, parent: Json) -> None:
        replies = list(channel.replies.get(parent["ts"], {}).values())
        parent["reply_count"] = len(replies)
        parent["reply_users"] = list(dict.fromkeys(m["user"] for m in replies))
        parent["reply_users_count"] = len(parent["reply_users"])
        if replies:
            parent["thread_ts"] = parent["ts"]
            parent["latest_reply"] = replies[-1]["ts"]
        else:
            for key in ("thread_ts", "latest_reply"):
                parent.pop(key, None)
        self.announce(channel, parent["ts"])

    def forget(self, channel: Channel, ts: str) -> None:
        """Take a message away without a trace."""
        message = channel.messages.pop(ts, {})
        channel.replies.get(message.get("thread_ts", ""), {}).pop(ts, None)

    def remove_message(self, channel: Channel, ts: str) -> Json:
        """Delete a message; a parent with replies leaves a tombstone, as in Slack."""
        message = channel.messages[ts]
        if message.get("reply_count"):
            kept = {
                k: v for k, v in message.items() if k in {"type", "ts", "thread_ts", "team"} or k.startswith("reply")
            }
            channel.messages[ts] = {
                **kept, "subtype": "tombstone", "hidden": True, "user": "USLACKBOT", "text": "This message was deleted."
            }  # fmt: skip
        else:
            self.forget(channel, ts)
            parent = channel.messages.get(message.get("thread_ts", ""))
            if parent is not None:
                self._count_replies(channel, parent)
        self.announce(channel, ts)
        return message

    def add_ephemeral(self, channel: Channel, user: str, body: Json) -> Json:
        """Show something to one person only."""
        item = {"type": "message", "ts": self.new_ts(), "channel": channel.id, "to": user, **body}
        item.update(user=BOT_USER_ID, bot_id=BOT_ID, is_ephemeral=True)
        self.ephemerals[item["ts"]] = item
        self.feed.publish("ephemeral", {"ts": item["ts"], "message": item})
        return item

    def drop_ephemeral(self, ts: str) -> None:
        """Take an ephemeral message away again."""
        if self.ephemerals.pop(ts, None):
            self.feed.publish("ephemeral", {"ts": ts, "message": None})

    def new_trigger(self, user: str) -> str:
        """A trigger_id of Slack's form."""
        trigger_id = f"{self.rng.randrange(10**12)}.{self.rng.randrange(10**12)}.{secrets.token_hex(16)}"
        self.triggers[trigger_id] = Trigger(user, time.monotonic())
        return trigger_id

    def use_trigger(self, trigger_id: str) -> str:
        """The user a trigger belongs to; refused when unknown, used or too old."""
        trigger = self.triggers.get(trigger_id)
        if trigger is None:
            raise SlackError("invalid_trigger_id")
        if time.monotonic() - trigger.born_s > self.config.trigger_life_s:
            raise SlackError("expired_trigger_id")
        if trigger.used:
            raise SlackError("exchanged_trigger_id")
        trigger.used = True
        return trigger.user

    def new_response_url(self, channel: str, user: str, *, message: Json | None = None) -> ResponseUrl:
        """A response URL bound to a channel, a person and maybe a message."""
        url = ResponseUrl(secrets.token_hex(12), channel, user, self.clock.now_s())
        if message is not None:
            url.message_ts = message["ts"]
            url.thread_ts = message.get("thread_ts")
            url.is_ephemeral = bool(message.get("is_ephemeral"))
        self.response_urls[url.token] = url
        return url

    def use_response_url(self, token: str) -> ResponseUrl:
        """Count one use; refused beyond five uses or thirty minutes."""
        url = self.response_urls.get(token)
        if url is None:
            raise SlackError("invalid_url", status=404)
        if self.clock.now_s() - url.born_s > RESPONSE_URL_LIFE_S:
            raise SlackError("expired_url", status=404)
        if url.uses >= RESPONSE_URL_USES:
            raise SlackError("used_url", status=404)
        url.uses += 1
        return url

"""What a simulated workspace consists of when it starts: people, channels, commands, limits."""

from __future__ import annotations

from dataclasses import dataclass

TEAM_ID = "T0ACMESIM01"
APP_ID = "A0INQUEST01"
BOT_USER_ID = "U0INQUEST01"
BOT_ID = "B0INQUEST01"

_SCOPES = """
app_mentions:read assistant:write channels:history channels:join channels:read chat:write commands files:read
files:write groups:history groups:read im:history im:read im:write mpim:history mpim:read reactions:read
reactions:write usergroups:read users:read users:read.email
"""
BOT_SCOPES = frozenset(_SCOPES.split())
EVENTS = frozenset(
    {
        "app_mention",
        "app_home_opened",
        "message.channels",
        "message.groups",
        "message.im",
        "reaction_added",
        "member_joined_channel",
    }
)
NATIVE_BLOCKS = frozenset({"plan", "task_card", "data_visualization", "data_table", "context_actions"})


@dataclass(frozen=True)
class Person:
    """One human member; a guest sees only the channels they were invited to."""

    id: str
    name: str
    real_name: str
    title: str = ""
    tz: str = "Etc/UTC"
    is_admin: bool = False
    is_guest: bool = False
    team_id: str = TEAM_ID

    @property
    def dm_id(self) -> str:
        """The channel of the direct conversation with the bot."""
        return "D" + self.id[1:]


@dataclass(frozen=True)
class Room:
    """One channel as it exists at the start; `members` holds user ids, empty means everybody but guests."""

    id: str
    name: str
    topic: str = ""
    is_private: bool = False
    has_bot: bool = True
    members: tuple[str, ...] = ()


@dataclass(frozen=True)
class Command:
    """One slash command as the app registered it."""

    name: str
    description: str
    usage_hint: str = ""


@dataclass(frozen=True)
class Shortcut:
    """One message shortcut as the app registered it."""

    callback_id: str
    name: str


ADA, BEN, CHLOE, DANA, GUS = "U0ADA000001", "U0BEN000001", "U0CHLOE0001", "U0DANA00001", "U0GUS000001"

PEOPLE = (
    Person(ADA, "ada", "Ada", "On-call engineer, payments", "Europe/London"),
    Person(BEN, "ben", "Ben", "Responder, payments", "Europe/Berlin"),
    Person(CHLOE, "chloe", "Chloe", "Squad lead, payments", "Europe/Paris"),
    Person(DANA, "dana", "Dana", "Admin", "America/New_York", is_admin=True),
    Person(GUS, "gus", "Gus", "Guest", "Etc/UTC", is_guest=True),
)
ROOMS = (
    Room("C0PAYINC001", "payments-incidents", "Checkout, payments and refunds", members=(ADA, BEN, CHLOE, DANA, GUS)),
    Room("C0PLTINC001", "platform-incidents", "Clusters, databases and queues"),
    Room("C0GENERAL01", "general", "Everything else"),
)
COMMANDS = (
    Command("/investigate", "Find out what went wrong", "why is checkout slow since 10 minutes?"),
    Command("/ask", "Ask one data source in plain words", "[source:] failed payments per hour today"),
    Command("/sweeps", "Scheduled checks and what they found", "list | run NAME"),
    Command("/runbooks", "Search the runbooks", "words"),
)
SHORTCUTS = (Shortcut("investigate_message", "Investigate this"),)


@dataclass(frozen=True)
class WorkspaceConfig:
    """Everything the simulated workspace can be told at the start; the control API changes most of it later.

    `ack_timeout_s` and `trigger_life_s` are seconds of the wall; every other time is in Slack seconds.
    `request_url` None means Socket Mode, else events, commands and clicks are posted there, signed.
    """

    team_name: str = "Acme (simulation)"
    team_domain: str = "acme-simulation"
    people: tuple[Person, ...] = PEOPLE
    rooms: tuple[Room, ...] = ROOMS
    commands: tuple[Command, ...] = COMMANDS
    shortcuts: tuple[Shortcut, ...] = SHORTCUTS
    usergroups: tuple[tuple[str, str, tuple[str, ...]], ...] = (("S0PAYMENT01", "payment-oncall", (ADA, BEN)),)
    scopes: frozenset[str] = BOT_SCOPES
    events: frozenset[str] = EVENTS
    refused_blocks: frozenset[str] = frozenset()
    tiers: bool = False
    clock_scale: float = 1.0
    ack_timeout_s: float = 3.0
    trigger_life_s: float = 3.0
    retry_schedule_s: tuple[float, ...] = (0.0, 60.0, 300.0)
    self_events: bool = True
    request_url: str | None = None
    max_connections: int = 10
    seed: int = 1
    signing_secret: str = ""
    bot_token: str = ""
    app_token: str = ""

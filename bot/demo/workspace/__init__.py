"""A loopback Slack workspace: a strict double of Slack for tests, with a page for people.

It imports nothing of the product and is spoken to over HTTP and WebSocket only.
"""

from bot.demo.workspace.config import Command, Person, Room, Shortcut, WorkspaceConfig
from bot.demo.workspace.workspace import Workspace

__all__ = ["Command", "Person", "Room", "Shortcut", "Workspace", "WorkspaceConfig"]

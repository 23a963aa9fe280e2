"""The event log and its rows, on SQLite or PostgreSQL."""

from bot.store.model import (
    Appended,
    BrokenLink,
    Claim,
    DuplicateDelivery,
    Fence,
    Full,
    Outgoing,
    Posted,
    RoleBinding,
)
from bot.store.store import Store

__all__ = [
    "Appended",
    "BrokenLink",
    "Claim",
    "DuplicateDelivery",
    "Fence",
    "Full",
    "Outgoing",
    "Posted",
    "RoleBinding",
    "Store",
]

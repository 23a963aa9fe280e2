"""The guard as connectors call it: what it refuses never goes on."""

from __future__ import annotations

from connectors.errors import Rejected
from connectors.guards import Allowed, GuardLimits, Refused, guard


def guarded(text: str, *, dialect: str, limits: GuardLimits | None = None) -> Allowed:
    """The text that may run. Raises Rejected with the guard's reason."""
    judged = guard(text, dialect=dialect, limits=limits)
    if isinstance(judged, Refused):
        raise Rejected(judged.reason)
    return judged

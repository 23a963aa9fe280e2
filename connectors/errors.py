"""What can go wrong at a backend, named for what the caller should do about it.

`str(error)` is one plain sentence that is safe to show: it never holds a secret, a stack trace or a driver's text
that was not cleaned first.
"""

from __future__ import annotations

from typing import ClassVar


class ConnectorError(Exception):
    """Root of every error a connector raises."""

    kind: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Misconfigured(ConnectorError):
    """Fix the settings: a wrong address, a wrong database name, a missing certificate."""

    kind = "misconfigured"


class Unauthorized(ConnectorError):
    """Grant access: the password or token is wrong, expired, or may not read this."""

    kind = "unauthorized"


class NotFound(ConnectorError):
    """Ask differently: the table, index, metric or object does not exist."""

    kind = "not_found"


class Rejected(ConnectorError):
    """The guard or the backend refused this question; the message says why."""

    kind = "rejected"


class Throttled(ConnectorError):
    """Ask again after `retry_after_s`."""

    kind = "throttled"
    retryable = True


class Unavailable(ConnectorError):
    """Try later: the backend cannot be reached or says it is down."""

    kind = "unavailable"
    retryable = True


class TimedOut(ConnectorError):
    """The backend did not answer before the deadline."""

    kind = "timed_out"


class Malformed(ConnectorError):
    """The backend answered something its own interface does not allow."""

    kind = "malformed"


ERROR_KINDS: tuple[type[ConnectorError], ...] = (
    Misconfigured,
    Unauthorized,
    NotFound,
    Rejected,
    Throttled,
    Unavailable,
    TimedOut,
    Malformed,
)

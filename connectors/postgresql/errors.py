"""asyncpg's errors as named ones, with sentences that hold no secret."""

from __future__ import annotations

import ssl

import asyncpg
from asyncpg import exceptions as pg

from connectors.errors import (
    ConnectorError,
    Malformed,
    Misconfigured,
    NotFound,
    Rejected,
    TimedOut,
    Unauthorized,
    Unavailable,
)
from connectors.postgresql.config import PostgresqlConfig
from connectors.redaction import clean_text

DRIVER_ERRORS: tuple[type[Exception], ...] = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    pg.InternalClientError,
    ssl.SSLError,
    ConnectionError,
)
# First match wins; a class stands for its subclasses.
_KINDS: tuple[tuple[tuple[type[Exception], ...], type[ConnectorError], str], ...] = (
    ((pg.InvalidPasswordError, pg.InvalidAuthorizationSpecificationError), Unauthorized, "refused the credentials"),
    ((pg.InsufficientPrivilegeError,), Unauthorized, "does not let this account read that"),
    ((pg.InvalidCatalogNameError,), Misconfigured, "has no such database"),
    ((pg.TooManyConnectionsError,), Unavailable, "has no free connection left"),
    ((pg.CannotConnectNowError, pg.AdminShutdownError, pg.CrashShutdownError), Unavailable, "is starting or stopping"),
    ((pg.QueryCanceledError,), TimedOut, "cancelled the query at its time limit"),
    ((pg.LockNotAvailableError, pg.DeadlockDetectedError), TimedOut, "waited too long for a lock"),
    ((pg.UndefinedTableError, pg.UndefinedColumnError, pg.UndefinedFunctionError), NotFound, "does not know that name"),
    ((pg.UndefinedObjectError, pg.InvalidSchemaNameError), NotFound, "does not know that name"),
    ((pg.ReadOnlySQLTransactionError,), Rejected, "refused a write in a read-only transaction"),
    ((pg.PostgresConnectionError,), Unavailable, "dropped the connection"),
    ((pg.InsufficientResourcesError, pg.OperatorInterventionError, pg.PostgresSystemError), Unavailable, "failed"),
    ((pg.ClientConfigurationError,), Misconfigured, "cannot be used with these settings"),
    ((pg.ProtocolViolationError, pg.InternalClientError), Malformed, "does not speak PostgreSQL's protocol here"),
    ((asyncpg.PostgresError,), Rejected, "refused the query"),
)


def named_error(error: Exception, config: PostgresqlConfig, name: str) -> ConnectorError:
    """The ConnectorError for a driver's error."""
    reason = clean_text(str(error).splitlines()[0] if str(error) else "", config.secrets).rstrip(".")
    if "rejected SSL upgrade" in reason and config.sslmode in {"allow", "prefer"}:
        return Malformed(f"{name} does not speak PostgreSQL's protocol here.")
    if isinstance(error, ssl.SSLError) or "rejected SSL upgrade" in reason:
        return Misconfigured(f"{name}: TLS failed{_because(reason)}. Check sslmode and ca_file.")
    for kinds, named, words in _KINDS:
        if isinstance(error, kinds):
            return named(f"{name} {words}{_because(reason)}.")
    if isinstance(error, asyncpg.InterfaceError):
        return Unavailable(f"{name}: the connection is gone.")
    if isinstance(error, ConnectionError):
        return Unavailable(f"{name} cannot be reached: {error.strerror or 'the connection was closed'}.")
    return Unavailable(f"{name} failed{_because(reason)}.")


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""

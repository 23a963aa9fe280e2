"""asyncmy's errors as named ones, with sentences that hold no secret."""

from __future__ import annotations

import ssl

from asyncmy import errors as my

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
from connectors.http import does_not_resolve
from connectors.mysql.config import MysqlConfig
from connectors.redaction import clean_text

DRIVER_ERRORS: tuple[type[Exception], ...] = (my.MySQLError, ssl.SSLError, ConnectionError)
DENIED = frozenset({1044, 1142, 1143, 1227, 1370})
# Error numbers of the server (1xxx, 3xxx, 4xxx) and of the client library (2xxx):
# https://dev.mysql.com/doc/mysql-errors/8.0/en/server-error-reference.html, https://mariadb.com/kb/en/mariadb-error-codes/
_KINDS: tuple[tuple[frozenset[int], type[ConnectorError], str], ...] = (
    (frozenset({1045, 1698, 1820, 1862, 3118, 4151}), Unauthorized, "refused the credentials"),
    (DENIED, Unauthorized, "does not let this account read that"),
    (frozenset({1130}), Unauthorized, "does not let this address in"),
    (frozenset({1049}), Misconfigured, "has no such database"),
    (frozenset({1040, 1203, 1226}), Unavailable, "has no free connection left"),
    (frozenset({1969, 3024, 1317, 1028}), TimedOut, "cancelled the query at its time limit"),
    (frozenset({1205, 1213, 3572}), TimedOut, "waited too long for a lock"),
    (frozenset({1146, 1054, 1109, 1305, 1630, 1193}), NotFound, "does not know that name"),
    (frozenset({1290, 1792}), Rejected, "refused a write in a read-only transaction"),
    (frozenset({1043, 1047, 2027}), Malformed, "does not speak MySQL's protocol here"),
    (frozenset({1053, 1077, 1927, 2006, 2013, 2055}), Unavailable, "dropped the connection"),
    (frozenset({2002, 2003, 2005}), Unavailable, "cannot be reached"),
    (frozenset({1037, 1038, 1041, 1021, 1135}), Unavailable, "is out of resources"),
)


def number(error: Exception) -> int:
    """The error number a driver's error carries; 0 when it has none."""
    first = error.args[0] if error.args else 0
    return first if isinstance(first, int) else 0


def is_tls(error: BaseException) -> bool:
    """True when TLS failed; asyncmy keeps that as the cause of an error of its own."""
    return isinstance(error, ssl.SSLError) or isinstance(error.__cause__, ssl.SSLError)


def named_error(error: Exception, config: MysqlConfig, name: str) -> ConnectorError:
    """The ConnectorError for a driver's error."""
    words = str(error.args[1]) if len(error.args) > 1 else str(error)
    reason = clean_text(words, config.secrets).rstrip(".")
    if is_tls(error):
        return Misconfigured(f"{name}: TLS failed{_because(reason)}. Check sslmode and ca_file.")
    code = number(error)
    if does_not_resolve(words):
        return Unavailable(f"{name} cannot be reached: its host name does not resolve.")
    for numbers, named, sentence in _KINDS:
        if code in numbers:
            return named(f"{name} {sentence}{_because(reason)}.")
    if isinstance(error, my.InternalError) and not code:
        return Malformed(f"{name} does not speak MySQL's protocol here.")
    if isinstance(error, ConnectionError | my.InterfaceError) or not code:
        return Unavailable(f"{name}: the connection is gone.")
    return Rejected(f"{name} refused the query{_because(reason)}.")


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""

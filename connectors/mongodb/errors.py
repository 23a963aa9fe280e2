"""pymongo's errors as named ones, with sentences that hold no secret."""

from __future__ import annotations

from bson.errors import BSONError
from pymongo import errors as mongo

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
from connectors.mongodb.config import MongodbConfig
from connectors.redaction import clean_text

DRIVER_ERRORS: tuple[type[Exception], ...] = (mongo.PyMongoError, BSONError)
# https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml
_KINDS: tuple[tuple[frozenset[int], type[ConnectorError], str], ...] = (
    (frozenset({11, 18, 334, 8000}), Unauthorized, "refused the credentials"),
    (frozenset({13}), Unauthorized, "does not let this account read that"),
    (frozenset({26, 73}), NotFound, "does not know that collection"),
    (frozenset({50, 262}), TimedOut, "cancelled the query at its time limit"),
    (frozenset({11601, 11602}), TimedOut, "cancelled the query"),
    (frozenset({91, 189, 10107, 11600, 13435, 13436}), Unavailable, "is changing its primary, or stopping"),
    (frozenset({59, 115, 238}), Rejected, "does not have that command"),
)


def named_error(error: Exception, config: MongodbConfig, name: str) -> ConnectorError:
    """The ConnectorError for a driver's error."""
    if isinstance(error, mongo.OperationFailure):
        reason = clean_text(str((error.details or {}).get("errmsg") or error), config.secrets).rstrip(".")
        for codes, named, words in _KINDS:
            if error.code in codes:
                return named(f"{name} {words}: {reason}.")
        return Rejected(f"{name} refused the query: {reason}.")
    words_ = clean_text(str(error).split(", Timeout:")[0], config.secrets).rstrip(".")
    if does_not_resolve(words_):
        return Unavailable(f"{name} cannot be reached: its host name does not resolve.")
    if isinstance(error, mongo.ConfigurationError | mongo.InvalidURI):
        return Misconfigured(f"{name} cannot be used with these settings: {words_}.")
    if "SSL" in words_ or "certificate" in words_:
        return Misconfigured(f"{name}: TLS failed: {words_}. Check tls and ca_file.")
    if isinstance(error, mongo.ProtocolError | BSONError) or "protocol" in words_.lower():
        return Malformed(f"{name} does not speak MongoDB's protocol here.")
    if isinstance(error, mongo.ExecutionTimeout | mongo.NetworkTimeout):
        return TimedOut(f"{name} did not answer in time.")
    return Unavailable(f"{name} cannot be reached: {words_}.")

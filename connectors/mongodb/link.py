"""One client to one deployment. Only reading commands leave it, whatever the guard said before."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from typing import Any

from bson.codec_options import DatetimeConversion
from pymongo import AsyncMongoClient, ReadPreference
from pymongo.errors import PyMongoError
from pymongo.read_preferences import Nearest, Primary, PrimaryPreferred, Secondary, SecondaryPreferred

from connectors._afterwards import Afterwards
from connectors.errors import Rejected
from connectors.model import Limits
from connectors.mongodb.config import MongodbConfig

_BATCH = 100
_CURSORS = frozenset({"find", "aggregate", "listCollections", "listIndexes"})
# The second wall, apart from the guard's own lists: nothing else is ever sent for a question.
_READS = _CURSORS | {
    "count", "distinct", "explain", "collStats", "dbStats", "dataSize", "serverStatus", "replSetGetStatus", "getLog",
    "hello", "isMaster", "ping", "buildInfo", "buildinfo", "hostInfo", "connPoolStats", "top", "currentOp",
    "listDatabases", "connectionStatus", "getShardVersion", "listShards", "balancerStatus", "features", "lockInfo",
    "replSetGetConfig",
}  # fmt: skip
_WRITING = frozenset({"$out", "$merge", "$function", "$accumulator", "$where"})
_ADMIN = frozenset(
    "serverStatus replSetGetStatus currentOp listDatabases getLog hostInfo top replSetGetConfig listShards"
    " balancerStatus connPoolStats lockInfo features".split()
)
_PREFERENCES: Mapping[str, Any] = {
    "primary": Primary, "primaryPreferred": PrimaryPreferred, "secondary": Secondary,
    "secondaryPreferred": SecondaryPreferred, "nearest": Nearest,
}  # fmt: skip


class MongoLink:
    """Lazily connected. A read nobody waits for is killed on the server by the comment it carries."""

    def __init__(self, config: MongodbConfig) -> None:
        self._config = config
        self._client: AsyncMongoClient[dict[str, Any]] | None = None
        self._afterwards = Afterwards(PyMongoError)

    async def open(self) -> None:
        if self._client is None:
            self._client = AsyncMongoClient(self._config.url, connect=False, **self._options())

    async def close(self) -> None:
        await self._afterwards.finish()
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def _options(self) -> dict[str, Any]:
        config = self._config
        limit_ms = int(config.connect_timeout_s * 1000)
        options: dict[str, Any] = {
            "appname": "inquest",
            "maxPoolSize": config.pool_size,
            "serverSelectionTimeoutMS": limit_ms,
            "connectTimeoutMS": limit_ms,
            "retryReads": False,
            "retryWrites": False,
            "tz_aware": True,
            "datetime_conversion": DatetimeConversion.DATETIME_AUTO,
            "uuidRepresentation": "standard",
        }
        if config.username is not None:
            password = config.password.get_secret_value() if config.password else None
            options |= {"username": config.username, "password": password, "authSource": config.auth_source}
        if config.auth_mechanism is not None:
            options["authMechanism"] = config.auth_mechanism
        if config.tls is not None or config.ca_file is not None:
            options |= {"tls": config.tls is not False, "tlsAllowInvalidCertificates": not config.verify}
        if config.ca_file is not None:
            options["tlsCAFile"] = config.ca_file
        return options

    async def documents(self, command: Mapping[str, Any], limits: Limits, most: int) -> list[dict[str, Any]]:
        """What one reading command answers, as documents: at most `most` of a cursor, one for all else."""
        check_reading(command)
        name = next(iter(command))
        mark = f"inquest-{uuid.uuid4()}"
        sent = dict(command)
        if name in _CURSORS | {"count", "distinct"}:
            limit_s = min(self._config.statement_timeout_s, limits.deadline_s)
            sent |= {"maxTimeMS": max(1, int(limit_s * 1000)), "comment": mark}
        try:
            return await self._run(name, sent, most)
        except asyncio.CancelledError:
            self._kill(mark)
            raise

    async def _run(self, name: str, command: dict[str, Any], most: int) -> list[dict[str, Any]]:
        await self.open()
        assert self._client is not None
        database = self._client["admin" if name in _ADMIN or _database_wide(command) else self._config.database]
        codec = self._client.codec_options  # commands do not take it from their client by themselves
        preference = _PREFERENCES[self._config.read_from]()
        if name not in _CURSORS:
            return [await database.command(command, read_preference=preference, codec_options=codec)]
        if name in {"find", "listCollections", "listIndexes"}:
            command.update({"batchSize": _BATCH} if name == "find" else {"cursor": {"batchSize": _BATCH}})
        cursor = await database.cursor_command(command, read_preference=preference, codec_options=codec)
        try:
            return await cursor.to_list(most)
        finally:
            await cursor.close()

    def _kill(self, mark: str) -> None:
        """The time limit that the command carries is the net below this one."""
        assert self._client is not None
        admin = self._client["admin"]
        self._afterwards.send(lambda: _send_kill(admin, mark))


async def _send_kill(admin: Any, mark: str) -> None:
    running = await admin.command(
        {"currentOp": 1, "$ownOps": True, "command.comment": mark}, read_preference=ReadPreference.PRIMARY_PREFERRED
    )
    for operation in running.get("inprog", ()):
        await admin.command({"killOp": 1, "op": operation["opid"]})


def _database_wide(command: Mapping[str, Any]) -> bool:
    return command.get("aggregate") == 1 and any("$currentOp" in stage for stage in command["pipeline"][:1])


def check_reading(command: Mapping[str, Any]) -> None:
    """Refuse whatever is not a known read, or holds a stage that writes or runs code."""
    name = next(iter(command), "")
    if name not in _READS:
        raise Rejected(f"The command {name!r} is not a read, so it is not sent.")
    stack: list[Any] = [command]
    while stack:
        item = stack.pop()
        if isinstance(item, Mapping):
            if _WRITING & set(item):
                raise Rejected("A stage that writes or runs code is not sent.")
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)

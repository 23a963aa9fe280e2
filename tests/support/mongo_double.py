"""A small server of MongoDB's wire (OP_MSG) that plays what FerretDB lacks: running operations, killOp, a replica set.

It runs commands that take their time, lists them in currentOp by their comment, and ends them on killOp, as
https://www.mongodb.com/docs/manual/reference/command/currentOp/ and .../killOp/ describe.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

import bson

_OP_MSG, _OP_REPLY, _OP_QUERY = 2013, 1, 2004


class MongoDouble:
    """Async context manager. `answers` holds whole replies by command name; `operations` what runs now."""

    def __init__(self, answers: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        self.host = "127.0.0.1"
        self.port = 0
        self.answers = dict(answers or {})
        self.profile: list[dict[str, Any]] = []
        self.operations: dict[int, tuple[dict[str, Any], asyncio.Event]] = {}
        self.seen: list[str] = []
        self._next = 100
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> MongoDouble:
        self._server = await asyncio.start_server(self._serve, self.host, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while True:
                await self._answer(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the client is gone, or the server is being stopped
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length, request, _, code = struct.unpack("<iiii", await reader.readexactly(16))
        body = await reader.readexactly(length - 16)
        if code == _OP_QUERY:
            document = bson.decode(body[body.index(b"\x00", 4) + 9 :])
            payload = struct.pack("<iqii", 8, 0, 0, 1) + bson.encode(await self._reply(document))
            code = _OP_REPLY
        else:
            payload = b"\x00" * 5 + bson.encode(await self._reply(bson.decode(body[5:])))
        writer.write(struct.pack("<iiii", 16 + len(payload), 0, request, code) + payload)
        await writer.drain()

    async def _reply(self, command: dict[str, Any]) -> dict[str, Any]:
        name = next(iter(command))
        self.seen.append(name)
        if name.lower() in {"hello", "ismaster"}:
            now = datetime.now(UTC)
            return {"ok": 1.0, "helloOk": True, "isWritablePrimary": True, "ismaster": True, "maxWireVersion": 21,
                    "minWireVersion": 0, "maxBsonObjectSize": 16_777_216, "maxMessageSizeBytes": 48_000_000,
                    "maxWriteBatchSize": 100_000, "localTime": now}  # fmt: skip
        if name == "find" and command["find"] == "slow":
            return await self._slowly(command)
        if name == "find" and command["find"] == "system.profile":
            return _cursor("shop.system.profile", self._profiled(command["filter"]["ts"]))
        if name == "currentOp":
            mark = command.get("command.comment")
            found = [told for told, _ in self.operations.values() if mark in {None, told["command"].get("comment")}]
            return {"ok": 1.0, "inprog": found}
        if name == "killOp":
            self.operations[command["op"]][1].set()
            return {"ok": 1.0, "info": "attempting to kill op"}
        if name in self.answers:
            return {"ok": 1.0, **self.answers[name]}
        return {"ok": 0.0, "code": 59, "codeName": "CommandNotFound", "errmsg": f"no such command: '{name}'"}

    def _profiled(self, span: Mapping[str, datetime]) -> list[dict[str, Any]]:
        start, end = (span[key].replace(tzinfo=None) for key in ("$gte", "$lt"))
        return [record for record in self.profile if start <= record["ts"].replace(tzinfo=None) < end]

    async def _slowly(self, command: dict[str, Any]) -> dict[str, Any]:
        self._next += 1
        opid, killed = self._next, asyncio.Event()
        told = {"opid": opid, "active": True, "op": "query", "ns": "shop.slow", "secs_running": 3,
                "microsecs_running": 3_000_000, "command": command, "appName": "shop-api", "waitingForLock": True,
                "client": "10.0.0.7:4711", "effectiveUsers": [{"user": "app", "db": "admin"}],
                "planSummary": "COLLSCAN"}  # fmt: skip
        self.operations[opid] = (told, killed)
        try:
            await killed.wait()
        finally:
            del self.operations[opid]
        return {"ok": 0.0, "code": 11601, "codeName": "Interrupted", "errmsg": "operation was interrupted"}


def _cursor(namespace: str, documents: list[dict[str, Any]]) -> dict[str, Any]:
    return {"ok": 1.0, "cursor": {"id": 0, "ns": namespace, "firstBatch": documents}}

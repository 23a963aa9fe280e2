"""A client of the loopback workspace's control API, for tests in the same or another process."""

from __future__ import annotations

import asyncio
import time
from types import TracebackType
from typing import Any

import aiohttp

Json = dict[str, Any]


class SlackControl:
    """Drives a loopback workspace as its people and its operator would; knows it by address only."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> SlackControl:
        self._session = aiohttp.ClientSession()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def do(self, action: str, body: Json | None = None) -> Json:
        """One control action; a refusal comes back as `ok` false."""
        assert self._session is not None
        async with self._session.post(f"{self.url}/control/{action}", json=body or {}) as response:
            answer: Json = await response.json()
            return answer

    async def read(self, what: str, query: dict[str, str] | None = None) -> Json:
        """`state`, `messages`, `ledger` or `changes`."""
        assert self._session is not None
        async with self._session.get(f"{self.url}/control/{what}", params=query or {}) as response:
            answer: Json = await response.json()
            return answer

    async def say(self, user: str, channel: str, text: str, *, thread_ts: str | None = None) -> Json:
        """Post as a person; the stored message."""
        body = {"user": user, "channel": channel, "text": text, "thread_ts": thread_ts}
        return await self.do("say", body)

    async def command(self, user: str, channel: str, command: str, text: str = "") -> Json:
        """Run a slash command; `error` is what the person would see."""
        return await self.do("command", {"user": user, "channel": channel, "command": command, "text": text})

    async def click(
        self,
        user: str,
        message: Json,
        action_id: str,
        *,
        value: Any = None,
        forge: Json | None = None,
        as_seen: bool = False,
    ) -> Json:
        """Use an element of a message that has `channel` and `ts`; `forge` replaces fields of what it sends.

        `as_seen`: the client of this person still shows `message` as given here, whatever it was edited to since.
        """
        body: Json = {"user": user, "channel": message["channel"], "ts": message["ts"]}
        if as_seen:
            body["seen"] = message["blocks"]
        return await self.do("click", {**body, "action_id": action_id, "value": value, "forge": forge or {}})

    async def submit(self, user: str, values: Json | None = None, *, forge: Json | None = None) -> Json:
        """Send the topmost modal of a person; `forge` replaces fields of it."""
        return await self.do("submit", {"user": user, "values": values or {}, "forge": forge or {}})

    async def messages(self, channel: str, *, thread_ts: str | None = None) -> list[Json]:
        """The messages of a channel or thread, oldest first, each with its channel's name."""
        query = {"channel": channel, **({"thread_ts": thread_ts} if thread_ts else {})}
        answer = await self.read("messages", query)
        return [{**message, "channel": channel} for message in answer["messages"]]

    async def ephemerals(self, channel: str) -> list[Json]:
        """What single people were shown in a channel."""
        found: list[Json] = (await self.read("messages", {"channel": channel}))["ephemerals"]
        return found

    async def deliveries(self) -> list[Json]:
        """Every delivery attempt in the ledger."""
        found: list[Json] = (await self.read("ledger"))["deliveries"]
        return found

    async def calls(self, method: str) -> list[Json]:
        """Every call of one method in the ledger."""
        found: list[Json] = (await self.read("ledger", {"method": method}))["calls"]
        return found

    async def until(self, what: Any, *, within_s: float = 30.0) -> Any:
        """The first truthy answer of an async question, asked again until the time is up."""
        end = time.monotonic() + within_s
        while True:
            answer = await what()
            if answer:
                return answer
            if time.monotonic() > end:
                raise AssertionError("it did not happen in time")
            await asyncio.sleep(0.02)

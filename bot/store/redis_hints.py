"""Wake-ups over Redis, where there is one: faster than a busy database. Nothing durable is kept there; when it is gone,
frozen or emptied, the database carries the wake-ups as it does without it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

from bot.store.hints import CHANNEL, Hints

log = logging.getLogger(__name__)
_PATIENCE_S = 0.1
_RETRY_S = 1.0


class RedisHints:
    """One connection that listens and one that tells. `send` says whether others can have heard."""

    def __init__(self, url: str, *, hints: Hints) -> None:
        self._url, self._hints = url, hints
        self._client: Any = None
        self._live = False
        self._task: asyncio.Task[None] | None = None

    @property
    def live(self) -> bool:
        """Whether it answered when it was last asked."""
        return self._live

    def start(self) -> None:
        """Connect in the background: nobody waits for Redis."""
        self._task = asyncio.create_task(self._stay(), name="inquest-store-redis")

    async def send(self, message: str) -> bool:
        """Publish. False when Redis does not answer at once, or when nobody else listens there."""
        if not self._live:
            return False
        try:
            async with asyncio.timeout(_PATIENCE_S):
                heard_by: int = await self._client.publish(CHANNEL, message)
        except _errors() as error:
            self._live = False
            log.warning("redis does not answer; wake-ups go through the database: %s", type(error).__name__)
            return False
        return heard_by > 1

    async def _stay(self) -> None:
        """Listen; connect anew when the link breaks or an answer stays away."""
        while True:
            try:
                await self._listen()
            except _errors() as error:
                log.info("redis cannot be reached: %s", type(error).__name__)
            finally:
                self._live = False
                await self._hang_up()
            await asyncio.sleep(_RETRY_S)

    async def _listen(self) -> None:
        from redis.asyncio import Redis

        self._client = Redis.from_url(self._url, decode_responses=True, socket_connect_timeout=2, socket_timeout=5)
        async with asyncio.timeout(_RETRY_S):  # a frozen server takes connections and says nothing
            await self._client.ping()
        async with self._client.pubsub() as heard:
            await heard.subscribe(CHANNEL)
            self._live = True
            self._hints.look()  # something may have been told while nobody listened
            while self._live:
                found = await heard.get_message(ignore_subscribe_messages=True, timeout=_RETRY_S)
                if found is not None:
                    self._hints.heard(str(found["data"]))

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _hang_up(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(*_errors()):
                await client.aclose()


async def ping(url: str) -> None:
    """Ask once whether Redis answers; ConnectionError with a plain sentence when it does not."""
    from redis.asyncio import Redis

    try:
        async with asyncio.timeout(3), Redis.from_url(url, socket_connect_timeout=2) as client:
            await client.ping()
    except _errors() as error:
        raise ConnectionError(f"Redis does not answer ({type(error).__name__}).") from error


def _errors() -> tuple[type[Exception], ...]:
    """What a broken link, a refusing server and a wrong address raise; the library is loaded where it is used."""
    from redis.exceptions import RedisError

    return (RedisError, OSError, TimeoutError, ValueError)

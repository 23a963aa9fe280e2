"""Calls of Slack's Web API: in turn, inside the tiers, with failures named for what the caller may do."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from bot.slack.publisher.limiter import Limiter, Priority

log = logging.getLogger(__name__)
Params = dict[str, Any]

_READS = frozenset(
    {"conversations.history", "conversations.replies", "conversations.info", "users.info", "users.list", "auth.test"}
)
_SERIAL = frozenset({"chat.postMessage", "chat.update", "conversations.replies", "conversations.history"})
_LATER = frozenset({"internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org"})
TIMEOUT_S = 10.0
MAX_THROTTLED = 8


class SlackRefused(Exception):
    """Slack understood and said no; nothing happened. `error` is Slack's name for it."""

    def __init__(self, error: str, details: str = "") -> None:
        super().__init__(f"{error} {details}".strip())
        self.error = error
        self.details = details


class SlackUnreachable(Exception):
    """No usable answer: the call may or may not have had its effect."""


class SlackWeb:
    """One workspace's Web API behind one limiter."""

    def __init__(self, *, token: str, base_url: str, limiter: Limiter, timeout_s: float = TIMEOUT_S) -> None:
        self._token = token
        self._base_url = base_url if base_url.endswith("/") else base_url + "/"
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None
        self._client: AsyncWebClient | None = None
        self._one_at_a_time: dict[tuple[str, str], asyncio.Lock] = {}
        self.limiter = limiter

    @property
    def client(self) -> AsyncWebClient:
        """The SDK's client on a shared session; made on first use inside the running loop."""
        if self._client is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=self._timeout_s))
            self._client = AsyncWebClient(
                token=self._token, base_url=self._base_url, session=self._session, retry_handlers=[]
            )
        return self._client

    async def close(self) -> None:
        await self.limiter.settled()
        if self._session is not None:
            await self._session.close()

    async def call(self, method: str, params: Params, *, priority: Priority = Priority.CLICK) -> Params:
        """Wait for a turn, call, and answer; a 429 is waited out. SlackRefused or SlackUnreachable otherwise."""
        channel = str(params.get("channel", ""))
        for _ in range(MAX_THROTTLED):
            await self.limiter.turn(method, channel, priority)
            answer = await self.send(method, params)
            if answer is not None:
                return answer
        raise SlackUnreachable(f"{method} is throttled without end")

    async def send(self, method: str, params: Params) -> Params | None:
        """One call without waiting for a turn (the caller has it); None after a 429, which closes the method.

        Posts to one channel, and edits, follow one another: a call on its way while another learns of a
        Retry-After would arrive inside it.
        """
        if method not in _SERIAL:
            return await self._counted(method, params)
        key = (method, str(params.get("channel", "")) if method == "chat.postMessage" else "")
        async with self._one_at_a_time.setdefault(key, asyncio.Lock()):
            await self.limiter.opened(*key)
            return await self._counted(method, params)

    async def _counted(self, method: str, params: Params) -> Params | None:
        try:
            return await self._send(method, params)
        finally:
            self.limiter.landed(method, str(params.get("channel", "")))

    async def _send(self, method: str, params: Params) -> Params | None:
        read = method in _READS
        try:
            answer = await self.client.api_call(
                method,
                http_verb="GET" if read else "POST",
                params=params if read else None,
                json=None if read else params,
            )
        except SlackApiError as error:
            retry_after_s = self._refused(method, error)
            await self.limiter.close(method, str(params.get("channel", "")), retry_after_s)
            return None
        except (aiohttp.ClientError, TimeoutError, OSError, SlackClientError) as error:
            raise SlackUnreachable(f"{method}: {type(error).__name__}") from error
        data: Any = answer.data
        return data if isinstance(data, dict) else {}

    def _refused(self, method: str, error: SlackApiError) -> float:
        """The seconds that a 429 asks for; any other refusal is raised."""
        response: Any = error.response
        status = int(getattr(response, "status_code", 0) or 0)
        data = response.data if isinstance(getattr(response, "data", None), dict) else {}
        name = str(data.get("error") or "")
        if status == 429 or name in ("ratelimited", "rate_limited"):
            headers = {str(k).lower(): v for k, v in dict(response.headers).items()}
            retry_after_s = float(headers.get("retry-after", 30))
            log.info("slack asks to wait", extra={"method": method, "retry_after_s": retry_after_s})
            return retry_after_s
        if status >= 500 or name in _LATER or not name:
            raise SlackUnreachable(f"{method}: {name or status}") from error
        details = "; ".join(map(str, (data.get("response_metadata") or {}).get("messages") or []))
        raise SlackRefused(name, details or str(data.get("needed") or "")) from error

    async def answer_url(self, url: str, body: Params) -> None:
        """POST to a response_url; SlackUnreachable when it does not take it."""
        assert self.client is not None
        assert self._session is not None
        try:
            async with self._session.post(url, json=body) as response:
                if response.status >= 400:
                    raise SlackUnreachable(f"response_url: {response.status}")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise SlackUnreachable(f"response_url: {type(error).__name__}") from error

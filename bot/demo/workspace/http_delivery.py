"""Signed HTTP delivery: events as JSON, commands and clicks as forms, each under Slack's v0 signature."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from dataclasses import dataclass
from urllib.parse import urlencode

import aiohttp

from bot.demo.workspace.ledger import DeliveryRecord
from bot.demo.workspace.socket_mode import Answer
from bot.demo.workspace.wire import Json

FORM = "application/x-www-form-urlencoded"


def sign(secret: str, timestamp: int, body: bytes) -> str:
    """Slack's v0 signature (https://docs.slack.dev/authentication/verifying-requests-from-slack)."""
    digest = hmac.new(secret.encode(), b"v0:%d:%b" % (timestamp, body), hashlib.sha256)
    return "v0=" + digest.hexdigest()


def encode(kind: str, payload: Json) -> tuple[bytes, str]:
    """The raw body and its content type."""
    if kind == "events_api":
        return json.dumps(payload).encode(), "application/json"
    fields = payload if kind == "slash_commands" else {"payload": json.dumps(payload)}
    return urlencode(fields).encode(), FORM


@dataclass
class HttpDelivery:
    """Posts to the app's request URL and judges the answer as Slack does."""

    signing_secret: str
    ack_timeout_s: float = 3.0
    session: aiohttp.ClientSession | None = None

    async def attempt(self, record: DeliveryRecord, payload: Json, *, url: str) -> Answer:
        """One signed POST; anything but a 2xx within the deadline is a failure with Slack's reason."""
        body, content_type = encode(record.kind, payload)
        headers = self.headers(body, content_type)
        if record.attempt:
            headers |= {"X-Slack-Retry-Num": str(record.attempt), "X-Slack-Retry-Reason": record.reason}
        if self.session is None:
            self.session = aiohttp.ClientSession()
        try:
            timeout = aiohttp.ClientTimeout(total=self.ack_timeout_s)
            async with self.session.post(url, data=body, headers=headers, timeout=timeout, max_redirects=2) as response:
                return await _judge(record, response)
        except TimeoutError:
            return Answer(ok=False, reason="http_timeout")
        except aiohttp.TooManyRedirects:
            return Answer(ok=False, reason="too_many_redirects")
        except aiohttp.ClientSSLError:
            return Answer(ok=False, reason="ssl_error")
        except aiohttp.ClientConnectionError:
            return Answer(ok=False, reason="connection_failed")
        except aiohttp.ClientError:
            return Answer(ok=False, reason="unknown_error")

    def headers(self, body: bytes, content_type: str) -> dict[str, str]:
        """The headers of a delivery signed now."""
        now = int(time.time())
        return {
            "Content-Type": content_type,
            "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
            "X-Slack-Request-Timestamp": str(now),
            "X-Slack-Signature": sign(self.signing_secret, now, body),
        }

    async def stop(self) -> None:
        """Close the client."""
        if self.session is not None:
            await self.session.close()


async def _judge(record: DeliveryRecord, response: aiohttp.ClientResponse) -> Answer:
    text = await response.text()
    record.status = response.status
    if not 200 <= response.status < 300:
        stop = response.headers.get("X-Slack-No-Retry") == "1"
        return Answer(ok=False, reason="http_error", retry=not stop)
    record.close("acked")
    return Answer(ok=True, payload=_payload(text, response.content_type))


def _payload(text: str, content_type: str) -> Json | None:
    if not text.strip():
        return None
    if content_type == "application/json":
        try:
            body = json.loads(text)
        except ValueError:
            return None
        return body if isinstance(body, dict) else None
    return {"text": text}

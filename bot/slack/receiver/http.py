"""Deliveries by signed POST; mounted by whatever serves HTTP."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from slack_bolt.request.async_request import AsyncBoltRequest

from bot.slack.receiver.dispatch import Answer, Receiver
from bot.slack.receiver.signature import is_signed
from connectors.model import Clock

log = logging.getLogger(__name__)
MAX_BODY_BYTES = 1_000_000

RawHeaders = Mapping[str, str] | Iterable[tuple[str, str]]
HttpAnswer = tuple[int, dict[str, str], bytes]


class HttpReceiver:
    """Checks the signature over the raw bytes before anything reads them."""

    def __init__(self, receiver: Receiver, *, signing_secret: str, clock: Clock) -> None:
        if not signing_secret:
            raise ValueError("HTTP delivery needs a signing secret")
        self._receiver = receiver
        self._secret = signing_secret
        self._clock = clock

    async def handle(self, headers: RawHeaders, raw_body: bytes) -> HttpAnswer:
        """Status, headers and body for one POST. Give headers as pairs, so that doubled ones can be seen.

        Whoever mounts this should refuse bodies over MAX_BODY_BYTES before reading them.
        """
        pairs = list(headers.items()) if isinstance(headers, Mapping) else list(headers)
        if len(raw_body) > MAX_BODY_BYTES:
            return _plain(413, "body too large")
        if not is_signed(pairs, raw_body, secret=self._secret, now_s=self._clock.now().timestamp()):
            return _plain(401, "not signed by Slack")
        try:
            text = raw_body.decode("utf-8")
            known = {name.lower(): value for name, value in pairs}
            request = AsyncBoltRequest(
                body=text, headers={k: v for k, v in known.items() if not k.startswith("x-slack-bolt")}
            )
        except (UnicodeDecodeError, ValueError):
            return _plain(400, "not readable")
        answer = await self._receiver.take(request)
        return _http(answer)


def _http(answer: Answer) -> HttpAnswer:
    headers = {"content-type": "text/plain; charset=utf-8", **answer.headers}
    return answer.status, headers, answer.body.encode("utf-8")


def _plain(status: int, text: str) -> HttpAnswer:
    return status, {"content-type": "text/plain; charset=utf-8"}, text.encode()

"""A platform of the sort people have at home: feature flags with versions, and a hook that takes signed messages.

Flags follow RFC 9110 for `If-Match`; the hook checks signatures as Standard Webhooks 1.0 says, with code of its own.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import re
from typing import Any

from tests.support.http_double import Asked, HttpDouble, RefusedError

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()


class PlatformDouble(HttpDouble):
    """Async context manager. `mood` of writes: yes, late (done, then no answer), lost (not done, no answer), hang."""

    def __init__(self, *, token: str = "tok") -> None:
        super().__init__()
        self.flags: dict[str, dict[str, Any]] = {
            "fast-lane": {"id": "f1", "version": 7, "enabled": True, "reason": "", "name": "fast-lane"}
        }
        self.messages: dict[str, Any] = {}
        self.writes: list[str] = []
        self.mood = "yes"
        self.refuse_with: int | None = None
        self._token = token

    def state(self) -> Any:
        return [self.flags, self.messages]

    async def answer(self, asked: Asked) -> Any:
        if asked.headers.get("authorization") != f"Bearer {self._token}":
            raise RefusedError(401, {"message": "no such token"})
        flag = re.fullmatch(r"/flags/([a-z-]+)", asked.path)
        message = re.fullmatch(r"/hooks/desk(?:/(\w+))?", asked.path)
        if flag and flag[1] in self.flags:
            return self.flags[flag[1]] if asked.method == "GET" else await self._set(asked, self.flags[flag[1]])
        if message and asked.method == "GET" and message[1] in self.messages:
            return self.messages[message[1]]
        if message and asked.method == "POST" and message[1] is None:
            return await self._take(asked)
        raise RefusedError(404, {"message": "nothing here"})

    async def _set(self, asked: Asked, flag: dict[str, Any]) -> Any:
        self.writes.append(asked.headers.get("idempotency-key", ""))
        if asked.headers.get("if-match") != str(flag["version"]):
            raise RefusedError(412, {"message": "the flag was changed"})
        await self._mind(lambda: flag.update(asked.body, version=flag["version"] + 1))
        return flag

    async def _take(self, asked: Asked) -> Any:
        self.writes.append(asked.headers.get("idempotency-key", ""))
        if not _signed(asked):
            raise RefusedError(401, {"message": "bad signature"})
        await self._mind(lambda: self.messages.__setitem__(asked.body["id"], asked.body))
        return {"accepted": asked.body["id"]}

    async def _mind(self, do: Any) -> None:
        if self.refuse_with:
            raise RefusedError(self.refuse_with, {"message": "over the quota of this account"})
        if self.mood in ("yes", "late"):
            do()
        if self.mood in ("late", "lost"):
            raise RefusedError(502, {"message": "bad gateway"})
        if self.mood == "hang":
            await asyncio.sleep(30)


def _signed(asked: Asked) -> bool:
    content = json.dumps(asked.body, ensure_ascii=False, separators=(",", ":"))
    name, stamp = asked.headers.get("webhook-id"), asked.headers.get("webhook-timestamp")
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    made = hmac.new(key, f"{name}.{stamp}.{content}".encode(), hashlib.sha256).digest()
    return asked.headers.get("webhook-signature") == "v1," + base64.b64encode(made).decode()

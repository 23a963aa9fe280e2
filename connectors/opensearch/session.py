"""The requests of one tool call over plain HTTP."""

from __future__ import annotations

from typing import Any

from pydantic import JsonValue

from connectors._search_dsl.session import DslSession
from connectors.base import Ask
from connectors.http import HttpClient
from connectors.model import JsonObject


class Session(DslSession):
    """One call's way to the cluster."""

    language = "opensearch"

    def __init__(self, http: HttpClient, ask: Ask, *, name: str) -> None:
        super().__init__(ask, name=name)
        self._http = http

    async def send_search(self, index: str, body: JsonObject) -> JsonValue:
        params = {"ignore_unavailable": "true", "allow_no_indices": "true"}
        return await self._send("POST", f"/{quoted(index)}/_search", params, body)

    async def get(self, method: str, path: str, *, params: dict[str, Any] | None = None, body: Any = None) -> JsonValue:
        self.asked(f"{method} {path}" + (f" {_shown(body)}" if body else ""))
        return await self._send(method, path, params, body)

    async def _send(self, method: str, path: str, params: dict[str, Any] | None, body: JsonValue) -> JsonValue:
        limits = self._ask.limits
        reply = await self._http.request(
            method, path, params=params, body=body, max_bytes=limits.max_bytes, timeout_s=limits.deadline_s
        )
        self._bytes.append(len(reply.body))
        kind = reply.headers.get("content-type", "")
        return reply.body.decode("utf-8", "replace") if kind.startswith("text/plain") else reply.json(self._name)


def quoted(index: str) -> str:
    """An index expression as part of a path."""
    from urllib.parse import quote

    return quote(index, safe=",*-.+_")


def _shown(body: JsonValue) -> str:
    import json

    return json.dumps(body, ensure_ascii=False)

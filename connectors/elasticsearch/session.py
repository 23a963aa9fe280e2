"""The requests of one tool call through the driver, bounded while they stream."""

from __future__ import annotations

import json
from collections.abc import Awaitable
from typing import Any

from elasticsearch import AsyncElasticsearch
from pydantic import JsonValue

from connectors._search_dsl.session import DslSession
from connectors.base import Ask
from connectors.elasticsearch.transport import TooLargeError, received_bytes, room_bytes, too_large
from connectors.errors import Malformed
from connectors.model import JsonObject


class Session(DslSession):
    """One call's way to the cluster."""

    def __init__(self, client: AsyncElasticsearch, ask: Ask, *, name: str) -> None:
        super().__init__(ask, name=name)
        self._client = client

    async def send_search(self, index: str, body: JsonObject) -> JsonValue:
        return await self._read(
            self._client.search(index=index, body=body, ignore_unavailable=True, allow_no_indices=True)
        )

    async def get(self, method: str, path: str, *, params: dict[str, Any] | None = None, body: Any = None) -> JsonValue:
        """Any other reading request, by path."""
        self._asked.append(f"{method} {path}" + (f" {json.dumps(body, ensure_ascii=False)}" if body else ""))
        headers = {"accept": "application/json"} | ({"content-type": "application/json"} if body else {})
        call = self._client.perform_request(method, path, params=params or {}, headers=headers, body=body)
        return await self._read(call)

    async def _read(self, call: Awaitable[Any]) -> JsonValue:
        room_bytes.set(self._ask.limits.max_bytes)
        received_bytes.set(self._bytes)
        try:
            response = await call
        except TooLargeError as error:
            raise too_large(self._name) from error
        except RecursionError as error:
            raise Malformed(f"{self._name} answered JSON that is nested too deeply.") from error
        found: JsonValue = response.body
        return found

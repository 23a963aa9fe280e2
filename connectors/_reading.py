"""The requests of one tool call to an HTTP source: bounded, counted, and remembered for the source reference."""

from __future__ import annotations

import json
from collections.abc import Mapping

from pydantic import JsonValue

from connectors.base import Answer, Ask
from connectors.http import HttpClient, Params, Reply
from connectors.model import Payload, SourceRef, TimeWindow

_LONGEST_QUERY = 20_000


class Reading:
    """One call's way to an HTTP source. `notes` become the answer's `truncated`."""

    def __init__(self, http: HttpClient, ask: Ask, *, name: str) -> None:
        self.http = http
        self.ask = ask
        self.name = name
        self.notes: list[str] = []
        self.cost_usd = 0.0
        self._asked: list[str] = []
        self._calls = 0
        self._bytes = 0

    async def get(self, path: str, params: Params | None = None, *, show: str | None = None) -> JsonValue:
        """GET and parse. `show` is what the source reference says instead of method and path."""
        self.say(show if show is not None else _shown("GET", path, params))
        return (await self.send("GET", path, params=params)).json(self.name)

    async def post(self, path: str, body: JsonValue, *, show: str | None = None) -> JsonValue:
        """POST a JSON body and parse the answer."""
        self.say(show if show is not None else f"POST {path} {json.dumps(body, ensure_ascii=False)}")
        return (await self.send("POST", path, body=body)).json(self.name)

    async def send(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        body: JsonValue = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """One request within the limits of the call; remembered only by number and size."""
        self._calls += 1
        limits = self.ask.limits
        reply = await self.http.request(
            method,
            path,
            params=params,
            body=body,
            headers=headers,
            max_bytes=limits.max_bytes,
            timeout_s=limits.deadline_s,
        )
        self._bytes += len(reply.body)
        return reply

    def say(self, query: str) -> None:
        """Remember a query as sent."""
        if query:
            self._asked.append(query)

    def note(self, words: str | None) -> None:
        """Say that something is missing from the answer."""
        if words and words not in self.notes:
            self.notes.append(words)

    def answer(
        self, payload: Payload, *, language: str, url: str | None = None, window: TimeWindow | None = None
    ) -> Answer:
        """The payload with the queries that led to it."""
        query = "\n".join(dict.fromkeys(self._asked)) or "(nothing asked)"
        source = SourceRef(query=query[:_LONGEST_QUERY], language=language, url=url, window=window)
        return Answer(
            payload,
            source,
            truncated="; ".join(self.notes) or None,
            cost_usd=self.cost_usd,
            api_calls=self._calls,
            bytes=self._bytes,
        )


def _shown(method: str, path: str, params: Params | None) -> str:
    if not params:
        return f"{method} {path}"
    pairs = [(key, one) for key, value in params.items() for one in ([value] if isinstance(value, str) else value)]
    return f"{method} {path}?" + "&".join(f"{key}={one}" for key, one in pairs)

"""The requests of one tool call: bounded, counted, remembered for the source reference."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from typing import Any, ClassVar

from pydantic import JsonValue

from connectors._search_dsl.answers import listed, mapping
from connectors.base import Answer, Ask
from connectors.errors import Malformed, Rejected
from connectors.model import JsonObject, Payload, SourceRef, TimeWindow


class DslSession(ABC):
    """One call's way to the cluster; a connector says how requests are sent."""

    language: ClassVar[str] = "elasticsearch"

    def __init__(self, ask: Ask, *, name: str) -> None:
        self._ask = ask
        self._name = name
        self._asked: list[str] = []
        self._bytes: list[int] = []
        self.notes: list[str] = []

    @abstractmethod
    async def send_search(self, index: str, body: JsonObject) -> JsonValue:
        """Send one search; indices that are missing count as empty."""

    @abstractmethod
    async def get(self, method: str, path: str, *, params: dict[str, Any] | None = None, body: Any = None) -> JsonValue:
        """Any other reading request, by path."""

    async def search(self, index: str, body: JsonObject) -> JsonObject:
        """One search; what the server could not finish becomes a note."""
        # The server gives up a little before we do, so that what it has by then still arrives.
        bounded: JsonObject = {**body, "timeout": f"{max(1, int(self._ask.limits.deadline_s * 900))}ms"}
        self._asked.append(f"POST /{index}/_search {json.dumps(body, ensure_ascii=False)}")
        answer = await self.send_search(index, bounded)
        if not isinstance(answer, dict) or not isinstance(answer.get("hits"), dict):
            raise Malformed(f"{self._name} answered something that is not a search result.")
        self._note_gaps(answer)
        return answer

    async def lines(self, index: str, body: JsonObject) -> JsonObject:
        """A search for lines; when they are too long together, fewer are asked for once, and that is said."""
        try:
            return await self.search(index, body)
        except Rejected:
            size = body.get("size")
            if not isinstance(size, int) or size < 16:
                raise
            self.notes.append("lines are very long, so fewer were read")
            return await self.search(index, {**body, "size": size // 16})

    def asked(self, line: str) -> None:
        """Remember a request that went another way."""
        self._asked.append(line)

    def _note_gaps(self, answer: JsonObject) -> None:
        if answer.get("timed_out") is True:
            self.notes.append("the cluster ran out of time, so part of the data was not looked at")
        shards = mapping(answer, "_shards")
        failed = shards.get("failed")
        if isinstance(failed, int) and failed > 0:
            reasons = {str(mapping(f, "reason").get("type")) for f in listed(shards.get("failures"))}
            why = f" ({', '.join(sorted(reasons))})" if reasons else ""
            self.notes.append(f"{failed} of {shards.get('total')} shards did not answer{why}")

    def answer(
        self, payload: Payload, *, url: str | None = None, window: TimeWindow | None = None, language: str = ""
    ) -> Answer:
        """The payload with the requests that led to it."""
        query = "\n".join(self._asked) or "(nothing asked)"
        source = SourceRef(query=query[:20_000], language=language or self.language, url=url, window=window)
        notes = "; ".join(dict.fromkeys(self.notes)) or None
        return Answer(payload, source, truncated=notes, api_calls=len(self._asked), bytes=sum(self._bytes))

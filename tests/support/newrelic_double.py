"""NerdGraph over stored events and entities: NRQL is evaluated, errors come as GraphQL sends them, with status 200.

Shapes follow https://docs.newrelic.com/docs/apis/nerdgraph/ and the attribute dictionary (read 2026-11).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tests.support.http_double import Asked, HttpDouble, RefusedError
from tests.support.nrql import Event, NrqlError, run


class NewRelicDouble(HttpDouble):
    """Async context manager."""

    def __init__(
        self,
        events: Mapping[str, Sequence[Event]],
        entities: list[dict[str, Any]],
        *,
        account: int = 7,
        api_key: str = "NRAK-X",
        page: int = 2,
    ) -> None:
        super().__init__()
        self.events, self.entities = events, entities
        self._account, self._key, self._page = account, api_key, page

    def state(self) -> Any:
        return {kind: len(found) for kind, found in self.events.items()}

    async def answer(self, asked: Asked) -> Any:
        if asked.headers.get("api-key") != self._key:
            raise RefusedError(
                401, {"errors": [{"message": "Invalid API key", "extensions": {"errorClass": "UNAUTHORIZED"}}]}
            )
        if asked.method != "POST" or asked.path != "/graphql" or not isinstance(asked.body, dict):
            raise RefusedError(404, {"error": "not found"})
        document, variables = asked.body["query"], asked.body.get("variables", {})
        if "mutation" in document:
            self.refused_writes.append(document)
            return _error("FORBIDDEN", "This key may not change anything")
        if "entitySearch" in document:
            return {"data": {"actor": {"entitySearch": self._search(variables)}}}
        if variables.get("account") != self._account:
            return (
                {"data": {"actor": {"account": None}}}
                if "nrql" not in document
                else _error("ACCESS_DENIED", "Access denied.")
            )
        if "nrql(" not in document:
            return {"data": {"actor": {"user": {"name": "bot"}, "account": {"id": self._account, "name": "Acme"}}}}
        return self._nrql(variables["nrql"])

    def _nrql(self, query: str) -> Any:
        if query.startswith("SHOW EVENT TYPES"):
            results: list[Any] = [{"eventType": kind} for kind in self.events]
        else:
            try:
                results = run(query, self.events)
            except NrqlError as error:
                return _error("INVALID_INPUT", str(error))
        nrql = {"results": results, "metadata": {"messages": []}}
        return {"data": {"actor": {"account": {"nrql": nrql}}}}

    def _search(self, variables: Mapping[str, Any]) -> Any:
        search = variables["search"]
        wanted = re.search(r"name LIKE '((?:\\.|[^'\\])*)'", search)
        text = re.sub(r"\\(.)", r"\1", wanted[1]) if wanted else ""
        domains = set(re.findall(r"'(APM|EXT|INFRA)'", search))
        found = [e for e in self.entities if text in e["name"] and (not domains or e["domain"] in domains)]
        begin = int(variables.get("cursor") or 0)
        end = begin + self._page
        cursor = str(end) if end < len(found) else None
        return {"count": len(found), "results": {"entities": found[begin:end], "nextCursor": cursor}}


def _error(kind: str, message: str) -> Any:
    return {"data": None, "errors": [{"message": message, "path": ["actor"], "extensions": {"errorClass": kind}}]}

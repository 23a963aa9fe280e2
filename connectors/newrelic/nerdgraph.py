"""NerdGraph, New Relic's one endpoint: fixed query documents with variables; there is no mutation in this file.

Source: https://docs.newrelic.com/docs/apis/nerdgraph/get-started/introduction-new-relic-nerdgraph/ (read 2026-11).
"""

from __future__ import annotations

from pydantic import JsonValue

from connectors._json import listed, mapping, need_list, need_mapping, text
from connectors._reading import Reading
from connectors.errors import ConnectorError, Malformed, Rejected, Throttled, TimedOut, Unauthorized, Unavailable
from connectors.model import JsonObject

LANGUAGE = "nrql"
_NRQL = """query Nrql($account: Int!, $nrql: Nrql!, $timeout: Seconds) {
  actor { account(id: $account) { nrql(query: $nrql, timeout: $timeout) { results metadata { messages } } } }
}"""
_ENTITIES = """query Entities($search: String!, $cursor: String) {
  actor { entitySearch(query: $search) { count results(cursor: $cursor) {
    entities { guid name entityType domain type reporting alertSeverity permalink tags { key values } } nextCursor
  } } }
}"""
_ACCOUNT = "query Account($account: Int!) { actor { user { name } account(id: $account) { id name } } }"
_MOST_PAGES = 5


async def run_nrql(reading: Reading, account: int, nrql: str) -> list[JsonObject]:
    """The results of one query as New Relic gives them: one map a row, bucket or facet."""
    timeout_s = max(5, min(70, int(reading.ask.limits.deadline_s)))
    data = await _ask(reading, _NRQL, {"account": account, "nrql": nrql, "timeout": timeout_s}, show=nrql)
    found = mapping(data, "actor", "account", "nrql")
    if "results" not in found:
        raise Malformed(f"{reading.name} answered without results.")
    messages = mapping(found, "metadata").get("messages")
    for message in messages if isinstance(messages, list) else []:
        reading.note(reading.http.clean(str(message)))
    return need_list(found["results"], reading.name)


async def search_entities(reading: Reading, search: str, *, most: int) -> list[JsonObject]:
    """Entities that fit a search, page by page."""
    found: list[JsonObject] = []
    cursor: str | None = None
    for _ in range(_MOST_PAGES):
        data = await _ask(reading, _ENTITIES, {"search": search, "cursor": cursor}, show=f"entitySearch {search}")
        results = need_mapping(mapping(data, "actor", "entitySearch").get("results"), reading.name, "entities")
        found += listed(results.get("entities"))
        cursor = text(results, "nextCursor")
        if cursor is None or len(found) >= most:
            break
    if cursor is not None or len(found) > most:
        reading.note(f"first {min(most, len(found)):,} entities; there are more")
    return found[:most]


async def account_name(reading: Reading, account: int) -> str:
    """The account's name; Unauthorized when the key may not see it."""
    data = await _ask(reading, _ACCOUNT, {"account": account}, show="actor { account { name } }")
    name = text(mapping(data, "actor", "account"), "name")
    if name is None:
        raise Unauthorized(f"{reading.name}: the key may not read account {account}.")
    return name


async def _ask(reading: Reading, document: str, variables: JsonObject, *, show: str) -> JsonObject:
    answer = need_mapping(
        await reading.post("/graphql", {"query": document, "variables": variables}, show=show),
        reading.name,
        "data",
        "errors",
    )
    errors = listed(answer.get("errors"))
    if errors:
        raise graph_error(errors[0], reading)
    return need_mapping(answer.get("data"), reading.name, "actor")


_BY_CLASS: dict[str, type[ConnectorError]] = {
    "UNAUTHORIZED": Unauthorized,
    "ACCESS_DENIED": Unauthorized,
    "FORBIDDEN": Unauthorized,
    "TOO_MANY_REQUESTS": Throttled,
    "TIMEOUT": TimedOut,
    "SERVER_ERROR": Unavailable,
    "INTERNAL_SERVER_ERROR": Unavailable,
}


def graph_error(error: JsonObject, reading: Reading) -> ConnectorError:
    """The named error for one of GraphQL's, which come with status 200."""
    kind: JsonValue = mapping(error, "extensions").get("errorClass")
    words = reading.http.clean(text(error, "message") or "no reason").rstrip(".")
    if "timed out" in words.lower() or "timeout" in words.lower():
        return TimedOut(f"{reading.name} gave up on the query: {words}.")
    cls = _BY_CLASS.get(str(kind), Rejected)
    return cls(f"{reading.name} refused the query: {words}.")

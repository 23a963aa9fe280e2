"""The Elasticsearch of a world, read with the official client."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

import elasticsearch
import pytest
from elasticsearch import AsyncElasticsearch

from bot.demo.world import World
from bot.demo.world.elasticsearch import USER
from bot.demo.world.journal import Document
from tests.demo_world.conftest import NOW, StartWorld


def _client(world: World, password: str | None = None) -> AsyncElasticsearch:
    secret = password or world.endpoints.elasticsearch_password
    return AsyncElasticsearch(
        world.endpoints.elasticsearch_url, basic_auth=(USER, secret), max_retries=0, request_timeout=2
    )


@pytest.fixture
async def world(start_world: StartWorld) -> World:
    return await start_world("bad_deployment")


@pytest.fixture
async def client(world: World) -> AsyncIterator[AsyncElasticsearch]:
    client = _client(world)
    yield client
    await client.close()


def _lines(world: World, holds: Callable[[Document], bool]) -> list[Document]:
    now = NOW.timestamp()
    return [document for document in world.journal.logs if document.at <= now and holds(document)]


def _words(document: Document) -> set[str]:
    return set(document.fields["message"].split())


UNTIL_NOW = {"range": {"@timestamp": {"lte": NOW.isoformat()}}}


async def test_who_it_is(client: AsyncElasticsearch) -> None:
    info = await client.info()
    assert info["version"]["number"].startswith("8.")
    assert info.meta.headers["x-elastic-product"] == "Elasticsearch"


async def test_counts_come_from_the_documents(world: World, client: AsyncElasticsearch) -> None:
    errors = _lines(world, lambda d: d.fields["log.level"] == "ERROR")
    answer = await client.search(
        index="logs-*",
        query={"bool": {"filter": [UNTIL_NOW], "must": [{"term": {"log.level": "ERROR"}}]}},
        aggs={
            "by_service": {"terms": {"field": "service.name", "size": 50}},
            "over_time": {"date_histogram": {"field": "@timestamp", "fixed_interval": "1m"}},
            "first": {"min": {"field": "@timestamp"}},
            "pods": {"cardinality": {"field": "kubernetes.pod.name"}},
            "timeouts": {"filter": {"match_phrase": {"message": "connection timeout after 5000ms"}}},
        },
        size=3,
        sort=[{"@timestamp": {"order": "desc"}}],
        track_total_hits=True,
    )
    found = answer["aggregations"]
    assert answer["hits"]["total"] == {"value": len(errors), "relation": "eq"}
    by_service = Counter(d.fields["service.name"] for d in errors)
    assert {b["key"]: b["doc_count"] for b in found["by_service"]["buckets"]} == by_service
    assert sum(b["doc_count"] for b in found["over_time"]["buckets"]) == len(errors)
    assert found["first"]["value"] == pytest.approx(errors[0].at * 1000, abs=1)
    assert found["pods"]["value"] == len({d.fields["kubernetes.pod.name"] for d in errors})
    said = [d for d in errors if "connection timeout after 5000ms" in d.fields["message"]]
    assert found["timeouts"]["doc_count"] == len(said) > 50
    assert [hit["_source"]["message"] for hit in answer["hits"]["hits"]] == [
        d.fields["message"] for d in reversed(errors[-3:])
    ]


async def test_new_lines_begin_at_the_onset(world: World, client: AsyncElasticsearch) -> None:
    assert world.truth.onset is not None
    before = {"range": {"@timestamp": {"lt": world.truth.onset.isoformat()}}}
    phrase = {"match_phrase": {"message": "connection timeout after 5000ms"}}
    assert (await client.count(index="logs-*", query={"bool": {"must": [before, phrase]}}))["count"] == 0


@pytest.mark.parametrize(
    ("query", "holds"),
    [
        ({"match": {"message": "refund booked"}}, lambda d: bool({"refund", "booked"} & _words(d))),
        (
            {"match": {"message": {"query": "refund booked", "operator": "and"}}},
            lambda d: {"refund", "booked"} <= _words(d),
        ),
        (
            {"terms": {"service.name": ["frontend", "cart-service"]}},
            lambda d: d.fields["service.name"] in {"frontend", "cart-service"},
        ),
        ({"exists": {"field": "trace.id"}}, lambda d: "trace.id" in d.fields),
        ({"prefix": {"kubernetes.pod.name": "cart-"}}, lambda d: d.fields["kubernetes.pod.name"].startswith("cart-")),
        ({"wildcard": {"service.name": "*-api"}}, lambda d: d.fields["service.name"].endswith("-api")),
        (
            {"query_string": {"query": 'log.level:(ERROR OR WARN) AND NOT service.name:"frontend"'}},
            lambda d: d.fields["log.level"] in {"ERROR", "WARN"} and d.fields["service.name"] != "frontend",
        ),
        (
            {"query_string": {"query": 'message:"pool payment_db exhausted"'}},
            lambda d: "pool payment_db exhausted" in d.fields["message"],
        ),
        (
            {"bool": {"should": [{"term": {"log.level": "WARN"}}, {"term": {"log.level": "DEBUG"}}]}},
            lambda d: d.fields["log.level"] in {"WARN", "DEBUG"},
        ),
        ({"bool": {"must_not": {"term": {"log.level": "INFO"}}}}, lambda d: d.fields["log.level"] != "INFO"),
    ],
)  # fmt: skip
async def test_queries(world: World, client: AsyncElasticsearch, query: Any, holds: Callable[[Document], bool]) -> None:
    answer = await client.count(index="logs-*", query={"bool": {"filter": [UNTIL_NOW, query]}})
    assert answer["count"] == len(_lines(world, holds)) > 0


async def test_deployments_tell_who_released_what(world: World, client: AsyncElasticsearch) -> None:
    answer = await client.search(index="deployments-*", sort="@timestamp:desc", size=2)
    released = {hit["_source"]["service"]: hit["_source"] for hit in answer["hits"]["hits"]}
    assert set(released) == {release.service for release in world.plan.releases}
    bad = world.plan.bad_release
    assert bad is not None
    assert released[bad.service]["version"] == bad.version
    assert released[bad.service]["author"] == bad.author


async def test_names_mappings_and_capabilities(client: AsyncElasticsearch) -> None:
    names = {row["index"] for row in await client.cat.indices(index="*", format="json")}
    resolved = await client.indices.resolve_index(name="logs-*")
    assert {row["name"] for row in resolved["indices"]} == {name for name in names if name.startswith("logs-")}
    mapping = await client.indices.get_mapping(index="logs-*")
    properties = next(iter(mapping.values()))["mappings"]["properties"]
    assert properties["service"]["properties"]["name"] == {"type": "keyword"}
    caps = await client.field_caps(index="logs-*", fields="log.*,message")
    assert set(caps["fields"]) == {"log.level", "message"}
    assert caps["fields"]["message"]["text"]["aggregatable"] is False


async def test_several_searches_at_once(client: AsyncElasticsearch) -> None:
    searches = [{"index": "logs-*"}, {"size": 0}, {"index": "logs-*"}, {"query": {"bogus": {}}}]
    first, second = (await client.msearch(searches=searches))["responses"]
    assert first["status"] == 200
    assert (second["status"], second["error"]["type"]) == (400, "parsing_exception")


async def test_pages_follow_search_after(world: World, client: AsyncElasticsearch) -> None:
    query = {"bool": {"filter": [UNTIL_NOW, {"term": {"service.name": "payment-service"}}]}}
    seen: list[str] = []
    after: list[Any] | None = None
    for _ in range(3):
        sort = [{"@timestamp": "asc"}, {"_id": "asc"}]
        page = await client.search(index="logs-*", query=query, sort=sort, size=40, search_after=after)
        seen += [hit["_id"] for hit in page["hits"]["hits"]]
        after = page["hits"]["hits"][-1]["sort"]
    assert len(set(seen)) == 120


@pytest.mark.parametrize(
    "body",
    [
        {"query": {"nonsense": {}}},
        {"aggs": {"x": {"terms": {"field": "message"}}}},
        {"aggs": {"x": {"categorize_text": {"field": "message"}}}},
        {"size": 10_001},
        {"query": {"range": {"@timestamp": {"gte": "someday"}}}},
        {"colour": "red"},
    ],
)
async def test_what_a_server_would_refuse_is_refused(client: AsyncElasticsearch, body: dict[str, Any]) -> None:
    with pytest.raises(elasticsearch.BadRequestError):
        await client.perform_request("POST", "/logs-*/_search", headers=_HEADERS, body=body)


_HEADERS = {
    "accept": "application/vnd.elasticsearch+json; compatible-with=8",
    "content-type": "application/vnd.elasticsearch+json; compatible-with=8",
}


async def test_esql_is_not_there(client: AsyncElasticsearch) -> None:
    with pytest.raises(elasticsearch.BadRequestError):
        await client.esql.query(query="FROM logs-* | LIMIT 1")


async def test_a_missing_index_and_a_wrong_password(world: World, client: AsyncElasticsearch) -> None:
    with pytest.raises(elasticsearch.NotFoundError):
        await client.search(index="metrics-2020")
    stranger = _client(world, "wrong")
    with pytest.raises(elasticsearch.AuthenticationException):
        await stranger.search(index="logs-*")
    await stranger.close()


@pytest.mark.parametrize(
    ("seed", "mode", "error"),
    [
        (0, "unavailable", elasticsearch.ApiError),
        (1, "hang", elasticsearch.ConnectionTimeout),
        (2, "unauthorized", elasticsearch.AuthenticationException),
    ],
)
async def test_the_missing_source_refuses(
    start_world: StartWorld, seed: int, mode: str, error: type[Exception]
) -> None:
    world = await start_world("missing_source", seed)
    assert world.plan.elasticsearch_mode == mode
    client = _client(world)
    with pytest.raises(error):
        await asyncio.wait_for(client.options(request_timeout=0.3).search(index="logs-*"), 5)
    await client.close()

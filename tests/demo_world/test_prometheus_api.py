"""The Prometheus HTTP API of a world, read with httpx."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from bot.demo.world import World
from bot.demo.world.topology import SERVICES
from tests.demo_world.conftest import NOW, StartWorld

END = NOW.timestamp()


class Api:
    """A client of one world's server."""

    def __init__(self, world: World, client: httpx.AsyncClient) -> None:
        self.world = world
        self.client = client

    async def get(self, path: str, *, status: int = 200, **params: Any) -> Any:
        answer = await self.client.get(f"/api/v1/{path}", params=params)
        assert answer.status_code == status, answer.text
        assert answer.json()["status"] == ("success" if status == 200 else "error")
        return answer.json() if status != 200 else answer.json()["data"]


@pytest.fixture
async def api(start_world: StartWorld) -> AsyncIterator[Api]:
    world = await start_world("bad_deployment")
    async with httpx.AsyncClient(base_url=world.endpoints.prometheus_url, trust_env=False) as client:
        yield Api(world, client)


async def test_a_vector_a_scalar_a_string_and_a_matrix(api: Api) -> None:
    vector = await api.get("query", query="sum by (service) (rate(http_requests_total[2m]))")
    assert vector["resultType"] == "vector"
    assert {row["metric"]["service"] for row in vector["result"]} == set(SERVICES)
    assert all(float(row["value"][1]) > 1 for row in vector["result"])
    scalar = await api.get("query", query="1 + 1", time=END)
    assert scalar == {"resultType": "scalar", "result": [END, "2"]}
    text = await api.get("query", query='"words"', time=END)
    assert text == {"resultType": "string", "result": [END, "words"]}
    matrix = await api.get("query", query="queue_depth[2m]", time=END)
    assert matrix["resultType"] == "matrix"
    assert len(matrix["result"][0]["values"]) == 8


async def test_a_range_has_a_point_for_every_step_and_nothing_of_the_future(api: Api) -> None:
    query = {"query": "sum(rate(http_requests_total[2m]))", "step": "15s"}
    data = await api.get("query_range", start=END - 3600, end=END, **query)
    assert len(data["result"][0]["values"]) == 241
    late = await api.get("query_range", start=END + 900, end=END + 1200, **query)
    assert late["result"] == []
    history = await api.get("query_range", start=END - 2 * 3600, end=END - 3600, **query)
    assert len(history["result"][0]["values"]) == 241


async def test_a_post_form_is_read_like_a_url(api: Api) -> None:
    answer = await api.client.post("/api/v1/query", data={"query": "vector(3)", "time": str(END)})
    assert answer.json()["data"]["result"] == [{"metric": {}, "value": [END, "3"]}]


async def test_labels_values_series_and_metadata(api: Api) -> None:
    assert {"__name__", "service", "route", "le", "pod"} <= set(await api.get("labels"))
    assert set(await api.get("label/service/values")) == set(SERVICES)
    names = await api.get("label/__name__/values", **{"match[]": '{service="payment-service"}'})
    assert "db_pool_in_use" in names
    assert "queue_depth" not in names
    series = await api.get("series", **{"match[]": 'http_client_requests_total{service="checkout-api"}'})
    assert {row["target"] for row in series} == {c.callee for c in SERVICES["checkout-api"].calls}
    metadata = await api.get("metadata")
    assert metadata["http_requests_total"][0]["type"] == "counter"
    assert metadata["http_request_duration_seconds"][0]["type"] == "histogram"


async def test_alerts_rules_and_their_series_agree(api: Api) -> None:
    alerts = (await api.get("alerts"))["alerts"]
    firing = {(a["labels"]["alertname"], a["labels"].get("service", "")) for a in alerts if a["state"] == "firing"}
    assert ("HighErrorRate", "payment-service") in firing
    rules = (await api.get("rules"))["groups"][0]["rules"]
    assert {r["name"] for r in rules if r["state"] == "firing"} == {name for name, _ in firing}
    rows = (await api.get("query", query='ALERTS{alertstate="firing"}'))["result"]
    assert {(r["metric"]["alertname"], r["metric"].get("service", "")) for r in rows} == firing


async def test_targets_are_the_pods_that_live(api: Api) -> None:
    targets = (await api.get("targets"))["activeTargets"]
    assert len(targets) == sum(service.replicas for service in SERVICES.values())
    assert {target["health"] for target in targets} == {"up"}


async def test_build_information(api: Api) -> None:
    assert (await api.get("status/buildinfo"))["version"].startswith("2.")


@pytest.mark.parametrize(
    ("path", "params", "status", "kind"),
    [
        ("query", {"query": "sum("}, 400, "bad_data"),
        ("query", {"query": "bogus(up)"}, 400, "bad_data"),
        ("query", {}, 400, "bad_data"),
        ("query", {"query": "up * on (service) up"}, 422, "execution"),
        ("query", {"query": "info(up)"}, 422, "execution"),
        ("query", {"query": "up", "time": "yesterday"}, 400, "bad_data"),
        ("query_range", {"query": "up", "start": END, "end": END - 1, "step": 15}, 400, "bad_data"),
        ("query_range", {"query": "up", "start": 0, "end": END, "step": 1}, 400, "bad_data"),
        ("query_range", {"query": "up", "start": END, "end": END, "step": 0}, 400, "bad_data"),
        ("query_range", {"query": "up[5m]", "start": END, "end": END, "step": 15}, 400, "bad_data"),
        ("series", {}, 400, "bad_data"),
    ],
)
async def test_errors_have_the_servers_shape(
    api: Api, path: str, params: dict[str, Any], status: int, kind: str
) -> None:
    body = await api.get(path, status=status, **params)
    assert body["errorType"] == kind
    assert body["error"]

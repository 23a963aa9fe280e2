"""Labels by words on the shop's history, and exemplars that a real Prometheus scraped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from aiohttp import web

from connectors.errors import Rejected
from connectors.model import Limits, Rows, SystemClock, TimeWindow
from tests.connectors.test_prometheus_contract import call, make
from tests.support.servers import PrometheusServer, require

pytestmark = pytest.mark.servers
LIMITS = Limits()
EXPOSED = """\
# TYPE request_seconds histogram
request_seconds_bucket{service="checkout",le="0.1"} 8 # {trace_id="aaa1"} 0.05
request_seconds_bucket{service="checkout",le="+Inf"} 10 # {trace_id="bbb2",user="u7"} 1.5
request_seconds_count{service="checkout"} 10
request_seconds_sum{service="checkout"} 3.2
# EOF
"""


@pytest.fixture
async def scraped() -> AsyncIterator[PrometheusServer]:
    """A Prometheus that scrapes one page with two exemplars."""

    async def page(_: web.Request) -> web.Response:
        kind = "application/openmetrics-text; version=1.0.0; charset=utf-8"
        return web.Response(body=EXPOSED.encode(), headers={"content-type": kind})

    app = web.Application()
    app.router.add_get("/metrics", page)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    target = f"127.0.0.1:{runner.addresses[0][1]}"
    scrape = f"[{{job_name: app, static_configs: [{{targets: ['{target}']}}]}}]"
    server = await asyncio.to_thread(lambda: require(lambda: PrometheusServer(scrape=scrape)))
    try:
        yield server
    finally:
        await asyncio.to_thread(server.stop)
        await runner.cleanup()


async def test_exemplars_name_the_traces_behind_a_histogram(scraped: PrometheusServer) -> None:
    connector = make(scraped.url)
    connector.clock = SystemClock()
    rows: tuple[tuple[object, ...], ...] = ()
    async with asyncio.timeout(30):
        while len(rows) < 2:
            now = SystemClock().now()
            window = TimeWindow(start=now - timedelta(minutes=5), end=now + timedelta(minutes=1))
            arguments = {"promql": "rate(request_seconds_bucket[1m])"}
            wish = call("list_exemplars", **arguments).model_copy(update={"window": window})
            payload = (await connector.call(wish, LIMITS)).payload
            assert isinstance(payload, Rows)
            rows = payload.rows
            await asyncio.sleep(0.2)
    await connector.close()
    found = {row[4]: row for row in rows}
    assert set(found) == {"aaa1", "bbb2"}
    assert found["bbb2"][1:4] == ("checkout", "request_seconds_bucket", 1.5)
    assert found["bbb2"][5] == "user=u7"


async def test_labels_by_name_and_by_value(prometheus: PrometheusServer) -> None:
    connector = make(prometheus.url)
    by_name = (await connector.call(call("search_labels", words="service"), LIMITS)).payload
    by_value = (await connector.call(call("search_labels", words="catalog"), LIMITS)).payload
    of_pods = (await connector.call(call("search_labels", promql="container_cpu_usage_seconds_total"), LIMITS)).payload
    with pytest.raises(Rejected):
        await connector.call(call("search_labels", promql='{__name__=~".+"}'), LIMITS)
    await connector.close()
    assert isinstance(by_name, Rows)
    assert isinstance(by_value, Rows)
    assert isinstance(of_pods, Rows)
    assert {row[0]: row[1] for row in by_name.rows}["service"] == "catalog, checkout-api, payment-service"
    assert ("service", "catalog", 3) in by_value.rows
    assert {row[0] for row in of_pods.rows} == {"namespace", "pod", "container"}

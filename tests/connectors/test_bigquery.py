"""BigQuery keeps the connector contract and its byte cap, on a double that computes its answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any, ClassVar

import pytest

from connectors.bigquery import CONNECTOR
from connectors.bigquery.connector import BigqueryConnector
from connectors.errors import NotFound, Rejected, TimedOut
from connectors.model import Limits, Objects, Rows, SystemClock, TimeWindow, ToolCall
from connectors.testing import ConnectorContract
from tests.support.bigquery_double import BigqueryDouble

NAME = "bigquery/main"
TOKEN = "ya29.r3ader-token-never-shown"
LIMITS = Limits(deadline_s=10)
TABLES = (
    "CREATE TABLE shop.orders AS SELECT n AS id, 'note ' || n AS note, n * 1.25::DECIMAL(20,4) AS total,"
    " TIMESTAMPTZ '2026-11-20 10:00:00+00' + n * INTERVAL 1 SECOND AS at, DATE '2026-11-20' AS day"
    " FROM range(1, 3001) AS t(n)",
    "CREATE TABLE shop.slow (day DATE, x BIGINT)",
)
SLOW = "select x from shop.slow where day = '2026-11-20'"


def make(host: str, port: int, **more: Any) -> BigqueryConnector:
    settings = {"token": TOKEN, "project_id": "acme", "dataset": "shop"} | more
    config = CONNECTOR.Config(url=f"http://{host}:{port}", **settings)
    return CONNECTOR(name=NAME, config=config, environment="production", clock=SystemClock())


def call(tool: str, **arguments: Any) -> ToolCall:
    now = SystemClock().now()
    window = TimeWindow(start=now - timedelta(hours=1), end=now + timedelta(minutes=1))
    return ToolCall(connector=NAME, tool=tool, arguments=arguments, window=window)


def orders(columns: str, more: str = "") -> str:
    return f"select {columns} from shop.orders where day = '2026-11-20' {more}"


@pytest.fixture
async def double() -> AsyncIterator[BigqueryDouble]:
    async with BigqueryDouble(TABLES, token=TOKEN) as server:
        yield server


@pytest.fixture
async def connector(double: BigqueryDouble) -> AsyncIterator[BigqueryConnector]:
    made = make(double.host, double.port)
    yield made
    await made.close()


class TestBigqueryContract(ConnectorContract):
    secrets: ClassVar[Sequence[str]] = (TOKEN, "wrong-t0ken-never-shown")

    @pytest.fixture(autouse=True)
    def _server(self, double: BigqueryDouble) -> None:
        self.server = double

    def make(self) -> BigqueryConnector:
        return make(self.server.host, self.server.port)

    def make_at(self, host: str, port: int) -> BigqueryConnector:
        return make(host, port)

    def make_unauthorized(self) -> BigqueryConnector:
        return make(self.server.host, self.server.port, token="wrong-t0ken-never-shown")

    def calls(self) -> Sequence[ToolCall]:
        return (
            call("run_query", sql=orders("id, total", "order by id limit 3")),
            call("estimate_query", sql=orders("id")),
            call("list_activity"),
            call("search_schema", words="order"),
        )

    def sized_call(self) -> tuple[ToolCall, int]:
        return call("run_query", sql=orders("id, note", "and id <= 100")), 100

    def empty_call(self) -> ToolCall:
        return call("run_query", sql=orders("id", "and id < 0"))

    def slow_call(self) -> ToolCall:
        return call("run_query", sql=SLOW)

    def echo_call(self, text: str) -> ToolCall:
        quoted = text.replace("\\", "\\\\").replace("'", "\\'")
        return call("run_query", sql=f"select '{quoted}' as echoed")

    async def fingerprint(self) -> str:
        return self.server.fingerprint()


async def rows(connector: BigqueryConnector, sql: str, limits: Limits = LIMITS) -> Any:
    payload = (await connector.call(call("run_query", sql=sql), limits)).payload
    assert isinstance(payload, Rows)
    return payload.rows


async def until(condition: Any) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


async def test_cancel_reaches_the_job(double: BigqueryDouble, connector: BigqueryConnector) -> None:
    task = asyncio.create_task(rows(connector, SLOW))
    await until(lambda: double.running)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(20):  # far less than the query would take by itself
        await until(lambda: not double.running)
    assert all(job["status"]["state"] == "DONE" for job in double.jobs.values())
    with pytest.raises(TimedOut):
        await rows(connector, SLOW, Limits(deadline_s=0.3))
    await until(lambda: not double.running)


async def test_the_dry_run_comes_first_and_the_cap_holds(double: BigqueryDouble) -> None:
    size = 3_000 * (8 + 20 + 8)
    small = make(double.host, double.port, maximum_bytes_billed=size - 1)
    with pytest.raises(Rejected, match="the cap is"):
        await rows(small, orders("id, note"))
    assert (double.dry_runs, double.jobs) == (1, {})
    payload = (await small.call(call("estimate_query", sql=orders("id, note")), LIMITS)).payload
    assert isinstance(payload, Objects)
    assert payload.items[0].fields["bytes"] == size
    assert payload.items[0].fields["would_run"] is False
    with pytest.raises(Rejected, match="maximum_bytes_billed"):
        await small.call(call("run_query", sql=orders("id"), maximum_bytes_billed=10**15), LIMITS)
    poor = make(double.host, double.port)
    with pytest.raises(Rejected, match="the cap is"):
        await rows(poor, orders("id, note"), Limits(max_cost_usd=1e-7))
    assert double.jobs == {}
    for opened in (small, poor):
        await opened.close()


async def test_jobs_carry_labels_and_limits(double: BigqueryDouble, connector: BigqueryConnector) -> None:
    result = await connector.call(call("run_query", sql=orders("id", "limit 1")), LIMITS)
    (job,) = double.jobs.values()
    assert job["configuration"]["labels"] == {"app": "inquest"}
    assert job["configuration"]["jobTimeoutMs"] == "10000"
    assert int(job["configuration"]["query"]["maximumBytesBilled"]) <= 10_737_418_240
    assert (result.stats.scanned_bytes, result.stats.cost_usd > 0) == (3_000 * 16, True)
    payload = (await connector.call(call("list_activity"), LIMITS)).payload
    assert isinstance(payload, Objects)
    assert payload.items[0].fields["state"] == "done"


async def test_the_link_alone_runs_selects_only(double: BigqueryDouble, connector: BigqueryConnector) -> None:
    """The guard off: the server's own parser says in the dry run what a text is."""
    before = double.fingerprint()
    for sql in ("delete from shop.orders where true", "create table shop.t as select 1 as x", "drop table shop.orders"):
        with pytest.raises(Rejected):
            await connector.link.estimate(sql, LIMITS)
    assert (double.fingerprint(), double.jobs) == (before, {})


async def test_values_are_faithful_and_errors_named(connector: BigqueryConnector) -> None:
    values: tuple[tuple[str, Any], ...] = (
        ("9007199254740993", "9007199254740993"),
        ("1.5e0", 1.5),
        ("true", True),
        ("null", None),
        ("date '2026-02-03'", "2026-02-03"),
        ("timestamp '2026-03-29 01:30:00+01:00'", "2026-03-29T00:30:00+00:00"),
        ("'ünïcödé 🙂'", "ünïcödé 🙂"),
        ("[1, 2]", [1, 2]),
    )
    for text, expected in values:
        assert (await rows(connector, f"select {text} as v"))[0][0] == expected, text
    for text, kind in (
        ("select id from shop.orders", Rejected),
        ("select x from shop.nowhere where day = '2026-11-20'", NotFound),
        (orders("nothing"), Rejected),
        ("delete from shop.orders where true", Rejected),
        ("selec 1", Rejected),
    ):
        with pytest.raises(kind):
            await rows(connector, text)

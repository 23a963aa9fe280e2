"""What MongoDB tells in trouble: values on a real FerretDB; running operations and replicas on a double of the wire."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from bson import Binary, Decimal128, Int64, ObjectId

from connectors.errors import NotFound, Rejected, TimedOut
from connectors.model import HealthStatus, Item, Limits, Objects, Rows, ToolResult
from connectors.mongodb.connector import MongodbConnector
from tests.connectors.test_mongodb_contract import WINDOW, call, make, query
from tests.support.mongo_double import MongoDouble
from tests.support.servers import FerretdbServer

LIMITS = Limits(deadline_s=10)


@pytest.fixture
async def connector(ferretdb: FerretdbServer) -> AsyncIterator[MongodbConnector]:
    made = make(ferretdb.host, ferretdb.port)
    yield made
    await made.close()


@pytest.fixture
async def double() -> AsyncIterator[MongoDouble]:
    async with MongoDouble() as server:
        yield server


@pytest.fixture
async def watched(double: MongoDouble) -> AsyncIterator[MongodbConnector]:
    made = make(double.host, double.port, username=None, password=None)
    yield made
    await made.close()


def listed(result: ToolResult) -> tuple[Item, ...]:
    assert isinstance(result.payload, Objects)
    return result.payload.items


def table(result: ToolResult) -> tuple[list[str], Any]:
    assert isinstance(result.payload, Rows)
    return [column.name for column in result.payload.columns], result.payload.rows


async def until(condition: Any) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


async def test_cancel_reaches_the_server(double: MongoDouble, watched: MongodbConnector) -> None:
    task = asyncio.create_task(watched.call(query(find="slow"), LIMITS))
    await until(lambda: double.operations)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(20):  # far less than the query would take by itself
        await until(lambda: not double.operations)
    assert "killOp" in double.seen
    with pytest.raises(TimedOut):
        await watched.call(query(find="slow"), Limits(deadline_s=0.3))
    await until(lambda: not double.operations)


async def test_running_operations_and_connections(double: MongoDouble, watched: MongodbConnector) -> None:
    double.answers["serverStatus"] = {
        "connections": {"current": 90, "available": 10, "active": 7, "totalCreated": 5_000}
    }
    task = asyncio.create_task(watched.call(query(find="slow"), LIMITS))
    await until(lambda: double.operations)
    (item,) = listed(await watched.call(call("list_activity", min_seconds=2), LIMITS))
    assert (item.name, item.fields["user"], item.fields["application"]) == ("shop.slow", "app", "shop-api")
    told = (item.fields["duration_s"], item.fields["state"], item.fields["plan"])
    assert told == (3.0, "waiting for a lock", "COLLSCAN")
    assert not listed(await watched.call(call("list_activity", min_seconds=5), LIMITS))
    fields = listed(await watched.call(call("get_connections"), LIMITS))[0].fields
    assert (fields["used"], fields["limit"], fields["ratio"], fields["waiting"]) == (90, 100, 0.9, 1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_replicas_lag_behind_the_primary(double: MongoDouble, watched: MongodbConnector) -> None:
    at = datetime(2026, 11, 20, 12, tzinfo=UTC)
    double.answers["replSetGetStatus"] = {
        "set": "rs0",
        "members": [
            {"_id": 0, "name": "db-0:27017", "health": 1.0, "stateStr": "PRIMARY", "optimeDate": at, "uptime": 100},
            {"_id": 1, "name": "db-1:27017", "health": 1.0, "stateStr": "SECONDARY", "syncSourceHost": "db-0:27017",
             "optimeDate": at - timedelta(seconds=42), "uptime": 90},
            {"_id": 2, "name": "db-2:27017", "health": 0.0, "stateStr": "(not reachable/healthy)", "uptime": 0,
             "lastHeartbeatMessage": "connection refused"},
        ],
    }  # fmt: skip
    members = {i.name: i.fields for i in listed(await watched.call(call("get_replication"), LIMITS))}
    assert [members[f"db-{n}:27017"]["lag_s"] for n in range(3)] == [None, 42.0, None]
    assert members["db-2:27017"]["last_error"] == "connection refused"
    assert members["db-2:27017"]["healthy"] is False


async def test_a_profiled_operation_that_became_slow(double: MongoDouble, watched: MongodbConnector) -> None:
    shape = {"ns": "shop.orders", "op": "query", "queryHash": "AB12", "planSummary": "COLLSCAN", "docsExamined": 3_000}
    command = {"find": "orders", "filter": {"note": "x"}}
    for minute in range(-50, 50, 10):
        at = WINDOW.start + timedelta(minutes=minute)
        double.profile.append({**shape, "ts": at, "millis": 400 if minute >= 0 else 20, "command": command})
    (item,) = listed(await watched.call(call("list_slow_statements"), LIMITS))
    assert (item.fields["calls"], item.fields["mean_ms"], item.fields["baseline_mean_ms"]) == (5, 400.0, 20.0)
    assert (item.fields["plan"], item.fields["documents_examined"]) == ("COLLSCAN", 3_000)


async def test_check_says_when_the_account_can_write(double: MongoDouble, watched: MongodbConnector) -> None:
    double.answers |= {
        "buildInfo": {"version": "7.0.0"},
        "listCollections": {"cursor": {"id": 0, "ns": "a.b", "firstBatch": []}},
    }
    for actions, writable in ((["find", "listCollections"], False), (["find", "insert"], True)):
        privileges = [{"resource": {"db": "shop", "collection": ""}, "actions": actions}]
        double.answers["connectionStatus"] = {"authInfo": {"authenticatedUserPrivileges": privileges}}
        health = await watched.check()
        assert health.writable is writable, health.detail
        assert (health.status is HealthStatus.DEGRADED) is writable


@pytest.mark.servers
async def test_values_are_faithful(ferretdb: FerretdbServer, connector: MongodbConnector) -> None:
    values: dict[str, tuple[Any, Any]] = {
        "large": (Int64(9007199254740993), "9007199254740993"),
        "small": (Int64(5), 5),
        "float": (1.5, 1.5),
        "nothing": (None, None),
        "moment": (datetime(2026, 3, 29, 1, 30, tzinfo=UTC), "2026-03-29T01:30:00+00:00"),
        "id": (ObjectId("65f0c0ffee0000000000abcd"), "65f0c0ffee0000000000abcd"),
        "bytes": (Binary(b"\xde\xad"), "\\xdead"),
        "nested": ({"a": [1, {"b": "ünïcödé 🙂"}]}, {"a": [1, {"b": "ünïcödé 🙂"}]}),
        "flag": (True, True),
        "text": ("", ""),
    }
    client = ferretdb.client()
    client["types"]["all"].insert_one({"_id": 1, **{key: value for key, (value, _) in values.items()}})
    client.close()
    other = make(ferretdb.host, ferretdb.port, database="types")
    names, rows = table(await other.call(query(find="all"), LIMITS))
    await other.close()
    found = dict(zip(names, rows[0], strict=True))
    for key, (_, expected) in values.items():
        assert found[key] == expected, key
    from connectors.sql import json_cell

    assert json_cell(Decimal128("0.1000")) == str(Decimal("0.1000"))


@pytest.mark.servers
async def test_extended_json_and_aggregation(connector: MongodbConnector) -> None:
    pipeline = [{"$match": {"_id": {"$lte": {"$numberLong": "10"}}}}, {"$group": {"_id": None, "n": {"$sum": 1}}}]
    names, rows = table(await connector.call(query(aggregate="orders", pipeline=pipeline), LIMITS))
    assert dict(zip(names, rows[0], strict=True)) == {"_id": None, "n": 10}
    _, rows = table(await connector.call(query(count="orders"), LIMITS))
    assert rows[0][0] == 3_000


async def test_distinct_values_are_rows(double: MongoDouble, watched: MongodbConnector) -> None:
    """On the double: FerretDB does not take a time limit for this command."""
    double.answers["distinct"] = {"values": [2, 3]}
    assert table(await watched.call(query(distinct="orders", key="customer"), LIMITS)) == (["value"], ((2,), (3,)))


@pytest.mark.servers
async def test_rows_are_cut_at_the_caps(connector: MongodbConnector) -> None:
    result = await connector.call(query(find="orders"), LIMITS)
    assert (len(table(result)[1]), result.truncated) == (1_000, "first 1,000 rows")
    result = await connector.call(query(find="orders"), Limits(max_bytes=2_000))
    assert "byte cap 2,000" in (result.truncated or "")


@pytest.mark.servers
async def test_schema_search(connector: MongodbConnector) -> None:
    _, rows = table(await connector.call(call("search_schema", words=["since"]), LIMITS))
    assert rows == (("customers", "about.since", "int"),)


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        ({"insert": "orders", "documents": [{}]}, Rejected),
        ({"aggregate": "orders", "pipeline": [{"$out": "copy"}], "cursor": {}}, Rejected),
        ({"find": "orders", "filter": {"$where": "sleep(1000)"}}, Rejected),
        ({"find": "system.users"}, Rejected),
        ({"eval": "1"}, Rejected),
        ({"find": "orders", "filter": {"at": {"$date": "no date"}}}, Rejected),
    ],
)
async def test_writes_never_leave(
    double: MongoDouble, watched: MongodbConnector, command: Any, kind: type[Exception]
) -> None:
    with pytest.raises(kind, match=r"^.+\.$"):
        await watched.call(call("run_query", command=json.dumps(command)), LIMITS)
    assert not {"insert", "aggregate", "eval"} & set(double.seen)


@pytest.mark.servers
async def test_the_link_alone_refuses_writes(ferretdb: FerretdbServer, connector: MongodbConnector) -> None:
    """The guard off: the link sends reads only, whoever the account is."""
    for command in (
        {"insert": "orders", "documents": [{"_id": 0}]},
        {"delete": "orders", "deletes": [{"q": {}, "limit": 0}]},
        {"update": "orders", "updates": [{"q": {}, "u": {"$set": {"x": 1}}, "multi": True}]},
        {"drop": "orders"},
        {"dropDatabase": 1},
        {"findAndModify": "orders", "remove": True},
        {"aggregate": "orders", "pipeline": [{"$match": {}}, {"$out": "copy"}], "cursor": {}},
        {"aggregate": "orders", "pipeline": [{"$facet": {"a": [{"$merge": "copy"}]}}], "cursor": {}},
        {"explain": {"find": "orders", "filter": {"$where": "1"}}},
    ):
        with pytest.raises(Rejected):
            await connector.link.documents(command, LIMITS, 1)
    client = ferretdb.client()
    assert client["shop"]["orders"].count_documents({}) == 3_000
    assert "copy" not in client["shop"].list_collection_names()
    client.close()


@pytest.mark.servers
async def test_an_unknown_collection_is_empty(connector: MongodbConnector) -> None:
    result = await connector.call(query(find="nowhere"), LIMITS)
    assert result.is_empty
    with pytest.raises((NotFound, Rejected)):
        await connector.call(call("run_query", command='{"nothing": 1}'), LIMITS)

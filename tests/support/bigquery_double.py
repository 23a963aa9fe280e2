"""BigQuery's REST routes over DuckDB: queries are transpiled and computed, dry runs count bytes, jobs can be cancelled.

Shapes follow https://cloud.google.com/bigquery/docs/reference/rest/v2 (jobs.insert, jobs.getQueryResults, jobs.cancel,
jobs.list, datasets.list, tables.list, tables.get). A query that names the table `slow` runs until it is cancelled.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from types import TracebackType
from typing import Any

import duckdb
import sqlglot
from aiohttp import web
from sqlglot import exp

_KINDS = (
    ("BIGINT", "INTEGER"),
    ("INTEGER", "INTEGER"),
    ("DOUBLE", "FLOAT"),
    ("BOOLEAN", "BOOLEAN"),
    ("TIMESTAMP WITH", "TIMESTAMP"),
    ("TIMESTAMP", "DATETIME"),
    ("DATE", "DATE"),
    ("DECIMAL", "NUMERIC"),
    ("BLOB", "BYTES"),
)
_WIDTH = {"STRING": 20, "BYTES": 20, "BOOLEAN": 1, "NUMERIC": 16}


class BigqueryDouble:
    """Async context manager. `tables` are DuckDB's CREATE statements, in schema `shop`."""

    def __init__(self, tables: Sequence[str], *, token: str) -> None:
        self.host, self.port = "127.0.0.1", 0
        self.running: dict[str, asyncio.Event] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.results: dict[str, Any] = {}
        self.dry_runs = 0
        self._token = token
        self._data: Any = duckdb.connect(":memory:")
        self._data.execute("CREATE SCHEMA shop; SET TimeZone = 'UTC'")
        for statement in tables:
            self._data.execute(statement)
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> BigqueryDouble:
        app = web.Application(middlewares=[self._guarded])
        base = "/bigquery/v2/projects/{project}"
        app.router.add_post(f"{base}/jobs", self._insert)
        app.router.add_get(f"{base}/jobs", self._list)
        app.router.add_post(f"{base}/jobs/{{job}}/cancel", self._cancel)
        app.router.add_get(f"{base}/queries/{{job}}", self._results)
        app.router.add_get(f"{base}/datasets", self._datasets)
        app.router.add_get(f"{base}/datasets/{{dataset}}/tables", self._tables)
        app.router.add_get(f"{base}/datasets/{{dataset}}/tables/{{table}}", self._table)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.host, 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for event in self.running.values():
            event.set()
        assert self._runner is not None
        await self._runner.cleanup()

    def fingerprint(self) -> str:
        """Names and checksums of everything that is kept."""
        names = [row[0] for row in self._data.execute("SELECT table_name FROM information_schema.tables").fetchall()]
        sums = [self._data.execute(f"SELECT count(*), sum(hash(t)) FROM shop.{n} t").fetchall() for n in sorted(names)]
        return repr((sorted(names), sums))

    @web.middleware
    async def _guarded(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if request.headers.get("authorization") != f"Bearer {self._token}":
            return _error(401, "authError", "Request had invalid authentication credentials.")
        try:
            answer: web.StreamResponse = await handler(request)
            return answer
        except sqlglot.errors.SqlglotError as error:
            return _error(400, "invalidQuery", f"Syntax error: {str(error)[:200]}")
        except (duckdb.CatalogException, duckdb.BinderException) as error:
            table = isinstance(error, duckdb.CatalogException)
            return _error(404 if table else 400, "notFound" if table else "invalidQuery", str(error).split("\n")[0])
        except duckdb.Error as error:
            return _error(400, "invalidQuery", str(error).split("\n")[0])

    async def _insert(self, request: web.Request) -> web.Response:
        body = await request.json()
        told = body["configuration"]
        sql = told["query"]["query"]
        tree = sqlglot.parse_one(sql, read="bigquery")
        size = self._bytes(tree)
        kind = "SELECT" if isinstance(tree, exp.Query) else tree.key.upper()
        query = {"totalBytesProcessed": str(size), "statementType": kind}
        statistics = {"totalBytesProcessed": str(size), "query": query}
        if told.get("dryRun"):
            self.dry_runs += 1
            self._data.execute(f"EXPLAIN {self._duck(tree)}")
            return web.json_response({"kind": "bigquery#job", "status": {"state": "DONE"}, "statistics": statistics})
        most = int(told["query"]["maximumBytesBilled"])
        if size > most:
            return _error(400, "bytesBilledLimitExceeded", f"Query exceeded limit for bytes billed: {most}.")
        job = body["jobReference"]["jobId"]
        now = str(int(time.time() * 1000))
        self.jobs[job] = {"jobReference": body["jobReference"], "configuration": told, "user_email": "a@example.com",
                          "statistics": {**statistics, "startTime": now}, "status": {"state": "RUNNING"}}  # fmt: skip
        if any(table.name == "slow" for table in tree.find_all(exp.Table)):
            self.running[job] = asyncio.Event()
        else:
            found = self._data.execute(self._duck(tree))
            fields = [_field(str(d[0]), str(d[1])) for d in found.description]
            self.results[job] = (fields, found.fetchall(), size)
            self.jobs[job]["status"] = {"state": "DONE"}
        return web.json_response(self.jobs[job])

    def _duck(self, tree: exp.Expr) -> str:
        return tree.sql(dialect="duckdb")

    def _bytes(self, tree: exp.Expr) -> int:
        """Rows times the width of the columns that are named, as BigQuery bills."""
        total = 0
        named = {column.name.lower() for column in tree.find_all(exp.Column)}
        for table in tree.find_all(exp.Table):
            fields = self._fields(table.name)
            wanted = [f for f in fields if not named or f["name"] in named or tree.find(exp.Star)]
            (count,) = self._data.execute(f"SELECT count(*) FROM shop.{table.name}").fetchone() if fields else (0,)
            total += count * sum(_WIDTH.get(f["type"], 8) for f in wanted)
        return total

    def _fields(self, table: str) -> list[dict[str, str]]:
        rows = self._data.execute(
            "SELECT column_name, data_type FROM information_schema.columns"
            " WHERE table_name = ? ORDER BY ordinal_position",
            [table],
        ).fetchall()
        return [{"name": name, "type": _kind(kind)} for name, kind in rows]

    async def _results(self, request: web.Request) -> web.Response:
        job = request.match_info["job"]
        if job in self.running:
            wait_s = min(float(request.query.get("timeoutMs", "10000")) / 1000, 5.0)
            try:
                await asyncio.wait_for(self.running[job].wait(), wait_s)
            except TimeoutError:
                return web.json_response({"jobComplete": False, "jobReference": self.jobs[job]["jobReference"]})
            self.running.pop(job, None)
            return _error(400, "stopped", "Job execution was cancelled: User requested cancellation")
        fields, rows, size = self.results[job]
        start = int(request.query.get("pageToken", "0"))
        end = start + int(request.query["maxResults"])
        page = [{"f": [{"v": _wire(v)} for v in row]} for row in rows[start:end]]
        answer = {
            "jobComplete": True,
            "schema": {"fields": fields},
            "rows": page,
            "totalRows": str(len(rows)),
            "totalBytesProcessed": str(size),
        }
        return web.json_response(answer | ({"pageToken": str(end)} if end < len(rows) else {}))

    async def _cancel(self, request: web.Request) -> web.Response:
        job = request.match_info["job"]
        if job in self.running:
            self.jobs[job]["status"] = {"state": "DONE", "errorResult": {"reason": "stopped", "message": "cancelled"}}
            self.running.pop(job).set()
        return web.json_response({"kind": "bigquery#jobCancelResponse", "job": self.jobs.get(job, {})})

    async def _list(self, _request: web.Request) -> web.Response:
        return web.json_response({"kind": "bigquery#jobList", "jobs": list(self.jobs.values())})

    async def _datasets(self, _request: web.Request) -> web.Response:
        return web.json_response(
            {"kind": "bigquery#datasetList", "datasets": [{"datasetReference": {"datasetId": "shop"}}]}
        )

    async def _tables(self, _request: web.Request) -> web.Response:
        names = [row[0] for row in self._data.execute("SELECT table_name FROM information_schema.tables").fetchall()]
        return web.json_response({"tables": [{"tableReference": {"tableId": n}} for n in sorted(names)]})

    async def _table(self, request: web.Request) -> web.Response:
        return web.json_response({"schema": {"fields": self._fields(request.match_info["table"])}})


def _field(name: str, kind: str) -> dict[str, str]:
    return {"name": name, "type": _kind(kind), "mode": "REPEATED" if kind.endswith("[]") else "NULLABLE"}


def _kind(kind: str) -> str:
    return next((name for start, name in _KINDS if kind.startswith(start)), "STRING")


def _wire(value: Any) -> Any:
    """A value as tabledata.list writes it: text, or nested `v`."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return [{"v": _wire(item)} for item in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime) and value.tzinfo is not None:
        return str(int(value.astimezone(UTC).timestamp() * 1_000_000))
    return value.isoformat() if isinstance(value, date) else str(value)


def _error(status: int, reason: str, message: str) -> web.Response:
    told: Mapping[str, Any] = {"code": status, "message": message, "errors": [{"reason": reason, "message": message}]}
    return web.json_response({"error": told}, status=status)

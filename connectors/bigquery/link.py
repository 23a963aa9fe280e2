"""Jobs over REST: a dry run first, then a job of our own id, which is cancelled when nobody waits for it.

https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from connectors._afterwards import Afterwards
from connectors.bigquery.config import BigqueryConfig
from connectors.errors import ConnectorError, Malformed, Misconfigured, Rejected, Throttled, Unauthorized
from connectors.http import HttpClient
from connectors.model import Limits

_SCOPE = "https://www.googleapis.com/auth/bigquery"
_POLL_MS = 10_000
_PAGE_ROWS = 1_000
_TIB = 2**40
# Minimum per table and query: https://cloud.google.com/bigquery/pricing#on_demand_pricing
_MINIMUM_BYTES = 10 * 2**20


class Estimate(NamedTuple):
    """What a dry run says: bytes it would read, and what they cost."""

    bytes: int
    usd: float
    statement: str


class Page(NamedTuple):
    fields: tuple[Mapping[str, Any], ...]
    rows: list[list[Any]]
    scanned_bytes: int
    bytes: int


class BigqueryLink:
    """One HTTP pool, and a token that is renewed in a thread before it ends."""

    def __init__(self, config: BigqueryConfig, *, name: str) -> None:
        self._config = config
        self._name = name
        self._http = HttpClient(config, name=name)
        self._credentials: Any = None
        self._afterwards = Afterwards(ConnectorError)

    async def open(self) -> None:
        await self._http.open()

    async def close(self) -> None:
        await self._afterwards.finish()
        await self._http.close()

    @property
    def _base(self) -> str:
        return f"/bigquery/v2/projects/{self._config.project_id}"

    async def estimate(self, sql: str, limits: Limits) -> Estimate:
        """Bytes and price of a query that is not run. Rejected when it is no SELECT, by the server's own parser."""
        body = {"configuration": {"dryRun": True, "labels": self._config.labels, "query": self._query(sql, None)}}
        job = await self.call("POST", "/jobs", limits, body=body)
        statistics = job.get("statistics")
        told = statistics.get("query") if isinstance(statistics, dict) else None
        if not isinstance(told, dict) or not str(statistics.get("totalBytesProcessed", "")).isdigit():  # type: ignore[union-attr]
            raise Malformed(f"{self._name} answered a dry run without bytes.")
        statement = str(told.get("statementType", ""))
        if statement != "SELECT":
            raise Rejected(f"{self._name} calls this {statement or 'unknown'}; only SELECT is run here.")
        size = int(statistics["totalBytesProcessed"])  # type: ignore[index]
        return Estimate(size, self.price(size), statement)

    def price(self, size: int) -> float:
        return max(size, _MINIMUM_BYTES if size else 0) / _TIB * self._config.usd_per_tib

    def cap_bytes(self, limits: Limits) -> int:
        """The smaller of the configured bytes and what the call's money buys."""
        if self._config.usd_per_tib <= 0:
            return self._config.maximum_bytes_billed
        return min(self._config.maximum_bytes_billed, int(limits.max_cost_usd / self._config.usd_per_tib * _TIB))

    async def run(self, sql: str, limits: Limits) -> Page:
        """The first rows of a job, at most one more than `max_rows`."""
        job_id = f"inquest_{uuid.uuid4().hex}"
        limit_s = min(self._config.statement_timeout_s, limits.deadline_s)
        body = {
            "jobReference": {"projectId": self._config.project_id, "jobId": job_id, **self._location()},
            "configuration": {
                "labels": self._config.labels,
                "jobTimeoutMs": str(max(1, int(limit_s * 1000))),
                "query": self._query(sql, max(_MINIMUM_BYTES, self.cap_bytes(limits))),
            },
        }
        try:
            await self.call("POST", "/jobs", limits, body=body)
            return await self._results(job_id, limits)
        except asyncio.CancelledError:
            self._cancel(job_id)
            raise

    def _query(self, sql: str, most_bytes: int | None) -> dict[str, Any]:
        config = self._config
        told: dict[str, Any] = {"query": sql, "useLegacySql": False, "useQueryCache": most_bytes is not None}
        if most_bytes is not None:
            told["maximumBytesBilled"] = str(most_bytes)
        if config.dataset:
            told["defaultDataset"] = {"projectId": config.project_id, "datasetId": config.dataset}
        return told

    def _location(self) -> dict[str, str]:
        return {"location": self._config.location} if self._config.location else {}

    async def _results(self, job_id: str, limits: Limits) -> Page:
        rows: list[list[Any]] = []
        fields: tuple[Mapping[str, Any], ...] = ()
        token, scanned, size = "", 0, 0
        while True:
            most = min(_PAGE_ROWS, limits.max_rows + 1 - len(rows))
            params = {"maxResults": str(most), "timeoutMs": str(_POLL_MS), "formatOptions.useInt64Timestamp": "true"}
            params |= self._location() | ({"pageToken": token} if token else {})
            page = await self.call("GET", f"/queries/{job_id}", limits, params=params)
            if not page.get("jobComplete"):
                continue
            fields = fields or _fields(page, self._name)
            found = _rows(page, self._name)
            rows += found
            scanned = int(page.get("totalBytesProcessed") or scanned)
            size += sum(len(str(cell)) for row in found for cell in row)
            token = str(page.get("pageToken") or "")
            if not token or len(rows) > limits.max_rows or size > limits.max_bytes:
                return Page(fields, rows, scanned, size)

    def _cancel(self, job_id: str) -> None:
        """The job's own time limit is the net below this one."""
        path = f"/jobs/{job_id}/cancel"
        self._afterwards.send(lambda: self.call("POST", path, Limits(), params=self._location()))

    async def call(
        self, method: str, path: str, limits: Limits, *, params: Mapping[str, str] | None = None, body: Any = None
    ) -> dict[str, Any]:
        """One request under the project; the answer is an object."""
        headers = await self._authorization()
        try:
            reply = await self._http.request(
                method, self._base + path, max_bytes=limits.max_bytes * 4, params=params, body=body, headers=headers
            )
        except Unauthorized as error:
            if any(word in str(error).lower() for word in ("rate limit", "quota exceeded", "ratelimitexceeded")):
                raise Throttled(str(error)) from error
            raise
        found = reply.json(self._name)
        if not isinstance(found, dict) or not found:
            raise Malformed(f"{self._name} answered something that is not BigQuery's JSON.")
        return found

    async def _authorization(self) -> dict[str, str]:
        if self._config.credentials_path is None:
            return {}
        try:
            token = await asyncio.to_thread(self._renewed)
        except (OSError, ValueError, KeyError) as error:
            raise Misconfigured(f"{self._name}: the credentials file cannot be used.") from error
        return {"authorization": f"Bearer {token}"}

    def _renewed(self) -> str:
        from google.auth.exceptions import GoogleAuthError
        from google.auth.transport.requests import Request
        from google.oauth2.service_account import Credentials

        if self._credentials is None:
            path = str(Path(self._config.credentials_path or ""))
            self._credentials = Credentials.from_service_account_file(path, scopes=[_SCOPE])  # type: ignore[no-untyped-call]
        if not self._credentials.valid:
            try:
                self._credentials.refresh(Request())
            except GoogleAuthError as error:
                raise Unauthorized(f"{self._name}: the service account was refused.") from error
        return str(self._credentials.token)


def _fields(page: Mapping[str, Any], name: str) -> tuple[Mapping[str, Any], ...]:
    schema = page.get("schema")
    fields = schema.get("fields") if isinstance(schema, dict) else None
    if not isinstance(fields, list) or not all(isinstance(f, dict) and "name" in f and "type" in f for f in fields):
        raise Malformed(f"{name} answered rows without a schema.")
    return tuple(fields)


def _rows(page: Mapping[str, Any], name: str) -> list[list[Any]]:
    try:
        return [[cell.get("v") for cell in row["f"]] for row in page.get("rows") or ()]
    except (TypeError, KeyError, AttributeError) as error:
        raise Malformed(f"{name} answered rows of an unknown shape.") from error

"""Queries over HTTP: read-only, bounded on the server, counted on the way in, and killed when given up.

https://clickhouse.com/docs/interfaces/http and https://clickhouse.com/docs/operations/settings/settings
"""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from connectors._afterwards import Afterwards
from connectors.clickhouse.config import ClickhouseConfig
from connectors.errors import (
    ConnectorError,
    Malformed,
    Misconfigured,
    NotFound,
    Rejected,
    TimedOut,
    Unauthorized,
    Unavailable,
)
from connectors.http import MAX_JSON_PARTS, HttpClient, Reply, looks_like_html
from connectors.model import Column, Limits
from connectors.redaction import clean_text
from connectors.sql import TableBuilder, binary_cell

_FORMAT = "JSONCompactEachRowWithNamesAndTypes"
# One block is the unit in which the server notices that enough rows were made.
_BLOCK_ROWS = 8_192
_NOT_FINITE = {"nan": "NaN", "-nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
_CODE = re.compile(r"Code: (\d+)\.\s*(?:DB::Exception: )?(.*)", re.DOTALL)
_TRAILER = re.compile(r"\s*\([A-Z_]+\)\s*(\(version .*)?$")
# https://github.com/ClickHouse/ClickHouse/blob/master/src/Common/ErrorCodes.cpp
_KINDS: tuple[tuple[frozenset[int], type[ConnectorError], str], ...] = (
    (frozenset({192, 193, 194, 195, 516}), Unauthorized, "refused the credentials"),
    (frozenset({291, 497}), Unauthorized, "does not let this account read that"),
    (frozenset({81}), Misconfigured, "has no such database"),
    (frozenset({16, 36, 46, 47, 60, 115}), NotFound, "does not know that name"),
    (frozenset({159, 160, 209}), TimedOut, "cancelled the query at its time limit"),
    (frozenset({394}), TimedOut, "cancelled the query"),
    (frozenset({164, 392}), Rejected, "refused a write in a read-only session"),
    (frozenset({158, 307, 396}), Rejected, "stopped the query at its limit"),
    (frozenset({202, 210, 236, 242, 279, 999}), Unavailable, "failed"),
)

_NUMBER_STARTS = frozenset("-0123456789")


class Rows(NamedTuple):
    """One answer: columns with types, rows as JSON, and what it cost."""

    columns: tuple[Column, ...]
    rows: list[list[Any]]
    bytes: int
    scanned_bytes: int | None

    def records(self) -> list[dict[str, Any]]:
        names = [column.name for column in self.columns]
        return [dict(zip(names, row, strict=True)) for row in self.rows]


class ClickhouseLink:
    """One HTTP pool. Every query has its own id, by which it is killed when nobody waits for it any more."""

    def __init__(self, config: ClickhouseConfig, *, name: str) -> None:
        self._config = config
        self._name = name
        self._http = HttpClient(config, name=name)
        self._afterwards = Afterwards(ConnectorError)

    async def open(self) -> None:
        await self._http.open()

    async def close(self) -> None:
        await self._afterwards.finish()
        await self._http.close()

    async def query(self, sql: str, limits: Limits, parameters: Mapping[str, str] | None = None) -> Rows:
        """The answer of one judged or own query; at most one block more than `max_rows`, and bounded bytes."""
        query_id = str(uuid.uuid4())
        values = {f"param_{key}": value for key, value in (parameters or {}).items()}
        try:
            reply = await self._http.request(
                "POST", "/", max_bytes=_room(limits), content=sql, params={**self._settings(limits, query_id), **values}
            )
        except asyncio.CancelledError:
            self._kill(query_id)
            raise
        except ConnectorError as error:
            raise self._named(error) from error
        return _parse(reply, self._name, limits)

    def _settings(self, limits: Limits, query_id: str) -> dict[str, str]:
        limit_s = min(self._config.statement_timeout_s, limits.deadline_s)
        return {
            "database": self._config.database,
            "query_id": query_id,
            "default_format": _FORMAT,
            "wait_end_of_query": "1",
            "readonly": "1",
            "max_execution_time": f"{max(0.001, limit_s):.3f}",
            "max_result_rows": str(limits.max_rows + 1),
            "max_result_bytes": str(limits.max_bytes * 4),
            "result_overflow_mode": "break",
            "max_block_size": str(min(_BLOCK_ROWS, limits.max_rows + 1)),
            "max_bytes_to_read": str(self._config.max_scan_bytes),
            "cancel_http_readonly_queries_on_client_close": "1",
            "output_format_json_quote_64bit_integers": "1",
            "output_format_json_quote_decimals": "1",
            "output_format_json_quote_denormals": "1",
            "date_time_output_format": "iso",
            "log_comment": "inquest",
        }

    def _kill(self, query_id: str) -> None:
        """The query's own time limit, and the closed connection, are the nets below this one."""
        sql = f"KILL QUERY WHERE query_id = '{query_id}' ASYNC"  # an id of our own making
        self._afterwards.send(lambda: self._http.request("POST", "/", max_bytes=65_536, content=sql))

    def _named(self, error: ConnectorError) -> ConnectorError:
        """The server's own number says more than the status of HTTP."""
        found = _CODE.search(str(error))
        if found is None:
            return error
        code, words = int(found[1]), _TRAILER.sub("", found[2].rstrip(". "))
        reason = clean_text(words, self._config.secrets).rstrip(".")
        if code in {164, 452} and "setting" in reason:
            return Misconfigured(
                f"{self._name} lets this account set no limits ({reason}). Use a profile with readonly = 2."
            )
        for codes, named, sentence in _KINDS:
            if code in codes:
                return named(f"{self._name} {sentence}: {reason}.")
        return Rejected(f"{self._name} refused the query: {reason}.")


def _room(limits: Limits) -> int:
    """Bytes of an answer in JSON: the cap, the quoting, and one block beyond the last row."""
    return limits.max_bytes * 4 + 65_536


def _lines(body: bytes, limits: Limits) -> Iterator[Any]:
    """Names, types and rows, decoded one by one; no more rows than one beyond what a table of the limits takes."""
    at = count = size = 0
    while at < len(body) and count <= limits.max_rows + 2 and size <= limits.max_bytes:
        end = body.find(b"\n", at)
        end = len(body) if end < 0 else end
        if end > at:
            if body[at : at + 1] != b"[" or body.count(b"{", at, end) + body.count(b"[", at, end) > MAX_JSON_PARTS:
                raise ValueError
            line = json.loads(body[at:end].decode("utf-8", "surrogateescape"))
            count += 1
            size += sum(map(_least_size, line)) if count > 2 and isinstance(line, list) else 0
            yield line
        at = end + 1


def _least_size(cell: Any) -> int:
    """Never more than what the table will count; text of digits may become a number."""
    if not isinstance(cell, str):
        return 0
    return min(len(cell), 8) if cell[:1] in _NUMBER_STARTS else len(cell)


def _parse(reply: Reply, name: str, limits: Limits) -> Rows:
    if looks_like_html(reply.headers.get("content-type", ""), reply.body):
        reply.json(name)
    try:
        lines = list(_lines(reply.body, limits))
    except (ValueError, RecursionError) as error:
        raise Malformed(f"{name} answered something that is not ClickHouse's JSON.") from error
    if not all(isinstance(line, list) for line in lines) or len(lines) == 1 or (not lines and reply.body):
        raise Malformed(f"{name} answered something that is not ClickHouse's JSON.")
    if not lines:
        if "x-clickhouse-summary" not in reply.headers:
            raise Malformed(f"{name} answered nothing where columns were expected.")
        return Rows((), [], 0, None)
    names, types, rows = lines[0], lines[1], lines[2:]
    if not names or len(names) != len(types) or any(len(row) != len(names) for row in rows):
        raise Malformed(f"{name} answered rows that do not fit their columns.")
    columns = tuple(Column(name=_faithful(n), type=str(t)) for n, t in zip(names, types, strict=True))
    if not reply.body.isascii():
        rows = [[_faithful(cell) for cell in row] for row in rows]
    return Rows(columns, rows, len(reply.body), _scanned(reply.headers))


def _faithful(cell: Any) -> Any:
    """Bytes that are not UTF-8 as hexadecimal; a ClickHouse String may hold any."""
    if isinstance(cell, str):
        if any("\udc80" <= char <= "\udcff" for char in cell):
            return binary_cell(cell.encode("utf-8", "surrogateescape"))
        return cell
    if isinstance(cell, list):
        return [_faithful(item) for item in cell]
    if isinstance(cell, dict):
        return {_faithful(key): _faithful(item) for key, item in cell.items()}
    return cell


def _scanned(headers: Mapping[str, str]) -> int | None:
    """Bytes the server read, from its summary header."""
    try:
        return int(json.loads(headers.get("x-clickhouse-summary", "{}")).get("read_bytes"))
    except (ValueError, TypeError, AttributeError):
        return None


def table(found: Rows, limits: Limits) -> TableBuilder:
    """The rows under the caps; integers that JSON can hold come back as numbers."""
    builder = TableBuilder(found.columns, limits)
    kinds = [re.sub(r"^Nullable\((.*)\)$", r"\1", column.type) for column in found.columns]
    for row in found.rows:
        builder.add([_cell(cell, kind) for cell, kind in zip(row, kinds, strict=True)])
    return builder


def _cell(cell: Any, kind: str) -> Any:
    if isinstance(cell, str) and kind in {"Int64", "UInt64"}:
        return int(cell)
    if isinstance(cell, str) and kind.startswith("Float"):
        return _NOT_FINITE.get(cell, cell)
    return cell

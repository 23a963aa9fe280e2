"""The HTTP transport: what a status, a broken answer or a broken link becomes."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from connectors.errors import (
    ConnectorError,
    Malformed,
    Misconfigured,
    NotFound,
    Rejected,
    Throttled,
    TimedOut,
    Unavailable,
)
from connectors.http import HttpAccess, HttpClient, retry_after_s, transport_error
from connectors.testing import Fault, FaultServer, free_port


async def get(url: str, *, max_bytes: int = 100_000, **more: Any) -> Any:
    client = HttpClient(HttpAccess(url=url, **more), name="thing/main")
    try:
        return await client.get_json("/x", max_bytes=max_bytes, timeout_s=5)
    finally:
        await client.close()


async def get_fault(fault: Fault, **more: Any) -> Any:
    async with FaultServer(fault) as server:
        return await get(f"http://{server.host}:{server.port}", **more)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(302, Misconfigured), (400, Rejected), (404, NotFound), (407, Misconfigured), (408, TimedOut), (422, Rejected),
     (429, Throttled), (500, Unavailable), (503, Unavailable), (504, TimedOut)],
)  # fmt: skip
async def test_statuses(status: int, kind: type[ConnectorError]) -> None:
    with pytest.raises(kind, match=rf"HTTP {status}"):
        await get_fault(
            Fault("reply", status, b'{"error": {"reason": "so"}}', headers={"location": "http://elsewhere"})
        )


async def test_a_reason_is_passed_on_cleanly() -> None:
    with pytest.raises(Rejected) as caught:
        await get_fault(Fault("reply", 400, b'{"error": "bad password=hunter22 in query"}'))
    assert "bad password=[secret:value:" in str(caught.value)


async def test_a_good_answer_compressed_or_not() -> None:
    assert await get_fault(Fault("reply", 200, b'{"a": 1}')) == {"a": 1}
    packed = Fault("reply", 200, gzip.compress(b'{"a": 1}'), headers={"content-encoding": "gzip"})
    assert await get_fault(packed) == {"a": 1}


async def test_a_compressed_bomb_is_capped() -> None:
    bomb = Fault("reply", 200, gzip.compress(b" " * 50_000_000), headers={"content-encoding": "gzip"})
    with pytest.raises(Rejected, match="more than 100,000 bytes"):
        await get_fault(bomb)


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip"])
async def test_encodings_that_cannot_be_read(encoding: str) -> None:
    with pytest.raises(Malformed):
        await get_fault(Fault("reply", 200, b"not packed", headers={"content-encoding": encoding}))


async def test_exactly_the_cap_is_an_answer() -> None:
    body = b'"' + b"x" * 98 + b'"'
    assert len(await get_fault(Fault("reply", 200, body), max_bytes=100)) == 98
    with pytest.raises(Rejected):
        await get_fault(Fault("reply", 200, body), max_bytes=99)


async def test_tls_against_a_plain_port_and_unknown_hosts() -> None:
    async with FaultServer(Fault("noise")) as server:
        with pytest.raises(Misconfigured, match="TLS"):
            await get(f"https://{server.host}:{server.port}")
    with pytest.raises(Unavailable, match="cannot be reached"):
        await get(f"http://127.0.0.1:{free_port()}")
    unknown = httpx.ConnectError("[Errno -2] Name or service not known")
    assert "does not resolve" in str(transport_error(unknown, "thing/main"))
    with pytest.raises(Misconfigured, match="certificate file"):
        await get("https://127.0.0.1:1", ca_file="/nonexistent.pem")


@pytest.mark.parametrize("url", ["ftp://x", "localhost:9090", "http://", "http://user:pw@host"])
def test_bad_addresses_are_refused_without_repeating_them(url: str) -> None:
    with pytest.raises(ValidationError) as caught:
        HttpAccess(url=url)
    assert "user:pw" not in str(caught.value)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("0", 0.0), ("-3", 0.0), ("Fri, 20 Nov 2026 10:00:30 GMT", 30.0), ("soon", None), (None, None)],
)
def test_retry_after(header: str | None, seconds: float | None) -> None:
    assert retry_after_s(header, now=datetime(2026, 11, 20, 10, tzinfo=UTC)) == seconds


async def test_an_answer_of_too_many_objects_is_refused_before_it_is_unpacked() -> None:
    body = b'{"data":[' + b"{}," * 250_000 + b"{}]}"
    async with FaultServer(Fault("reply", body=body)) as server:
        client = HttpClient(HttpAccess(url=f"http://{server.host}:{server.port}"), name="source/main")
        with pytest.raises(Rejected, match="200,000 objects"):
            await client.get_json("/", max_bytes=4_000_000)
        await client.close()

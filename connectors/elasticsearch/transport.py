"""The driver's client, with bodies counted while they stream, and its errors by name."""

from __future__ import annotations

import asyncio
import json
from contextvars import ContextVar
from typing import Any

import aiohttp
from elastic_transport import AiohttpHttpNode, ApiError, ConnectionTimeout, SerializationError, TlsError, TransportError
from elasticsearch import AsyncElasticsearch, UnsupportedProductError

from connectors._redirects import RedirectedError, no_redirects, redirected
from connectors.elasticsearch.config import ElasticsearchConfig
from connectors.errors import ConnectorError, Malformed, Misconfigured, Rejected, TimedOut, Unavailable
from connectors.http import MAX_JSON_PARTS, Reply, does_not_resolve, status_error

DRIVER_ERRORS: tuple[type[Exception], ...] = (TransportError, ApiError, UnsupportedProductError)
room_bytes: ContextVar[int] = ContextVar("room_bytes", default=4_000_000)
"""How many decoded bytes an answer may have, for the call that this task runs."""
received_bytes: ContextVar[list[int] | None] = ContextVar("received_bytes", default=None)
_CHUNK_BYTES = 65_536


class TooLargeError(RuntimeError):
    """An answer passed its cap and was cut off at the socket.

    A RuntimeError, since the driver lets those through as they are and does not blame the node.
    """


class _CountedResponse(aiohttp.ClientResponse):
    """Reads no further than the cap of the call."""

    async def read(self) -> bytes:
        most = room_bytes.get()
        parts: list[bytes] = []
        size = unpacked = 0
        async for chunk in self.content.iter_chunked(_CHUNK_BYTES):
            size += len(chunk)
            unpacked += chunk.count(b"{") + chunk.count(b"[")
            if size > most or unpacked > MAX_JSON_PARTS:
                self.close()
                raise TooLargeError
            parts.append(chunk)
        counter = received_bytes.get()
        if counter is not None:
            counter.append(size)
        return b"".join(parts)


class CountingNode(AiohttpHttpNode):
    """A node of the driver whose session counts what it reads, and takes nothing from the environment."""

    def _create_aiohttp_session(self) -> None:
        self._loop = self._loop or asyncio.get_running_loop()
        self.session = aiohttp.ClientSession(
            headers=self.headers,
            skip_auto_headers=("accept", "accept-encoding", "user-agent"),
            auto_decompress=True,
            cookie_jar=aiohttp.DummyCookieJar(),
            response_class=_CountedResponse,
            trace_configs=[no_redirects()],
            connector=aiohttp.TCPConnector(
                limit_per_host=self._connections_per_node, use_dns_cache=True, ssl=self._ssl_context or False
            ),
        )


def make_client(config: ElasticsearchConfig, *, name: str) -> AsyncElasticsearch:
    """The driver's client; sends nothing. Retries stay off: who asks again is decided above."""
    options: dict[str, Any] = {
        "node_class": CountingNode,
        "connections_per_node": config.connections,
        "max_retries": 0,
        "retry_on_timeout": False,
        "request_timeout": None,
    }
    if config.username is not None:
        options["basic_auth"] = (config.username, config.password.get_secret_value() if config.password else "")
    if config.api_key is not None:
        options["api_key"] = config.api_key.get_secret_value().strip()
    if config.bearer is not None:
        options["bearer_auth"] = config.bearer.get_secret_value().strip()
    if any(host.startswith("https:") for host in config.hosts):
        options |= {"verify_certs": config.verify, "ssl_show_warn": False}
        options |= {"ca_certs": config.ca_file} if config.ca_file else {}
    try:
        return AsyncElasticsearch(list(config.hosts), **options)
    except (ValueError, OSError) as error:
        raise Misconfigured(f"{name}: the addresses or the certificate file cannot be used.") from error


def translate(error: Exception, config: ElasticsearchConfig, *, name: str) -> ConnectorError:
    """The named error for one of the driver's; words of the server are cleaned first."""
    if isinstance(error, UnsupportedProductError):
        return Misconfigured(f"{name}: this address does not answer as Elasticsearch. Check hosts.")
    if isinstance(error, ApiError):
        return _from_status(error, config, name)
    if isinstance(error.__context__, RedirectedError):  # the driver wraps it in an error of its own
        return redirected(error.__context__, name)
    if isinstance(error, ConnectionTimeout):
        return TimedOut(f"{name} did not answer in time.")
    if isinstance(error, TlsError):
        return Misconfigured(f"{name}: the TLS certificate does not fit. Set ca_file, or check the address.")
    if isinstance(error, SerializationError):
        return Malformed(f"{name} answered something that is not JSON.")
    words = str(error).lower()
    if does_not_resolve(words):
        return Unavailable(f"{name} cannot be reached: its host name does not resolve.")
    if "cannot connect" in words or "refused" in words:
        return Unavailable(f"{name} cannot be reached: the connection was refused.")
    return Unavailable(f"{name} closed the connection before the answer was complete.")


def too_large(name: str) -> Rejected:
    return Rejected(f"{name} answered too many bytes. Ask for a shorter span or fewer services.")


def _from_status(error: ApiError, config: ElasticsearchConfig, name: str) -> ConnectorError:
    headers = {key.lower(): value for key, value in error.meta.headers.items()}
    body = error.body if isinstance(error.body, str) else json.dumps(error.body, default=str)
    if "media_type_header_exception" in body:
        return Misconfigured(f"{name} does not speak the API of Elasticsearch 8. Older servers are not read.")
    return status_error(Reply(error.meta.status, headers, body.encode("utf-8", "replace")), name, config.secrets)

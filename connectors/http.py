"""The HTTP transport connectors share: one place for TLS, proxies, time, size, and what a status means.

A body is counted while it streams, after decompression, so neither a flood nor a compressed bomb is ever held.
Redirects are not followed (they would carry credentials elsewhere) and the environment's proxies are not read.
"""

from __future__ import annotations

import asyncio
import io
import json
import ssl
import zlib
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, ConfigDict, Field, JsonValue, SecretStr, field_validator

from connectors.errors import (
    ConnectorError,
    Malformed,
    Misconfigured,
    NotFound,
    Rejected,
    Throttled,
    TimedOut,
    Unauthorized,
    Unavailable,
)
from connectors.redaction import clean_text

Params = Mapping[str, str | Sequence[str]]
_ERROR_BODY_BYTES = 16_384
_PIECE_BYTES = 262_144
MAX_JSON_PARTS = 200_000
"""Objects and lists of one JSON answer: in memory each is up to thirty times what it is as text."""


class HttpAccess(BaseModel):
    """The settings every HTTP source has; a connector's Config extends it."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    url: str
    username: str | None = None
    password: SecretStr | None = None
    token: SecretStr | None = Field(default=None, description="Sent as Authorization: Bearer.")
    headers: dict[str, SecretStr] = Field(default_factory=dict, description="Sent with every request.")
    verify: bool = True
    ca_file: str | None = None
    client_cert_file: str | None = None
    client_key_file: str | None = None
    proxy: SecretStr | None = None
    connect_timeout_s: float = Field(default=5.0, gt=0)
    pool_size: int = Field(default=16, gt=0)

    @field_validator("url")
    @classmethod
    def _plain_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("must be an http:// or https:// address")
        if parts.username or parts.password:
            raise ValueError("must not hold a username or password; use the fields of that name")
        return value.rstrip("/")

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every secret value in clear, for scrubbing a backend's own words."""
        held = [self.password, self.token, self.proxy, *self.headers.values()]
        return tuple(s.get_secret_value() for s in held if s is not None)


class Reply(NamedTuple):
    """A whole answer. `headers` are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self, name: str, *, most_parts: int = MAX_JSON_PARTS) -> JsonValue:
        """The body as JSON, or Malformed; a web page in its place is named as such. Rejected with more parts."""
        if looks_like_html(self.headers.get("content-type", ""), self.body):
            raise Malformed(
                f"{name} answered with a web page instead of data; a proxy or a log-in page may be in between."
            )
        if self.body.count(b"{") + self.body.count(b"[") > most_parts:
            raise Rejected(f"{name} answered more than {most_parts:,} objects. Ask for a shorter span or fewer things.")
        try:
            value: JsonValue = json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise Malformed(f"{name} answered something that is not JSON.") from error
        return value


class HttpClient:
    """One pooled client to one base address. Every failure leaves as a ConnectorError."""

    def __init__(self, access: HttpAccess, *, name: str) -> None:
        self._access = access
        self._name = name
        self._client: httpx.AsyncClient | None = None
        # The pool itself is unbounded: a request that is cancelled just when it is given a connection leaves that one
        # behind unopened, and a bounded pool would sooner or later consist of those and answer nobody.
        self._turns = asyncio.Semaphore(access.pool_size)

    async def open(self) -> None:
        """Make the pool; no request is sent. Idempotent."""
        if self._client is not None:
            return
        access = self._access
        self._client = httpx.AsyncClient(
            verify=self._tls(),
            trust_env=False,
            follow_redirects=False,
            proxy=access.proxy.get_secret_value() if access.proxy else None,
            auth=self._basic(),
            headers=self._headers(),
            timeout=httpx.Timeout(None, connect=access.connect_timeout_s),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=access.pool_size),
        )

    async def close(self) -> None:
        """Give the pool back. Idempotent."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def request(
        self,
        method: str,
        path: str,
        *,
        max_bytes: int,
        params: Params | None = None,
        form: Params | None = None,
        body: JsonValue = None,
        content: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> Reply:
        """One request under the base address. Raises a ConnectorError for any status of 300 and above."""
        await self.open()
        assert self._client is not None
        request = self._client.build_request(
            method,
            self._access.url + path,
            params=_plain(params),
            data=_plain(form),
            json=body,
            content=content,
            headers=dict(headers or {}),
            timeout=httpx.Timeout(timeout_s, connect=self._access.connect_timeout_s),
        )
        try:
            async with self._turns:
                return await self._send(self._client, request, max_bytes)
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError) as error:
            raise transport_error(error, self._name) from error

    async def get_json(
        self, path: str, *, max_bytes: int, params: Params | None = None, timeout_s: float | None = None
    ) -> JsonValue:
        """GET and parse; see `request`."""
        reply = await self.request("GET", path, max_bytes=max_bytes, params=params, timeout_s=timeout_s)
        return reply.json(self._name)

    def clean(self, text: str) -> str:
        """A backend's words, safe to show: own secrets and known patterns masked, one line, cut."""
        return clean_text(text, self._access.secrets)

    async def _send(self, client: httpx.AsyncClient, request: httpx.Request, max_bytes: int) -> Reply:
        response = await client.send(request, stream=True)
        try:
            failed = response.status_code >= 300
            body, whole = await _read(response, _ERROR_BODY_BYTES if failed else max_bytes, self._name)
        finally:
            await response.aclose()
        reply = Reply(response.status_code, {k.lower(): v for k, v in response.headers.items()}, body)
        if failed:
            raise status_error(reply, self._name, self._access.secrets)
        if not whole:
            raise Rejected(
                f"{self._name} answered more than {max_bytes:,} bytes. Ask for a shorter span or fewer things."
            )
        return reply

    def _tls(self) -> ssl.SSLContext | bool:
        access = self._access
        if not access.url.startswith("https:") and access.proxy is None:
            return False
        try:
            context = ssl.create_default_context(cafile=access.ca_file)
            if access.ca_file is None:
                _trust_bundled_roots(context)
            if access.client_cert_file:
                context.load_cert_chain(access.client_cert_file, access.client_key_file)
        except OSError as error:
            raise Misconfigured(
                f"{self._name}: a certificate file cannot be used: {error.strerror or 'not PEM'}."
            ) from error
        if not access.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def _basic(self) -> httpx.BasicAuth | None:
        access = self._access
        if access.username is None:
            return None
        return httpx.BasicAuth(access.username, access.password.get_secret_value() if access.password else "")

    def _headers(self) -> dict[str, str]:
        access = self._access
        own = {"accept": "application/json", "accept-encoding": "gzip", "user-agent": "inquest"}
        if access.token is not None:
            own["authorization"] = f"Bearer {access.token.get_secret_value()}"
        return own | {key: value.get_secret_value() for key, value in access.headers.items()}


def _trust_bundled_roots(context: ssl.SSLContext) -> None:
    """Slim images have no system roots; httpx brings certifi."""
    import certifi

    context.load_verify_locations(certifi.where())


def _plain(params: Params | None) -> dict[str, Any] | None:
    return None if params is None else {k: v if isinstance(v, str) else list(v) for k, v in params.items()}


async def _read(response: httpx.Response, most: int, name: str) -> tuple[bytes, bool]:
    """At most `most` decoded bytes, and whether that was all."""
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"identity", "", "gzip", "deflate"}:
        raise Malformed(f"{name} answered in an encoding that was not asked for.")
    unpack = zlib.decompressobj(zlib.MAX_WBITS | 32) if encoding in {"gzip", "deflate"} else None
    kept = io.BytesIO()  # gives its bytes away without a second copy
    async for piece in _unpacked(response.aiter_raw(65_536), unpack, name):
        kept.write(piece)
        if kept.tell() > most:  # only the reason of a failure is still of use
            kept.seek(0)
            return kept.read(min(most, _ERROR_BODY_BYTES)), False
    return kept.getvalue(), True


async def _unpacked(raw: AsyncIterator[bytes], unpack: Any, name: str) -> AsyncIterator[bytes]:
    """The body in pieces of bounded size, however well it was packed."""
    async for chunk in raw:
        if unpack is None:
            yield chunk
            continue
        packed = chunk
        while packed:
            try:
                yield unpack.decompress(packed, _PIECE_BYTES)
            except zlib.error as error:
                raise Malformed(f"{name} answered a body that cannot be decompressed.") from error
            packed = unpack.unconsumed_tail


def looks_like_html(content_type: str, body: bytes) -> bool:
    """True for a web page, whatever its label says."""
    head = body[:256].lstrip().lower()
    return "text/html" in content_type.lower() or head.startswith((b"<!doctype html", b"<html"))


def retry_after_s(value: str | None, *, now: datetime | None = None) -> float | None:
    """Seconds to wait from a Retry-After header: a number or an HTTP date (RFC 9110, 10.2.3)."""
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (at - (now or datetime.now(UTC))).total_seconds())


def status_error(reply: Reply, name: str, secrets: Sequence[str] = ()) -> ConnectorError:
    """The named error for a status of 300 and above, with the backend's own reason when it gave one."""
    status, reason = reply.status, _reason(reply, secrets)
    if status < 400:
        return Misconfigured(f"{name} redirects elsewhere (HTTP {status}). Set its url to the final address.")
    if status in {401, 403}:
        return Unauthorized(f"{name} refused the credentials (HTTP {status}){reason}.")
    if status == 407:
        return Misconfigured(f"The proxy before {name} asks for credentials (HTTP 407).")
    if status in {404, 410}:
        return NotFound(f"{name} has nothing at this address (HTTP {status}){reason}.")
    if status in {408, 504}:
        return TimedOut(f"{name} gave up waiting for its own backend (HTTP {status}){reason}.")
    if status == 429:
        wait_s = retry_after_s(reply.headers.get("retry-after") or reply.headers.get("x-ratelimit-reset"))
        return Throttled(f"{name} asks to slow down (HTTP 429){reason}.", retry_after_s=wait_s)
    if status >= 500:
        wait_s = retry_after_s(reply.headers.get("retry-after"))
        return Unavailable(f"{name} failed (HTTP {status}){reason}.", retry_after_s=wait_s)
    return Rejected(f"{name} refused the request (HTTP {status}){reason}.")


def _reason(reply: Reply, secrets: Sequence[str]) -> str:
    if looks_like_html(reply.headers.get("content-type", ""), reply.body):
        return " with a web page"
    text = reply.body.decode("utf-8", "replace")
    try:
        found = _message(json.loads(text))
    except (ValueError, RecursionError):
        found = text
    cleaned = clean_text(found or "", secrets).rstrip(".")
    return f": {cleaned}" if cleaned else ""


def _message(value: Any) -> str | None:
    """The sentence inside the usual shapes of an error document."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return _message(value[0]) if value else None
    if not isinstance(value, dict):
        return None
    for key in ("error", "message", "reason", "detail", "errors", "errorMessages", "title"):
        found = _message(value.get(key))
        if found:
            return found
    return None


def transport_error(error: Exception, name: str) -> ConnectorError:
    """The named error for what httpx raises below the level of statuses. Its own text is not repeated."""
    words = str(error).lower()
    if isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol):
        return Misconfigured(f"{name}: the address cannot be used.")
    if isinstance(error, httpx.ConnectTimeout):
        return Unavailable(f"{name} cannot be reached: no answer to the connection attempt.")
    if isinstance(error, httpx.TimeoutException):
        return TimedOut(f"{name} did not answer in time.")
    if isinstance(error, httpx.ProxyError):
        return Misconfigured(f"The proxy before {name} refused the connection.")
    if isinstance(error, ssl.SSLError) or "ssl" in words or "certificate" in words:
        return Misconfigured(_tls_sentence(words, name))
    if isinstance(error, httpx.DecodingError) or _not_http(error, words):
        return Malformed(f"{name} answered something that is not HTTP.")
    if does_not_resolve(words):
        return Unavailable(f"{name} cannot be reached: its host name does not resolve.")
    if isinstance(error, httpx.ConnectError):
        return Unavailable(f"{name} cannot be reached: the connection was refused.")
    return Unavailable(f"{name} closed the connection before the answer was complete.")


def does_not_resolve(words: str) -> bool:
    """True when a driver's text says that a host name has no address."""
    marks = ("name or service", "getaddrinfo", "name resolution", "nodename", "no address associated")
    return any(mark in words.lower() for mark in marks)


def _not_http(error: Exception, words: str) -> bool:
    closed = "disconnected" in words or "closed connection" in words
    return isinstance(error, httpx.RemoteProtocolError) and not closed


def _tls_sentence(words: str, name: str) -> str:
    if "wrong version" in words or "record layer" in words or "unknown protocol" in words:
        return f"{name} does not speak TLS on this port. Use http:// or the TLS port."
    if "expired" in words:
        return f"{name}: the server's certificate has expired."
    if "hostname mismatch" in words or "not valid for" in words:
        return f"{name}: the server's certificate is for another host name."
    if "verify failed" in words:
        return f"{name}: the server's certificate is not trusted. Set ca_file to the authority that signed it."
    return f"{name}: the TLS handshake failed."

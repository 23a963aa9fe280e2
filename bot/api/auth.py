"""Who is calling the API. Without a valid bearer token every call is refused; there is no anonymous mode."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable

from fastapi import HTTPException
from starlette.requests import HTTPConnection

from bot.domain.access import Principal, PrincipalKind

Authenticate = Callable[[HTTPConnection], Awaitable[Principal]]
PROTOCOL = "inquest"
"""A browser cannot send headers with a WebSocket: it offers the subprotocols `inquest` and `bearer.TOKEN`."""


def bearer(token: str | None) -> Authenticate:
    """A check against one token. None: the API answers 401 to everybody, and says what to set."""
    expected = hashlib.sha256(token.encode()).digest() if token else None

    async def authenticate(request: HTTPConnection) -> Principal:
        if expected is None:
            raise _unauthorized("The API is closed: set INQUEST_API_TOKEN to open it.")
        scheme, _, given = (request.headers.get("authorization") or _offered(request)).partition(" ")
        digest = hashlib.sha256(given.strip().encode("utf-8", "surrogatepass")).digest()
        if scheme.lower() != "bearer" or not hmac.compare_digest(digest, expected):
            raise _unauthorized("Send the API token as: Authorization: Bearer TOKEN.")
        return Principal(kind=PrincipalKind.API_KEY, id="main", name="API")

    return authenticate


def _offered(connection: HTTPConnection) -> str:
    """The token among the subprotocols of a WebSocket, in the form of the header."""
    if connection.scope["type"] != "websocket":
        return ""
    offered = [one.strip() for one in connection.headers.get("sec-websocket-protocol", "").split(",")]
    return next((f"Bearer {one.removeprefix('bearer.')}" for one in offered if one.startswith("bearer.")), "")


def _unauthorized(detail: str) -> HTTPException:
    return HTTPException(401, detail, headers={"WWW-Authenticate": "Bearer"})

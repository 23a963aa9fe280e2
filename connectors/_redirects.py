"""Redirects are not followed: what was asked of one address, with its credentials, is not sent to another."""

from __future__ import annotations

from types import SimpleNamespace

import aiohttp

from connectors.errors import Misconfigured


class RedirectedError(aiohttp.ClientError):
    """The server points elsewhere."""

    def __init__(self, status: int) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status


def no_redirects() -> aiohttp.TraceConfig:
    """For sessions of aiohttp whose requests are made by a driver that follows redirects."""
    trace = aiohttp.TraceConfig()
    trace.on_request_redirect.append(_refuse)
    trace.freeze()
    return trace


def redirected(error: RedirectedError, name: str) -> Misconfigured:
    """The sentence for it, as every HTTP source says it."""
    return Misconfigured(f"{name} redirects elsewhere (HTTP {error.status}). Set its url to the final address.")


async def _refuse(
    _session: aiohttp.ClientSession, _context: SimpleNamespace, told: aiohttp.TraceRequestRedirectParams
) -> None:
    told.response.close()
    raise RedirectedError(told.response.status)

"""Where a host's name leads: a public name that suddenly points inside is refused."""

from __future__ import annotations

import asyncio
import ipaddress
import socket

from connectors.errors import Misconfigured, Unavailable

_METADATA = ipaddress.ip_network("169.254.0.0/16")


def literal(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address when the host is written as one."""
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None


async def check_host(host: str, port: int, *, name: str, allow_private: bool) -> None:
    """Misconfigured when the name resolves to an address that is not public, unless that is configured.

    An address that is written in the configuration was meant; only the cloud's metadata service never is.
    """
    if allow_private:
        return
    written = literal(host)
    if written is not None:
        if written in _METADATA:
            raise Misconfigured(f"{name}: link-local addresses are not asked. Set allow_private if that is meant.")
        return
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Unavailable(f"{name} cannot be reached: its host name does not resolve.") from error
    for *_, place in found:
        address = ipaddress.ip_address(str(place[0]).partition("%")[0])
        if not address.is_global:
            raise Misconfigured(
                f"{name}: the host name leads to a private address. Set allow_private if that is meant."
            )

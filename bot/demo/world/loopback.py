"""Runs an aiohttp application on a free port of 127.0.0.1."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web


@dataclass(frozen=True)
class Loopback:
    """A running server; stop it by this handle."""

    runner: web.AppRunner
    url: str

    async def stop(self) -> None:
        """Stop listening and drop open connections."""
        await self.runner.cleanup()


async def serve(app: web.Application) -> Loopback:
    """Start `app` on a port that the system picks."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2, handle_signals=False)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    return Loopback(runner=runner, url=f"http://{host}:{port}")

"""The example of docs/connectors/writing.md is found by the registry as it stands there, and keeps the contract."""

from __future__ import annotations

import importlib
import re
import sys
import unittest
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

import connectors
from connectors.registry import connector_types

PAGE = Path(__file__).parents[2] / "docs/connectors/writing.md"
MODULE, CONTRACT = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


class StatusPage:
    """Three services behind a bearer token."""

    def __init__(self, token: str) -> None:
        self.writes: list[str] = []
        self.url = ""
        self._token = token
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> StatusPage:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        if request.method != "GET":
            self.writes.append(request.path)
        if request.headers.get("authorization") != f"Bearer {self._token}":
            return web.json_response({"error": "no"}, status=401)
        names = {"checkout": True, "payment": False, "mail": True}
        return web.json_response({"services": [{"name": name, "up": up} for name, up in names.items()]})


@pytest.fixture
def contract(tmp_path: Path) -> Iterator[Any]:
    """The contract of the page, its module found in a folder that `connectors` is extended by."""
    (tmp_path / "uptime.py").write_text(MODULE, encoding="utf-8")
    (tmp_path / "uptime_contract_of_the_page.py").write_text(CONTRACT, encoding="utf-8")
    connectors.__path__.append(str(tmp_path))
    sys.path.append(str(tmp_path))
    try:
        yield importlib.import_module("uptime_contract_of_the_page")
    finally:
        connectors.__path__.remove(str(tmp_path))
        sys.path.remove(str(tmp_path))
        sys.modules.pop("uptime_contract_of_the_page", None)
        sys.modules.pop("connectors.uptime", None)


@pytest.fixture
async def suite(contract: Any) -> AsyncIterator[Any]:
    async with StatusPage(contract.TOKEN) as server:
        made = contract.UptimeContract()
        made.server = server
        yield made


async def test_the_example_is_found_and_keeps_every_clause(suite: Any) -> None:
    assert "uptime" in connector_types()
    kept, skipped = 0, []
    for name in sorted(dir(suite)):
        if name.startswith("test_"):
            try:
                await getattr(suite, name)()
                kept += 1
            except unittest.SkipTest as reason:
                skipped.append(str(reason))
    assert (skipped, kept > 30) == ([], True)

"""The whole way of an alert, with real servers: a rule fires → Alertmanager → our webhook → a card in Slack."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from pydantic import SecretStr

from bot.app import ALL_PARTS
from bot.cli.serve import up
from bot.demo.workspace import Workspace, WorkspaceConfig
from bot.settings import Settings, SlackMode
from tests.slack.conftest import ROOM, text_of
from tests.support.servers import AlertmanagerServer, PrometheusServer, require
from tests.support.slack_control import Json, SlackControl

SECRET = "a-webhook-secret-for-tests"
PATIENCE_S = 150.0
SOURCES = """\
data_sources: {}
squads:
  payment: {channels: [C0PAYINC001], services: [checkout-api]}
"""
RULES = """\
groups:
  - name: shop
    interval: 1s
    rules:
      - alert: CheckoutErrors
        expr: shop_errors > 0
        labels: {severity: warning, service: checkout-api}
        annotations: {summary: "Checkout answers with errors"}
"""


class Shop:
    """A service with one gauge that the test turns up and down."""

    def __init__(self) -> None:
        self.errors = 0

    async def metrics(self, _request: web.Request) -> web.Response:
        return web.Response(text=f"# TYPE shop_errors gauge\nshop_errors {self.errors}\n")

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[str]:
        app = web.Application()
        app.router.add_get("/metrics", self.metrics)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        try:
            yield f"{host}:{port}"
        finally:
            await runner.cleanup()


def settings_for(folder: Path, workspace: Workspace) -> Settings:
    (folder / "sources.yaml").write_text(SOURCES)
    return Settings().model_copy(
        update={
            "database_url": SecretStr(f"sqlite:///{folder / 'chain.db'}"),
            "sources_file": folder / "sources.yaml",
            "access_file": folder / "none.yaml",
            "sweeps_file": folder / "none-either.yaml",
            "default_sweeps": False,
            "webhook_secret": SecretStr(SECRET),
            "slack_bot_token": SecretStr(workspace.bot_token),
            "slack_app_token": SecretStr(workspace.app_token),
            "slack_api_url": workspace.api_url,
            "http_port": 0,
        }
    )


@contextlib.asynccontextmanager
async def chain(folder: Path, shop: str) -> AsyncIterator[SlackControl]:
    """Slack, Inquest, Alertmanager and Prometheus, each knowing the one before it."""
    async with contextlib.AsyncExitStack() as stack:
        workspace = Workspace(WorkspaceConfig())
        await workspace.start()
        stack.push_async_callback(workspace.stop)
        address = await stack.enter_async_context(up(settings_for(folder, workspace), SlackMode.SOCKET, *ALL_PARTS))
        webhook = f"{address}/api/v1/webhooks/alertmanager"
        alertmanager = require(lambda: AlertmanagerServer(webhook=webhook, token=SECRET))
        stack.callback(alertmanager.stop)
        scrape = f"[{{job_name: shop, static_configs: [{{targets: ['{shop}']}}]}}]"
        prometheus = require(lambda: PrometheusServer(rules=RULES, scrape=scrape, alertmanager=alertmanager.address))
        stack.callback(prometheus.stop)
        yield await stack.enter_async_context(SlackControl(workspace.url))


@pytest.mark.servers
async def test_a_rule_that_fires_becomes_a_card_and_its_end_too(tmp_path: Path) -> None:
    shop = Shop()
    async with shop.open() as target, chain(tmp_path, target) as control:

        async def card(words: str) -> Json:
            async def look() -> Json | None:
                return next((m for m in await control.messages(ROOM) if words in text_of(m)), None)

            found: Json = await control.until(look, within_s=PATIENCE_S)
            return found

        shop.errors = 1
        said = text_of(await card("Checkout answers with errors"))
        assert "Medium anomaly · checkout-api" in said
        assert "alertmanager says so" in said.lower()
        shop.errors = 0
        await card("Normal again")
        roots = [m for m in await control.messages(ROOM) if m.get("bot_id") and m.get("thread_ts", m["ts"]) == m["ts"]]
        assert len(roots) == 1

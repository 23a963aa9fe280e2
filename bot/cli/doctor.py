"""`inquest doctor`: names everything that is missing or unreachable, and the mend for each."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import NamedTuple

from bot.app import open_store, require_slack
from bot.errors import BotError, InvalidConfiguration, SchemaOutdated
from bot.settings import Settings, SlackMode
from bot.sources import Configuration, load_configuration
from bot.store.redis_hints import ping
from connectors.errors import ConnectorError
from connectors.model import Health, HealthStatus, SystemClock


class Finding(NamedTuple):
    """One line of the doctor. `mend` is empty when all is well."""

    ok: bool
    what: str
    detail: str
    mend: str = ""


async def doctor(settings: Settings) -> int:
    """Print all findings; exit status 1 when something needs a mend."""
    bad = 0
    async for finding in examine(settings):
        bad += not finding.ok
        print(f"{'ok  ' if finding.ok else 'MEND'}  {finding.what}: {finding.detail}")
        if finding.mend:
            print(f"      → {finding.mend}")
    print("All is well." if not bad else f"{bad} to mend.")
    return 1 if bad else 0


async def examine(settings: Settings) -> AsyncIterator[Finding]:
    """Every check, as it finishes."""
    yield await _store(settings)
    if settings.redis_url is not None:
        yield await _redis(settings.redis_url.get_secret_value())
    async for finding in _sources(settings):
        yield finding
    async for finding in _slack(settings):
        yield finding
    if settings.api_token is None:
        yield Finding(True, "HTTP API", "closed (no INQUEST_API_TOKEN); Slack does not need it")
    else:
        yield Finding(True, "HTTP API", "a token is set")


async def _store(settings: Settings) -> Finding:
    try:
        store = await open_store(settings, SystemClock())
    except SchemaOutdated as error:
        return Finding(False, "database", str(error), "Run: inquest release")
    except BotError as error:
        return Finding(False, "database", str(error), "Check INQUEST_DATABASE_URL and that the server is up.")
    try:
        broken = await store.broken_links()
    finally:
        await store.close()
    if broken:
        first = broken[0]
        return Finding(
            False,
            "database",
            f"the event log of {first.stream} is broken at {first.seq}: {first.why}",
            "Restore it from a backup.",
        )
    return Finding(True, "database", "reachable, schema current, event log intact")


async def _redis(url: str) -> Finding:
    try:
        await ping(url)
    except ConnectionError as error:
        return Finding(False, "Redis", str(error), "Check REDIS_URL; until then wake-ups go through the database.")
    return Finding(True, "Redis", "answers; processes on PostgreSQL wake each other through it")


async def _sources(settings: Settings) -> AsyncIterator[Finding]:
    try:
        configuration = load_configuration(settings.sources_file, os.environ)
    except InvalidConfiguration as error:
        yield Finding(False, "sources", str(error), "Mend the file; nothing starts with a file it cannot read.")
        return
    if not configuration.sources:
        yield Finding(
            False, "sources", f"{settings.sources_file} lists none", "Copy config/sources.example.yaml and fill it in."
        )
        return
    for name, health in (await check_sources(configuration)).items():
        yield _source(name, health)


async def check_sources(configuration: Configuration) -> dict[str, Health]:
    """The health of every configured source."""
    found: dict[str, Health] = {}
    for spec in configuration.sources:
        connector = spec.build(SystemClock())
        try:
            await connector.open()
            found[spec.name] = await connector.check()
        except ConnectorError as error:
            found[spec.name] = Health(status=HealthStatus.UNHEALTHY, latency_ms=0.0, detail=str(error))
        finally:
            await connector.close()
    return found


def _source(name: str, health: Health) -> Finding:
    detail = f"{health.detail} ({health.latency_ms:.0f} ms)"
    if health.status is HealthStatus.UNHEALTHY:
        return Finding(
            False, name, detail, "Check address, credentials and network; docs/connectors has the grants it needs."
        )
    if health.writable:
        return Finding(
            False,
            name,
            detail + "; this account can change data",
            "Give Inquest a read-only account; see docs/connectors.",
        )
    return Finding(True, name, detail)


async def _slack(settings: Settings) -> AsyncIterator[Finding]:
    try:
        mode = require_slack(settings)
    except InvalidConfiguration as error:
        yield Finding(False, "Slack", str(error), "See docs/slack.md for where each token stands.")
        return
    if mode is SlackMode.OFF:
        yield Finding(
            False,
            "Slack",
            "no token is set",
            "Create the app from slack-manifest.yaml, then set SLACK_BOT_TOKEN and SLACK_APP_TOKEN.",
        )
        return
    from bot.slack.doctor import examine_slack

    token = settings.slack_bot_token.get_secret_value() if settings.slack_bot_token else ""
    app_token = settings.slack_app_token.get_secret_value() if settings.slack_app_token else None
    async for ok, what, detail, mend in examine_slack(
        token, app_token, settings.slack_api_url, socket=mode is SlackMode.SOCKET
    ):
        yield Finding(ok, what, detail, mend)

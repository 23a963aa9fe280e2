"""`inquest sources list | test | describe`."""

from __future__ import annotations

import os
import sys

from bot.cli.doctor import check_sources
from bot.errors import UnknownId
from bot.settings import Settings
from bot.sources import Configuration, explain_missing, load_configuration
from connectors.errors import ConnectorError
from connectors.model import HealthStatus, SystemClock
from connectors.registry import connector_class

_MOST_FIELDS = 12


def _configuration(settings: Settings) -> Configuration:
    configuration = load_configuration(settings.sources_file, os.environ, deadline_s=settings.call_deadline_s)
    if not configuration.sources:
        raise explain_missing(settings.sources_file)
    return configuration


def list_sources(settings: Settings) -> None:
    """One block a source: name, environment, squad, tools."""
    for spec in _configuration(settings).sources:
        owner = f", squad {spec.squad}" if spec.squad else ""
        print(f"{spec.name}  ({spec.environment}{owner})")
        for bound in connector_class(spec.type)._tools.values():
            print(f"    {bound.tool.name:<26} {bound.tool.summary}")


async def test_sources(settings: Settings) -> int:
    """One line a source; exit status 1 when one is not healthy."""
    bad = 0
    for name, health in (await check_sources(_configuration(settings))).items():
        bad += health.status is HealthStatus.UNHEALTHY
        writable = "  CAN WRITE: give it a read-only account" if health.writable else ""
        print(f"{health.status.value:<10} {name:<36} {health.latency_ms:6.0f} ms  {health.detail}{writable}")
    return 1 if bad else 0


async def describe_source(settings: Settings, name: str) -> int:
    """What a source holds."""
    configuration = _configuration(settings)
    spec = next((s for s in configuration.sources if name in (s.name, s.type)), None)
    if spec is None:
        raise UnknownId(f"There is no source {name!r}. Configured: {', '.join(s.name for s in configuration.sources)}.")
    connector = spec.build(SystemClock())
    try:
        await connector.open()
        schema = await connector.describe()
    except ConnectorError as error:
        print(f"inquest: {error}", file=sys.stderr)
        return 1
    except connector.driver_errors as error:
        print(f"inquest: {connector.translate(error)}", file=sys.stderr)
        return 1
    finally:
        await connector.close()
    for entry in schema.entries:
        fields = ", ".join(f"{field} {kind}".strip() for field, kind in list(entry.fields.items())[:_MOST_FIELDS])
        print(f"{entry.kind:<12} {entry.name:<48} {fields}")
    if schema.services:
        print(f"services: {', '.join(schema.services)}")
    if schema.truncated:
        print(f"({schema.truncated})")
    return 0

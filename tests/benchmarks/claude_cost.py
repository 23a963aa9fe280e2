"""What a run with Claude would cost, with and without the prompt cache: `python -m tests.benchmarks.claude_cost`

The demo's incident, the real connectors and engine, and a scripted model on loopback that asks for three further reads
and words the report. Tokens are the loopback server's count (four characters a token; prefixes seen before are cache
reads), not Anthropic's; money is that count at list prices. Real token counts differ; the ratio is what to look at.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import sys
import tempfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog
from pydantic import SecretStr

from bot.app import App
from bot.demo.world import World
from bot.domain.access import SYSTEM
from bot.domain.ids import investigation_stream
from bot.domain.investigation import Investigation
from bot.reasoning.arms import Arm
from bot.services.investigations import OpenRequest
from bot.settings import load_settings
from tests.benchmarks.machine import speed_line
from tests.support.claude_server import Asked, ClaudeServer, Say, blocks, sensible, step_of


def reading(asked: Asked) -> Say:
    """Asks for three further reads in the first round of follow-up, then has enough; words the report sensibly."""
    if step_of(asked) != "follow_up" or any(one["tool"] == "list_rules" for one in blocks(asked, "evidence")):
        return sensible(asked)
    offered = {tool["name"]: tool["input_schema"]["properties"]["source"]["enum"][0] for tool in asked["tools"]}
    wanted = ("prometheus__list_rules", "postgresql__get_table_health", "prometheus__list_services")
    calls = [(name, {"source": offered[name], "arguments": {}}) for name in wanted if name in offered]
    return Say(text="A few more reads.", calls=calls)


async def run(scenario: str, seed: int, *, caching: bool, arm: Arm) -> tuple[Investigation, ClaudeServer]:
    """One incident, one question, one bill."""
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = await stack.enter_async_context(ClaudeServer(reading).running())
        world = World(scenario, seed, datetime.now(UTC), folder / "world")
        await world.start()
        stack.push_async_callback(world.stop)
        app = await App.create(_settings(folder, world, server, caching=caching, arm=arm), os.environ)
        stack.push_async_callback(app.stop)
        await app.start()
        await app.catalogue.known(10)
        opened = await app.investigations.open(OpenRequest(text="why is checkout slow?"), by=SYSTEM)
        async for _ in app.store.follow(investigation_stream(opened.id), after=0):
            state = await app.investigations.get(opened.id)
            if state.state.is_settled:
                return state, server
    raise AssertionError("the log ended")


def _settings(folder: Path, world: World, server: ClaudeServer, *, caching: bool, arm: Arm) -> Any:
    sources = folder / "sources.yaml"
    sources.write_text(world.sources_yaml(), encoding="utf-8")
    return load_settings().model_copy(
        update={
            "sources_file": sources,
            "default_sweeps": False,
            "database_url": SecretStr(f"sqlite:///{folder / 'db'}"),
            "anthropic_api_key": SecretStr("test-key"),
            "claude_base_url": server.url,
            "claude_caching": caching,
            "reasoner": arm,
        }
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenario", default="bad_deployment")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--arm", type=Arm, default=Arm.BOTH)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    print(speed_line())
    rows: list[dict[str, Any]] = []
    for caching in (False, True):
        done, server = asyncio.run(run(options.scenario, options.seed, caching=caching, arm=options.arm))
        billed, report = server.billed, done.report
        assert report is not None
        rows.append(
            {
                "caching": caching, "turns": len(server.requests), "input": billed.input, "read": billed.cache_read,
                "written": billed.cache_write, "output": billed.output, "tokens": report.cost.tokens,
                "usd": round(report.cost.usd, 5), "seconds": report.cost.seconds, "reasoner": report.reasoner,
                "backed": f"{report.backed.backed} of {report.backed.statements}",
                "steps": dict(Counter(step_of(asked) for asked in server.requests)),
            }
        )  # fmt: skip
        print(json.dumps(rows[-1]))
        for gap in done.gaps:
            print("  gap:", gap.source, gap.text)
    print(f"with the cache it costs {rows[1]['usd'] / rows[0]['usd']:.0%} of what it costs without")
    if options.out:
        options.out.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

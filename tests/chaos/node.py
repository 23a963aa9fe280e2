"""One process of Inquest as a trial wants it: the product's own parts over doubles, with points where it dies.

`python -m tests.chaos.node OPTIONS` (JSON). Prints one line with its address when it is ready.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import logging
import os
import resource
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import structlog
from pydantic import BaseModel, ConfigDict, SecretStr

from bot.app import App, Part
from bot.cli.serve import running
from bot.domain.events import NewEvent
from bot.domain.evidence import Evidence
from bot.services.investigate import Investigator
from bot.settings import Settings
from bot.slack.app import SlackFace
from bot.slack.config import Mode, SlackConfig
from bot.sources import Configuration
from bot.store import Appended, Claim, Fence, Full, Posted, Store
from bot.worker import Worker
from connectors.model import SystemClock
from tests.chaos.doubles import CallLog, CaseReasoner, Manner, specs

NOTHING_FULL = Full()


class Crash(BaseModel):
    """Die by kill -9 when `point` is passed for the `number`th time."""

    point: str
    number: int = 1


class Options(BaseModel):
    """What one process is and does. Times in seconds. `slack`: api_url, bot_token, app_token, signing_secret."""

    model_config = ConfigDict(extra="forbid")

    database: str
    parts: list[str] = ["web", "worker"]
    port: int = 0
    slack: dict[str, str] = {}
    slack_mode: str = "http"
    pace: float = 1.0
    card_interval_s: float = 1.0
    max_in_flight: int = 1_000
    publish: bool = True
    sources: int = 4
    delay_s: tuple[float, float] = (0.0, 0.0)
    hang: bool = False
    deadline_s: float = 10.0
    slots: int = 20
    calls: str = ""
    crash: Crash | None = None
    watch: str = ""
    log: str = ""
    redis: str = ""


POINTS = (
    "append.before",
    "append.after",
    "claim.before",
    "claim.after",
    "release.before",
    "release.after",
    "call.before",
    "call.after",
    "posted.before",
    "posted.after",
    "published.before",
    "published.after",
)


def crasher(crash: Crash | None) -> Callable[[str], None]:
    """Called at every named point; ends the process where it was told to."""
    left = crash.number if crash else 0

    def passed(point: str) -> None:
        nonlocal left
        if crash is not None and point == crash.point:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return passed


class PointedStore(Store):
    """The store, with a named point before and after everything it writes."""

    point: Callable[[str], None] = staticmethod(lambda _: None)

    async def append(
        self,
        stream: str,
        *,
        expected_seq: int,
        events: Sequence[NewEvent],
        evidence: Sequence[Evidence] = (),
        fence: Fence | None = None,
        delivery_id: str | None = None,
    ) -> Appended:
        self.point("append.before")
        done = await super().append(
            stream, expected_seq=expected_seq, events=events, evidence=evidence, fence=fence, delivery_id=delivery_id
        )
        self.point("append.after")
        return done

    async def claim_next(self, *, worker: str, lease_s: float = 15.0, full: Full = NOTHING_FULL) -> Claim | None:
        self.point("claim.before")
        claim = await super().claim_next(worker=worker, lease_s=lease_s, full=full)
        if claim is not None:
            self.point("claim.after")
        return claim

    async def release(self, fence: Fence) -> None:
        self.point("release.before")
        await super().release(fence)
        self.point("release.after")

    async def keep_posted(self, posted: Posted) -> None:
        self.point("posted.before")
        await super().keep_posted(posted)
        self.point("posted.after")

    async def mark_published(self, stream: str, seq: int) -> None:
        self.point("published.before")
        await super().mark_published(stream, seq)
        self.point("published.after")


async def run(options: Options, told: Callable[[dict[str, Any]], None]) -> None:
    """The process until SIGTERM; `told` hears the address once everything runs."""
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    async with _app(options) as (app, face), running(app, face, *(Part(part) for part in options.parts)) as address:
        told({"pid": os.getpid(), "address": address})
        watching = asyncio.create_task(_watch(Path(options.watch))) if options.watch else None
        await stopping.wait()
        if watching:
            watching.cancel()


@contextlib.asynccontextmanager
async def _app(options: Options) -> AsyncIterator[tuple[App, SlackFace | None]]:
    point = crasher(options.crash)
    manner = Manner(
        delay_s=options.delay_s,
        hang=options.hang,
        log=CallLog(Path(options.calls)) if options.calls else None,
        point=point,
    )
    store = await PointedStore.open(options.database, create=options.database.startswith("sqlite"))
    assert isinstance(store, PointedStore)
    store.point = point
    settings = Settings(http_port=options.port, workers=options.slots, api_token=SecretStr("chaos"))
    configuration = Configuration(sources=specs(options.sources, manner, deadline_s=options.deadline_s))
    app = App.wired(settings, configuration, store, SystemClock())
    investigator = Investigator(
        store=store, execute=app.execute, reasoner=CaseReasoner(), fallback=CaseReasoner(),
        setting=app.catalogue.setting, clock=app.clock,
    )  # fmt: skip
    app.worker = Worker(store=store, investigator=investigator, slots=options.slots)
    try:
        yield app, _face(app, options)
    finally:
        await app.stop()


def _face(app: App, options: Options) -> SlackFace | None:
    if not options.slack or "web" not in options.parts:
        return None
    config = SlackConfig(
        bot_token=options.slack["bot_token"],
        app_token=options.slack["app_token"],
        signing_secret=options.slack["signing_secret"],
        api_base_url=options.slack["api_url"],
        mode=Mode(options.slack_mode),
        slack_pace=options.pace,
        card_interval_s=options.card_interval_s,
        max_in_flight=options.max_in_flight,
        publish=options.publish,
    )
    return SlackFace(config, investigations=app.investigations, store=app.store, clock=app.clock)


async def _watch(path: Path, every_s: float = 0.01) -> None:
    """Write how late the loop is (ms) and how much memory is used, a line a second."""
    lags: list[float] = []
    with path.open("a", encoding="utf-8") as out:
        while True:
            started = time.perf_counter()
            await asyncio.sleep(every_s)
            lags.append(1000 * (time.perf_counter() - started - every_s))
            if len(lags) >= 1 / every_s:
                print(json.dumps({"lags_ms": [round(lag, 1) for lag in lags], "rss_mb": _rss_mb()}), file=out)
                out.flush()
                lags = []


def _rss_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(options: Options, told: Callable[[dict[str, Any]], None]) -> None:
    """Run in a fresh event loop, logging to the file of the options or nowhere."""
    stream = Path(options.log or os.devnull).open("a", encoding="utf-8")  # noqa: SIM115 - open as long as the process lives
    structlog.configure(logger_factory=structlog.WriteLoggerFactory(file=stream))
    logging.basicConfig(stream=stream, level=logging.INFO, force=True)
    gc.freeze()
    asyncio.run(run(options, told))


def _told(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main(Options.model_validate_json(sys.argv[1]), _told)

"""What Inquest leans on goes away: PostgreSQL again and again, Slack's API for two hours, a full disk."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.chaos.oracles import Verdict
from tests.chaos.site import ROOMS, SCALE, Site, site


async def database_restarts(
    *, seconds: float, seed: int, every_s: tuple[float, float] = (5.0, 40.0), per_s: float = 2.0
) -> Verdict:
    """PostgreSQL is restarted at random, each second time as after a crash, 0 to 2 s away."""
    async with site("postgresql", seed=seed) as made:
        assert made.server is not None
        await _two_and_two(made)
        made.keep_asking(per_s)
        end, restarts = time.monotonic() + seconds, 0
        while (left := end - time.monotonic()) > 0:
            await asyncio.sleep(min(left, made.random.uniform(*every_s)))
            down_s, hard = made.random.uniform(0.0, 2.0), restarts % 2 == 1
            await asyncio.to_thread(made.server.restart, down_s=down_s, hard=hard)
            restarts += 1
        return await _end(made, {"restarts": restarts})


async def _two_and_two(made: Site) -> None:
    nodes = [made.add(f"{part}{n}", [part]) for part in ("web", "worker") for n in range(2)]
    await made.yard.start(*nodes)
    await made.deliver_to(*nodes[:2])


async def slack_gone(kind: str, *, seed: int, hours: float = 2.0, tiers: bool = True) -> Verdict:
    """Slack's API hangs, answers 5xx, fails after it did post; work goes on. Afterwards everything is caught up."""
    async with site(kind, seed=seed) as made:
        node = made.add("serve", ["web", "worker"])
        await made.yard.start(node)
        await made.deliver_to(node)
        await made.control.do("tiers", {"on": tiers})
        for _ in range(3):  # people are known before Slack goes
            await made.ask()
        await asyncio.sleep(2.0)
        gone_s, kinds = hours * 3_600 / SCALE, _outages()
        made.keep_asking(0.5)
        for outage in kinds:
            await made.control.do("outage", outage)
            await asyncio.sleep(gone_s / len(kinds))
            await made.control.do("outage", {"clear": True})
        await made.stop_asking()
        return await _end(made, {"away_s": gone_s})


async def disk_full(*, seed: int, full_s: float = 3.0) -> Verdict:
    """SQLite on a small disk of its own that fills up while people ask; then somebody makes room. Needs root."""
    with small_disk(size_mb=12) as disk:
        async with site("sqlite", seed=seed, disk=disk) as made:
            node = made.add("serve", ["web", "worker"])
            await made.yard.start(node)
            await made.deliver_to(node)
            for _ in range(3):
                await made.ask()
            await made.settle()
            _fill(disk / "ballast")
            for _ in range(3):
                await made.ask()
            answer = await made.control.command("ada", "general", "/investigate", "why is checkout slow? case-900001")
            await asyncio.sleep(full_s)
            whispers = [w for room in ROOMS for w in await made.control.ephemerals(room)]
            (disk / "ballast").unlink()
            verdict = await _end(made, {"whispers": len(whispers)})
            told = [one for one in (str(answer), *map(str, whispers)) if "cannot store anything right now" in one]
            verdict.count("asked in vain and not told", [] if len(told) == 4 else [f"{len(told)} of 4 told: {answer}"])
            return verdict


@contextlib.contextmanager
def small_disk(*, size_mb: int) -> Iterator[Path]:
    """A folder in memory that holds no more than so much."""
    folder = Path(tempfile.mkdtemp(prefix="inquest-disk-"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_mb}m", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
        folder.rmdir()


def _fill(ballast: Path) -> None:
    """Write until nothing more goes in."""
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        for block in (1_000_000, 4_096, 1):
            with contextlib.suppress(OSError):
                while file.write(b"x" * block) == block:
                    pass


def _outages() -> list[dict[str, object]]:
    return [
        {"mode": "status", "status": 503},
        {"mode": "error", "error": "internal_error", "after": True},
        {"mode": "hang"},
        {"mode": "reset", "after": True},
    ]


async def _end(made: Site, facts: dict[str, float], *, within_s: float = 300.0) -> Verdict:
    await made.stop_asking()
    facts["settled_s"] = round(await made.settle(within_s=within_s), 1)
    tally = (await made.control.read("ledger", {"tally": "1"}))["tally"]
    verdict = await made.judge()
    verdict.count("calls inside a Retry-After", ["?"] * int(tally["violations"]))
    verdict.facts |= facts | {"calls to Slack": tally["calls"], "429s": tally["rate_limited"]}
    return verdict

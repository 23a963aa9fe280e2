"""A sweep that somebody makes while Inquest runs is swept seconds later, over a real source."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import SecretStr

from bot.app import App, Part
from bot.domain.access import Principal, PrincipalKind
from bot.services.sweep_desk import Draft
from bot.settings import Settings

ADMIN = Principal(kind=PrincipalKind.PERSON, id="U0ADMIN")


def settings_for(folder: Path) -> Settings:
    """One source of files, and one admin."""
    now = datetime.now(UTC)
    rows = [f"{(now - timedelta(minutes=n)).isoformat()},shop,{5 + n % 3}" for n in range(30, 0, -1)]
    (folder / "queue.csv").write_text("\n".join(["time,service,depth", *rows]))
    (folder / "sources.yaml").write_text(f"data_sources:\n  files:\n    root: {folder}\n    tables: [queue.csv]\n")
    return Settings().model_copy(
        update={
            "database_url": SecretStr(f"sqlite:///{folder / 'w.db'}"),
            "sources_file": folder / "sources.yaml",
            "sweeps_file": folder / "none.yaml",
            "admins": ADMIN.id,
        }
    )


async def test_it_is_swept_seconds_later(tmp_path: Path) -> None:
    app = await App.create(settings_for(tmp_path), os.environ)
    try:
        await app.start(Part.SCHEDULER)
        assert await app.watch.desk.listed() == [], "there is nothing here that would be watched by default"
        assert ("files/main", "get_metrics") in await app.watch.desk.offered()
        draft = Draft(name="depth", source="files/main", tool="get_metrics", limits="depth > 3")
        assert "is made" in await app.watch.desk.save(draft, by=ADMIN)
        async with asyncio.timeout(60):
            while not (events := await app.store.read("sweep/depth")):
                await asyncio.sleep(0.1)
        assert events[0].payload["outcome"] == "succeeded", events[0].payload
        assert "known now" in await app.watch.words("discover", ADMIN)
        assert "`depth` get_metrics of files/main" in await app.watch.words("list", ADMIN)
        (found,) = app.watch.anomalies.recent()
        assert [(signal.metric, signal.kind) for signal in found.signals] == [("depth", "limit")]
    finally:
        await app.stop()

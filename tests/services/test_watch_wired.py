"""A running `inquest serve` takes a signed alert, stores it, and investigates a critical one."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
from pydantic import SecretStr

from bot.app import ALL_PARTS
from bot.cli.serve import up
from bot.settings import Settings, SlackMode

SECRET = "a-webhook-secret-for-tests"
ALERT = {
    "version": "4",
    "status": "firing",
    "groupKey": "{}:{}",
    "alerts": [
        {
            "status": "firing",
            "labels": {"alertname": "PaymentsDown", "service": "payment-service", "severity": "critical"},
            "annotations": {"summary": "Payments fail"},
            "startsAt": "2026-01-01T00:00:00Z",
            "fingerprint": "abc",
        }
    ],
}


async def test_a_critical_alert_is_stored_and_investigated(tmp_path: Path) -> None:
    settings = Settings().model_copy(
        update={
            "database_url": SecretStr(f"sqlite:///{tmp_path / 'w.db'}"),
            "sources_file": tmp_path / "none.yaml",
            "sweeps_file": tmp_path / "none-either.yaml",
            "webhook_secret": SecretStr(SECRET),
            "api_token": SecretStr("t"),
            "http_port": 0,
        }
    )
    async with up(settings, SlackMode.OFF, *ALL_PARTS) as address, httpx.AsyncClient(base_url=address) as client:
        refused = await client.post("/api/v1/webhooks/alertmanager", json=ALERT)
        assert refused.status_code == 401
        huge = {**ALERT, "padding": "x" * 1_100_000}
        assert (await client.post("/api/v1/webhooks/alertmanager", json=huge)).status_code == 413
        signed = {"Authorization": f"Bearer {SECRET}"}
        for expected in (False, True):
            answer = await client.post("/api/v1/webhooks/alertmanager", json=ALERT, headers=signed)
            assert answer.status_code == 202
            assert answer.json()["duplicate"] is expected
        found: list[object] = []
        for _ in range(100):
            listed = await client.get("/api/v1/investigations", headers={"Authorization": "Bearer t"})
            found = listed.json()["investigations"]
            if found:
                break
            await asyncio.sleep(0.1)
        assert len(found) == 1

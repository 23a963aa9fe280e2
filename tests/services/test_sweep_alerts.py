"""Alert intake: verified, durable before the answer, once, and one anomaly for a storm."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from bot.api import problems
from bot.api.webhooks import make_webhooks
from bot.domain.anomaly import AnomalyState
from bot.domain.events import EventKind
from bot.errors import InvalidRequest, NotAllowed
from bot.services.alerts import STREAM, Alerts
from bot.services.sweep_anomalies import Anomalies
from bot.store import Store
from connectors.model import SystemClock

SECRET = "correct horse battery"
TOKEN = {"authorization": f"Bearer {SECRET}"}


def alertmanager(*names: str, status: str = "firing", service: str = "checkout") -> bytes:
    alerts = [
        {
            "status": status,
            "labels": {"alertname": name, "service": service, "severity": "critical"},
            "annotations": {"summary": f"{name} is bad"},
            "startsAt": "2026-03-01T12:00:00Z",
            "fingerprint": name,
        }
        for name in names
    ]
    return json.dumps({"version": "4", "status": status, "alerts": alerts}).encode()


class Intake:
    def __init__(self, store: Store) -> None:
        self.store = store
        self.anomalies = Anomalies(store=store, clock=SystemClock())
        self.alerts = Alerts(
            store=store, anomalies=self.anomalies, clock=SystemClock(), secrets={"*": SecretStr(SECRET)}, takes=False
        )

    async def take(self) -> None:
        await self.alerts.take(await self.store.read(STREAM))


@pytest.fixture
async def intake(tmp_path: Path) -> AsyncIterator[Intake]:
    store = await Store.open(f"sqlite:///{tmp_path / 'inquest.db'}", create=True)
    intake = Intake(store)
    intake.alerts.start()
    yield intake
    await intake.alerts.stop()
    await store.close()


async def test_stored_before_the_answer_and_once(intake: Intake) -> None:
    body = alertmanager("HighErrors")
    assert await intake.alerts.receive("alertmanager", body, headers=TOKEN) == 1
    stored = await intake.store.read(STREAM)
    assert [event.kind for event in stored] == [EventKind.ALERT_RECEIVED]
    assert await intake.alerts.receive("alertmanager", body, headers=TOKEN) == 0
    assert len(await intake.store.read(STREAM)) == 1


async def test_a_storm_is_one_anomaly_and_loses_nothing(intake: Intake) -> None:
    bodies = [alertmanager(f"Rule{number}") for number in range(400)]
    await asyncio.gather(*(intake.alerts.receive("alertmanager", body, headers=TOKEN) for body in bodies))
    stored = await intake.store.read(STREAM)
    assert len({str(event.payload["digest"]) for event in stored}) == 400
    await intake.take()
    await intake.take()
    [found] = intake.anomalies.recent()
    assert found.services == ("checkout",)
    assert found.count == 1


async def test_a_resolved_alert_ends_its_anomaly(intake: Intake) -> None:
    await intake.alerts.receive("alertmanager", alertmanager("HighErrors"), headers=TOKEN)
    await intake.take()
    await intake.alerts.receive("alertmanager", alertmanager("HighErrors", status="resolved"), headers=TOKEN)
    await intake.take()
    assert [one.state for one in intake.anomalies.recent()] == [AnomalyState.RESOLVED]


@pytest.mark.parametrize(
    "headers",
    [{}, {"authorization": "Bearer wrong"}, {"x-pagerduty-signature": "v1=00"}, {"authorization": f"Basic {SECRET}"}],
)
async def test_unverified_is_refused_and_not_stored(intake: Intake, headers: dict[str, str]) -> None:
    with pytest.raises(NotAllowed):
        await intake.alerts.receive("pagerduty", alertmanager("x"), headers=headers)
    assert await intake.store.read(STREAM) == []


PAGERDUTY = {
    "event": {
        "event_type": "incident.triggered",
        "data": {"id": "P1", "title": "Checkout down", "urgency": "high", "service": {"summary": "checkout"}},
    }
}
DATADOG = {"id": "1", "title": "p99 high", "tags": "service:checkout,env:prod", "date": "1772366400000"}


@pytest.mark.parametrize(
    ("system", "body"),
    [
        ("pagerduty", PAGERDUTY),
        ("datadog", DATADOG),
        ("grafana", json.loads(alertmanager("G"))),
        ("generic", {"title": "Queue stuck", "service": "checkout"}),
    ],
)
async def test_every_system_is_read(intake: Intake, system: str, body: dict[str, Any]) -> None:
    raw = json.dumps(body).encode()
    signature = hmac.new(SECRET.encode(), raw, hashlib.sha256).hexdigest()
    await intake.alerts.receive(system, raw, headers={"x-pagerduty-signature": f"v1=bad,v1={signature}"})
    await intake.take()
    [found] = intake.anomalies.recent()
    assert found.services == ("checkout",)
    assert found.signals[0].source == system


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"{}", b'{"alerts": 1}', b'{"alerts": []}', b'{"alerts": ["x"]}', b"[" * 200_000]
)
async def test_malformed_bodies_are_said_to_be(intake: Intake, body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        await intake.alerts.receive("alertmanager", body, headers=TOKEN)


async def test_hostile_text_is_cleaned(intake: Intake) -> None:
    body = json.dumps({"title": "a\x00b\n<!channel>" + "x" * 9_000, "url": "javascript:alert(1)"}).encode()
    await intake.alerts.receive("generic", body, headers=TOKEN)
    await intake.take()
    [signal] = intake.anomalies.recent()[0].signals
    assert signal.url is None
    assert len(signal.text) <= 500
    assert signal.text.isprintable()


async def test_the_door_answers_by_status(intake: Intake) -> None:
    app = FastAPI()
    problems.install(app)
    app.include_router(make_webhooks(intake.alerts))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        body = alertmanager("HighErrors")
        good = await client.post("/api/v1/webhooks/alertmanager", content=body, headers=TOKEN)
        again = await client.post("/api/v1/webhooks/alertmanager", content=body, headers=TOKEN)
        unsigned = await client.post("/api/v1/webhooks/alertmanager", content=body)
        unknown = await client.post("/api/v1/webhooks/nobody", content=body, headers=TOKEN)
    assert (good.status_code, good.json()) == (202, {"stored": 1, "duplicate": False})
    assert again.json() == {"stored": 0, "duplicate": True}
    assert unsigned.status_code == 401
    assert unknown.status_code == 400


async def test_a_replayed_alert_neither_opens_again_nor_is_stored_after_a_restart(intake: Intake) -> None:
    firing = alertmanager("HighErrors")
    for body in (firing, alertmanager("HighErrors", status="resolved")):
        await intake.alerts.receive("alertmanager", body, headers=TOKEN)
        await intake.take()
    reworded = firing.replace(b"is bad", b"is  bad")
    assert await intake.alerts.receive("alertmanager", reworded, headers=TOKEN) == 1
    await intake.take()
    assert [(one.state, one.count) for one in intake.anomalies.recent()] == [(AnomalyState.RESOLVED, 1)]
    fresh = Intake(intake.store)
    fresh.alerts.start()
    await fresh.alerts.receive("generic", b'{"title": "queued behind the recall"}', headers=TOKEN)
    assert await fresh.alerts.receive("alertmanager", firing, headers=TOKEN) == 0
    await fresh.alerts.stop()

"""HTTP delivery: only Slack's own requests get in, once."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from aiohttp import web

from bot.demo.workspace import WorkspaceConfig
from bot.errors import InvalidConfiguration
from bot.slack.app import SlackFace
from bot.slack.config import Mode, SlackConfig
from bot.slack.receiver.http import MAX_BODY_BYTES
from tests.slack.conftest import ADA, ROOM, Scene, a_scene, text_of

EVENT = json.dumps({"type": "event_callback", "event_id": "Ev1", "team_id": "T1", "event": {"type": "x"}}).encode()


@pytest.fixture
async def http_scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with a_scene(tmp_path, WorkspaceConfig()) as scene:
        await scene.start(mode=Mode.HTTP)
        yield scene


def headers(
    secret: str, body: bytes, *, at: float | None = None, changes: dict[str, str] | None = None
) -> list[tuple[str, str]]:
    stamp = str(int(at if at is not None else time.time()))
    digest = hmac.new(secret.encode(), f"v0:{stamp}:".encode() + body, hashlib.sha256).hexdigest()
    made = {
        "Content-Type": "application/json",
        "X-Slack-Request-Timestamp": stamp,
        "X-Slack-Signature": f"v0={digest}",
    }
    return list((made | (changes or {})).items())


async def take(scene: Scene, sent: Any, body: bytes) -> int:
    assert scene.face is not None
    return (await scene.face.handle_http(sent, body))[0]


async def test_good_ones_get_in(http_scene: Scene) -> None:
    secret = http_scene.workspace.signing_secret
    assert await take(http_scene, headers(secret, EVENT), EVENT) == 200
    assert await take(http_scene, headers(secret, EVENT, at=time.time() - 290), EVENT) == 200
    assert await take(http_scene, dict(headers(secret, EVENT)), EVENT) == 200
    challenge = json.dumps({"type": "url_verification", "challenge": "abc"}).encode()
    assert http_scene.face is not None
    status, _, said = await http_scene.face.handle_http(headers(secret, challenge), challenge)
    assert (status, json.loads(said)) == (200, {"challenge": "abc"})


async def test_bad_ones_do_not(http_scene: Scene) -> None:
    secret = http_scene.workspace.signing_secret
    good = headers(secret, EVENT)
    signature = dict(good)["X-Slack-Signature"]
    bad = [
        headers("another secret", EVENT),
        headers(secret, EVENT, at=time.time() - 302),
        headers(secret, EVENT, at=time.time() + 302),
        [*good, ("x-slack-signature", signature)],
        [*good, ("X-Slack-Request-Timestamp", dict(good)["X-Slack-Request-Timestamp"])],
        headers(secret, EVENT, changes={"X-Slack-Signature": signature.replace("v0=", "v1=")}),
        headers(secret, EVENT, changes={"X-Slack-Signature": signature.upper()}),
        headers(secret, EVENT, changes={"X-Slack-Signature": signature + " "}),
        headers(secret, EVENT, changes={"X-Slack-Signature": ""}),
        headers(secret, EVENT, changes={"X-Slack-Request-Timestamp": "soon"}),
        headers(secret, EVENT, changes={"X-Slack-Request-Timestamp": "١٢٣"}),
        headers(secret, EVENT + b"\n"),
        [],
        good[:1],
    ]
    for sent in bad:
        assert await take(http_scene, sent, EVENT) == 401, sent
    assert await take(http_scene, good, EVENT.replace(b"Ev1", b"Ev2")) == 401
    huge = b"x" * (MAX_BODY_BYTES + 1)
    assert await take(http_scene, headers(secret, huge), huge) == 413
    broken = b"\xff\xfe"
    assert await take(http_scene, headers(secret, broken), broken) == 400


async def test_a_replayed_command_has_no_second_effect(http_scene: Scene) -> None:
    fields = {"command": "/investigate", "text": "why is checkout slow?", "team_id": "T1", "channel_id": "C0PAYINC001"}
    body = urlencode({**fields, "user_id": "U0ADA000001", "trigger_id": "1.2.abc"}).encode()
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    sent = headers(http_scene.workspace.signing_secret, body, changes=form)
    assert [await take(http_scene, sent, body) for _ in range(3)] == [200, 200, 200]
    assert len(await http_scene.store.investigations()) == 1


async def test_the_whole_line_over_http(http_scene: Scene) -> None:
    face = http_scene.face
    assert face is not None

    async def slack(request: web.Request) -> web.Response:
        pairs = [(k.decode(), v.decode()) for k, v in request.raw_headers]
        status, said, body = await face.handle_http(pairs, await request.read())
        return web.Response(status=status, headers=said, body=body)

    application = web.Application()
    application.router.add_post("/slack/events", slack)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        await http_scene.control.do(
            "delivery", {"request_url": f"http://127.0.0.1:{runner.addresses[0][1]}/slack/events"}
        )
        teller = await http_scene.asked()
        await teller.whole()
        assert "86 %" in text_of(await http_scene.card("What caused it"))
        help_text = await http_scene.control.command(ADA, ROOM, "/investigate", "help")
        assert help_text["error"] is None
        await http_scene.whisper("--dry-run")
    finally:
        await runner.cleanup()


def test_no_start_without_what_the_mode_needs(scene: Scene) -> None:
    token = scene.workspace.bot_token
    for config in (
        SlackConfig(bot_token=token, mode=Mode.HTTP),
        SlackConfig(bot_token=token, mode=Mode.SOCKET),
        SlackConfig(bot_token="", mode=Mode.HTTP, signing_secret="x"),
    ):
        with pytest.raises(InvalidConfiguration):
            SlackFace(config, investigations=scene.investigations, store=scene.store)

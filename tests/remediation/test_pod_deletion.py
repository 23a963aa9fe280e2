"""Deleting a pod through the connector: the dry run deletes nothing, as on a real server that ignores a query beside a body."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.demo.world import World
from connectors.errors import NotFound
from connectors.kubernetes.connector import CONNECTOR
from connectors.model import Limits, Objects, SystemClock, ToolCall

NAME = "kubernetes/main"


async def test_a_dry_run_leaves_the_pod_and_the_deletion_takes_it(tmp_path: Path) -> None:
    world = World("bad_deployment", 1, datetime.now(UTC), tmp_path / "world", with_postgres=False)
    await world.start()
    config = CONNECTOR.Config(kubeconfig_path=str(world.endpoints.kubeconfig_path), writes=True)
    connector = CONNECTOR(name=NAME, config=config, environment="production", clock=SystemClock())
    try:
        listed = await connector.call(ToolCall(connector=NAME, tool="list_pods"), Limits())
        assert isinstance(listed.payload, Objects)
        pod = listed.payload.items[0]
        call = ToolCall(connector=NAME, tool="delete_pod", arguments={"namespace": "shop", "name": pod.name})
        first, second = await connector.preview(call), await connector.preview(call)
        assert first.target_uid == second.target_uid == pod.uid, "after the first dry run it is still there"
        bound = {**call.arguments, "proposal": "prop_1", "uid": first.target_uid, "version": first.target_version}
        await connector.call(call.model_copy(update={"arguments": bound}), Limits())
        again = await connector.call(ToolCall(connector=NAME, tool="list_pods"), Limits())
        assert isinstance(again.payload, Objects)
        left = {item.uid for item in again.payload.items if not item.fields.get("deleting_at")}
        assert pod.uid not in left or await _is_gone(connector, call)
    finally:
        await connector.close()
        await world.stop()


async def _is_gone(connector: CONNECTOR, call: ToolCall) -> bool:
    with pytest.raises(NotFound):
        await connector.preview(call)
    return True

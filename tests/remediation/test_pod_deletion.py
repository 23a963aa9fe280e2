"""Deleting a pod: the dry run deletes nothing. A server that gets options in a body does not look at the query."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from bot.demo.world import World
from connectors.kubernetes.connector import CONNECTOR, KubernetesConnector
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
        asked = ToolCall(connector=NAME, tool="read_outcome", arguments={"tool": call.tool, "arguments": bound})
        async with asyncio.timeout(20):
            while not await _is_gone(connector, asked):
                await asyncio.sleep(0.1)
    finally:
        await connector.close()
        await world.stop()


async def _is_gone(connector: KubernetesConnector, asked: ToolCall) -> bool:
    said = await connector.call(asked, Limits())
    assert isinstance(said.payload, Objects)
    return said.payload.items[0].fields["settled"] is True

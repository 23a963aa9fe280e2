"""Changes as the proposer and the executor make them, against a real API server; and Deployments to change."""

from __future__ import annotations

import itertools
from typing import Any

from connectors.kubernetes.connector import KubernetesConnector
from connectors.model import Item, Limits, Objects, Preview, ToolCall
from tests.cluster.conftest import SHOP
from tests.support.servers import ClusterServer

NAME = "kubernetes/main"
_NUMBERS = itertools.count(1)
Object = dict[str, Any]


async def preview(connector: KubernetesConnector, tool: str, **arguments: Any) -> tuple[ToolCall, Preview]:
    """The call bound to uid and version of its target, under a new proposal's mark; and the dry run."""
    marked = {**arguments, "proposal": f"prop_{next(_NUMBERS)}"}
    call = ToolCall(connector=NAME, tool=tool, arguments=marked)
    seen = await connector.preview(call)
    fixed = {"uid": seen.target_uid or "", "version": seen.target_version or ""}
    return call.model_copy(update={"arguments": {**marked, **fixed}}), seen


async def send(connector: KubernetesConnector, call: ToolCall) -> Item:
    """The outcome that a write answers."""
    return _only(await connector.call(call, Limits()))


async def outcome(connector: KubernetesConnector, call: ToolCall) -> Item:
    """What the target itself says about a write."""
    asked = {"tool": call.tool, "arguments": call.arguments}
    return _only(await connector.call(ToolCall(connector=NAME, tool="read_outcome", arguments=asked), Limits()))


def _only(result: Any) -> Item:
    assert isinstance(result.payload, Objects)
    return result.payload.items[0]


def deployment(name: str, image: str, *, replicas: int = 2, namespace: str = SHOP) -> Object:
    container = {"name": "app", "image": image, "env": [{"name": "POOL_SIZE", "value": "10"}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}},
        },
    }


def rolled_out(cluster: ClusterServer, name: str, image: str, *, replicas: int = 2) -> Object:
    """A Deployment with this image, its rollout over."""
    cluster.client.apply(deployment(name, image, replicas=replicas))
    cluster.until(lambda: cluster.rolled_out(SHOP, name), what=f"the rollout of {name}")
    return cluster.client.get("deployments", name, SHOP)

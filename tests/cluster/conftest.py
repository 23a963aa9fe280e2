"""One cluster for all of these tests, with the access rules of `deploy/` applied, and a shop to look at and change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from connectors.kubernetes.connector import CONNECTOR, KubernetesConnector
from connectors.model import SystemClock
from tests.support.servers import ClusterServer, require
from tests.support.servers.cluster_stages import Played

ROOT = Path(__file__).parents[2]
SHOP = "shop"
CRASHING = ("registry.example.com/broken:1.0.0", "registry.example.com/web:bad")
UNPULLABLE = ("registry.example.com/typo:1.0.O",)
LOG = (
    "2026-11-20T12:00:00.000000000Z stdout F INFO started on port 8080\n"
    "2026-11-20T12:00:01.000000000Z stderr F ERROR cannot reach the database: connection refused\n"
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of these need the built control plane; `make test-cluster` runs them, `make test` does not."""
    for item in items:
        if "tests/cluster/" in item.nodeid:
            item.add_marker(pytest.mark.cluster)


def documents(path: Path) -> list[dict[str, Any]]:
    return [d for d in yaml.safe_load_all(path.read_text(encoding="utf-8")) if d]


@pytest.fixture(scope="session")
def cluster() -> Iterator[ClusterServer]:
    """Running, with the account `inquest/inquest` and its roles as the manifests give them."""
    server = require(lambda: ClusterServer(nodes=3, played=Played(crashing=CRASHING, unpullable=UNPULLABLE, log=LOG)))
    try:
        for name in (SHOP, "elsewhere"):
            server.client.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        for manifest in ("rbac.yaml", "rbac-changes.yaml"):
            for document in documents(ROOT / "deploy" / manifest):
                server.client.apply(document)
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def shop(cluster: ClusterServer) -> ClusterServer:
    """The objects of `shop.yaml`, settled."""
    for document in documents(Path(__file__).with_name("shop.yaml")):
        cluster.client.apply(document)
    cluster.until(lambda: cluster.rolled_out(SHOP, "web"), what="the rollout of web")
    cluster.until(lambda: len(cluster.client.list("pods", SHOP)) >= 11, what="the start of all pods")
    return cluster


Connect = Callable[..., KubernetesConnector]


@pytest.fixture
def connect(cluster: ClusterServer) -> Connect:
    """Makes connectors with the account of the manifests."""
    token = cluster.token("inquest", "inquest")

    def make(*, writes: bool = True, **settings: Any) -> KubernetesConnector:
        given = {"url": cluster.url, "token": token, "ca_file": cluster.ca_file, "writes": writes, **settings}
        config = CONNECTOR.Config(**given)
        return CONNECTOR(name="kubernetes/main", config=config, environment="production", clock=SystemClock())

    return make

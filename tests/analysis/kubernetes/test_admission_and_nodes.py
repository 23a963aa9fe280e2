"""Quotas and accounts that keep pods from being made, and parts of nodes that stopped."""

from __future__ import annotations

import pytest

from connectors.model import Item
from tests.analysis.kubernetes.building import best, deployment, event, matches, node, pod, quota, service

EXCEEDED = (
    'Error creating: pods "web-x" is forbidden: exceeded quota: limits, requested: {r}=2, used: {r}=9, limited: {r}=10'
)


@pytest.mark.parametrize(
    ("resource", "cause"),
    [
        ("requests.cpu", "namespace_cpu_quota_exceeded"),
        ("limits.memory", "namespace_memory_quota_exceeded"),
        ("pods", "namespace_pod_quota_exceeded"),
        ("requests.storage", "namespace_storage_quota_exceeded"),
    ],
)
def test_a_quota_that_refuses_pods(resource: str, cause: str) -> None:
    refused = EXCEEDED.format(r=resource)
    found = matches(deployment("web", ready=0, failure=refused), service("web"), node())
    assert best(found) == ("namespace/shop", cause)
    # The same words about a workload that has all its pods are a leftover.
    healed = deployment("web", ready=1, failure=refused)
    assert best(matches(healed, pod("web"), service("web"), node())) == ("", "")


def test_a_quota_that_keeps_a_service_away() -> None:
    full = quota({"services": "1"}, {"services": "1"})
    shop = [deployment("web"), pod("web"), service("web"), deployment("cart"), pod("cart")]
    assert best(matches(*shop, full)) == ("namespace/shop", "namespace_service_quota_exceeded")
    assert best(matches(*shop, service("cart"), full)) == ("", "")
    assert best(matches(*shop, quota({"services": "5"}, {"services": "1"}))) == ("", "")


def test_a_quota_that_keeps_a_claim_away() -> None:
    waits = pod("db", unscheduled='0/1 nodes are available: persistentvolumeclaim "data" not found.')
    limited = quota({"requests.storage": "1Gi"}, {"requests.storage": "0"})
    assert best(matches(waits, limited, node())) == ("namespace/shop", "namespace_storage_quota_exceeded")
    other = quota({"requests.cpu": "1"}, {"requests.cpu": "1"})
    assert best(matches(waits, other, node())) == ("", "")


def test_a_missing_service_account() -> None:
    said = 'pods "web-1" is forbidden: error looking up service account shop/web: serviceaccount "web" not found'
    broken = deployment("web", ready=0, failure=said)
    assert best(matches(broken, service("web"))) == ("app/web", "missing_service_account")
    # Accounts made a moment later leave events behind on workloads that are well.
    replicas = {"kind": "ReplicaSet", "metadata": {"name": "web-5f6d8c9b7d", "namespace": "shop"}}
    assert best(matches(deployment("web"), pod("web"), replicas, event(replicas, "FailedCreate", said))) == ("", "")


def unit(name: str, *, active: bool) -> Item:
    return Item(
        api_kind="NodeService", name=f"node-a/{name}", fields={"node": "node-a", "unit": name, "active": active}
    )


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("kubelet", "kubelet_unavailable"),
        ("containerd", "containerd_unavailable"),
        ("kube-proxy", "kube_proxy_unavailable"),
        ("kube-scheduler.service", "kube_scheduler_unavailable"),
    ],
)
def test_a_unit_that_is_stopped(name: str, cause: str) -> None:
    shop = [deployment("web"), pod("web"), service("web"), node()]
    assert best(matches(*shop, extra=[unit(name, active=False)])) == ("node/node-a", cause)
    assert best(matches(*shop, extra=[unit(name, active=True)])) == ("", "")


def test_a_node_tells_of_its_kubelet_and_runtime() -> None:
    silent = node(ready="Unknown", message="Kubelet stopped posting node status.")
    assert best(matches(silent, pod("web"))) == ("node/node-a", "kubelet_unavailable")
    without = node(ready="False", message="container runtime is down")
    assert best(matches(without, pod("web"))) == ("node/node-a", "containerd_unavailable")


def reach(service_name: str, **from_nodes: bool) -> Item:
    nodes = {k.replace("_", "-"): v for k, v in from_nodes.items()}
    fields = {"service": service_name, "port": 80, "ok": all(nodes.values()), "from_nodes": nodes}
    return Item(api_kind="Reachability", name=service_name, fields=fields)


def test_no_service_can_be_reached_from_one_node() -> None:
    nodes = [node("node-a"), node("node-b")]
    cut_off = [reach(s, node_a=False, node_b=True) for s in ("a", "b", "c")]
    assert best(matches(*nodes, extra=cut_off)) == ("node/node-a", "kube_proxy_unavailable")
    everywhere = [reach(s, node_a=False, node_b=False) for s in ("a", "b", "c")]
    assert best(matches(*nodes, extra=everywhere)) == ("", "")


def test_a_scheduler_that_says_nothing() -> None:
    master = node("node-m", labels={"node-role.kubernetes.io/control-plane": ""})
    assert best(matches(master, node(), pod("web", unscheduled=""))) == ("node/node-m", "kube_scheduler_unavailable")
    spoken = pod("web", unscheduled="0/2 nodes are available: 2 Insufficient cpu.")
    assert best(matches(master, node(), spoken))[1] == "cpu_capacity_mismatch"

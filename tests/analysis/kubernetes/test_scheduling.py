"""Pods that no node takes, and claims that do not bind."""

from __future__ import annotations

from typing import Any

import pytest

from bot.analysis.kubernetes.scheduling import reasons
from tests.analysis.kubernetes.building import best, claim, container, event, matches, node, pod, volume

WHERE = "0/{n} nodes are available: {n} node(s) didn't match Pod's node affinity/selector. preemption: none"
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def affinity(operator: str, *values: str) -> dict[str, Any]:
    expression = {"key": "tier", "operator": operator, "values": list(values)}
    return {"affinity": {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}}}}


def test_reads_what_the_scheduler_says() -> None:
    said = (
        "0/6 nodes are available: 1 node(s) had untolerated taint {gpu: yes}, 2 Insufficient cpu, "
        "1 node(s) were unschedulable, 2 node(s) didn't match pod anti-affinity rules. "
        "preemption: 0/6 nodes are available: 6 Preemption is not helpful for scheduling."
    )
    assert reasons(said) == {"taint": 1, "cpu": 2, "cordon": 1, "anti": 2}


@pytest.mark.parametrize(("resource", "asked"), [("cpu", "9"), ("memory", "20Gi")])
def test_a_request_larger_than_any_node(resource: str, asked: str) -> None:
    wants = container(resources={"requests": {resource: asked}})
    waits = pod("web", containers=[wants], unscheduled=f"0/1 nodes are available: 1 Insufficient {resource}.")
    assert best(matches(waits, node())) == ("app/web", f"{resource}_capacity_mismatch")
    assert best(matches(pod("web", containers=[wants]), node())) == ("", "")


def test_a_selector_and_an_affinity_that_no_node_meets() -> None:
    by_selector = pod("web", spec={"nodeSelector": {"tier": "gold"}}, unscheduled=WHERE.format(n=1))
    assert best(matches(by_selector, node())) == ("app/web", "node_selector_mismatch")
    for operator, values, labels in (("In", ("gold",), {"tier": "tin"}), ("NotIn", ("tin",), {"tier": "tin"})):
        waits = pod("web", spec=affinity(operator, *values), unscheduled=WHERE.format(n=1))
        assert best(matches(waits, node(labels=labels))) == ("app/web", "node_affinity_mismatch")


def test_the_chosen_node_is_cordoned_or_tainted() -> None:
    spec = {"nodeSelector": {"tier": "gold"}}
    said = "0/2 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 1 node(s) were unschedulable."
    closed = node("node-a", labels={"tier": "gold"}, unschedulable=True)
    found = matches(pod("web", spec=spec, unscheduled=said), closed, node("node-b"))
    assert best(found) == ("app/web", "node_cordon_mismatch")
    taints = [{"key": "only", "value": "gpu", "effect": "NoSchedule"}]
    said = said.replace("node(s) were unschedulable", "node(s) had untolerated taint {only: gpu}")
    tainted = node("node-a", labels={"tier": "gold"}, taints=taints)
    waits = pod("web", spec=spec, unscheduled=said)
    assert best(matches(waits, tainted, node("node-b"))) == ("app/web", "taint_toleration_mismatch")
    # A cordoned control plane beside it is as it should be.
    master = node("node-m", labels={"node-role.kubernetes.io/control-plane": ""}, unschedulable=True)
    also = said.replace("1 node(s) didn't", "1 node(s) were unschedulable, 1 node(s) didn't")
    found = matches(pod("web", spec=spec, unscheduled=also), tainted, node("node-b"), master)
    assert best(found) == ("app/web", "taint_toleration_mismatch")


def test_a_node_that_is_away_is_not_the_pods_fault() -> None:
    said = "0/1 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/unreachable: }."
    taints = [{"key": "node.kubernetes.io/unreachable", "effect": "NoSchedule"}]
    away = node(ready="Unknown", taints=taints)
    assert best(matches(pod("web", unscheduled=said), away)) == ("node/node-a", "kubelet_unavailable")


def test_anti_affinity_leaves_no_node() -> None:
    said = "0/1 nodes are available: 1 node(s) didn't match pod anti-affinity rules."
    assert best(matches(pod("web", unscheduled=said), node())) == ("app/web", "pod_anti_affinity_conflict")


USES = {"volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]}
UNBOUND = "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims."


@pytest.mark.parametrize(
    ("wants", "has", "cause"),
    [
        ({}, {"claimRef": {"namespace": "shop", "name": "other"}}, "pv_binding_occupied"),
        ({"accessModes": ["ReadWriteMany"]}, {}, "pvc_access_mode_mismatch"),
        ({"resources": {"requests": {"storage": "5Gi"}}}, {}, "pvc_capacity_mismatch"),
        ({"selector": {"matchLabels": {"disk": "ssd"}}}, {"labels": {"disk": "hdd"}}, "pvc_selector_mismatch"),
        ({"storageClassName": "fast"}, {"storageClassName": "slow"}, "pvc_storage_class_mismatch"),
    ],
)
def test_a_claim_that_no_volume_fits(wants: dict[str, Any], has: dict[str, Any], cause: str) -> None:
    waits = pod("db", spec=USES, unscheduled=UNBOUND)
    assert best(matches(waits, claim(**wants), volume(**has), node())) == ("app/db", cause)
    bound = claim(**wants) | {"status": {"phase": "Bound"}}
    assert best(matches(pod("db", spec=USES), bound, volume(**has), node())) == ("", "")


def test_a_storage_class_that_does_not_exist() -> None:
    wants = claim(storageClassName="fast")
    told = event(wants, "ProvisioningFailed", 'storageclass.storage.k8s.io "fast" not found')
    found = matches(pod("db", spec=USES, unscheduled=UNBOUND), wants, told, node())
    assert best(found) == ("app/db", "pvc_storage_class_mismatch")

"""Placement, quotas, claims and nodes as other releases, layouts and kinds of workload tell them."""

from __future__ import annotations

from typing import Any

import pytest

from bot.analysis.kubernetes.scheduling import reasons
from connectors.model import Item
from tests.analysis.kubernetes.building import (
    NAMESPACE,
    best,
    claim,
    container,
    deployment,
    event,
    matches,
    node,
    of_kind,
    pod,
    quota,
    service,
    volume,
)

Raw = dict[str, Any]


@pytest.mark.parametrize(
    ("message", "said"),
    [
        # 1.18, 1.21, 1.24, 1.29 and 1.34 in turn
        (
            "0/4 nodes are available: 1 node(s) had taint {node-role.kubernetes.io/master: }, that the pod didn't "
            "tolerate, 3 node(s) didn't match node selector.",
            {"taint": 1, "where": 3},
        ),
        ("0/3 nodes are available: 3 node(s) didn't match pod affinity/anti-affinity rules.", {"anti": 3}),
        ("0/3 nodes are available: 3 node(s) didn't satisfy existing pods anti-affinity rules.", {"anti": 3}),
        (
            "0/3 nodes are available: 1 Insufficient memory, 2 node(s) didn't match Pod's node affinity/selector. "
            "preemption: 0/3 nodes are available: 3 No preemption victims found for incoming pod.",
            {"memory": 1, "where": 2},
        ),
        (
            "0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 node(s) were unschedulable. no new claims "
            "to deallocate, preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.",
            {"taint": 1, "cordon": 2},
        ),
        ("0/3 nodes are available: 3 Too many pods.", {}),
        ("0/3 nodes are available: 3 node(s) had volume node affinity conflict.", {"volume": 3}),
        ("0/3 nodes are available: 3 node(s) didn't match pod topology spread constraints.", {}),
        ("0/2 nodes are available: 2 Insufficient nvidia.com/gpu.", {}),
    ],
)
def test_what_schedulers_of_other_releases_say(message: str, said: dict[str, int]) -> None:
    assert reasons(message) == said


@pytest.mark.parametrize(
    "message",
    [
        "0/1 nodes are available: 1 Too many pods.",
        "0/1 nodes are available: 1 node(s) had volume node affinity conflict.",
        "0/1 nodes are available: 1 node(s) didn't match pod topology spread constraints.",
        "0/1 nodes are available: 1 Insufficient nvidia.com/gpu.",
        "0/1 nodes are available: 1 node(s) didn't find available persistent volumes to bind.",
    ],
)
def test_a_pod_that_waits_for_a_reason_of_another_kind(message: str) -> None:
    assert best(matches(pod("web", unscheduled=message), node())) == ("", "")


def test_several_pods_on_nodes_of_a_pool_with_a_taint_of_its_own() -> None:
    said = "0/3 nodes are available: 1 node(s) had untolerated taint {dedicated: gpu}, 2 node(s) were unschedulable."
    taints = [{"key": "dedicated", "value": "gpu", "effect": "NoSchedule"}]
    nodes = [node("n-1", unschedulable=True), node("n-2", unschedulable=True), node("n-3", taints=taints)]
    assert best(matches(pod("api", unscheduled=said), *nodes)) == ("app/api", "node_cordon_mismatch")
    tolerant = {"tolerations": [{"operator": "Exists"}]}
    assert best(matches(pod("api", spec=tolerant), *nodes)) == ("", "")


def test_full_nodes_are_said_with_less_than_a_request_too_large() -> None:
    said = "0/1 nodes are available: 1 Insufficient cpu."
    large = container(resources={"requests": {"cpu": "64"}})
    small = container(resources={"requests": {"cpu": "500m"}})
    sure, unsure = (matches(pod("api", containers=[c], unscheduled=said), node())[0] for c in (large, small))
    assert sure.cause == unsure.cause == "cpu_capacity_mismatch"
    assert unsure.confidence <= 0.6 < sure.confidence


REFUSED = 'pods "{}" is forbidden: {}'
EXCEEDED = "exceeded quota: team-q, requested: {0}=2, used: {0}=4, limited: {0}=4"


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
@pytest.mark.parametrize(
    ("resource", "cause"),
    [
        ("limits.cpu", "namespace_cpu_quota_exceeded"),
        ("requests.memory", "namespace_memory_quota_exceeded"),
        ("count/pods", "namespace_pod_quota_exceeded"),
        ("pods", "namespace_pod_quota_exceeded"),
    ],
)
def test_a_quota_that_refuses_pods_of_other_kinds(kind: str, resource: str, cause: str) -> None:
    short = of_kind(kind, "db")
    told = event(
        short, "FailedCreate", f"create Pod db-0 in {kind} db failed error: "
        + REFUSED.format("db-0", EXCEEDED.format(resource)),
    )  # fmt: skip
    assert best(matches(short, told, node())) == (f"namespace/{NAMESPACE}", cause)


@pytest.mark.parametrize(
    "said",
    [
        "failed quota: team-q: must specify limits.cpu for: main; requests.cpu for: main",
        "failed quota: team-q: must specify limits.cpu,requests.cpu",
    ],
)
def test_a_quota_that_wants_requests_to_be_told(said: str) -> None:
    short = deployment("api", ready=0, failure=REFUSED.format("api-1", said))
    assert best(matches(short, node())) == (f"namespace/{NAMESPACE}", "namespace_cpu_quota_exceeded")


@pytest.mark.parametrize(
    "said",
    [
        "maximum cpu usage per Container is 1, but limit is 2",
        'violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false',
        'admission webhook "policy.example.test" denied the request: no owner label',
        "no PriorityClass with name high was found",
    ],
)
def test_other_refusals_are_no_quota_and_no_account(said: str) -> None:
    assert best(matches(deployment("api", ready=0, failure=REFUSED.format("api-1", said)), node())) == ("", "")


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
def test_an_account_that_is_not_there_for_other_kinds(kind: str) -> None:
    short = of_kind(kind, "agent")
    said = REFUSED.format("agent-0", 'error looking up service account shop/agent: serviceaccount "agent" not found')
    assert best(matches(short, event(short, "FailedCreate", said), node())) == ("app/agent", "missing_service_account")
    whole = of_kind(kind, "agent", ready=1)
    assert best(matches(whole, event(whole, "FailedCreate", said), node())) == ("", "")


def test_a_claim_of_a_stateful_set_that_a_quota_refuses() -> None:
    short = of_kind("StatefulSet", "db")
    said = (
        'create Claim data-db-0 for Pod db-0 in StatefulSet db failed error: persistentvolumeclaims "data-db-0" is '
        "forbidden: exceeded quota: disk-q, requested: requests.storage=20Gi, used: requests.storage=95Gi, "
        "limited: requests.storage=100Gi"
    )
    found = matches(short, event(short, "FailedCreate", said), node())
    assert best(found) == (f"namespace/{NAMESPACE}", "namespace_storage_quota_exceeded")


def test_a_full_count_of_services_matters_where_one_is_missed() -> None:
    full = quota({"count/services": "1"}, {"count/services": "1"})
    others = [deployment("web"), pod("web"), service("web"), node(), full]
    lonely = [deployment("cart"), pod("cart")]
    component = (f"namespace/{NAMESPACE}", "namespace_service_quota_exceeded")
    missed, quiet = matches(*others, *lonely, calls={"web": ["cart"]}), matches(*others, *lonely)
    assert best(missed) == component
    assert missed[0].confidence > 0.9 > quiet[0].confidence
    assert best(matches(*others)) == ("", "")


USES = {"volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]}
UNBOUND = "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. preemption: 0/1 nodes."


def storage_class(name: str, provisioner: str = "ebs.csi.aws.com") -> Raw:
    return {"kind": "StorageClass", "metadata": {"name": name}, "provisioner": provisioner}


def test_a_class_that_no_event_speaks_of_any_more() -> None:
    waits = pod("db", spec=USES, unscheduled=UNBOUND)
    found = matches(waits, claim(storageClassName="gp4"), storage_class("gp3"), node())
    assert best(found) == ("app/db", "pvc_storage_class_mismatch")
    assert best(matches(waits, claim(storageClassName="gp3"), storage_class("gp3"), node())) == ("", "")


def test_volumes_of_others_do_not_occupy_a_claim_that_gets_its_own() -> None:
    waits = pod("db", spec=USES, unscheduled=UNBOUND)
    held: Raw = {"claimRef": {"namespace": "shop", "name": "other"}, "storageClassName": "gp3"}
    wants = claim(storageClassName="gp3")
    assert best(matches(waits, wants, volume(**held), storage_class("gp3"), node())) == ("", "")
    static = storage_class("gp3", "kubernetes.io/no-provisioner")
    assert best(matches(waits, wants, volume(**held), static, node())) == ("app/db", "pv_binding_occupied")
    named = claim(storageClassName="gp3", volumeName="disk")
    found = matches(waits, named, volume(**held), storage_class("gp3"), node())
    assert best(found) == ("app/db", "pv_binding_occupied")


def unit(name: str, *, active: bool) -> Item:
    return Item(api_kind="NodeService", name=name, fields={"node": "node-a", "unit": name, "active": active})


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("crio.service", "containerd_unavailable"),
        ("cri-docker.service", "containerd_unavailable"),
        ("docker", "containerd_unavailable"),
        ("k3s-agent", "kubelet_unavailable"),
        ("kubelet.service", "kubelet_unavailable"),
        ("kube-proxy", "kube_proxy_unavailable"),
    ],
)
def test_parts_of_a_node_under_other_names(name: str, cause: str) -> None:
    assert best(matches(node(), extra=[unit(name, active=False)])) == ("node/node-a", cause)
    assert best(matches(node(), extra=[unit(name, active=True)])) == ("", "")


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        (
            "[container runtime is down, PLEG is not healthy: pleg was last seen active 3m ago]",
            "containerd_unavailable",
        ),
        (
            "container runtime not ready: RuntimeReady=false reason:DockerDaemonNotReady message:docker: failed to get "
            "docker version: Cannot connect to the Docker daemon at unix:///var/run/docker.sock",
            "containerd_unavailable",
        ),
        ("failed to get runtime status: dial unix /var/run/crio/crio.sock: no such file", "containerd_unavailable"),
        ("container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:cni", ""),
    ],
)
def test_what_kubelets_say_about_their_runtime(message: str, cause: str) -> None:
    assert best(matches(node(ready="False", message=message)))[1] == cause


def test_events_that_nobody_listens_at_the_runtime_tell_before_the_node_does() -> None:
    stuck = pod("web", states=[{"ready": False, "state": {"waiting": {"reason": "ContainerCreating"}}}])
    said = 'error: desc = "transport: Error while dialing: dial unix /run/crio/crio.sock: connect: connection refused"'
    told = event(stuck, "FailedCreatePodSandBox", said)
    assert best(matches(stuck, told, node())) == ("node/node-a", "containerd_unavailable")
    assert best(matches(stuck, told, node(), extra=[unit("crio", active=True)])) == ("", "")


def test_a_scheduler_of_ones_own_is_not_the_clusters() -> None:
    master = node("node-m", labels={"node-role.kubernetes.io/control-plane": ""})
    silent = pod("web", unscheduled="")
    assert best(matches(silent, node(), master)) == ("node/node-m", "kube_scheduler_unavailable")
    own = pod("web", unscheduled="", spec={"schedulerName": "batch"})
    assert best(matches(own, node(), master)) == ("", "")

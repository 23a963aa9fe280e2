"""The access manifests of `deploy/`, asked of a real API server: what the account may do, and nothing beyond."""

from __future__ import annotations

import pytest

from connectors.model import HealthStatus
from tests.cluster.conftest import SHOP, Connect
from tests.support.servers import ClusterServer

ACCOUNT = "system:serviceaccount:inquest:inquest"
READ = ("pods", "services", "configmaps", "events", "endpoints", "serviceaccounts", "persistentvolumeclaims",
        "resourcequotas", "limitranges", "deployments.apps", "replicasets.apps", "statefulsets.apps",
        "daemonsets.apps", "jobs.batch", "cronjobs.batch", "horizontalpodautoscalers.autoscaling",
        "endpointslices.discovery.k8s.io", "networkpolicies.networking.k8s.io", "nodes", "namespaces",
        "persistentvolumes", "storageclasses.storage.k8s.io")  # fmt: skip
WRITE = {("patch", "deployments.apps"), ("patch", "statefulsets.apps"), ("patch", "daemonsets.apps"),
         ("patch", "horizontalpodautoscalers.autoscaling"), ("delete", "pods"), ("patch", "configmaps")}  # fmt: skip
NEVER = (
    "get secrets", "list secrets", "watch secrets", "create pods", "create pods/exec", "get pods/exec",
    "create pods/attach", "create pods/portforward", "create pods/eviction", "create serviceaccounts/token",
    "impersonate users", "impersonate serviceaccounts", "create rolebindings.rbac.authorization.k8s.io",
    "patch clusterroles.rbac.authorization.k8s.io", "escalate clusterroles.rbac.authorization.k8s.io",
    "bind clusterroles.rbac.authorization.k8s.io", "delete namespaces", "delete nodes", "get nodes/proxy",
    "deletecollection pods", "delete deployments.apps", "patch secrets", "create deployments.apps",
    "patch validatingwebhookconfigurations.admissionregistration.k8s.io", "* *",
)  # fmt: skip


def may(cluster: ClusterServer, question: str, namespace: str) -> bool:
    """`kubectl auth can-i` as the account of the manifests, for `verb resource/subresource`."""
    verb, _, resource = question.partition(" ")
    resource, _, part = resource.partition("/")  # kubectl itself would take what follows a slash for a name
    words = ["auth", "can-i", verb, resource, f"--as={ACCOUNT}", "-n", namespace]
    answer = cluster.kubectl(*words, *([f"--subresource={part}"] if part else []), check=False)
    assert answer in ("yes", "no"), answer
    return answer == "yes"


@pytest.mark.parametrize("resource", READ)
def test_it_may_read_what_the_tools_read(cluster: ClusterServer, resource: str) -> None:
    assert may(cluster, f"list {resource}", SHOP)
    assert may(cluster, f"get {resource}", "elsewhere"), "reading is for all namespaces"


def test_it_may_read_logs(cluster: ClusterServer) -> None:
    assert may(cluster, "get pods/log", SHOP)


@pytest.mark.parametrize(("verb", "resource"), sorted(WRITE))
def test_it_may_change_only_where_the_role_is_bound(cluster: ClusterServer, verb: str, resource: str) -> None:
    assert may(cluster, f"{verb} {resource}", SHOP)
    assert not may(cluster, f"{verb} {resource}", "elsewhere")


def test_it_may_cordon(cluster: ClusterServer) -> None:
    assert may(cluster, "patch nodes", SHOP)


@pytest.mark.parametrize("question", NEVER)
def test_it_may_never(cluster: ClusterServer, question: str) -> None:
    assert not may(cluster, question, SHOP)
    assert not may(cluster, question, "kube-system")


def test_the_rules_say_no_more_than_that(cluster: ClusterServer) -> None:
    """Every verb the account has in the namespace, as the server itself lists it."""
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": SHOP}}
    headers = {"Authorization": f"Bearer {cluster.token('inquest', 'inquest')}"}
    path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
    rules = cluster.client.raw("POST", path, json=body, headers=headers).json()["status"]["resourceRules"]
    held = {(verb, name) for rule in rules for verb in rule["verbs"] for name in rule["resources"]}
    changing = {pair for pair in held if pair[0] not in ("get", "list")}
    own = {("create", "selfsubjectaccessreviews"), ("create", "selfsubjectrulesreviews"),
           ("create", "selfsubjectreviews")}  # every account may ask about itself  # fmt: skip
    assert changing - own == {(verb, name.partition(".")[0]) for verb, name in WRITE} | {("patch", "nodes")}
    assert not [pair for pair in held if pair[1] == "secrets"]


async def test_the_source_knows_what_it_may(cluster: ClusterServer, connect: Connect) -> None:
    reading, changing = connect(writes=False, namespaces=(SHOP,)), connect(namespaces=(SHOP,))
    one, two = await reading.check(), await changing.check()
    assert (one.status, two.status) == (HealthStatus.HEALTHY, HealthStatus.HEALTHY)
    assert one.writable
    assert "could change workloads" in one.detail, "a source that only reads should have an account that only reads"
    assert "could change workloads" not in two.detail
    assert str(one.version).startswith("v1.33.")
    await reading.close()
    await changing.close()

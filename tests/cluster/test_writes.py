"""Every write tool on a real API server: dry run, once, its own mark, and undone; and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from connectors.errors import NotFound, Rejected, Unauthorized
from connectors.kubernetes.connector import KubernetesConnector
from connectors.model import Effect
from tests.cluster.changing import Object, deployment, outcome, preview, rolled_out, send
from tests.cluster.conftest import SHOP, Connect
from tests.support.servers import ClusterServer

IMAGE = "registry.example.com/cart:"


class Case(NamedTuple):
    """One write: what it is called with, what shows it in the object, and the write that takes it back."""

    plural: str
    name: str
    arguments: Object
    shows: Callable[[Object], Any]
    undo: tuple[str, Object] | None


def _environment(obj: Object) -> Any:
    return obj["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"]


def _restarted(obj: Object) -> Any:
    return obj["spec"]["template"]["metadata"].get("annotations", {}).get("kubectl.kubernetes.io/restartedAt")


_CART = {"namespace": SHOP, "name": "cart"}
_WEB = {"namespace": SHOP, "name": "web"}
CASES = {
    "rollback_workload": Case(
        "deployments", "cart", {**_CART, "to_revision": 1},
        lambda o: o["spec"]["template"]["spec"]["containers"][0]["image"],
        ("rollback_workload", {**_CART, "to_revision": 2}),
    ),
    "restart_workload": Case("deployments", "cart", _CART, _restarted, None),
    "scale_workload": Case(
        "deployments", "cart", {**_CART, "replicas": 4}, lambda o: o["spec"]["replicas"],
        ("scale_workload", {**_CART, "replicas": 2}),
    ),
    "set_environment": Case(
        "deployments", "cart", {**_CART, "container": "app", "key": "POOL_SIZE", "value": "20"}, _environment,
        ("set_environment", {**_CART, "container": "app", "key": "POOL_SIZE", "value": "10"}),
    ),
    "pause_rollout": Case(
        "deployments", "cart", _CART, lambda o: o["spec"].get("paused", False), ("resume_rollout", _CART)
    ),
    "cordon_node": Case(
        "nodes", "node-1", {"name": "node-1"}, lambda o: o["spec"].get("unschedulable", False),
        ("uncordon_node", {"name": "node-1"}),
    ),
    "set_config_key": Case(
        "configmaps", "web-settings", {"namespace": SHOP, "name": "web-settings", "key": "pool_size", "value": "20"},
        lambda o: o["data"]["pool_size"],
        ("set_config_key", {"namespace": SHOP, "name": "web-settings", "key": "pool_size", "value": "10"}),
    ),
    "set_autoscaler_bounds": Case(
        "horizontalpodautoscalers", "web", {**_WEB, "min_replicas": 3, "max_replicas": 9},
        lambda o: (o["spec"]["minReplicas"], o["spec"]["maxReplicas"]),
        ("set_autoscaler_bounds", {**_WEB, "min_replicas": 2, "max_replicas": 6}),
    ),
}  # fmt: skip
_CLUSTER_WIDE = ("nodes",)


@pytest.fixture
def cart(shop: ClusterServer) -> ClusterServer:
    """With a Deployment `cart` at its second revision."""
    if shop.client.exists("deployments", "cart", SHOP):
        shop.client.delete("deployments", "cart", SHOP)
        shop.until(lambda: not shop.client.list("pods", SHOP, selector="app=cart"), what="the end of cart")
    rolled_out(shop, "cart", f"{IMAGE}1.0.0")
    rolled_out(shop, "cart", f"{IMAGE}1.1.0")
    return shop


def test_every_write_has_a_case(connect: Connect) -> None:
    writes = {tool.name for tool in connect().tools() if tool.effect is Effect.WRITE}
    undone = {case.undo[0] for case in CASES.values() if case.undo}
    assert writes == {*CASES, *undone, "delete_pod"}


@pytest.mark.parametrize("tool", list(CASES))
async def test_previewed_sent_once_and_taken_back(cart: ClusterServer, connect: Connect, tool: str) -> None:
    case, connector = CASES[tool], connect()
    try:
        await _there_and_back(cart, connector, tool, case)
    finally:
        await connector.close()


async def _there_and_back(cart: ClusterServer, connector: KubernetesConnector, tool: str, case: Case) -> None:
    def now() -> Object:
        return cart.client.get(case.plural, case.name, "" if case.plural in _CLUSTER_WIDE else SHOP)

    before = now()
    call, seen = await preview(connector, tool, **case.arguments)
    assert case.shows(now()) == case.shows(before), "a dry run changes nothing"
    assert seen.target_uid == before["metadata"]["uid"]
    assert seen.diff != "(nothing changes)"

    done = await send(connector, call)
    assert done.fields["applied"] is True
    assert case.shows(now()) != case.shows(before)
    assert (await outcome(connector, call)).fields["applied"] is True
    after = now()["metadata"].get("generation")
    with pytest.raises(Rejected, match="was changed since this was approved"):
        await send(connector, call)
    assert now()["metadata"].get("generation") == after, "the second time did nothing"

    if case.undo is not None:
        back, _ = await preview(connector, case.undo[0], **case.undo[1])
        await send(connector, back)
        assert case.shows(now()) == case.shows(before)
        assert (await outcome(connector, call)).fields["applied"] is False, "the mark is the last one's"


async def test_deleting_a_pod(cart: ClusterServer, connect: Connect) -> None:
    connector = connect()
    first = cart.client.list("pods", SHOP, selector="app=cart")[0]["metadata"]
    call, seen = await preview(connector, "delete_pod", namespace=SHOP, name=first["name"])
    still = cart.client.get("pods", first["name"], SHOP)["metadata"]
    assert (still["uid"], still.get("deletionTimestamp")) == (first["uid"], None), "a dry run deletes nothing"
    assert "its owner makes another" in seen.diff
    assert (await outcome(connector, call)).fields["applied"] is False
    assert (await send(connector, call)).fields["applied"] is True
    cart.until(lambda: cart.rolled_out(SHOP, "cart") and not cart.client.exists("pods", first["name"], SHOP))
    assert (await outcome(connector, call)).fields["text"] == "the pod is gone"
    with pytest.raises(NotFound):
        await send(connector, call)
    await connector.close()


async def test_a_change_meanwhile_is_refused(cart: ClusterServer, connect: Connect) -> None:
    connector = connect()
    call, _ = await preview(connector, "rollback_workload", **_CART, to_revision=1)
    cart.client.patch("deployments", "cart", SHOP, {"spec": {"minReadySeconds": 1}})
    with pytest.raises(Rejected, match="was changed since this was approved"):
        await send(connector, call)
    assert cart.client.get("deployments", "cart", SHOP)["spec"]["template"]["spec"]["containers"][0]["image"] == (
        f"{IMAGE}1.1.0"
    )
    await connector.close()


async def test_status_alone_does_not_hold_a_change_up(cart: ClusterServer, connect: Connect) -> None:
    """The resourceVersion moves with every status; what was approved is the generation."""
    connector = connect()
    call, _ = await preview(connector, "scale_workload", **_CART, replicas=3)
    annotations = {"metadata": {"annotations": {"looked-at": "yes"}}}
    moved = cart.client.patch("deployments", "cart", SHOP, annotations)["metadata"]["resourceVersion"]
    done = await send(connector, call)
    assert done.fields["applied"] is True
    assert cart.client.get("deployments", "cart", SHOP)["metadata"]["resourceVersion"] != moved
    await connector.close()


async def test_a_target_that_is_gone_or_another(cart: ClusterServer, connect: Connect) -> None:
    connector = connect()
    call, _ = await preview(connector, "scale_workload", **_CART, replicas=3)
    cart.client.delete("deployments", "cart", SHOP)
    cart.until(lambda: not cart.client.exists("deployments", "cart", SHOP))
    with pytest.raises(NotFound):
        await send(connector, call)
    gone = await outcome(connector, call)
    assert (gone.fields["applied"], gone.fields["settled"]) == (None, True)
    with pytest.raises(NotFound):
        await preview(connector, "scale_workload", **_CART, replicas=3)
    rolled_out(cart, "cart", f"{IMAGE}1.0.0")
    with pytest.raises(Rejected, match="another object than the one approved"):
        await send(connector, call)
    assert (await outcome(connector, call)).fields["text"] == "it is another object by now"
    await connector.close()


async def test_a_namespace_without_the_role_takes_no_part(cart: ClusterServer, connect: Connect) -> None:
    connector = connect()
    cart.client.apply(deployment("cart", f"{IMAGE}1.0.0", namespace="elsewhere"))
    with pytest.raises(Unauthorized):
        await preview(connector, "scale_workload", namespace="elsewhere", name="cart", replicas=3)
    assert cart.client.get("deployments", "cart", "elsewhere")["spec"]["replicas"] == 2
    await connector.close()


async def test_a_quota_that_refuses_pods_shows_in_the_outcome(cart: ClusterServer, connect: Connect) -> None:
    connector = connect()
    taken = len(cart.client.list("pods", SHOP))
    cart.client.patch("resourcequotas", "most", SHOP, {"spec": {"hard": {"pods": str(taken + 1)}}})
    try:
        call, _ = await preview(connector, "scale_workload", **_CART, replicas=5)
        await send(connector, call)
        cart.until(lambda: "ReplicaFailure" in str(cart.client.get("deployments", "cart", SHOP)["status"]))
        said = await outcome(connector, call)
        assert (said.fields["applied"], said.fields["settled"]) == (True, False)
        assert "exceeded quota" in str(said.fields["text"])
    finally:
        cart.client.patch("resourcequotas", "most", SHOP, {"spec": {"hard": {"pods": "40"}}})
        await connector.close()


_POLICY = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingAdmissionPolicy",
    "metadata": {"name": "few-replicas"},
    "spec": {
        "matchConstraints": {"resourceRules": [{"apiGroups": ["apps"], "apiVersions": ["v1"],
                                                "operations": ["UPDATE"], "resources": ["deployments"]}]},
        "validations": [{"expression": "object.spec.replicas <= 3", "message": "no more than three replicas here"}],
    },
}  # fmt: skip
_BINDING = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingAdmissionPolicyBinding",
    "metadata": {"name": "few-replicas"},
    "spec": {"policyName": "few-replicas", "validationActions": ["Deny"]},
}


async def test_an_admission_policy_refuses_the_dry_run(cart: ClusterServer, connect: Connect) -> None:
    """So that such a change is never proposed."""
    connector, root = connect(), "/apis/admissionregistration.k8s.io/v1"
    for kind, body in (("validatingadmissionpolicies", _POLICY), ("validatingadmissionpolicybindings", _BINDING)):
        cart.client.send("POST", f"{root}/{kind}", body)
    try:

        def denied() -> bool:
            path = f"{cart.client.path('deployments', 'cart', SHOP)}?dryRun=All"
            body = '{"spec":{"replicas":4}}'
            headers = {"Content-Type": "application/merge-patch+json"}
            return cart.client.raw("PATCH", path, content=body, headers=headers).status_code == 422

        cart.until(denied, what="the policy to hold")
        with pytest.raises(Rejected, match="no more than three replicas here"):
            await preview(connector, "scale_workload", **_CART, replicas=4)
    finally:
        for kind in ("validatingadmissionpolicybindings", "validatingadmissionpolicies"):
            cart.client.send("DELETE", f"{root}/{kind}/few-replicas")
        await connector.close()


async def test_a_source_that_only_reads_offers_no_write(cart: ClusterServer, connect: Connect) -> None:
    connector = connect(writes=False)
    assert all(tool.effect is Effect.READ for tool in connector.tools())
    with pytest.raises(Rejected, match="for reading only"):
        await preview(connector, "scale_workload", **_CART, replicas=3)
    await connector.close()

"""What the Kubernetes tools answer, read through the real driver from a computing double."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from connectors.errors import Misconfigured, Rejected, Unauthorized
from connectors.kubernetes.connector import CONNECTOR
from connectors.model import Changes, HealthStatus, Item, Limits, Logs, Objects, ToolCall, ToolResult
from tests.connectors.kubernetes_data import CLOCK, NAMESPACE, WINDOW, cluster, logs, pod
from tests.support.kubernetes_double import KubernetesDouble

NAME = "kubernetes/main"


@pytest.fixture
async def server() -> AsyncIterator[KubernetesDouble]:
    async with KubernetesDouble(cluster(), logs=logs()) as running:
        yield running


def connector(server: KubernetesDouble, **settings: Any) -> Any:
    config = CONNECTOR.Config(**({"url": server.url, "token": "token"} | settings))
    return CONNECTOR(name=NAME, config=config, environment="production", clock=CLOCK)


async def ask(
    server: KubernetesDouble, tool: str, settings: dict[str, Any] | None = None, **arguments: Any
) -> ToolResult:
    made = connector(server, **(settings or {}))
    try:
        call = ToolCall(connector=NAME, tool=tool, arguments=arguments, window=WINDOW)
        result: ToolResult = await made.call(call, Limits())
        return result
    finally:
        await made.close()


def by_name(result: ToolResult) -> dict[str, Item]:
    assert isinstance(result.payload, Objects)
    return {item.name: item for item in result.payload.items}


async def test_workloads_tell_revision_and_image_before(server: KubernetesDouble) -> None:
    web = by_name(await ask(server, "list_workloads"))["web"].fields
    assert (web["revision"], web["previous_revision"]) == (2, 1)
    assert (web["image"], web["previous_image"]) == ("web:2", "web:1")
    assert (web["desired"], web["ready"], web["rollout"], web["service"]) == (2, 2, "complete", "web")


async def test_pods_come_sick_first_with_their_last_exit(server: KubernetesDouble) -> None:
    result = await ask(server, "list_pods")
    assert isinstance(result.payload, Objects)
    first = result.payload.items[0]
    (container,) = first.fields["containers"]  # type: ignore[misc]
    assert first.fields["service"] == "api"
    assert container["state"] == "waiting"  # type: ignore[index,call-overload]
    assert container["reason"] == "CrashLoopBackOff"  # type: ignore[index,call-overload]
    assert container["last_reason"] == "OOMKilled"  # type: ignore[index,call-overload]
    assert container["last_exit_code"] == 137  # type: ignore[index,call-overload]
    only = await ask(server, "list_pods", unhealthy_only=True)
    assert list(by_name(only)) == ["api-5d4c7b9f66-ccccc"]


async def test_events_know_what_is_gone(server: KubernetesDouble) -> None:
    events = by_name(await ask(server, "list_events"))
    assert events["e1"].fields["vanished"] is False
    assert events["e2"].fields["vanished"] is True
    assert (events["e1"].fields["service"], events["e2"].fields["service"]) == ("api", "api")
    assert "e3" not in by_name(await ask(server, "list_events", warnings_only=True))
    assert any("fieldSelector=type" in request for request in server.requests)


async def test_services_against_pods_and_ports(server: KubernetesDouble) -> None:
    found = by_name(await ask(server, "check_services"))
    assert {name: item.fields.get("problem") for name, item in found.items()} == {
        "web": None,
        "api": "port_mismatch",
        "lost": "selector_matches_nothing",
    }
    assert (found["web"].fields["endpoints_ready"], found["web"].fields["endpoints_total"]) == (2, 2)
    assert (found["api"].fields["endpoints_ready"], found["api"].fields["endpoints_total"]) == (0, 1)


async def test_references_that_lead_nowhere(server: KubernetesDouble) -> None:
    found = by_name(await ask(server, "check_references"))
    parts = {name: item.fields["missing_part"] for name, item in found.items()}
    assert parts == {
        "web:ConfigMap/web-config[db_host]": "key",
        "web:ServiceAddress/api:9999": "port",
        "web:ServiceAddress/mail:25": "object",
        "api:ServiceAccount/api": "object",
    }
    assert all(item.fields["missing"] is True for item in found.values())


async def test_changes_say_what_and_by_whom(server: KubernetesDouble) -> None:
    result = await ask(server, "list_changes", hours_before=2)
    assert isinstance(result.payload, Changes)
    rollout = next(change for change in result.payload.items if change.service == "web")
    assert (rollout.change, rollout.version, rollout.by) == ("deployment", "web:2", "ci-bot")
    assert "image of web: web:1 → web:2" in rollout.what
    assert "env of web: API_ADDR, DB_HOST, DB_PASSWORD, MAIL_ADDR" in rollout.what
    assert "hunter2" not in result.model_dump_json()
    assert [c.what for c in result.payload.items if c.change == "other"] == ["node n2 cordoned"]


async def test_nodes_quotas_storage_and_policies(server: KubernetesDouble) -> None:
    nodes = by_name(await ask(server, "list_nodes", with_requests=True))
    assert (nodes["n1"].fields["ready"], nodes["n1"].fields["pods"]) == (True, 3)
    assert (nodes["n2"].fields["ready"], nodes["n2"].fields["ready_status"]) == (False, "Unknown")
    assert nodes["n2"].fields["pressures"] == ["DiskPressure"]
    assert by_name(await ask(server, "list_quotas"))["q"].fields["exhausted"] == ["pods"]
    claim = by_name(await ask(server, "list_storage"))["data"].fields
    assert claim["candidates"] == [{"volume": "pv-1", "mismatches": ["capacity", "access_modes", "storage_class"]}]
    policy = by_name(await ask(server, "list_policies"))["deny"].fields
    assert (policy["denies_ingress"], policy["selected_pods"]) == (True, ["api-5d4c7b9f66-ccccc"])


async def test_logs_against_the_span_before(server: KubernetesDouble) -> None:
    result = await ask(server, "get_logs", pod="web-5d4c7b9f66-bbbbb")
    assert isinstance(result.payload, Logs)
    (group,) = result.payload.groups
    assert (group.level, group.count, group.baseline_count, group.service) == ("error", 5, 2, "web")
    with_info = await ask(server, "get_logs", pod="web-5d4c7b9f66-bbbbb", level="info")
    assert isinstance(with_info.payload, Logs)
    assert with_info.payload.total == 30


async def test_logs_of_the_last_run_and_of_none(server: KubernetesDouble) -> None:
    last = await ask(server, "get_logs", pod="api-5d4c7b9f66-ccccc", previous=True)
    assert isinstance(last.payload, Logs)
    assert (last.payload.groups[0].level, last.payload.groups[0].baseline_count) == ("fatal", None)
    none = await ask(server, "get_logs", pod="api-5d4c7b9f66-ccccc")
    assert none.is_empty
    assert none.truncated is not None
    assert "no log of api-5d4c7b9f66-ccccc/api" in none.truncated
    with pytest.raises(Rejected):
        await ask(server, "get_logs")


@pytest.mark.parametrize(
    ("command", "names"),
    [
        ("kubectl get deploy web -n shop", {"web"}),
        ("kubectl get deploy,svc -n shop -o yaml", {"web", "api", "lost"}),
        ("kubectl describe node/n2", {"n2"}),
        ("kubectl get pods -A -l app=api", {"api-5d4c7b9f66-ccccc"}),
        ("GET /api/v1/namespaces/shop/services/web", {"web"}),
        ("GET /apis/apps/v1/deployments", {"web", "api"}),
    ],
)
async def test_kubectl_lines_become_our_reads(server: KubernetesDouble, command: str, names: set[str]) -> None:
    assert set(by_name(await ask(server, "run_query", command=command))) == names


async def test_kubectl_logs_are_folded(server: KubernetesDouble) -> None:
    result = await ask(server, "run_query", command="kubectl logs api-5d4c7b9f66-ccccc -n shop --previous --tail=50")
    assert isinstance(result.payload, Logs)
    assert result.payload.groups[0].template == "fatal: out of memory"


@pytest.mark.parametrize(
    "command",
    [
        "kubectl get secrets -n shop",
        "kubectl delete pod web-1",
        "kubectl exec web-1 -- id",
        "GET /api/v1/namespaces/shop/secrets",
        "GET /api/v1/nodes/n1/proxy/run",
        "kubectl rollout undo deploy/web",
        "kubectl get pods; kubectl delete ns shop",
    ],
)
async def test_other_lines_never_reach_the_cluster(server: KubernetesDouble, command: str) -> None:
    with pytest.raises(Rejected):
        await ask(server, "run_query", command=command)
    assert server.requests == []


async def test_one_forbidden_kind_is_a_gap_and_not_a_failure() -> None:
    double = KubernetesDouble(cluster(), forbidden=frozenset({"replicasets", "configmaps", "secrets"}))
    async with double as server:
        workloads = await ask(server, "list_workloads")
        assert {"web", "api"} <= set(by_name(workloads))
        assert workloads.truncated == "replicasets not read: the account may not list them"
        references = by_name(await ask(server, "check_references", {"read_secret_names": True}))
        assert "web:ConfigMap/web-config[db_host]" not in references
        with pytest.raises(Unauthorized):
            await ask(server, "list_pods", {"token": "wrong"})


async def test_one_forbidden_namespace_is_a_gap_and_nothing_in_it_is_missing() -> None:
    double = KubernetesDouble(cluster(), forbidden_namespaces=frozenset({"closed"}))
    settings = {"namespaces": (NAMESPACE, "closed")}
    async with double as server:
        pods = await ask(server, "list_pods", settings)
        references = await ask(server, "check_references", settings)
        with pytest.raises(Unauthorized):
            await ask(server, "list_pods", {"namespaces": ("closed",)})
    assert by_name(pods)
    assert pods.truncated == "pods of closed not read: the account may not list them"
    assert references.truncated is not None
    assert "configmaps of closed not read" in references.truncated
    assert "web:ConfigMap/web-config[db_host]" not in by_name(references)


async def test_endpoints_where_there_are_no_slices() -> None:
    objects = cluster()
    address = {"addresses": [{"ip": "10.0.0.1"}], "notReadyAddresses": [{"ip": "10.0.0.2"}]}
    objects["endpoints"] = [{"metadata": {"name": "web", "namespace": NAMESPACE}, "subsets": [address]}]
    async with KubernetesDouble(objects, absent=frozenset({"endpointslices"})) as server:
        web = by_name(await ask(server, "check_services"))["web"].fields
    assert (web["endpoints_ready"], web["endpoints_total"]) == (1, 2)


async def test_services_are_not_blamed_for_endpoints_that_may_not_be_read() -> None:
    async with KubernetesDouble(cluster(), forbidden=frozenset({"endpointslices", "endpoints"})) as server:
        result = await ask(server, "check_services")
    assert by_name(result)["web"].fields.get("problem") is None
    assert result.truncated == "endpointslices not read: the account may not list them"


async def test_a_token_read_from_a_file_may_end_in_a_line_break(server: KubernetesDouble) -> None:
    assert by_name(await ask(server, "list_nodes", {"token": "token\n"}))


async def test_pages_are_followed_and_cut_in_words(server: KubernetesDouble) -> None:
    server.objects["pods"] = [pod("web", f"{index:05d}") for index in range(6_000)]
    result = await ask(server, "list_pods")
    assert result.truncated is not None
    assert "pods" in result.truncated
    assert len(by_name(result)) == 1_000


async def test_only_configured_namespaces_are_read(server: KubernetesDouble) -> None:
    settings = {"namespaces": (NAMESPACE, "other")}
    assert by_name(await ask(server, "list_workloads", settings))
    listed = [request for request in server.requests if "/pods" in request or "/deployments" in request]
    assert all("/namespaces/" in request for request in listed)
    with pytest.raises(Rejected):
        await ask(server, "list_pods", settings, namespace="kube-system")
    with pytest.raises(Rejected):
        await ask(server, "list_pods", namespace="../../secrets")


@pytest.mark.parametrize(
    ("allowed", "writable"),
    [({("list", "pods")}, False), ({("list", "pods"), ("patch", "deployments")}, True)],
)
async def test_check_tells_whether_the_account_can_write(allowed: set[tuple[str, str]], writable: bool) -> None:
    async with KubernetesDouble(cluster(), allowed=frozenset(allowed)) as server:
        made = connector(server)
        health = await made.check()
        await made.close()
    assert (health.status, health.writable, health.version) == (HealthStatus.HEALTHY, writable, "v1.31.2")


async def test_kubeconfig_that_runs_a_program_is_refused(tmp_path: Path, server: KubernetesDouble) -> None:
    marker = tmp_path / "ran"
    text = f"""
apiVersion: v1
kind: Config
current-context: safe
clusters: [{{name: c, cluster: {{server: "{server.url}"}}}}]
users:
  - {{name: good, user: {{token: token}}}}
  - {{name: bad, user: {{exec: {{apiVersion: client.authentication.k8s.io/v1, command: touch, args: ["{marker}"]}}}}}}
contexts:
  - {{name: safe, context: {{cluster: c, user: good}}}}
  - {{name: unsafe, context: {{cluster: c, user: bad}}}}
"""
    path = tmp_path / "config"
    path.write_text(text)
    way_in = {"url": None, "token": None, "kubeconfig_path": str(path)}
    assert by_name(await ask(server, "list_pods", way_in))
    assert by_name(await ask(server, "list_pods", way_in | {"contexts": ("safe",)}))
    with pytest.raises(Misconfigured, match="runs a program"):
        await ask(server, "list_pods", way_in | {"contexts": ("unsafe",)})
    assert not marker.exists()
    with pytest.raises(Misconfigured, match="one context"):
        await ask(server, "list_pods", way_in | {"contexts": ("safe", "unsafe")})
    path.write_text("a: &a [x]\nb: *a\n")
    with pytest.raises(Misconfigured):
        await ask(server, "list_pods", way_in)

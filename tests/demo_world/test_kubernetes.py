"""The Kubernetes API of a world, read with kubernetes_asyncio."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from kubernetes_asyncio import client, config
from kubernetes_asyncio.client.exceptions import ApiException

from bot.demo.world import World
from bot.demo.world.topology import SERVICES
from tests.demo_world.conftest import StartWorld

SHOP = "shop"


async def _connect(world: World) -> client.ApiClient:
    settings = client.Configuration()
    path = str(world.endpoints.kubeconfig_path)
    await config.load_kube_config(config_file=path, client_configuration=settings)
    return client.ApiClient(settings)


@pytest.fixture
async def world(start_world: StartWorld) -> World:
    return await start_world("bad_deployment")


@pytest.fixture
async def api(world: World) -> AsyncIterator[client.ApiClient]:
    connection = await _connect(world)
    yield connection
    await connection.close()


async def test_every_kind_parses_in_the_client(api: client.ApiClient) -> None:
    core, apps = client.CoreV1Api(api), client.AppsV1Api(api)
    assert (await client.VersionApi(api).get_code()).major == "1"
    assert SHOP in {item.metadata.name for item in (await core.list_namespace()).items}
    assert len((await core.list_node()).items) == 3
    pods = (await core.list_namespaced_pod(SHOP)).items
    assert len(pods) == sum(service.replicas for service in SERVICES.values())
    assert {pod.status.phase for pod in pods} == {"Running"}
    assert {item.metadata.name for item in (await core.list_namespaced_service(SHOP)).items} == set(SERVICES)
    addresses = (await core.list_namespaced_endpoints(SHOP)).items
    assert sum(len(item.subsets[0].addresses) for item in addresses) == len(pods)
    slices = (await client.DiscoveryV1Api(api).list_namespaced_endpoint_slice(SHOP)).items
    assert sum(len(item.endpoints) for item in slices) == len(pods)
    assert len((await core.list_namespaced_config_map(SHOP)).items) == len(SERVICES)
    assert len((await core.list_namespaced_service_account(SHOP)).items) == len(SERVICES)
    assert (await core.list_namespaced_resource_quota(SHOP)).items[0].status.used["pods"] == str(len(pods))
    assert (await client.NetworkingV1Api(api).list_namespaced_ingress(SHOP)).items[0].spec.rules[0].host
    assert (await core.list_namespaced_event(SHOP)).items
    for deployment in (await apps.list_namespaced_deployment(SHOP)).items:
        assert deployment.status.ready_replicas == deployment.spec.replicas


async def test_empty_kinds_are_empty_lists(api: client.ApiClient) -> None:
    apps, core = client.AppsV1Api(api), client.CoreV1Api(api)
    assert (await apps.list_stateful_set_for_all_namespaces()).items == []
    assert (await apps.list_daemon_set_for_all_namespaces()).items == []
    assert (await client.BatchV1Api(api).list_job_for_all_namespaces()).items == []
    assert (await client.BatchV1Api(api).list_cron_job_for_all_namespaces()).items == []
    scalers = client.AutoscalingV2Api(api)
    assert (await scalers.list_horizontal_pod_autoscaler_for_all_namespaces()).items == []
    assert (await client.NetworkingV1Api(api).list_network_policy_for_all_namespaces()).items == []
    assert (await core.list_persistent_volume_claim_for_all_namespaces()).items == []
    assert (await core.list_persistent_volume()).items == []
    assert (await client.StorageV1Api(api).list_storage_class()).items == []


async def test_selectors_and_pages(api: client.ApiClient) -> None:
    core = client.CoreV1Api(api)
    chosen = await core.list_namespaced_pod(SHOP, label_selector="app in (frontend,cart-service),squad=storefront")
    assert {pod.metadata.labels["app"] for pod in chosen.items} == {"frontend", "cart-service"}
    running = await core.list_namespaced_pod(SHOP, field_selector="status.phase!=Running")
    assert running.items == []
    seen: list[str] = []
    token: str | None = None
    while token != "":
        page = await core.list_namespaced_pod(SHOP, limit=5, **({"_continue": token} if token else {}))
        seen += [pod.metadata.name for pod in page.items]
        token = page.metadata._continue or ""
    assert len(seen) == len(set(seen)) == len((await core.list_namespaced_pod(SHOP)).items)


async def test_the_bad_release_is_the_newest_revision(world: World, api: client.ApiClient) -> None:
    release = world.plan.bad_release
    assert release is not None
    apps = client.AppsV1Api(api)
    deployment = await apps.read_namespaced_deployment(release.service, SHOP)
    assert deployment.spec.template.spec.containers[0].image.endswith(f":{release.version}")
    sets = (await apps.list_namespaced_replica_set(SHOP, label_selector=f"app={release.service}")).items
    newest = max(sets, key=lambda s: int(s.metadata.annotations["deployment.kubernetes.io/revision"]))
    assert newest.spec.replicas == deployment.spec.replicas
    assert int(newest.metadata.creation_timestamp.timestamp()) == int(release.at.timestamp())
    older = [s for s in sets if s.spec.replicas == 0]
    assert any(s.spec.template.spec.containers[0].image.endswith(f":{release.previous_version}") for s in older)


async def test_pod_logs_are_lines_of_the_journal(world: World, api: client.ApiClient) -> None:
    core = client.CoreV1Api(api)
    pod = (await core.list_namespaced_pod(SHOP, label_selector="app=payment-service")).items[0]
    text = await core.read_namespaced_pod_log(pod.metadata.name, SHOP, tail_lines=5)
    said = {d.fields["message"] for d in world.journal.logs if d.fields["kubernetes.pod.name"] == pod.metadata.name}
    lines = text.splitlines()
    assert len(lines) == 5
    assert all(line.split(" ", 2)[2] in said for line in lines)
    with pytest.raises(ApiException) as caught:
        await core.read_namespaced_pod_log(pod.metadata.name, SHOP, previous=True)
    assert caught.value.status == 400


async def test_secrets_strangers_and_missing_things(world: World, api: client.ApiClient) -> None:
    core = client.CoreV1Api(api)
    assert await _status(core.list_namespaced_secret(SHOP)) == 403
    assert await _status(core.read_namespaced_pod("nobody", SHOP)) == 404
    settings = client.Configuration(host=world.endpoints.kubernetes_url)
    async with client.ApiClient(settings) as stranger:
        assert await _status(client.CoreV1Api(stranger).list_node()) == 401


async def _status(call: Any) -> int:
    with pytest.raises(ApiException) as caught:
        await call
    return int(caught.value.status)


async def test_killed_pods_say_so_everywhere(start_world: StartWorld) -> None:
    world = await start_world("memory_leak", 3)
    target = world.plan.target
    async with await _connect(world) as api:
        core = client.CoreV1Api(api)
        pods = (await core.list_namespaced_pod(SHOP, label_selector=f"app={target}")).items
        states = [pod.status.container_statuses[0] for pod in pods]
        assert all(state.restart_count >= 1 for state in states)
        ended = [s.last_state.terminated or s.state.terminated for s in states]
        assert {(state.reason, state.exit_code) for state in ended} == {("OOMKilled", 137)}
        events = (await core.list_event_for_all_namespaces(field_selector="reason=OOMKilling")).items
        assert {event.type for event in events} == {"Warning"}
        previous = await core.read_namespaced_pod_log(pods[0].metadata.name, SHOP, previous=True)
        assert previous


async def test_a_dry_run_changes_nothing(world: World, api: client.ApiClient) -> None:
    apps = client.AppsV1Api(api)
    before = await apps.read_namespaced_deployment("payment-service", SHOP)
    patch = {"spec": {"replicas": 7}}
    shown = await apps.patch_namespaced_deployment("payment-service", SHOP, patch, dry_run="All")
    assert shown.spec.replicas == 7
    after = await apps.read_namespaced_deployment("payment-service", SHOP)
    assert after.to_dict() == before.to_dict()


async def test_a_stale_version_is_a_conflict(api: client.ApiClient) -> None:
    patch = {"metadata": {"resourceVersion": "1"}, "spec": {"replicas": 7}}
    assert await _status(client.AppsV1Api(api).patch_namespaced_deployment("payment-service", SHOP, patch)) == 409


async def test_scaling_makes_pods(world: World, api: client.ApiClient) -> None:
    apps, core = client.AppsV1Api(api), client.CoreV1Api(api)
    await apps.patch_namespaced_deployment_scale("cart-service", SHOP, {"spec": {"replicas": 5}})
    assert (await apps.read_namespaced_deployment("cart-service", SHOP)).spec.replicas == 5
    assert world.cluster.workloads["cart-service"].replicas == 5
    later = world.clock() + 6
    assert sum(pod.serving(later) for pod in world.cluster.workloads["cart-service"].pods) == 5
    assert (await core.list_namespaced_pod(SHOP)).items


async def test_rolling_back_goes_to_the_older_replica_set(world: World, api: client.ApiClient) -> None:
    apps = client.AppsV1Api(api)
    release = world.plan.bad_release
    assert release is not None
    sets = (await apps.list_namespaced_replica_set(SHOP, label_selector=f"app={release.service}")).items
    good = next(s for s in sets if s.spec.template.spec.containers[0].image.endswith(f":{release.previous_version}"))
    template = api.sanitize_for_serialization(good.spec.template)
    template["metadata"]["labels"].pop("pod-template-hash")
    patch = [{"op": "replace", "path": "/spec/template", "value": template}]
    await apps.patch_namespaced_deployment(release.service, SHOP, patch)
    workload = world.cluster.workloads[release.service]
    assert workload.current.replica_set == good.metadata.name
    assert world.story.recovery is not None

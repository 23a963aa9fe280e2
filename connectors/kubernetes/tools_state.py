"""Tools that tell how things stand: workloads, pods, nodes, quotas, storage, logs."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from connectors._log_groups import LogLine
from connectors.base import Answer, Ask, tool
from connectors.errors import ConnectorError, NotFound, Rejected
from connectors.kubernetes.arguments import LogScope, NodeScope, PodScope, Scope
from connectors.kubernetes.cluster import limit_range_item, node_item, quota_item
from connectors.kubernetes.identity import service_of, workload_of
from connectors.kubernetes.logs import fold_lines, parse
from connectors.kubernetes.objects import (
    condition,
    cronjob_item,
    daemonset_item,
    deployment_item,
    hpa_item,
    job_item,
    pod_item,
    statefulset_item,
)
from connectors.kubernetes.podspec import containers_of
from connectors.kubernetes.reader import Reader
from connectors.kubernetes.reading import mapping, name_of, namespace_of, number, objects, stamp, text
from connectors.kubernetes.storage import storage_items
from connectors.kubernetes.tools_base import Tools, items_of, of_services
from connectors.model import EvidenceKind, Item, JsonObject, TimeWindow

_MOST_PODS = 6
_MOST_CONTAINERS = 4
_SIDECARS = frozenset({"istio-proxy", "linkerd-proxy"})


class StateTools(Tools):
    """How things stand now."""

    @tool("Workloads with the state of their rollout, revision, image and autoscaler.", returns=[EvidenceKind.OBJECTS])
    async def list_workloads(self, arguments: Scope, ask: Ask) -> Answer:
        reader = await self.reader(ask.limits)
        found = await reader.gather(
            "deployments",
            "replicasets",
            "statefulsets",
            "daemonsets",
            "jobs",
            "cronjobs",
            "horizontalpodautoscalers",
            namespace=arguments.namespace,
        )
        chosen = {plural: of_services(entries or (), arguments.services) for plural, entries in found.items()}
        sets = found["replicasets"] or []
        items = [deployment_item(entry, sets) for entry in chosen["deployments"]]
        items += items_of(chosen["statefulsets"], statefulset_item)
        items += items_of(chosen["daemonsets"], daemonset_item)
        items += items_of(chosen["jobs"], job_item)
        items += items_of(chosen["cronjobs"], cronjob_item)
        items += _autoscalers(found["horizontalpodautoscalers"] or [], arguments.services, items)
        return self.objects(items, reader, namespace=arguments.namespace)

    @tool("Pods with container states, last exits, probes, resources and placement.", returns=[EvidenceKind.OBJECTS])
    async def list_pods(self, arguments: PodScope, ask: Ask) -> Answer:
        reader = await self.reader(ask.limits)
        pods = of_services(await reader.listing("pods", namespace=arguments.namespace), arguments.services)
        now = ask.clock.now()
        pods.sort(key=_health_rank)
        items = [pod_item(pod, now) for pod in pods]
        if arguments.unhealthy_only:
            items = [entry for entry in items if _unhealthy(entry)]
        return self.objects(items, reader, namespace=arguments.namespace)

    @tool("Nodes with readiness, pressures, taints, versions and room.", returns=[EvidenceKind.OBJECTS])
    async def list_nodes(self, arguments: NodeScope, ask: Ask) -> Answer:
        reader = await self.reader(ask.limits)
        wanted = ("nodes", "pods") if arguments.with_requests else ("nodes",)
        found = await reader.gather(*wanted)
        now = ask.clock.now()
        items = [node_item(node, now, found.get("pods")) for node in found["nodes"] or ()]
        return self.objects(items, reader)

    @tool("Resource quotas with what is used of them, and limit ranges.", returns=[EvidenceKind.OBJECTS])
    async def list_quotas(self, arguments: Scope, ask: Ask) -> Answer:
        reader = await self.reader(ask.limits)
        found = await reader.gather("resourcequotas", "limitranges", namespace=arguments.namespace)
        items = items_of(found["resourcequotas"], quota_item) + items_of(found["limitranges"], limit_range_item)
        return self.objects(items, reader, namespace=arguments.namespace)

    @tool("Volume claims with why they wait, volumes and storage classes.", returns=[EvidenceKind.OBJECTS])
    async def list_storage(self, arguments: Scope, ask: Ask) -> Answer:
        reader = await self.reader(ask.limits)
        found = await reader.gather(
            "persistentvolumeclaims", "persistentvolumes", "storageclasses", "pods", namespace=arguments.namespace
        )
        items = storage_items(
            found["persistentvolumeclaims"] or [],
            found["persistentvolumes"] or [],
            found["storageclasses"] or [],
            found["pods"] or [],
        )
        return self.objects(items, reader, namespace=arguments.namespace)

    @tool("Log lines of a pod, or of the least healthy pods of services, folded.", returns=[EvidenceKind.LOGS])
    async def get_logs(self, arguments: LogScope, ask: Ask) -> Answer:
        reader = await self.reader(ask.limits)
        pods = await reader.listing("pods", namespace=arguments.namespace, field_selector=_by_name(arguments.pod))
        chosen = _pods_to_read(pods, arguments)
        if arguments.pod and not chosen:
            raise NotFound(f"{self.name} has no pod {arguments.pod!r} here.")
        since_s = None
        if ask.window and not arguments.previous:
            since_s = max(1, int((ask.clock.now() - ask.window.before().start) / timedelta(seconds=1)))
        wishes = [(pod, name) for pod in chosen for name in _containers_to_read(pod, arguments)]
        most = max(10_000, ask.limits.max_bytes // max(1, len(wishes)))
        bodies = await asyncio.gather(
            *(_lines(reader, pod, name, arguments, since_s=since_s, most=most) for pod, name in wishes)
        )
        lines = [line for found in bodies for line in found]
        cut_short = any(len(found) >= arguments.tail for found in bodies)
        covered = not cut_short and all(_ran_before(pod, name, ask.window) for pod, name in wishes)
        payload = fold_lines(lines, window=ask.window, covered=covered, level=arguments.level)
        cut = [f"only the last {arguments.tail:,} lines of each container were read"] if cut_short else []
        return self.answer(payload, reader, namespace=arguments.namespace, window=ask.window, notes=cut)


def _autoscalers(found: list[JsonObject], services: list[str], items: list[Item]) -> list[Item]:
    scalers = [hpa_item(entry) for entry in found]
    by_target = {f"{entry.api_kind}/{entry.name}": entry.fields.get("service") for entry in items}
    known = [
        entry.model_copy(update={"fields": entry.fields | {"service": by_target[str(entry.fields.get("target"))]}})
        for entry in scalers
        if str(entry.fields.get("target")) in by_target
    ]
    return known if services else known + [e for e in scalers if str(e.fields.get("target")) not in by_target]


def _health_rank(pod: JsonObject) -> tuple[bool, int, str]:
    """Pods that are not ready first, then those that restarted most."""
    restarts = sum(number(entry, "restartCount") or 0 for entry in objects(pod, "status", "containerStatuses"))
    return text(condition(pod, "Ready"), "status") == "True", -restarts, name_of(pod)


def _unhealthy(pod: Item) -> bool:
    done = pod.fields.get("phase") == "Succeeded"
    return not done and (not pod.fields.get("ready") or bool(pod.fields.get("restarts")))


def _by_name(pod: str) -> str:
    return f"metadata.name={pod}" if pod else ""


def _pods_to_read(pods: list[JsonObject], arguments: LogScope) -> list[JsonObject]:
    if arguments.pod:
        return [pod for pod in pods if name_of(pod) == arguments.pod][:1]
    if not arguments.services:
        raise Rejected("Name a pod or some services to read logs of.")
    chosen: list[JsonObject] = []
    seen: dict[str, int] = {}
    for pod in sorted(of_services(pods, arguments.services), key=_health_rank):
        workload = "/".join(workload_of(pod))
        seen[workload] = seen.get(workload, 0) + 1
        if seen[workload] <= 2:
            chosen.append(pod)
    return chosen[:_MOST_PODS]


def _containers_to_read(pod: JsonObject, arguments: LogScope) -> list[str]:
    if arguments.container:
        return [arguments.container]
    names = [text(c, "name") or "" for c, init in containers_of(mapping(pod, "spec")) if not init]
    return [name for name in names if name not in _SIDECARS][:_MOST_CONTAINERS] or names[:1]


def _ran_before(pod: JsonObject, container: str, window: TimeWindow | None) -> bool:
    """Whether this run of a container is old enough for its log to tell of the whole span before the window."""
    for status in objects(pod, "status", "containerStatuses"):
        if text(status, "name") == container and window is not None:
            started = stamp(text(status, "state", "running", "startedAt"))
            return started is not None and started <= window.before().start
    return False


async def _lines(
    reader: Reader, pod: JsonObject, container: str, arguments: LogScope, *, since_s: int | None, most: int
) -> list[LogLine]:
    """Lines of one container; one that has no log yet, or no earlier run, is a note and not a failure."""
    try:
        body = await reader.log(
            name_of(pod),
            namespace_of(pod) or "default",
            container=container,
            previous=arguments.previous,
            tail=arguments.tail,
            since_s=since_s,
            most=most,
        )
    except (Rejected, NotFound) as error:
        reader.notes.append(f"no log of {name_of(pod)}/{container}: {_plain(error)}")
        return []
    return parse(body, service=service_of(pod))


def _plain(error: ConnectorError) -> str:
    return str(error).rstrip(".")

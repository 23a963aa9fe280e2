"""The guarded question in kubectl's words: judged, mapped to our own reads, never executed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from connectors._guarded import guarded
from connectors.base import Answer, Ask, tool
from connectors.errors import Rejected
from connectors.kubernetes.arguments import LogScope, QueryArguments
from connectors.kubernetes.cluster import (
    configmap_item,
    limit_range_item,
    namespace_item,
    node_item,
    policy_item,
    quota_item,
)
from connectors.kubernetes.command import Reading, reading_of
from connectors.kubernetes.objects import (
    cronjob_item,
    daemonset_item,
    deployment_item,
    event_item,
    hpa_item,
    item,
    job_item,
    pod_item,
    replicaset_item,
    statefulset_item,
)
from connectors.kubernetes.reader import Reader
from connectors.kubernetes.reading import labels_of, name_of
from connectors.kubernetes.services import service_item
from connectors.kubernetes.storage import claim_item, class_item, volume_item
from connectors.kubernetes.tools_state import StateTools
from connectors.model import EvidenceKind, Item, JsonObject


class QueryTools(StateTools):
    """Free questions."""

    @tool(
        "One kubectl get, describe, events or logs line, or GET /path, after the guard.",
        returns=[EvidenceKind.OBJECTS, EvidenceKind.LOGS],
    )
    async def run_query(self, arguments: QueryArguments, ask: Ask) -> Answer:
        judged = guarded(arguments.command, dialect="kubernetes")
        reading = reading_of(judged.text)
        scope = _checked_scope(reading)
        if reading.log:
            return await self.get_logs(scope, ask)
        reader = await self.reader(ask.limits)
        items: list[Item] = []
        for plural in reading.plurals:
            found = await _listed(reader, plural, reading)
            items += [_item(plural, entry, ask.clock.now()) for entry in found]
        return self.objects(items, reader, namespace=reading.namespace)


def _checked_scope(reading: Reading) -> LogScope:
    """Names through the same types as everywhere, so that none can leave the path it is put into."""
    pod = reading.names[0] if reading.names and reading.log else ""
    try:
        return LogScope(
            namespace=reading.namespace,
            pod=pod,
            container=reading.container,
            previous=reading.previous,
            tail=reading.tail,
            services=[],
        )
    except ValueError as error:
        raise Rejected("The namespace, pod or container is not a plain name.") from error


async def _listed(reader: Reader, plural: str, reading: Reading) -> list[JsonObject]:
    one = f"metadata.name={reading.names[0]}" if len(reading.names) == 1 else ""
    fields = ",".join(part for part in (one, reading.fields) if part)
    found = await reader.listing(
        plural, namespace=reading.namespace, field_selector=fields, label_selector=reading.labels
    )
    return [entry for entry in found if not reading.names or name_of(entry) in reading.names]


_MAKERS: dict[str, Callable[[JsonObject], Item]] = {
    "deployments": deployment_item,
    "replicasets": replicaset_item,
    "statefulsets": statefulset_item,
    "daemonsets": daemonset_item,
    "jobs": job_item,
    "cronjobs": cronjob_item,
    "events": event_item,
    "horizontalpodautoscalers": hpa_item,
    "namespaces": namespace_item,
    "resourcequotas": quota_item,
    "limitranges": limit_range_item,
    "networkpolicies": policy_item,
    "configmaps": configmap_item,
    "persistentvolumeclaims": claim_item,
    "persistentvolumes": volume_item,
    "storageclasses": class_item,
}


def _item(plural: str, entry: JsonObject, now: datetime) -> Item:
    if plural == "pods":
        return pod_item(entry, now)
    if plural == "nodes":
        return node_item(entry, now)
    if plural == "services":
        return service_item(entry, None, None)
    make = _MAKERS.get(plural)
    return make(entry) if make else item(entry, {"labels": dict(labels_of(entry, "metadata", "labels"))})

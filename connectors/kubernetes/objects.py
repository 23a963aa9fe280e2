"""Raw API objects (the JSON the Kubernetes API returns) as typed items: pods, workloads, events. Pure.

Nodes, storage, services, references and changes have modules of their own; the same rules hold there: an absent field
is left out, times are text in UTC, quantities keep their own text beside a number where one is compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from datetime import datetime

from pydantic import JsonValue

from connectors.kubernetes.identity import owner_of, reference, service_of, service_of_name, workload_of
from connectors.kubernetes.podspec import container_fields, containers_of, spec_fields
from connectors.kubernetes.reading import (
    compact,
    flag,
    labels_of,
    listed,
    mapping,
    name_of,
    namespace_of,
    number,
    objects,
    stamp,
    stamp_text,
    text,
)
from connectors.model import Item, JsonObject

REVISION = "deployment.kubernetes.io/revision"
RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
CHANGE_CAUSE = "kubernetes.io/change-cause"


def item(obj: JsonObject, fields: JsonObject, *, kind: str | None = None) -> Item:
    """An Item with the identity of an API object."""
    return Item(
        api_kind=kind or text(obj, "kind") or "Object",
        name=name_of(obj),
        namespace=namespace_of(obj),
        uid=text(obj, "metadata", "uid"),
        fields=compact(fields),
    )


def conditions_of(obj: JsonObject) -> list[JsonValue]:
    """Conditions as {type, status, reason, message, at}."""
    return [
        compact(
            {
                "type": text(entry, "type"),
                "status": text(entry, "status"),
                "reason": text(entry, "reason"),
                "message": text(entry, "message"),
                "at": stamp_text(entry.get("lastTransitionTime")),
                "updated_at": stamp_text(entry.get("lastUpdateTime")),
            }
        )
        for entry in objects(obj, "status", "conditions")
    ]


def condition(obj: JsonObject, type_: str) -> JsonObject:
    """One condition by type, or an empty map."""
    return next((entry for entry in objects(obj, "status", "conditions") if text(entry, "type") == type_), {})


def pod_item(obj: JsonObject, now: datetime) -> Item:
    """A pod: where it runs, whether it is ready, and each container's spec beside its state."""
    spec, status = mapping(obj, "spec"), mapping(obj, "status")
    containers = _containers(obj)
    deleted = stamp(text(obj, "metadata", "deletionTimestamp"))
    scheduled = condition(obj, "PodScheduled")
    created = stamp(text(obj, "metadata", "creationTimestamp"))
    fields: JsonObject = {
        "phase": text(status, "phase"),
        "reason": text(status, "reason"),
        "message": text(status, "message"),
        "ready": text(condition(obj, "Ready"), "status") == "True",
        "node": text(spec, "nodeName"),
        "restarts": sum(number(entry, "restarts") or 0 for entry in containers),
        "owner": reference(owner_of(obj)),
        "workload": reference(workload_of(obj)),
        "service": service_of(obj),
        "containers": listed(containers),
        "conditions": listed(conditions_of(obj)),
        "unschedulable_message": text(scheduled, "message") if text(scheduled, "status") == "False" else None,
        "started_at": stamp_text(status.get("startTime")),
        "created_at": stamp_text(created),
        "age_s": round((now - created).total_seconds()) if created else None,
        "terminating_since": stamp_text(deleted),
        "qos": text(status, "qosClass"),
        "pod_ip": text(status, "podIP"),
        "host_ip": text(status, "hostIP"),
        "labels": dict(labels_of(obj, "metadata", "labels")),
        "spec": spec_fields(spec),
    }
    return item(obj, fields, kind="Pod").model_copy(update={"fields": _with_zeroes(compact(fields))})


def _with_zeroes(fields: JsonObject) -> JsonObject:
    fields.setdefault("restarts", 0)
    fields.setdefault("containers", [])
    return fields


def _containers(obj: JsonObject) -> list[JsonObject]:
    states = {
        text(entry, "name"): entry
        for key in ("containerStatuses", "initContainerStatuses")
        for entry in objects(obj, "status", key)
    }
    found: list[JsonObject] = []
    for container, init in containers_of(mapping(obj, "spec")):
        state = states.get(text(container, "name"), {})
        found.append(container_fields(container, init=init) | _state(state))
    return found


def _state(status: JsonObject) -> JsonObject:
    """Vocabulary fields of a container's present and last state; empty when the kubelet has not reported it."""
    if not status:
        return {}
    now_in = next(iter(mapping(status, "state")), None)
    state, last = mapping(status, "state", now_in or ""), mapping(status, "lastState", "terminated")
    return compact(
        {
            "ready": flag(status, "ready"),
            "started": flag(status, "started"),
            "restarts": number(status, "restartCount"),
            "image_id": text(status, "imageID"),
            "state": now_in,
            "reason": text(state, "reason"),
            "message": text(state, "message"),
            "exit_code": number(state, "exitCode"),
            "signal": number(state, "signal"),
            "started_at": stamp_text(state.get("startedAt")),
            "finished_at": stamp_text(state.get("finishedAt")),
            "last_reason": text(last, "reason"),
            "last_message": text(last, "message"),
            "last_exit_code": number(last, "exitCode"),
            "last_signal": number(last, "signal"),
            "last_started_at": stamp_text(last.get("startedAt")),
            "last_finished_at": stamp_text(last.get("finishedAt")),
        }
    )


def template_fields(template: JsonObject) -> JsonObject:
    """A pod template: its containers and what its spec asks of the cluster."""
    spec = mapping(template, "spec")
    return compact(
        {
            "labels": dict(labels_of(template, "metadata", "labels")),
            "containers": listed(container_fields(c, init=init) for c, init in containers_of(spec)),
            "spec": spec_fields(spec),
            "restarted_at": labels_of(template, "metadata", "annotations").get(RESTARTED_AT),
        }
    )


def images_of(obj: JsonObject) -> dict[str, str]:
    """Image by container name of a workload's template."""
    containers = objects(obj, "spec", "template", "spec", "containers")
    return {text(entry, "name") or "": text(entry, "image") or "" for entry in containers}


def _main_image(images: Mapping[str, str]) -> str | None:
    return next(iter(images.values()), None)


def revision_of(obj: JsonObject) -> int | None:
    value = labels_of(obj, "metadata", "annotations").get(REVISION, "")
    return int(value) if value.isdigit() else None


def deployment_item(obj: JsonObject, replicasets: Iterable[JsonObject] = ()) -> Item:
    """A Deployment with the state of its rollout; its ReplicaSets tell the previous revision and image."""
    spec, status = mapping(obj, "spec"), mapping(obj, "status")
    revision = revision_of(obj)
    previous = _previous(obj, replicasets, revision)
    rolling = mapping(spec, "strategy", "rollingUpdate")
    fields = _workload_fields(obj) | {
        "desired": _desired(spec),
        "ready": number(status, "readyReplicas") or 0,
        "available": number(status, "availableReplicas") or 0,
        "updated": number(status, "updatedReplicas") or 0,
        "unavailable": number(status, "unavailableReplicas") or 0,
        "revision": revision,
        "previous_revision": revision_of(previous) if previous else None,
        "previous_image": _main_image(images_of(previous)) if previous else None,
        "paused": flag(spec, "paused") or False,
        "strategy": text(spec, "strategy", "type"),
        "max_surge": rolling.get("maxSurge"),
        "max_unavailable": rolling.get("maxUnavailable"),
        "min_ready_s": number(spec, "minReadySeconds"),
        "progress_deadline_s": number(spec, "progressDeadlineSeconds"),
        "rollout": rollout_state(obj),
        "change_cause": labels_of(obj, "metadata", "annotations").get(CHANGE_CAUSE),
    }
    return item(obj, fields, kind="Deployment")


def _desired(spec: JsonObject) -> int:
    replicas = number(spec, "replicas")
    return 1 if replicas is None else replicas


def _previous(obj: JsonObject, replicasets: Iterable[JsonObject], revision: int | None) -> JsonObject | None:
    mine = [rs for rs in replicasets if owner_of(rs) == ("Deployment", name_of(obj)) and _same_namespace(rs, obj)]
    older = [rs for rs in mine if (revision_of(rs) or 0) < (revision or 0)]
    return max(older, key=lambda rs: revision_of(rs) or 0, default=None)


def _same_namespace(one: JsonObject, other: JsonObject) -> bool:
    return namespace_of(one) == namespace_of(other)


def rollout_state(obj: JsonObject) -> str:
    """complete, progressing, failed, paused, scaled_to_zero or unavailable, as `kubectl rollout status` would judge."""
    spec, status = mapping(obj, "spec"), mapping(obj, "status")
    desired = _desired(spec)
    if flag(spec, "paused"):
        return "paused"
    if text(condition(obj, "Progressing"), "reason") == "ProgressDeadlineExceeded":
        return "failed"
    observed, generation = number(status, "observedGeneration"), number(obj, "metadata", "generation")
    if observed is not None and generation is not None and observed < generation:
        return "progressing"
    if desired == 0:
        return "scaled_to_zero"
    updated, total = number(status, "updatedReplicas") or 0, number(status, "replicas") or 0
    if updated < desired or total > updated:
        return "progressing"
    return "complete" if (number(status, "availableReplicas") or 0) >= desired else "unavailable"


def _workload_fields(obj: JsonObject) -> JsonObject:
    images = images_of(obj)
    return {
        "service": service_of(obj),
        "owner": reference(owner_of(obj)),
        "image": _main_image(images),
        "images": dict(images),
        "selector": mapping(obj, "spec", "selector"),
        "labels": dict(labels_of(obj, "metadata", "labels")),
        "conditions": listed(conditions_of(obj)),
        "template": template_fields(mapping(obj, "spec", "template")),
        "created_at": stamp_text(text(obj, "metadata", "creationTimestamp")),
    }


def replicaset_item(obj: JsonObject) -> Item:
    status = mapping(obj, "status")
    fields = _workload_fields(obj) | {
        "desired": _desired(mapping(obj, "spec")),
        "ready": number(status, "readyReplicas") or 0,
        "available": number(status, "availableReplicas") or 0,
        "revision": revision_of(obj),
    }
    return item(obj, fields, kind="ReplicaSet")


def statefulset_item(obj: JsonObject) -> Item:
    spec, status = mapping(obj, "spec"), mapping(obj, "status")
    current, update = text(status, "currentRevision"), text(status, "updateRevision")
    fields = _workload_fields(obj) | {
        "desired": _desired(spec),
        "ready": number(status, "readyReplicas") or 0,
        "available": number(status, "availableReplicas") or 0,
        "updated": number(status, "updatedReplicas") or 0,
        "revision": update,
        "previous_revision": current if current != update else None,
        "strategy": text(spec, "updateStrategy", "type"),
        "partition": number(spec, "updateStrategy", "rollingUpdate", "partition"),
        "headless_service": text(spec, "serviceName"),
        "claim_templates": listed(name_of(entry) for entry in objects(spec, "volumeClaimTemplates")),
    }
    return item(obj, fields, kind="StatefulSet")


def daemonset_item(obj: JsonObject) -> Item:
    spec, status = mapping(obj, "spec"), mapping(obj, "status")
    fields = _workload_fields(obj) | {
        "desired": number(status, "desiredNumberScheduled") or 0,
        "ready": number(status, "numberReady") or 0,
        "available": number(status, "numberAvailable") or 0,
        "updated": number(status, "updatedNumberScheduled") or 0,
        "misscheduled": number(status, "numberMisscheduled") or 0,
        "strategy": text(spec, "updateStrategy", "type"),
    }
    return item(obj, fields, kind="DaemonSet")


def job_item(obj: JsonObject) -> Item:
    spec, status = mapping(obj, "spec"), mapping(obj, "status")
    fields = _workload_fields(obj) | {
        "active": number(status, "active") or 0,
        "succeeded": number(status, "succeeded") or 0,
        "failed": number(status, "failed") or 0,
        "completions": number(spec, "completions"),
        "backoff_limit": number(spec, "backoffLimit"),
        "suspended": flag(spec, "suspend"),
        "started_at": stamp_text(status.get("startTime")),
        "completed_at": stamp_text(status.get("completionTime")),
    }
    return item(obj, fields, kind="Job")


def cronjob_item(obj: JsonObject) -> Item:
    spec, status = mapping(obj, "spec"), mapping(obj, "status")
    fields: JsonObject = {
        "service": service_of(obj),
        "schedule": text(spec, "schedule"),
        "suspended": flag(spec, "suspend"),
        "active": len(objects(status, "active")),
        "last_scheduled_at": stamp_text(status.get("lastScheduleTime")),
        "last_succeeded_at": stamp_text(status.get("lastSuccessfulTime")),
    }
    return item(obj, fields, kind="CronJob")


def event_item(
    obj: JsonObject, existing: Set[tuple[str, str]] | None = None, *, services: Mapping[str, str] | None = None
) -> Item:
    """An event, with whether the object it speaks of is gone.

    `existing` holds (kind, name) of what is there now, None when that is not known; `services` maps `Kind/name` to a
    service. Takes events of core/v1 and of events.k8s.io/v1.
    """
    involved = mapping(obj, "involvedObject") or mapping(obj, "regarding")
    kind, name = text(involved, "kind") or "", text(involved, "name") or ""
    series = mapping(obj, "series")
    first = text(obj, "firstTimestamp") or text(obj, "deprecatedFirstTimestamp") or text(obj, "eventTime")
    last = text(series, "lastObservedTime") or text(obj, "lastTimestamp") or text(obj, "deprecatedLastTimestamp")
    created = text(obj, "metadata", "creationTimestamp")
    count = number(series, "count") or number(obj, "count") or number(obj, "deprecatedCount") or 1
    fields: JsonObject = {
        "type": text(obj, "type"),
        "reason": text(obj, "reason"),
        "message": text(obj, "message") or text(obj, "note"),
        "count": count,
        "first_at": stamp_text(first or created),
        "last_at": stamp_text(last or first or created),
        "involved_kind": kind,
        "involved_name": name,
        "involved_container": text(involved, "fieldPath"),
        "vanished": (kind, name) not in existing if existing is not None else None,
        "service": (services or {}).get(f"{kind}/{name}") or service_of_name(kind, name),
        "component": text(obj, "source", "component") or text(obj, "reportingComponent"),
        "node": text(obj, "source", "host"),
    }
    return item(obj, fields, kind="Event")


def hpa_item(obj: JsonObject) -> Item:
    """A HorizontalPodAutoscaler of autoscaling/v2."""
    spec, status = mapping(obj, "spec"), mapping(obj, "status")
    target = text(spec, "scaleTargetRef", "kind") or "", text(spec, "scaleTargetRef", "name") or ""
    current, most = number(status, "currentReplicas"), number(spec, "maxReplicas")
    fields: JsonObject = {
        "target": reference(target),
        "service": service_of_name(*target),
        "min": number(spec, "minReplicas") or 1,
        "max": most,
        "current": current,
        "desired": number(status, "desiredReplicas"),
        "at_limit": current is not None and most is not None and current >= most,
        "metrics": listed(objects(spec, "metrics")),
        "current_metrics": listed(objects(status, "currentMetrics")),
        "conditions": listed(conditions_of(obj)),
        "last_scaled_at": stamp_text(status.get("lastScaleTime")),
    }
    return item(obj, fields, kind="HorizontalPodAutoscaler")

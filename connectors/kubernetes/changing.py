"""What each write edits, judged against the object as it is. Pure but for the rollback, which reads revisions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

from connectors.errors import Rejected
from connectors.kubernetes.identity import owner_of
from connectors.kubernetes.objects import RESTARTED_AT, condition, revision_of
from connectors.kubernetes.reading import at, flag, mapping, name_of, number, objects, stamp_text, text
from connectors.kubernetes.writer import Edit, Place, Writer, template_of
from connectors.model import JsonObject
from connectors.redaction import redact_text

CHANGE_CAUSE = ("metadata", "annotations", "kubernetes.io/change-cause")
_PLURALS = {"Deployment": "deployments", "StatefulSet": "statefulsets", "DaemonSet": "daemonsets"}
_PLACES = {
    "cordon_node": "nodes",
    "uncordon_node": "nodes",
    "delete_pod": "pods",
    "set_config_key": "configmaps",
    "set_autoscaler_bounds": "horizontalpodautoscalers",
}
# A change of size beyond this factor is more likely a slip than a wish.
_MOST_GROWTH = 5
_LONGEST_REASON = 300


class Changing(NamedTuple):
    """The object to change, and what judging the change needs."""

    obj: JsonObject
    writer: Writer
    now: datetime
    most_replicas: int


def place_for(tool: str, arguments: Any) -> Place:
    """Which object a write is about."""
    plural = _PLACES.get(tool) or _PLURALS[getattr(arguments, "kind", "Deployment")]
    return Place(plural, getattr(arguments, "namespace", ""), arguments.name)


async def edits_for(tool: str, arguments: Any, context: Changing) -> list[Edit]:
    """The fields that change. Rejected when the change makes no sense for this object as it is."""
    if tool == "delete_pod":
        _owned(context.obj)
        return []
    return await _EDITS[tool](arguments, context)


def _owned(pod: JsonObject) -> None:
    if owner_of(pod) is None:
        raise Rejected("No workload owns this pod, so nothing would make another one. It is not deleted from here.")


async def _rollback(arguments: Any, context: Changing) -> list[Edit]:
    obj = context.obj
    if flag(obj, "spec", "paused"):
        raise Rejected(f"The rollout of {name_of(obj)} is paused. Resume it first.")
    if revision_of(obj) == arguments.to_revision:
        raise Rejected(f"{name_of(obj)} runs revision {arguments.to_revision} already.")
    sets = await context.writer.list_of("replicasets", arguments.namespace)
    uid = text(obj, "metadata", "uid")
    mine = [rs for rs in sets if any(text(o, "uid") == uid for o in objects(rs, "metadata", "ownerReferences"))]
    wanted = next((rs for rs in mine if revision_of(rs) == arguments.to_revision), None)
    if wanted is None:
        kept = ", ".join(str(n) for n in sorted(revision_of(rs) or 0 for rs in mine)) or "none"
        raise Rejected(f"Revision {arguments.to_revision} of {name_of(obj)} is not kept any more. Kept: {kept}.")
    cause = f"rolled back to revision {arguments.to_revision} by Inquest"
    return [Edit(("spec", "template"), template_of(wanted)), Edit(CHANGE_CAUSE, cause)]


async def _restart(_: Any, context: Changing) -> list[Edit]:
    if flag(context.obj, "spec", "paused"):
        raise Rejected(f"The rollout of {name_of(context.obj)} is paused. Resume it first.")
    return [Edit(("spec", "template", "metadata", "annotations", RESTARTED_AT), stamp_text(context.now))]


async def _scale(arguments: Any, context: Changing) -> list[Edit]:
    now = number(context.obj, "spec", "replicas")
    now = 1 if now is None else now
    if arguments.replicas == now:
        raise Rejected(f"{name_of(context.obj)} has {now} replicas already.")
    if arguments.replicas > context.most_replicas:
        raise Rejected(f"{arguments.replicas} replicas are more than the {context.most_replicas} allowed here.")
    if arguments.replicas > max(now, 2) * _MOST_GROWTH:
        raise Rejected(f"From {now} to {arguments.replicas} replicas is more than {_MOST_GROWTH} times as many.")
    return [Edit(("spec", "replicas"), arguments.replicas)]


def _cordon(closed: bool) -> Callable[[Any, Changing], Awaitable[list[Edit]]]:
    async def make(_: Any, context: Changing) -> list[Edit]:
        if bool(flag(context.obj, "spec", "unschedulable")) is closed:
            raise Rejected(f"Node {name_of(context.obj)} is {'cordoned' if closed else 'open'} already.")
        return [Edit(("spec", "unschedulable"), True if closed else None)]

    return make


async def _environment(arguments: Any, context: Changing) -> list[Edit]:
    containers = objects(context.obj, "spec", "template", "spec", "containers")
    index = next((i for i, c in enumerate(containers) if text(c, "name") == arguments.container), None)
    if index is None:
        raise Rejected(f"{name_of(context.obj)} has no container {arguments.container}.")
    path = ("spec", "template", "spec", "containers", str(index), "env")
    entries = objects(containers[index], "env")
    position = next((i for i, e in enumerate(entries) if text(e, "name") == arguments.key), None)
    if position is None:
        raise Rejected(f"Container {arguments.container} has no variable {arguments.key}; only existing ones are set.")
    if "valueFrom" in entries[position]:
        raise Rejected(f"{arguments.key} comes from elsewhere (valueFrom). Change it there.")
    if text(entries[position], "value") == arguments.value:
        raise Rejected(f"{arguments.key} has this value already.")
    return [Edit((*path, str(position), "value"), arguments.value)]


async def _config_key(arguments: Any, context: Changing) -> list[Edit]:
    if flag(context.obj, "immutable"):
        raise Rejected(f"ConfigMap {name_of(context.obj)} is immutable.")
    held = mapping(context.obj, "data")
    if arguments.key not in held:
        raise Rejected(f"ConfigMap {name_of(context.obj)} has no key {arguments.key}; only existing ones are set.")
    if held[arguments.key] == arguments.value:
        raise Rejected(f"{arguments.key} has this value already.")
    return [Edit(("data", arguments.key), arguments.value)]


def _pause(paused: bool) -> Callable[[Any, Changing], Awaitable[list[Edit]]]:
    async def make(_: Any, context: Changing) -> list[Edit]:
        if bool(flag(context.obj, "spec", "paused")) is paused:
            raise Rejected(f"The rollout of {name_of(context.obj)} is {'paused' if paused else 'not paused'} already.")
        return [Edit(("spec", "paused"), True if paused else None)]

    return make


async def _autoscaler(arguments: Any, context: Changing) -> list[Edit]:
    if arguments.max_replicas > context.most_replicas:
        raise Rejected(f"{arguments.max_replicas} replicas are more than the {context.most_replicas} allowed here.")
    wanted = (("minReplicas", arguments.min_replicas), ("maxReplicas", arguments.max_replicas))
    edits = [Edit(("spec", key), value) for key, value in wanted if number(context.obj, "spec", key) != value]
    if not edits:
        raise Rejected(f"Autoscaler {name_of(context.obj)} has these bounds already.")
    return edits


_EDITS: dict[str, Callable[[Any, Changing], Awaitable[list[Edit]]]] = {
    "rollback_workload": _rollback,
    "restart_workload": _restart,
    "scale_workload": _scale,
    "cordon_node": _cordon(closed=True),
    "uncordon_node": _cordon(closed=False),
    "set_environment": _environment,
    "set_config_key": _config_key,
    "pause_rollout": _pause(paused=True),
    "resume_rollout": _pause(paused=False),
    "set_autoscaler_bounds": _autoscaler,
}
_REPLACES_PODS = frozenset({"rollback_workload", "restart_workload", "set_environment"})


def warnings_for(tool: str, arguments: Any, obj: JsonObject) -> Iterator[str]:
    """What a careful engineer would say before saying yes."""
    if tool in _REPLACES_PODS:
        count = number(obj, "spec", "replicas")
        how = text(obj, "spec", "strategy", "type") or "RollingUpdate"
        pods = "All pods are" if count is None else f"{count} pods are" if count != 1 else "1 pod is"
        yield f"{pods} replaced {'at once (Recreate)' if how == 'Recreate' else 'one after another'}."
    if tool == "scale_workload" and arguments.replicas < (number(obj, "spec", "replicas") or 1):
        yield "This takes capacity away."
    if tool == "set_config_key":
        yield "Pods read it again only when they are restarted, unless they watch the file."
    if tool == "cordon_node":
        yield "Pods that run there stay; new ones go elsewhere."


def settled_words(obj: JsonObject, plural: str) -> tuple[bool, str]:
    """Whether what was asked for is fully carried out, and how far it is."""
    if plural not in ("deployments", "statefulsets", "daemonsets"):
        return True, "done"
    wanted = number(obj, "spec", "replicas")
    wanted = number(obj, "status", "desiredNumberScheduled") or 0 if plural == "daemonsets" else (wanted or 0)
    key = "updatedNumberScheduled" if plural == "daemonsets" else "updatedReplicas"
    updated = number(obj, "status", key) or 0
    ready = number(obj, "status", "numberReady" if plural == "daemonsets" else "readyReplicas") or 0
    seen = (number(obj, "status", "observedGeneration") or 0) >= (number(obj, "metadata", "generation") or 0)
    total = number(obj, "status", "replicas")
    done = seen and updated >= wanted and ready >= wanted and (total is None or total <= wanted)
    stuck = text(condition(obj, "Progressing"), "reason") == "ProgressDeadlineExceeded"
    words = f"{updated} of {wanted} pods updated, {ready} ready" + ("; the rollout is stuck" if stuck else "")
    if text(condition(obj, "ReplicaFailure"), "status") == "True":
        # A quota, a policy or a webhook: the Deployment was changed and its pods are refused.
        said = redact_text(text(condition(obj, "ReplicaFailure"), "message") or "no reason given")
        return False, f"{words}; new pods are refused: {said[:_LONGEST_REASON]}"
    if flag(obj, "spec", "paused") and at(obj, "spec", "paused"):
        return True, words + "; paused"
    return done, words

"""What changed and when: rollouts, restarts, scaling, edited configuration, cordoned nodes. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from connectors.kubernetes.identity import owner_of, service_of
from connectors.kubernetes.objects import CHANGE_CAUSE, RESTARTED_AT, images_of, revision_of
from connectors.kubernetes.podspec import container_fields, containers_of, spec_fields
from connectors.kubernetes.reading import flag, labels_of, mapping, name_of, namespace_of, objects, stamp, text
from connectors.model import Change, ChangeKind, JsonObject

_SCALED = re.compile(
    r"^Scaled (?P<way>up|down) replica set (?P<rs>\S+) (?:from (?P<past>\d+) )?to (?P<to>\d+)(?: from (?P<before>\d+))?"
)
_RESCALED = re.compile(r"^New size: (?P<to>\d+); reason: (?P<why>.*)$", re.DOTALL)
_HISTORY = "deployment.kubernetes.io/revision-history"
# Fields the control plane writes by itself: their editors are no change of a person or a pipeline.
_MACHINES = frozenset({"kube-controller-manager", "kube-scheduler", "kubelet", "kube-apiserver"})


def change_items(
    deployments: Sequence[JsonObject],
    replicasets: Sequence[JsonObject],
    *,
    events: Sequence[JsonObject] = (),
    config_maps: Sequence[JsonObject] = (),
    nodes: Sequence[JsonObject] = (),
    others: Sequence[JsonObject] = (),
) -> list[Change]:
    """All changes that these objects remember, newest first.

    `others` are StatefulSets and DaemonSets, whose last edit is known but not what it changed.
    """
    found = [
        *(change for entry in deployments for change in rollouts(entry, replicasets, events)),
        *scalings(deployments, replicasets, events),
        *config_edits(config_maps, [*deployments, *others]),
        *(change for entry in others for change in edits(entry)),
        *(change for node in nodes for change in cordons(node)),
    ]
    return sorted(found, key=lambda change: change.at, reverse=True)


def rollouts(deployment: JsonObject, replicasets: Sequence[JsonObject], events: Sequence[JsonObject]) -> list[Change]:
    """One change for each revision that the ReplicaSets still remember, with what it changed."""
    mine = [rs for rs in replicasets if _belongs(rs, deployment)]
    mine.sort(key=lambda rs: revision_of(rs) or 0)
    found: list[Change] = []
    for index, current in enumerate(mine):
        before = mine[index - 1] if index else None
        at = live_at(current, before, events)
        if at is not None:
            found.append(_rollout(deployment, current, before, at))
    return found


def _belongs(replicaset: JsonObject, deployment: JsonObject) -> bool:
    same = namespace_of(replicaset) == namespace_of(deployment)
    return same and owner_of(replicaset) == ("Deployment", name_of(deployment))


def live_at(current: JsonObject, before: JsonObject | None, events: Sequence[JsonObject]) -> datetime | None:
    """When a revision went live: when its ReplicaSet was made or, for a reused one (a rollback), scaled up again."""
    made = stamp(text(current, "metadata", "creationTimestamp"))
    before_made = stamp(text(before, "metadata", "creationTimestamp")) if before else None
    reused = labels_of(current, "metadata", "annotations").get(_HISTORY)
    if not reused and not (made and before_made and before_made > made):
        return made
    scaled = [
        moment
        for event in events
        if (found := _SCALED.match(text(event, "message") or ""))
        and found["rs"] == name_of(current)
        and found["way"] == "up"
        and (moment := _event_time(event))
    ]
    return max(scaled, default=before_made or made)


def _event_time(event: JsonObject) -> datetime | None:
    last = text(event, "series", "lastObservedTime") or text(event, "lastTimestamp") or text(event, "eventTime")
    return stamp(last or text(event, "metadata", "creationTimestamp"))


def _rollout(deployment: JsonObject, current: JsonObject, before: JsonObject | None, at: datetime) -> Change:
    differences = template_differences(before, current) if before else ["first revision"]
    restarted = before is not None and differences == ["restarted"]
    revision = revision_of(current)
    images = ", ".join(sorted(set(images_of(current).values())))
    cause = labels_of(current, "metadata", "annotations").get(CHANGE_CAUSE)
    going_back = " (rolled back)" if labels_of(current, "metadata", "annotations").get(_HISTORY) else ""
    words = "restarted by a person or a pipeline" if restarted else "; ".join(differences) or "template edited"
    what = f"revision {revision}{going_back}: {words}" + (f" ({cause})" if cause else "")
    kind: ChangeKind = "restart" if restarted else _kind(differences)
    by = _editor(deployment) if revision == revision_of(deployment) else None
    return Change(at=at, service=service_of(deployment), what=what, change=kind, version=images or None, by=by)


def _kind(differences: Sequence[str]) -> ChangeKind:
    """A new image is a deployment; a template that differs otherwise is a change of configuration."""
    if any(words.startswith("image") or words == "first revision" for words in differences):
        return "deployment"
    return "config" if differences else "deployment"


def template_differences(before: JsonObject, after: JsonObject) -> list[str]:
    """What differs between two pod templates, in words; environment values only by name."""
    found: list[str] = []
    old, new = _containers(before), _containers(after)
    for name in sorted({*old, *new}):
        found += _container_differences(name, old.get(name), new.get(name))
    old_spec = spec_fields(mapping(before, "spec", "template", "spec"))
    new_spec = spec_fields(mapping(after, "spec", "template", "spec"))
    found += [f"{key} changed" for key in sorted({*old_spec, *new_spec}) if old_spec.get(key) != new_spec.get(key)]
    old_notes, new_notes = (labels_of(e, "spec", "template", "metadata", "annotations") for e in (before, after))
    changed = sorted(key for key in {*old_notes, *new_notes} if old_notes.get(key) != new_notes.get(key))
    if RESTARTED_AT in changed:
        changed.remove(RESTARTED_AT)
        found += [] if found or changed else ["restarted"]
    return found + [f"annotation {key} changed" for key in changed]


def _containers(obj: JsonObject) -> dict[str, JsonObject]:
    spec = mapping(obj, "spec", "template", "spec")
    return {text(c, "name") or "": container_fields(c, init=init) | _raw(c) for c, init in containers_of(spec)}


def _raw(container: JsonObject) -> JsonObject:
    # Masked values must still be compared, so the plain environment is kept beside what may be shown.
    return {"raw_env": {text(e, "name") or "": e for e in objects(container, "env")}}


def _container_differences(name: str, old: JsonObject | None, new: JsonObject | None) -> Iterator[str]:
    if old is None or new is None:
        yield f"container {name} {'added' if old is None else 'removed'}"
        return
    for key in sorted(({*old, *new}) - {"name", "env", "raw_env"}):
        if old.get(key) == new.get(key):
            continue
        shown = key in ("image", "limits", "requests", "command", "args")
        yield (
            f"{key} of {name}: {_short(old.get(key))} → {_short(new.get(key))}" if shown else f"{key} of {name} changed"
        )
    old_env, new_env = mapping(old, "raw_env"), mapping(new, "raw_env")
    changed = sorted(key for key in {*old_env, *new_env} if old_env.get(key) != new_env.get(key))
    if changed:
        yield f"env of {name}: " + ", ".join(changed)


def _short(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {entry}" for key, entry in sorted(value.items())) or "none"
    return str(value)[:160] if value else "none"


def scalings(
    deployments: Sequence[JsonObject], replicasets: Sequence[JsonObject], events: Sequence[JsonObject]
) -> Iterator[Change]:
    """Scaling that was no rollout: by a person (events of the Deployment) or by an autoscaler."""
    services = {name_of(entry): service_of(entry) for entry in deployments}
    born = {name_of(rs): _starts(rs, events) for rs in replicasets}
    for event in events:
        target, message = text(event, "involvedObject", "name") or "", text(event, "message") or ""
        at = _event_time(event)
        if at is None:
            continue
        if found := _RESCALED.match(message):
            words = f"autoscaler set {found['to']} replicas: {found['why'].strip()}"
            yield Change(at=at, service=services.get(target, target), what=words, change="scale", by="autoscaler")
        elif (found := _SCALED.match(message)) and not _is_rollout(found["rs"], event, born, events):
            past = found["past"] or found["before"]
            words = f"scaled {found['way']} to {found['to']} replicas" + (f" from {past}" if past else "")
            yield Change(at=at, service=services.get(target, target), what=words, change="scale")


def _starts(replicaset: JsonObject, events: Sequence[JsonObject]) -> list[datetime]:
    """When a set was made and, if a rollback used it again, when that was."""
    moments = (stamp(text(replicaset, "metadata", "creationTimestamp")), live_at(replicaset, None, events))
    return [moment for moment in moments if moment is not None]


def _is_rollout(
    replicaset: str, scaled: JsonObject, born: Mapping[str, Sequence[datetime]], events: Sequence[JsonObject]
) -> bool:
    """Whether this scaling belongs to a rollout: the set is new, or another set of the Deployment moved as well."""
    last = _event_time(scaled)
    first = stamp(text(scaled, "firstTimestamp")) or last
    if first is not None and any(abs(first - made) <= timedelta(minutes=2) for made in born.get(replicaset, ())):
        return True
    prefix = replicaset.rsplit("-", 1)[0] + "-"
    for event in events:
        found = _SCALED.match(text(event, "message") or "")
        moment = _event_time(event)
        sibling = found is not None and found["rs"] != replicaset and found["rs"].startswith(prefix)
        if sibling and moment and last and abs(moment - last) <= timedelta(minutes=10):
            return True
    return False


def config_edits(config_maps: Iterable[JsonObject], workloads: Sequence[JsonObject]) -> Iterator[Change]:
    """Edits of ConfigMaps that some workload uses, from the times the API keeps of field managers."""
    from connectors.kubernetes.references import pod_spec_of, references_of

    users: dict[tuple[str | None, str], set[str]] = {}
    for workload in workloads:
        for ref in references_of(pod_spec_of(workload)):
            if ref.kind == "ConfigMap":
                users.setdefault((namespace_of(workload), ref.name), set()).add(service_of(workload))
    for entry in config_maps:
        at, by = last_edit(entry)
        for service in sorted(users.get((namespace_of(entry), name_of(entry)), ())):
            if at is not None:
                yield Change(at=at, service=service, what=f"ConfigMap {name_of(entry)} edited", change="config", by=by)


def edits(workload: JsonObject) -> Iterator[Change]:
    """The last edit of a StatefulSet or DaemonSet by somebody other than the control plane."""
    at, by = last_edit(workload)
    at = at or stamp(text(workload, "metadata", "creationTimestamp"))
    if at is not None:
        images = ", ".join(sorted(set(images_of(workload).values())))
        what = f"{text(workload, 'kind') or 'Workload'} {name_of(workload)} edited"
        yield Change(at=at, service=service_of(workload), what=what, change="deployment", version=images or None, by=by)


def last_edit(obj: JsonObject) -> tuple[datetime | None, str | None]:
    """When and by which field manager an object was last written, status left out; else when it was made."""
    entries = [
        (moment, text(entry, "manager"))
        for entry in objects(obj, "metadata", "managedFields")
        if not text(entry, "subresource")
        and (text(entry, "manager") or "") not in _MACHINES
        and (moment := stamp(text(entry, "time")))
    ]
    created = stamp(text(obj, "metadata", "creationTimestamp"))
    return max(entries, key=lambda entry: entry[0], default=(created, None))


def _editor(deployment: JsonObject) -> str | None:
    return last_edit(deployment)[1]


def cordons(node: JsonObject) -> Iterator[Change]:
    """When a node was closed to new pods."""
    if not flag(node, "spec", "unschedulable"):
        return
    for taint in objects(node, "spec", "taints"):
        at = stamp(text(taint, "timeAdded"))
        if text(taint, "key") == "node.kubernetes.io/unschedulable" and at:
            yield Change(at=at, service=name_of(node), what=f"node {name_of(node)} cordoned", change="other")

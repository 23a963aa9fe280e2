"""Tools that tell what happened: events and changes."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from connectors.base import Answer, Ask, tool
from connectors.kubernetes.arguments import ChangeScope, EventScope
from connectors.kubernetes.changes import change_items
from connectors.kubernetes.identity import service_of
from connectors.kubernetes.objects import event_item
from connectors.kubernetes.reader import Reader
from connectors.kubernetes.reading import name_of, stamp, text
from connectors.kubernetes.tools_base import Tools
from connectors.model import Changes, EvidenceKind, Item, JsonObject, TimeWindow

# Kinds of objects that events speak of, and the listing that tells whether one still exists.
_INVOLVED = {
    "Pod": "pods",
    "ReplicaSet": "replicasets",
    "Deployment": "deployments",
    "StatefulSet": "statefulsets",
    "DaemonSet": "daemonsets",
    "Job": "jobs",
    "Node": "nodes",
    "PersistentVolumeClaim": "persistentvolumeclaims",
    "Service": "services",
}
_EVENTS_BEFORE = timedelta(hours=1)


class ChangeTools(Tools):
    """What happened."""

    @tool("Events, warnings first, with whether their object is gone.", returns=[EvidenceKind.OBJECTS])
    async def list_events(self, arguments: EventScope, ask: Ask) -> Answer:
        reader = await self.reader(ask.limits)
        selector = "type=Warning" if arguments.warnings_only else ""
        events = await reader.listing("events", namespace=arguments.namespace, field_selector=selector)
        kinds = {text(event, "involvedObject", "kind") or "" for event in events}
        present, services = await _present(reader, kinds, arguments.namespace)
        items = [_event(event, present, services) for event in events]
        items = [e for e in items if _in_time(e, ask.window) and _concerns(e, arguments.services)]
        items.sort(key=lambda e: str(e.fields.get("last_at") or ""), reverse=True)
        items.sort(key=lambda e: e.fields.get("type") != "Warning")
        return self.objects(items, reader, namespace=arguments.namespace)

    @tool(
        "Rollouts with what each changed, restarts, scaling, edited configuration, cordoned nodes.",
        returns=[EvidenceKind.CHANGES],
    )
    async def list_changes(self, arguments: ChangeScope, ask: Ask) -> Answer:
        reader = await self.reader(ask.limits)
        kinds = ("deployments", "replicasets", "statefulsets", "daemonsets", "events", "configmaps", "nodes")
        found = await reader.gather(*kinds, namespace=arguments.namespace)
        changes = change_items(
            found["deployments"] or [],
            found["replicasets"] or [],
            events=found["events"] or [],
            config_maps=found["configmaps"] or [],
            nodes=found["nodes"] or [],
            others=[*(found["statefulsets"] or ()), *(found["daemonsets"] or ())],
        )
        wanted = set(arguments.services)
        changes = [c for c in changes if not wanted or c.service in wanted]
        span = _span(ask.window, arguments.hours_before)
        if span is not None:
            changes = [change for change in changes if span.start <= change.at < span.end]
        payload = Changes(items=tuple(changes))
        return self.answer(payload, reader, namespace=arguments.namespace, window=span)


async def _present(
    reader: Reader, kinds: set[str], namespace: str
) -> tuple[dict[str, set[str] | None], dict[str, str]]:
    """Names that exist by kind (None: not readable), and the service of each."""
    wishes = {
        plural: partial(reader.listing, plural, namespace=namespace, metadata_only=True)
        for kind, plural in _INVOLVED.items()
        if kind in kinds
    }
    if not wishes:
        return {}, {}
    found = await reader.partial(wishes, required=False)
    present: dict[str, set[str] | None] = {}
    services: dict[str, str] = {}
    for kind, plural in _INVOLVED.items():
        listed = found.get(plural)
        present[kind] = None if listed is None or plural in reader.cut else {name_of(entry) for entry in listed}
        services |= {f"{kind}/{name_of(entry)}": service_of(entry) for entry in listed or ()}
    return present, services


def _event(event: JsonObject, present: dict[str, set[str] | None], services: dict[str, str]) -> Item:
    kind = text(event, "involvedObject", "kind") or ""
    names = present.get(kind)
    existing = None if names is None else {(kind, name) for name in names}
    return event_item(event, existing, services=services)


def _in_time(event: Item, window: TimeWindow | None) -> bool:
    """Events that were seen in the window or the hour before it."""
    if window is None:
        return True
    first, last = stamp(event.fields.get("first_at")), stamp(event.fields.get("last_at"))
    if first is None or last is None:
        return True
    return last >= window.start - _EVENTS_BEFORE and first < window.end


def _concerns(event: Item, services: list[str]) -> bool:
    if not services or event.fields.get("involved_kind") == "Node":
        return True
    return event.fields.get("service") in services or event.fields.get("involved_name") in services


def _span(window: TimeWindow | None, hours_before: int) -> TimeWindow | None:
    if window is None:
        return None
    return TimeWindow(start=window.start - timedelta(hours=hours_before), end=window.end)

"""Monitors, events and new versions as typed items. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

from connectors._json import iso, mapping, moment, number, text
from connectors.datadog.api import Plot, tag_map
from connectors.model import Change, ChangeKind, Item, JsonObject

_STATES = {"Alert": "firing", "Warn": "firing", "No Data": "no_data", "OK": "ok"}
_SEVERITY = {1: "critical", 2: "high", 3: "medium", 4: "low", 5: "info"}


def monitor_item(raw: JsonObject, url: str) -> Item:
    """One monitor with its present state."""
    state = text(raw, "overall_state") or "Unknown"
    tags = tag_map(raw.get("tags"))
    groups = mapping(raw, "state", "groups")
    alerting = {name: mapping(group) for name, group in groups.items() if mapping(group).get("status") in _ALERTING}
    since = [at for group in alerting.values() if (at := moment(group.get("last_triggered_ts")))]
    service = tags.get("service") or _group_service(alerting)
    labels: dict[str, Any] = {**tags}
    return Item(
        api_kind="Alert",
        name=text(raw, "name") or "unnamed",
        uid=text(raw, "id"),
        fields={
            "state": _STATES.get(state, state.lower()),
            "severity": _severity(raw, state),
            "service": service,
            "since": iso(min(since)) if since else iso(moment(raw.get("overall_state_modified"))),
            "summary": (text(raw, "message") or "")[:500] or None,
            "labels": labels,
            "value": None,
            "query": text(raw, "query"),
            "groups": sorted(alerting)[:20],
            "url": url,
        },
    )


_ALERTING = ("Alert", "Warn")


def _severity(raw: JsonObject, state: str) -> str:
    priority = number(raw.get("priority"))
    if priority is not None:
        return _SEVERITY.get(int(priority), "medium")
    return "low" if state == "Warn" else "high"


def _group_service(groups: dict[str, JsonObject]) -> str | None:
    """The service in the name of a group, such as `env:prod,service:web`."""
    for name in groups:
        tags = tag_map(list(name.split(",")))
        if "service" in tags:
            return tags["service"]
    return None


def event_item(raw: JsonObject) -> Item:
    """One event of the event stream."""
    outer = mapping(raw, "attributes")
    inner, tags = mapping(outer, "attributes"), tag_map(outer.get("tags"))
    title = text(inner, "title") or (text(outer, "message") or "").split("\n", 1)[0]
    return Item(
        api_kind="Event",
        name=title[:200] or "event",
        uid=text(raw, "id"),
        fields={
            "at": iso(event_time(raw)),
            "type": text(inner, "status") or "info",
            "source": event_source(raw),
            "service": text(inner, "service") or tags.get("service"),
            "message": (text(outer, "message") or "")[:1_000],
            "tags": {**tags},
        },
    )


def event_time(raw: JsonObject) -> datetime | None:
    outer = mapping(raw, "attributes")
    return moment(outer.get("timestamp")) or moment(mapping(outer, "attributes").get("timestamp"), unit_s=0.001)


def event_source(raw: JsonObject) -> str | None:
    """Where an event came from."""
    outer = mapping(raw, "attributes")
    inner = mapping(outer, "attributes")
    return text(inner, "sourcecategory") or text(inner, "source_type_name") or tag_map(outer.get("tags")).get("source")


def deployment_of(raw: JsonObject, url: str) -> Change | None:
    """A deployment event as a change; None when it names no service or no time."""
    item, at = event_item(raw), event_time(raw)
    service = item.fields.get("service")
    if at is None or not isinstance(service, str):
        return None
    tags = tag_map(mapping(raw, "attributes").get("tags"))
    return Change(
        at=at,
        service=service,
        what=item.name,
        change=_change_kind(tags),
        version=tags.get("version") or tags.get("git.commit.sha"),
        by=tags.get("author") or tags.get("user") or tags.get("deployed_by"),
        url=url,
    )


def _change_kind(tags: dict[str, str]) -> ChangeKind:
    told = tags.get("change") or tags.get("type") or ""
    kinds: dict[str, ChangeKind] = {"config": "config", "scale": "scale", "flag": "flag", "restart": "restart"}
    return kinds.get(told, "deployment")


def new_versions(plots: Sequence[Plot], *, url: str) -> list[Change]:
    """Versions that began to serve while another version had served before: a rollout seen from its traffic."""
    firsts: dict[str, list[tuple[datetime, str]]] = {}
    begin = min((plot.points[0][0] for plot in plots if plot.points), default=None)
    for plot in plots:
        service, version = plot.tags.get("service"), plot.tags.get("version")
        at = next((at for at, value in plot.points if value), None)
        if service and version and at is not None:
            firsts.setdefault(service, []).append((at, version))
    found = []
    for service, seen in firsts.items():
        ordered = sorted(dict.fromkeys(seen))
        for (_, previous), (at, version) in pairwise(ordered):
            if at != begin and version != previous:
                what = f"version {version} began to serve (was {previous})"
                found.append(Change(at=at, service=service, what=what, change="deployment", version=version, url=url))
    return found

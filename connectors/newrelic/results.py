"""Results of NRQL as payloads. Pure."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from datetime import datetime

from pydantic import JsonValue

from connectors._json import iso, moment, number, text
from connectors.model import Change, ChangeKind, Column, Item, JsonObject, Rows, Series, SeriesSet

_BUCKET = frozenset({"beginTimeSeconds", "endTimeSeconds", "facet", "timestamp"})


def value_of(row: JsonObject, key: str, rank: str | None = None) -> float | None:
    """A number under its alias; percentiles come as a map by rank."""
    found = row.get(key)
    if isinstance(found, dict):
        found = found.get(rank) if rank is not None and rank in found else next(iter(found.values()), None)
    return number(found)


def facet_of(row: JsonObject) -> str | None:
    """The facet; of several the first."""
    facet = row.get("facet")
    if isinstance(facet, list):
        facet = facet[0] if facet else None
    return None if facet is None or isinstance(facet, dict) else str(facet)


def begin_of(row: JsonObject) -> datetime | None:
    return moment(row.get("beginTimeSeconds"))


def is_series(results: Sequence[JsonObject]) -> bool:
    return bool(results) and "beginTimeSeconds" in results[0]


def free_series(results: Sequence[JsonObject]) -> SeriesSet:
    """One series for each facet and each selected value."""
    found: dict[tuple[str, str], dict[datetime, float | None]] = {}
    step_s = 1.0
    for row in results:
        at, until = begin_of(row), moment(row.get("endTimeSeconds"))
        if at is None:
            continue
        step_s = max(1.0, (until - at).total_seconds()) if until else step_s
        facet = row.get("facet")
        label = ", ".join(map(str, facet)) if isinstance(facet, list) else text(facet) or ""
        for metric, value in _values(row):
            found.setdefault((label, metric), {})[at] = value
    return SeriesSet(
        series=tuple(
            Series(
                labels={"facet": label} if label else {},
                metric=metric,
                step_s=step_s,
                points=tuple(sorted(points.items())),
            )
            for (label, metric), points in found.items()
        )
    )


def _values(row: JsonObject) -> Iterable[tuple[str, float | None]]:
    for key, value in row.items():
        if key in _BUCKET or isinstance(value, str | list) or value == row.get("facet"):
            continue
        if isinstance(value, dict):
            yield from ((f"{key}.{rank}", number(one)) for rank, one in value.items())
        else:
            yield key, number(value)


def free_rows(results: Sequence[JsonObject]) -> Rows:
    """Rows with every key that any row has; percentiles spread over columns."""
    flat = [_flat(row) for row in results]
    names = list(dict.fromkeys(key for row in flat for key in row))
    return Rows(
        columns=tuple(Column(name=name) for name in names),
        rows=tuple(tuple(row.get(name) for name in names) for row in flat),
    )


def _flat(row: JsonObject) -> JsonObject:
    found: JsonObject = {}
    for key, value in row.items():
        if key == "timestamp" and (at := moment(value, unit_s=0.001)):
            found[key] = iso(at)
        elif isinstance(value, dict):
            found |= {f"{key}.{rank}": one for rank, one in value.items()}
        else:
            found[key] = value
    return found


def incident_item(row: JsonObject) -> Item:
    """One incident (a violation, in older words) with its latest state."""
    priority = (text(row, "priority") or "").lower()
    labels: JsonObject = {"policy": text(row, "policyName"), "condition": text(row, "conditionName")}
    return Item(
        api_kind="Alert",
        name=text(row, "conditionName") or text(row, "title") or "incident",
        uid=facet_of(row) or text(row, "incidentId"),
        fields={
            "state": "firing" if text(row, "event") == "open" else "closed",
            "severity": {"critical": "critical", "warning": "medium", "high": "high"}.get(priority, priority or None),
            "service": text(row, "entityName") or text(row, "targetName"),
            "since": iso(moment(row.get("openTime"), unit_s=0.001)),
            "closed": iso(moment(row.get("closeTime"), unit_s=0.001)),
            "summary": text(row, "title"),
            "labels": labels,
            "value": None,
            "url": text(row, "incidentLink"),
        },
    )


def entity_item(raw: JsonObject) -> Item:
    tags = raw.get("tags")
    shown: JsonObject = {}
    for tag in tags if isinstance(tags, list) else []:
        if isinstance(tag, dict) and isinstance(tag.get("key"), str):
            shown[str(tag["key"])] = tag.get("values")
    return Item(
        api_kind="Entity",
        name=text(raw, "name") or "unnamed",
        uid=text(raw, "guid"),
        fields={
            "type": text(raw, "entityType") or text(raw, "type"),
            "domain": text(raw, "domain"),
            "reporting": raw.get("reporting") if isinstance(raw.get("reporting"), bool) else None,
            "alert_severity": text(raw, "alertSeverity"),
            "url": text(raw, "permalink"),
            "tags": dict(list(shown.items())[:50]),
        },
    )


def change_of(row: JsonObject, url: str) -> Change | None:
    """A deployment or another tracked change; None without a time or an entity."""
    at = moment(row.get("timestamp"), unit_s=0.001)
    service = text(row, "entity.name") or text(row, "appName")
    if at is None or service is None:
        return None
    version = text(row, "version")
    told = text(row, "shortDescription") or text(row, "description") or text(row, "changelog")
    link = text(row, "deepLink")
    return Change(
        at=at,
        service=service,
        what=(told or f"deployed {version or text(row, 'commit') or 'a new version'}")[:500],
        change=_kind(text(row, "category")),
        version=version or text(row, "commit"),
        by=text(row, "user"),
        url=link if link and link.startswith(("http://", "https://")) else url,
    )


def _kind(category: str | None) -> ChangeKind:
    words = (category or "deployment").lower()
    kinds: tuple[tuple[str, ChangeKind], ...] = (
        ("deploy", "deployment"),
        ("flag", "flag"),
        ("config", "config"),
        ("scal", "scale"),
        ("restart", "restart"),
    )
    return next((kind for part, kind in kinds if part in words), "other")


def query_link(app: str, account: int, nrql: str) -> str:
    """The query builder with this query."""
    pane: dict[str, JsonValue] = {
        "nerdletId": "data-exploration.query-builder",
        "initialActiveInterface": "nrqlEditor",
        "initialAccountId": account,
        "initialNrqlValue": nrql,
    }
    packed = base64.urlsafe_b64encode(json.dumps(pane, separators=(",", ":")).encode()).decode().rstrip("=")
    return f"{app}/launcher/data-exploration.query-builder?pane={packed}"

"""The plain Kubernetes states that any investigation needs; finer signatures live in `bot.analysis.kubernetes`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from bot.analysis.facts import clock
from bot.analysis.objects import number
from bot.analysis.signals import make_finding
from bot.domain.evidence import Finding, FindingKind
from connectors.model import Item, JsonObject

_K = FindingKind
_PULL = frozenset({"ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"})
RECENT = timedelta(hours=2)


def basic_findings(items: Sequence[tuple[Item, str]], *, now: datetime) -> list[Finding]:
    """Findings of pods, deployments and nodes, each citing the evidence the object came in."""
    found: list[Finding] = []
    for item, evidence_id in items:
        if item.api_kind == "Pod":
            found.extend(_pod(item, evidence_id, now))
        elif item.api_kind == "Deployment":
            found.extend(_deployment(item, evidence_id))
        elif item.api_kind == "Node":
            found.extend(_node(item, evidence_id))
    return found


def service_of(item: Item) -> str:
    """The service a pod belongs to: told, else its owner, else its name without the generated tail."""
    for key in ("service", "owner"):
        told = item.fields.get(key)
        if isinstance(told, str) and told:
            return told.rpartition("/")[2]
    parts = item.name.rsplit("-", 2)
    return parts[0] if len(parts) == 3 else item.name


def _pod(item: Item, evidence_id: str, now: datetime) -> Iterator[Finding]:
    service = service_of(item)
    containers = item.fields.get("containers")
    for container in containers if isinstance(containers, list) else []:
        if not isinstance(container, dict):
            continue
        finished = _time(container.get("last_finished_at")) or _time(container.get("finished_at"))
        recent = finished is None or now - finished <= RECENT
        reasons = {str(container.get("last_reason")), str(container.get("reason"))}
        count = number(container.get("restarts")) or 0.0
        data: JsonObject = {"pod": item.name, "namespace": item.namespace, "service": service, "count": count}
        data |= {"container": container.get("name")}
        if "OOMKilled" in reasons and recent:
            text = f"a container of {item.name} was killed for memory"
            text += f" at {clock(finished)}" if finished else ""
            yield _about(_K.OOM_KILLED, service, f"{text}; {count:g} restarts", evidence_id, 0.85, finished, data)
        if "CrashLoopBackOff" in reasons:
            yield _about(
                _K.CRASH_LOOPING,
                service,
                f"{item.name} crash-loops: {count:g} restarts",
                evidence_id,
                0.8,
                finished,
                data,
            )
        elif count >= 1 and finished is not None and recent and "OOMKilled" not in reasons:
            code = container.get("last_exit_code")
            text = f"a container of {item.name} restarted at {clock(finished)}" + (
                f" with exit code {code}" if code is not None else ""
            )
            yield _about(_K.RESTARTED, service, text, evidence_id, 0.5, finished, data | {"exit_code": code})
        pull = reasons & _PULL
        if pull:
            text = f"{item.name} cannot pull image {container.get('image')}: {sorted(pull)[0]}"
            yield _about(
                _K.IMAGE_PULL_FAILED, service, text, evidence_id, 0.8, None, data | {"image": container.get("image")}
            )


def _deployment(item: Item, evidence_id: str) -> Iterator[Finding]:
    fields = item.fields
    desired, updated, ready = (number(fields.get(k)) for k in ("desired", "updated", "ready"))
    if desired is None or updated is None or desired == 0:
        return
    if updated < desired or (ready is not None and ready < desired):
        service = str(fields.get("service") or item.name)
        text = f"deployment {item.name} has {ready or 0:g} of {desired:g} pods ready, {updated:g} of them updated"
        data: JsonObject = {"deployment": item.name, "namespace": item.namespace, "service": service}
        data |= {"ready": ready, "desired": desired, "updated": updated, "revision": fields.get("revision")}
        yield _about(_K.ROLLOUT_IN_PROGRESS, service, text, evidence_id, 0.35, None, data)


def _node(item: Item, evidence_id: str) -> Iterator[Finding]:
    ready, pressures = item.fields.get("ready"), item.fields.get("pressures")
    if ready is False:
        yield make_finding(
            _K.NODE_NOT_READY, f"node/{item.name}", f"node {item.name} is not ready", (evidence_id,), weight=0.8
        )
    for pressure in pressures if isinstance(pressures, list) else []:
        yield make_finding(
            _K.NODE_UNDER_PRESSURE,
            f"node/{item.name}",
            f"node {item.name} reports {pressure}",
            (evidence_id,),
            weight=0.6,
            data={"pressure": pressure},
        )


def _about(  # noqa: PLR0917
    kind: FindingKind,
    service: str,
    text: str,
    evidence_id: str,
    weight: float,
    at: datetime | None,
    data: JsonObject,
) -> Finding:
    onset = at.timestamp() if at else None
    key = f"{data.get('pod', '')}/{data.get('container', '')}"
    return make_finding(kind, f"app/{service}", text, (evidence_id,), weight=weight, onset_s=onset, data=data, key=key)


def _time(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(value.replace("Z", "+00:00"))
    except ValueError:
        return None
    return at if at.tzinfo else None

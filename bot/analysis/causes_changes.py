"""Causes that somebody made: a release, a changed setting, more users."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime

from bot.analysis.candidates import Candidate
from bot.analysis.changes import NearChange, short_version
from bot.analysis.facts import clock
from bot.analysis.load import load_of, pressing, times
from bot.analysis.metrics import Family
from bot.analysis.scene import Scene
from bot.analysis.signals import Signal
from bot.domain.evidence import Finding, FindingKind

_K = FindingKind
_CAUSE = {"deployment": "bad_deployment", "config": "config_change", "flag": "config_change"}
_SURGE = 1.6
_STRAIN = (
    _K.CONNECTIONS_AT_LIMIT,
    _K.SATURATION_HIGH,
    _K.RESTARTED,
    _K.CRASH_LOOPING,
    _K.ROLLOUT_IN_PROGRESS,
)


def change_causes(scene: Scene) -> Iterator[Candidate]:
    """A release or a changed setting is blamed only where trouble starts, never for being near in time alone."""
    newest: dict[tuple[str, str], NearChange] = {}
    for near in scene.changes:
        cause = _CAUSE.get(near.change.change)
        if cause:
            key = (near.change.service, cause)
            if key not in newest or newest[key].nearness < near.nearness:
                newest[key] = near
    for (service, cause), near in newest.items():
        yield _changed(scene, service, cause, near)


def _changed(scene: Scene, service: str, cause: str, near: NearChange) -> Candidate:
    component, change = f"app/{service}", near.change
    failing = _calls_from(scene, service)
    sent = scene.lost_from(service) * (1.0 if failing else 0.2)  # slow calls are the way there, seldom the caller
    scope = min(1.0, scene.own(service) + scene.lost_to(service) + sent)
    what = "release" if cause == "bad_deployment" else "configuration change"
    version = f" {short_version(change.version)}" if change.version else ""
    made = Candidate(
        component=component,
        cause=cause,
        statement=f"The {what}{version} of {service} at {clock(change.at)} is the likely cause",
        would_disprove=f"The same trouble at {service} before {clock(change.at)}, or a roll back that changes nothing.",
        scope=scope if scene.on_path(service) else 0.0,
        roles=frozenset({"changes", "metrics", "logs"}),
        floor=0.05,
    )
    made.base(0.5 * min(1.0, scope)).support(
        0.75 * near.nearness + 0.1, [near.finding.model_copy(update={"weight": 1.0})]
    )
    made.support(0.4, _after(scene, component, change.at.timestamp(), _K.LOG_TEMPLATE_NEW, _K.LOG_TEMPLATE_ROSE))
    made.support(0.35, _after(scene, component, change.at.timestamp(), _K.LATENCY_ROSE, _K.ERROR_RATE_ROSE))
    made.support(0.35, _after(scene, component, change.at.timestamp(), *_STRAIN))
    made.support(0.3, _databases_of(scene, service, _K.CONNECTIONS_AT_LIMIT))
    made.support(0.3, failing)
    begun = _begun_before(scene, component, change.at)
    if begun:
        made.oppose(0.7, begun)
    if not scene.on_path(service):
        made.oppose(0.8)
    blame_traffic(scene, service, made)
    return made


def _begun_before(scene: Scene, component: str, at: datetime) -> list[Finding]:
    """Trouble clearly older than a change. One series may be dated by a lone error long before the others move, so most
    of what moved must be older."""
    moved = [f for f in scene.of(component, _K.LATENCY_ROSE, _K.ERROR_RATE_ROSE) if f.onset and f.weight > 0.4]
    clear_s = max(120.0, scene.precision_s)
    begun = [f for f in moved if f.onset and (at - f.onset).total_seconds() > clear_s]
    return begun if 2 * sum(f.weight for f in begun) > sum(f.weight for f in moved) else []


def blame_traffic(scene: Scene, service: str, made: Candidate) -> None:
    """Many more requests than usual speak against a cause inside the service that receives them."""
    signal = pressing(scene.board, scene.graph, service)
    if signal and signal.finding:
        made.oppose(0.55, [signal.finding])


def own_scope(scene: Scene, service: str) -> float:
    """Share of the symptom that starts at a service, calls it fails to make included."""
    return min(1.0, scene.own(service) + scene.lost_from(service) + scene.lost_to(service))


def _after(scene: Scene, component: str, since_s: float, *kinds: FindingKind) -> list[Finding]:
    found = scene.of(component, *kinds)
    return [f for f in found if f.onset is None or f.onset.timestamp() >= since_s - 90]


def _databases_of(scene: Scene, service: str, *kinds: FindingKind) -> list[Finding]:
    return [f for db, users in scene.users.items() if service in users for f in scene.of(db, *kinds)]


def _calls_from(scene: Scene, service: str) -> list[Finding]:
    """Calls of this service that fail while the callee itself is calm: a wrong address rather than a sick callee."""
    found = []
    for (caller, callee), metrics in scene.board.edges.items():
        for signal in metrics.values():
            failing = caller == service and signal.finding and signal.family is Family.ERRORS and signal.shift
            if failing and signal.finding and not scene.board.moved(callee, Family.ERRORS):
                found.append(signal.finding)
    return found


def surge_causes(scene: Scene) -> Iterator[Candidate]:
    """More requests than usual, at the furthest point upstream where they show, not after the symptom."""
    risen = {s: signal for s in scene.board.services if (signal := _surge(scene, s)) is not None}
    for service, signal in risen.items():
        if any(caller in risen for caller in scene.graph.callers.get(service, ())) or signal.shift is None:
            continue
        ratio = times(signal)
        reach = scene.graph.distances([service])
        scope = max((scene.own(s) for s in reach), default=0.0)
        fed = sum(scene.own(s) for s in reach if s in risen)
        made = Candidate(
            component=f"app/{service}",
            cause="traffic_surge",
            statement=f"{service} receives {ratio:.2g} times its usual requests since {clock(signal.shift.onset_s)}",
            would_disprove="Trouble that stays when the request rate is back at its usual level.",
            scope=max(scope, fed),
            roles=frozenset({"metrics", "changes"}),
        )
        if signal.finding:
            made.support(min(0.9, 0.35 + 0.35 * math.log2(ratio / 1.2)), [signal.finding])
        full = [f for s in reach if s in risen for f in scene.of(f"app/{s}", _K.SATURATION_HIGH)]
        made.support(0.4, full)
        if not scene.starts:
            made.oppose(0.5)
        yield made


def _surge(scene: Scene, service: str) -> Signal | None:
    """More load that began with the symptom, as exactly as both are dated."""
    signal = load_of(scene.board, service)
    if signal is None or signal.shift is None or times(signal) < _SURGE:
        return None
    slack = max(120.0, scene.precision_s, 2 * signal.measured.series.step_s)
    late = scene.onset is not None and signal.shift.onset_s > scene.onset.timestamp() + slack
    return None if late else signal

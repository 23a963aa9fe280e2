"""Causes at a running service: memory, processor, its own code, a callee, the way between two."""

from __future__ import annotations

from collections.abc import Iterator

from bot.analysis.candidates import Candidate
from bot.analysis.causes_changes import blame_traffic, own_scope
from bot.analysis.load import explained_by_load, load_of, pressing
from bot.analysis.metrics import Family
from bot.analysis.objects import number
from bot.analysis.origin import axes_of
from bot.analysis.scene import Scene
from bot.domain.evidence import Finding, FindingKind

_K = FindingKind
_ALL = frozenset({"metrics", "logs", "changes"})


def runtime_causes(scene: Scene) -> Iterator[Candidate]:
    """Candidates for every service that has findings or blame."""
    names = {c.partition("/")[2] for c in scene.by_component if c.startswith("app/")}
    names |= {s for s, v in scene.blame.own.items() if v > 0.03} | {to for (_, to) in scene.blame.edge}
    for service in sorted(names):
        yield from _memory(scene, service)
        yield from _processor(scene, service)
        yield from _disk(scene, service)
        yield from _code(scene, service)
        yield from _slow_or_failing(scene, service)
        yield from _network(scene, service)
        yield from _vanishing(scene, service)


def _vanishing(scene: Scene, service: str) -> Iterator[Candidate]:
    """Requests that its callers still make no longer arrive or are no longer answered."""
    lost = scene.lost_traffic.get(service, 0.0)
    fallen = scene.of(f"app/{service}", _K.TRAFFIC_FELL)
    if lost and fallen:
        made = Candidate(
            component=f"app/{service}",
            cause="dependency_failing",
            statement=f"{service} answers far fewer requests while its callers go on",
            would_disprove=f"Callers of {service} that have fewer requests themselves.",
            scope=max(lost, own_scope(scene, service)),
            roles=_ALL,
        )
        yield made.base(0.3 * own_scope(scene, service)).support(0.5 * lost, fallen)


def _grows(finding: Finding) -> bool:
    return bool(finding.data.get("growing"))


def _memory(scene: Scene, service: str) -> Iterator[Candidate]:
    component = f"app/{service}"
    killed = scene.of(component, _K.OOM_KILLED)
    growth = [f for f in scene.of(component, _K.SATURATION_HIGH, _K.METRIC_SHIFTED) if _grows(f)]
    full = [f for f in scene.of(component, _K.SATURATION_HIGH) if f.data.get("metric") == "memory_ratio"]
    if not killed and not growth:
        return
    leak = bool(growth)
    made = Candidate(
        component=component,
        cause="memory_leak" if leak else "oom_killed",
        statement=f"{service} uses more and more memory until it is killed" if leak and killed
        else f"{service} uses more and more memory" if leak else f"containers of {service} are killed for memory",
        would_disprove="Restarts that go on while memory stays far below its limit.",
        scope=max(own_scope(scene, service), 0.3 if killed and scene.on_path(service) else 0.0),
        roles=frozenset({"kubernetes", "metrics"}),
        floor=0.3 if killed else 0.1,
    )  # fmt: skip
    to_the_limit = [
        f for f in growth if f.data.get("metric") == "memory_ratio" and (number(f.data.get("after")) or 0) >= 0.9
    ]
    made.base(0.35 * own_scope(scene, service))
    made.support(0.85, killed).support(0.85 if to_the_limit else 0.45, growth).support(0.3, full)
    made.support(0.4, scene.of(component, _K.RESTARTED, _K.CRASH_LOOPING))
    if not killed and not to_the_limit and not scene.of(component, _K.RESTARTED, _K.CRASH_LOOPING):
        made.oppose(0.4)
    yield made


def _processor(scene: Scene, service: str) -> Iterator[Candidate]:
    component = f"app/{service}"
    found = [
        f
        for f in scene.of(component, _K.SATURATION_HIGH, _K.METRIC_SHIFTED)
        if str(f.data.get("metric", "")).startswith("cpu") and f.onset is not None
    ]
    full = [f for f in found if f.kind is _K.SATURATION_HIGH]
    if not found:
        return
    made = Candidate(
        component=component,
        cause="cpu_saturation",
        statement=f"{service} runs out of processor time"
        if full
        else f"{service} uses far more processor time than usual",
        would_disprove=f"Idle processor time at {service} while it stays slow.",
        scope=max(own_scope(scene, service), 0.5 * scene.seconds.share_inside(service)),
        roles=frozenset({"metrics", "changes"}),
        floor=0.45 if any(_jumped(f) for f in found) else 0.15,
    )
    made.base(0.45 * made.scope).base(0.4 * scene.seconds.share_inside(service))
    made.support(0.85 if any(_jumped(f) for f in found) else 0.75 if full else 0.5, full or found)
    made.support(0.25, scene.of(component, _K.LATENCY_ROSE, _K.SELF_TIME_GREW))
    if any(_jumped(f) for f in found):  # traces and the processor's own count agree, and are measured apart
        made.support(0.4, scene.of(component, _K.SELF_TIME_GREW))
    load = pressing(scene.board, scene.graph, service)
    if load and load.finding:
        made.oppose(0.95 * explained_by_load(load, _grown(found)), [load.finding])
    yield made


def _grown(found: list[Finding]) -> float:
    """How many times its usual use the processor does; twice when no finding says."""
    told = [number(f.data.get("times")) or 0.0 for f in found]
    return max([t for t in told if t > 1], default=2.0)


def _jumped(finding: Finding) -> bool:
    """Processor use that multiplied to most of its limit speaks for itself."""
    times, after = number(finding.data.get("times")) or 0.0, number(finding.data.get("after")) or 0.0
    return finding.data.get("metric") == "cpu_ratio" and times >= 2.5 and after >= 0.5


def _disk(scene: Scene, service: str) -> Iterator[Candidate]:
    component = f"app/{service}"
    found = [f for f in scene.of(component, _K.SATURATION_HIGH) if f.data.get("metric") == "disk_ratio"]
    if found:
        made = Candidate(
            component=component,
            cause="disk_full",
            statement=f"the disk of {service} is full",
            would_disprove="Free disk space while the symptom lasts.",
            scope=own_scope(scene, service),
            roles=frozenset({"metrics"}),
        )
        yield made.base(0.4 * made.scope).support(0.7, found)


def _code(scene: Scene, service: str) -> Iterator[Candidate]:
    component = f"app/{service}"
    logs = [f for f in scene.of(component, _K.LOG_TEMPLATE_NEW, _K.LOG_TEMPLATE_ROSE) if f.data.get("severe")]
    failing = scene.of(component, _K.ERROR_RATE_ROSE)
    silent = scene.of(component, _K.LOG_SILENT)
    silent += [f for f in scene.of(component, _K.METRIC_SHIFTED) if f.data.get("skips")]
    begins = scene.log_origin.get(service, 0.0)
    if not logs and not (silent and begins > 0.1):
        return
    made = Candidate(
        component=component,
        cause="code_exception",
        statement=f"{service} fails in its own code",
        would_disprove=f"The same lines of {service} at times without the symptom.",
        scope=max(own_scope(scene, service), begins),
        roles=_ALL,
    )
    inside = [f for f in logs if f.data.get("about") == "code"]
    made.base(0.4 * own_scope(scene, service)).base(0.6 * begins).support(0.4, silent).support(0.55, logs).support(
        0.25, failing
    ).support(0.35, inside)
    elsewhere = [f for f in logs if f.data.get("about") in {"remote", "load", "lock"}]
    if logs and len(elsewhere) == len(logs):
        made.oppose(0.5)
    if logs and _lines(elsewhere) > 0.5 * _lines(logs):
        made.ceiling = 0.45  # its own words speak of another party, or of too much to do
    if not failing and begins < 0.2:
        made.oppose(0.35)
    _blame_change(scene, service, made, 0.35)
    _blame_lock(scene, service, made)
    blame_traffic(scene, service, made)
    yield made


def _lines(found: list[Finding]) -> float:
    return sum(number(f.data.get("count")) or 0.0 for f in found)


def _slow_or_failing(scene: Scene, service: str) -> Iterator[Candidate]:
    """The plain reading when nothing more precise is known: trouble starts here."""
    component, own = f"app/{service}", scene.own(service)
    slow, failing = scene.board.moved(service, Family.LATENCY), scene.board.moved(service, Family.ERRORS)
    if own < 0.05 or (slow is None and failing is None):
        return
    axes = axes_of(scene.facts.issue)
    told = _weight(failing.finding) * axes[Family.ERRORS] if failing else 0.0
    by_errors = failing is not None and (slow is None or told > _weight(slow.finding) * axes[Family.LATENCY])
    made = Candidate(
        component=component,
        cause="dependency_failing" if by_errors else "dependency_slow",
        statement=f"{service} itself fails, and its callers with it"
        if by_errors
        else f"{service} itself is slow, and its callers wait for it",
        would_disprove=f"A callee of {service} that shows the same trouble earlier.",
        scope=own,
        roles=_ALL | {"kubernetes", "database"},
    )
    alone = service in scene.starts and not _local(scene, component)
    made.ceiling = 0.45 if alone or _overloaded_unseen(scene, service) else 1.0
    made.base((0.15 if alone else 0.55) * own).base(0.35 * scene.seconds.share_inside(service))
    made.support(0.35, scene.of(component, _K.ERROR_RATE_ROSE if by_errors else _K.LATENCY_ROSE))
    made.support(0.25, scene.of(component, _K.SELF_TIME_GREW, _K.LOG_TEMPLATE_NEW, _K.RESTARTED))
    if denied := scene.of(component, _K.EVIDENCE_CONTRADICTS):
        made.oppose(0.4, denied)
        made.ceiling = min(made.ceiling, 0.6)  # one of two sources is wrong, and nothing says which
    _blame_change(scene, service, made, 0.35)
    _blame_lock(scene, service, made)
    blame_traffic(scene, service, made)
    yield made


def _overloaded_unseen(scene: Scene, service: str) -> bool:
    """Its log says that too much came in, and neither its load nor its processor was measured: it may be either."""
    known = scene.board.services.get(service, {})
    told = any(
        f.data.get("about") == "load" for f in scene.of(f"app/{service}", _K.LOG_TEMPLATE_NEW, _K.LOG_TEMPLATE_ROSE)
    )
    return told and load_of(scene.board, service) is None and not any(s.family is Family.RATIO for s in known.values())


def _local(scene: Scene, component: str) -> list[Finding]:
    """Signs at a component beyond the symptom itself."""
    return scene.of(component, _K.SELF_TIME_GREW, _K.LOG_TEMPLATE_NEW, _K.RESTARTED, _K.SATURATION_HIGH, _K.LOG_SILENT)


def _weight(finding: Finding | None) -> float:
    return finding.weight if finding else 0.0


def _blame_lock(scene: Scene, service: str, made: Candidate) -> None:
    """What waits for a lock fails because of the lock, however loudly its own log says so."""
    used = [database for database, users in scene.users.items() if service in users]
    locks = [f for database in used for f in scene.of(database, _K.LOCK_CHAIN)]
    lines = scene.of(f"app/{service}", _K.LOG_TEMPLATE_NEW, _K.LOG_TEMPLATE_ROSE)
    locks += [f for f in lines if f.data.get("about") == "lock" and f.weight >= 0.5]
    if locks:
        made.oppose(0.6, locks)


def _blame_change(scene: Scene, service: str, made: Candidate, strength: float) -> None:
    near = [c.finding for c in scene.changes if c.change.service == service and c.nearness > 0.5]
    if near:
        made.oppose(strength, near)


def _network(scene: Scene, service: str) -> Iterator[Candidate]:
    component, lost = f"app/{service}", scene.lost_to(service)
    away = scene.seconds.share_towards(service)
    gaps = scene.of(component, _K.SPAN_GAP_GREW)
    slow_calls = [
        s.finding
        for (_, callee), metrics in scene.board.edges.items()
        if callee == service
        for s in metrics.values()
        if s.family is Family.LATENCY and s.shift and s.finding
    ]
    if not gaps and not (lost > 0.1 and slow_calls) and away < 0.2:
        return
    made = Candidate(
        component=component,
        cause="network_delay",
        statement=f"time is lost between {service} and its callers, not inside {service}",
        would_disprove=f"Time inside {service} that grew as much as its callers wait.",
        scope=max(lost, scene.own(service), away),
        roles=frozenset({"metrics", "traces"}),
    )
    made.base(0.5 * lost).base(0.5 * away).support(0.2 + 0.4 * max(away, lost), gaps).support(0.3, slow_calls)
    if scene.seconds.share_inside(service) > away:
        made.oppose(0.5, scene.of(component, _K.SELF_TIME_GREW))
    full = scene.of(component, _K.SATURATION_HIGH)
    if full:
        made.oppose(0.4, full)
    senders = {str(f.data.get("caller")) for f in gaps}
    busy = [
        f for s in sorted(senders) for f in scene.of(f"app/{s}", _K.SATURATION_HIGH, _K.METRIC_SHIFTED) if _jumped(f)
    ]
    if busy:
        made.oppose(0.6, busy)
    yield made

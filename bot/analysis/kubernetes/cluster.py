"""The objects, log groups and measured moves of a case, laid out the way signatures ask for them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property

from bot.analysis.facts import Facts
from bot.analysis.graph import Graph, build
from bot.analysis.kubernetes.moves import LATENCY, Move, moves_of
from connectors.kubernetes.reading import flag, labels_of, mapping, number, objects, stamp, text, texts
from connectors.model import Change, Item, JsonObject, LogGroup

_RECENT, _LATELY = timedelta(hours=1), timedelta(hours=2)
WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet")
_CONTROL_PLANE = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")


@dataclass(frozen=True, slots=True)
class Thing:
    """One object and the evidence it came in."""

    item: Item
    evidence: str
    own_name: str = ""
    """The workload's name, where several workloads carry one service label, so that it names none of them."""

    @property
    def name(self) -> str:
        return self.item.name

    @property
    def fields(self) -> JsonObject:
        return self.item.fields

    @property
    def app(self) -> str:
        """The service it belongs to, else its own name."""
        return self.own_name or text(self.item.fields, "service") or self.item.name

    @property
    def component(self) -> str:
        return f"app/{self.app}"

    def said(self, *path: str) -> str:
        return text(self.item.fields, *path) or ""

    def parts(self, *path: str) -> list[JsonObject]:
        return objects(self.item.fields, *path)

    def count(self, *path: str) -> int:
        return number(self.item.fields, *path) or 0


@dataclass(frozen=True, slots=True)
class Line:
    """A log group that matched, with the raw line in which it did."""

    service: str
    line: str
    count: int
    evidence: str
    found: re.Match[str]
    risen: bool
    """Whether it is more frequent than usual; True when the usual is not known."""


@dataclass(frozen=True)
class Cluster:
    """`graph` and `moves` are empty when nothing was measured."""

    things: tuple[Thing, ...]
    now: datetime
    logs: tuple[tuple[LogGroup, str], ...] = ()
    graph: Graph = field(default_factory=lambda: Graph({}, {}))
    moves: Mapping[str, Mapping[str, Move]] = field(default_factory=dict)
    changes: tuple[Change, ...] = ()
    measured: bool = False
    """Whether there are series at all, or only what alerts quote."""

    @cached_property
    def _by_kind(self) -> dict[str, tuple[Thing, ...]]:
        kinds: dict[str, dict[tuple[str | None, str], Thing]] = {}
        for number_, thing in enumerate(self.things):
            # Events, references and checks may share a name; the rest is the same object read twice.
            unique = f"{thing.name}#{number_}" if thing.item.api_kind in _MANY else thing.name
            kinds.setdefault(thing.item.api_kind, {})[thing.item.namespace, unique] = thing
        return {kind: tuple(found.values()) for kind, found in kinds.items()}

    def of(self, *kinds: str) -> tuple[Thing, ...]:
        return tuple(thing for kind in kinds for thing in self._by_kind.get(kind, ()))

    @cached_property
    def pods(self) -> tuple[Thing, ...]:
        """Pods whose state is known and that are not finished or on their way out."""
        live = (p for p in self.of("Pod") if p.said("phase") and not p.said("terminating_since"))
        return tuple(p for p in live if p.said("phase") != "Succeeded")

    @cached_property
    def workloads(self) -> tuple[Thing, ...]:
        return self.of(*WORKLOADS)

    @cached_property
    def services(self) -> dict[str, Thing]:
        return {thing.name: thing for thing in self.of("Service")}

    @cached_property
    def _services_by_place(self) -> dict[tuple[str | None, str], Thing]:
        return {(s.item.namespace, s.name): s for s in self.of("Service")}

    def service_at(self, name: str, namespace: str | None) -> Thing | None:
        """The Service of this name in a namespace, or in any when that is not known."""
        return self._services_by_place.get((namespace, name)) if namespace else self.services.get(name)

    @cached_property
    def _pods_by_name(self) -> dict[str, Thing]:
        return {p.name: p for p in self.pods}

    def pods_behind(self, service: Thing) -> list[Thing]:
        """Pods that a Service chooses."""
        return [self._pods_by_name[n] for n in texts(service.fields, "pods") if n in self._pods_by_name]

    def app_behind(self, service: Thing) -> str:
        """The application whose pods a Service chooses, else the one it is labelled with."""
        return next((p.app for p in self.pods_behind(service)), service.app)

    @cached_property
    def services_by_letters(self) -> dict[str, str]:
        """Names of Services by their letters and digits alone."""
        return {bare(name): name for name in self.services}

    @cached_property
    def nodes(self) -> dict[str, Thing]:
        return {thing.name: thing for thing in self.of("Node")}

    @cached_property
    def short(self) -> tuple[Thing, ...]:
        """Workloads with fewer ready pods than they should have."""
        return tuple(w for w in self.workloads if w.count("ready") < w.count("desired"))

    @cached_property
    def stuck(self) -> tuple[Thing, ...]:
        """Workloads that are short of pods, or of pods of their newest version."""
        return tuple(w for w in self.workloads if min(w.count("ready"), w.count("updated")) < w.count("desired"))

    @cached_property
    def _pods_by_app(self) -> dict[str, list[Thing]]:
        found: dict[str, list[Thing]] = {}
        for pod in self.pods:
            found.setdefault(pod.app, []).append(pod)
        return found

    def pods_of(self, app: str) -> tuple[Thing, ...]:
        return tuple(self._pods_by_app.get(app, ()))

    @cached_property
    def _workloads_by_name(self) -> dict[str, Thing]:
        found = {w.name: w for w in reversed(self.workloads)}
        return found | {w.app: w for w in reversed(self.workloads)}

    def workload_of(self, app: str) -> Thing | None:
        """The workload of this service, else the one of this name."""
        return self._workloads_by_name.get(app)

    @cached_property
    def _logs_by_service(self) -> dict[str | None, list[tuple[LogGroup, str]]]:
        found: dict[str | None, list[tuple[LogGroup, str]]] = {}
        for group, evidence in self.logs:
            found.setdefault(group.service, []).append((group, evidence))
        return found

    @cached_property
    def _events(self) -> dict[tuple[str, str], list[Thing]]:
        found: dict[tuple[str, str], list[Thing]] = {}
        for event in self.of("Event"):
            if flag(event.fields, "vanished") is not True:
                found.setdefault((event.said("involved_kind"), event.said("involved_name")), []).append(event)
        return found

    def events_of(self, kind: str, name: str, *reasons: str) -> list[Thing]:
        """Events of an object that still exists, newest first."""
        mine = [e for e in self._events.get((kind, name), []) if not reasons or e.said("reason") in reasons]
        return sorted(mine, key=lambda e: e.said("last_at"), reverse=True)

    def replicaset_events(self, workload: Thing, *reasons: str) -> list[Thing]:
        """Events about making pods of a workload: its own, and those of ReplicaSets named after it."""
        pattern = re.compile(re.escape(workload.name) + r"-[a-z0-9]{5,10}$")
        sets = [n for kind, n in self._events if kind == "ReplicaSet" and pattern.match(n)]
        found = [e for name in sets for e in self.events_of("ReplicaSet", name, *reasons)]
        found += self.events_of(workload.item.api_kind, workload.name, *reasons)
        return sorted(found, key=lambda e: e.said("last_at"), reverse=True)

    def lines(self, pattern: re.Pattern[str], *, service: str | None = None) -> Iterator[Line]:
        """Log groups that hold the pattern in a raw line or in the template."""
        for group, evidence in self.logs if service is None else self._logs_by_service.get(service, ()):
            for line in (*group.examples, group.template):
                if found := pattern.search(line):
                    yield Line(group.service or "", line, group.count, evidence, found, _risen(group))
                    break

    @cached_property
    def config_values(self) -> dict[str, dict[str, str]]:
        """Values of ConfigMaps by name and key, as far as they are shown."""
        return {c.name: labels_of(c.fields, "values") for c in self.of("ConfigMap")}

    @cached_property
    def declared_values(self) -> dict[str, dict[str, str]]:
        """What declared Secrets tell besides what is secret, by name and key: hosts, ports, users."""
        return {s.name: labels_of(s.fields, "values") for s in self.of("Secret")}

    def node_down(self, name: str) -> bool:
        node = self.nodes.get(name)
        return node is not None and not flag(node.fields, "ready")

    @cached_property
    def control_plane(self) -> frozenset[str]:
        return frozenset(name for name, node in self.nodes.items() if is_control_plane(node))


def bare(name: str) -> str:
    """The letters and digits of a name, in lower case."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


_MANY = frozenset({"Event", "ConfigReference", "Alert", "Reachability"})


def _risen(group: LogGroup) -> bool:
    return not group.baseline_count or group.count > 2 * group.baseline_count


def is_control_plane(node: Thing) -> bool:
    labels = labels_of(node.fields, "labels")
    role = labels.get("kubernetes.io/role")
    return any(key in labels for key in _CONTROL_PLANE) or role in {"master", "control-plane"}


def cluster_of(items: Sequence[tuple[Item, str]], *, now: datetime, facts: Facts | None = None) -> Cluster:
    """Items with their evidence ids; logs, series and calls come from the facts when there are any."""
    shared = _shared_labels(items)
    things = tuple(Thing(item, evidence, _own_name(item, shared)) for item, evidence in items)
    if facts is None:
        return Cluster(things=things, now=now, moves=moves_of(items, ()))
    return Cluster(
        things=things,
        now=now,
        logs=facts.logs,
        graph=build(facts),
        changes=tuple(change for change, _ in facts.changes if change.at >= facts.window.start - _RECENT),
        moves=moves_of(items, facts.series, start_s=facts.start_s, end_s=facts.end_s),
        measured=any(one.series.metric in LATENCY for one in facts.series),
    )


def _shared_labels(items: Sequence[tuple[Item, str]]) -> set[str]:
    """Service labels that more than one workload carries."""
    carriers: dict[str, set[str]] = {}
    for item, _ in items:
        if item.api_kind in WORKLOADS:
            carriers.setdefault(text(item.fields, "service") or item.name, set()).add(item.name)
    return {label for label, found in carriers.items() if len(found) > 1}


def _own_name(item: Item, shared: set[str]) -> str:
    if text(item.fields, "service") not in shared:
        return ""
    if item.api_kind in WORKLOADS:
        return item.name
    return (text(item.fields, "workload") or "").partition("/")[2]


def plain_containers(pod: Thing) -> list[JsonObject]:
    """Containers that run with the pod, without init containers."""
    return [c for c in pod.parts("containers") if not flag(c, "init")]


def template_containers(workload: Thing) -> list[JsonObject]:
    return [c for c in workload.parts("template", "containers") if not flag(c, "init")]


def ended_lately(cluster: Cluster, container: JsonObject) -> bool:
    """Whether its last end is news: within two hours, or at a time that is not known."""
    ended = stamp(container.get("last_finished_at")) or stamp(container.get("finished_at"))
    return ended is None or cluster.now - ended <= _LATELY


def pod_is_ready(pod: Thing) -> bool:
    return flag(pod.fields, "ready") is True


def names(obj: JsonObject, *path: str) -> list[str]:
    return texts(obj, *path)


def spec_of(thing: Thing) -> JsonObject:
    """Pod spec fields of a pod or of a workload's template."""
    return mapping(thing.fields, "spec") or mapping(thing.fields, "template", "spec")

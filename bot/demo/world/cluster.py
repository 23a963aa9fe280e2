"""The workloads of the shop as they stand and stood: revisions, pods, restarts; everything else reads this."""

from __future__ import annotations

import copy
import json
import math
import random
import uuid
from dataclasses import dataclass, field
from typing import Any

from bot.demo.world.plan import AUTHORS, Plan, Release, url_variable
from bot.demo.world.topology import MEBIBYTE, NAMESPACE, POOL_PER_POD, SERVICES, Service

REGISTRY = "registry.shop.example"
NODES = ("node-a1", "node-b1", "node-c1")
HOUR_S = 3600.0
_SAFE = "bcdfghjklmnpqrstvwxz2456789"
_BACKOFF_S = (2.0, 10.0, 20.0, 40.0, 80.0, 160.0)

Template = dict[str, Any]  # the wire form of a pod template


@dataclass(frozen=True)
class Restart:
    """A container that ended at `at` and ran again at `back` (epoch seconds)."""

    at: float
    back: float
    reason: str
    exit_code: int


@dataclass(frozen=True)
class Rollout:
    """One change of a deployment's template that was carried out."""

    service: str
    at: float
    previous_version: str
    version: str
    author: str
    cause: str
    replica_set: str
    announced: bool


@dataclass
class Pod:
    """One pod from its creation to its end; `deleted` is infinite while it lives."""

    name: str
    uid: str
    service: str
    replica_set: str
    revision: int
    node: str
    ip: str
    created: float
    ready: float
    deleted: float = math.inf
    restarts: list[Restart] = field(default_factory=list)

    def exists(self, t: float) -> bool:
        """Whether the API server would list it at `t`."""
        return self.created <= t < self.deleted

    def ended(self, t: float) -> list[Restart]:
        """Restarts that have happened by `t`."""
        return [restart for restart in self.restarts if restart.at <= t and restart.at < self.deleted]

    def down(self, t: float) -> Restart | None:
        """The restart whose pause holds at `t`, if any."""
        return next((r for r in self.restarts if r.at <= t < r.back), None)

    def serving(self, t: float) -> bool:
        """Whether it answers requests at `t`."""
        return self.ready <= t < self.deleted and self.down(t) is None


@dataclass
class Revision:
    """One revision of a deployment, which is one ReplicaSet."""

    number: int
    replica_set: str
    template: Template
    created: float
    cause: str
    uid: str

    @property
    def version(self) -> str:
        """Tag of the image."""
        return str(self.template["spec"]["containers"][0]["image"]).rpartition(":")[2]

    def variable(self, name: str) -> str | None:
        """Value of one environment variable of the first container."""
        entries = self.template["spec"]["containers"][0].get("env", [])
        return next((str(entry.get("value")) for entry in entries if entry["name"] == name), None)


@dataclass
class Workload:
    """One deployment; `changed_at` is when its template or size last changed."""

    service: Service
    uid: str
    replicas: int
    created: float
    revisions: list[Revision]
    pods: list[Pod]
    generation: int = 1
    changed_at: float = 0.0
    scaled_at: float = math.inf
    annotations: dict[str, str] = field(default_factory=dict)

    @property
    def current(self) -> Revision:
        """The revision in force: the one with the highest number."""
        return max(self.revisions, key=lambda revision: revision.number)

    def pods_at(self, t: float) -> list[Pod]:
        """Pods that exist at `t`."""
        return [pod for pod in self.pods if pod.exists(t)]


class Cluster:
    """All workloads of one world, built from the plan and changed by patches."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.dice = random.Random(f"cluster/{plan.scenario}/{plan.seed}")
        self.version = 80_000 + self.dice.randint(0, 9_999)
        self.now = plan.now.timestamp()
        self.rollouts: list[Rollout] = []
        self._versions: dict[str, str] = {}
        self.workloads = {name: self._build(service) for name, service in SERVICES.items()}
        for release in plan.releases:
            self._play(release)
        if plan.fault == "memory_leak":
            self._schedule_kills(self.workloads[plan.target])

    def new_uid(self) -> str:
        """A uid from the seed."""
        return str(uuid.UUID(int=self.dice.getrandbits(128), version=4))

    def _suffix(self, length: int) -> str:
        return "".join(self.dice.choice(_SAFE) for _ in range(length))

    def _build(self, service: Service) -> Workload:
        age = self.dice.uniform(20, 200) * 24 * HOUR_S
        workload = Workload(
            service=service,
            uid=self.new_uid(),
            replicas=service.replicas,
            created=self.now - age,
            revisions=[],
            pods=[],
        )
        self._add_history(workload)
        for _ in range(service.replicas):
            workload.pods.append(self._new_pod(workload, workload.current.created + 4, 8))
        return workload

    def version_of(self, pod: Pod) -> str:
        """Tag of the image a pod runs."""
        if pod.replica_set not in self._versions:
            revisions = self.workloads[pod.service].revisions
            found = next(revision for revision in revisions if revision.replica_set == pod.replica_set)
            self._versions[pod.replica_set] = found.version
        return self._versions[pod.replica_set]

    def _add_history(self, workload: Workload) -> None:
        service, plan = workload.service, self.plan
        number, version = plan.revisions[service.name], plan.versions[service.name]
        major, minor, patch = (int(part) for part in version.split("."))
        older = f"{major}.{minor}.{patch - 1}" if patch else f"{major}.{max(minor - 1, 0)}.9"
        days = self.dice.uniform(1.5, 12)
        for offset, tag, back in ((1, older, days + 6), (0, version, days)):
            at = self.now - back * 24 * HOUR_S
            self.add_revision(workload, make_template(service, tag), at, f"release {tag}", number - offset)
        author = self.dice.choice(AUTHORS)
        self._record(workload, workload.current, at=workload.current.created, before=older, author=author)
        workload.generation = number
        workload.changed_at = workload.current.created

    def add_revision(
        self, workload: Workload, template: Template, at: float, cause: str, number: int | None = None
    ) -> Revision:
        """Make `template` the current revision; an equal older one is given the new number, as a rollback does."""
        number = workload.current.number + 1 if number is None else number
        wanted = canonical(template)
        for revision in workload.revisions:
            if canonical(revision.template) == wanted:
                revision.number, revision.cause = number, cause
                return revision
        hashed = self._suffix(10)
        revision = Revision(
            number=number,
            replica_set=f"{workload.service.name}-{hashed}",
            template=template,
            created=at,
            cause=cause,
            uid=self.new_uid(),
        )
        workload.revisions.append(revision)
        return revision

    def _new_pod(self, workload: Workload, at: float, start_s: float) -> Pod:
        replica_set = workload.current.replica_set
        return Pod(
            name=f"{replica_set}-{self._suffix(5)}",
            uid=self.new_uid(),
            service=workload.service.name,
            replica_set=replica_set,
            revision=workload.current.number,
            node=NODES[len(workload.pods) % len(NODES)],
            ip=f"10.42.{self.dice.randint(0, 2)}.{self.dice.randint(2, 250)}",
            created=at,
            ready=at + start_s,
        )

    def _play(self, release: Release) -> None:
        workload = self.workloads[release.service]
        template = copy.deepcopy(workload.current.template)
        container = template["spec"]["containers"][0]
        container["image"] = f"{container['image'].rpartition(':')[0]}:{release.version}"
        for entry in container["env"]:
            entry["value"] = release.environment.get(entry["name"], entry.get("value"))
        _stamp(template, release.version)
        at = release.at.timestamp()
        self.roll_out(workload, template, at, release.cause, author=release.author, announced=release.announced)

    def _record(
        self, workload: Workload, revision: Revision, *, at: float, before: str, author: str, announced: bool = True
    ) -> None:
        self.rollouts.append(
            Rollout(
                service=workload.service.name,
                at=at,
                previous_version=before,
                version=revision.version,
                author=author,
                cause=revision.cause,
                replica_set=revision.replica_set,
                announced=announced,
            )
        )

    def roll_out(
        self,
        workload: Workload,
        template: Template,
        at: float,
        cause: str,
        *,
        author: str = "kubectl",
        announced: bool = False,
    ) -> Revision:
        """Replace the pods one after another, each new one ready before an old one goes."""
        old, before = workload.pods_at(at), workload.current.version
        revision = self.add_revision(workload, template, at, cause)
        self._record(workload, revision, at=at, before=before, author=author, announced=announced)
        workload.generation += 1
        workload.changed_at = at
        workload.annotations["kubernetes.io/change-cause"] = cause
        for index, pod in enumerate(old):
            created = at + 1 + 4.0 * index
            workload.pods.append(self._new_pod(workload, created, 3.5))
            pod.deleted = created + 3.9
        self.version += 1
        return revision

    def scale(self, workload: Workload, replicas: int, at: float) -> None:
        """Set the number of pods; new ones are ready a few seconds later."""
        alive = workload.pods_at(at)
        workload.replicas = replicas
        workload.scaled_at = at
        workload.generation += 1
        workload.changed_at = at
        self.version += 1
        for index in range(replicas - len(alive)):
            workload.pods.append(self._new_pod(workload, at + 0.5 + 0.3 * index, 4))
        for pod in alive[replicas:]:
            pod.deleted = at + 1

    def delete_pod(self, workload: Workload, pod: Pod, at: float) -> None:
        """End one pod; its ReplicaSet makes another at once."""
        pod.deleted = at + 0.5
        workload.pods.append(self._new_pod(workload, at + 0.2, 4))
        self.version += 1

    def _schedule_kills(self, workload: Workload) -> None:
        assert self.plan.onset is not None
        onset, end = self.plan.onset.timestamp(), self.now + 4 * HOUR_S
        for index, pod in enumerate(workload.pods_at(onset)):
            at = onset + (0 if index == 0 else self.dice.uniform(10, 60))
            period = self.dice.uniform(70, 120)
            count = 0
            while at < end:
                back = at + _BACKOFF_S[min(count, len(_BACKOFF_S) - 1)]
                pod.restarts.append(Restart(at=at, back=back, reason="OOMKilled", exit_code=137))
                at = back + period * self.dice.uniform(0.8, 1.2)
                count += 1


def canonical(template: Template) -> str:
    """The text by which two pod templates are equal."""
    return json.dumps(template, sort_keys=True)


def _stamp(template: Template, version: str) -> None:
    template["metadata"]["labels"]["app.kubernetes.io/version"] = version


def make_template(service: Service, version: str) -> Template:
    """The pod template of `service` at `version`, in the API's own form."""
    labels = {"app": service.name, "app.kubernetes.io/name": service.name, "squad": service.squad}
    template: Template = {
        "metadata": {"labels": labels, "annotations": {"prometheus.io/scrape": "true"}},
        "spec": {
            "serviceAccountName": service.name,
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 30,
            "dnsPolicy": "ClusterFirst",
            "schedulerName": "default-scheduler",
            "containers": [_container(service, version)],
        },
    }
    _stamp(template, version)
    return template


def _container(service: Service, version: str) -> dict[str, Any]:
    probe = {"httpGet": {"path": "/healthz", "port": service.port, "scheme": "HTTP"}, "periodSeconds": 10}
    probe |= {"timeoutSeconds": 1, "successThreshold": 1, "failureThreshold": 3}
    memory = f"{service.memory_limit_bytes // MEBIBYTE}Mi"
    return {
        "name": service.name,
        "image": f"{REGISTRY}/{service.name}:{version}",
        "imagePullPolicy": "IfNotPresent",
        "ports": [{"name": "http", "containerPort": service.port, "protocol": "TCP"}],
        "env": _environment(service),
        "envFrom": [{"configMapRef": {"name": f"{service.name}-config"}}],
        "resources": {
            "limits": {"cpu": f"{int(service.cpu_limit * 1000)}m", "memory": memory},
            "requests": {"cpu": "100m", "memory": f"{service.memory_bytes // MEBIBYTE}Mi"},
        },
        "readinessProbe": probe,
        "livenessProbe": {**probe, "periodSeconds": 20},
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
    }


def _environment(service: Service) -> list[dict[str, str]]:
    entries = [{"name": "SERVICE_NAME", "value": service.name}, {"name": "LOG_LEVEL", "value": "info"}]
    for call in service.calls:
        value = f"http://{call.callee}:{SERVICES[call.callee].port}"
        entries.append({"name": url_variable(call.callee), "value": value})
    if service.name == "payment-service":
        entries.append({"name": "DB_HOST", "value": f"payment-db.{NAMESPACE}.svc"})
        entries.append({"name": "DB_POOL_MAX", "value": str(POOL_PER_POD)})
    return entries

"""Log lines and deployment records of the shop as documents, written slot by slot from the story."""

from __future__ import annotations

import random
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from bot.demo.world import log_lines
from bot.demo.world.cluster import Cluster, Pod
from bot.demo.world.log_lines import Line
from bot.demo.world.story import STEP_S, Story
from bot.demo.world.topology import ENVIRONMENT, NAMESPACE, ORDER, SERVICES

LINES_PER_SLOT = 2.2
_MOST_PER_SLOT = 220
_SLOW_LOGGED = 0.25


@dataclass(frozen=True)
class Document:
    """One document: flat field names, and the moment it was written (epoch seconds)."""

    index: str
    id: str
    at: float
    fields: dict[str, Any]


@dataclass(frozen=True)
class _Slot:
    """What writing one service's lines of one slot needs."""

    number: int
    end: float
    service: str
    pods: list[Pod]
    dice: random.Random
    counts: np.random.Generator


class Journal:
    """All documents up to a moment; those of past slots never change."""

    def __init__(self, story: Story, cluster: Cluster) -> None:
        self.story = story
        self.cluster = cluster
        self.logs: list[Document] = []
        self._slot = 1
        self._rollouts = 0
        self._deployments: list[Document] = []
        self._serial = 0

    def until(self, t: float) -> list[Document]:
        """Log lines in order of time; some of the last slot may still lie in the future of `t`."""
        self.story.extend(t)
        last = self.story.index(t)
        while self._slot <= last:
            self._write(self._slot)
            self._slot += 1
        return self.logs

    def deployments(self, t: float) -> list[Document]:
        """Announced releases up to `t`, oldest first."""
        for rollout in self.cluster.rollouts[self._rollouts :]:
            self._rollouts += 1
            if rollout.announced:
                self._deployments.append(self._deployment(rollout))
        self._deployments.sort(key=lambda document: document.at)
        return [document for document in self._deployments if document.at <= t]

    def _deployment(self, rollout: Any) -> Document:
        moment = datetime.fromtimestamp(rollout.at, UTC)
        fields = {
            "@timestamp": iso(rollout.at),
            "service": rollout.service,
            "version": rollout.version,
            "previous_version": rollout.previous_version,
            "environment": ENVIRONMENT,
            "author": rollout.author,
            "status": "succeeded",
            "url": f"https://ci.shop.example/{rollout.service}/releases/{rollout.version}",
        }
        return Document(f"deployments-{moment:%Y.%m}", self._id(), rollout.at, fields)

    def _id(self) -> str:
        self._serial += 1
        return f"{zlib.crc32(str(self.story.plan.seed).encode()):08x}{self._serial:08x}"

    def _write(self, slot: int) -> None:
        dice = random.Random(f"logs/{self.story.plan.seed}/{slot}")
        counts = np.random.default_rng([self.story.plan.seed & 0xFFFFFFFF, 77, slot])
        end = float(self.story.times[slot])
        fresh: list[Document] = []
        traces: dict[str, list[str]] = {}
        for name in ORDER:
            pods = self._writers(name, end)
            fresh.extend(self._starts(name, end))
            if pods:
                fresh.extend(self._service(_Slot(slot, end, name, pods, dice, counts), traces))
        fresh.sort(key=lambda document: document.at)
        self.logs.extend(fresh)

    def _writers(self, name: str, end: float) -> list[Pod]:
        pods = self.cluster.workloads[name].pods
        middle = end - STEP_S / 2
        return [pod for pod in pods if pod.serving(middle)] or [pod for pod in pods if pod.serving(end)]

    def _service(self, slot: _Slot, traces: dict[str, list[str]]) -> list[Document]:
        name, counts, at = slot.service, slot.counts, slot.number
        flow, plan = self.story.flows[name], self.story.plan
        amount = float(flow.rate[at]) * STEP_S
        made = self._lines(slot, log_lines.USUAL[name] + log_lines.COMMON, int(counts.poisson(LINES_PER_SLOT)))
        errors = int(counts.poisson(amount * float(flow.base_errors[at])))
        made += self._lines(slot, (Line("ERROR", 1, log_lines.ORDINARY_ERRORS[name]),), errors)
        failing = min(int(counts.poisson(amount * float(flow.fault_errors[at]))), _MOST_PER_SLOT)
        known = [trace for call in SERVICES[name].calls for trace in traces.get(call.callee, [])]
        failed = self._lines(slot, log_lines.failures(plan, name), failing, known)
        traces[name] = [str(document.fields["trace.id"]) for document in failed]
        slow = log_lines.slowness(plan, name)
        share = float(flow.slow_share[at]) * _SLOW_LOGGED if slow else 0.0
        made += failed + self._lines(slot, slow, min(int(counts.poisson(amount * share)), 20))
        blip = plan.blip
        if name == blip.service and 0 <= slot.end - blip.at.timestamp() < blip.duration_s:
            made += self._lines(slot, (Line("INFO", 1, log_lines.warm_up),), 2)
        return made

    def _lines(
        self, slot: _Slot, templates: tuple[Line, ...], count: int, traces: list[str] | None = None
    ) -> list[Document]:
        if not templates or not count:
            return []
        dice = slot.dice
        documents = []
        for number, line in enumerate(dice.choices(templates, [line.weight for line in templates], k=count)):
            trace = traces[number] if traces and number < len(traces) else f"{dice.getrandbits(128):032x}"
            at = slot.end - dice.random() * STEP_S
            pod = dice.choice([pod for pod in slot.pods if pod.serving(at)] or slot.pods)
            documents.append(self._document(at, pod, level=line.level, message=line.say(dice), trace=trace))
        return documents

    def _starts(self, name: str, end: float) -> list[Document]:
        documents = []
        for pod in self.cluster.workloads[name].pods:
            version = self.cluster.version_of(pod)
            moments = [pod.ready - 1, *(restart.back for restart in pod.restarts)]
            for at in moments:
                if end - STEP_S < at <= end and pod.exists(at):
                    text = log_lines.started(name, version)
                    documents.append(self._document(at, pod, level="INFO", message=text))
        return documents

    def _document(self, at: float, pod: Pod, *, level: str, message: str, trace: str = "") -> Document:
        name = pod.service
        fields: dict[str, Any] = {
            "@timestamp": iso(at),
            "message": message,
            "log.level": level,
            "service.name": name,
            "service.environment": ENVIRONMENT,
            "service.version": self.cluster.version_of(pod),
            "kubernetes.namespace": NAMESPACE,
            "kubernetes.pod.name": pod.name,
            "host.name": pod.node,
            "event.dataset": f"{name}.log",
            "ecs.version": "8.11.0",
        }
        if trace:
            fields["trace.id"] = trace
        return Document(f"logs-{NAMESPACE}-{fields['@timestamp'][:10].replace('-', '.')}", self._id(), at, fields)


def iso(at: float) -> str:
    """Epoch seconds as ISO 8601 in UTC with milliseconds."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

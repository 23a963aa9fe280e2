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
_MOST_PER_SLOT = 45
_SLOW_LOGGED = 0.25


@dataclass(frozen=True)
class Document:
    """One document: flat field names, and the moment it was written (epoch seconds)."""

    index: str
    id: str
    at: float
    fields: dict[str, Any]


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
                fresh.extend(self._service(name, slot, pods, dice, counts, traces))
        fresh.sort(key=lambda document: document.at)
        self.logs.extend(fresh)

    def _writers(self, name: str, end: float) -> list[Pod]:
        pods = self.cluster.workloads[name].pods
        middle = end - STEP_S / 2
        return [pod for pod in pods if pod.serving(middle)] or [pod for pod in pods if pod.serving(end)]

    def _service(
        self, name: str, slot: int, pods: list[Pod], dice: random.Random, counts: Any, traces: dict[str, list[str]]
    ) -> list[Document]:
        flow, plan = self.story.flows[name], self.story.plan
        end = float(self.story.times[slot])
        amount = float(flow.rate[slot]) * STEP_S
        usual = log_lines.USUAL[name] + log_lines.COMMON
        made = self._lines(usual, int(counts.poisson(LINES_PER_SLOT)), end, name, pods, dice, None)
        say = log_lines.ORDINARY_ERRORS[name]
        errors = int(counts.poisson(amount * float(flow.base_errors[slot])))
        made += self._lines((Line("ERROR", 1, say),), errors, end, name, pods, dice, None)
        failing = min(int(counts.poisson(amount * float(flow.fault_errors[slot]))), _MOST_PER_SLOT)
        known = [trace for call in SERVICES[name].calls for trace in traces.get(call.callee, [])]
        made += self._lines(log_lines.failures(plan, name), failing, end, name, pods, dice, known)
        traces[name] = [str(d.fields["trace.id"]) for d in made[len(made) - failing :]] if failing else []
        slow = log_lines.slowness(plan, name)
        share = float(flow.slow_share[slot]) * _SLOW_LOGGED if slow else 0.0
        made += self._lines(slow, min(int(counts.poisson(amount * share)), 20), end, name, pods, dice, None)
        blip = plan.blip
        if name == blip.service and 0 <= end - blip.at.timestamp() < blip.duration_s:
            made += self._lines((Line("INFO", 1, log_lines.warm_up),), 2, end, name, pods, dice, None)
        return made

    def _lines(
        self,
        templates: tuple[Line, ...],
        count: int,
        end: float,
        name: str,
        pods: list[Pod],
        dice: random.Random,
        traces: list[str] | None,
    ) -> list[Document]:
        if not templates or not count:
            return []
        chosen = dice.choices(templates, [line.weight for line in templates], k=count)
        documents = []
        for number, line in enumerate(chosen):
            trace = traces[number] if traces and number < len(traces) else f"{dice.getrandbits(128):032x}"
            at = end - dice.random() * STEP_S
            documents.append(self._document(at, name, dice.choice(pods), line.level, line.say(dice), trace))
        return documents

    def _starts(self, name: str, end: float) -> list[Document]:
        documents = []
        for pod in self.cluster.workloads[name].pods:
            version = self.cluster.version_of(pod)
            moments = [pod.ready - 1, *(restart.back for restart in pod.restarts)]
            for at in moments:
                if end - STEP_S < at <= end and pod.exists(at):
                    text = log_lines.started(name, version)
                    documents.append(self._document(at, name, pod, "INFO", text, ""))
        return documents

    def _document(self, at: float, name: str, pod: Pod, level: str, message: str, trace: str) -> Document:
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

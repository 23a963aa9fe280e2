"""A runbook: what an on-call engineer knows about one kind of trouble, written down so that both can follow it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from fnmatch import fnmatchcase

from pydantic import Field, JsonValue

from bot.domain.evidence import FindingKind, Hypothesis
from bot.domain.states import Risk
from connectors.model import Frozen, JsonObject

_PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}")

# What parameters may be filled from: the hypothesis' component, the data of its findings, and what the sources said
# of the thing concerned (see bot/services/facts.py).
FACTS: Mapping[str, str] = {
    "service": "the service concerned",
    "component": "the component, such as app/NAME",
    "namespace": "namespace of the workload",
    "workload": "name of the workload",
    "workload_kind": "Deployment, StatefulSet or DaemonSet",
    "container": "the container concerned",
    "pod": "the pod concerned",
    "node": "the node concerned",
    "revision": "the revision that runs now",
    "previous_revision": "the revision before",
    "image": "the image that runs now",
    "previous_image": "the image before",
    "replicas": "how many pods are wanted now",
    "more_replicas": "half as many again, at least one more",
    "double_replicas": "twice as many",
    "autoscaler": "name of the autoscaler",
    "autoscaler_min": "its lower bound now",
    "autoscaler_max": "its upper bound now",
    "autoscaler_more": "half as much again as its upper bound",
    "database": "the database concerned",
    "blocking_pid": "the session that holds the lock",
    "blocking_query": "the statement of that session",
    "query": "the statement concerned",
    "flag": "the feature flag that was changed",
}


class Triggers(Frozen):
    """When a runbook fits: by cause, or by findings; narrowed by service and label (shell patterns)."""

    causes: tuple[str, ...] = ()
    findings: tuple[FindingKind, ...] = ()
    services: tuple[str, ...] = ()
    labels: dict[str, str] = Field(default_factory=dict)


class RunbookCall(Frozen):
    """A call with parameters still to be filled. `source` is a type such as kubernetes."""

    source: str
    tool: str
    arguments: JsonObject = Field(default_factory=dict)


class RunbookChange(RunbookCall):
    """A write, with a title for people. `risk` above the runbook's own is possible, below is not."""

    title: str
    risk: Risk | None = None
    undo: RunbookCall | None = None
    undo_title: str = ""


class Verification(Frozen):
    """After a change: the findings' own queries are asked again until the symptom is gone, at most this long."""

    findings: tuple[FindingKind, ...] = ()
    settle_minutes: float = Field(default=5.0, gt=0, le=120)


class Runbook(Frozen):
    """One file of the library. `body` is the prose."""

    id: str
    title: str
    owner: str
    version: str
    reviewed: date
    triggers: Triggers
    risk: Risk = Risk.MEDIUM
    checks: tuple[RunbookCall, ...] = ()
    changes: tuple[RunbookChange, ...] = ()
    verify: Verification = Verification()
    body: str = ""
    path: str = ""

    def fit(self, hypothesis: Hypothesis, labels: Mapping[str, str] | None = None) -> float:
        """How well it fits, 0 (not at all) and up: the cause counts most, then each finding it names."""
        triggers = self.triggers
        service = hypothesis.component.partition("/")[2]
        if triggers.services and not any(fnmatchcase(service, pattern) for pattern in triggers.services):
            return 0.0
        if any(not fnmatchcase((labels or {}).get(key, ""), pattern) for key, pattern in triggers.labels.items()):
            return 0.0
        seen = {finding.kind for finding in hypothesis.supporting}
        matched = len(seen & set(triggers.findings))
        if triggers.causes and hypothesis.cause not in triggers.causes:
            return 0.0
        if not triggers.causes and not matched:
            return 0.0
        return (2.0 if triggers.causes else 0.5) + 0.1 * matched + (0.5 if triggers.services else 0.0)


def placeholders(value: JsonValue) -> set[str]:
    """The names in braces anywhere in a value."""
    if isinstance(value, str):
        return set(_PLACEHOLDER.findall(value))
    if isinstance(value, list):
        return {name for one in value for name in placeholders(one)}
    if isinstance(value, dict):
        return {name for one in value.values() for name in placeholders(one)}
    return set()


def fill(value: JsonValue, facts: Mapping[str, JsonValue]) -> JsonValue:
    """The value with facts in place of names. A text that is one name alone becomes the fact with its type.

    KeyError names the first fact that is not known.
    """
    if isinstance(value, str):
        whole = _PLACEHOLDER.fullmatch(value)
        if whole:
            return facts[whole.group(1)]
        return _PLACEHOLDER.sub(lambda match: str(facts[match.group(1)]), value)
    if isinstance(value, list):
        return [fill(one, facts) for one in value]
    if isinstance(value, dict):
        return {key: fill(one, facts) for key, one in value.items()}
    return value

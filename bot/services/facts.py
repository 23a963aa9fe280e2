"""What a runbook's parameters are filled with: the hypothesis, its findings, and what the sources said. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pydantic import JsonValue

from bot.domain.evidence import Evidence, Hypothesis
from connectors.model import Item, JsonObject, Objects

_WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet")
# From the data of findings as they are; other names are those of runbooks.
_SAME = ("namespace", "pod", "container", "node", "database", "blocking_pid", "blocking_query", "query", "flag")
_RENAMED = {"deployment": "workload", "application": "service"}


class Facts(dict[str, JsonValue]):
    """Facts by name, and the sources they were read from: `source_of` a type gives the instance to change."""

    def __init__(self) -> None:
        super().__init__()
        self.instances: dict[str, str] = {}

    def learn(self, name: str, value: JsonValue) -> None:
        """Keep what was learned first."""
        if value is not None and value != "":
            self.setdefault(name, value)


def facts_of(hypothesis: Hypothesis, evidence: Iterable[Evidence]) -> Facts:
    """Everything that may be filled in, from what is known for certain."""
    facts = Facts()
    kept = tuple(evidence)
    kind, _, name = hypothesis.component.partition("/")
    facts.learn("component", hypothesis.component)
    facts.learn({"app": "service", "external": "service"}.get(kind, kind), name)
    for finding in hypothesis.supporting:
        if finding.component == hypothesis.component or kind == "database":
            _from_data(facts, finding.data)
    cited = {one for finding in hypothesis.supporting for one in finding.evidence}
    for one in sorted(kept, key=lambda e: e.id not in cited):
        facts.instances.setdefault(one.call.connector.partition("/")[0], one.call.connector)
    for one in kept:
        for item in one.payload.items if isinstance(one.payload, Objects) else ():
            _from_item(facts, item, one.call.connector)
    return facts


def _from_data(facts: Facts, data: Mapping[str, JsonValue]) -> None:
    for name in _SAME:
        facts.learn(name, data.get(name))
    for name, fact in _RENAMED.items():
        facts.learn(fact, data.get(name))


def _from_item(facts: Facts, item: Item, connector: str) -> None:
    """The workload (or its autoscaler) of the service concerned."""
    service = facts.get("service")
    if item.api_kind in _WORKLOADS and service in (item.fields.get("service"), item.name):
        facts.instances["kubernetes"] = connector
        _workload(facts, item)
    elif item.api_kind == "HorizontalPodAutoscaler" and item.fields.get("target") in (service, facts.get("workload")):
        low, high = item.fields.get("min_replicas"), item.fields.get("max_replicas")
        facts.learn("autoscaler", item.name)
        facts.learn("autoscaler_min", low)
        facts.learn("autoscaler_max", high)
        facts.learn("autoscaler_more", _more(high))


def _workload(facts: Facts, item: Item) -> None:
    fields: JsonObject = item.fields
    facts.learn("namespace", item.namespace)
    facts.learn("workload", item.name)
    facts.learn("workload_kind", item.api_kind)
    for name in ("revision", "previous_revision", "image", "previous_image"):
        facts.learn(name, fields.get(name))
    wanted = fields.get("desired")
    facts.learn("replicas", wanted)
    if isinstance(wanted, int) and not isinstance(wanted, bool) and wanted > 0:
        facts.learn("more_replicas", _more(wanted))
        facts.learn("double_replicas", 2 * wanted)


def _more(count: JsonValue) -> int | None:
    """Half as many again, at least one more."""
    if not isinstance(count, int) or isinstance(count, bool):
        return None
    return count + max(1, count // 2)

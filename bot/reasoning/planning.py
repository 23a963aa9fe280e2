"""Chooses the reads for a question without a model.

Each tool has a standing purpose; a source is asked when it serves the environment and, for squad-owned databases,
the squad. What cannot be asked becomes a gap before anything runs.
"""

from __future__ import annotations

from collections.abc import Iterator

from bot.domain.evidence import Gap, GapReason
from bot.domain.question import Analysis, Catalogue, IssueType, Plan, PlannedCall, Source
from connectors.model import Effect, JsonObject, Tool, ToolCall

# Tool name -> why an on-call engineer asks it. Only tools that need no argument beyond the services can stand here.
STANDING_READS: dict[str, str] = {
    "get_service_signals": "rates, errors, latency and saturation of every service",
    "get_dependency_signals": "calls between services",
    "list_alerts": "what is alerting",
    "list_targets": "what stopped reporting",
    "get_error_rates": "error logs per service over time",
    "get_log_groups": "log lines that are new or rose",
    "list_deployments": "releases before the symptom",
    "list_workloads": "state of the rollouts",
    "list_pods": "crashes, restarts, probes",
    "list_events": "what the cluster complained about",
    "list_nodes": "state of the nodes",
    "list_quotas": "quotas that are used up",
    "list_storage": "volumes that are not bound",
    "check_services": "services without endpoints, wrong ports",
    "check_references": "configuration that does not resolve",
    "list_changes": "what changed in the cluster",
    "get_connections": "connections against the limit",
    "list_locks": "who blocks whom",
    "list_activity": "longest running queries",
    "list_slow_statements": "statements that became slow",
    "get_replication": "replication lag",
    "get_topology": "who calls whom",
    "get_traces": "slow and failing calls between services",
    "list_monitors": "what is alerting",
    "list_violations": "what is alerting",
    "search_similar": "earlier tickets like this one",
}
_ONLY_FOR: dict[str, frozenset[IssueType]] = {
    "get_table_health": frozenset({IssueType.DATABASE}),
}
_SQUAD_OWNED = frozenset({"postgresql", "mysql", "mongodb", "clickhouse", "bigquery"})


def make_plan(analysis: Analysis, catalogue: Catalogue) -> Plan:
    """Every standing read of every source that serves this question."""
    calls: list[PlannedCall] = []
    gaps: list[Gap] = []
    for source in catalogue.sources:
        if source.name not in analysis.relevant_sources:
            continue
        refusal = _not_asked(source, analysis)
        if refusal:
            gaps += [refusal] if refusal.text else []
            continue
        calls += _reads(source, analysis)
    if not calls and not gaps:
        text = f"No source is configured for {analysis.environment}. Add one in config/sources.yaml."
        gaps.append(Gap(source="inquest", reason=GapReason.NOT_CONFIGURED, text=text))
    return Plan(calls=tuple(calls), gaps=tuple(gaps))


def serves(source: Source, analysis: Analysis) -> bool:
    """Whether this source may be asked for this question: its environment and, for databases, its squad."""
    return _not_asked(source, analysis) is None


def _not_asked(source: Source, analysis: Analysis) -> Gap | None:
    """A gap with an empty text means: rightly left out, and not worth a word."""
    if source.environment != analysis.environment:
        return Gap(source=source.name, reason=GapReason.NOT_CONFIGURED, text="")
    foreign = source.squad is not None and analysis.squad is not None and source.squad != analysis.squad
    if source.type in _SQUAD_OWNED and foreign and not set(source.services) & set(analysis.services):
        return Gap(source=source.name, reason=GapReason.NOT_CONFIGURED, text="")
    return None


def _reads(source: Source, analysis: Analysis) -> Iterator[PlannedCall]:
    for tool in source.tools:
        why = STANDING_READS.get(tool.name)
        if tool.name in _ONLY_FOR and analysis.issue_type in _ONLY_FOR[tool.name]:
            why = "health of the tables"
        if why is None or tool.effect is not Effect.READ:
            continue
        call = ToolCall(
            connector=source.name, tool=tool.name, arguments=_arguments(tool, analysis), window=analysis.window
        )
        yield PlannedCall(call=call, why=why)


def _arguments(tool: Tool, analysis: Analysis) -> JsonObject:
    """No service filter: the cause is often in a service that the question does not name."""
    if tool.name == "search_similar" and "words" in tool.arguments.model_fields:
        return {"words": [*analysis.keywords, *analysis.services]}
    if "environment" in tool.arguments.model_fields:
        return {"environment": analysis.environment}
    return {}

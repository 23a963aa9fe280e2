"""How states, sources and reasons are spelled for people."""

from __future__ import annotations

from bot.domain.evidence import GapReason
from bot.domain.investigation import Investigation
from bot.domain.states import InvestigationState, Outcome, PhaseName

SOURCE_NAMES = {
    "postgresql": "PostgreSQL",
    "mysql": "MySQL",
    "mariadb": "MariaDB",
    "mongodb": "MongoDB",
    "clickhouse": "ClickHouse",
    "bigquery": "BigQuery",
    "elasticsearch": "Elasticsearch",
    "opensearch": "OpenSearch",
    "prometheus": "Prometheus",
    "datadog": "Datadog",
    "newrelic": "New Relic",
    "kubernetes": "Kubernetes",
    "loki": "Loki",
    "tempo": "Tempo",
    "jaeger": "Jaeger",
    "grafana": "Grafana",
    "github": "GitHub",
    "jira": "Jira",
    "files": "Files",
    "mcp": "MCP",
    "http_tools": "HTTP",
}

STATES = {
    InvestigationState.CREATED: "Accepted",
    InvestigationState.QUEUED: "Waiting for a worker",
    InvestigationState.INITIALIZING: "Starting",
    InvestigationState.RUNNING: "Investigating",
    InvestigationState.PAUSED: "Paused",
    InvestigationState.COMPLETING: "Writing the report",
    InvestigationState.COMPLETED: "Done",
    InvestigationState.FAILED: "Failed",
    InvestigationState.RETRYING: "Trying again",
    InvestigationState.CANCELLED: "Cancelled",
}
ICONS = {
    InvestigationState.PAUSED: "⏸",
    InvestigationState.COMPLETED: "✔",
    InvestigationState.FAILED: "⚠",
    InvestigationState.CANCELLED: "⏹",
}
PHASES = {
    PhaseName.ANALYZE: "reading the question",
    PhaseName.PLAN: "choosing what to ask",
    PhaseName.COLLECT: "asking the sources",
    PhaseName.CORRELATE: "comparing what came back",
    PhaseName.SYNTHESIZE: "weighing causes",
    PhaseName.PROPOSE: "looking for remedies",
}
OUTCOMES = {
    Outcome.SUCCEEDED: "answered",
    Outcome.EMPTY: "answered: nothing there",
    Outcome.FAILED: "failed",
    Outcome.TIMED_OUT: "timed out",
    Outcome.CANCELLED: "cancelled",
    Outcome.REFUSED: "refused",
    Outcome.SKIPPED: "not asked",
}
GAPS = {
    GapReason.TIMED_OUT: "timed out",
    GapReason.UNAUTHORIZED: "no access",
    GapReason.UNAVAILABLE: "not reachable",
    GapReason.REFUSED: "refused",
    GapReason.EMPTY: "nothing there",
    GapReason.TOO_EXPENSIVE: "too expensive",
    GapReason.NOT_CONFIGURED: "not configured",
}


def source_name(connector: str) -> str:
    """`prometheus/main` → `Prometheus main`."""
    kind, _, name = connector.partition("/")
    return f"{SOURCE_NAMES.get(kind, kind)} {name}".strip()


def state_words(investigation: Investigation) -> str:
    """The state, and while it runs the phase, in words."""
    words = STATES[investigation.state]
    phase = investigation.current_phase
    if investigation.state is InvestigationState.RUNNING and phase:
        words += f": {PHASES[phase]}"
    return f"{ICONS.get(investigation.state, '◐')} {words}"


def percent(ratio: float) -> str:
    return f"{round(ratio * 100)} %"

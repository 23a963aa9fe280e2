"""Logs and metrics of Inquest itself; secrets are masked at every exit."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from bot.domain.evidence import ToolExecution
from bot.domain.remediation import Proposal, ProposalState
from connectors.redaction import redact_text

_LONG_WAITS_S = (5, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600)


class Metrics:
    """Inquest's own metrics, in a registry of their own so that two apps in one process do not collide."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.investigations = Counter(
            "investigations_total", "Investigations by state reached.", ["state"], registry=self.registry
        )
        self.tool_executions = Counter(
            "tool_executions_total",
            "Tool calls by source and outcome.",
            ["connector", "outcome"],
            registry=self.registry,
        )
        self.tool_seconds = Histogram(
            "tool_execution_duration_seconds", "Duration of tool calls.", ["connector"], registry=self.registry
        )
        self.failures = Counter(
            "integration_call_failures_total", "Failed calls by source.", ["adapter"], registry=self.registry
        )
        self.requests = Counter(
            "http_requests_total", "HTTP requests.", ["method", "route", "status"], registry=self.registry
        )
        self.request_seconds = Histogram(
            "http_request_duration_seconds", "Duration of HTTP requests.", ["route"], registry=self.registry
        )
        self.approval_seconds = Histogram(
            "proposal_approval_wait_seconds",
            "From a proposal to the approval that completed it.",
            ["risk"],
            buckets=_LONG_WAITS_S,
            registry=self.registry,
        )
        self.recovery_seconds = Histogram(
            "proposal_recovery_seconds",
            "From the start of a change to the reading that shows the symptom gone.",
            ["tool"],
            buckets=_LONG_WAITS_S,
            registry=self.registry,
        )
        self.changes = Counter(
            "proposals_carried_out_total",
            "Changes that were carried out, by how they ended.",
            ["outcome"],
            registry=self.registry,
        )
        self.running = Gauge("investigations_running", "Investigations that run here now.", registry=self.registry)

    def observe_execution(self, execution: ToolExecution) -> None:
        name = execution.call.connector
        self.tool_executions.labels(name, execution.outcome.value).inc()
        self.tool_seconds.labels(name).observe(execution.duration_ms / 1000)
        if execution.error_kind:
            self.failures.labels(name).inc()

    def observe_change(self, proposal: Proposal) -> None:
        """A change begins, or was checked."""
        if proposal.state is ProposalState.EXECUTING and proposal.waited_s is not None:
            self.approval_seconds.labels(proposal.risk.value).observe(proposal.waited_s)
        elif proposal.state is not ProposalState.EXECUTING:
            self.changes.labels(proposal.state.value).inc()
            if proposal.recovery_s is not None and proposal.checks:
                self.recovery_seconds.labels(proposal.call.tool).observe(proposal.recovery_s)


def configure_logs(*, level: str, as_json: bool) -> None:
    """Logs go to standard error, one event a line."""
    renderer: Any = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _masked,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_level(level)),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=_level(level), stream=sys.stderr, format="%(levelname)s %(name)s %(message)s", force=True)
    for handler in logging.getLogger().handlers:
        handler.addFilter(_MaskingFilter())
    for noisy in ("httpx", "slack_bolt", "slack_sdk", "aiohttp.access", "asyncio", "elastic_transport"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _level(name: str) -> int:
    return logging.getLevelNamesMapping().get(name.upper(), logging.INFO)


def _masked(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = redact_text(value)
    return event


class _MaskingFilter(logging.Filter):
    """Masks what other libraries log."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact_text(record.getMessage()), ()
        return True

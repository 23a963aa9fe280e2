"""From the domain's values to the columns that make them findable."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import Table
from sqlmodel import SQLModel

from bot.domain.access import PrincipalKind
from bot.domain.events import Event, EventKind
from bot.domain.evidence import Evidence
from bot.domain.investigation import ExecutionRecord, Investigation
from bot.domain.states import InvestigationState, PhaseName, PhaseState
from bot.store import tables, tables_around, tables_masked, tables_search, tables_sweeps, tables_turns
from connectors.model import JsonObject

Row: TypeAlias = dict[str, Any]

_S = InvestigationState
_WORKING = frozenset({_S.QUEUED, _S.INITIALIZING, _S.RUNNING, _S.COMPLETING, _S.RETRYING})
_PEOPLE = frozenset({PrincipalKind.PERSON, PrincipalKind.API_KEY})
PEOPLES_CLASS, SCHEDULES_CLASS = 0, 1
_TABLE_MODULES = (tables, tables_around, tables_masked, tables_search, tables_sweeps, tables_turns)
_DONE_PHASES = frozenset({PhaseState.COMPLETED, PhaseState.SKIPPED})


def table(name: str) -> Table:
    """The table of that name."""
    return SQLModel.metadata.tables[name]


def as_text(value: str) -> str:
    """The text as a column can hold it: PostgreSQL refuses U+0000, neither store takes half a surrogate pair."""
    if value.isascii() and "\x00" not in value:
        return value
    return value.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def as_text_or_none(value: str | None) -> str | None:
    return None if value is None else as_text(value)


def as_json(value: Any) -> str:
    """Compact ASCII JSON: any character survives as an escape, also U+0000."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def clean_payload(payload: JsonObject) -> JsonObject:
    """The payload as JSON can carry it to any store and back: no NaN or infinity (null), no half surrogate pair."""
    try:
        plain = as_json(payload)
    except ValueError:
        return _clean_object(payload)
    return _clean_object(payload) if "\\ud" in plain else payload


def _clean_object(value: JsonObject) -> JsonObject:
    return {_whole(key): _clean(item) for key, item in value.items()}


def _clean(value: Any) -> Any:
    match value:
        case str():
            return _whole(value)
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return _clean_object(value)
        case list():
            return [_clean(item) for item in value]
        case _:
            return value


def _whole(value: str) -> str:
    """The text with half surrogate pairs replaced."""
    return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def is_ready(investigation: Investigation) -> bool:
    """True when a worker would have something to do."""
    requests = investigation.requests
    match investigation.state:
        case InvestigationState.PAUSED:
            return requests.resume is not None or requests.cancel is not None
        case InvestigationState.FAILED:
            return requests.retry is not None
        case state:
            return state in _WORKING


def queue_class(investigation: Investigation) -> int:
    """What people wait for comes first."""
    return PEOPLES_CLASS if investigation.requester.kind in _PEOPLE else SCHEDULES_CLASS


def created_row(investigation: Investigation) -> Row:
    """The whole current row of a new investigation."""
    origin, question = investigation.origin, investigation.question
    configuration = question.model_dump(mode="json", exclude={"text", "asked_at"})
    return {
        "id": investigation.id,
        "workspace": investigation.workspace,
        "user_id": as_text(investigation.requester.id),
        "subject": as_text(question.text),
        "created_at": investigation.created_at,
        "parent_investigation_id": as_text_or_none(investigation.parent_id),
        "metadata": as_json(origin),
        "configuration": as_json(configuration),
        "channel": _origin_text(origin, "channel"),
        "thread_ts": _origin_text(origin, "thread_ts"),
        "queue_class": queue_class(investigation),
        "queued_at": investigation.created_at,
        "worker": None,
        "holder": None,
        "lease_until": None,
        **changing_row(investigation),
    }


def changing_row(investigation: Investigation) -> Row:
    """The columns that any event may change."""
    state, phase, report = investigation.state, investigation.current_phase, investigation.report
    finished = investigation.finished_at
    return {
        "seq": investigation.seq,
        "type": investigation.analysis.issue_type.value if investigation.analysis else None,
        "status": state.value,
        "current_phase": phase.value if phase else None,
        "progress_percentage": round(100 * investigation.progress_ratio, 1),
        "started_at": investigation.started_at,
        "completed_at": finished if state is InvestigationState.COMPLETED else None,
        "failed_at": finished if state is InvestigationState.FAILED else None,
        "updated_at": investigation.updated_at,
        "retry_count": investigation.retries,
        "error_message": as_text(investigation.reason) if state is InvestigationState.FAILED else None,
        "result": as_text(report.synthesis.root_cause or report.synthesis.verdict.value) if report else None,
        "squad": as_text_or_none(investigation.squad),
        "document": document_of(investigation),
        "ready": is_ready(investigation),
        "fence": investigation.fence,
        "claims": investigation.claims,
    }


def document_of(investigation: Investigation) -> str:
    return investigation.model_dump_json(by_alias=True)


def investigation_from(document: str) -> Investigation:
    return Investigation.model_validate_json(document)


def _origin_text(origin: JsonObject, name: str) -> str | None:
    value = origin.get(name)
    return as_text(value) if isinstance(value, str) else None


def event_row(workspace: str, event: Event, states: tuple[str | None, str | None]) -> Row:
    previous, new = states
    return {
        "workspace": workspace,
        "stream": event.stream,
        "seq": event.seq,
        "type": event.kind.value,
        "timestamp": event.at,
        "actor": as_text(event.actor),
        "previous_state": previous if previous != new else None,
        "new_state": new if previous != new else None,
        "payload": as_json(event.payload),
        "previous_hash": event.previous_hash,
        "hash": event.hash,
    }


def evidence_row(workspace: str, stream: str, evidence: Evidence) -> Row:
    return {
        "id": evidence.id,
        "workspace": workspace,
        "stream": stream,
        "connector": as_text(evidence.call.connector),
        "tool": as_text(evidence.call.tool),
        "kind": evidence.payload.kind,
        "digest": evidence.call.digest,
        "collected_at": evidence.collected_at,
        "headline": as_text(evidence.headline),
        "truncated": as_text_or_none(evidence.truncated),
        "document": evidence.model_dump_json(),
    }


def phase_rows(before: Investigation | None, after: Investigation) -> list[Row]:
    """The phases that these events changed."""
    known = {phase.name: phase for phase in before.phases} if before else {}
    order = {name: position for position, name in enumerate(PhaseName, start=1)}
    return [
        {
            "workspace": after.workspace,
            "investigation_id": after.id,
            "name": phase.name.value,
            "position": order[phase.name],
            "status": phase.state.value,
            "progress": 1.0 if phase.state in _DONE_PHASES else 0.0,
            "started_at": phase.started_at,
            "completed_at": phase.finished_at,
            "duration_ms": phase.duration_ms,
            "input": as_json(phase.input),
            "output": as_json(phase.output),
            "error": as_text_or_none(phase.error),
        }
        for phase in after.phases
        if known.get(phase.name) is not phase and phase.state is not PhaseState.PENDING
    ]


def reset_phases(before: Investigation | None, after: Investigation) -> list[str]:
    """The phases that a retry takes back to pending."""
    known = {phase.name: phase for phase in before.phases} if before else {}
    return [
        phase.name.value
        for phase in after.phases
        if phase.state is PhaseState.PENDING
        and phase.name in known
        and known[phase.name].state is not PhaseState.PENDING
    ]


def execution_rows(before: Investigation | None, after: Investigation) -> list[Row]:
    """The executions that these events started or finished."""
    known = {id(record) for record in before.executions} if before else set()
    return [_execution_row(after, record) for record in after.executions if id(record) not in known]


def _execution_row(investigation: Investigation, record: ExecutionRecord) -> Row:
    return {
        "workspace": investigation.workspace,
        "investigation_id": investigation.id,
        "id": as_text(record.id),
        "connector": as_text(record.call.connector),
        "digest": record.call.digest,
        "phase": as_text_or_none(record.phase),
        "agent": record.by.value,
        "tool": as_text(record.call.tool),
        "version": None,
        "started_at": record.started_at,
        "completed_at": record.finished_at,
        "duration_ms": record.duration_ms,
        "status": record.outcome.value if record.outcome else "running",
        "input": as_json(record.call.arguments),
        "output_summary": as_text(record.headline),
        "error_kind": record.error_kind,
        "error": as_text_or_none(record.error),
        "evidence_id": record.evidence_id,
        "tokens_used": 0,
        "api_calls_made": record.stats.api_calls if record.outcome else 0,
        "cost_estimate": record.stats.cost_usd,
        "attempts": record.attempts,
    }


def finding_rows(after: Investigation, events: Iterable[Event]) -> list[Row]:
    """FindingMade carries one `finding` or a list of `findings`."""
    found: dict[str, Row] = {}
    for event in events:
        if event.kind is EventKind.FINDING_MADE:
            for finding in _objects(event.payload.get("finding"), event.payload.get("findings")):
                row = _finding_row(after, event.at, finding)
                found[row["id"]] = row
    return list(found.values())


def _finding_row(after: Investigation, at: datetime, finding: dict[str, Any]) -> Row:
    onset = finding.get("onset")
    return {
        "workspace": after.workspace,
        "investigation_id": after.id,
        "id": as_text(str(finding.get("id", ""))),
        "kind": as_text(str(finding.get("kind", ""))),
        "component": as_text(str(finding.get("component", ""))),
        "statement": as_text(str(finding.get("statement", ""))),
        "weight": float(finding.get("weight") or 0.0),
        "onset": datetime.fromisoformat(onset) if isinstance(onset, str) else None,
        "evidence": as_json(finding.get("evidence", [])),
        "data": as_json(finding.get("data", {})),
        "created_at": at,
    }


def hypothesis_rows(after: Investigation, at: datetime) -> list[Row]:
    """The ranking as it is now, best first."""
    return [
        {
            "workspace": after.workspace,
            "investigation_id": after.id,
            "rank": rank,
            "component": as_text(str(one.get("component", ""))),
            "cause": as_text(str(one.get("cause", ""))),
            "confidence": _number(one.get("confidence")),
            "statement": as_text(str(one.get("statement", ""))),
            "pinned": bool(one.get("pinned")),
            "ruled_out": bool(one.get("ruled_out")),
            "document": as_json(one),
            "created_at": at,
        }
        for rank, one in enumerate(after.hypotheses, start=1)
    ]


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _objects(*values: Any) -> Sequence[dict[str, Any]]:
    flat = [item for value in values for item in (value if isinstance(value, list) else [value])]
    return [item for item in flat if isinstance(item, dict)]

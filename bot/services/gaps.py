"""From a call that gave nothing to the gap that the report names."""

from __future__ import annotations

from bot.domain.evidence import Gap, GapReason, ToolExecution
from bot.domain.states import Outcome

_REASONS: dict[str, GapReason] = {
    "timed_out": GapReason.TIMED_OUT,
    "unauthorized": GapReason.UNAUTHORIZED,
    "rejected": GapReason.REFUSED,
    "not_found": GapReason.REFUSED,
    "too_expensive": GapReason.TOO_EXPENSIVE,
    "not_configured": GapReason.NOT_CONFIGURED,
}


def gap_of(execution: ToolExecution) -> Gap | None:
    """The gap a finished call leaves; None when it answered, also when the answer was empty."""
    if execution.outcome in (Outcome.SUCCEEDED, Outcome.EMPTY, Outcome.CANCELLED):
        return None
    reason = _REASONS.get(execution.error_kind or "", GapReason.UNAVAILABLE)
    words = execution.call.tool.replace("_", " ")
    return Gap(
        source=execution.call.connector, reason=reason, text=f"Could not {words}: {execution.error or reason.value}"
    )

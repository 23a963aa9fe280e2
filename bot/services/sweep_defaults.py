"""What is watched when nobody configured a sweep: per source and tool that can tell; and objectives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.domain.question import Source
from bot.domain.states import Severity
from bot.services.sweep_burn import FAST, SLOW
from bot.services.sweep_model import Limit, Objective, Sweep
from connectors.model import JsonObject

_S = Severity
SIGNALS = "get_service_signals"
SIGNAL_LIMITS = (
    Limit(metric="error_ratio", above=0.05),
    Limit(metric="up", below=1.0),
    Limit(metric="connections_ratio", above=0.95),
    Limit(metric="pool_ratio", above=0.95),
    Limit(metric="disk_ratio", above=0.95),
    Limit(metric="replication_lag", above=300.0, severity=_S.MEDIUM),
)
# The rates at which the Site Reliability Workbook, chapter 5, pages: 2 % of a month's budget in an hour, 5 % in six.
BURN_LIMITS = (Limit(metric=FAST, above=14.4, severity=_S.CRITICAL), Limit(metric=SLOW, above=6.0, severity=_S.HIGH))


def _counting(*limits: Limit, limits_only: bool = True) -> JsonObject:
    """Things that come and go: what is not there any more is no silence."""
    return {
        "limits": [limit.model_dump(mode="json") for limit in limits],
        "limits_only": limits_only,
        "missing_after": 0,
    }


# Tool → what a sweep over it looks like.
_DEFAULTS: Mapping[str, JsonObject] = {
    SIGNALS: {"limits": [limit.model_dump(mode="json") for limit in SIGNAL_LIMITS]},
    "get_error_rates": {"least_change_ratio": 0.5},
    "list_pods": _counting(
        Limit(metric="restarts_lately", above=2.0, severity=_S.MEDIUM),
        Limit(metric="pods_pending", above=0.0, severity=_S.MEDIUM),
    ),
    "list_nodes": _counting(
        Limit(metric="node_ready", below=1.0, severity=_S.HIGH),
        Limit(metric="node_pressures", above=0.0, severity=_S.MEDIUM),
    ),
    "get_connections": _counting(Limit(metric="connections_ratio", above=0.95), limits_only=False),
    "list_locks": _counting(
        Limit(metric="lock_waiters", above=10.0, severity=_S.HIGH),
        Limit(metric="lock_wait", above=60.0, severity=_S.MEDIUM),
    ),
    "get_replication": _counting(Limit(metric="replication_lag", above=300.0, severity=_S.MEDIUM)),
}


def defaults(sources: Sequence[Source]) -> tuple[Sweep, ...]:
    """RED signals of every service, error logs, pods, nodes, connections, locks and lag, per source that can tell."""
    found = []
    for source in sources:
        for tool in source.tools:
            if tool.name in _DEFAULTS:
                name = f"{source.name.replace('/', '-')}-{tool.name}".lower().replace("_", "-")[:60]
                given = {"name": name, "source": source.name, "tool": tool.name, **_DEFAULTS[tool.name]}
                found.append(Sweep.model_validate(given))
    return tuple(found)


def with_objectives(sweep: Sweep, objectives: Sequence[Objective]) -> Sweep:
    """A sweep over the signals of services also watches how fast their error budgets are spent."""
    if sweep.tool != SIGNALS or not objectives:
        return sweep
    own = {limit.metric for limit in sweep.limits}
    burns = tuple(limit for limit in BURN_LIMITS if limit.metric not in own)
    return sweep.model_copy(update={"objectives": tuple(objectives), "limits": (*sweep.limits, *burns)})

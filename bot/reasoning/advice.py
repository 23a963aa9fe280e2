"""What a good on-call engineer would do next about a cause, in one sentence each; runbooks say more."""

from __future__ import annotations

from bot.domain.evidence import Hypothesis

_ADVICE: dict[str, str] = {
    "bad_deployment": "Roll back the last release of {name}, then look at what it changed.",
    "config_change": "Undo the last configuration change of {name}.",
    "dependency_slow": "Look at {name}: its callers only wait for it. Scale it out or shed load until it recovers.",
    "dependency_failing": "Look at {name}: its callers fail because it fails.",
    "database_lock_contention": "Find out whether the session that holds the lock may be ended; others wait for it.",
    "database_slow_query": "Look at the plan of the statement that became slow; check indexes and statistics.",
    "database_replication_lag": "Send reads to the primary until the replica has caught up.",
    "connections_exhausted": "Find who holds the connections of {name}, and cap or recycle that pool.",
    "traffic_surge": "Scale {name} out or limit the rate at the edge; nothing was changed on our side.",
    "cpu_saturation": "Give {name} more CPU or more replicas.",
    "memory_leak": "Restart {name} to win time, raise its memory limit, and take a heap profile.",
    "disk_full": "Free space on {name} or enlarge its volume.",
    "network_delay": "Check the network path of {name}: its callee answers fast, its caller waits.",
    "network_loss": "Check the network path of {name} for loss.",
    "certificate_expired": "Renew the certificate that {name} presents.",
    "dns_failure": "Check name resolution of {name}.",
    "queue_backlog": "Add consumers to {name} or slow its producers.",
    "cache_failure": "Check the cache of {name}; its back end takes the load now.",
    "external_outage": "Check the status page of {name}; fail over if you can.",
    "code_exception": "Look at the new exception in {name} and at what was released last.",
}


def advice(hypothesis: Hypothesis) -> str:
    """The next step for a cause. Every cause has one; the general one names what to look at."""
    name = hypothesis.component.partition("/")[2]
    template = _ADVICE.get(hypothesis.cause, "Check {name}: " + hypothesis.cause.replace("_", " ") + ".")
    return template.format(name=name)

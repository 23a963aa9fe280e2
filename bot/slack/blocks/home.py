"""The App Home: what runs, what waits for my yes, what is odd, how the sources are, who I am here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.domain.anomaly import Anomaly
from bot.domain.investigation import Investigation
from bot.domain.remediation import Proposal
from bot.services.sweep_model import Sweep
from bot.slack.blocks.elements import clock_time, context, divider, header, section
from bot.slack.blocks.limits import VIEW_BLOCKS, Block
from bot.slack.blocks.roles import roles_blocks
from bot.slack.blocks.text import escape_line
from bot.slack.blocks.words import percent, source_name, state_words
from bot.store import RoleBinding
from connectors.model import Health, HealthStatus

MOST = 15
_SIGNS = {
    HealthStatus.HEALTHY: "✔ healthy",
    HealthStatus.DEGRADED: "◐ degraded",
    HealthStatus.UNHEALTHY: "⚠ not healthy",
}


@dataclass(frozen=True)
class HomeFacts:
    """Everything the Home tab shows; None means that part of Inquest is not set up."""

    running: Sequence[Investigation] = ()
    recent: Sequence[Investigation] = ()
    awaiting: Sequence[Proposal] | None = None
    anomalies: Sequence[Anomaly] | None = None
    sweeps: Sequence[Sweep] | None = None
    health: dict[str, Health] | None = None
    role: str | None = None
    roles: Sequence[RoleBinding] | None = None
    """Those that were given; None for everybody but admins."""


def home_view(facts: HomeFacts) -> Block:
    blocks: list[Block] = []
    if facts.awaiting is not None:
        blocks += [header("Awaiting your approval"), *_awaiting(facts.awaiting)]
    blocks += [header("Running now"), *_list(facts.running, "Nothing is running.")]
    if facts.anomalies is not None:
        blocks += [header("Anomalies"), *_anomalies(facts.anomalies)]
    if facts.sweeps is not None:
        blocks.append(context(_sweeps(facts.sweeps)))
    blocks += [
        header("Recent"),
        *_list(facts.recent, "Nothing yet. Try `/investigate why is checkout slow since 14:00?`"),
    ]
    blocks += [header("Sources"), *_sources(facts.health)]
    role = escape_line(facts.role or "", 200) or "viewer: you can read; ask an admin for more"
    blocks += [
        header("Your role"),
        section(role),
        *(roles_blocks(facts.roles) if facts.roles is not None else []),
        divider(),
        context("`/investigate help` shows everything you can type."),
    ]
    return {"type": "home", "blocks": blocks[:VIEW_BLOCKS]}


def _awaiting(proposals: Sequence[Proposal]) -> list[Block]:
    lines = [_proposal_line(p) for p in proposals[:MOST]]
    return _lines(lines, len(proposals), "Nothing waits for you.")


def _proposal_line(proposal: Proposal) -> str:
    where = f" · buttons in the thread of `{proposal.investigation_id}`" if proposal.investigation_id else ""
    said = f"risk: {proposal.risk.value} · expires {clock_time(proposal.expires_at)} UTC{where}"
    return f"⚙️ *{escape_line(proposal.title, 140)}* · {escape_line(proposal.target.name, 80)}\n      {said}"


def _sweeps(sweeps: Sequence[Sweep]) -> str:
    paused = sum(1 for sweep in sweeps if not sweep.enabled)
    return f"Sweeps: {len(sweeps)}" + (f", {paused} of them paused" if paused else "") + ". `/sweeps` opens the list."


def _anomalies(anomalies: Sequence[Anomaly]) -> list[Block]:
    lines = [_anomaly_line(a) for a in anomalies[:MOST]]
    return _lines(lines, len(anomalies), "Nothing is out of its normal.")


def _anomaly_line(anomaly: Anomaly) -> str:
    services = ", ".join(anomaly.services[:3])
    services += f" and {len(anomaly.services) - 3} more" if len(anomaly.services) > 3 else ""
    said = f"{anomaly.severity.value} · {anomaly.state.value} · last seen {anomaly.last_seen_at:%d %b %H:%M} UTC"
    more = f" · {escape_line(services, 120)}" if services else ""
    return f"⚠ *{escape_line(anomaly.title, 140)}*\n      {said}{more}"


def _lines(lines: Sequence[str], total: int, empty: str) -> list[Block]:
    """Five to a section, and how many are left out."""
    if not lines:
        return [section(empty)]
    more = [context(f"… and {total - len(lines)} more")] if total > len(lines) else []
    return [section("\n".join(lines[at : at + 5])) for at in range(0, len(lines), 5)] + more


def _list(investigations: Sequence[Investigation], empty: str) -> list[Block]:
    return _lines([investigation_line(i) for i in investigations[:MOST]], len(investigations), empty)


def investigation_line(investigation: Investigation) -> str:
    """One investigation on one line."""
    said = f"{state_words(investigation)} · {percent(investigation.progress_ratio)}"
    opened = f"{investigation.created_at:%d %b %H:%M} UTC"
    return f"`{investigation.id}` {escape_line(investigation.question.text, 140)}\n      {said} · {opened}"


def _sources(health: dict[str, Health] | None) -> list[Block]:
    if health is None:
        return [section("The health of the sources is not known here.")]
    if not health:
        return [section("No source is configured. `inquest doctor` says what is missing.")]
    lines = [_health_line(name, found) for name, found in sorted(health.items())]
    shown = [section("\n".join(lines[at : at + 10])) for at in range(0, min(len(lines), 100), 10)]
    return [*shown, context(f"… and {len(lines) - 100} more")] if len(lines) > 100 else shown


def _health_line(name: str, health: Health) -> str:
    known = f"{_SIGNS[health.status]} · *{escape_line(source_name(name), 80)}*"
    return f"{known} · {health.latency_ms:.0f} ms · {escape_line(health.detail, 120)}"

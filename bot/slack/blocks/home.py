"""The App Home: what runs, how the sources are, who I am here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.domain.investigation import Investigation
from bot.slack.blocks.elements import context, divider, header, section
from bot.slack.blocks.limits import VIEW_BLOCKS, Block
from bot.slack.blocks.text import escape_line
from bot.slack.blocks.words import percent, source_name, state_words
from connectors.model import Health, HealthStatus

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
    health: dict[str, Health] | None = None
    role: str | None = None


def home_view(facts: HomeFacts) -> Block:
    blocks: list[Block] = [header("Running now"), *_list(facts.running, "Nothing is running.")]
    blocks += [
        header("Recent"),
        *_list(facts.recent, "Nothing yet. Try `/investigate why is checkout slow since 14:00?`"),
    ]
    blocks += [header("Sources"), *_sources(facts.health)]
    role = escape_line(facts.role or "", 200) or "viewer: you can read; ask an admin for more"
    blocks += [
        header("Your role"),
        section(role),
        divider(),
        context("`/investigate help` shows everything you can type."),
    ]
    return {"type": "home", "blocks": blocks[:VIEW_BLOCKS]}


def _list(investigations: Sequence[Investigation], empty: str) -> list[Block]:
    if not investigations:
        return [section(empty)]
    lines = [investigation_line(i) for i in investigations[:15]]
    more = [f"… and {len(investigations) - 15} more"] if len(investigations) > 15 else []
    return [section("\n".join(lines[at : at + 5])) for at in range(0, len(lines), 5)] + (
        [context(*more)] if more else []
    )


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
    return [section("\n".join(lines[at : at + 10])) for at in range(0, min(len(lines), 100), 10)]


def _health_line(name: str, health: Health) -> str:
    known = f"{_SIGNS[health.status]} · *{escape_line(source_name(name), 80)}*"
    return f"{known} · {health.latency_ms:.0f} ms · {escape_line(health.detail, 120)}"

"""What people type behind `/sweeps`, answered in words that are safe to show in Slack."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC

from bot.domain.access import Principal
from bot.domain.anomaly import Anomaly
from bot.errors import InvalidRequest
from bot.services.sweep import SweepOutcome, Sweeps
from bot.services.sweep_anomalies import Anomalies
from bot.services.sweep_config import find

_LISTED = 20
_KNOWN = "list, run NAME, anomalies, answers, forget FINGERPRINT, discover"


class SweepWords:
    """`sweeps` gives what this process runs; None where another process does. `discover` asks every source."""

    def __init__(
        self, anomalies: Anomalies, sweeps: Callable[[], Sweeps | None], *, discover: Callable[[], Awaitable[str]]
    ) -> None:
        self._anomalies, self._sweeps, self._discover = anomalies, sweeps, discover

    async def __call__(self, text: str, by: Principal) -> str:
        """BotErrors are sentences for the person."""
        if by.guest:
            return "Guests see what is posted in their channels, and nothing beyond."
        verb, _, rest = text.strip().partition(" ")
        match verb.lower():
            case "list":
                return self._list()
            case "run":
                return await self._run(rest.strip())
            case "anomalies":
                return await self._found()
            case "discover":
                return _safe(await self._discover())
            case "answers":
                return await self._answers()
            case "forget" | "unmute":
                await self._anomalies.forget(rest.strip().strip("`"), by=by)
                return "Forgotten: it is judged like everything else again."
        raise InvalidRequest(f"That is not a word I know here. There are: {_KNOWN}.")

    def _here(self) -> Sweeps:
        sweeps = self._sweeps()
        if sweeps is None:
            raise InvalidRequest("No sweeps run in this process: there is no sweeps file, or another process has them.")
        return sweeps

    def _list(self) -> str:
        lines = []
        for sweep in self._here().sweeps[:_LISTED]:
            last = self._here().last(sweep.name)
            state = "off" if not sweep.enabled else "not run yet" if last is None else _outcome(last.outcome)
            if last is not None:
                state += f" at {last.due.astimezone(UTC):%H:%M:%S} UTC, {last.series} series"
                state += f", {last.missed} ticks missed before" if last.missed else ""
                state += f": {_safe(last.reason)}" if last.reason else ""
            lines.append(f"`{sweep.name}` {_safe(sweep.tool)} of {sweep.source} every {sweep.every_s:g} s · {state}")
        return "\n".join(["*Sweeps*", *(lines or ["There is none."])])

    async def _run(self, name: str) -> str:
        sweeps = self._here()
        outcome = await sweeps.run(find(sweeps.sweeps, name))
        return f"`{name}` {_safe(did(outcome), longest=400)}"

    async def _found(self) -> str:
        await self._anomalies.refresh()
        lines = [_line(one) for one in self._anomalies.recent(limit=_LISTED)]
        return "\n".join(["*Anomalies, the newest first*", *(lines or ["None yet."])])

    async def _answers(self) -> str:
        await self._anomalies.refresh()
        share, lines = self._anomalies.precision(), []
        if share is not None:
            lines.append(f"*{share:.0%}* of the answers of the last 30 days said useful.")
        for fingerprint, more in sorted(self._anomalies.sensitivity().items(), key=lambda item: -abs(item[1])):
            change = "more" if more > 0 else "less"
            lines.append(
                f"`{fingerprint}` {self._name(fingerprint)}: {abs(more):g} decades {change} unusual than others"
            )
        for fingerprint, by in self._anomalies.muted().items():
            lines.append(f"`{fingerprint}` {self._name(fingerprint)}: muted by {_safe(by)}")
        if not lines:
            return "Nobody has answered yet: the buttons of an alert do."
        return "\n".join(
            ["*What answers changed*", *lines[: _LISTED * 2], "`/sweeps forget FINGERPRINT` takes one back."]
        )

    def _name(self, fingerprint: str) -> str:
        signal = self._anomalies.named(fingerprint)
        return _safe(f"{signal.metric} of {signal.service or signal.source}, {signal.kind}") if signal else ""


def did(outcome: SweepOutcome) -> str:
    """One tick in a sentence; its reason is foreign text."""
    told = f"{_outcome(outcome.outcome)}: {outcome.points} points of {outcome.series} series, "
    told += f"{outcome.signals} out of normal, {outcome.recovered} normal again, {outcome.duration_ms:.0f} ms."
    return f"{told} {outcome.reason}".strip()


def _line(one: Anomaly) -> str:
    when = f"{one.first_seen_at.astimezone(UTC):%d %b %H:%M} UTC"
    times = f", {one.count} times" if one.count > 1 else ""
    return f"`{one.id}` {when} {one.peak.value}, {one.state.value}{times}: {_safe(one.title)}"


def _outcome(word: str) -> str:
    return {"succeeded": "ran", "empty": "found no data"}.get(word, _safe(word))


def _safe(text: str, *, longest: int = 300) -> str:
    """Foreign text without Slack's notation."""
    short = " ".join(text.split())[:longest]
    return short.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("`", "'")

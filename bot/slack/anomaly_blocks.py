"""An anomaly as a card, what is said in its thread, and the digest of small ones."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from bot.domain.anomaly import Anomaly, AnomalyState, Answered, Signal, worst
from bot.domain.digest import DigestLine
from bot.domain.states import Severity
from bot.services.sweep_judging import shown
from bot.slack.blocks.charts import chart, summary
from bot.slack.blocks.elements import Message, actions, button, confirm, context, link, live_url, plain, section
from bot.slack.blocks.limits import Block, fit
from bot.slack.blocks.rows import Scene
from bot.slack.blocks.text import clip, escape_line, one_line
from bot.slack.blocks.words import source_name
from connectors.model import Series, SeriesSet

INVESTIGATE, SNOOZE, USEFUL, DISMISS, MUTE = "an_investigate", "an_snooze", "an_useful", "an_dismiss", "an_mute"
SNOOZES = (("1 hour", 3_600), ("4 hours", 14_400), ("1 day", 86_400), ("1 week", 604_800))
_S = AnomalyState
_SIGNS = {Severity.CRITICAL: "🔴", Severity.HIGH: "🟠", Severity.MEDIUM: "🟡", Severity.LOW: "🔵", Severity.INFO: "⚪"}
_STATES = {_S.RESOLVED: "✅ Normal again", _S.SNOOZED: "💤 Snoozed", _S.DISMISSED: "✖ Not an anomaly"}
_SAID = {
    "useful": "👍 Useful, said {who}: this will be told a little sooner.",
    "not_an_anomaly": "✖ Not an anomaly, said {who}: the same has to be more unusual next time.",
    "mute": "🔇 Muted by {who}: these series are not told again. `/sweeps forget` takes it back.",
    "snooze": "💤 Snoozed by {who} until {until}.",
}
_MOST_SIGNALS, _MOST_CHANGES, _MOST_LINES = 6, 5, 40
_LEAST_POINTS = 4


def alert_card(anomaly: Anomaly, scene: Scene) -> Message:
    """The one message of an anomaly: what, what is normal, since when, how sure, what changed then, and buttons."""
    title = escape_line(anomaly.title, 300) or "Something is out of normal"
    head = f"{_state(anomaly)} · {clip(', '.join(escape_line(s, 60) for s in anomaly.services), 300) or 'no service'}"
    blocks = [section(f"{_sign(anomaly)} *{title}*\n{head}"), section(_facts(anomaly))]
    blocks += _picture(anomaly, scene)
    blocks += [section(_signals(anomaly, scene))] if len(anomaly.signals) > 1 else []
    row = actions("an_actions", *_buttons(anomaly))
    blocks += [*row, context(_footer(anomaly, scene))]
    return Message(f"{_state(anomaly)}: {clip(one_line(anomaly.title), 300)}", fit(blocks, tail=len(row) + 1))


def _sign(anomaly: Anomaly) -> str:
    return "✅" if anomaly.state is _S.RESOLVED else _SIGNS[worst((anomaly.severity, anomaly.peak))]


def _state(anomaly: Anomaly) -> str:
    """In words, so that nothing is said by colour alone."""
    if anomaly.muted and anomaly.state is _S.DISMISSED:
        return "🔇 Muted"
    words = _STATES.get(anomaly.state)
    if words and anomaly.state is _S.SNOOZED and anomaly.snoozed_until:
        words += f" until {_when(anomaly.snoozed_until)}"
    return words or f"{anomaly.severity.value.capitalize()} anomaly"


def _facts(anomaly: Anomaly) -> str:
    leading = leading_signal(anomaly)
    return "\n".join(line for line in (_normal(leading), _since(anomaly), _sure(leading), _changed(anomaly)) if line)


def leading_signal(anomaly: Anomaly) -> Signal:
    """The earliest of the worst: what the card is about."""
    top = worst(signal.severity for signal in anomaly.signals)
    return min((s for s in anomaly.signals if s.severity is top), key=lambda s: (s.recovered_at is not None, s.at))


def _normal(signal: Signal) -> str:
    if signal.kind == "missing":
        return "*What is normal*   it has data at every look"
    if signal.kind == "still":
        return "*What is normal*   it moves at nearly every look"
    if signal.low is None or signal.high is None:
        return ""
    now = "" if signal.value is None else f" (found at {_number(signal.value, signal)})"
    return f"*What is normal*   {_number(signal.low, signal)} to {_number(signal.high, signal)}{now}"


def _number(value: float, signal: Signal) -> str:
    return escape_line(shown(value, signal.unit), 40)


def _since(anomaly: Anomaly) -> str:
    last = anomaly.episodes[-1] if anomaly.episodes else None
    text = f"*Since*   {_when(last.started_at if last else anomaly.first_seen_at)}"
    if last and last.ended_at:
        text += f", over at {_when(last.ended_at)}"
    if anomaly.count > 1:
        text += f" · came {anomaly.count} times since {_when(anomaly.first_seen_at)}"
    return text


def _sure(signal: Signal) -> str:
    if signal.kind == "limit":
        return "*How sure*   a limit that people set was crossed"
    if signal.kind == "alert":
        return f"*How sure*   {escape_line(source_name(signal.source), 40)} says so"
    if signal.kind == "missing":
        return "*How sure*   other series of the same answer have data"
    if signal.kind == "still":
        return "*How sure*   it shows one number to the last digit; what measures it may hang"
    if signal.unusual <= 0:
        return ""
    odds = f"{10 ** int(signal.unusual):,}" if signal.unusual < 8 else "100,000,000"
    few = "about 1 point in" if signal.unusual < 8 else "fewer than 1 point in"
    return f"*How sure*   {few} {odds} of this series was ever this unusual"


def _changed(anomaly: Anomaly) -> str:
    if anomaly.changes is None:
        return ""
    if not anomaly.changes:
        return f"*What changed then*   {escape_line(anomaly.changes_note, 300) or 'nothing that is known here'}"
    lines = []
    for change in anomaly.changes[:_MOST_CHANGES]:
        by = f" by {escape_line(change.by, 60)}" if change.by else ""
        what = f"{escape_line(change.service, 60)}: {escape_line(change.what, 160)}{by}"
        lines.append(f"• {change.at.astimezone(UTC):%H:%M} {link(live_url(change.url), what)}")
    more = len(anomaly.changes) - _MOST_CHANGES
    return "\n".join(["*What changed then*", *lines, *([f"_and {more} more_"] if more > 0 else [])])


def _picture(anomaly: Anomaly, scene: Scene) -> list[Block]:
    """The worst series with the band of normal and the onset; in words where the workspace shows no charts."""
    signal = leading_signal(anomaly)
    if len(signal.points) < _LEAST_POINTS:
        return []
    payload = _with_band(signal)
    drawn = None if "data_visualization" in scene.refused else chart(payload, signal.at)
    return [drawn] if drawn else [context(summary(payload, signal.at))]


def _with_band(signal: Signal) -> SeriesSet:
    times = [datetime.fromtimestamp(at, UTC) for at, _ in signal.points]
    lines = [(signal.service or "value", tuple(value for _, value in signal.points))]
    if signal.low is not None and signal.high is not None and signal.kind in ("high", "low", "limit"):
        lines += [("normal up to", (signal.high,) * len(times)), ("normal down to", (signal.low,) * len(times))]
    return SeriesSet(
        series=tuple(
            Series(
                labels={"line": name},
                metric=signal.metric,
                unit=signal.unit,
                step_s=60.0,
                points=tuple(zip(times, values, strict=True)),
            )
            for name, values in lines
        )
    )


def _signals(anomaly: Anomaly, scene: Scene) -> str:
    ordered = sorted(anomaly.signals, key=lambda s: (s.recovered_at is not None, s.at))
    lines = [f"*{len(ordered)} signals together*"]
    for signal in ordered[:_MOST_SIGNALS]:
        done = " · normal again" if signal.recovered_at else ""
        text = link(live_url(signal.url, scene.hosts), escape_line(signal.text or signal.metric, 160))
        lines.append(f"• {signal.at.astimezone(UTC):%H:%M} {text}{done}")
    if len(ordered) > _MOST_SIGNALS:
        lines.append(f"_and {len(ordered) - _MOST_SIGNALS} more_")
    return "\n".join(lines)


def _buttons(anomaly: Anomaly) -> list[Block]:
    made = []
    if anomaly.investigation_id is None:
        made.append(button("Investigate", INVESTIGATE, anomaly.id, style="primary"))
    if anomaly.state in (_S.OPEN, _S.ACKNOWLEDGED):
        made.append(_snooze(anomaly.id))
    if anomaly.state is not _S.DISMISSED:
        made += [button("Useful", USEFUL, anomaly.id), button("Not an anomaly", DISMISS, anomaly.id)]
        text = "These series will not be told again, however bad they get. /sweeps forget takes it back."
        made.append(button("Mute", MUTE, anomaly.id, confirm=confirm("Mute for good?", text, "Mute")))
    return made


def _snooze(anomaly_id: str) -> Block:
    options = [{"text": plain(f"Snooze {words}", 75), "value": f"{anomaly_id}:{span_s}"} for words, span_s in SNOOZES]
    return {
        "type": "static_select",
        "action_id": SNOOZE,
        "placeholder": plain("Snooze for …", 150),
        "options": options,
    }


def _footer(anomaly: Anomaly, scene: Scene) -> str:
    parts = [f"`{anomaly.id}`"]
    if anomaly.sweep:
        parts.append(f"sweep {escape_line(anomaly.sweep, 60)}")
    sources = sorted({signal.source for signal in anomaly.signals})
    parts += [escape_line(source_name(source), 60) for source in sources[:3]]
    url = live_url(leading_signal(anomaly).url, scene.hosts)
    if url:
        parts.append(link(url, "open in the source"))
    if anomaly.investigation_id:
        parts.append(f"investigation `{anomaly.investigation_id}` in this thread")
    return " · ".join(parts)


def thread_notes(anomaly: Anomaly, scene: Scene) -> list[tuple[str, Message]]:
    """Slot and message of what is said below the card: returns, ends, answers. Times order them."""
    found: list[tuple[datetime, str, str]] = []
    for number, episode in enumerate(anomaly.episodes, start=1):
        if number > 1:
            text = f"↻ Back since {_when(episode.started_at)}, for the {_nth(number)} time."
            found.append((episode.started_at, f"again/{number}", text))
        if episode.ended_at and anomaly.state is not _S.DISMISSED:
            text = f"✅ Normal again at {_when(episode.ended_at)}, after {_span(episode.started_at, episode.ended_at)}."
            found.append((episode.ended_at, f"over/{number}", text))
    for number, answer in enumerate(anomaly.answers, start=1):
        found.append((answer.at, f"answer/{number}", _answer(answer, scene)))
    return [(slot, Message(text, [context(text)])) for _, slot, text in sorted(found)]


def _answer(answer: Answered, scene: Scene) -> str:
    who = escape_line(scene.name(answer.by), 80)
    until = _when(answer.until) if answer.until else ""
    return _SAID.get(answer.value, "{who} answered.").format(who=who, until=until)


def digest_message(lines: Sequence[DigestLine]) -> Message:
    """What was noticed in this hour and is not worth a card each."""
    title = f"Noticed, not worth a page: {len(lines)} in the hour from {lines[0].at.astimezone(UTC):%H:%M} UTC"
    told = [_digest_line(line) for line in lines[:_MOST_LINES]]
    blocks = [section(f"*{title}*")] + [section("\n".join(told[at : at + 8])) for at in range(0, len(told), 8)]
    if len(lines) > _MOST_LINES:
        blocks.append(context(f"and {len(lines) - _MOST_LINES} more; `/sweeps anomalies` lists them"))
    return Message(title, fit(blocks))


def _digest_line(line: DigestLine) -> str:
    ended = f" to {line.ended_at.astimezone(UTC):%H:%M}" if line.ended_at else ""
    why = f" _({escape_line(line.why, 80)})_" if line.why and line.why != "low severity" else ""
    words = f"{line.severity.value}: {escape_line(line.title, 200)}"
    return f"{_SIGNS[line.severity]} {line.at.astimezone(UTC):%H:%M}{ended} {words}{why} `{line.anomaly_id}`"


def _when(at: datetime) -> str:
    return f"{at.astimezone(UTC):%d %b %H:%M} UTC"


def _span(start: datetime, end: datetime) -> str:
    minutes = max(0, round((end - start).total_seconds() / 60))
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def _nth(number: int) -> str:
    ending = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"

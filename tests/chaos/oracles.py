"""What must hold after a trial, found from outside: Slack's ledger, the backend's call log, the tables."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg

from bot.domain.ids import derived_id
from bot.store import Store
from tests.chaos.doubles import read_calls
from tests.support.slack_control import SlackControl

Json = dict[str, Any]
FINAL = frozenset({"completed", "cancelled", "poisoned"})


@dataclass
class Verdict:
    """Counts of what went wrong; every one must be zero. `facts` are for the reader."""

    faults: dict[str, int] = field(default_factory=dict)
    facts: dict[str, float] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def count(self, name: str, found: list[str]) -> None:
        self.faults[name] = self.faults.get(name, 0) + len(found)
        if found:
            self.examples.setdefault(name, []).extend(found[:5])

    @property
    def holds(self) -> bool:
        return not any(self.faults.values())

    def told(self) -> str:
        wrong = {name: n for name, n in self.faults.items() if n}
        facts = ", ".join(f"{name} {value:g}" for name, value in self.facts.items())
        return f"{'HOLDS' if self.holds else f'BROKEN {wrong} {self.examples}'} ({facts})"


async def rows(url: str, query: str) -> list[Any]:
    """A question to the database by a link of its own."""
    if url.startswith("sqlite"):
        link = sqlite3.connect(url.removeprefix("sqlite:///"))
        try:
            return link.execute(query).fetchall()
        finally:
            link.close()
    server = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await server.fetch(query)]
    finally:
        await server.close()


async def judge(url: str, control: SlackControl, *, calls: Path, expected_calls: int, zombies: bool = False) -> Verdict:
    """Everything the kill row promises. `expected_calls`: sources asked for each case."""
    verdict = Verdict()
    ledger = await control.read("ledger")
    found = await rows(url, "SELECT id, status, error_message FROM investigations")
    state = {one: "poisoned" if why == "poisoned" else status for one, status, why in found}
    verdict.facts["set aside as poisoned"] = sum(at == "poisoned" for at in state.values())
    await _nothing_lost(verdict, ledger, state)
    await _calls_once(verdict, url, read_calls(calls), state, expected_calls=expected_calls, zombies=zombies)
    await _messages_once(verdict, control, state)
    await _chains(verdict, url)
    verdict.facts |= {"investigations": len(state), "deliveries": ledger["tally"]["deliveries"]}
    return verdict


async def _nothing_lost(verdict: Verdict, ledger: Json, state: dict[str, str]) -> None:
    mentions = [d for d in ledger["deliveries"] if d["event_type"] == "app_mention"]
    acked = {d["event_id"] for d in mentions if d["outcome"] == "acked"}
    wanted = {event: derived_id("inv", f"event/{event}") for event in acked}
    verdict.facts["acked"] = len(acked)
    verdict.count("acked and lost", [event for event, one in wanted.items() if one not in state])
    verdict.count("not finished", [f"{one}: {at}" for one, at in state.items() if at not in FINAL])


async def _calls_once(
    verdict: Verdict, url: str, calls: list[Json], state: dict[str, str], *, expected_calls: int, zombies: bool
) -> None:
    """A call starts again only while no finish of it was committed."""
    finished = await rows(
        url, "SELECT stream, payload, timestamp FROM investigation_events WHERE type = 'ToolFinished'"
    )
    started = await rows(url, "SELECT stream, payload FROM investigation_events WHERE type = 'ToolStarted'")
    case_of, call_of = {}, {}
    for stream, text in started:
        payload = json.loads(text)
        arguments = payload["call"]["arguments"]
        call_of[(stream, payload["execution_id"])] = (arguments["case"], f"{payload['call']['connector']}#0")
        case_of[stream] = arguments["case"]
    ends: dict[tuple[str, str], list[float]] = {}
    for stream, text, at in finished:
        key = call_of.get((stream, json.loads(text)["execution_id"]))
        if key is not None:
            ends.setdefault(key, []).append(_seconds(at))
    begun = [c for c in calls if c["what"] == "start"]
    again = [
        f"{c['case']} {c['call']}" for c in begun if c["at"] > min(ends.get((c["case"], c["call"]), [9e99])) + 0.001
    ]
    if zombies:
        verdict.facts["calls begun by thawed workers"] = len(again)
    else:
        verdict.count("finished call repeated", again)
    verdict.count("finish committed twice", [str(key) for key, found in ends.items() if len(found) > 1])
    per_case = Counter(case for case, _ in ends)
    done = {f"investigation/{one}" for one, at in state.items() if at == "completed"}
    verdict.count("calls missing", [c for s, c in case_of.items() if s in done and per_case[c] < expected_calls])
    verdict.facts |= {"calls": len(begun), "finishes": sum(map(len, ends.values()))}


def _seconds(at: Any) -> float:
    if isinstance(at, (int, float)):
        return float(at)
    moment = datetime.fromisoformat(at) if isinstance(at, str) else at
    return float((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


async def _messages_once(verdict: Verdict, control: SlackControl, state: dict[str, str]) -> None:
    """One message for each key of ours; a card and a report for everything that completed."""
    keys: Counter[str] = Counter()
    whole = await control.read("state")
    for channel in whole["channels"]:
        answer = await control.read("messages", {"channel": channel["id"]})
        for message in answer.get("messages", []):
            key = ((message.get("metadata") or {}).get("event_payload") or {}).get("key")
            if key:
                keys[key] += 1
    verdict.count("message twice", [key for key, n in keys.items() if n > 1])
    done = [one for one, at in state.items() if at == "completed"]
    for slot in ("card", "report/1"):
        missing = [one for one in done if f"investigation/{one}/{slot}" not in keys]
        verdict.count(f"no {slot}", missing)
    verdict.facts["messages"] = sum(keys.values())


async def _chains(verdict: Verdict, url: str) -> None:
    gaps = await rows(
        url,
        "SELECT stream FROM investigation_events GROUP BY workspace, stream "
        "HAVING count(*) <> max(seq) OR count(DISTINCT previous_hash) <> count(*)",
    )
    verdict.count("sequence has gaps", [row[0] for row in gaps])
    store = await Store.open(url)
    try:
        verdict.count("chain broken", [link.stream for link in await store.broken_links()])
    finally:
        await store.close()

"""Planted secrets through whole investigations, and every place they could come out at searched:
`python -m tests.benchmarks.masking_sinks --count 10000`

Each secret is put into what a source answers (log lines, rows, objects, changes, text) or into the error it ends with.
Searched: the database with all its files, everything sent to a model, the report, the messages for Slack, the
export of the log, and what the process logged at DEBUG.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import json
import logging
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import structlog
from pydantic import SecretStr

from bot.domain.ids import investigation_stream
from bot.reasoning.arms import CLAUDE_PRICES, UNKNOWN_PRICE, Arm
from bot.reasoning.claude import ClaudeLimits, ClaudeReasoner
from bot.reasoning.claude_wire import Endpoint
from bot.services import audit
from bot.slack.blocks.card import card
from bot.slack.blocks.modals import query_modal
from bot.slack.blocks.report import report_messages
from bot.slack.blocks.rows import Scene
from bot.slack.blocks.sources import source_message
from bot.slack.blocks.tables import grid_of, native
from bot.telemetry import configure_logs
from connectors.errors import Rejected
from connectors.model import Change, Changes, Column, Item, LogGroup, Logs, Objects, Payload, Rows, Text
from tests.benchmarks.machine import speed_line
from tests.benchmarks.masking import DRESSES, WINDOW, parts
from tests.benchmarks.masking_kinds import KINDS, Planted, planted
from tests.support.claude_server import Asked, ClaudeServer, Say, Script, sensible, step_of
from tests.support.doubles import Behaviour
from tests.support.hostile_model import NOW
from tests.support.house import House, house

_BATCH = 960
_CARRIERS = ("log", "row", "ticket", "change", "text")
_ERRORS = 3
CONTROL = "harmless words that must come through"
Dressed = tuple[Planted, str, list[str]]


def carried(carrier: str, secrets: Sequence[Dressed]) -> Payload:
    """The secrets in what a source answers, pieces behind one another as they would come."""
    pieces = [piece for _, _, texts in secrets for piece in texts]
    match carrier:
        case "log":
            groups = [
                LogGroup(
                    template="login failed", service="checkout-api", level="error", count=9, examples=tuple(t[-3:])
                )
                for _, _, t in secrets
            ]
            return Logs(groups=tuple(groups), total=len(groups))
        case "row":
            return Rows(columns=(Column(name="note", type="text"),), rows=tuple((piece,) for piece in pieces))
        case "ticket":
            items = [
                Item(api_kind="Ticket", name=f"OPS-{n}", fields={"lines": t}) for n, (_, _, t) in enumerate(secrets)
            ]
            return Objects(items=tuple(items))
        case "change":
            made = [Change(at=NOW, service="checkout-api", what="\n".join(t), change="config") for _, _, t in secrets]
            return Changes(items=tuple(made))
    return Text(text="\n".join([CONTROL, *pieces]))


async def batch(secrets: Sequence[Dressed], folder: str, logged: io.StringIO) -> dict[str, str]:
    """One investigation over all of them; everything that came out, by sink."""
    share = {name: secrets[_ERRORS + at :: len(_CARRIERS)] for at, name in enumerate(_CARRIERS)}
    behaviours = {f"double/{name}": Behaviour(payload=carried(name, one)) for name, one in share.items()}
    errors = [Rejected("refused: " + "\n".join(texts)) for _, _, texts in secrets[:_ERRORS]]
    behaviours["double/error"] = Behaviour(errors=list(errors))
    begun, reads = logged.tell(), len(errors)
    async with ClaudeServer(_reading(reads)).running() as server:
        endpoint = Endpoint(api_key=SecretStr("test-key"), base_url=server.url, model="claude-sonnet-5-5")
        limits = ClaudeLimits(turns=8, seconds=20.0)
        reasoner = ClaudeReasoner(
            endpoint, prices=CLAUDE_PRICES, unknown_price=UNKNOWN_PRICE, limits=limits, arm=Arm.BOTH
        )
        async with house(f"sqlite:///{folder}/a.db", behaviours, reasoner=reasoner, calls=reads) as parts:
            sinks = await _asked(parts)
        await reasoner.close()
        sinks["model"] = server.received().decode("utf-8", "replace")
    sinks["database"] = "".join(p.read_bytes().decode("latin-1") for p in sorted(Path(folder).glob("a.db*")))
    sinks["logs"] = logged.getvalue()[begun:]
    return sinks


def _reading(errors: int) -> Script:
    """A model that asks every source, the failing one as often as it fails, and behaves."""

    def answer(asked: Asked) -> Say:
        if step_of(asked) == "plan":
            names = [tool["name"] for tool in asked.get("tools", [])]
            sources = [f"double/{name}" for name in _CARRIERS]
            calls = [(names[0], {"source": source, "arguments": {"number": 1}}) for source in sources]
            fails = [(names[0], {"source": "double/error", "arguments": {"number": n}}) for n in range(errors)]
            return Say(calls=[*calls, *fails])
        return sensible(asked)

    return answer


async def _asked(parts: House) -> dict[str, str]:
    done = await parts.settled(await parts.ask("why is checkout-api slow?"))
    kept = await parts.store.evidence([one.evidence_id for one in done.executions if one.evidence_id])
    scene = Scene()
    shown = [card(done, scene).blocks, *(message.blocks for message in report_messages(done, scene))]
    shown += [query_modal(one, scene)["blocks"] for one in kept]
    shown += [[native(grid, "all of it")] for one in kept if (grid := grid_of(one.payload))]
    by_id = {one.id: one for one in kept}
    for connector in {one.call.connector for one in done.executions}:
        shown.append(source_message(done, connector, evidence=by_id, scene=scene).blocks)
    events = await parts.store.read(investigation_stream(done.id))
    return {
        "slack": json.dumps(shown, ensure_ascii=False),
        "report": json.dumps(done.report.to_json(), ensure_ascii=False) if done.report else "",
        "export": "\n".join(audit.as_line(event) for event in events),
        "evidence": json.dumps([one.model_dump(mode="json") for one in kept], ensure_ascii=False),
    }


@contextlib.contextmanager
def _logging_to(place: io.StringIO) -> Iterator[None]:
    """Logs as the application writes them, at DEBUG; afterwards they go where they went before."""
    before, root = structlog.get_config(), logging.getLogger()
    handlers, level = list(root.handlers), root.level
    with contextlib.redirect_stderr(place):
        configure_logs(level="DEBUG", as_json=True)
        try:
            yield
        finally:
            structlog.configure(**before)
            root.handlers[:] = handlers
            root.setLevel(level)


async def run(count: int, *, seed: int) -> Counter[str]:
    """`count` secrets of every kind and dress; leaks by sink, and how much was searched."""
    rng, tally = random.Random(seed), Counter[str]()
    logged = io.StringIO()
    names, dresses = list(KINDS), list(DRESSES)
    with _logging_to(logged):
        for begin in range(0, count, _BATCH):
            made: list[Dressed] = []
            for number in range(begin, min(begin + _BATCH, count)):
                one, dress = planted(names[number % len(names)], rng), dresses[number // len(names) % len(dresses)]
                made.append((one, dress, DRESSES[dress](one, rng)))
            rng.shuffle(made)
            with tempfile.TemporaryDirectory() as folder:
                sinks = await batch(made, folder, logged)
            tally["planted"] += len(made)
            for sink, text in sinks.items():
                tally[f"searched in {sink} (kB)"] += len(text) // 1_000
                tally[f"control seen in {sink}"] += CONTROL in text
                seen = _windows(text) | _windows(text.replace("\\/", "/").replace('\\"', '"'))
                for one, dress, _ in made:
                    if any(part in seen if len(part) == WINDOW else part in text for part in parts(one, dress)):
                        sort = "structured" if one.structured else "free-form"
                        tally[f"leaked {sort}"] += 1
                        tally[f"  {sink} {dress} {one.kind}"] += 1
    return tally


def _windows(text: str) -> set[str]:
    return {text[at : at + WINDOW] for at in range(len(text) - WINDOW + 1)}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    print(speed_line())
    began = time.perf_counter()
    tally = asyncio.run(run(options.count, seed=options.seed))
    for name in sorted(tally):
        print(f"{name:<40} {tally[name]:>9,}")
    print(f"leaked: {tally['leaked structured']} structured, {tally['leaked free-form']} free-form")
    print(f"{time.perf_counter() - began:.0f} s")
    return 1 if tally["leaked structured"] else 0


if __name__ == "__main__":
    sys.exit(main())

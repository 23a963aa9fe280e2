"""Claude in the reasoner's place, against a scripted Messages API on loopback."""

from __future__ import annotations

import asyncio
import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from bot.domain.events import EventKind
from bot.domain.ids import investigation_stream
from bot.domain.investigation import Investigation
from bot.domain.states import InvestigationState
from bot.reasoning.arms import CLAUDE_PRICES, UNKNOWN_PRICE, Arm
from bot.reasoning.claude import ClaudeLimits, ClaudeReasoner
from bot.reasoning.claude_wire import Endpoint
from bot.services.budget import Budget
from tests.support.claude_server import Asked, ClaudeServer, Say, Script, sensible, step_of
from tests.support.doubles import Behaviour
from tests.support.house import house

Run = Callable[..., Any]


def claude(server: ClaudeServer, *, arm: Arm = Arm.BOTH, **limits: Any) -> ClaudeReasoner:
    endpoint = Endpoint(api_key=SecretStr("sk-ant-test-1"), base_url=server.url, model="claude-sonnet-5-5")
    return ClaudeReasoner(
        endpoint, prices=CLAUDE_PRICES, unknown_price=UNKNOWN_PRICE, limits=ClaudeLimits(**limits), arm=arm
    )


async def investigate(
    tmp_path: Path,
    script: Script,
    *,
    arm: Arm = Arm.BOTH,
    behaviour: Behaviour | None = None,
    budget_usd: float = 5.0,
    **limits: Any,
) -> tuple[Investigation, ClaudeServer, list[Any]]:
    async with ClaudeServer(script).running() as server:
        reasoner = claude(server, arm=arm, **limits)
        behaviours = {"double/a": behaviour or Behaviour(rows=3)}
        async with house(
            f"sqlite:///{tmp_path / 'i.db'}", behaviours, reasoner=reasoner, budget=Budget(usd=budget_usd)
        ) as parts:
            done = await parts.settled(await parts.ask())
            events = await parts.store.read(investigation_stream(done.id))
        await reasoner.close()
    return done, server, events


@pytest.fixture(autouse=True, scope="module")
def loaded() -> None:
    """The library is loaded before any budget of seconds runs."""
    importlib.import_module("anthropic")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    async def go(script: Script, **more: Any) -> tuple[Investigation, ClaudeServer, list[Any]]:
        return await investigate(tmp_path, script, **more)

    return go


def fell_back(done: Investigation) -> str | None:
    return next((gap.text for gap in done.gaps if gap.source == "claude"), None)


def in_step(step: str, say: Say) -> Script:
    """`say` in that step, sense in the others."""
    return lambda asked: say if step_of(asked) == step else sensible(asked)


async def test_a_run_asks_books_and_reports(run: Run) -> None:
    reads = Say(calls=[("double__read_rows", {"source": "double/a", "arguments": {"number": 7}, "why": "rows"})])
    done, server, events = await run(in_step("plan", reads))
    assert done.state is InvestigationState.COMPLETED
    assert fell_back(done) is None
    assert done.report is not None
    assert done.report.reasoner == "claude"
    assert [e.call.arguments for e in done.executions] == [{"number": 7}]
    assert [step_of(asked) for asked in server.requests] == ["analyze", "plan", "follow_up", "synthesize"]
    booked = [e.payload for e in events if e.kind is EventKind.BUDGET_SPENT]
    assert [b["step"] for b in booked] == ["analyze", "plan", "follow_up", "synthesize"]
    assert done.spent.tokens == server.billed.tokens == done.report.cost.tokens
    price = CLAUDE_PRICES["claude-sonnet-5-5"]
    billed = server.billed
    owed = billed.input * price.input + billed.output * price.output
    owed += billed.cache_write * price.cache_write + billed.cache_read * price.cache_read
    assert done.report.cost.usd == pytest.approx(owed / 1e6)


async def test_what_goes_over_the_wire(run: Run) -> None:
    _, server, _ = await run(sensible)
    for asked, headers in zip(server.requests, server.headers, strict=True):
        assert headers["authorization"] == "Bearer sk-ant-test-1"
        assert not {"temperature", "top_p", "top_k"} & asked.keys()
        assert asked["output_config"]["effort"] == "medium"
        assert asked["stream"] is True
        assert asked["system"][-1]["cache_control"] == {"type": "ephemeral"}
    plan = server.requests[1]
    assert plan["tool_choice"] == {"type": "auto"}
    assert [tool["name"] for tool in plan["tools"]] == ["double__read_rows"]
    assert plan["tools"][-1]["cache_control"] == {"type": "ephemeral"}
    report = server.requests[-1]
    assert report["tools"] == plan["tools"]
    assert report["tool_choice"] == {"type": "none"}


async def test_parallel_follow_up_reads_run_through_the_gate(run: Run) -> None:
    def script(asked: Asked) -> Say:
        if step_of(asked) == "follow_up" and "row 0 of 1" not in json.dumps(asked):
            calls = [("double__read_rows", {"source": "double/a", "arguments": {"number": n}}) for n in (1, 2, 2)]
            return Say(text="Two more.", calls=calls)
        return sensible(asked)

    behaviour = Behaviour(rows=2)
    done, server, _ = await run(script, behaviour=behaviour)
    assert fell_back(done) is None
    assert behaviour.calls == 2
    assert sorted(e.call.arguments["number"] for e in done.executions) == [1, 2]
    assert [step_of(asked) for asked in server.requests].count("follow_up") == 2
    assert "row 1 of 2" in json.dumps(server.requests[-1])


_PROMPT = "prompt is too long: 300000 tokens > 200000 maximum"


@pytest.mark.parametrize(
    ("say", "words"),
    [
        (Say(status=401), "refuses the API key"),
        (Say(status=404), "no such Claude model"),
        (Say(status=429, headers={"retry-after": "0"}), "rate limit"),
        (Say(status=529, headers={"retry-after": "0"}), "overloaded"),
        (Say(status=500, headers={"retry-after": "0"}), "status 500"),
        (Say(status=429, headers={"retry-after": "3000"}), "in time"),
        (Say(status=400, error=_PROMPT), "does not fit"),
        (Say(text="no", stop="refusal"), "declined"),
        (Say(text='{"summary": "x', stop="max_tokens"), "cut off"),
        (Say(text="x", stop="model_context_window_exceeded"), "does not fit"),
        (Say(text="I would rather not use JSON."), "agreed shape"),
        (Say(text="[1, 2"), "agreed shape"),
        (Say(text='{"hypotheses": "none"}'), "agreed shape"),
        (Say(text="y" * 1_000_000), "far too long"),
        (Say(raw=b"\x00\xff nonsense \n\n"), "could not be read"),
        (Say(raw=b'event: message_start\ndata: {"type": "message_start"\n\n'), "could not be read"),
        (Say(raw=b""), "could not be read"),
        (Say(hang=True), "in time"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_rules_take_over_in_the_last_step_and_nothing_is_lost(run: Run, say: Say, words: str) -> None:
    behaviour = Behaviour(rows=2)
    reads = Say(calls=[("double__read_rows", {"source": "double/a", "arguments": {"number": 1}})])
    scripts = {"plan": reads, "synthesize": say}
    # Only an answer that never comes needs a short budget; for the others a busy machine may take its time.
    seconds = 8.0 if words == "in time" else 180.0
    done, _, _ = await run(lambda a: scripts.get(step_of(a)) or sensible(a), behaviour=behaviour, seconds=seconds)
    assert done.state is InvestigationState.COMPLETED
    assert words in (fell_back(done) or "")
    assert done.report is not None
    assert done.report.reasoner == "rules"
    assert len(done.report.raw_results["double/a"]) == 1
    assert behaviour.calls == 1


@pytest.mark.parametrize("step", ["analyze", "plan", "follow_up", "synthesize"])
@pytest.mark.parametrize(
    "say", [Say(status=413), Say(status=400, error=_PROMPT), Say(raw=b"x"), Say(cut=True, text="x")]
)
async def test_every_step_may_fail(run: Run, step: str, say: Say) -> None:
    done, _, _ = await run(in_step(step, say))
    assert done.state is InvestigationState.COMPLETED
    assert fell_back(done)
    assert done.report is not None


async def test_a_failure_at_the_start_leaves_everything_to_rules(run: Run) -> None:
    done, server, _ = await run(lambda _: Say(status=401))
    assert done.state is InvestigationState.COMPLETED
    assert len(server.requests) == 1
    assert [e.call.tool for e in done.executions] == ["read_rows"]


async def test_overload_that_passes_is_waited_for(run: Run) -> None:
    seen: list[str] = []

    def script(asked: Asked) -> Say:
        seen.append(step_of(asked))
        first = seen.count(step_of(asked)) == 1
        return Say(status=529, headers={"retry-after": "0"}) if first else sensible(asked)

    done, _, _ = await run(script)
    assert fell_back(done) is None
    assert done.report is not None
    assert done.report.reasoner == "claude"


async def test_one_repair_and_one_longer_answer_are_allowed(run: Run) -> None:
    seen: list[Asked] = []

    def script(asked: Asked) -> Say:
        if step_of(asked) != "synthesize":
            return sensible(asked)
        seen.append(asked)
        if len(seen) == 1:
            return Say(text='{"summary": "x', stop="max_tokens")
        return Say(text="not JSON") if len(seen) == 2 else sensible(asked)

    done, _, _ = await run(script)
    assert fell_back(done) is None
    assert seen[1]["max_tokens"] == 2 * seen[0]["max_tokens"]
    assert seen[2]["messages"][1]["role"] == "assistant"
    assert len(seen) == 3


async def test_a_context_overflow_is_met_with_less_evidence(run: Run) -> None:
    sizes: list[int] = []
    reads = Say(calls=[("double__read_rows", {"source": "double/a", "arguments": {"number": 1}})])

    def script(asked: Asked) -> Say:
        if step_of(asked) == "plan":
            return reads
        if step_of(asked) != "synthesize":
            return sensible(asked)
        sizes.append(len(json.dumps(asked)))
        return Say(status=400, error=_PROMPT) if len(sizes) < 3 else sensible(asked)

    done, _, _ = await run(script, behaviour=Behaviour(rows=500))
    assert fell_back(done) is None
    assert sizes[0] > sizes[1] > sizes[2]


@pytest.mark.parametrize(
    ("limits", "words"),
    [({"turns": 2}, "2 turns"), ({"tokens": 10}, "10 tokens"), ({"seconds": 0.001}, "in time")],
)
async def test_budgets_end_the_model_not_the_investigation(run: Run, limits: dict[str, Any], words: str) -> None:
    done, _, _ = await run(sensible, **limits)
    assert done.state is InvestigationState.COMPLETED
    assert words in (fell_back(done) or "")


async def test_the_money_of_the_model_counts_against_the_budget_of_the_investigation(run: Run) -> None:
    long = Say(text="z" * 190_000)
    done, server, _ = await run(in_step("analyze", long), budget_usd=0.01)
    assert "money" in (fell_back(done) or "")
    assert done.spent.usd > 0.01
    assert done.spent.tokens == server.billed.tokens
    assert [e.outcome for e in done.executions] == ["skipped"]


async def test_a_restart_in_the_middle_of_a_turn_repeats_no_read(tmp_path: Path) -> None:
    url, behaviour = f"sqlite:///{tmp_path / 'i.db'}", Behaviour(rows=2)
    asked_for_report = asyncio.Event()

    def stuck(asked: Asked) -> Say:
        if step_of(asked) == "plan":
            return Say(calls=[("double__read_rows", {"source": "double/a", "arguments": {"number": 1}})])
        if step_of(asked) == "synthesize":
            asked_for_report.set()
            return Say(hang=True)
        return sensible(asked)

    async with ClaudeServer(stuck).running() as server:
        reasoner = claude(server)
        async with house(url, {"double/a": behaviour}, reasoner=reasoner) as parts:
            opened = await parts.ask()
            await asyncio.wait_for(asked_for_report.wait(), 20)
        await reasoner.close()
    async with ClaudeServer(sensible).running() as server:
        reasoner = claude(server)
        async with house(url, {"double/a": behaviour}, reasoner=reasoner) as parts:
            done = await parts.settled(opened)
        await reasoner.close()
    assert done.state is InvestigationState.COMPLETED
    assert fell_back(done) is None
    assert behaviour.calls == 1
    assert [step_of(asked) for asked in server.requests] == ["synthesize"]

"""A whole engine over doubles and a real store, for tests and benchmarks."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from bot.domain.access import Principal, PrincipalKind
from bot.domain.ids import investigation_stream
from bot.domain.investigation import Investigation
from bot.domain.question import Analysis, CaseFile, Catalogue, Plan, PlannedCall, Question, Ranking, Setting
from bot.domain.report import Synthesis
from bot.reasoning.protocol import Reasoner
from bot.reasoning.rules import RulesReasoner
from bot.reasoning.spending import Metered
from bot.services.budget import Budget
from bot.services.catalogue import Catalogue as CatalogueService
from bot.services.catalogue import SourceInfo
from bot.services.execute import Execute
from bot.services.investigate import Investigator
from bot.services.investigations import Investigations, OpenRequest
from bot.store import Store
from bot.worker import Worker
from connectors.model import Limits, SystemClock, ToolCall
from tests.support.doubles import Behaviour, DoubleConnector

ADA = Principal(kind=PrincipalKind.PERSON, id="U1", name="Ada")


class WidePlan(RulesReasoner):
    """Rules, with a plan of `calls` reads to each source, whatever was asked."""

    def __init__(self, calls: int = 1) -> None:
        self.calls = calls

    async def analyze(self, question: Question, setting: Setting) -> Analysis:
        return await super().analyze(question, setting)

    async def plan(self, analysis: Analysis, catalogue: Catalogue) -> Plan:
        wanted = [
            ToolCall(connector=source.name, tool="read_rows", arguments={"number": number}, window=analysis.window)
            for source in catalogue.sources
            for number in range(self.calls)
        ]
        return Plan(calls=tuple(PlannedCall(call=call, why="test") for call in wanted))

    async def follow_up(self, case: CaseFile) -> Sequence[ToolCall]:
        return ()

    async def synthesize(self, case: CaseFile, ranking: Ranking) -> Synthesis:
        return await super().synthesize(case, ranking)


@dataclass
class House:
    """The parts, wired as in the application."""

    store: Store
    execute: Execute
    investigations: Investigations
    worker: Worker
    investigator: Investigator
    doubles: dict[str, DoubleConnector]
    setting: Callable[[], Awaitable[Setting]]

    async def ask(self, text: str = "why is checkout slow?", **more: object) -> Investigation:
        return await self.investigations.open(OpenRequest.model_validate({"text": text, **more}), by=ADA)

    async def settled(self, investigation: Investigation) -> Investigation:
        """The investigation once nothing moves any more (final, failed or paused)."""
        async for _ in self.store.follow(investigation_stream(investigation.id), after=0):
            state = await self.store.investigation(investigation.id)
            if state.state.is_settled or state.state.value == "paused":
                return state
        raise AssertionError("the log ended")


@contextlib.asynccontextmanager
async def house(
    url: str,
    behaviours: Mapping[str, Behaviour],
    *,
    calls: int = 1,
    slots: int = 20,
    limits: Limits | None = None,
    start: bool = True,
    reasoner: Reasoner | Metered | None = None,
    budget: Budget | None = None,
) -> AsyncIterator[House]:
    """An engine whose sources are the named doubles."""
    clock = SystemClock()
    store = await Store.open(url, create=True)
    doubles = {name: DoubleConnector(name=name, behaviour=behaviour) for name, behaviour in behaviours.items()}
    execute = Execute(
        {name: (double, limits or Limits()) for name, double in doubles.items()}, clock=clock, budget=budget
    )
    infos = [SourceInfo(name, name.partition("/")[0], "production") for name in doubles]
    catalogue = CatalogueService(execute=execute, infos=infos, squads=())
    rules = WidePlan(calls)
    investigator = Investigator(
        store=store, execute=execute, reasoner=reasoner or rules, fallback=rules, setting=catalogue.setting, clock=clock
    )
    worker = Worker(store=store, investigator=investigator, slots=slots)
    parts = House(
        store=store,
        execute=execute,
        investigations=Investigations(store=store, setting=catalogue.setting, clock=clock),
        worker=worker,
        investigator=investigator,
        doubles=doubles,
        setting=catalogue.setting,
    )
    if start:
        worker.start()
    try:
        yield parts
    finally:
        await worker.stop()
        await execute.close()
        await store.close()

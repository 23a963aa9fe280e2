"""A ticket for each incident: by policy or by button, through its whole life, on both kinds of Jira."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.domain.authority import Policy, PreApproval
from bot.domain.events import EventKind, NewEvent
from bot.domain.ids import investigation_stream
from bot.domain.incident import Incident, IncidentState
from bot.domain.question import Question
from bot.domain.remediation import Proposal, ProposalState, SymptomCheck
from bot.errors import InvalidRequest, NotAllowed
from bot.services.approvals import button_value
from bot.services.incidents import Incidents
from bot.services.policy import AccessFile, Roles, TicketRules
from bot.services.tickets import Tickets
from connectors.jira.documents import plain
from connectors.model import ToolCall
from tests.remediation.making import BO, CY, DEE, GUS, REQUESTER, SQUAD
from tests.remediation.plant import CALL, Plant, Process, a_plant
from tests.remediation.targets import jira
from tests.slack.story import Teller, hypothesis
from tests.support.http_double import Asked, RefusedError
from tests.support.jira_double import JiraDouble

WRITES = frozenset(f"jira/main {tool}" for tool in ("create_issue", "add_comment", "transition_issue"))
STANDING = Policy(preapproved=(PreApproval(name="tickets", tools=WRITES),))
RULES = TicketRules(by_policy=True, resolved_status="In Progress", reopened_status="To Do", quiet_minutes=60)


class Site(JiraDouble):
    """A Jira that can be away, or do what it was asked and then not say so (`late`)."""

    mood = ""

    async def answer(self, asked: Asked) -> Any:
        if self.mood == "away":
            raise RefusedError(503, "Service Unavailable")
        done = await super().answer(asked)
        if self.mood == "late" and asked.method == "POST" and asked.path.endswith("/issue"):
            raise RefusedError(504, "Gateway Timeout")
        return done


@dataclass
class Scene:
    """One process with a Jira beside it."""

    plant: Plant
    site: Site
    process: Process
    incidents: Incidents
    tickets: Tickets

    async def investigated(self, name: str = "inv_1") -> None:
        """An investigation that settled on a cause, as a worker would have written it."""
        now = self.plant.clock.now()
        question = Question(text="why is checkout slow?", asked_at=now)
        origin = {"face": "slack", "team": "T1", "channel": "C1", "thread_ts": "1.2"}
        body = {
            "question": question.model_dump(mode="json"), "requester": REQUESTER.model_dump(mode="json"),
            "squad": SQUAD, "origin": origin,
        }  # fmt: skip
        made = [
            NewEvent(kind=EventKind.INVESTIGATION_CREATED, actor="person:UREQ", at=now, payload=body),
            NewEvent(kind=EventKind.QUEUED, actor="person:UREQ", at=now),
        ]
        await self.plant.store.append(investigation_stream(name), expected_seq=0, events=made)
        await Teller(self.plant.store, name).whole()
        await self.incidents.found(await self.plant.store.investigation(name), hypothesis(name))

    async def rounds(self, count: int = 8) -> Incident:
        """Both duties, one after the other."""
        for _ in range(count):
            await self.tickets.round()
            for one in await self.plant.store.proposals(limit=100):
                if one.state in (ProposalState.APPROVED, ProposalState.EXECUTING, ProposalState.VERIFYING):
                    await self.process.remediation.step(one.id)
        return await self.incident()

    async def incident(self) -> Incident:
        (end,) = await self.plant.store.audit.ends(prefix="incident/")
        return await self.incidents.get(end.stream.partition("/")[2])

    async def helped(self, name: str = "prop_cure") -> None:
        """A change of the investigation is carried out, and its symptom goes."""
        read = ToolCall(connector="switch/main", tool="read_level", arguments={})
        check = SymptomCheck(
            kind="latency_rose", statement="slow", call=read, service="switch", metric="level", before=2, after=9
        )
        call, seen = await self.process.proposer.bind(CALL, name)
        body = {"id": name, "title": "Set the level", "risk": "medium", "requester": REQUESTER, "squad": SQUAD}
        made = await self.process.proposer.make(
            call, seen, {**body, "investigation_id": "inv_1", "checks": (check,)}, actor="system:worker"
        )
        await self.process.decisions.approve(button_value(made), by=CY)
        assert (await self.process.remediation.step(name)).state is ProposalState.SUCCEEDED

    def comments(self, key: str = "OPS-1") -> list[str]:
        kept = self.site.issues[key].get("comment", {"comments": []})["comments"]
        return [plain(one["body"]) for one in kept]

    async def of_tickets(self) -> list[Proposal]:
        found = await self.plant.store.proposals(limit=100)
        return [one for one in reversed(found) if one.call.connector == "jira/main"]


async def a_scene(
    stack: AsyncExitStack, folder: Path, *, cloud: bool = True, policy: Policy = STANDING, rules: TicketRules = RULES
) -> Scene:
    site = await stack.enter_async_context(Site({}, cloud=cloud))
    plant = await stack.enter_async_context(a_plant(folder, more={"jira/main": lambda: jira(site)}))
    access = AccessFile(policy=policy, tickets=rules)
    plant.roles = Roles(store=plant.store, access=access, squads=plant.roles.squads, admins=(BO.id,))
    process = plant.process()
    incidents = Incidents(store=plant.store, roles=plant.roles, rules=rules, clock=plant.clock)
    tickets = Tickets(
        store=plant.store, execute=process.execute, proposer=process.proposer, decisions=process.decisions,
        incidents=incidents, rules=rules, worker="one",
    )  # fmt: skip
    return Scene(plant, site, process, incidents, tickets)


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as made:
        yield made


@pytest.mark.parametrize("cloud", [True, False], ids=["cloud", "data center"])
async def test_the_whole_life(stack: AsyncExitStack, tmp_path: Path, cloud: bool) -> None:
    scene = await a_scene(stack, tmp_path, cloud=cloud)
    await scene.investigated()
    incident = await scene.rounds()
    assert incident.ticket is not None
    assert (incident.ticket.key, incident.ticket.url) == ("OPS-1", f"{scene.site.url}/browse/OPS-1")
    fields = scene.site.issues["OPS-1"]
    told = plain(fields["description"]) if cloud else str(fields["description"])
    assert "Release 2.4.1 of payment-service" in str(fields["summary"])
    for words in ("inv_1", incident.id, "https://app.slack.com/client/T1/C1/thread/C1-1.2"):
        assert words.replace("-", "") in told.replace("\\", "").replace("-", ""), "the way back"
    (made,) = await scene.of_tickets()
    assert [a.principal_id for a in made.approvals] == ["policy:tickets"]
    assert "OPS-1" in made.outcome_text

    await scene.helped()
    incident = await scene.rounds()
    assert incident.state is IncidentState.MITIGATED
    assert "Mitigated" in scene.comments()[0]

    scene.plant.clock.ahead += timedelta(minutes=61)
    incident = await scene.rounds()
    assert incident.state is IncidentState.RESOLVED
    assert "Resolved" in scene.comments()[1]
    assert scene.site.issues["OPS-1"]["status"]["name"] == "In Progress", "where this policy moves it"
    assert await scene.incidents.live() == [], "nothing is looked at that needs nothing"

    await scene.investigated("inv_2")
    incident = await scene.rounds()
    assert (incident.state, incident.investigations) == (IncidentState.OPEN, ("inv_1", "inv_2"))
    assert "It is back" in scene.comments()[2]
    assert scene.site.issues["OPS-1"]["status"]["name"] == "To Do"
    assert len(scene.site.issues) == 1, "one incident, one ticket"
    assert await scene.plant.store.broken_links() == []


async def test_without_a_standing_policy_it_waits_for_a_person(stack: AsyncExitStack, tmp_path: Path) -> None:
    scene = await a_scene(stack, tmp_path, policy=Policy())
    await scene.investigated()
    await scene.rounds()
    (waiting,) = await scene.of_tickets()
    assert (waiting.state, waiting.investigation_id) == (ProposalState.PROPOSED, "inv_1")
    assert scene.site.issues == {}
    await scene.process.decisions.approve(button_value(waiting), by=CY)
    incident = await scene.rounds()
    assert incident.ticket is not None
    assert len(await scene.of_tickets()) == 1


async def test_a_rejected_ticket_is_not_proposed_again(stack: AsyncExitStack, tmp_path: Path) -> None:
    scene = await a_scene(stack, tmp_path, policy=Policy())
    await scene.investigated()
    await scene.rounds()
    (waiting,) = await scene.of_tickets()
    await scene.process.decisions.reject(button_value(waiting), by=CY)
    await scene.rounds()
    assert len(await scene.of_tickets()) == 1
    assert scene.site.issues == {}


async def test_the_button(stack: AsyncExitStack, tmp_path: Path) -> None:
    scene = await a_scene(stack, tmp_path, rules=TicketRules())
    await scene.investigated()
    await scene.tickets.round()
    assert await scene.plant.store.audit.ends(prefix="incident/") == [], "no policy asks for one"
    for nobody in (DEE, GUS.model_copy(update={"guest": True})):
        with pytest.raises(NotAllowed):
            await scene.incidents.want_ticket("inv_1", nobody)
    assert "being prepared" in await scene.incidents.want_ticket("inv_1", CY)
    assert "being prepared" in await scene.incidents.want_ticket("inv_1", REQUESTER), "twice is once"
    incident = await scene.rounds()
    assert incident.ticket is not None
    (made,) = await scene.of_tickets()
    assert made.requester.id == CY.id
    assert "OPS-1" in await scene.incidents.want_ticket("inv_1", REQUESTER)
    assert len(scene.site.issues) == 1


async def test_many_who_ask_at_once_get_one_ticket(stack: AsyncExitStack, tmp_path: Path) -> None:
    scene = await a_scene(stack, tmp_path, rules=TicketRules())
    await scene.investigated()
    said = await asyncio.gather(*(scene.incidents.want_ticket("inv_1", CY) for _ in range(8)))
    assert len(set(said)) == 1
    assert (await scene.rounds()).ticket is not None
    assert len(scene.site.issues) == 1


async def test_while_jira_is_away_nothing_is_lost_and_nothing_is_made_twice(
    stack: AsyncExitStack, tmp_path: Path
) -> None:
    scene = await a_scene(stack, tmp_path)
    await scene.investigated()
    scene.site.mood = "away"
    assert (await scene.rounds(2)).ticket is None
    assert scene.site.issues == {}
    scene.site.mood = "late"
    await scene.rounds(2)
    assert len(scene.site.issues) == 1, "it was made, and the answer was lost"
    scene.site.mood = ""
    incident = await scene.rounds()
    assert incident.ticket is not None
    assert incident.ticket.key == "OPS-1"
    assert len(scene.site.issues) == 1


async def test_nothing_without_a_source_that_may_write(tmp_path: Path) -> None:
    async with a_plant(tmp_path) as plant:
        process = plant.process()
        incidents = Incidents(store=plant.store, roles=plant.roles, rules=RULES, clock=plant.clock)
        parts: dict[str, Any] = {"store": plant.store, "execute": process.execute, "proposer": process.proposer}
        tickets = Tickets(**parts, decisions=process.decisions, incidents=incidents, rules=RULES, worker="one")
        assert tickets.source is None


async def test_an_investigation_without_a_report_has_nothing_to_write(stack: AsyncExitStack, tmp_path: Path) -> None:
    scene = await a_scene(stack, tmp_path)
    question = Question(text="why?", asked_at=scene.plant.clock.now()).model_dump(mode="json")
    body = {"question": question, "requester": REQUESTER.model_dump(mode="json"), "squad": SQUAD}
    made = NewEvent(kind=EventKind.INVESTIGATION_CREATED, actor="x", at=scene.plant.clock.now(), payload=body)
    await scene.plant.store.append(investigation_stream("inv_9"), expected_seq=0, events=[made])
    with pytest.raises(InvalidRequest, match="no report yet"):
        await scene.incidents.want_ticket("inv_9", REQUESTER)

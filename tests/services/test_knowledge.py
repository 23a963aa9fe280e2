"""Related past investigations: by words and by likeness, on both databases."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.domain.access import Principal, PrincipalKind
from bot.domain.events import EventKind, NewEvent
from bot.domain.evidence import Finding, FindingKind, Hypothesis
from bot.domain.ids import investigation_stream
from bot.domain.question import Analysis, CaseFile, IssueType, Question, Ranking
from bot.domain.report import Report, ReportAnalysis, ReportTimeRange
from bot.domain.states import InvestigationState, Verdict
from bot.reasoning.rules import word
from bot.services.knowledge import Knowledge, case_signature, cosine
from bot.services.likeness import Kept, fuse
from bot.store import Store
from connectors.model import TimeWindow
from tests.support.servers import PostgresServer, require

NOW = datetime(2026, 11, 20, 14, 0, tzinfo=UTC)
WINDOW = TimeWindow(start=NOW - timedelta(minutes=30), end=NOW)
ADA = Principal(kind=PrincipalKind.PERSON, id="U1", name="Ada")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.servers)])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    url = f"sqlite:///{tmp_path / 'k.db'}"
    server = require(PostgresServer) if request.param == "postgresql" else None
    if server is not None:
        url = f"postgresql://{server.user}:{server.password}@{server.host}:{server.port}/postgres"
    opened = await Store.open(url, create=True)
    try:
        yield opened
    finally:
        await opened.close()
        if server is not None:
            server.stop()


def ranking(component: str, cause: str, kind: FindingKind, statement: str) -> Ranking:
    finding = Finding(id="f1", kind=kind, component=component, statement=statement, evidence=("ev_1",), weight=0.9)
    blamed = Hypothesis(
        component=component, cause=cause, confidence=0.85, statement=f"{component} has {cause}.", supporting=(finding,)
    )
    return Ranking(findings=(finding,), hypotheses=(blamed,), verdict=Verdict.SUPPORTED, summary=statement)


LOCKS = ranking("database/orders", "database_lock_contention", FindingKind.LOCK_CHAIN, "sessions wait for a lock")
OOM = ranking("app/cart-api", "memory_leak", FindingKind.OOM_KILLED, "cart-api was killed for using too much memory")
RELEASE = ranking("app/payment-api", "bad_deployment", FindingKind.ERROR_RATE_ROSE, "errors of payment-api rose")


async def finish(store: Store, number: int, text: str, found: Ranking) -> str:
    """A finished investigation, written as the log of one that ran."""
    one = f"inv_{number}"
    question = Question(text=text, asked_at=NOW)
    report = Report(
        investigation_id=one,
        query=text,
        state=InvestigationState.COMPLETED,
        analysis=ReportAnalysis(issue_type="unknown", time_range=ReportTimeRange(start=WINDOW.start, end=WINDOW.end)),
        synthesis=word(found),
    )
    created = {"question": question.model_dump(mode="json"), "requester": ADA.model_dump(mode="json")}
    moves = [{"to": state} for state in ("initializing", "running", "completing", "completed")]
    events = [
        NewEvent(kind=EventKind.INVESTIGATION_CREATED, actor=ADA.actor, at=NOW, payload=created),
        NewEvent(kind=EventKind.QUEUED, actor=ADA.actor, at=NOW),
        *(NewEvent(kind=EventKind.STATE_CHANGED, actor="system:worker", at=NOW, payload=dict(m)) for m in moves[:2]),
        NewEvent(kind=EventKind.REPORT_MADE, actor="system:worker", at=NOW, payload={"report": report.to_json()}),
        *(NewEvent(kind=EventKind.STATE_CHANGED, actor="system:worker", at=NOW, payload=dict(m)) for m in moves[2:]),
    ]
    await store.append(investigation_stream(one), expected_seq=0, events=events)
    return one


def case(text: str) -> CaseFile:
    analysis = Analysis(issue_type=IssueType.UNKNOWN, window=WINDOW, keywords=tuple(text.split()))
    return CaseFile(question=Question(text=text, asked_at=NOW), analysis=analysis)


async def test_the_alike_is_found_and_the_unlike_is_not(store: Store) -> None:
    locks = await finish(store, 1, "orders hang", LOCKS)
    await finish(store, 2, "cart keeps restarting", OOM)
    await finish(store, 3, "payment errors since noon", RELEASE)
    found = await Knowledge(store).related(case("checkout hangs on orders"), LOCKS, besides="inv_9")
    assert [one.investigation_id for one in found] == [locks]
    assert "database_lock_contention" in found[0].text
    assert await Knowledge(store).related(case("orders hang"), LOCKS, besides=locks) == ()


async def test_what_a_person_confirmed_later_is_told(store: Store) -> None:
    one = await finish(store, 1, "orders hang", LOCKS)
    knowledge = Knowledge(store)
    before = await knowledge.related(case("orders"), LOCKS, besides="")
    seq = (await store.investigation(one)).seq
    confirmed = NewEvent(kind=EventKind.FEEDBACK_GIVEN, actor=ADA.actor, at=NOW, payload={"value": "confirm_cause"})
    await store.append(investigation_stream(one), expected_seq=seq, events=[confirmed])
    after = await knowledge.related(case("orders"), LOCKS, besides="")
    assert "(confirmed)" not in before[0].text
    assert "(confirmed)" in after[0].text


@pytest.mark.parametrize(
    "words", ["", "'\"; DROP TABLE x --", "NEAR(a b) AND * OR", "ärger ünïcode 日本", "a" * 5_000, "\x00"]
)
async def test_any_words_may_be_looked_for(store: Store, words: str) -> None:
    await finish(store, 1, "orders hang", LOCKS)
    await Knowledge(store).related(case("orders"), LOCKS, besides="")
    assert await store.search.by_words(words) in ([], ["inv_1"])
    assert await store.search.by_words("ORDERS hanging") == ["inv_1"]


def test_ranks_are_fused_by_their_places() -> None:
    assert fuse([["a", "b", "c"], ["b", "c"]]) == ["b", "c", "a"]
    assert fuse([[], []]) == []


def test_likeness() -> None:
    assert cosine(case_signature(LOCKS), case_signature(LOCKS)) == pytest.approx(1)
    assert cosine(case_signature(LOCKS), case_signature(OOM)) == 0
    assert cosine({}, case_signature(OOM)) == 0


class Letters:
    """Likeness by the letters that two texts share, and how often it was asked."""

    def __init__(self, late: threading.Event | None = None) -> None:
        self.asked = 0
        self.late = late

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        self.asked += 1
        if self.late is not None:
            self.late.wait()
        return [[float(text.lower().count(letter)) for letter in "abcdefghijklmnopqrstuvwxyz"] for text in texts]


async def test_an_embedder_adds_a_rank(store: Store) -> None:
    await finish(store, 1, "orders hang", LOCKS)
    await finish(store, 2, "orders hang again", LOCKS)
    letters = Letters()
    found = await Knowledge(store, embedder=letters).related(case("orders hang"), LOCKS, besides="")
    assert {one.investigation_id for one in found} == {"inv_1", "inv_2"}
    assert letters.asked == 1


async def test_what_was_embedded_is_not_embedded_again(store: Store) -> None:
    await finish(store, 1, "orders hang", LOCKS)
    letters = Letters()
    knowledge = Knowledge(store, embedder=Kept(letters))
    first = await knowledge.related(case("orders hang"), LOCKS, besides="")
    assert await knowledge.related(case("orders hang"), LOCKS, besides="") == first
    assert letters.asked == 1


async def test_an_embedder_that_does_not_come_back_is_done_without(store: Store) -> None:
    await finish(store, 1, "orders hang", LOCKS)
    late = threading.Event()
    knowledge = Knowledge(store, embedder=Letters(late), embedding_s=0.05)
    try:
        found = await knowledge.related(case("orders hang"), LOCKS, besides="")
    finally:
        late.set()
    assert [one.investigation_id for one in found] == ["inv_1"]

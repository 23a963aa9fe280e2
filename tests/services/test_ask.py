"""The whole way of a question: schema read through the gate, query run, answer kept and cached."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.domain.access import Principal, PrincipalKind
from bot.errors import InvalidRequest, NotAllowed
from bot.reasoning.ask.by_model import Drafted, QueryWriter
from bot.reasoning.ask.model import Asked, Holding, Written
from bot.services.ask import Ask
from bot.services.ask_past import same_words, usual_source
from bot.services.catalogue import Catalogue, SourceInfo
from bot.services.execute import Execute
from bot.store import Store
from bot.store.query_history import PastQuery
from connectors.base import Answer, Connector, NoArguments, tool
from connectors.base import Ask as ToolAsk
from connectors.errors import ConnectorError, Rejected
from connectors.model import Column, EvidenceKind, Health, HealthStatus, Limits, Rows, SourceRef, SourceSchema
from connectors.postgresql.connector import SqlArguments
from connectors.sql import WordsArguments

PERSON = Principal(kind=PrincipalKind.PERSON, id="U1")
_ROWS = [(1, "paid", 5), (2, "paid", 7), (3, "open", 1)]
_SCHEMA = [
    ("public", "orders", "id", "integer", False, True, None, None),
    ("public", "orders", "status", "text", False, False, None, None),
    ("public", "orders", "amount", "numeric", False, False, None, None),
]


class Clock:
    def __init__(self) -> None:
        self.at = datetime(2026, 11, 20, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at


class SmallDatabase(Connector[NoArguments]):
    """A database of one table, in SQLite."""

    type = "postgresql"
    Config = NoArguments
    driver_errors = (sqlite3.Error,)

    async def open(self) -> None:
        self.database = sqlite3.connect(":memory:")
        self.queries: list[str] = []
        self.database.execute("CREATE TABLE orders (id, status, amount)")
        self.database.executemany(
            "INSERT INTO orders VALUES (?, ?, ?)", [(1, "paid", 5), (2, "paid", 7), (3, "open", 1)]
        )

    async def close(self) -> None:
        self.database.close()

    def translate(self, error: Exception) -> ConnectorError:
        return Rejected(str(error))

    async def probe(self) -> Health:
        return Health(status=HealthStatus.HEALTHY, latency_ms=0.0, detail="here")

    async def describe(self) -> SourceSchema:
        return SourceSchema(entries=())

    @tool("Run one SELECT.", returns=[EvidenceKind.ROWS])
    async def run_query(self, arguments: SqlArguments, ask: ToolAsk) -> Answer:
        self.queries.append(arguments.sql)
        cursor = self.database.execute(arguments.sql)
        columns = tuple(Column(name=entry[0]) for entry in cursor.description)
        return Answer(
            Rows(columns=columns, rows=tuple(cursor.fetchall())), SourceRef(query=arguments.sql, language="sql")
        )

    @tool("Tables and columns.", returns=[EvidenceKind.ROWS])
    async def search_schema(self, arguments: WordsArguments, ask: ToolAsk) -> Answer:
        names = ("schema", "table", "column", "type", "nullable", "primary_key", "refers_to", "comment")
        return Answer(
            Rows(columns=tuple(Column(name=n) for n in names), rows=tuple(_SCHEMA)), SourceRef(query="", language="sql")
        )


class Small:
    """The parts that answer questions of a small database."""

    def __init__(self, *, connector: SmallDatabase, execute: Execute, store: Store, clock: Clock) -> None:
        self.connector, self.clock = connector, clock
        self.execute, self._store = execute, store

    def ask(self, writer: QueryWriter | None = None) -> Ask:
        infos = [SourceInfo(self.connector.name, "postgresql", "production")]
        catalogue = Catalogue(execute=self.execute, infos=infos, squads=[])
        history = self._store.query_history
        return Ask(execute=self.execute, catalogue=catalogue, history=history, clock=self.clock, writer=writer)


@pytest.fixture
async def small(tmp_path: Path) -> AsyncIterator[Small]:
    clock = Clock()
    connector = SmallDatabase(name="postgresql/shop_prod", config=NoArguments(), environment="production", clock=clock)
    execute = Execute({connector.name: (connector, Limits())}, clock=clock)
    store = await Store.open(f"sqlite:///{tmp_path / 'inquest.db'}", workspace="W", clock=clock, create=True)
    yield Small(connector=connector, execute=execute, store=store, clock=clock)
    await execute.close()
    await store.close()


@pytest.fixture
def asking(small: Small) -> tuple[Ask, SmallDatabase, Clock]:
    return small.ask(), small.connector, small.clock


async def test_a_question_is_answered_explained_and_kept(asking: tuple[Ask, SmallDatabase, Clock]) -> None:
    ask, _, _ = asking
    answered = await ask.ask("shop db: total amount of orders", by=PERSON)
    assert isinstance(answered.payload, Rows)
    assert answered.payload.rows == ((13,),)
    assert answered.source == "postgresql/shop_prod"
    assert answered.explanation == "Adds up amount of orders."
    (past,) = await ask.history(by=PERSON)
    assert (past.question, past.success, past.generated_query) == ("total amount of orders", True, answered.query)


async def test_the_same_question_is_asked_once_in_five_minutes(asking: tuple[Ask, SmallDatabase, Clock]) -> None:
    ask, connector, clock = asking
    await ask.ask("how many orders are there?", by=PERSON)
    before = len(connector.queries)
    again = await ask.ask("How many  orders are there", by=PERSON)
    assert again.cached
    assert len(connector.queries) == before
    clock.at += timedelta(minutes=5)
    assert not (await ask.ask("how many orders are there", by=PERSON)).cached


async def test_a_dry_run_asks_nothing_of_the_table(asking: tuple[Ask, SmallDatabase, Clock]) -> None:
    ask, connector, _ = asking
    answered = await ask.ask("how many orders are there", by=PERSON, dry_run=True)
    assert answered.query == "SELECT COUNT(*) AS orders_count FROM orders"
    assert answered.payload is None
    assert answered.query not in connector.queries


async def test_what_cannot_be_answered_is_said_and_kept(asking: tuple[Ask, SmallDatabase, Clock]) -> None:
    ask, _, _ = asking
    answered = await ask.ask("how many unicorns are there", by=PERSON)
    assert answered.cannot
    assert "unicorns" in answered.cannot
    (past,) = await ask.history(by=PERSON)
    assert (past.success, past.error) == (False, answered.cannot)


async def test_guests_and_unknown_sources_are_refused(asking: tuple[Ask, SmallDatabase, Clock]) -> None:
    ask, _, _ = asking
    with pytest.raises(NotAllowed):
        await ask.ask("how many orders", by=PERSON.model_copy(update={"guest": True}))
    with pytest.raises(InvalidRequest, match="shop_prod"):
        await ask.ask("how many orders", by=PERSON, source="oracle/elsewhere")


class Scribe:
    """A writer that gives what it is told to."""

    def __init__(self, drafted: Drafted) -> None:
        self.drafted = drafted
        self.asked: list[str] = []

    async def write(self, asked: Asked, holding: Holding) -> Drafted:
        self.asked.append(asked.text)
        return self.drafted


async def test_a_model_is_asked_only_where_templates_cannot(small: Small) -> None:
    query = "SELECT MAX(amount) - 1 AS odd FROM orders"
    scribe = Scribe(Drafted(written=Written(query, "sql", "Claude's query."), tokens=9, usd=0.002))
    ask = small.ask(scribe)
    await ask.ask("how many orders are there?", by=PERSON)
    assert scribe.asked == []
    answered = await ask.ask("what is the oddity of the biggest order?", by=PERSON)
    assert isinstance(answered.payload, Rows)
    assert answered.payload.rows == ((6,),)
    assert (answered.written_by, answered.tokens) == ("claude", 9)
    assert answered.cost_usd == pytest.approx(0.002)
    refused = await ask.ask("orders'; DROP TABLE orders; --", by=PERSON)
    assert refused.cannot is not None
    assert len(scribe.asked) == 1


async def test_a_model_that_cannot_either_leaves_the_reason_of_the_templates(small: Small) -> None:
    ask = small.ask(Scribe(Drafted(why_not="No table keeps moods.", tokens=5, usd=0.001)))
    answered = await ask.ask("what is the mood of orders?", by=PERSON)
    assert answered.cannot is not None
    assert answered.cannot.endswith("No table keeps moods.")
    assert "mood" in answered.cannot
    assert answered.cost_usd == pytest.approx(0.001)
    assert (await ask.history(by=PERSON))[0].success is False


async def test_the_words_of_a_past_answer_get_its_query_again_without_a_model(small: Small) -> None:
    query = "SELECT MAX(amount) - 1 AS odd FROM orders"
    scribe = Scribe(Drafted(written=Written(query, "sql", "Claude's query."), tokens=9, usd=0.002))
    await small.ask(scribe).ask("what is the oddity of the biggest order?", by=PERSON)
    again = await small.ask().ask("What is the oddity of the  biggest order", by=PERSON)
    assert isinstance(again.payload, Rows)
    assert again.payload.rows == ((6,),)
    assert (again.query, again.written_by, again.tokens) == (query, "templates", 0)
    assert "same words" in again.explanation
    # Other words, and words whose meaning moves with the clock, are not the same question.
    assert (await small.ask().ask("what is the oddity of the smallest order?", by=PERSON)).cannot
    await small.ask(scribe).ask("what is the oddity of today?", by=PERSON)
    assert (await small.ask().ask("what is the oddity of today?", by=PERSON)).cannot


def past(question: str, source: str, query: str = "SELECT 1", *, success: bool = True) -> PastQuery:
    at = datetime(2026, 11, 20, tzinfo=UTC)
    return PastQuery("q", "U1", question, source, query, 1.0, success, None, cached=False, created_at=at)


def test_what_past_questions_teach() -> None:
    known = [past("failed orders per city", "postgresql/a"), past("orders", "postgresql/b", success=False)]
    assert usual_source("Failed orders per city?", ["postgresql/a", "postgresql/b"], known) == "postgresql/a"
    assert usual_source("orders", ["postgresql/a", "postgresql/b"], known) is None
    both = [*known, past("failed orders per city", "postgresql/b")]
    assert usual_source("failed orders per city", ["postgresql/a", "postgresql/b"], both) is None
    stamped = [past("odd orders", "postgresql/a", "SELECT 1 WHERE at > '2026-11-19'")]
    assert same_words("odd orders", "postgresql/a", stamped) is None
    assert same_words("odd orders", "postgresql/b", [past("odd orders", "postgresql/a")]) is None

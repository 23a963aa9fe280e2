"""Questions about logs against servers with and without ES|QL: the same question, the same answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bot.domain.access import Principal, PrincipalKind
from bot.reasoning.ask.search_dsl import rows_of
from bot.services.ask import Answered, Ask
from bot.services.catalogue import Catalogue, SourceInfo
from bot.services.execute import Execute
from bot.store import Store
from connectors.elasticsearch import CONNECTOR as ELASTICSEARCH
from connectors.model import Limits, Rows
from connectors.opensearch import CONNECTOR as OPENSEARCH
from tests.connectors.elasticsearch_data import CLOCK, MAPPINGS, documents
from tests.support.elasticsearch_double import ElasticsearchDouble
from tests.support.opensearch_double import OpenSearchDouble

PERSON = Principal(kind=PrincipalKind.PERSON, id="U1")
KINDS: dict[str, Any] = {"opensearch": OPENSEARCH, "elasticsearch": ELASTICSEARCH}


def speaking(kind: str, *, esql: bool = False) -> ElasticsearchDouble:
    if kind == "opensearch":
        return OpenSearchDouble(documents(), MAPPINGS)
    return ElasticsearchDouble(documents(), MAPPINGS, esql=esql)


@asynccontextmanager
async def asking(tmp_path: Path, kind: str, server: ElasticsearchDouble) -> AsyncIterator[Ask]:
    connector_type = KINDS[kind]
    places = {"hosts": [server.url]} if kind == "elasticsearch" else {"url": server.url}
    config = connector_type.Config(**places, username="reader", password="pass")
    name = f"{kind}/main"
    connector = connector_type(name=name, config=config, environment="production", clock=CLOCK)
    execute = Execute({name: (connector, Limits())}, clock=CLOCK)
    catalogue = Catalogue(execute=execute, infos=[SourceInfo(name, kind, "production")], squads=[])
    store = await Store.open(f"sqlite:///{tmp_path / 'inquest.db'}", workspace="W", clock=CLOCK, create=True)
    try:
        yield Ask(execute=execute, catalogue=catalogue, history=store.query_history, clock=CLOCK)
    finally:
        await execute.close()
        await store.close()


def rows(answered: Answered) -> list[tuple[Any, ...]]:
    assert answered.cannot is None, answered.cannot
    assert isinstance(answered.payload, Rows)
    return list(answered.payload.rows)


@pytest.mark.parametrize("kind", ["opensearch", "elasticsearch"])
async def test_counts_groups_and_lines_without_esql(tmp_path: Path, kind: str) -> None:
    async with speaking(kind) as server, asking(tmp_path, kind, server) as ask:
        [(errors,)] = rows(await ask.ask("how many errors in the last 2 hours?", by=PERSON))
        by_service = rows(await ask.ask("errors by service in the last 2 hours", by=PERSON))
        over_time = rows(await ask.ask("errors by service per hour in the last 2 hours", by=PERSON))
        latest = rows(await ask.ask("the latest 3 log lines in the last 2 hours", by=PERSON))
    assert errors > 0
    assert sum(number for _, number in by_service) == errors
    assert sum(number for _, _, number in over_time) == errors
    assert len(latest) == 3


async def test_the_same_question_with_and_without_esql(tmp_path: Path) -> None:
    found = []
    for number, esql in enumerate((True, False)):
        folder = tmp_path / str(number)
        folder.mkdir()
        async with speaking("elasticsearch", esql=esql) as server, asking(folder, "elasticsearch", server) as ask:
            answered = await ask.ask("how many log lines in the last 2 hours?", by=PERSON)
            again = await ask.ask("how many log lines in the last 30 minutes?", by=PERSON)
            pipelines = [body for _, path, body in server.requests if path == "/_query"]
        found.append((rows(answered), rows(again), answered.language))
    assert found[0][:2] == found[1][:2]
    assert [language for _, _, language in found] == ["esql", "dsl"]
    assert all("ROW ready" in str(body) for body in pipelines)


@pytest.mark.parametrize("text", ["", "[]", "null", '{"took": 1}', '{"aggregations": {}}', "nonsense"])
def test_other_answers_are_no_counts(text: str) -> None:
    assert rows_of(text) is None

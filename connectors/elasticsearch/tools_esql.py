"""ES|QL where the server speaks it, the query DSL elsewhere: a guarded pipeline, and services over thresholds."""

from __future__ import annotations

from abc import abstractmethod

from elastic_transport import ApiError
from pydantic import JsonValue

from connectors._guarded import guarded
from connectors._search_dsl.anomalies import (
    anomaly_body,
    anomaly_pipeline,
    anomaly_rows,
    from_buckets,
    from_rows,
    metric_fields,
    owners_of,
)
from connectors._search_dsl.answers import listed
from connectors._search_dsl.arguments import AnomalyArguments, EsqlArguments
from connectors._search_dsl.fields import Fields
from connectors._search_dsl.queries import of_services
from connectors._search_dsl.session import DslSession
from connectors._search_dsl.shared_traces import Times
from connectors._search_dsl.tools_base import Tools
from connectors.base import Answer, Ask, tool
from connectors.elasticsearch.pipelines import Pipeline, documents_pipeline, failures_pipeline, times_by_trace
from connectors.errors import Malformed, Rejected
from connectors.guards import GuardLimits
from connectors.model import Column, EvidenceKind, JsonObject, Rows, TimeWindow

ESQL = "esql"
_MOST_ROWS = 10_000


class EsqlTools(Tools):
    """Pipelines."""

    @abstractmethod
    async def has_esql(self, session: DslSession) -> bool:
        """Whether the server speaks ES|QL."""

    @tool("Run one ES|QL pipeline, after the guard.", returns=[EvidenceKind.ROWS])
    async def run_esql(self, arguments: EsqlArguments, ask: Ask) -> Answer:
        judged = guarded(arguments.query, dialect="esql", limits=GuardLimits(max_rows=ask.limits.max_rows))
        session = await self.session(ask)
        if not await self.has_esql(session):
            raise Rejected(f"{self.name} does not speak ES|QL. Use run_query.")
        session.notes += judged.notes
        rows = await self.pipeline(session, judged.text)
        return session.answer(rows, window=ask.window, language=ESQL)

    @tool(
        "Services whose error ratio or P99 in the metrics index is over a threshold, with who owns them.",
        returns=[EvidenceKind.ROWS],
    )
    async def detect_anomalies(self, arguments: AnomalyArguments, ask: Ask) -> Answer:
        session = await self.session(ask)
        window, index = ask.span, self.settings.indices.metrics
        fields = await self.fields_of(index, session) if index else None
        if fields is None or fields.time is None or fields.service is None or not metric_fields(fields):
            session.notes.append(f"no index with error ratios or latencies by service matches {index or 'metrics'}")
            return session.answer(anomaly_rows([], {}, arguments), window=window)
        if await self.has_esql(session):
            query, params = anomaly_pipeline(index, fields, window)
            found = from_rows(await self.pipeline(session, query, params), fields)
        else:
            found = from_buckets(await session.search(index, anomaly_body(fields, window)))
        over = [f for f in found if not arguments.services or f.service in arguments.services]
        owners = await self._owners(session, [f.service for f in over])
        return session.answer(anomaly_rows(over, owners, arguments), window=window, language=ESQL)

    async def failures_by_trace(self, session: DslSession, fields: Fields, window: TimeWindow) -> list[Times]:
        wish = failures_pipeline(self.logs_index, fields, window, most=_MOST_ROWS)
        rows = await self._asked(session, wish) if wish else None
        if rows is None:
            return await super().failures_by_trace(session, fields, window)
        if len(rows.rows) >= _MOST_ROWS:
            session.notes.append(f"only the first {_MOST_ROWS:,} failures of services in traces were compared")
        return times_by_trace(rows)

    async def deployment_documents(
        self, session: DslSession, fields: Fields, span: TimeWindow, *, services: list[str], most: int
    ) -> list[JsonObject]:
        wish = documents_pipeline(self.settings.indices.deployments, fields, span, services=services, most=most)
        rows = await self._asked(session, wish)
        if rows is None:
            return await super().deployment_documents(session, fields, span, services=services, most=most)
        names = [column.name for column in rows.columns]
        return [dict(zip(names, row, strict=True)) for row in rows.rows]

    async def _asked(self, session: DslSession, wish: Pipeline) -> Rows | None:
        """The table of a pipeline; None where the server has no ES|QL, or refuses this pipeline (types that differ
        between indices), so that the search takes over."""
        if not await self.has_esql(session):
            return None
        try:
            return await self.pipeline(session, wish.query, wish.params)
        except ApiError as error:
            if error.meta.status != 400:
                raise
            return None

    async def _owners(self, session: DslSession, services: list[str]) -> dict[str, JsonObject]:
        """Team, criticality and on-call by service from the lookup index; empty where there is none."""
        index = self.settings.indices.services
        if not index or not services:
            return {}
        fields: Fields = await self.fields_of(index, session)
        if fields.service is None:
            return {}
        filters = of_services(fields, services)
        body: JsonObject = {"size": len(services), "query": {"bool": {"filter": filters}}}
        try:
            return owners_of(await session.search(index, body), fields)
        except ApiError as error:
            session.notes.append(f"owners not read: HTTP {error.meta.status}")
            return {}

    async def pipeline(self, session: DslSession, query: str, params: list[JsonValue] | None = None) -> Rows:
        """Rows of a pipeline; values go in as parameters, never into the text."""
        body: JsonObject = {"query": query} | ({"params": params} if params else {})
        answer = await session.get("POST", "/_query", body=body)
        if not isinstance(answer, dict) or not isinstance(answer.get("values"), list):
            raise Malformed(f"{self.name} answered something that is not an ES|QL table.")
        return table(answer)


def table(answer: JsonObject) -> Rows:
    """An ES|QL answer as rows."""
    columns = tuple(Column(name=str(c.get("name")), type=str(c.get("type") or "")) for c in listed(answer["columns"]))
    values = answer["values"]
    rows = [tuple(row) for row in values if isinstance(row, list)] if isinstance(values, list) else []
    return Rows(columns=columns, rows=tuple(rows))

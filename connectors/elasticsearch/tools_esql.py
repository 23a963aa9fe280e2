"""ES|QL where the server speaks it, the query DSL elsewhere: anomalies of services, and a guarded pipeline."""

from __future__ import annotations

from pydantic import JsonValue

from connectors.base import Answer, Ask, tool
from connectors.elasticsearch.answers import listed
from connectors.elasticsearch.arguments import EsqlArguments
from connectors.elasticsearch.session import Session
from connectors.elasticsearch.tools_base import Tools
from connectors.errors import Malformed, Rejected
from connectors.guards import GuardLimits, Refused, guard
from connectors.model import Column, EvidenceKind, JsonObject, Rows

ESQL = "esql"


class EsqlTools(Tools):
    """Pipelines."""

    @tool("Run one ES|QL pipeline, after the guard.", returns=[EvidenceKind.ROWS])
    async def run_esql(self, arguments: EsqlArguments, ask: Ask) -> Answer:
        judged = guard(arguments.query, dialect="esql", limits=GuardLimits(max_rows=ask.limits.max_rows))
        if isinstance(judged, Refused):
            raise Rejected(judged.reason)
        session = await self.session(ask)
        if not await self.has_esql(session):
            raise Rejected(f"{self.name} does not speak ES|QL. Use run_query.")
        session.notes += judged.notes
        rows = await self.pipeline(session, judged.text)
        return session.answer(rows, window=ask.window, language=ESQL)

    async def pipeline(self, session: Session, query: str, params: list[JsonValue] | None = None) -> Rows:
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

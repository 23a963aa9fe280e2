"""Services over thresholds in the metrics index, with who owns them; by aggregation, since there is no ES|QL."""

from __future__ import annotations

from connectors._search_dsl.anomalies import anomaly_body, anomaly_rows, from_buckets, metric_fields, owners_of
from connectors._search_dsl.arguments import AnomalyArguments
from connectors._search_dsl.queries import of_services
from connectors._search_dsl.session import DslSession
from connectors._search_dsl.tools_base import Tools
from connectors.base import Answer, Ask, tool
from connectors.errors import ConnectorError
from connectors.model import EvidenceKind, JsonObject


class MetricTools(Tools):
    """Metrics kept as documents."""

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
        found = from_buckets(await session.search(index, anomaly_body(fields, window)))
        over = [one for one in found if not arguments.services or one.service in arguments.services]
        owners = await self._owners(session, [one.service for one in over])
        return session.answer(anomaly_rows(over, owners, arguments), window=window)

    async def _owners(self, session: DslSession, services: list[str]) -> dict[str, JsonObject]:
        """Team, criticality and on-call by service from the lookup index; empty where there is none."""
        index = self.settings.indices.services
        if not index or not services:
            return {}
        fields = await self.fields_of(index, session)
        if fields.service is None:
            return {}
        body: JsonObject = {"size": len(services), "query": {"bool": {"filter": of_services(fields, services)}}}
        try:
            return owners_of(await session.search(index, body), fields)
        except ConnectorError as error:
            session.notes.append(f"owners not read ({error.kind})")
            return {}

"""An OpenSearch 2 node over a list of documents: the searches of the Elasticsearch double, OpenSearch's own edges.

It has no ES|QL, no product header and no `_security`; who asks is told at `_plugins/_security/authinfo`.
Source: https://opensearch.org/docs/latest/api-reference/ (read 2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from tests.support.elasticsearch_double import Document, ElasticsearchDouble
from tests.support.elasticsearch_query import RefusedError


class OpenSearchDouble(ElasticsearchDouble):
    """Async context manager."""

    def __init__(
        self,
        documents: Mapping[str, list[Document]],
        mappings: Mapping[str, Mapping[str, str]],
        *,
        password: str = "pass",
        roles: tuple[str, ...] = ("inquest_reader",),
        distribution: str | None = "opensearch",
    ) -> None:
        super().__init__(documents, mappings, password=password, version="2.19.1", esql=False)
        self.roles, self.distribution = roles, distribution

    async def _handle(self, request: web.Request) -> web.Response:
        response = await super()._handle(request)
        response.headers.popall("X-Elastic-Product", None)
        return response

    async def _route(self, request: web.Request) -> Any:
        if "vnd.elasticsearch" in request.headers.get("Accept", ""):
            raise RefusedError(406, "media_type_header_exception", "Content-Type header is not supported")
        if request.path == "/":
            version = {"number": self.version} | ({"distribution": self.distribution} if self.distribution else {})
            return {"name": "os-0", "cluster_name": "test", "version": version}
        if request.path == "/_plugins/_security/authinfo":
            return {"user": "User [name=reader]", "user_name": "reader", "roles": list(self.roles)}
        if request.path.startswith("/_security"):
            raise RefusedError(400, "illegal_argument_exception", f"no handler found for uri [{request.path}]")
        return await super()._route(request)

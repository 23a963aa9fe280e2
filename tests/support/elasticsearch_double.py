"""An Elasticsearch 8 node over a list of documents: answers are computed, what a node would refuse is refused.

Shapes follow the REST reference, https://www.elastic.co/guide/en/elasticsearch/reference/8.19/rest-apis.html (read
2026-11-20): the product header, the compatible media type, error documents, aggregations, `_field_caps`, `_query`.
"""

from __future__ import annotations

import base64
import fnmatch
import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from tests.support.elasticsearch_aggs import aggregate, time_ms
from tests.support.elasticsearch_esql import run_pipeline
from tests.support.elasticsearch_query import RefusedError, flat, matches, score, value_at

Document = dict[str, Any]
_MEDIA = "application/vnd.elasticsearch+json;compatible-with=8"
_READS = ("/_search", "/_count", "/_field_caps", "/_query", "/_has_privileges")
_BODY_KEYS = {"query", "size", "from", "sort", "aggs", "_source", "track_total_hits", "timeout"}


class ElasticsearchDouble:
    """Async context manager. `documents` maps an index name to its documents, `mappings` to its field types."""

    def __init__(
        self,
        documents: Mapping[str, list[Document]],
        mappings: Mapping[str, Mapping[str, str]],
        *,
        username: str = "reader",
        password: str = "pass",
        privileges: frozenset[str] = frozenset({"read"}),
        security: bool = True,
        version: str = "8.19.3",
        esql: bool = True,
    ) -> None:
        self.documents = {index: list(found) for index, found in documents.items()}
        self.mappings = mappings
        self.security = security
        self.version = version
        self.esql = esql
        self.privileges = privileges
        self.requests: list[tuple[str, str, Any]] = []
        self.refused_writes: list[str] = []
        self.refused_pipelines: tuple[str, ...] = ()
        token = base64.b64encode(f"{username}:{password}".encode()).decode()
        self._authorization = f"Basic {token}"
        self._runner: web.AppRunner | None = None
        self.host, self.port = "127.0.0.1", 0

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def fingerprint(self) -> str:
        """Digest of all that an account could have changed, and of attempts to."""
        state = json.dumps([self.documents, self.refused_writes], sort_keys=True, default=str)
        return hashlib.sha256(state.encode()).hexdigest()

    async def __aenter__(self) -> ElasticsearchDouble:
        app = web.Application(client_max_size=16_000_000)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2, handle_signals=False)
        await self._runner.setup()
        await web.TCPSite(self._runner, self.host, 0).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.Response:
        try:
            self._authenticate(request)
            answer = await self._route(request)
            status = 200
        except RefusedError as error:
            status = error.status
            cause = {"type": error.kind, "reason": error.reason}
            answer = {"error": {"root_cause": [cause], **cause}, "status": status}
        text = json.dumps(answer)
        headers = {"X-Elastic-Product": "Elasticsearch"}
        plain = "vnd.elasticsearch" not in request.headers.get("Accept", "")
        kind = "application/json" if plain else _MEDIA
        return web.Response(body=text.encode(), status=status, headers={**headers, "Content-Type": kind})

    def _authenticate(self, request: web.Request) -> None:
        if not self.security:
            return
        if request.headers.get("Authorization") != self._authorization:
            raise RefusedError(401, "security_exception", "unable to authenticate user for REST request")

    async def _route(self, request: web.Request) -> Any:
        path, method = request.path, request.method
        raw = await request.read()
        body = json.loads(raw) if raw else {}
        self.requests.append((method, path, body))
        self._refuse_media(request, bool(raw))
        if method not in ("GET", "POST", "HEAD") or (method == "POST" and not path.endswith(_READS)):
            self.refused_writes.append(f"{method} {path}")
            raise RefusedError(403, "security_exception", f"action is unauthorized for {method} {path}")
        if path == "/":
            return {"name": "es-0", "version": {"number": self.version}, "tagline": "You Know, for Search"}
        if path == "/_cluster/health":
            return {"cluster_name": "test", "status": "green", "number_of_nodes": 1}
        if path == "/_query" and not self.esql:
            raise RefusedError(400, "illegal_argument_exception", "no handler found for uri [/_query]")
        if path == "/_query" and body["query"].startswith(self.refused_pipelines or ("\0",)):
            raise RefusedError(400, "verification_exception", "Cannot use field [service] due to ambiguities")
        if path == "/_query":
            return run_pipeline(body, self._indexed)
        if path == "/_security/user/_has_privileges":
            return self._privileges(body)
        if found := re.fullmatch(r"/_resolve/index/([^/]+)", path):
            names = self._names(found[1])
            return {"indices": [{"name": n, "attributes": ["open"]} for n in names], "aliases": [], "data_streams": []}
        found = re.fullmatch(r"/([^/_][^/]*)/(_search|_field_caps|_count)", path)
        if not found:
            raise RefusedError(400, "illegal_argument_exception", f"no handler found for uri [{path}]")
        strict = request.query.get("ignore_unavailable") != "true"
        names = self._names(found[1], strict=strict)
        if found[2] == "_field_caps":
            return self._field_caps(names, request.query.get("fields", ""))
        return self._search(names, body)

    def _refuse_media(self, request: web.Request, has_body: bool) -> None:
        for header in ("Accept", "Content-Type") if has_body else ("Accept",):
            value = request.headers.get(header, "")
            found = re.search(r"compatible-with=(\d+)", value)
            if found and int(found[1]) not in (7, 8):
                reason = f"A compatible version is required on {header}"
                raise RefusedError(400, "media_type_header_exception", reason)

    def _names(self, expression: str, *, strict: bool = False) -> list[str]:
        patterns = [part for part in expression.split(",") if part]
        missing = [p for p in patterns if "*" not in p and p not in self.documents]
        if strict and missing:
            raise RefusedError(404, "index_not_found_exception", f"no such index [{missing[0]}]")
        return [name for name in self.documents if any(fnmatch.fnmatchcase(name, p) for p in patterns)]

    def _field_caps(self, names: list[str], fields: str) -> Any:
        if not fields:
            raise RefusedError(400, "action_request_validation_exception", "no fields specified")
        wanted, found = fields.split(","), {}
        for name in names:
            for field, kind in self.mappings[name].items():
                if any(fnmatch.fnmatchcase(field, pattern) for pattern in wanted):
                    exact = kind not in ("text", "match_only_text")
                    whole = kind if exact else "text"
                    found[field] = {whole: {"type": whole, "searchable": True, "aggregatable": exact}}
        return {"indices": names, "fields": found}

    def _privileges(self, body: Any) -> Any:
        if not self.security:
            reason = "no handler found for uri [/_security/user/_has_privileges]"
            raise RefusedError(400, "illegal_argument_exception", reason)
        cluster = {name: name in self.privileges for name in body.get("cluster", [])}
        index = {
            name: {privilege: privilege in self.privileges for privilege in entry["privileges"]}
            for entry in body.get("index", [])
            for name in entry["names"]
        }
        return {"username": "reader", "has_all_requested": False, "cluster": cluster, "index": index, "application": {}}

    def _indexed(self, expression: str) -> list[Document]:
        return [flat(doc) for name in self._names(expression, strict=True) for doc in self.documents[name]]

    def _search(self, names: list[str], body: Any) -> Any:
        unknown = set(body) - _BODY_KEYS
        if unknown:
            raise RefusedError(400, "parsing_exception", f"Unknown key for a VALUE in [{sorted(unknown)[0]}].")
        types = {field: kind for name in names for field, kind in self.mappings[name].items()}
        found = [
            (name, number, doc)
            for name in names
            for number, doc in enumerate(self.documents[name])
            if matches(body.get("query", {"match_all": {}}), doc, types)
        ]
        for part in reversed(body.get("sort", [])):
            field, order = next(iter(part.items()))
            found.sort(key=lambda e, f=field: time_ms(value_at(e[2], f)) or 0, reverse=order["order"] == "desc")
        asked = body.get("query", {}).get("multi_match")
        if asked:
            found.sort(key=lambda entry: -score(asked, entry[2]))
        size = body.get("size", 10)
        if size > 10_000:
            raise RefusedError(400, "illegal_argument_exception", "Result window is too large")
        hits = [_hit(name, number, doc, body) for name, number, doc in found[:size]]
        total = {"value": len(found), "relation": "eq"} if body.get("track_total_hits") else None
        shards = {"total": len(names), "successful": len(names), "skipped": 0, "failed": 0}
        answer: dict[str, Any] = {"took": 1, "timed_out": False, "_shards": shards}
        answer["hits"] = {**({"total": total} if total else {}), "max_score": None, "hits": hits}
        if body.get("aggs"):
            answer["aggregations"] = aggregate(body["aggs"], [doc for _, _, doc in found], types)
        return answer


def _hit(index: str, number: int, doc: Document, body: Any) -> Any:
    wanted = body.get("_source")
    source = doc
    if isinstance(wanted, list):
        source = {}
        for field in wanted:
            value = value_at(doc, field)
            if value is not None:
                _put(source, field, value)
    asked = body.get("query", {}).get("multi_match")
    return {"_index": index, "_id": str(number), "_score": score(asked, doc) if asked else None, "_source": source}


def _put(tree: Document, dotted: str, value: Any) -> None:
    *parents, leaf = dotted.split(".")
    for parent in parents:
        tree = tree.setdefault(parent, {})
    tree[leaf] = value

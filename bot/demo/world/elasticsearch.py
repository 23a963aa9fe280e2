"""The part of the Elasticsearch 8 REST API that an investigation reads, computed over the journal.

Shapes follow https://www.elastic.co/guide/en/elasticsearch/reference/8.19/rest-apis.html (read 2026-11-20).
"""

from __future__ import annotations

import asyncio
import base64
import fnmatch
import json
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from typing import Any

from aiohttp import web

from bot.demo.world.elastic_aggs import Aggregator, sort_documents, sort_keys, sort_value
from bot.demo.world.elastic_query import FIELDS, Body, ElasticError, QueryCompiler, parse_date, parsing
from bot.demo.world.journal import Document, Journal

USER = "inquest"
MAX_WINDOW = 10_000
_JSON = "application/vnd.elasticsearch+json;compatible-with=8"


class ElasticsearchServer:
    """Routes of one node; `mode` may make it refuse: ok, unavailable, hang, unauthorized."""

    def __init__(self, journal: Journal, clock: Callable[[], float], *, mode: str, password: str) -> None:
        self.journal = journal
        self._clock = clock
        self.mode = mode
        token = base64.b64encode(f"{USER}:{password}".encode()).decode()
        self._authorization = f"Basic {token}"

    def app(self) -> web.Application:
        """The application with all routes."""
        app = web.Application(middlewares=[self._border])
        add = app.router.add_route
        add("GET", "/", self._info)
        add("HEAD", "/", self._info)
        add("GET", "/_cluster/health", self._health)
        for path in ("/_cat/indices", "/_cat/indices/{index}"):
            add("GET", path, self._cat)
        add("GET", "/_resolve/index/{index}", self._resolve)
        for path in ("/_mapping", "/{index}/_mapping"):
            add("GET", path, self._mapping)
        for path in ("/_field_caps", "/{index}/_field_caps"):
            add("*", path, self._field_caps)
        for path in ("/_search", "/{index}/_search"):
            add("*", path, self._search)
        for path in ("/_count", "/{index}/_count"):
            add("*", path, self._count)
        for path in ("/_msearch", "/{index}/_msearch"):
            add("*", path, self._msearch)
        return app

    @web.middleware
    async def _border(self, request: web.Request, handler: Any) -> web.StreamResponse:
        try:
            await self._refuse(request)
            response: web.StreamResponse = await handler(request)
        except ElasticError as error:
            response = _error(error)
        except web.HTTPNotFound:
            reason = f"no handler found for uri [{request.path_qs}] and method [{request.method}]"
            response = _error(ElasticError(400, "illegal_argument_exception", reason))
        response.headers["X-Elastic-Product"] = "Elasticsearch"
        return response

    async def _refuse(self, request: web.Request) -> None:
        if self.mode == "hang":
            await asyncio.sleep(3600)
        if self.mode == "unavailable":
            raise ElasticError(503, "master_not_discovered_exception", "no master available to serve the request")
        if self.mode == "unauthorized" or request.headers.get("Authorization") != self._authorization:
            reason = f"unable to authenticate user [{USER}] for REST request [{request.path}]"
            raise ElasticError(401, "security_exception", reason)

    async def _info(self, _request: web.Request) -> web.Response:
        version = {
            "number": "8.19.3",
            "build_flavor": "default",
            "build_type": "docker",
            "build_snapshot": False,
            "lucene_version": "9.12.2",
            "minimum_wire_compatibility_version": "7.17.0",
            "minimum_index_compatibility_version": "7.0.0",
        }
        head = {"name": "es-0", "cluster_name": "shop-logging", "cluster_uuid": "kQ2y1rYzTGe4r0v7jC1x3A"}
        return _answer({**head, "version": version, "tagline": "You Know, for Search"})

    async def _health(self, _request: web.Request) -> web.Response:
        return _answer({"cluster_name": "shop-logging", "status": "green", "timed_out": False, "number_of_nodes": 3})

    # documents

    def _documents(self, expression: str, *, strict: bool = True) -> list[Document]:
        now = self._clock()
        logs = self.journal.until(now)
        visible = logs[: bisect_right(logs, now, key=lambda d: d.at)] if logs and logs[-1].at > now else logs
        everything = self.journal.deployments(now) + visible
        patterns = [part for part in expression.split(",") if part]
        if patterns in ([], ["_all"], ["*"]):
            return everything
        names = self._names()
        for pattern in patterns:
            if strict and "*" not in pattern and pattern not in names:
                error = ElasticError(404, "index_not_found_exception", f"no such index [{pattern}]")
                raise error
        chosen = {name for name in names if _selected(name, patterns)}
        if not any(name.startswith("deployments") for name in chosen) and len(chosen) == len(
            [name for name in names if name.startswith("logs")]
        ):
            return visible
        return [document for document in everything if document.index in chosen]

    def _names(self) -> list[str]:
        now = self._clock()
        self.journal.until(now)
        found = {document.index for document in self.journal.logs}
        return sorted(found | {document.index for document in self.journal.deployments(now)})

    async def _cat(self, request: web.Request) -> web.Response:
        pattern = request.match_info.get("index", "*")
        rows = []
        for name in self._names():
            if _selected(name, pattern.split(",")):
                count = str(len(self._documents(name)))
                head = {"health": "green", "status": "open", "index": name, "uuid": f"{abs(hash(name)):022d}"[:22]}
                rows.append({**head, "pri": "1", "rep": "1", "docs.count": count, "docs.deleted": "0"})
        if request.query.get("format") != "json" and "json" not in request.headers.get("Accept", ""):
            return web.Response(text="\n".join(" ".join(row.values()) for row in rows) + "\n")
        return _answer(rows)

    async def _resolve(self, request: web.Request) -> web.Response:
        patterns = request.match_info["index"].split(",")
        names = [name for name in self._names() if _selected(name, patterns)]
        indices = [{"name": name, "attributes": ["open"]} for name in names]
        return _answer({"indices": indices, "aliases": [], "data_streams": []})

    async def _mapping(self, request: web.Request) -> web.Response:
        patterns = request.match_info.get("index", "*").split(",")
        names = [name for name in self._names() if _selected(name, patterns)]
        return _answer({name: {"mappings": {"properties": _properties(_family(name))}} for name in names})

    async def _field_caps(self, request: web.Request) -> web.Response:
        patterns = request.match_info.get("index", "*").split(",")
        names = [name for name in self._names() if _selected(name, patterns)]
        body = await _body(request)
        fields = request.query.get("fields") or body.get("fields", ["*"])
        wanted = fields.split(",") if isinstance(fields, str) else fields
        found: dict[str, Any] = {}
        for kind in sorted({_family(name) for name in names}):
            for field, kind_of in FIELDS[kind].items():
                if any(fnmatch.fnmatchcase(field, pattern) for pattern in wanted):
                    whole = "text" if kind_of == "match_only_text" else kind_of
                    caps = {"type": whole, "metadata_field": False, "searchable": True, "aggregatable": whole != "text"}
                    found[field] = {whole: caps}
        return _answer({"indices": names, "fields": found})

    # searches

    async def _search(self, request: web.Request) -> web.Response:
        body = {**_url_body(request), **await _body(request)}
        expression = request.match_info.get("index", "")
        return _answer(self._run(expression, body, strict=request.query.get("ignore_unavailable") != "true"))

    async def _count(self, request: web.Request) -> web.Response:
        body = {**_url_body(request), **await _body(request)}
        found = self._find(self._documents(request.match_info.get("index", "")), body.get("query"))
        return _answer({"count": len(found), "_shards": _shards()})

    async def _msearch(self, request: web.Request) -> web.Response:
        lines = [line for line in (await request.text()).split("\n") if line.strip()]
        answers = []
        for head, body in zip(lines[::2], lines[1::2], strict=False):
            index = json.loads(head).get("index", request.match_info.get("index", ""))
            expression = ",".join(index) if isinstance(index, list) else str(index)
            try:
                answers.append({**self._run(expression, json.loads(body)), "status": 200})
            except ElasticError as error:
                answers.append({"error": _error_body(error)["error"], "status": error.status})
        return _answer({"took": 1, "responses": answers})

    def _find(self, documents: list[Document], query: Body) -> list[Document]:
        if not query:
            return documents
        compiler = QueryCompiler(self._clock())
        holds = compiler.compile(query)
        low, high = _time_limits(query, compiler.now)
        logs = self.journal.logs
        if documents and documents[0].index.startswith("logs") and (low or high) and len(documents) <= len(logs):
            start = bisect_left(documents, low, key=lambda d: d.at) if low else 0
            end = bisect_right(documents, high, key=lambda d: d.at) if high else len(documents)
            documents = documents[start:end]
        return [document for document in documents if holds(document)]

    def _run(self, expression: str, body: Body, *, strict: bool = True) -> dict[str, Any]:
        began = time.perf_counter()
        _check(body)
        found = self._find(self._documents(expression, strict=strict), body.get("query"))
        size, start = int(body.get("size", 10)), int(body.get("from", 0))
        if size + start > MAX_WINDOW:
            limit = f"less than or equal to: [{MAX_WINDOW}] but was [{size + start}]"
            reason = f"Result window is too large, from + size must be {limit}"
            raise ElasticError(400, "illegal_argument_exception", reason)
        keys = sort_keys(body.get("sort"))
        ordered = sort_documents(found, body.get("sort")) if keys else found
        ordered = _after(ordered, keys, body.get("search_after"))
        hits = [_hit(document, body, keys) for document in ordered[start : start + size]]
        answer: dict[str, Any] = {"took": 0, "timed_out": False, "_shards": _shards(), "hits": {}}
        answer["hits"] = {**_total(len(found), body), "max_score": None if keys or not hits else 1.0, "hits": hits}
        aggregations = body.get("aggs") or body.get("aggregations")
        if aggregations:
            aggregator = Aggregator(QueryCompiler(self._clock()), lambda document: _hit(document, {}, []))
            answer["aggregations"] = aggregator.run(aggregations, found)
        answer["took"] = round((time.perf_counter() - began) * 1000)
        return answer


_KNOWN = {
    "query", "size", "from", "sort", "aggs", "aggregations", "_source", "fields", "track_total_hits", "timeout",
    "search_after", "stored_fields", "docvalue_fields", "terminate_after", "highlight", "version", "min_score",
    "track_scores", "explain", "stats", "profile", "seq_no_primary_term",
}  # fmt: skip


def _check(body: Body) -> None:
    if not isinstance(body, dict):
        raise parsing("Expected [START_OBJECT]")
    unknown = sorted(set(body) - _KNOWN)
    if unknown:
        raise parsing(f"Unknown key for a VALUE in [{unknown[0]}].")


def _time_limits(query: Body, now: float) -> tuple[float | None, float | None]:
    """Bounds on @timestamp that a conjunction implies; only a shortcut, the predicate still decides."""
    low: float | None = None
    high: float | None = None
    clauses: list[Any] = [query]
    if "bool" in query:
        for part in ("must", "filter"):
            value = query["bool"].get(part, [])
            clauses.extend(value if isinstance(value, list) else [value])
    for clause in clauses:
        limits = clause.get("range", {}).get("@timestamp") if isinstance(clause, dict) else None
        if limits:
            lows = [parse_date(limits[k], now) for k in ("gt", "gte") if limits.get(k) is not None]
            highs = [parse_date(limits[k], now, up=True) for k in ("lt", "lte") if limits.get(k) is not None]
            low = max([*lows, *([low] if low else [])], default=None)
            high = min([*highs, *([high] if high else [])], default=None)
    return low, high


def _after(ordered: list[Document], keys: list[tuple[str, bool]], after: Body) -> list[Document]:
    if not after:
        return ordered
    for position, document in enumerate(ordered):
        values = [sort_value(document, field) for field, _ in keys]
        for value, last, (_, descending) in zip(values, after, keys, strict=False):
            if value != last:
                beyond = value < last if descending else value > last
                break
        else:
            beyond = False
        if beyond:
            return ordered[position:]
    return []


def _hit(document: Document, body: Body, keys: list[tuple[str, bool]]) -> dict[str, Any]:
    hit: dict[str, Any] = {"_index": document.index, "_id": document.id, "_score": None if keys else 1.0}
    wanted = body.get("_source", True)
    if wanted is not False:
        hit["_source"] = _nested(_picked(document.fields, wanted))
    if body.get("fields"):
        patterns = [f if isinstance(f, str) else f["field"] for f in body["fields"]]
        hit["fields"] = {k: [v] for k, v in document.fields.items() if any(fnmatch.fnmatchcase(k, p) for p in patterns)}
    if keys:
        hit["sort"] = [sort_value(document, field) for field, _ in keys]
    return hit


def _picked(fields: dict[str, Any], wanted: Body) -> dict[str, Any]:
    if wanted is True:
        return fields
    options = wanted if isinstance(wanted, dict) else {"includes": wanted}
    included = _listed(options.get("includes", options.get("include", ["*"])))
    excluded = _listed(options.get("excludes", options.get("exclude", [])))

    def hit(name: str, patterns: list[str]) -> bool:
        return any(fnmatch.fnmatchcase(name, p) or name.startswith(f"{p}.") for p in patterns)

    return {k: v for k, v in fields.items() if hit(k, included) and not hit(k, excluded)}


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _nested(fields: dict[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, value in fields.items():
        *path, leaf = name.split(".")
        node = tree
        for step in path:
            node = node.setdefault(step, {})
        node[leaf] = value
    return tree


def _properties(kind: str) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, mapped in FIELDS[kind].items():
        *path, leaf = name.split(".")
        node = tree
        for step in path:
            node = node.setdefault(step, {"properties": {}})["properties"]
        node[leaf] = {"type": mapped}
    return tree


def _family(index: str) -> str:
    return index.split("-", 1)[0]


def _selected(name: str, patterns: list[str]) -> bool:
    chosen = False
    for pattern in patterns:
        if pattern.startswith("-"):
            chosen = chosen and not fnmatch.fnmatchcase(name, pattern[1:])
        elif pattern in {"_all", ""} or fnmatch.fnmatchcase(name, pattern):
            chosen = True
    return chosen


def _total(count: int, body: Body) -> dict[str, Any]:
    limit = body.get("track_total_hits", MAX_WINDOW)
    if limit is False:
        return {}
    if limit is not True and count > int(limit):
        return {"total": {"value": int(limit), "relation": "gte"}}
    return {"total": {"value": count, "relation": "eq"}}


def _shards() -> dict[str, int]:
    return {"total": 1, "successful": 1, "skipped": 0, "failed": 0}


def _url_body(request: web.Request) -> dict[str, Any]:
    query = request.query
    body: dict[str, Any] = {name: int(query[name]) for name in ("size", "from") if name in query}
    if "q" in query:
        body["query"] = {"query_string": {"query": query["q"]}}
    if "sort" in query:
        body["sort"] = query["sort"].split(",")
    if "track_total_hits" in query:
        text = query["track_total_hits"]
        body["track_total_hits"] = {"true": True, "false": False}.get(text) if text in {"true", "false"} else int(text)
    return body


async def _body(request: web.Request) -> dict[str, Any]:
    text = await request.text()
    if not text.strip():
        return {}
    try:
        loaded = json.loads(text)
    except ValueError as error:
        raise ElasticError(400, "x_content_parse_exception", f"unexpected character: {error}") from error
    if not isinstance(loaded, dict):
        raise parsing("Expected [START_OBJECT]")
    return loaded


def _error_body(error: ElasticError) -> dict[str, Any]:
    cause = {"type": error.kind, "reason": error.reason}
    return {"error": {"root_cause": [cause], **cause}, "status": error.status}


def _error(error: ElasticError) -> web.Response:
    response = web.Response(text=json.dumps(_error_body(error)), status=error.status)
    response.headers["Content-Type"] = _JSON
    if error.status == 401:
        response.headers["WWW-Authenticate"] = 'Basic realm="security" charset="UTF-8"'
    return response


def _answer(data: Any) -> web.Response:
    response = web.Response(text=json.dumps(data))
    response.headers["Content-Type"] = _JSON
    return response

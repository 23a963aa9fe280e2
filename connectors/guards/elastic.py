# ruff: noqa: E501 - lists, forms and sentences stay on one line
"""Elasticsearch and OpenSearch: a request as JSON text {method, path, body}, by allow-lists of path and body."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from urllib.parse import parse_qsl, unquote

from connectors.guards import elastic_aggs, elastic_query
from connectors.guards.model import Allowed, GuardLimits, RefusalError
from connectors.guards.wire import JsonObject, integer, read_object, write

_GET_ONLY = (
    r"",
    r"_cluster/(health|stats|settings|pending_tasks|allocation/explain)(/INDEX)?",
    r"_cluster/state(/[a-z_,]+(/INDEX)?)?",
    r"_nodes(/[\w.,:*-]+)?(/(stats|hot_threads|usage|info))?(/[\w,*]+)?(/[\w,*]+)?",
    r"_cat(/(aliases|allocation|count|fielddata|health|indices|master|cluster_manager|nodeattrs|nodes|pending_tasks|"
    r"plugins|recovery|segments|shards|tasks|templates|thread_pool|ml/[a-z_]+|transforms|snapshots|component_templates)(/[\w.,:*-]+)?)?",
    r"_tasks(/[\w.:-]+)?",
    r"(INDEX/)?_(mapping|mappings|settings|alias|aliases|stats|segments|recovery|shard_stores)(/[\w.,*-]+)?",
    r"INDEX/_mapping/field/[\w.,*-]+",
    r"INDEX",
    r"INDEX/_(doc|source)/[^/]+",
    r"_data_stream(/INDEX)?(/_stats)?",
    r"_(index_template|component_template|template|ingest/pipeline)(/[\w.,*@-]+)?",
    r"_ilm/(policy(/[\w.,*@-]+)?|status)",
    r"INDEX/_(ilm/explain|lifecycle/explain)",
    r"_(health_report(/[a-z_]+)?|license|xpack/usage|xpack|remote/info|ccr/stats|slm/(stats|status|policy)|snapshot/_status|watcher/stats|transform/_stats|rollup/data/_all|alias)",
    r"INDEX/_ccr/(stats|info)",
    r"_resolve/(index|cluster)/INDEX",
    r"_ml/(anomaly_detectors|datafeeds|trained_models|data_frame/analytics)(/[\w.,*-]+)?(/_stats)?",
    r"_transform(/[\w.,*-]+)?(/_stats)?",
    r"_plugins/_ism/explain(/INDEX)?",
)  # fmt: skip
_READ_BODY = {
    r"(INDEX/)?_search": "search",
    r"(INDEX/)?_count": "count",
    r"(INDEX/)?_msearch": "msearch",
    r"(INDEX/)?_field_caps": "fields",
    r"(INDEX/)?_validate/query": "count",
    r"INDEX/_explain/[^/]+": "count",
    r"(INDEX/)?_search_shards": "none",
    r"(INDEX/)?_mget": "mget",
    r"(INDEX/)?_analyze": "analyze",
    r"INDEX/_terms_enum": "terms_enum",
    r"INDEX/_eql/search": "eql",
    r"_query": "esql",
}
_INDEX = r"[^/_][^/]*|_all"
_PARAMETERS = frozenset(
    """
    q df default_operator analyzer analyze_wildcard lenient size from sort _source _source_includes _source_excludes
    track_total_hits track_scores timeout terminate_after request_cache preference routing ignore_unavailable
    allow_no_indices expand_wildcards ignore_throttled pretty human format v h s bytes time help level filter_path
    local master_timeout cluster_manager_timeout detailed actions nodes parent_task_id group_by include_defaults
    flat_settings include_type_name fields field types type threads interval snapshots ignore_idle_threads
    active_only health pri metric groups completion_fields fielddata_fields include_segment_file_sizes
    include_unloaded_segments verbose only_managed only_errors include_yes_decisions include_disk_info
    allow_partial_search_results batched_reduce_size max_concurrent_shard_requests pre_filter_shard_size
    rest_total_hits_as_int typed_keys stored_fields docvalue_fields explain version seq_no_primary_term
    search_type ccs_minimize_roundtrips realtime full_id error_trace types index include_unmapped size_in_bytes
    drop_null_columns include_remote name rewrite all_shards features accept_data_stream
    """.split()
)
_HIDDEN_OK = (".ds-", ".monitoring-", ".alerts-", ".internal.alerts-", ".ml-anomalies-", ".slo-", ".watcher-history-")
_INDEX_NAME = re.compile(r"<?-?(?:[a-zA-Z0-9_*][\w-]*:)?<?[\w.*+@#{}|/:~-]+>?")


def judge(text: str, *, limits: GuardLimits) -> Allowed:
    """Return the request to send, rewritten; raise RefusalError otherwise."""
    request = read_object(text, limits=limits, what="request")
    if set(request) - {"method", "path", "body"}:
        raise RefusalError("A request has method, path and body only. Remove the other keys.")
    method, raw_path = request.get("method", "GET"), request.get("path")
    if not isinstance(method, str) or method not in {"GET", "POST", "HEAD"} or not isinstance(raw_path, str):
        raise RefusalError("Only GET and POST to reading endpoints are allowed. Change the method.")
    path, parameters = _split(raw_path)
    kind = _endpoint(path, method)
    _check_parameters(parameters, kind, limits)
    body = request.get("body")
    if kind in {"none", "plain"} and body not in (None, {}, ""):
        if not path.endswith("allocation/explain"):
            raise RefusalError("This endpoint takes no body here. Remove it.")
        _only(body, {"index", "shard", "primary", "current_node"}, "allocation explain")
    notes: list[str] = []
    judged: JsonObject = {"method": method, "path": _join(path, parameters)}
    if body not in (None, {}, "") or kind == "esql":
        judged["body"] = _body(kind, body, limits, notes)
    elif limits.max_rows is not None and kind == "search" and "size" not in dict(parameters):
        judged["body"] = {"size": limits.max_rows}
    return Allowed(write(judged), tuple(notes))


def _split(raw: str) -> tuple[str, list[tuple[str, str]]]:
    if "#" in raw or "\\" in raw or any(ord(char) < 33 or ord(char) > 126 for char in raw):
        raise RefusalError("The path holds characters that do not belong there. Use a plain path.")
    head, _, query = raw.partition("?")
    path = unquote(head)
    if (
        "%" in path
        or ".." in path
        or "//" in path
        or "?" in path
        or "#" in path
        or any(ord(char) < 33 for char in path)
    ):
        raise RefusalError("The path is written in a way servers may read differently. Use a plain path.")
    pairs = parse_qsl(query, keep_blank_values=True)
    if len({name for name, _ in pairs}) != len(pairs):
        raise RefusalError("A parameter appears twice. Write it once.")
    return path.strip("/"), pairs


def _join(path: str, parameters: Sequence[tuple[str, str]]) -> str:
    from urllib.parse import quote, urlencode

    query = urlencode(parameters)
    return "/" + quote(path, safe="/*,:<>{}@+.-_~|") + (f"?{query}" if query else "")


def _endpoint(path: str, method: str) -> str:
    for pattern, kind in _READ_BODY.items():
        if _matches(pattern, path):
            if method == "HEAD":
                break
            return kind
    if method in {"GET", "HEAD"} and any(_matches(pattern, path) for pattern in _GET_ONLY):
        return "plain"
    if method == "POST" and path == "_cluster/allocation/explain":
        return "plain"
    raise RefusalError(
        f"The endpoint '{method} /{path[:80]}' is not on the list of reading endpoints. Use _search, _count or a diagnostic."
    )


def _matches(pattern: str, path: str) -> bool:
    found = re.fullmatch(pattern.replace("INDEX", f"(?P<index>{_INDEX})", 1).replace("INDEX", _INDEX), path)
    if found is None:
        return False
    index = found.groupdict().get("index")
    if index:
        check_index(index)
    return True


def check_index(names: str) -> None:
    """Refuse system indices and names that are not read here; `names` may be a comma list with wildcards."""
    for name in names.split(","):
        bare = name.lstrip("-<").rpartition(":")[2] if not name.startswith("<") else name.strip("<>-")
        bare = bare.lstrip("-<")
        if not _INDEX_NAME.fullmatch(name) or not bare:
            raise RefusalError(f"'{name[:40]}' is not an index name that is read here. Use plain names and *.")
        if bare.startswith(".") and not bare.startswith(_HIDDEN_OK):
            raise RefusalError(f"The index '{name[:40]}' belongs to the system. Name your own indices.")


def _check_parameters(parameters: Sequence[tuple[str, str]], kind: str, limits: GuardLimits) -> None:
    total = 0
    for name, value in parameters:
        if name not in _PARAMETERS or len(value) > 2_000:
            raise RefusalError(f"The parameter '{name[:40]}' is not allowed here. Remove it.")
        if name in {"size", "from"} and kind in {"search", "none", "plain"} and value:
            total += integer(value, what=name, most=limits.max_hits)
        if name == "expand_wildcards" and set(value.split(",")) - {"open", "closed", "none"}:
            raise RefusalError("Hidden indices may not be expanded. Use expand_wildcards=open.")
        if name == "index":
            check_index(value)
        if name == "q":
            elastic_query.check_pattern(value)
    if total > limits.max_hits:
        raise RefusalError(f"from + size is over {limits.max_hits}. Ask for fewer hits or aggregate.")


def _only(body: object, keys: set[str], what: str) -> JsonObject:
    if not isinstance(body, dict):
        raise RefusalError(f"The body of {what} must be a JSON object.")
    unknown = sorted(set(body) - keys)
    if unknown:
        raise RefusalError(f"'{unknown[0][:40]}' is not allowed in the body of {what}. Remove it.")
    return body


_SEARCH_KEYS = {
    "query", "aggs", "aggregations", "size", "from", "sort", "_source", "fields", "docvalue_fields", "stored_fields",
    "track_total_hits", "timeout", "terminate_after", "highlight", "collapse", "post_filter", "search_after",
    "min_score", "explain", "version", "seq_no_primary_term", "track_scores", "profile", "stats", "runtime_mappings",
    "indices_boost", "knn",
}  # fmt: skip


def _body(kind: str, body: object, limits: GuardLimits, notes: list[str]) -> object:
    if kind == "search":
        return check_search(body, limits=limits, notes=notes)
    if kind == "count":
        elastic_query.check_query(_only(body, {"query"}, "this endpoint").get("query", {"match_all": {}}))
        return body
    if kind == "msearch":
        return _msearch(body, limits, notes)
    if kind == "esql":
        return _esql(body, limits, notes)
    return _small_body(kind, body)


def _small_body(kind: str, body: object) -> object:
    if kind == "fields":
        found = _only(body, {"fields", "index_filter"}, "_field_caps")
        elastic_query.check_query(found.get("index_filter", {"match_all": {}}))
    elif kind == "mget":
        found = _only(body, {"docs", "ids"}, "_mget")
        for doc in found.get("docs", []):
            check_index(str(_only(doc, {"_index", "_id", "_source", "routing"}, "_mget").get("_index", "x")))
    elif kind == "analyze":
        _only(body, {"analyzer", "text", "field", "tokenizer", "normalizer", "explain"}, "_analyze")
    elif kind == "terms_enum":
        found = _only(
            body,
            {"field", "string", "size", "case_insensitive", "timeout", "index_filter", "search_after"},
            "_terms_enum",
        )
        integer(found.get("size", 10), what="size", most=1_000)
        elastic_query.check_query(found.get("index_filter", {"match_all": {}}))
    elif kind == "eql":
        keys = {
            "query",
            "size",
            "fetch_size",
            "timestamp_field",
            "event_category_field",
            "filter",
            "fields",
            "tiebreaker_field",
        }
        found = _only(body, keys, "_eql/search")
        integer(found.get("size", 10), what="size", most=1_000)
        elastic_query.check_query(found.get("filter", {"match_all": {}}))
    else:
        raise RefusalError("This endpoint takes no body here. Remove it.")
    return body


def check_search(body: object, *, limits: GuardLimits, notes: list[str]) -> JsonObject:
    """Return a judged search body, its size lowered to `max_rows` when that is set."""
    found = dict(_only(body, _SEARCH_KEYS, "_search"))
    size = integer(found.get("size", 10), what="size", most=limits.max_hits)
    if size + integer(found.get("from", 0), what="from", most=limits.max_hits) > limits.max_hits:
        raise RefusalError(f"from + size is over {limits.max_hits}. Ask for fewer hits or aggregate.")
    if limits.max_rows is not None and size > limits.max_rows:
        found["size"] = limits.max_rows
        notes.append(f"limited to {limits.max_rows} hits")
    for key in ("query", "post_filter"):
        if key in found:
            elastic_query.check_query(found[key])
    if "knn" in found:
        elastic_query.check_knn(found["knn"])
    for key in ("aggs", "aggregations"):
        if key in found:
            elastic_aggs.check_aggs(found[key])
    for key in (
        "sort",
        "highlight",
        "collapse",
        "_source",
        "fields",
        "docvalue_fields",
        "runtime_mappings",
        "stored_fields",
    ):
        if key in found:
            elastic_query.check_options(found[key])
    return found


def _msearch(body: object, limits: GuardLimits, notes: list[str]) -> str:
    if isinstance(body, str):
        lines = [
            read_object(line, limits=limits, what="line of _msearch") for line in body.splitlines() if line.strip()
        ]
    elif isinstance(body, list) and all(isinstance(line, dict) for line in body):
        lines = list(body)
    else:
        raise RefusalError("The body of _msearch must be lines of JSON.")
    if len(lines) % 2 or len(lines) > 40:
        raise RefusalError("_msearch takes pairs of header and search, at most 20.")
    written: list[str] = []
    for header, search in zip(lines[::2], lines[1::2], strict=True):
        names = _only(
            header, {"index", "ignore_unavailable", "allow_no_indices", "preference"}, "an _msearch header"
        ).get("index", "*")
        check_index(",".join(names) if isinstance(names, list) else str(names))
        written += [json.dumps(header), json.dumps(check_search(search, limits=limits, notes=notes))]
    return "\n".join(written) + "\n"


def _esql(body: object, limits: GuardLimits, notes: list[str]) -> JsonObject:
    from connectors.guards import esql

    found = dict(_only(body, {"query", "columnar", "filter", "locale", "time_zone"}, "_query"))
    query = found.get("query")
    if not isinstance(query, str):
        raise RefusalError("The body of _query must hold a query.")
    elastic_query.check_query(found.get("filter", {"match_all": {}}))
    judged = esql.judge(query, limits=limits)
    notes.extend(judged.notes)
    return {**found, "query": judged.text}

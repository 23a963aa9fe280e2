"""The query DSL of Elasticsearch over plain documents: filters only, no scoring."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from bot.demo.world.journal import Document

Predicate = Callable[[Document], bool]
Body = Any  # wire JSON

FIELDS: Mapping[str, Mapping[str, str]] = {
    "logs": {
        "@timestamp": "date",
        "message": "match_only_text",
        "log.level": "keyword",
        "service.name": "keyword",
        "service.environment": "keyword",
        "service.version": "keyword",
        "trace.id": "keyword",
        "kubernetes.namespace": "keyword",
        "kubernetes.pod.name": "keyword",
        "host.name": "keyword",
        "event.dataset": "keyword",
        "ecs.version": "keyword",
    },
    "deployments": {
        "@timestamp": "date",
        "service": "keyword",
        "version": "keyword",
        "previous_version": "keyword",
        "environment": "keyword",
        "author": "keyword",
        "status": "keyword",
        "url": "keyword",
    },
}


class ElasticError(Exception):
    """An answer other than 200, in the shape of the server's errors."""

    def __init__(self, status: int, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.kind = kind
        self.reason = reason


def parsing(reason: str) -> ElasticError:
    """The error for a body that the server cannot parse."""
    return ElasticError(400, "parsing_exception", reason)


def type_of(field: str) -> str | None:
    """Mapped type of a field, or None when no index maps it."""
    return next((fields[field] for fields in FIELDS.values() if field in fields), None)


class QueryCompiler:
    """Turns one query body into a predicate; `now` is what date math counts from."""

    def __init__(self, now: float) -> None:
        self.now = now

    def compile(self, body: Body) -> Predicate:
        """The predicate of `body`; an unknown query is an error, as on a server."""
        if not isinstance(body, dict) or len(body) != 1:
            raise parsing("[query] malformed query, expected one query name")
        name, arguments = next(iter(body.items()))
        method = getattr(self, f"_{name}", None)
        if method is None or not re.fullmatch(r"[a-z_]+", name):
            raise parsing(f"unknown query [{name}]")
        predicate: Predicate = method(arguments)
        return predicate

    def _match_all(self, _arguments: Body) -> Predicate:
        return lambda _document: True

    def _match_none(self, _arguments: Body) -> Predicate:
        return lambda _document: False

    def _all(self, clauses: Body) -> list[Predicate]:
        return [self.compile(clause) for clause in (clauses if isinstance(clauses, list) else [clauses])]

    def _bool(self, arguments: Body) -> Predicate:
        unknown = set(arguments) - {"must", "filter", "should", "must_not", "minimum_should_match", "boost"}
        if unknown:
            raise parsing(f"[bool] query does not support [{sorted(unknown)[0]}]")
        needed = self._all(arguments.get("must", [])) + self._all(arguments.get("filter", []))
        refused = self._all(arguments.get("must_not", []))
        optional = self._all(arguments.get("should", []))
        least = int(arguments.get("minimum_should_match", 0 if needed or not optional else 1))

        def holds(document: Document) -> bool:
            if not all(predicate(document) for predicate in needed):
                return False
            if any(predicate(document) for predicate in refused):
                return False
            return least == 0 or sum(predicate(document) for predicate in optional) >= least

        return holds

    def _constant_score(self, arguments: Body) -> Predicate:
        return self.compile(arguments["filter"])

    def _term(self, arguments: Body) -> Predicate:
        field, value = _single(arguments)
        wanted = value.get("value") if isinstance(value, dict) else value
        fold = isinstance(value, dict) and bool(value.get("case_insensitive"))
        return self._equal(field, [wanted], fold=fold)

    def _terms(self, arguments: Body) -> Predicate:
        field, values = _single({key: value for key, value in arguments.items() if key != "boost"})
        if not isinstance(values, list):
            raise parsing("[terms] query requires an array of terms")
        return self._equal(field, values)

    def _equal(self, field: str, values: list[Any], *, fold: bool = False) -> Predicate:
        texts = {str(value).lower() if fold else str(value) for value in values}
        if type_of(field) == "match_only_text":
            return lambda document: bool(texts & set(tokens(str(document.fields.get(field, "")))))
        if field == "_index":
            return lambda document: document.index in texts
        return lambda document: (
            field in document.fields
            and (str(document.fields[field]).lower() if fold else str(document.fields[field])) in texts
        )

    def _ids(self, arguments: Body) -> Predicate:
        wanted = set(arguments.get("values", []))
        return lambda document: document.id in wanted

    def _exists(self, arguments: Body) -> Predicate:
        field = arguments["field"]
        return lambda document: field in document.fields or any(k.startswith(f"{field}.") for k in document.fields)

    def _prefix(self, arguments: Body) -> Predicate:
        field, value = _single(arguments)
        start = str(value["value"] if isinstance(value, dict) else value)
        return lambda document: str(document.fields.get(field, "")).startswith(start) and field in document.fields

    def _wildcard(self, arguments: Body) -> Predicate:
        field, value = _single(arguments)
        options = value if isinstance(value, dict) else {"value": value}
        pattern = re.compile(
            fnmatch.translate(str(options.get("value", options.get("wildcard")))),
            re.IGNORECASE if options.get("case_insensitive") else 0,
        )
        return self._any_text(field, pattern)

    def _regexp(self, arguments: Body) -> Predicate:
        field, value = _single(arguments)
        pattern = str(value["value"] if isinstance(value, dict) else value)
        try:
            return self._any_text(field, re.compile(pattern))
        except re.error as error:
            raise parsing(f"invalid regular expression: {error}") from error

    def _any_text(self, field: str, pattern: re.Pattern[str]) -> Predicate:
        def holds(document: Document) -> bool:
            value = str(document.fields.get(field, ""))
            parts = tokens(value) if type_of(field) == "match_only_text" else (value,)
            return field in document.fields and any(pattern.fullmatch(part) for part in parts)

        return holds

    def _range(self, arguments: Body) -> Predicate:
        field, limits = _single(arguments)
        unknown = set(limits) - {"gt", "gte", "lt", "lte", "format", "time_zone", "boost", "from", "to"}
        if unknown:
            raise parsing(f"[range] query does not support [{sorted(unknown)[0]}]")
        if type_of(field) == "date":
            edges = {
                op: parse_date(limits[op], self.now, up=op in {"gt", "lte"})
                for op in _EDGES
                if limits.get(op) is not None
            }
            return lambda document: all(_EDGES[op](document.at, edge) for op, edge in edges.items())
        texts = {op: str(limits[op]) for op in _EDGES if limits.get(op) is not None}
        return lambda document: (
            field in document.fields and all(_EDGES[op](str(document.fields[field]), t) for op, t in texts.items())
        )

    def _match(self, arguments: Body) -> Predicate:
        field, value = _single(arguments)
        options = value if isinstance(value, dict) else {"query": value}
        if type_of(field) not in {"match_only_text", None}:
            return self._equal(field, [options["query"]])
        wanted = tokens(str(options["query"]))
        need_all = str(options.get("operator", "or")).lower() == "and"
        return _holds_words(field, wanted, need_all=need_all)

    def _match_phrase(self, arguments: Body) -> Predicate:
        field, value = _single(arguments)
        text = str(value["query"] if isinstance(value, dict) else value)
        if type_of(field) not in {"match_only_text", None}:
            return self._equal(field, [text])
        phrase = tokens(text)
        return lambda document: _has_phrase(tokens(str(document.fields.get(field, ""))), phrase)

    def _match_phrase_prefix(self, arguments: Body) -> Predicate:
        field, value = _single(arguments)
        phrase = tokens(str(value["query"] if isinstance(value, dict) else value))
        return lambda document: _has_phrase(tokens(str(document.fields.get(field, ""))), phrase, prefix=True)

    def _multi_match(self, arguments: Body) -> Predicate:
        fields = [str(field).partition("^")[0] for field in arguments.get("fields", ["message"])]
        kind = "match_phrase" if arguments.get("type") == "phrase" else "match"
        inner: dict[str, Any] = {"query": arguments["query"]}
        if kind == "match" and "operator" in arguments:
            inner["operator"] = arguments["operator"]
        parts = [self.compile({kind: {field: inner}}) for field in fields]
        return lambda document: any(part(document) for part in parts)

    def _query_string(self, arguments: Body) -> Predicate:
        from bot.demo.world.elastic_lucene import parse_lucene

        default = str(arguments.get("default_field", "message"))
        default = "message" if default == "*" else default
        return parse_lucene(str(arguments["query"]), self, default, str(arguments.get("default_operator", "or")))

    def _simple_query_string(self, arguments: Body) -> Predicate:
        fields = arguments.get("fields", ["message"])
        operator = str(arguments.get("default_operator", "or"))
        return _holds_words(
            str(fields[0]).partition("^")[0], tokens(str(arguments["query"])), need_all=operator.lower() == "and"
        )


_EDGES: Mapping[str, Callable[[Any, Any], bool]] = {
    "gt": lambda value, edge: bool(value > edge),
    "gte": lambda value, edge: bool(value >= edge),
    "lt": lambda value, edge: bool(value < edge),
    "lte": lambda value, edge: bool(value <= edge),
}


def _single(arguments: Body) -> tuple[str, Any]:
    if not isinstance(arguments, dict) or len(arguments) != 1:
        raise parsing("query expects exactly one field")
    field, value = next(iter(arguments.items()))
    return str(field), value


@lru_cache(maxsize=65536)
def tokens(text: str) -> tuple[str, ...]:
    """Words of a text in lower case, about as the standard analyzer cuts them."""
    return tuple(re.findall(r"[0-9]+(?:[.,][0-9]+)*|\w+(?:['.]\w+)*", text.lower()))


def _holds_words(field: str, wanted: tuple[str, ...], *, need_all: bool) -> Predicate:
    def holds(document: Document) -> bool:
        there = tokens(str(document.fields.get(field, "")))
        hits = (word in there for word in wanted)
        return all(hits) if need_all else any(hits)

    return holds


def _has_phrase(there: tuple[str, ...], phrase: tuple[str, ...], *, prefix: bool = False) -> bool:
    size = len(phrase)
    for start in range(len(there) - size + 1):
        part = there[start : start + size]
        if part == phrase or (prefix and part[:-1] == phrase[:-1] and part[-1].startswith(phrase[-1])):
            return bool(size)
    return False


_UNITS = {"s": 1, "m": 60, "h": 3600, "H": 3600, "d": 86400, "w": 7 * 86400, "M": 30 * 86400, "y": 365 * 86400}


def parse_date(value: Any, now: float, *, up: bool = False) -> float:
    """Epoch seconds of a date: ISO 8601, epoch milliseconds, or date math such as now-15m/m."""
    if isinstance(value, int | float):
        return float(value) / 1000
    text = str(value)
    if re.fullmatch(r"-?\d{11,}", text):
        return int(text) / 1000
    anchor, _, maths = text.partition("||")
    if text.startswith("now"):
        moment, maths = now, text[3:]
    else:
        moment = _iso(anchor)
    return _date_math(moment, maths, text, up=up)


def _iso(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        reason = f"failed to parse date field [{text}] with format [strict_date_optional_time||epoch_millis]"
        raise ElasticError(400, "parse_exception", reason) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _date_math(moment: float, maths: str, whole: str, *, up: bool) -> float:
    while maths:
        found = re.match(r"([+-])(\d*)([smhHdwMy])|/([smhHdwMy])", maths)
        if not found:
            raise ElasticError(400, "parse_exception", f"failed to parse date math [{whole}]")
        maths = maths[found.end() :]
        if found.group(4):
            moment = _rounded(moment, found.group(4), up=up)
        else:
            amount = int(found.group(2) or 1) * _UNITS[found.group(3)]
            moment += amount if found.group(1) == "+" else -amount
    return moment


def _rounded(moment: float, unit: str, *, up: bool) -> float:
    date = datetime.fromtimestamp(moment, UTC)
    if unit in "My":
        floor = date.replace(month=date.month if unit == "M" else 1, day=1, hour=0, minute=0, second=0, microsecond=0)
        longer = timedelta(days=32 if unit == "M" else 367)
        end = (floor + longer).replace(day=1).timestamp()
        return end - 0.001 if up else floor.timestamp()
    size = _UNITS[unit]
    shift = 4 * 86400 if unit == "w" else 0
    low = (moment - shift) // size * size + shift
    return low + size - 0.001 if up else low

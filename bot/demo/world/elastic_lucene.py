"""A part of Lucene's query syntax: words, phrases, field:value, AND OR NOT, + -, brackets, wildcards, ranges."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bot.demo.world.journal import Document

if TYPE_CHECKING:
    from bot.demo.world.elastic_query import Predicate, QueryCompiler

_TOKEN = re.compile(
    r"\s*(?:(?P<open>\()|(?P<close>\))|(?P<op>AND\b|OR\b|NOT\b|&&|\|\||!)|(?P<sign>[+-])(?=\S)"
    r'|(?P<field>[\w.@*\\-]+):(?=\S)|(?P<phrase>"(?:[^"\\]|\\.)*")|(?P<range>[\[{][^\]}]*[\]}])'
    r"|(?P<compare>[<>]=?[^\s)]+)|(?P<word>[^\s()\"]+))"
)


class _Parser:
    def __init__(self, text: str, compiler: QueryCompiler, default: str, operator: str) -> None:
        self.compiler = compiler
        self.default = default
        self.all = operator.lower() == "and"
        self.items = self._cut(text)
        self.at = 0

    def _cut(self, text: str) -> list[tuple[str, str]]:
        items, position = [], 0
        text = text.rstrip()
        while position < len(text):
            found = _TOKEN.match(text, position)
            if not found or found.lastgroup is None:
                raise _broken(text)
            items.append((found.lastgroup, found.group(found.lastgroup)))
            position = found.end()
        return items

    def peek(self) -> tuple[str, str]:
        return self.items[self.at] if self.at < len(self.items) else ("end", "")

    def next(self) -> tuple[str, str]:
        item = self.peek()
        self.at += 1
        return item

    def disjunction(self, field: str) -> Predicate:
        needed: list[Predicate] = []
        groups: list[list[Predicate]] = [[]]
        while self.peek()[0] not in {"end", "close"}:
            kind, text = self.peek()
            if kind == "op" and text in {"OR", "||"}:
                self.next()
                groups.append([])
            elif kind == "op" and text in {"AND", "&&"}:
                self.next()
                groups[-1].append(self.clause(field))
            elif kind == "sign" or (kind == "op" and text in {"NOT", "!"}):
                needed.append(self.clause(field))
            else:
                if groups[-1] and not self.all:
                    groups.append([])
                groups[-1].append(self.clause(field))
        filled = [group for group in groups if group]
        return lambda d: all(p(d) for p in needed) and (not filled or any(all(p(d) for p in group) for group in filled))

    def clause(self, field: str) -> Predicate:
        kind, text = self.next()
        if (kind == "op" and text in {"NOT", "!"}) or (kind == "sign" and text == "-"):
            inner = self.clause(field)
            return lambda document: not inner(document)
        if kind == "sign":
            return self.clause(field)
        if kind == "field":
            return self.clause(text.replace("\\", ""))
        if kind == "open":
            inner = self.disjunction(field)
            if self.next()[0] != "close":
                raise _broken("(")
            return inner
        return self.value(kind, text, field)

    def value(self, kind: str, text: str, field: str) -> Predicate:
        compile_ = self.compiler.compile
        if kind == "phrase":
            return compile_({"match_phrase": {field: re.sub(r"\\(.)", r"\1", text[1:-1])}})
        if kind == "range":
            low, _, high = text[1:-1].partition(" TO ")
            limits = {"gte" if text[0] == "[" else "gt": low.strip(), "lte" if text[-1] == "]" else "lt": high.strip()}
            return compile_({"range": {field: {k: v for k, v in limits.items() if v not in {"*", ""}}}})
        if kind == "compare":
            operator = {">=": "gte", ">": "gt", "<=": "lte", "<": "lt"}[re.match(r"[<>]=?", text)[0]]  # type: ignore[index]
            return compile_({"range": {field: {operator: text.lstrip("<>=")}}})
        if kind != "word":
            raise _broken(text)
        if field == "_exists_":
            return compile_({"exists": {"field": text}})
        if text == "*":
            return compile_({"exists": {"field": field}})
        text = re.sub(r"\\(.)", r"\1", text)
        if "*" in text or "?" in text:
            return compile_({"wildcard": {field: {"value": text.lower() if field == "message" else text}}})
        return compile_({"match": {field: {"query": text, "operator": "and"}}})


def _broken(text: str) -> Exception:
    from bot.demo.world.elastic_query import ElasticError

    return ElasticError(400, "query_shard_exception", f"Failed to parse query [{text}]")


def parse_lucene(text: str, compiler: QueryCompiler, default: str, operator: str) -> Predicate:
    """The predicate of a query string."""
    parser = _Parser(text, compiler, default, operator)
    predicate = parser.disjunction(default)
    if parser.peek()[0] != "end":
        raise _broken(text)

    def holds(document: Document) -> bool:
        return bool(predicate(document))

    return holds

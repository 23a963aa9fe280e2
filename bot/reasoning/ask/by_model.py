"""The query that templates could not write, written by Claude: one structured answer, checked, repaired at most once.

Whatever goes wrong leaves the answer of the templates standing; nothing that fails a check is ever returned.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from importlib import resources
from typing import Protocol

import structlog
from pydantic import BaseModel, ConfigDict

from bot.errors import ReasonerFailed
from bot.reasoning import claude_data as data
from bot.reasoning.ask.lexicon import is_secret
from bot.reasoning.ask.model import Asked, Holding, Table, Written
from bot.reasoning.claude_answers import is_plain, parse
from bot.reasoning.claude_wire import Request, Turn, Wire, cost_of
from bot.reasoning.spending import Price, Usage
from connectors.model import JsonObject

log = structlog.get_logger(__name__)

_TURNS = 2
_SECONDS = 60.0
_OUTPUT_TOKENS = 4_000
_MOST_TABLES = 60
_MOST_VALUES = 20
_MOST_METRICS = 300
_LONGEST_QUERY = 4_000
_LONGEST_SENTENCE = 400
_LANGUAGES = {"search": "esql"}
SCHEMA: JsonObject = {
    "type": "object",
    "properties": {
        "answerable": {"type": "boolean"},
        "query": {"type": "string"},
        "explanation": {"type": "string"},
        "why_not": {"type": "string"},
    },
    "required": ["answerable", "query", "explanation", "why_not"],
    "additionalProperties": False,
}


class QueryAnswer(BaseModel):
    model_config = ConfigDict(extra="ignore")

    answerable: bool = False
    query: str = ""
    explanation: str = ""
    why_not: str = ""


@dataclass(frozen=True)
class Drafted:
    """What came of it and what it took. `written` is None when the model gave nothing that may be used."""

    written: Written | None = None
    why_not: str = ""
    tokens: int = 0
    usd: float = 0.0


class QueryWriter(Protocol):
    """Writes what the templates could not. Never raises for what a model does."""

    async def write(self, asked: Asked, holding: Holding) -> Drafted: ...


class ClaudeWriter:
    """One question is one or two turns; nothing is remembered between questions."""

    def __init__(self, wire: Wire, price: Price) -> None:
        self._wire = wire
        self._price = price

    async def write(self, asked: Asked, holding: Holding) -> Drafted:
        run = _Run(self._wire, self._price, asked, holding)
        try:
            written, why = await run.go()
        except ReasonerFailed as error:
            log.info("ask.model_failed", reason=str(error))
            spent = cost_of(error)
            if spent is not None:
                run.book(spent)
            return Drafted(why_not=str(error), tokens=run.tokens, usd=run.usd)
        return Drafted(written=written, why_not=why, tokens=run.tokens, usd=run.usd)


class _Run:
    def __init__(self, wire: Wire, price: Price, asked: Asked, holding: Holding) -> None:
        self._wire, self._price, self._holding = wire, price, holding
        self.tokens, self.usd = 0, 0.0
        self._until = time.monotonic() + _SECONDS
        texts = [data.block("source", described(holding)), _prompt("ask")]
        question = {"text": asked.text, "now": asked.now.isoformat(), "time_zone": asked.time_zone}
        self._request = Request(
            step="ask",
            system=[{"type": "text", "text": _prompt("system"), "cache_control": {"type": "ephemeral"}}],
            messages=[_user([*texts, data.block("question", question)])],
            schema=SCHEMA,
            max_tokens=_OUTPUT_TOKENS,
        )

    async def go(self) -> tuple[Written | None, str]:
        why = ""
        for _ in range(_TURNS):
            turn = await self._turn()
            try:
                answer = parse(turn.text, QueryAnswer)
            except ValueError as error:
                why = f"The answer was not usable: {str(error)[:200]}"
            else:
                if not answer.answerable:
                    return None, answer.why_not[:_LONGEST_SENTENCE] if is_plain(answer.why_not) else ""
                refused = self._refusal(answer)
                if refused is None:
                    return self._written(answer), ""
                why = f"That query must not run: {refused}"
            said: JsonObject = {"role": "assistant", "content": turn.text[:_LONGEST_QUERY] or "(nothing)"}
            plea = f"{why[:400]} Answer again with one JSON object of the given schema."
            self._request.messages = [*self._request.messages, said, _user([plea])]
        return None, why

    def _refusal(self, answer: QueryAnswer) -> str | None:
        from bot.reasoning.ask.allowed import why_not  # a parser of SQL, which few processes ever need

        if len(answer.query) > _LONGEST_QUERY:
            return "it is too long."
        return why_not(answer.query, self._holding)

    def _written(self, answer: QueryAnswer) -> Written:
        told = answer.explanation.strip()
        plain = is_plain(told) and len(told) <= _LONGEST_SENTENCE
        explained = f"Claude's query. {told}" if told and plain else "Claude's query."
        language = _LANGUAGES.get(self._holding.language, self._holding.language)
        return Written(query=answer.query.strip().rstrip(";"), language=language, explanation=explained)

    async def _turn(self) -> Turn:
        turn, usage = await self._wire.turn(self._request, deadline_s=self._until - time.monotonic())
        self.book(usage)
        if turn.stop == "refusal":
            raise ReasonerFailed("Claude declined to answer.")
        if turn.stop in ("max_tokens", "model_context_window_exceeded"):
            raise ReasonerFailed("Claude's answer was cut off.")
        return turn

    def book(self, usage: Usage) -> None:
        self.tokens += usage.tokens
        self.usd += usage.priced(self._price).usd


def described(holding: Holding) -> JsonObject:
    """A source as the model sees it, without columns that hold secrets."""
    found: JsonObject = {"language": _LANGUAGES.get(holding.language, holding.language), "dialect": holding.dialect}
    if holding.tables:
        found["tables"] = {table.name: _columns(table) for table in holding.tables[:_MOST_TABLES]}
    if holding.metrics:
        found["metrics"] = [
            {
                "name": m.name,
                "type": m.type,
                "help": m.help,
                "labels": {k: list(v[:_MOST_VALUES]) for k, v in m.labels.items()},
            }
            for m in holding.metrics[:_MOST_METRICS]
        ]
    if holding.indices:
        found["indices"] = {index.name: dict(index.fields) for index in holding.indices[:_MOST_TABLES]}
    return found


def _columns(table: Table) -> JsonObject:
    found: JsonObject = {}
    for column in table.columns:
        if is_secret(column.name):
            continue
        about: JsonObject = {"type": column.type}
        if column.references:
            about["references"] = ".".join(column.references)
        if column.primary:
            about["primary_key"] = True
        if column.values:
            about["values"] = list(column.values[:_MOST_VALUES])
        found[column.name] = about
    return found


def _prompt(name: str) -> str:
    return resources.files("bot.reasoning").joinpath("prompts", f"{name}.md").read_text(encoding="utf-8").strip()


def _user(texts: list[str]) -> JsonObject:
    return {"role": "user", "content": [{"type": "text", "text": text} for text in texts]}

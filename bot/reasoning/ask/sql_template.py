"""A question about tables as one SELECT of the source's dialect, with what it does in words."""

from __future__ import annotations

from sqlglot import exp

from bot.reasoning.ask.choosing import Chooser
from bot.reasoning.ask.explain import explain
from bot.reasoning.ask.joins import Joins
from bot.reasoning.ask.lexicon import Lexicon
from bot.reasoning.ask.model import Asked, CannotAnswer, Holding, Written
from bot.reasoning.ask.phrasing import rephrase
from bot.reasoning.ask.pieces import Tagger
from bot.reasoning.ask.reader import Reader
from bot.reasoning.ask.reader_parts import HANDLERS
from bot.reasoning.ask.spans import take_span
from bot.reasoning.ask.sql import Builder
from connectors.model import TimeWindow

_SQLGLOT = {"mssql": "tsql"}


def write_sql(asked: Asked, holding: Holding) -> Written:
    """The query, or CannotAnswer."""
    if not holding.tables:
        raise CannotAnswer("I know no tables here yet.")
    lexicon = Lexicon(holding.tables)
    text, span = take_span(asked, wide=True)
    text = rephrase(text, lexicon)
    pieces = Tagger(lexicon).pieces(text)
    chooser = Chooser(lexicon, Joins(holding.tables), pieces)
    intent = Reader(chooser, pieces, span=span, handlers=HANDLERS).read()
    builder = Builder(intent, chooser, holding.dialect)
    select = builder.build()
    query = select.sql(dialect=_SQLGLOT.get(holding.dialect, holding.dialect))
    window = None
    if span and span.start and span.end and span.end > span.start:
        window = TimeWindow(start=span.start, end=span.end)
    return Written(
        query=query,
        language="sql",
        explanation=explain(intent, builder.base),
        used=tuple(dict.fromkeys(table.name for table in select.find_all(exp.Table))),
        window=window,
        over_time=bool(intent.bucket),
        notes=(),
    )

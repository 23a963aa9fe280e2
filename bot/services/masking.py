"""Masks secrets in what a source answered, before anything is kept."""

from __future__ import annotations

from pydantic import JsonValue

from connectors.model import Payload, Rows, Series, SeriesSet
from connectors.redaction import is_secret_key, placeholder, redact_json, redact_pieces, redact_text


def redact_payload(payload: Payload) -> Payload:
    """The payload with secrets masked. Of series only the names can hold any, and points are many."""
    if isinstance(payload, SeriesSet):
        return SeriesSet(series=tuple(_redact_series(series) for series in payload.series))
    if isinstance(payload, Rows):
        return _redact_rows(_mask_columns(payload))
    masked = redact_json(payload.model_dump(mode="json"))
    return type(payload).model_validate(masked)


def _redact_rows(payload: Rows) -> Rows:
    """Column by column: a text may go on in the next row, and never in the next cell."""
    columns = [_redact_column(list(cells)) for cells in zip(*payload.rows, strict=True)]
    named = tuple(column.model_copy(update={"name": redact_text(column.name)}) for column in payload.columns)
    return payload.model_copy(update={"columns": named, "rows": tuple(zip(*columns, strict=True))})


def _redact_column(cells: list[JsonValue]) -> list[JsonValue]:
    texts = redact_pieces([cell for cell in cells if isinstance(cell, str)])
    masked = iter(texts)
    return [next(masked) if isinstance(cell, str) else redact_json(cell) for cell in cells]


def _mask_columns(payload: Rows) -> Rows:
    """A column whose name says that it holds a secret is masked whole, whatever its cells look like."""
    hidden = {index for index, column in enumerate(payload.columns) if is_secret_key(column.name)}
    if not hidden:
        return payload
    rows = tuple(
        tuple(placeholder("value", str(cell)) if at in hidden and cell else cell for at, cell in enumerate(row))
        for row in payload.rows
    )
    return payload.model_copy(update={"rows": rows})


def _redact_series(series: Series) -> Series:
    names = {"labels": {key: redact_text(value) for key, value in series.labels.items()}}
    return series.model_copy(update=names)

"""Cells of BigQuery's JSON as faithful values: everything arrives as text.

https://cloud.google.com/bigquery/docs/reference/rest/v2/tabledata/list
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.sql import binary_cell

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def row(values: Sequence[Any], fields: Sequence[Mapping[str, Any]]) -> list[Any]:
    return [cell(value, field) for value, field in zip(values, fields, strict=True)]


def cell(value: Any, field: Mapping[str, Any]) -> Any:
    """One value by its field's type; a repeated field is a list, a record an object."""
    if value is None:
        return None
    if field.get("mode") == "REPEATED" and isinstance(value, list):
        inner = {**field, "mode": "NULLABLE"}
        return [cell(item.get("v") if isinstance(item, Mapping) else item, inner) for item in value]
    kind = str(field["type"])
    if kind in {"RECORD", "STRUCT"} and isinstance(value, Mapping):
        parts = zip(value.get("f") or (), field.get("fields") or (), strict=False)
        return {str(inner["name"]): cell(part.get("v"), inner) for part, inner in parts}
    return _plain(str(value), kind)


def _plain(text: str, kind: str) -> Any:
    try:
        if kind in {"INTEGER", "INT64"}:
            return int(text)
        if kind in {"FLOAT", "FLOAT64"}:
            return float(text)
        if kind in {"BOOLEAN", "BOOL"}:
            return text.lower() == "true"
        if kind == "TIMESTAMP":
            return _EPOCH + timedelta(microseconds=int(text))
        if kind == "BYTES":
            return binary_cell(base64.b64decode(text, validate=True))
    except (ValueError, OverflowError, binascii.Error):
        return text
    return text

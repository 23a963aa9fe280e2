"""Read-only guards: default deny, one dialect each; the regenerated text is what may run."""

from __future__ import annotations

import gc
from importlib import import_module

from connectors.guards.model import Allowed, GuardLimits, RefusalError, Refused

__all__ = ["DIALECTS", "Allowed", "GuardLimits", "Refused", "guard"]

_SQL = frozenset({"postgres", "mysql", "mssql", "sqlite", "clickhouse", "bigquery", "duckdb"})
_OTHERS = {
    "elasticsearch": "elastic",
    "esql": "esql",
    "mongodb": "mongo",
    "promql": "promql",
    "nrql": "nrql",
    "jql": "jql",
    "logql": "logql",
    "kubernetes": "kubernetes",
}
DIALECTS = _SQL | frozenset(_OTHERS)


def guard(text: str, *, dialect: str, limits: GuardLimits | None = None) -> Allowed | Refused:
    """Judge one query of one dialect; never raises for anything the text may hold."""
    collecting = gc.isenabled()
    gc.disable()  # a parse makes thousands of objects that are gone at its end; a full collection meanwhile finds none
    try:
        return _judged(text, dialect=dialect, limits=limits or GuardLimits())
    except RefusalError as refusal:
        return Refused(refusal.reason)
    except RecursionError:
        return Refused("The query is nested too deeply. Simplify it.")
    finally:
        if collecting:
            gc.enable()


def _judged(text: str, *, dialect: str, limits: GuardLimits) -> Allowed | Refused:
    _check_size(text, limits)
    if dialect in _SQL:
        from connectors.guards.sql import guard_sql

        return guard_sql(text, dialect=dialect, limits=limits)
    if dialect not in _OTHERS:
        return Refused(f"There is no guard for '{dialect[:30]}', so nothing may run.")
    judged: Allowed = import_module(f"connectors.guards.{_OTHERS[dialect]}").judge(text, limits=limits)
    return judged


def _check_size(text: str, limits: GuardLimits) -> None:
    if not text.strip():
        raise RefusalError("The query is empty. Write one.")
    if len(text) > limits.max_text_bytes or len(text.encode("utf-8", "surrogatepass")) > limits.max_text_bytes:
        raise RefusalError(f"The query is longer than {limits.max_text_bytes // 1024} KB. Shorten it.")
    if "\x00" in text or (not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text)):
        raise RefusalError("The query holds a NUL or a broken character. Remove it.")

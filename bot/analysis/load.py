"""How much more a service was asked to do: by its own count of requests, else by that of the calls around it.

One source may be slow or missing, so several series can tell the same load.
"""

from __future__ import annotations

import math

from bot.analysis.graph import Graph
from bot.analysis.origin import Board
from bot.analysis.signals import Signal

RISEN = 1.5


def load_of(board: Board, service: str) -> Signal | None:
    """Its request rate; where nobody counted that, the busiest calls to it, then those it makes itself."""
    own = board.services.get(service, {}).get("request_rate")
    if own is not None and not math.isnan(own.level):
        return own
    return _busiest(board, callee=service) or _busiest(board, caller=service)


def pressing(board: Board, graph: Graph, service: str) -> Signal | None:
    """The load of a service, of its callers where its own is unknown; None unless it rose by half."""
    told = load_of(board, service)
    if told is not None:
        return told if _risen(told) else None
    above = [s for caller in graph.callers.get(service, ()) if (s := load_of(board, caller)) is not None]
    risen = [signal for signal in above if _risen(signal)]
    return max(risen, key=times, default=None)


def times(signal: Signal) -> float:
    """How many times the usual load, at most ten; 1 when it did not rise."""
    if signal.shift is None or not signal.shift.rose:
        return 1.0
    return min(10.0, signal.shift.ratio or 10.0)


def explained_by_load(signal: Signal | None, grown: float) -> float:
    """Share of a growth (`grown` times, on a log scale) that so many more requests explain; work grows no slower."""
    if signal is None or grown <= 1:
        return 0.0
    return min(1.0, 1.25 * math.log(times(signal)) / math.log(grown))


def _risen(signal: Signal) -> bool:
    return times(signal) >= RISEN


def _busiest(board: Board, *, caller: str = "", callee: str = "") -> Signal | None:
    rates = [
        metrics["call_rate"]
        for (frm, to), metrics in board.edges.items()
        if "call_rate" in metrics and (frm == caller or to == callee) and not math.isnan(metrics["call_rate"].level)
    ]
    return max(rates, key=lambda s: s.level, default=None)

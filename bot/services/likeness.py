"""Likeness of texts by vectors, and one order out of several ranks: for past investigations and for runbooks.

Ranks are fused by their reciprocals (Cormack, Clarke, Büttcher 2009), which needs no common scale.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Protocol

import structlog

log = structlog.get_logger(__name__)

_RRF = 60.0
_MOST_KEPT = 5_000


class Embedder(Protocol):
    """Turns texts into vectors of one length; given only where its extra is installed."""

    def embed(self, texts: Sequence[str]) -> list[list[float]]: ...


class Kept:
    """An embedder that embeds a text once. Vectors are kept by the text's SHA-256; those unused longest go first."""

    def __init__(self, embedder: Embedder, *, most: int = _MOST_KEPT) -> None:
        self._embedder = embedder
        self._most = most
        self._lock = threading.Lock()
        self._vectors: OrderedDict[bytes, list[float]] = OrderedDict()

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Made for threads: who asks for the same texts meanwhile waits for them."""
        keys = [hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() for text in texts]
        with self._lock:
            new = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._vectors}
            if new:
                self._vectors.update(zip(new, self._embedder.embed(list(new.values())), strict=True))
            for key in keys:
                self._vectors.move_to_end(key)
            found = [self._vectors[key] for key in keys]
            while len(self._vectors) > self._most:
                self._vectors.popitem(last=False)
        return found


async def nearness(embedder: Embedder, asked: str, texts: Sequence[str], *, wait_s: float) -> list[float] | None:
    """The cosine of each text to what is asked, -1 to 1; None when the vectors take longer than `wait_s`."""
    try:
        wanted, *vectors = await asyncio.wait_for(asyncio.to_thread(embedder.embed, [asked, *texts]), wait_s)
    except TimeoutError:
        log.info("likeness.embedding_late", texts=len(texts))
        return None
    return [_cosine(wanted, vector) for vector in vectors]


def fuse(ranks: Sequence[Sequence[str]]) -> list[str]:
    """One order out of several: an item's score is the sum of 1 / (60 + its place) over the ranks that hold it."""
    scores: dict[str, float] = {}
    for rank in ranks:
        for place, item in enumerate(rank, start=1):
            scores[item] = scores.get(item, 0.0) + 1 / (_RRF + place)
    return sorted(scores, key=lambda item: (-scores[item], item))


def _cosine(one: Sequence[float], other: Sequence[float]) -> float:
    size = math.hypot(*one) * math.hypot(*other)
    return sum(a * b for a, b in zip(one, other, strict=True)) / size if size else 0.0

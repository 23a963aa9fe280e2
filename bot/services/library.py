"""Finds runbooks: by their words, and by likeness of meaning where an embedder is installed, the two ranks fused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from bot.services.likeness import Embedder, fuse, nearness
from runbooks.loader import search
from runbooks.model import Runbook

_LEAST_NEARNESS = 0.35
_LONGEST_QUERY = 1_000


class Library:
    """Search over the runbooks of this installation. It holds files and vectors in memory and asks no database."""

    def __init__(
        self, books: Callable[[], Sequence[Runbook]], *, embedder: Embedder | None = None, embedding_s: float = 3.0
    ) -> None:
        """`embedding_s` is how long a search waits for vectors; late ones are there for the next search."""
        self._books = books
        self._embedder = embedder
        self._embedding_s = embedding_s

    async def search(self, words: str, *, limit: int = 10) -> list[Runbook]:
        """The runbooks that hold all the words or mean something like them, best first."""
        books = {book.id: book for book in await asyncio.to_thread(self._books)}
        by_words = [book.id for book in search(books.values(), words, limit=len(books))]
        found = fuse([by_words, await self._by_vectors(words, list(books.values()))])
        return [books[one] for one in found[:limit]]

    async def _by_vectors(self, words: str, books: Sequence[Runbook]) -> list[str]:
        """Ids of what is near enough, nearest first; none without an embedder, or when it takes too long."""
        if self._embedder is None or not words.strip():
            return []
        texts = [text_of(book) for book in books]
        found = await nearness(self._embedder, words[:_LONGEST_QUERY], texts, wait_s=self._embedding_s)
        if found is None:
            return []
        near = {book.id: one for book, one in zip(books, found, strict=True)}
        return sorted((one for one in near if near[one] >= _LEAST_NEARNESS), key=lambda one: (-near[one], one))


def text_of(book: Runbook) -> str:
    """What is embedded of a runbook: an encoder reads some hundred words, so what names the trouble stands first."""
    kinds = [*book.triggers.causes, *(kind.value for kind in book.triggers.findings)]
    return "\n".join([book.title, ", ".join(kinds).replace("_", " "), book.body])

"""Runbooks found by words and by vectors: a small embedder of these tests stands behind the public port."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import date

import pytest

from bot.services.library import Library, text_of
from bot.services.likeness import Kept, nearness
from runbooks.loader import load_library, search
from runbooks.model import Runbook, Triggers

MEANINGS = (
    ("lock", "locks", "blocked", "stuck"),
    ("roll", "release", "deployment", "shipped"),
    ("disk", "volume", "space"),
)


class Meanings:
    """A vector says how often each of a few meanings is spoken of; `seen` is every text that was embedded."""

    def __init__(self, late: threading.Event | None = None) -> None:
        self.seen: list[str] = []
        self.late = late

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        if self.late is not None:
            self.late.wait()
        self.seen += texts
        return [[float(sum(text.lower().split().count(w) for w in words)) for words in MEANINGS] for text in texts]


def book(name: str, title: str, body: str) -> Runbook:
    triggers = Triggers(causes=("any_cause",))
    return Runbook(
        id=name, title=title, owner="ops", version="1", reviewed=date(2026, 11, 20), triggers=triggers, body=body
    )


LOCKS = book("a-locks", "End a session", "It holds a lock and others wait. Look at the lock first.")
RELEASE = book("b-release", "Go back", "The last release is at fault.")
DISK = book("c-disk", "Make room", "Free space on the volume.")
PLAIN = book("d-plain", "Call somebody", "The release desk knows who is on call.")
BOOKS = (LOCKS, RELEASE, DISK, PLAIN)


async def ids(library: Library, words: str) -> list[str]:
    return [one.id for one in await library.search(words)]


@pytest.mark.parametrize("words", ["lock", "roll back release", "zebra", ""])
async def test_without_an_embedder_the_words_decide(words: str) -> None:
    books = load_library()
    assert await Library(lambda: books).search(words) == search(books, words)


async def test_a_meaning_is_found_that_shares_no_word() -> None:
    assert await ids(Library(lambda: BOOKS), "everybody is stuck") == []
    assert await ids(Library(lambda: BOOKS, embedder=Meanings()), "everybody is stuck") == ["a-locks"]


async def test_both_ranks_count() -> None:
    library = Library(lambda: BOOKS, embedder=Meanings())
    assert await ids(Library(lambda: BOOKS), "release desk") == ["d-plain"]
    assert await ids(library, "release desk") == ["d-plain", "b-release"]


@pytest.mark.parametrize("words", ["zebra", "", "   ", "\ud800 \x00", "x" * 5_000])
async def test_what_is_like_nothing_finds_nothing(words: str) -> None:
    assert await ids(Library(lambda: BOOKS, embedder=Meanings()), words) == []


async def test_only_what_was_changed_is_embedded_again() -> None:
    meanings, books = Meanings(), list(BOOKS)
    library = Library(lambda: books, embedder=Kept(meanings))
    assert meanings.seen == [], "nothing is embedded before the first search"
    await library.search("stuck")
    assert sorted(meanings.seen) == sorted(["stuck", *(text_of(one) for one in BOOKS)])
    meanings.seen.clear()
    books[2] = DISK.model_copy(update={"body": "What is stuck here is a full volume."})
    assert [one.id for one in await library.search("stuck")] == ["c-disk", "a-locks"]
    assert meanings.seen == [text_of(books[2])]


async def test_late_vectors_are_done_without() -> None:
    late = threading.Event()
    library = Library(lambda: BOOKS, embedder=Meanings(late), embedding_s=0.05)
    try:
        assert await ids(library, "release desk") == ["d-plain"]
    finally:
        late.set()


async def test_what_was_unused_longest_is_forgotten_first() -> None:
    meanings = Meanings()
    kept = Kept(meanings, most=2)
    for text in ("disk", "lock", "disk", "space"):
        kept.embed([text])
    meanings.seen.clear()
    assert kept.embed(["disk", "lock", "disk"]) == [[0, 0, 1], [1, 0, 0], [0, 0, 1]]
    assert meanings.seen == ["lock"]


async def test_nearness_is_the_cosine() -> None:
    assert await nearness(Meanings(), "lock", ["lock lock", "disk", "", "lock disk"], wait_s=30) == pytest.approx(
        [1.0, 0.0, 0.0, 0.5**0.5]
    )

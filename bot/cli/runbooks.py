"""`inquest runbooks list | check | search`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from connectors.errors import Misconfigured
from connectors.model import Tool
from connectors.registry import connector_class
from runbooks.loader import LIBRARY, load_good, search
from runbooks.model import Runbook


def list_runbooks(folder: Path | None = None) -> None:
    """One line each."""
    books, _ = load_good(folder or LIBRARY)
    for book in books:
        print(_line(book))


def search_runbooks(words: str, folder: Path | None = None) -> int:
    """Those that hold the words, best first; exit status 1 when there is none."""
    books, _ = load_good(folder or LIBRARY)
    found = search(books, words)
    for book in found:
        print(_line(book))
    if not found:
        print("No runbook holds these words.")
    return 0 if found else 1


def check_runbooks(folder: Path | None = None) -> int:
    """Every runbook against every tool; exit status 1 when one is wrong."""
    tools = _tools(folder or LIBRARY)
    books, wrong = load_good(folder or LIBRARY, tools=tools)
    for words in wrong:
        print(f"WRONG  {words}")
    changes = sum(len(book.changes) for book in books)
    print(f"{len(books)} runbooks are right, with {changes} changes; {len(wrong)} are wrong.")
    return 1 if wrong else 0


def _line(book: Runbook) -> str:
    change = f"{len(book.changes)} change{'s' if len(book.changes) != 1 else ''}" if book.changes else "reads only"
    return f"{book.id:<32} {book.risk.value:<9} {change:<12} {book.title}"


def _tools(folder: Path) -> Mapping[str, Mapping[str, Tool]]:
    """The tools of every source kind that a runbook names and that is installed here; an unknown kind has none."""
    books, _ = load_good(folder)
    kinds = {call.source for book in books for call in (*book.checks, *book.changes)}
    kinds |= {change.undo.source for book in books for change in book.changes if change.undo}
    return {kind: _tools_of(kind) for kind in sorted(kinds)}


def _tools_of(kind: str) -> Mapping[str, Tool]:
    try:
        return {name: bound.tool for name, bound in connector_class(kind)._tools.items()}
    except Misconfigured as error:
        print(f"NOTE   {error}")
        return {}

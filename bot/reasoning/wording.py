"""A report's words while the model still writes them: who may hear them, and what of an unfinished answer is told."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Protocol

from bot.reasoning.claude_answers import is_plain

_MOST_CHARACTERS = 8_000
# A string counts once its closing quote has come; quotes inside of one are escaped, so no key can be faked there.
_SAID = re.compile(r'"(?:summary|root_cause|statement)"\s*:\s*("(?:[^"\\]|\\.)*")')


class Wording(Protocol):
    """Shows words before they are checked. A preview only: nothing rests on it, and it keeps nobody waiting."""

    def heard(self, sentences: Sequence[str]) -> None:
        """All sentences of the answer so far, oldest first, not yet redacted. Never raises, never blocks."""
        ...

    async def end(self) -> None:
        """No more will come; afterwards nothing new is begun."""
        ...


def spoken(answer: str) -> list[str]:
    """The finished sentences in an unfinished JSON answer, each once, without any that is not plain."""
    found: dict[str, None] = {}
    for match in _SAID.finditer(answer):
        try:
            sentence = str(json.loads(match.group(1))).strip()
        except ValueError:
            continue
        if is_plain(sentence):
            found[sentence] = None
    return list(found)


def listener(wording: Wording | None) -> Callable[[str], None] | None:
    """What the wire calls with the text of the answer so far; None when nobody wants to hear it."""
    if wording is None:
        return None

    def hear(answer: str) -> None:
        if len(answer) <= _MOST_CHARACTERS and (sentences := spoken(answer)):
            wording.heard(sentences)

    return hear

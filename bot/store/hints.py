"""Wake-ups between processes: what changed here is gathered for a moment and told in one message."""

from __future__ import annotations

import asyncio
import contextlib

from bot.store.signals import Signals

CHANNEL = "inquest_changed"
JOINED = "+"
"""In place of a stream: this process is new among those that watch each other."""
_MAX_STREAMS = 100
_MAX_PAYLOAD = 7_000


class Hints:
    """What to tell others, and what to do with what they tell. A message is a holder and streams; none means any."""

    def __init__(self, holder: int, signals: Signals) -> None:
        self._holder, self._signals = holder, signals
        self._streams: set[str] = set()
        self._any = False
        self._fresh = asyncio.Event()
        self.joined = asyncio.Event()

    def add(self, stream: str) -> None:
        if len(self._streams) < _MAX_STREAMS and stream.isascii() and " " not in stream:
            self._streams.add(stream)
        else:
            self._any = True
        self._fresh.set()

    def add_any(self) -> None:
        """Something changed that is no stream: everybody looks."""
        self._any = True
        self._fresh.set()

    async def wait(self, timeout_s: float) -> str | None:
        """The next message to send; None when there was nothing to tell for so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._fresh.wait()
        if not self._fresh.is_set():
            return None
        self._fresh.clear()
        message = " ".join([str(self._holder), *self._streams])
        shown = str(self._holder) if self._any or len(message) > _MAX_PAYLOAD else message
        self._streams.clear()
        self._any = False
        return shown

    def heard(self, message: str) -> None:
        sender, _, streams = message.partition(" ")
        if sender == str(self._holder):
            return
        named = streams.split(" ") if streams else None
        if named and JOINED in named:
            self.joined.set()
        self._signals.changed_elsewhere(named)

    def look(self) -> None:
        """Wake everybody here: something may have happened that nobody told."""
        self._signals.changed_elsewhere(None)

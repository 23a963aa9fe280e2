"""A process that has everything imported and forks nodes from itself, so that a restart costs milliseconds.

Reads lines `{"name", "ready", "options"}` on stdin; answers each with `{"name", "pid"}`. The child writes its own ready
line to the file `ready`. Children are reaped at once, so that a killed one is gone for everybody who looks.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

# Imported here once, for the children: what the parts load lazily.
import aiosqlite  # noqa: F401 - kept for the forked children
import asyncpg  # noqa: F401
import sqlalchemy.dialects.postgresql.asyncpg  # noqa: F401

from tests.chaos.node import Options, main


def _leave_with(parent: int) -> None:
    """A node does not outlive the trial that forked it, however that one ended."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def _child(order: dict[str, Any], parent: int) -> None:
    os.setsid()
    threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1):
        os.dup2(null, number)
    ready = Path(order["ready"])

    def told(line: dict[str, Any]) -> None:
        part = ready.with_suffix(".part")
        part.write_text(json.dumps(line), encoding="utf-8")
        part.replace(ready)

    main(Options.model_validate(order["options"]), told)


def nursery() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    parent = os.getpid()
    for text in sys.stdin:
        order = json.loads(text)
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                _child(order, parent)
                status = 0
            finally:
                os._exit(status)
        print(json.dumps({"name": order["name"], "pid": pid}), flush=True)


if __name__ == "__main__":
    nursery()

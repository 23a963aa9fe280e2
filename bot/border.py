"""The outermost border of a task that has to go on whatever one round of it meets."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import structlog

from bot.errors import BotError

log = structlog.get_logger()


@contextlib.contextmanager
def border(event: str, **told: object) -> Iterator[None]:
    """Log what goes wrong inside the block, and go on after it.

    Errors that we name, and those of the system, are a warning with their sentence; anything else is a defect of ours
    and keeps its traceback. A cancelled task stays cancelled.
    """
    try:
        yield
    except (BotError, OSError) as error:
        log.warning(event, reason=str(error), **told)
    except Exception:  # this is the border
        log.exception(event, **told)

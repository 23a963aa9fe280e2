"""Every error the product raises on purpose. `str(error)` is one plain sentence that is always safe to show."""

from __future__ import annotations

from typing import ClassVar


class BotError(Exception):
    """Root of Inquest's own errors."""

    kind: ClassVar[str] = "error"


class InvalidRequest(BotError):
    """The question, command or value cannot be used as it is; the sentence says what to change."""

    kind = "invalid_request"


class InvalidConfiguration(BotError):
    """A setting or a configuration file is wrong; the sentence names file, line and key."""

    kind = "invalid_configuration"


class UnknownId(BotError):
    """No such investigation, proposal, evidence or source."""

    kind = "unknown_id"


class MoveRefused(BotError):
    """The state does not allow this move; the sentence names the state and what is possible."""

    kind = "move_refused"


class NotAllowed(BotError):
    """The principal lacks the role; the sentence says which role would do."""

    kind = "not_allowed"


class SequenceConflict(BotError):
    """Somebody else appended first; read again and decide again."""

    kind = "sequence_conflict"


class FenceLost(BotError):
    """Another worker holds this investigation now; stop at once, write nothing."""

    kind = "fence_lost"


class SchemaOutdated(BotError):
    """The database is not at the schema this version needs; the sentence says how to upgrade."""

    kind = "schema_outdated"


class StoreBusy(BotError):
    """The store cannot take the write now (locked, full, or used by another process)."""

    kind = "store_busy"


class ReasonerFailed(BotError):
    """A reasoner could not finish its step; the caller goes on with rules."""

    kind = "reasoner_failed"

"""Identifiers: a prefix that says what it names, then 80 random bits in lower-case base 32."""

from __future__ import annotations

import hashlib
from typing import TypeAlias

InvestigationId: TypeAlias = str
EvidenceId: TypeAlias = str
ExecutionId: TypeAlias = str
ProposalId: TypeAlias = str
ApprovalId: TypeAlias = str
StreamId: TypeAlias = str

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def make_id(prefix: str, entropy: bytes) -> str:
    """`prefix_` and 16 characters made from at least 10 bytes of entropy."""
    number = int.from_bytes(entropy[:10], "big")
    return f"{prefix}_" + "".join(_ALPHABET[(number >> (5 * place)) & 31] for place in range(15, -1, -1))


def derived_id(prefix: str, *parts: str) -> str:
    """The same parts always give the same id; used where a retry must not make a second thing."""
    return make_id(prefix, hashlib.sha256("\x1f".join(parts).encode("utf-8", "surrogatepass")).digest())


def investigation_stream(investigation_id: InvestigationId) -> StreamId:
    return f"investigation/{investigation_id}"


def stream_subject(stream: StreamId) -> str:
    """The id behind the slash: `investigation/inv_1` gives `inv_1`."""
    return stream.partition("/")[2]

"""Whether a request is from Slack (https://docs.slack.dev/authentication/verifying-requests-from-slack)."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable

MAX_SKEW_S = 300
_TIMESTAMP = re.compile(r"[0-9]{1,12}", re.ASCII)
_SIGNATURE = re.compile(r"v0=[0-9a-f]{64}", re.ASCII)

Headers = Iterable[tuple[str, str]]


def one_header(headers: Headers, name: str) -> str | None:
    """The value when the header is there exactly once, else None."""
    found = [value for key, value in headers if key.lower() == name]
    return found[0] if len(found) == 1 else None


def is_signed(headers: Headers, body: bytes, *, secret: str, now_s: float) -> bool:
    """True for a v0 signature over exactly these bytes, made within five minutes of `now_s` (UNIX seconds)."""
    pairs = list(headers)
    timestamp = one_header(pairs, "x-slack-request-timestamp")
    signature = one_header(pairs, "x-slack-signature")
    if not secret or timestamp is None or signature is None:
        return False
    if not _TIMESTAMP.fullmatch(timestamp) or not _SIGNATURE.fullmatch(signature):
        return False
    if abs(now_s - int(timestamp)) > MAX_SKEW_S:
        return False
    made = hmac.new(secret.encode(), f"v0:{timestamp}:".encode() + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(f"v0={made}", signature)

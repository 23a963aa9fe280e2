"""What is particular to writes over HTTP: their target before and after, the idempotency key, the signature.

Signatures follow Standard Webhooks 1.0 (https://www.standardwebhooks.com, read 2026-11): HMAC-SHA-256 over
`id.timestamp.body`, with the proposal as the id, so that a receiver knows a repeated delivery.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json

from pydantic import JsonValue

from connectors._json import mapping
from connectors._writes import outcome_item
from connectors.base import Answer
from connectors.errors import NotFound, Rejected
from connectors.http import HttpClient
from connectors.http_tools.config import HttpToolsConfig, Target
from connectors.http_tools.shaping import at_path
from connectors.http_tools.template import fill_body, fill_path, fill_query
from connectors.model import Clock, JsonObject, Limits, Objects, Preview, SourceRef

_PREVIEW = Limits(deadline_s=8.0, max_bytes=4_000_000)
_SHOWN = 200


class Changing:
    """Reads targets and dresses writes; it sends none itself."""

    def __init__(self, http: HttpClient, config: HttpToolsConfig, *, name: str, clock: Clock) -> None:
        self._http = http
        self._config = config
        self._name = name
        self._clock = clock

    async def preview(self, target: Target, values: JsonObject, *, target_name: str, asked: str) -> Preview:
        """The request to the letter, and what it changes in the target. Rejected when there is nothing to change."""
        seen = await self._read(target, values, _PREVIEW)
        self._must_be_open(target, seen)
        wanted = _wanted(target, values)
        lines = [f"{path}: {_short(at_path(seen, path))} → {_short(value)}" for path, value in wanted.items()]
        if seen is not None and wanted and all(at_path(seen, path) == value for path, value in wanted.items()):
            raise Rejected("It is so already; there is nothing to change.")
        return Preview(
            target=target_name,
            target_uid=_text(seen, target.uid),
            target_version=_text(seen, target.version),
            diff="\n".join([*lines, asked]),
        )

    async def headers(
        self, target: Target | None, values: JsonObject, *, content: str | None, limits: Limits
    ) -> dict[str, str]:
        """The headers of a write whose target is still as it was; Rejected when it is not."""
        if target is not None:
            await self._check(target, values, limits)
        proposal = str(values.get("proposal") or "")
        made = {"content-type": "application/json"} if content is not None else {}
        if proposal:
            made["idempotency-key"] = proposal
        if target is not None and target.if_match:
            made["if-match"] = str(values["version"])
        secret = self._config.signing_secret
        if secret is not None:
            stamp = str(int(self._clock.now().timestamp()))
            made |= signature(secret.get_secret_value(), message_id=proposal, stamp=stamp, content=content or "")
        return made

    async def outcome(self, target: Target | None, values: JsonObject, *, limits: Limits) -> Answer:
        """What the target says: done, not done, or (without a target) that it cannot tell."""
        if target is None:
            item = outcome_item(self._name, applied=None, settled=True, text="nothing tells whether it was carried out")
            return Answer(Objects(items=(item,)), SourceRef(query="no target is configured", language="http"))
        seen = await self._read(target, values, limits)
        applied, words = _is_done(target, values, seen)
        item = outcome_item(self._name, applied=applied, settled=applied, text=words, uid=_text(seen, target.uid))
        path = fill_path(target.path, values)
        return Answer(Objects(items=(item,)), SourceRef(query=f"GET {path}", language="http"))

    async def _check(self, target: Target, values: JsonObject, limits: Limits) -> None:
        seen = await self._read(target, values, limits)
        self._must_be_open(target, seen)
        for path, name in ((target.uid, "uid"), (target.version, "version")):
            if path and not target.made and _text(seen, path) != str(values.get(name) or ""):
                raise Rejected("The target was changed since this was approved. Nothing was sent.")

    def _must_be_open(self, target: Target, seen: JsonObject | None) -> None:
        if seen is None and not target.made:
            raise NotFound(f"{self._name}: the target is not there any more.")
        if seen is not None and target.made:
            raise Rejected("It was made already; nothing was sent.")

    async def _read(self, target: Target, values: JsonObject, limits: Limits) -> JsonObject | None:
        """The target's document; None when there is none."""
        try:
            reply = await self._http.request(
                "GET",
                fill_path(target.path, values),
                params=fill_query(target.query, values) or None,
                max_bytes=limits.max_bytes,
                timeout_s=limits.deadline_s,
            )
        except NotFound:
            return None
        return mapping(reply.json(self._name))


def signature(secret: str, *, message_id: str, stamp: str, content: str) -> dict[str, str]:
    """The three headers of Standard Webhooks. A secret `whsec_…` is base64, any other is taken as it is."""
    mac = hmac.new(_key(secret), f"{message_id}.{stamp}.{content}".encode(), hashlib.sha256).digest()
    signed = f"v1,{base64.b64encode(mac).decode()}"
    return {"webhook-id": message_id, "webhook-timestamp": stamp, "webhook-signature": signed}


def _key(secret: str) -> bytes:
    head, _, body = secret.partition("_")
    if head != "whsec":
        return secret.encode()
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        return secret.encode()


def _wanted(target: Target, values: JsonObject) -> dict[str, JsonValue]:
    return {path: fill_body(value, values) for path, value in target.fields.items()}


def _is_done(target: Target, values: JsonObject, seen: JsonObject | None) -> tuple[bool, str]:
    if seen is None:
        return False, "the target is not there"
    if target.mark:
        marked = bool(values.get("proposal")) and _text(seen, target.mark) == values["proposal"]
        return marked, "the target carries the mark of this change" if marked else "the target carries no mark of it"
    good = all(at_path(seen, path) == value for path, value in _wanted(target, values).items())
    return good, "the target is as wanted" if good else "the target is not as wanted"


def _text(seen: JsonObject | None, path: str) -> str | None:
    found = at_path(seen, path) if path and seen is not None else None
    return None if found is None else str(found)


def _short(value: JsonValue) -> str:
    return json.dumps(value, ensure_ascii=False)[:_SHOWN]

"""A Messages API on loopback whose answers are scripted; it keeps every byte that reaches it and counts what it would
bill: four characters a token, the cache as prefixes seen before."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Asked = dict[str, Any]
_CHARACTERS_PER_TOKEN = 4
# The API's own minimum for a cacheable prefix of this family, in tokens.
_LEAST_CACHED = 1_024


@dataclass
class Say:
    """One answer. `status` other than 200 answers with an error; `raw` sends these bytes instead of a stream.

    `pieces`: the text as it comes; `between` is waited for after each of them.
    """

    text: str = ""
    calls: Sequence[tuple[str, Any]] = ()
    stop: str | None = None
    status: int = 200
    error: str = "error"
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    hang: bool = False
    cut: bool = False
    blocks: Sequence[dict[str, Any]] = ()
    pieces: Sequence[str] = ()
    between: Callable[[str], Awaitable[object]] | None = None


Script = Callable[[Asked], Say]


@dataclass
class Billed:
    input: int = 0
    output: int = 0
    cache_write: int = 0
    cache_read: int = 0

    @property
    def tokens(self) -> int:
        return self.input + self.output + self.cache_write + self.cache_read


class ClaudeServer:
    """Answers as `script` says; a script gets the parsed request."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.requests: list[Asked] = []
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.billed = Billed()
        self.url = ""
        self._seen: dict[str, int] = {}
        self._stopping = asyncio.Event()

    async def _messages(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        asked: Asked = json.loads(body)
        self.bodies.append(body)
        self.headers.append({key.lower(): value for key, value in request.headers.items()})
        self.requests.append(asked)
        said = self.script(asked)
        if said.hang:
            await self._stopping.wait()
        if said.status != 200:
            told = {"type": "error", "error": {"type": "error", "message": said.error}}
            return web.json_response(told, status=said.status, headers=said.headers)
        response = web.StreamResponse(headers={"content-type": "text/event-stream", **said.headers})
        await response.prepare(request)
        with contextlib.suppress(ConnectionResetError):
            if said.raw is not None:
                await response.write(said.raw)
            else:
                for event in self._events(asked, said):
                    line = f"event: {event['type']}\ndata: {json.dumps(event)}\n\n"
                    await response.write(line.encode())
                    if said.between is not None and event["type"] == "content_block_delta":
                        await said.between(event["delta"].get("text", ""))
                    if said.cut and event["type"] == "content_block_delta":
                        return response
            await response.write_eof()
        return response

    def _events(self, asked: Asked, said: Say) -> list[dict[str, Any]]:
        usage = self._usage(asked)
        blocks: list[dict[str, Any]] = [*said.blocks]
        if said.text or said.pieces:
            blocks.append({"type": "text", "text": said.text or "".join(said.pieces)})
        for number, (name, arguments) in enumerate(said.calls):
            call = {"type": "tool_use", "id": f"toolu_{len(self.requests)}_{number}", "name": name, "input": arguments}
            blocks.append(call)
        output = max(1, len(json.dumps(blocks)) // _CHARACTERS_PER_TOKEN)
        self.billed.output += output
        message = {
            "id": f"msg_{len(self.requests)}", "type": "message", "role": "assistant", "model": asked["model"],
            "content": [], "stop_reason": None, "stop_sequence": None, "usage": {**usage, "output_tokens": 1},
        }  # fmt: skip
        events: list[dict[str, Any]] = [{"type": "message_start", "message": message}]
        for index, block in enumerate(blocks):
            events += _block_events(index, block, said.pieces)
        stop = said.stop or ("tool_use" if said.calls else "end_turn")
        delta = {"stop_reason": stop, "stop_sequence": None}
        events.append({"type": "message_delta", "delta": delta, "usage": {"output_tokens": output}})
        return [*events, {"type": "message_stop"}]

    def _usage(self, asked: Asked) -> dict[str, int]:
        """Input split into read, written and plain, by the marks in tools, system and messages, in that order."""
        parts = [*asked.get("tools", []), *asked["system"]]
        for message in asked["messages"]:
            content = message["content"]
            parts += content if isinstance(content, list) else [{"type": "text", "text": content}]
        digest, size, read, marked = hashlib.sha256(), 0, 0, 0
        marks: list[tuple[str, int]] = []
        for part in parts:
            plain = json.dumps({k: v for k, v in part.items() if k != "cache_control"}, sort_keys=True)
            digest.update(plain.encode())
            size += len(plain) // _CHARACTERS_PER_TOKEN
            key = digest.hexdigest()
            if key in self._seen and _has_marks(parts):
                read = size
            if "cache_control" in part and size >= _LEAST_CACHED:
                marked = size
                marks.append((key, size))
        for key, length in marks:
            self._seen[key] = length
        written = max(0, marked - read)
        plain_tokens = size - read - written
        self.billed.input += plain_tokens
        self.billed.cache_read += read
        self.billed.cache_write += written
        return {
            "input_tokens": plain_tokens,
            "cache_read_input_tokens": read,
            "cache_creation_input_tokens": written,
        }

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[ClaudeServer]:
        app = web.Application(client_max_size=64 * 1024**2)
        app.router.add_post("/v1/messages", self._messages)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        try:
            yield self
        finally:
            self._stopping.set()
            await runner.cleanup()

    def received(self) -> bytes:
        """Every byte of every request, headers too."""
        heads = "\n".join(f"{k}: {v}" for headers in self.headers for k, v in headers.items())
        return heads.encode() + b"\n".join(self.bodies)


def _has_marks(parts: Sequence[dict[str, Any]]) -> bool:
    return any("cache_control" in part for part in parts)


def _block_events(index: int, block: dict[str, Any], pieces: Sequence[str]) -> list[dict[str, Any]]:
    if block["type"] == "text":
        empty: dict[str, Any] = {"type": "text", "text": ""}
        deltas = [{"type": "text_delta", "text": piece} for piece in pieces or (block["text"],)]
    elif block["type"] == "tool_use":
        empty = {**block, "input": {}}
        deltas = [{"type": "input_json_delta", "partial_json": json.dumps(block["input"])}]
    else:
        return [
            {"type": "content_block_start", "index": index, "content_block": block},
            {"type": "content_block_stop", "index": index},
        ]
    return [
        {"type": "content_block_start", "index": index, "content_block": empty},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def step_of(asked: Asked) -> str:
    """Which step of an investigation a request belongs to."""
    schema = asked.get("output_config", {}).get("format", {}).get("schema", {})
    if "issue_type" in schema.get("properties", {}):
        return "analyze"
    if "root_cause" in schema.get("properties", {}):
        return "synthesize"
    last = json.dumps(asked["messages"][0]["content"])
    return "follow_up" if "further read could change" in last else "plan"


def blocks(asked: Asked, kind: str) -> list[Any]:
    """The data blocks of that kind in the first message."""
    found = []
    for part in asked["messages"][0]["content"]:
        head, _, rest = part["text"].partition("\n")
        if head == f'<data kind="{kind}">':
            found.append(json.loads(rest.removesuffix("\n</data>")))
    return found


def sensible(asked: Asked) -> Say:
    """A model that behaves: confirms the analysis, asks nothing more, words the leading cause from its findings."""
    step = step_of(asked)
    if step == "analyze":
        answer: dict[str, Any] = {"issue_type": "latency", "environment": None, "start": None, "end": None}
        answer |= {"services": [], "keywords": []}
        return Say(text=json.dumps(answer))
    if step != "synthesize":
        return Say(text="enough")
    measured = (blocks(asked, "measured") or [{"findings": [], "hypotheses": [], "summary": ""}])[0]
    by_id = {one["id"]: one for one in measured["findings"]}
    told = []
    for hypothesis in measured["hypotheses"][:2]:
        cited = [by_id[i] for i in hypothesis["for"] if i in by_id][:2]
        name = hypothesis["component"].partition("/")[2]
        observed = [
            {"finding": one["id"], "kind": one["kind"], "evidence": one["evidence"],
             "statement": f"In short, {one['statement']}"}
            for one in cited
        ]  # fmt: skip
        told.append({"component": hypothesis["component"], "cause": hypothesis["cause"],
                     "statement": f"It starts at {name}.", "for": observed, "against": []})  # fmt: skip
    lead = told[0]["component"].partition("/")[2] if told else ""
    answer = {
        "summary": measured["summary"],
        "root_cause": f"The trouble begins in {lead}." if lead else None,
        "hypotheses": told,
    }
    return Say(text=json.dumps(answer))

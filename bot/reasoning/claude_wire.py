"""One turn with a Messages API: streamed, capped, retried within its deadline, its usage counted even when it breaks.

Whatever the other side does ends in a `Turn` or in one of two errors; nothing of the library's own leaves here.
"""

from __future__ import annotations

import asyncio
import importlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog
from pydantic import Field, SecretStr

from bot.errors import ReasonerFailed
from bot.reasoning.spending import Usage
from connectors.model import Frozen, JsonObject

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic
    from anthropic.types import Message

log = structlog.get_logger(__name__)

_TRIES = 3
_MOST_CHARACTERS = 200_000
_MOST_EVENTS = 60_000
_WAITS_S = (0.5, 2.0)
_WORTH_ANOTHER_TRY = frozenset({408, 409, 429, 500, 502, 503, 504, 529})
_TOO_LONG = ("prompt is too long", "context window", "context limit", "too many tokens")


class ContextOverflow(ReasonerFailed):
    """What was sent does not fit the model; send less."""

    def __init__(self) -> None:
        super().__init__("What was asked does not fit Claude's context window.")


class Endpoint(Frozen):
    """Where the model is. An empty `base_url` means Anthropic's own."""

    api_key: SecretStr
    base_url: str = ""
    model: str
    effort: str = "medium"
    caching: bool = True
    turn_timeout_s: float = Field(default=90.0, gt=0)


class Wanted(Frozen):
    """A call that the model asks for, as it wrote it."""

    id: str
    name: str
    arguments: JsonObject


class Turn(Frozen):
    """What came back. `stop` is the API's stop reason."""

    text: str = ""
    wanted: tuple[Wanted, ...] = ()
    stop: str = "end_turn"


@dataclass
class Request:
    """What is sent. `schema` asks for an answer of exactly that JSON shape; `hear` gets its text as far as it came."""

    step: str
    system: Sequence[JsonObject]
    messages: Sequence[JsonObject]
    tools: Sequence[JsonObject] = ()
    may_call: bool = False
    schema: JsonObject | None = None
    max_tokens: int = 8_000
    hear: Callable[[str], None] | None = None


@dataclass
class Heard:
    """What a stream has given so far."""

    characters: int = 0
    events: int = 0
    message: Message | None = None
    turn: Turn | None = None


class Wire:
    """A client of the Messages API, opened at the first turn."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._client: AsyncAnthropic | None = None
        self._opening = asyncio.Lock()

    async def turn(self, request: Request, *, deadline_s: float) -> tuple[Turn, Usage]:
        """One answer and what it took. ContextOverflow, or ReasonerFailed with a sentence."""
        library = await asyncio.to_thread(importlib.import_module, "anthropic")
        client = await self._opened(library)
        spent = Usage(step=request.step, model=self.endpoint.model)
        heard = Heard()
        try:
            async with asyncio.timeout(max(0.0, deadline_s)):
                await self._tried(library, client, request, heard)
        except TimeoutError as error:
            raise _Broken("Claude did not answer in time.", _usage(spent, heard)) from error
        except ContextOverflow:
            raise
        except ReasonerFailed as error:
            raise _Broken(str(error), _usage(spent, heard)) from error
        assert heard.turn is not None, "what was tried without an error gave a turn"
        return heard.turn, _usage(spent, heard)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def _opened(self, library: Any) -> AsyncAnthropic:
        async with self._opening:
            if self._client is None:
                self._client = await asyncio.to_thread(self._make, library)
            return self._client

    def _make(self, library: Any) -> AsyncAnthropic:
        made: AsyncAnthropic = library.AsyncAnthropic(
            api_key=self.endpoint.api_key.get_secret_value(),
            base_url=self.endpoint.base_url or None,
            timeout=self.endpoint.turn_timeout_s,
            max_retries=0,
        )
        return made

    async def _tried(self, library: Any, client: AsyncAnthropic, request: Request, heard: Heard) -> None:
        for attempt in range(_TRIES):
            try:
                heard.message = await self._stream(client, request, heard)
                heard.turn = _turn(heard.message)
            except library.APIStatusError as error:
                wait = _wait_s(error, attempt)
                if _is_overflow(error):
                    raise ContextOverflow from error
                if wait is None:
                    raise ReasonerFailed(_refused(error.status_code)) from error
            except library.APIConnectionError as error:
                if attempt == _TRIES - 1:
                    raise ReasonerFailed("Claude cannot be reached.") from error
                wait = _WAITS_S[min(attempt, 1)]
            except ReasonerFailed:
                raise
            except Exception as error:  # the border to the model: whatever its side sends must not take us down
                log.warning("claude.nonsense", step=request.step, kind=type(error).__name__)
                raise ReasonerFailed("Claude's answer could not be read.") from error
            else:
                return
            await asyncio.sleep(wait)
        raise ReasonerFailed("Claude is overloaded.")

    async def _stream(self, client: AsyncAnthropic, request: Request, heard: Heard) -> Message:
        said = ""
        async with client.messages.stream(**self._body(request)) as stream:
            async for event in stream:
                heard.events += 1
                heard.characters += _length(event)
                if heard.events > 1:
                    heard.message = stream.current_message_snapshot
                if heard.characters > _MOST_CHARACTERS or heard.events > _MOST_EVENTS:
                    raise ReasonerFailed("Claude's answer was far too long.")
                if request.hear is not None and (more := _text_of(event)):
                    said += more
                    request.hear(said)
            return await stream.get_final_message()

    def _body(self, request: Request) -> dict[str, Any]:
        config: dict[str, Any] = {"effort": self.endpoint.effort}
        if request.schema is not None:
            config["format"] = {"type": "json_schema", "schema": request.schema}
        body: dict[str, Any] = {
            "model": self.endpoint.model,
            "max_tokens": request.max_tokens,
            "system": list(request.system),
            "messages": list(request.messages),
            "output_config": config,
        }
        if request.tools:
            body["tools"] = list(request.tools)
            body["tool_choice"] = {"type": "auto"} if request.may_call else {"type": "none"}
        return body if self.endpoint.caching else without_marks(body)


class _Broken(ReasonerFailed):
    """A turn that failed, with what it cost all the same."""

    def __init__(self, sentence: str, usage: Usage) -> None:
        super().__init__(sentence)
        self.usage = usage


def cost_of(error: ReasonerFailed) -> Usage | None:
    """What a failed turn took, when that is known."""
    return error.usage if isinstance(error, _Broken) else None


def without_marks(value: Any) -> Any:
    """The same without any cache mark."""
    if isinstance(value, dict):
        return {key: without_marks(item) for key, item in value.items() if key != "cache_control"}
    return [without_marks(item) for item in value] if isinstance(value, list) else value


def _length(event: Any) -> int:
    delta = getattr(event, "delta", None)
    parts = (getattr(delta, name, None) for name in ("text", "partial_json", "thinking"))
    return sum(len(part) for part in parts if isinstance(part, str))


def _text_of(event: Any) -> str:
    text = getattr(getattr(event, "delta", None), "text", None)
    return text if isinstance(text, str) else ""


def _turn(message: Message) -> Turn:
    if message.stop_reason is None:
        raise ReasonerFailed("Claude's answer broke off.")
    texts = [block.text for block in message.content if block.type == "text"]
    calls = [block for block in message.content if block.type == "tool_use"]
    wanted = tuple(
        Wanted(id=str(call.id), name=str(call.name), arguments=call.input if isinstance(call.input, dict) else {})
        for call in calls
    )
    return Turn(text="".join(texts), wanted=wanted, stop=str(message.stop_reason))


def _usage(spent: Usage, heard: Heard) -> Usage:
    told = getattr(heard.message, "usage", None)
    if told is None:
        return spent
    return spent.model_copy(
        update={
            "input_tokens": _count(told.input_tokens),
            "output_tokens": _count(told.output_tokens),
            "cache_write_tokens": _count(told.cache_creation_input_tokens),
            "cache_read_tokens": _count(told.cache_read_input_tokens),
        }
    )


def _count(told: Any) -> int:
    return told if isinstance(told, int) and 0 <= told < 10**9 else 0


def _wait_s(error: Any, attempt: int) -> float | None:
    """How long until another try; None when another try is not worth it."""
    if error.status_code not in _WORTH_ANOTHER_TRY or attempt == _TRIES - 1:
        return None
    try:
        told = float(error.response.headers.get("retry-after", ""))
    except ValueError:
        told = -1.0
    return told if 0 <= told < 3600 else _WAITS_S[min(attempt, 1)] * random.uniform(0.8, 1.2)


def _is_overflow(error: Any) -> bool:
    if error.status_code == 413:
        return True
    return error.status_code == 400 and any(words in str(error).lower() for words in _TOO_LONG)


def _refused(status: int) -> str:
    known = {
        401: "Claude refuses the API key.",
        403: "Claude refuses this API key for that model.",
        404: "There is no such Claude model at that address.",
        429: "Claude's rate limit is reached.",
        529: "Claude is overloaded.",
    }
    return known.get(status, f"Claude answered with status {status}.")

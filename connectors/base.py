"""The connector contract as code: declare typed tools, and `call` does the rest the same way for all."""

from __future__ import annotations

import asyncio
import inspect
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar, final, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError

from connectors.capping import cap_payload
from connectors.errors import ConnectorError, NotFound, Rejected, TimedOut, Unavailable
from connectors.model import (
    CallStats,
    Clock,
    Effect,
    EvidenceKind,
    Health,
    HealthStatus,
    Limits,
    Payload,
    Preview,
    SourceRef,
    SourceSchema,
    TimeWindow,
    Tool,
    ToolCall,
    ToolResult,
    payload_size,
)

ConfigT = TypeVar("ConfigT", bound=BaseModel)
# Named here because `Connector.type` hides the built-in inside the class.
ErrorTypes = tuple[type[Exception], ...]
ConfigType = type[BaseModel]


class Arguments(BaseModel):
    """Base of every tool's arguments: unknown fields are refused, values are never edited."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_max_length=32_768)


class NoArguments(Arguments):
    """For a tool that needs none."""


class Ask(NamedTuple):
    """What a tool knows besides its arguments: the window, the caps, and now."""

    window: TimeWindow | None
    limits: Limits
    clock: Clock

    @property
    def span(self) -> TimeWindow:
        """The window, or Rejected when the tool needs one and the call has none."""
        if self.window is None:
            raise Rejected("This question needs a time window.")
        return self.window


class Answer(NamedTuple):
    """What a tool gives back; `call` adds durations and caps."""

    payload: Payload
    source: SourceRef
    truncated: str | None = None
    scanned_bytes: int | None = None
    cost_usd: float = 0.0
    api_calls: int = 1
    bytes: int = 0


ToolMethod = Callable[..., Awaitable[Answer]]
_TOOL_MARK = "__inquest_tool__"


def tool(
    summary: str, *, returns: Iterable[EvidenceKind], effect: Effect = Effect.READ
) -> Callable[[ToolMethod], ToolMethod]:
    """Declare a method as a tool.

    The method is `async def verb_noun(self, arguments: SomeArguments, ask: Ask) -> Answer`; its name is the tool's
    name and its first parameter's annotation is the type of the arguments.
    """

    def mark(method: ToolMethod) -> ToolMethod:
        setattr(method, _TOOL_MARK, (summary, frozenset(returns), effect))
        return method

    return mark


class _Bound(NamedTuple):
    tool: Tool
    method: str


def _declared_tools(cls: type) -> dict[str, _Bound]:
    found: dict[str, _Bound] = {}
    for name, method in inspect.getmembers(cls, inspect.isfunction):
        mark = getattr(method, _TOOL_MARK, None)
        if mark is None:
            continue
        summary, returns, effect = mark
        hints = get_type_hints(method)
        arguments = hints[list(inspect.signature(method).parameters)[1]]
        found[name] = _Bound(
            Tool(name=name, summary=summary, arguments=arguments, effect=effect, returns=returns), name
        )
    return found


class Connector(ABC, Generic[ConfigT]):
    """One live link to one backend instance.

    A subclass gives `type`, `Config`, `driver_errors`, `open`, `close`, `probe`, `describe`, `translate` and its tools.
    Construction does no I/O. Drivers' own errors never leave: `translate` turns each into a ConnectorError.
    """

    type: ClassVar[str]
    Config: ClassVar[ConfigType]
    driver_errors: ClassVar[ErrorTypes] = ()
    _tools: ClassVar[dict[str, _Bound]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._tools = _declared_tools(cls)

    def __init__(self, *, name: str, config: ConfigT, environment: str, clock: Clock) -> None:
        self.name = name
        self.config = config
        self.environment = environment
        self.clock = clock

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    @abstractmethod
    async def open(self) -> None:
        """Prepare clients and pools. Idempotent. An unreachable backend is not an error here, but in `check`."""

    @abstractmethod
    async def close(self) -> None:
        """Give everything back. Idempotent, and safe when `open` never ran."""

    @abstractmethod
    async def probe(self) -> Health:
        """Ask the backend whether it is well and whether this account could write. May raise; `check` does not."""

    @abstractmethod
    async def describe(self) -> SourceSchema:
        """What is there to ask about: tables, indices, metrics, namespaces; bounded."""

    @abstractmethod
    def translate(self, error: Exception) -> ConnectorError:
        """The named error for one of `driver_errors`, with a sentence that holds no secret."""

    @final
    async def check(self) -> Health:
        """The state of the link. Never raises; gives up after 10 s."""
        started = time.perf_counter()
        try:
            async with asyncio.timeout(10.0):
                health = await self.probe()
        except TimeoutError:
            return self._unwell(started, "No answer within 10 s.")
        except ConnectorError as error:
            return self._unwell(started, str(error))
        except self.driver_errors as error:
            return self._unwell(started, str(self.translate(error)))
        except OSError as error:
            return self._unwell(started, str(_from_os_error(error)))
        return health.model_copy(update={"latency_ms": (time.perf_counter() - started) * 1000})

    def _unwell(self, started: float, detail: str) -> Health:
        latency_ms = (time.perf_counter() - started) * 1000
        return Health(status=HealthStatus.UNHEALTHY, latency_ms=latency_ms, detail=detail)

    def tools(self) -> Sequence[Tool]:
        """What this connector can do."""
        return [bound.tool for bound in self._tools.values()]

    def tool(self, name: str) -> Tool:
        """One tool by name; NotFound names the nearest ones."""
        if name not in self._tools:
            known = ", ".join(sorted(self._tools))
            raise NotFound(f"{self.name} has no tool {name!r}. It has: {known}.")
        return self._tools[name].tool

    def declare(self, declared: Tool, run: ToolMethod) -> None:
        """Add (or replace) a tool of this instance only, for connectors whose tools are configured or discovered."""
        method = f"_declared_{declared.name}"
        vars(self)["_tools"] = {**self._tools, declared.name: _Bound(declared, method)}
        setattr(self, method, run)

    async def preview(self, call: ToolCall) -> Preview:
        """What a write would do, as a dry run or a difference. Connectors without writes refuse."""
        raise Rejected(f"{self.name} has no writes to preview.")

    @final
    async def call(self, call: ToolCall, limits: Limits) -> ToolResult:
        """Run one tool under its deadline and caps.

        Raises a ConnectorError and nothing else (besides cancellation). Empty is an answer; a cut answer says so.
        """
        tool_ = self.tool(call.tool)
        arguments = parse_arguments(tool_, call)
        method = getattr(self, self._tools[call.tool].method)
        started = time.perf_counter()
        try:
            async with asyncio.timeout(limits.deadline_s):
                answer = await method(arguments, Ask(call.window, limits, self.clock))
        except TimeoutError as error:
            raise TimedOut(f"{self.name} did not answer within {limits.deadline_s:g} s.") from error
        except ConnectorError:
            raise
        except self.driver_errors as error:
            raise self.translate(error) from error
        except OSError as error:
            raise _from_os_error(error, self.name) from error
        return _result(answer, limits, started)


def parse_arguments(tool_: Tool, call: ToolCall) -> BaseModel:
    """The typed arguments of a call, or Rejected with the first thing that is wrong, in words."""
    try:
        return tool_.arguments.model_validate(call.arguments)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "arguments"
        raise Rejected(f"{call.tool}: {where}: {first['msg']}.") from error


def _result(answer: Answer, limits: Limits, started: float) -> ToolResult:
    payload, cut = cap_payload(answer.payload, limits)
    notes = [note for note in (answer.truncated, cut) if note]
    stats = CallStats(
        duration_ms=(time.perf_counter() - started) * 1000,
        rows=payload_size(payload),
        bytes=answer.bytes,
        scanned_bytes=answer.scanned_bytes,
        cost_usd=answer.cost_usd,
        api_calls=answer.api_calls,
    )
    return ToolResult(payload=payload, source=answer.source, truncated="; ".join(notes) or None, stats=stats)


def _from_os_error(error: OSError, name: str = "The source") -> Unavailable:
    reason = error.strerror or type(error).__name__
    return Unavailable(f"{name} cannot be reached: {reason}.")

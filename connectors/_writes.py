"""What every write shares: who asked (the proposal), which thing exactly (uid and version), and how it came out.

A write tool takes `proposal`, `uid` and `version`: the first is its idempotency key and the mark it leaves on the
target, the others are its precondition. A connector with writes also has the read tool `read_outcome`, which tells
from the target alone whether a write was carried out; a write whose end nobody knows is settled by it, never sent
again.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field

from connectors.base import Arguments, ConfigT, Connector, parse_arguments
from connectors.errors import Rejected
from connectors.model import Effect, Item, JsonObject, Tool, ToolCall

PROPOSAL_MARK = "inquest.dev/proposal"
Key = Annotated[str, Field(default="", max_length=80, pattern=r"^[A-Za-z0-9_.-]*$")]


class WriteArguments(Arguments):
    """Base of the arguments of every write. Empty `uid` and `version` are filled in by the preview."""

    proposal: Key = Field(default="", description="The proposal this is done for; left as a mark on the target.")
    uid: str = Field(default="", max_length=200, description="The target must still be this one.")
    version: str = Field(default="", max_length=200, description="The target must still be as it was.")


class OutcomeArguments(Arguments):
    """A write that may or may not have been carried out."""

    tool: str = Field(max_length=80, description="The write tool.")
    arguments: JsonObject = Field(default_factory=dict, description="Its arguments, as they were approved.")


def outcome_item(name: str, *, applied: bool | None, settled: bool, text: str, uid: str | None = None) -> Item:
    """What the target says: `applied` None when it cannot tell; `settled` when nothing of it is under way any more."""
    return Item(api_kind="Outcome", name=name, uid=uid, fields={"applied": applied, "settled": settled, "text": text})


class WritingConnector(Connector[ConfigT]):
    """A connector whose settings may switch changes on; until then they are neither offered nor carried out."""

    @property
    @abstractmethod
    def writes_on(self) -> bool:
        """The setting `writes`."""

    def tools(self) -> Sequence[Tool]:
        """Writes are offered only where they are switched on."""
        return [tool for tool in super().tools() if self.writes_on or tool.effect is Effect.READ]

    def _allowed(self) -> None:
        if not self.writes_on:
            raise Rejected(f"{self.name} is set up for reading only. Set writes: true to allow approved changes.")

    def _write_arguments(self, call: ToolCall) -> Any:
        declared = self.tool(call.tool)
        if declared.effect is not Effect.WRITE:
            raise Rejected(f"{call.tool} changes nothing, so there is nothing to preview.")
        return parse_arguments(declared, call)

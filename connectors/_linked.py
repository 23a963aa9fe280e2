"""What every connector over one link shares: the link is made with it, opened with it, closed with it."""

from __future__ import annotations

from abc import abstractmethod
from typing import Generic, Protocol, TypeVar

from connectors.base import ConfigT, Connector
from connectors.errors import ConnectorError, Malformed
from connectors.model import Clock


class Link(Protocol):
    """A client, a pool, or one HTTP address."""

    async def open(self) -> None: ...

    async def close(self) -> None: ...


LinkT = TypeVar("LinkT", bound=Link)


class LinkedConnector(Connector[ConfigT], Generic[ConfigT, LinkT]):
    """A connector whose life is that of its link. A subclass gives `make_link` in place of `open` and `close`."""

    def __init__(self, *, name: str, config: ConfigT, environment: str, clock: Clock) -> None:
        super().__init__(name=name, config=config, environment=environment, clock=clock)
        self.link = self.make_link()
        self.prepare()

    @abstractmethod
    def make_link(self) -> LinkT:
        """The link by `config` and `name`. No I/O."""

    def prepare(self) -> None:
        """Further state of this instance, made once, after the link. No I/O."""

    async def open(self) -> None:
        await self.link.open()

    async def close(self) -> None:
        await self.link.close()

    def translate(self, error: Exception) -> ConnectorError:
        return Malformed(f"{self.name} answered something unexpected.")

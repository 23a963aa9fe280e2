"""What the tool modules share: a reader, an answer with its source, and the choice of objects by service."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence

from connectors.base import Answer
from connectors.kubernetes.config import KubernetesConfig
from connectors.kubernetes.identity import service_of, workload_of
from connectors.kubernetes.reader import Reader
from connectors.kubernetes.reading import name_of
from connectors.model import Item, JsonObject, Limits, Objects, Payload, SourceRef, TimeWindow

LANGUAGE = "kubernetes"


class Tools(ABC):
    """Base of the tool modules; the connector gives the reader."""

    config: KubernetesConfig
    name: str

    @abstractmethod
    async def reader(self, limits: Limits) -> Reader:
        """A reader for one call."""

    def answer(
        self,
        payload: Payload,
        reader: Reader,
        *,
        namespace: str = "",
        window: TimeWindow | None = None,
        notes: Sequence[str] = (),
    ) -> Answer:
        """The payload with the requests that led to it."""
        query = reader.source_query()
        source = SourceRef(query=query, language=LANGUAGE, url=self.config.link(namespace), window=window)
        return Answer(
            payload, source, truncated=reader.truncated(notes), api_calls=len(reader.requests), bytes=reader.bytes
        )

    def objects(self, items: Iterable[Item], reader: Reader, *, namespace: str = "") -> Answer:
        return self.answer(Objects(items=tuple(items)), reader, namespace=namespace)


def of_services(objects: Iterable[JsonObject], services: Sequence[str]) -> list[JsonObject]:
    """The objects that belong to any of the services, by label or by name; all when no service is named."""
    if not services:
        return list(objects)
    wanted = set(services)
    return [obj for obj in objects if {service_of(obj), workload_of(obj)[1], name_of(obj)} & wanted]


def items_of(objects: Iterable[JsonObject] | None, make: Callable[[JsonObject], Item]) -> list[Item]:
    """Items of a listing that may not have been readable."""
    return [make(obj) for obj in objects or ()]

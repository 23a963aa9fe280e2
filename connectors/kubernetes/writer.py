"""The few requests that change something: one object, one JSON patch or delete, never without uid and version.

The object is read first, compared with what was approved, and patched under its own resourceVersion, so that an
answer of "conflict" means that nothing was done. https://kubernetes.io/docs/reference/using-api/api-concepts/
(patches, dry run, preconditions; read 2026-11-20).
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from pydantic import JsonValue

from connectors._writes import PROPOSAL_MARK
from connectors.errors import NotFound, Rejected
from connectors.kubernetes.reader import RESOURCES, Reader
from connectors.kubernetes.reading import labels_of, mapping, text
from connectors.model import JsonObject, canonical_digest

FIELD_MANAGER = "inquest"
# A rollout writes the status of its object several times a second, and each write refuses ours once.
_TRIES, _PAUSE_S = 8, 0.05

Path = tuple[str, ...]


class Edit(NamedTuple):
    """One field and what it becomes; None removes it."""

    path: Path
    value: JsonValue


EditsOf = Callable[[JsonObject], Awaitable[Sequence[Edit]]]


class Place(NamedTuple):
    """One object."""

    plural: str
    namespace: str
    name: str

    @property
    def words(self) -> str:
        kind = RESOURCES[self.plural].kind.lower()
        return f"{kind} {self.namespace}/{self.name}" if self.namespace else f"{kind} {self.name}"

    @property
    def url(self) -> str:
        resource = RESOURCES[self.plural]
        where = f"/namespaces/{self.namespace}" if self.namespace else ""
        return f"{resource.path}{where}/{self.plural}/{self.name}"


def version_of(obj: JsonObject, plural: str) -> str:
    """What changes when somebody edits the object, and only then: status and annotations leave it alone.

    Not the generation: a Deployment's also grows when the controller notes a revision in the annotations.
    """
    if plural == "pods":
        return text(obj, "metadata", "uid") or ""
    return canonical_digest({"spec": obj.get("spec"), "data": obj.get("data")})[:16]


def mark_of(obj: JsonObject) -> str | None:
    """The proposal that changed the object last."""
    return labels_of(obj, "metadata", "annotations").get(PROPOSAL_MARK)


class Writer:
    """Reads and changes single objects; shares the reader's budget and its record of requests."""

    def __init__(self, api: Any, reader: Reader, *, name: str) -> None:
        self._api = api
        self._reader = reader
        self._name = name

    async def get(self, place: Place) -> JsonObject:
        """The object as it is now. NotFound when there is none."""
        response = await self._call("GET", place, [])
        document = (await self._reader.reply(response)).json(self._name)
        return document if isinstance(document, dict) else {}

    async def list_of(self, plural: str, namespace: str) -> list[JsonObject]:
        """All objects of a kind in one namespace."""
        return await self._reader.listing(plural, namespace=namespace)

    async def patch(self, place: Place, obj: JsonObject, edits: Sequence[Edit], *, dry_run: bool) -> JsonObject | None:
        """The object after the edits, or None when somebody wrote to it since `obj` was read."""
        query = [("fieldManager", FIELD_MANAGER), *([("dryRun", "All")] if dry_run else [])]
        response = await self._call("PATCH", place, query, body=_operations(obj, edits))
        if response.status == 409:
            response.close()
            return None
        document = (await self._reader.reply(response)).json(self._name)
        return document if isinstance(document, dict) else {}

    async def delete(self, place: Place, *, uid: str, dry_run: bool) -> None:
        """Ask for the object's end; the API server checks the uid."""
        body: JsonObject = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": uid}}
        # A server that gets options in the body does not look at the query: a dry run asked for there is a deletion.
        body |= {"dryRun": ["All"]} if dry_run else {}
        await self._reader.reply(await self._call("DELETE", place, [], body=body, note="dryRun=All" if dry_run else ""))

    async def rehearse(self, place: Place, edits_of: EditsOf) -> tuple[JsonObject, JsonObject]:
        """The object as it is and as the server would make it; again when only the status moved meanwhile."""
        for number in range(_TRIES):
            await asyncio.sleep(number * _PAUSE_S)
            obj = await self.get(place)
            after = await self.patch(place, obj, await edits_of(obj), dry_run=True)
            if after is not None:
                return obj, after
        raise Rejected(f"{place.words} changes so often right now that no dry run could be made. Try again.")

    async def change(self, place: Place, edits_of: EditsOf, *, uid: str, version: str) -> JsonObject:
        """Read, compare with what was approved, patch; again when only the status moved meanwhile."""
        for number in range(_TRIES):
            await asyncio.sleep(number * _PAUSE_S)
            obj = await self.get(place)
            check(obj, place, uid=uid, version=version)
            done = await self.patch(place, obj, await edits_of(obj), dry_run=False)
            if done is not None:
                return done
        raise Rejected(f"{place.words} changes so often that it could not be written. Nothing was done.")

    async def _call(
        self, verb: str, place: Place, query: list[tuple[str, str]], *, body: Any = None, note: str = ""
    ) -> Any:
        """`note`: what the body asks for, for the record of requests."""
        asked = "&".join(f"{key}={value}" for key, value in query) or note
        self._reader.requests.append(f"{verb} {place.url}" + (f"?{asked}" if asked else ""))
        kind = "application/json-patch+json" if verb == "PATCH" else "application/json"
        return await self._api.call_api(
            place.url,
            verb,
            query_params=query,
            header_params={"Accept": "application/json", "Content-Type": kind},
            body=body,
            auth_settings=["BearerToken"],
            _preload_content=False,
        )


def check(obj: JsonObject, place: Place, *, uid: str, version: str) -> None:
    """Rejected when this is not the object, or not the state of it, that was approved."""
    if uid and text(obj, "metadata", "uid") != uid:
        raise Rejected(f"{place.words} is another object than the one approved. Nothing was done.")
    if version and version_of(obj, place.plural) != version:
        raise Rejected(f"{place.words} was changed since this was approved. Nothing was done.")


def _operations(obj: JsonObject, edits: Sequence[Edit]) -> list[JsonObject]:
    """A JSON patch (RFC 6902) under the object's own resourceVersion and uid."""
    operations: list[JsonObject] = [
        {"op": "test", "path": "/metadata/uid", "value": text(obj, "metadata", "uid")},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": text(obj, "metadata", "resourceVersion")},
    ]
    shape: Any = copy.deepcopy(obj)
    for edit in edits:
        operations += _operation(shape, edit)
    return operations


def _operation(shape: Any, edit: Edit) -> list[JsonObject]:
    """The operations for one edit; parents that are missing are made. `shape` follows along."""
    made: list[JsonObject] = []
    node = shape
    for depth, step in enumerate(edit.path[:-1], start=1):
        following = _child(node, step)
        if following is None:
            following = {}
            node[step] = following
            made.append({"op": "add", "path": _pointer(edit.path[:depth]), "value": {}})
        node = following
    last = edit.path[-1]
    exists = _child(node, last) is not None
    if edit.value is None:
        return [*made, {"op": "remove", "path": _pointer(edit.path)}] if exists else made
    verb = "replace" if exists else "add"
    if isinstance(node, list):
        node.append(edit.value) if last == "-" else node.__setitem__(int(last), edit.value)
    else:
        node[last] = edit.value
    return [*made, {"op": verb, "path": _pointer(edit.path), "value": edit.value}]


def _child(node: Any, step: str) -> Any:
    if isinstance(node, list):
        return node[int(step)] if step.isdigit() and int(step) < len(node) else None
    return node.get(step)


def _pointer(path: Path) -> str:
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in path)


async def find(writer: Writer, place: Place) -> JsonObject | None:
    """The object, or None when there is none."""
    try:
        return await writer.get(place)
    except NotFound:
        return None


def template_of(replica_set: JsonObject) -> JsonObject:
    """The pod template of a revision, without what the controller adds."""
    template = copy.deepcopy(mapping(replica_set, "spec", "template"))
    labels = mapping(template, "metadata", "labels")
    labels.pop("pod-template-hash", None)
    return template

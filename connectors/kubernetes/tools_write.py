"""The tools that change something. Each is one object and named fields; each previews with a dry run of the server.

None of them decides whether it may run: that is the gate's, which asks for a live approval of exactly the call.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import BaseModel

from connectors._writes import PROPOSAL_MARK, OutcomeArguments, WriteArguments, WritingConnector, outcome_item
from connectors.base import Answer, Ask, tool
from connectors.errors import Rejected
from connectors.kubernetes.arguments_write import (
    AutoscalerArguments,
    ConfigKeyArguments,
    EnvironmentArguments,
    NodeArguments,
    PodArguments,
    RestartArguments,
    RollbackArguments,
    RolloutArguments,
    ScaleArguments,
)
from connectors.kubernetes.changing import Changing, edits_for, place_for, settled_words, warnings_for
from connectors.kubernetes.config import KubernetesConfig
from connectors.kubernetes.differing import difference
from connectors.kubernetes.reading import text
from connectors.kubernetes.tools_base import Tools
from connectors.kubernetes.writer import Edit, Place, Writer, check, find, mark_of, version_of
from connectors.model import Clock, Effect, EvidenceKind, JsonObject, Limits, Objects, Preview, ToolCall

_OBJECTS = (EvidenceKind.OBJECTS,)
_SPARE = Limits()


class WriteTools(Tools, WritingConnector[KubernetesConfig]):
    """What may be changed."""

    clock: Clock

    @property
    def writes_on(self) -> bool:
        return self.config.writes

    @tool("Bring back the pod template of an earlier revision.", returns=_OBJECTS, effect=Effect.WRITE)
    async def rollback_workload(self, arguments: RollbackArguments, ask: Ask) -> Answer:
        return await self._carry_out("rollback_workload", arguments, ask)

    @tool("Replace all pods of a workload, one after another.", returns=_OBJECTS, effect=Effect.WRITE)
    async def restart_workload(self, arguments: RestartArguments, ask: Ask) -> Answer:
        return await self._carry_out("restart_workload", arguments, ask)

    @tool("Set how many pods a workload has, within bounds.", returns=_OBJECTS, effect=Effect.WRITE)
    async def scale_workload(self, arguments: ScaleArguments, ask: Ask) -> Answer:
        return await self._carry_out("scale_workload", arguments, ask)

    @tool("Close a node to new pods.", returns=_OBJECTS, effect=Effect.WRITE)
    async def cordon_node(self, arguments: NodeArguments, ask: Ask) -> Answer:
        return await self._carry_out("cordon_node", arguments, ask)

    @tool("Open a node to new pods again.", returns=_OBJECTS, effect=Effect.WRITE)
    async def uncordon_node(self, arguments: NodeArguments, ask: Ask) -> Answer:
        return await self._carry_out("uncordon_node", arguments, ask)

    @tool("Delete one pod; its owner makes another.", returns=_OBJECTS, effect=Effect.WRITE)
    async def delete_pod(self, arguments: PodArguments, ask: Ask) -> Answer:
        self._allowed()
        reader, writer = await self._writer(ask.limits)
        place = place_for("delete_pod", arguments)
        check(await writer.get(place), place, uid=arguments.uid, version="")
        await writer.delete(place, uid=arguments.uid, dry_run=False)
        item = outcome_item(place.words, applied=True, settled=False, text="deleted", uid=arguments.uid)
        return self.answer(Objects(items=(item,)), reader, namespace=place.namespace)

    @tool("Set one environment variable of one container.", returns=_OBJECTS, effect=Effect.WRITE)
    async def set_environment(self, arguments: EnvironmentArguments, ask: Ask) -> Answer:
        return await self._carry_out("set_environment", arguments, ask)

    @tool("Set one key of one ConfigMap.", returns=_OBJECTS, effect=Effect.WRITE)
    async def set_config_key(self, arguments: ConfigKeyArguments, ask: Ask) -> Answer:
        return await self._carry_out("set_config_key", arguments, ask)

    @tool("Stop a rollout where it is.", returns=_OBJECTS, effect=Effect.WRITE)
    async def pause_rollout(self, arguments: RolloutArguments, ask: Ask) -> Answer:
        return await self._carry_out("pause_rollout", arguments, ask)

    @tool("Let a stopped rollout go on.", returns=_OBJECTS, effect=Effect.WRITE)
    async def resume_rollout(self, arguments: RolloutArguments, ask: Ask) -> Answer:
        return await self._carry_out("resume_rollout", arguments, ask)

    @tool("Set the bounds of an autoscaler.", returns=_OBJECTS, effect=Effect.WRITE)
    async def set_autoscaler_bounds(self, arguments: AutoscalerArguments, ask: Ask) -> Answer:
        return await self._carry_out("set_autoscaler_bounds", arguments, ask)

    @tool("Whether a write was carried out, told from the target's own marks.", returns=_OBJECTS)
    async def read_outcome(self, arguments: OutcomeArguments, ask: Ask) -> Answer:
        wanted = self._write_arguments(ToolCall(connector="", tool=arguments.tool, arguments=arguments.arguments))
        reader, writer = await self._writer(ask.limits)
        place = place_for(arguments.tool, wanted)
        obj = await find(writer, place)
        item = _outcome(arguments.tool, wanted, place, obj)
        return self.answer(Objects(items=(item,)), reader, namespace=place.namespace)

    # shared

    async def preview(self, call: ToolCall) -> Preview:
        """A dry run on the server: the same request as the real one, refused for the same reasons."""
        self._allowed()
        arguments = self._write_arguments(call)
        _, writer = await self._writer(_SPARE)
        place = place_for(call.tool, arguments)
        self._in_scope(place)
        if call.tool == "delete_pod":
            obj = await writer.get(place)
            await self._edits(call.tool, arguments, writer)(obj)
            await writer.delete(place, uid=text(obj, "metadata", "uid") or "", dry_run=True)
            diff = f"{place.words}: deleted, its owner makes another"
        else:
            obj, after = await writer.rehearse(place, self._edits(call.tool, arguments, writer))
            diff = difference(obj, after)
        return Preview(
            target=place.words,
            target_uid=text(obj, "metadata", "uid"),
            target_version=version_of(obj, place.plural),
            diff=diff,
            warnings=tuple(warnings_for(call.tool, arguments, obj)),
        )

    async def _writer(self, limits: Limits) -> tuple[Any, Writer]:
        reader = await self.reader(limits)
        return reader, Writer(reader.api, reader, name=self.name)

    def _edits(self, name: str, arguments: BaseModel, writer: Writer) -> Callable[[JsonObject], Awaitable[list[Edit]]]:
        proposal = arguments.proposal if isinstance(arguments, WriteArguments) else ""

        async def make(obj: JsonObject) -> list[Edit]:
            context = Changing(obj=obj, writer=writer, now=self.clock.now(), most_replicas=self.config.max_replicas)
            edits = await edits_for(name, arguments, context)
            mark = [Edit(("metadata", "annotations", PROPOSAL_MARK), proposal)] if proposal else []
            return [*edits, *mark]

        return make

    async def _carry_out(self, name: str, arguments: WriteArguments, ask: Ask) -> Answer:
        self._allowed()
        if not arguments.uid or not arguments.version:
            raise Rejected("A change names the uid and version of its target; preview it first.")
        reader, writer = await self._writer(ask.limits)
        place = place_for(name, arguments)
        self._in_scope(place)
        make = self._edits(name, arguments, writer)
        done = await writer.change(place, make, uid=arguments.uid, version=arguments.version)
        item = _outcome(name, arguments, place, done)
        return self.answer(Objects(items=(item,)), reader, namespace=place.namespace)

    def _in_scope(self, place: Place) -> None:
        allowed = self.config.namespaces
        if allowed and place.namespace and place.namespace not in allowed:
            raise Rejected(f"{self.name} works only in these namespaces: {', '.join(allowed)}.")


def _outcome(name: str, arguments: Any, place: Place, obj: JsonObject | None) -> Any:
    """What the object itself says about the write."""
    if name == "delete_pod":
        gone = obj is None or text(obj, "metadata", "uid") != arguments.uid
        going = not gone and text(obj, "metadata", "deletionTimestamp") is not None
        words = "the pod is gone" if gone else "the pod is ending" if going else "the pod is still there"
        return outcome_item(place.words, applied=gone or going, settled=gone, text=words, uid=arguments.uid)
    if obj is None:
        return outcome_item(place.words, applied=None, settled=True, text=f"{place.words} does not exist any more")
    uid = text(obj, "metadata", "uid")
    if arguments.uid and uid != arguments.uid:
        return outcome_item(place.words, applied=None, settled=True, text="it is another object by now", uid=uid)
    mark = mark_of(obj)
    applied = mark == arguments.proposal and bool(mark)
    settled, words = settled_words(obj, place.plural)
    if not applied and version_of(obj, place.plural) != arguments.version:
        words = "it carries no mark of this change and was changed by somebody else"
    elif not applied:
        words = "it carries no mark of this change and is as it was"
    return outcome_item(place.words, applied=applied, settled=settled, text=words, uid=uid)

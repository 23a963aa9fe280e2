"""MongoDB: one command as JSON text (extended JSON); commands, stages and operators by allow-list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from connectors.guards.model import Allowed, GuardLimits, RefusalError
from connectors.guards.mongo_words import (
    ACCUMULATORS_REFUSED,
    EXTENDED_JSON,
    OPERATORS,
    READ_COMMANDS,
    STAGES,
)
from connectors.guards.wire import JsonObject, integer, read_object, write

_MAX_LIMIT = 1_000_000


def judge(text: str, *, limits: GuardLimits) -> Allowed:
    """Return the command to send, rewritten; raise RefusalError otherwise."""
    command = read_object(text, limits=limits, what="command")
    name = next(iter(command), "")
    allowed = READ_COMMANDS.get(name)
    if allowed is None:
        raise RefusalError(
            f"The command '{name[:40]}' is not on the list of reading commands. Use find, aggregate or count."
        )
    notes: list[str] = []
    judged = _judge_command(name, command, allowed, limits, notes)
    return Allowed(write(judged), tuple(notes))


def _judge_command(
    name: str, command: JsonObject, allowed: frozenset[str], limits: GuardLimits, notes: list[str]
) -> JsonObject:
    unknown = sorted(
        set(command) - allowed - {name, "$db", "comment", "lsid", "$readPreference", "readConcern", "maxTimeMS"}
    )
    if unknown or "lsid" in command:
        raise RefusalError(f"'{(unknown or ['lsid'])[0][:40]}' is not allowed in {name}. Remove it.")
    _check_database(command)
    if name == "explain":
        return _explain(command, limits, notes)
    if name == "getLog" and command[name] not in ("global", "startupWarnings"):
        raise RefusalError("getLog takes global or startupWarnings.")
    if name in {"find", "aggregate", "count", "distinct", "collStats", "dataSize", "listIndexes"}:
        _check_collection(command, name)
    if "maxTimeMS" in command:
        integer(command["maxTimeMS"], what="maxTimeMS", most=60_000)
    for key in (
        "filter",
        "query",
        "projection",
        "sort",
        "hint",
        "min",
        "max",
        "let",
        "collation",
        "readConcern",
        "$readPreference",
    ):
        check_expression(command.get(key))
    if name == "find":
        return _find(command, limits, notes)
    if name == "aggregate":
        return _aggregate(command, limits, notes)
    return command


def _check_database(command: Mapping[str, object]) -> None:
    database = command.get("$db")
    if database is not None and (not isinstance(database, str) or database in {"config", "local"}):
        raise RefusalError("The database named in $db is not read here.")


def _check_collection(command: JsonObject, name: str) -> None:
    collection = command[name]
    if name == "aggregate" and collection == 1 and not isinstance(collection, bool):
        return
    check_collection(collection)


def check_collection(name: object) -> None:
    """Refuse system collections and names with odd characters."""
    if not isinstance(name, str) or not name or "$" in name or len(name) > 200:
        raise RefusalError("A collection is named by a plain string.")
    if name.startswith("system.") and name not in {"system.profile", "system.views"}:
        raise RefusalError(f"The collection '{name[:40]}' holds accounts or server internals. Leave it out.")


def _explain(command: JsonObject, limits: GuardLimits, notes: list[str]) -> JsonObject:
    inner = command["explain"]
    if not isinstance(inner, dict) or command.get("verbosity", "queryPlanner") != "queryPlanner":
        raise RefusalError("explain takes a reading command and verbosity queryPlanner, which does not run it.")
    name = next(iter(inner), "")
    if name not in {"find", "aggregate", "count", "distinct"}:
        raise RefusalError("Only find, aggregate, count and distinct may be explained.")
    inner_judged = _judge_command(name, inner, READ_COMMANDS[name], limits, notes)
    return {**command, "explain": inner_judged, "verbosity": "queryPlanner"}


def _find(command: JsonObject, limits: GuardLimits, notes: list[str]) -> JsonObject:
    limit = integer(command.get("limit", 0), what="limit", most=_MAX_LIMIT)
    if any(command.get(key) for key in ("tailable", "awaitData", "noCursorTimeout")):
        raise RefusalError("A tailable or endless cursor never completes. Remove it.")
    if limits.max_rows is not None and not 0 < limit <= limits.max_rows:
        notes.append(f"limited to {limits.max_rows} documents")
        return {**command, "limit": limits.max_rows}
    return command


def _aggregate(command: JsonObject, limits: GuardLimits, notes: list[str]) -> JsonObject:
    pipeline = command.get("pipeline")
    check_pipeline(pipeline, depth=0)
    assert isinstance(pipeline, list)
    judged: JsonObject = {**command, "cursor": command.get("cursor", {})}  # the command's name stays first on the wire
    if not isinstance(judged["cursor"], dict) or set(judged["cursor"]) - {"batchSize"}:
        raise RefusalError("'cursor' takes batchSize only.")
    if command["aggregate"] == 1 and next(iter(pipeline[0]), "") not in {
        "$currentOp",
        "$listLocalSessions",
        "$documents",
        "$queryStats",
    }:
        raise RefusalError("A database-wide aggregation starts with $currentOp or $documents.")
    if limits.max_rows is not None and not any(
        "$limit" in stage and stage["$limit"] <= limits.max_rows for stage in pipeline[-1:]
    ):
        judged["pipeline"] = [*pipeline, {"$limit": limits.max_rows}]
        notes.append(f"limited to {limits.max_rows} documents")
    return judged


def check_pipeline(pipeline: object, *, depth: int) -> None:
    """Refuse stages that write, run code, never end or read accounts."""
    if not isinstance(pipeline, list) or len(pipeline) > 100 or depth > 6:
        raise RefusalError("A pipeline is a list of at most 100 stages, nested at most six deep.")
    if depth == 0 and not pipeline:
        return
    for stage in pipeline:
        if not isinstance(stage, dict) or len(stage) != 1:
            raise RefusalError('Each stage is one object with one key, such as {"$match": …}.')
        name, value = next(iter(stage.items()))
        if name not in STAGES:
            raise RefusalError(f"The stage '{name[:40]}' is not on the list of reading stages. Leave it out.")
        _check_stage(name, value, depth)


def _check_stage(name: str, value: object, depth: int) -> None:
    if name == "$facet":
        for inner in _mapping(value, name).values():
            check_pipeline(inner, depth=depth + 1)
        return
    if name in {"$lookup", "$graphLookup", "$unionWith"}:
        _check_join(name, value, depth)
        return
    if name in {"$limit", "$skip"}:
        integer(value, what=name, most=100_000_000)
    if name == "$sample":
        integer(_mapping(value, name).get("size"), what="size of $sample", most=100_000)
    if name == "$currentOp" and any(
        key not in {"allUsers", "idleConnections", "idleCursors", "idleSessions", "localOps"}
        for key in _mapping(value, name)
    ):
        raise RefusalError("An option of $currentOp is not known. Remove it.")
    check_expression(value)


def _check_join(name: str, value: object, depth: int) -> None:
    if isinstance(value, str) and name == "$unionWith":
        check_collection(value)
        return
    options = _mapping(value, name)
    source = options.get("from") or options.get("coll")
    if source is not None:
        check_collection(source)
    elif "pipeline" not in options:
        raise RefusalError(f"{name} names no collection.")
    if "pipeline" in options:
        check_pipeline(options["pipeline"], depth=depth + 1)
    for key, inner in options.items():
        if key != "pipeline":
            check_expression(inner)


def _mapping(value: object, name: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise RefusalError(f"{name} takes an object.")
    return value


def check_expression(value: object) -> None:
    """Refuse operators that are unknown or run code; values and field names are free."""
    stack: list[object] = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, list):
            stack.extend(item)
        elif isinstance(item, dict):
            _check_keys(item)
            stack.extend(inner for key, inner in item.items() if key != "$literal")
            if "$regex" in item:
                _check_regex(item["$regex"])


def _check_keys(keys: Iterable[str]) -> None:
    for key in keys:
        if not key.startswith("$"):
            continue
        if key in ACCUMULATORS_REFUSED:
            raise RefusalError(f"'{key}' runs code on the server. Use plain operators.")
        if key not in OPERATORS and key not in EXTENDED_JSON:
            raise RefusalError(f"The operator '{key[:40]}' is not on the list of harmless operators. Leave it out.")


def _check_regex(value: object) -> None:
    from connectors.guards.elastic_query import check_regexp

    if isinstance(value, str) and len(value) > 60:
        check_regexp(value.replace(".*", ""))

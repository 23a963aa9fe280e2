# ruff: noqa: E501 - lists, forms and sentences stay on one line
"""Kubernetes: a kubectl line or `GET /path`, judged flag by flag and written back in one canonical form.

Nothing here is ever given to a shell; the connector maps the canonical form to typed API calls.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from urllib.parse import parse_qsl, unquote, urlencode

from connectors.guards.kubernetes_words import BOOLS, GLOBAL_VALUES, SHORT, SUBRESOURCES, VERBS
from connectors.guards.model import Allowed, GuardLimits, RefusalError
from connectors.guards.wire import integer

_SHELL = re.compile(r"[\n\r;&|`<>\\$\x00]")
_RESOURCE = re.compile(r"[a-z][a-z0-9]*(?:\.[a-z0-9][a-z0-9.-]*)?")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._:-]{0,251}[A-Za-z0-9])?")
_SAFE_VALUE = re.compile(r"(?:[\w ./:=!,()@*\[\]{}'\"?+~#^-]|\\[tn])*")
_OUTPUT = re.compile(r"json|yaml|wide|name|(?:jsonpath(?:-as-json)?|custom-columns)=(?:[^$`\\;|&<>]|\\[tn]){1,2000}")
_HEALTH = re.compile(r"/(?:version|healthz|livez|readyz)(?:/[a-z0-9/-]*)?")
_PARAMETERS = frozenset(
    {
        "labelSelector", "fieldSelector", "limit", "continue", "tailLines", "sinceSeconds", "sinceTime", "container",
        "previous", "timestamps", "limitBytes", "pretty", "resourceVersion", "resourceVersionMatch", "watch",
        "timeoutSeconds", "allowWatchBookmarks", "verbose",
    }
)  # fmt: skip


def judge(text: str, *, limits: GuardLimits) -> Allowed:
    """Return the canonical line; raise RefusalError otherwise."""
    del limits
    line = text.strip()
    request = re.match(r"GET +/", line) is not None
    judged = line.replace("&", "") if request else re.sub(r"(?<=[}\"'])\\[tn](?=[}\"'])", "", line)
    if _SHELL.search(judged):
        raise RefusalError("The line holds characters a shell would act on. Send one plain command.")
    if line.startswith("kubectl "):
        return _kubectl(line)
    verb, _, path = line.partition(" ")
    path = path.strip()
    if verb != "GET" or not path.startswith("/") or " " in path:
        raise RefusalError("Only kubectl reading commands and GET /path are read here.")
    return Allowed(f"GET {check_path(path)}")


def _kubectl(line: str) -> Allowed:
    try:
        words = shlex.split(line, posix=True)[1:]
    except ValueError as error:
        raise RefusalError("A quote is never closed. Close it and try again.") from error
    outside = re.sub(r"'[^']*'|\"[^\"]*\"", "", line)
    if re.search(r"[(){}\[\]*?!~#]", re.sub(r"!=|=\*", "", outside)) and not re.search(
        r"-o[= ]*(jsonpath|custom-columns)", outside
    ):
        raise RefusalError("The line holds characters a shell would expand. Quote them or leave them out.")
    while len(words) > 2 and words[0] in {"-n", "--namespace"}:
        words = [*words[2:], *words[:2]]
    while words and re.fullmatch(r"(?:--namespace=|-n=?)[a-z0-9-]+|-A|--all-namespaces", words[0]):
        words = [*words[1:], words[0]]
    if not words or words[0] not in VERBS:
        raise RefusalError(
            f"'kubectl {(words or [''])[0][:30]}' is not on the list of reading commands. Use get, describe, logs, top or events."
        )
    verb, allowed = words[0], VERBS[words[0]]
    flags, rest = _flags(words[1:], allowed)
    notes: list[str] = []
    _check_rest(verb, rest, flags, notes)
    return Allowed(_written(verb, rest, flags), tuple(notes))


def _flags(words: Sequence[str], allowed: frozenset[str]) -> tuple[list[tuple[str, str | None]], list[str]]:
    flags: list[tuple[str, str | None]] = []
    rest: list[str] = []
    queue = list(words)
    while queue:
        word = queue.pop(0)
        if word == "--":
            raise RefusalError("'--' passes a command to a container. Leave it out.")
        if not word.startswith("-") or word == "-":
            rest.append(word)
        elif word.startswith("--"):
            _long(word, queue, flags)
        else:
            _short(word, queue, flags)
    for name, value in flags:
        _check_flag(name, value, allowed)
    return flags, rest


def _long(word: str, queue: list[str], flags: list[tuple[str, str | None]]) -> None:
    name, has_value, value = word[2:].partition("=")
    if has_value:
        flags.append((name, value))
    elif name in BOOLS:
        flags.append((name, None))
    elif queue:
        flags.append((name, queue.pop(0)))
    else:
        raise RefusalError(f"The flag --{name[:30]} needs a value.")


def _short(word: str, queue: list[str], flags: list[tuple[str, str | None]]) -> None:
    at = 1
    while at < len(word):
        name = SHORT.get(word[at])
        if name is None:
            raise RefusalError(f"The flag -{word[at]} is not allowed here. Leave it out.")
        at += 1
        if name not in BOOLS:
            value = word[at:].removeprefix("=") or (queue.pop(0) if queue else "")
            flags.append((name, value))
            return
        flags.append((name, None))


def _check_flag(name: str, value: str | None, allowed: frozenset[str]) -> None:
    if name not in allowed and name not in GLOBAL_VALUES:
        raise RefusalError(f"The flag --{name[:40]} is not allowed here. Leave it out.")
    if name in BOOLS:
        if value not in (None, "true", "false"):
            raise RefusalError(f"The flag --{name} takes true or false.")
        if name == "watch" and value != "false":
            raise RefusalError("A watch never completes. Leave --watch out.")
        return
    if value is None or len(value) > 2_000 or not _SAFE_VALUE.fullmatch(value):
        raise RefusalError(f"The value of --{name} holds characters that are not read here.")
    if name == "output" and not _OUTPUT.fullmatch(value):
        raise RefusalError("This output format is not read here. Use json, yaml, wide, name or jsonpath.")
    if name in {"tail", "limit", "chunk-size", "limit-bytes", "revision", "max-log-requests"} and value != "-1":
        integer(value, what=f"--{name}", most=100_000_000)
    if name == "namespace" and not _NAME.fullmatch(value):
        raise RefusalError("The namespace is not a plain name.")


def _check_rest(verb: str, rest: list[str], flags: list[tuple[str, str | None]], notes: list[str]) -> None:
    raw = [value for name, value in flags if name == "raw"]
    if raw:
        if verb != "get" or rest or len(raw) > 1 or not (raw[0] or "").startswith("/"):
            raise RefusalError("--raw takes one path and nothing else.")
        check_path(str(raw[0]))
    elif verb in {"get", "describe"}:
        if not rest:
            raise RefusalError(f"Say what to {verb}, for example pods.")
        _check_targets(rest)
    elif verb == "rollout":
        _check_rollout(rest, flags, notes)
    elif verb in _SMALL:
        _SMALL[verb](rest)
    elif rest:
        raise RefusalError(f"kubectl {verb} takes no further words here.")


def _check_logs(rest: Sequence[str]) -> None:
    _check_names(rest, most=2)
    if rest and "/" in rest[0]:
        check_resource(rest[0].split("/")[0])


def _check_top(rest: Sequence[str]) -> None:
    if not rest or rest[0] not in {"pod", "pods", "po", "node", "nodes", "no"} or len(rest) > 2:
        raise RefusalError("kubectl top takes pods or nodes.")
    _check_names(rest[1:], most=1)


def _check_explain(rest: Sequence[str]) -> None:
    if len(rest) != 1 or not re.fullmatch(r"[A-Za-z0-9.]+", rest[0]):
        raise RefusalError("kubectl explain takes one resource.")


def _check_targets(rest: Sequence[str]) -> None:
    if any("/" in word for word in rest):
        for word in rest:
            kind, slash, name = word.partition("/")
            if not slash:
                raise RefusalError("Write either kind/name everywhere or kind and then names.")
            check_resource(kind)
            _check_names([name], most=1)
        return
    for kind in rest[0].split(","):
        check_resource(kind)
    _check_names(rest[1:], most=50)


def _check_names(names: Sequence[str], *, most: int) -> None:
    if len(names) > most:
        raise RefusalError("There are too many names in the line.")
    for name in names:
        kind, slash, bare = name.rpartition("/")
        if not _NAME.fullmatch(bare) or (slash and not _RESOURCE.fullmatch(kind.lower())):
            raise RefusalError(f"'{name[:40]}' is not a plain name.")


def _check_rollout(rest: list[str], flags: list[tuple[str, str | None]], notes: list[str]) -> None:
    if not rest or rest[0] not in {"history", "status"}:
        raise RefusalError("Only rollout history and rollout status read. The others change the workload.")
    if len(rest) < 2:
        raise RefusalError("Say which workload, for example deploy/web.")
    _check_targets(rest[1:])
    if rest[0] == "status" and ("watch", "false") not in flags:
        flags.append(("watch", "false"))
        notes.append("does not wait for the rollout")


def _check_auth(rest: Sequence[str]) -> None:
    if list(rest) == ["whoami"]:
        return
    plain = len(rest) >= 2 and rest[0] == "can-i" and all(re.fullmatch(r"[A-Za-z0-9./*_-]+", word) for word in rest)
    if not plain:
        raise RefusalError("Only auth whoami and auth can-i VERB RESOURCE read.")


_SMALL = {"logs": _check_logs, "top": _check_top, "explain": _check_explain, "auth": _check_auth}


def check_resource(kind: str) -> None:
    """Refuse Secrets in any spelling and what is not a plain resource name."""
    name = kind.lower()
    if not _RESOURCE.fullmatch(name):
        raise RefusalError(f"'{kind[:40]}' is not a plain resource name.")
    if name.split(".")[0] in {"secret", "secrets"}:
        raise RefusalError("Secrets are never read. Ask for another resource.")


def _written(verb: str, rest: Sequence[str], flags: Sequence[tuple[str, str | None]]) -> str:
    words = ["kubectl", verb, *rest]
    for name, value in flags:
        words.append(f"--{name}" if value is None else f"--{name}={value}")
    return shlex.join(words)


def check_path(raw: str) -> str:
    """Return the canonical API path; refuse what is not a plain read of a listed kind."""
    head, _, query = raw.partition("?")
    path = unquote(head)
    if (
        not re.fullmatch(r"/[A-Za-z0-9._:/@-]*", path)
        or "//" in path
        or ".." in path
        or "/./" in path
        or path.endswith("/.")
    ):
        raise RefusalError("The path is written in a way servers may read differently. Use a plain path.")
    pairs = _check_query(query)
    path = path.rstrip("/") or "/"
    if not (_HEALTH.fullmatch(path) or path in {"/api", "/apis", "/api/v1"}):
        _check_api(path.split("/")[1:])
    return path + (f"?{urlencode(pairs)}" if pairs else "")


def _check_query(query: str) -> list[tuple[str, str]]:
    pairs = parse_qsl(query, keep_blank_values=True)
    values = dict(pairs)
    if len(values) != len(pairs) or ("&" in query) != (len(pairs) > 1):
        raise RefusalError("A parameter appears twice or is empty. Write each once.")
    for name, value in pairs:
        if name not in _PARAMETERS or not _SAFE_VALUE.fullmatch(value):
            raise RefusalError(f"The parameter '{name[:40]}' is not allowed here. Leave it out.")
    if values.get("watch", "false").lower() not in {"false", "0"}:
        integer(values.get("timeoutSeconds", "x"), what="timeoutSeconds of a watch", most=60)
    return pairs


def _check_api(parts: list[str]) -> None:
    if parts[0] == "api" and parts[1:2] == ["v1"]:
        rest = parts[2:]
    elif parts[0] == "apis" and len(parts) >= 2 and re.fullmatch(r"[a-z0-9.-]+", parts[1]):
        if len(parts) > 2 and not re.fullmatch(r"v\d+(?:(?:alpha|beta)\d+)?", parts[2]):
            raise RefusalError("The API version in the path is not one. Write it as v1.")
        rest = parts[3:]
    else:
        raise RefusalError("Only /api, /apis, /version and the health paths are read here.")
    if rest[:1] == ["namespaces"] and len(rest) >= 3 and rest[2] != "status":
        _check_names(rest[1:2], most=1)
        rest = rest[2:]
    if not rest:
        return
    check_resource(rest[0])
    if rest[0] in {"watch", "proxy", "tokenreviews", "bindings"} or len(rest) > 3:
        raise RefusalError("This path is a watch, a proxy or too deep. Read a kind, a name, or its log.")
    if len(rest) > 1:
        _check_names(rest[1:2], most=1)
    if len(rest) == 3 and rest[2] not in SUBRESOURCES and not parts[1].endswith("metrics.k8s.io"):
        raise RefusalError(f"The subresource '{rest[2][:30]}' is not read here. Only log, status and scale are.")

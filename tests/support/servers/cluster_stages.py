"""What kwok plays in place of a kubelet: pods that run, crash or cannot pull their image, by image; and their logs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

_STAGE = {"apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": "Stage"}
_POD = {"apiGroup": "v1", "kind": "Pod"}
_IMAGES = ".spec.containers.[].image"
_LIVES = {"key": ".metadata.deletionTimestamp", "operator": "DoesNotExist"}
_NEW = {"key": ".status.startTime", "operator": "DoesNotExist"}

_HEAD = """\
{{ $now := Now }}
conditions:
- {type: Initialized, status: "True", lastTransitionTime: {{ $now | Quote }}}
- {type: Ready, status: "%(ready)s", lastTransitionTime: {{ $now | Quote }}%(why)s}
- {type: ContainersReady, status: "%(ready)s", lastTransitionTime: {{ $now | Quote }}%(why)s}
containerStatuses:
{{ range .spec.containers }}
- image: {{ .image | Quote }}
  imageID: ""
  name: {{ .name | Quote }}
  ready: %(is_ready)s
  started: %(is_ready)s
"""
_TAIL = """\
{{ end }}
hostIP: {{ NodeIPWith .spec.nodeName | Quote }}
podIP: {{ PodIPWith .spec.nodeName ( or .spec.hostNetwork false ) ( or .metadata.uid "" ) ( or .metadata.name "" ) \
( or .metadata.namespace "" ) | Quote }}
phase: %(phase)s
startTime: {{ $now | Quote }}
"""
_RUNS = """\
  restartCount: 0
  state: {running: {startedAt: {{ $now | Quote }}}}
"""
_CRASHES = """\
  restartCount: 4
  state: {waiting: {reason: CrashLoopBackOff, message: back-off 40s restarting failed container}}
  lastState: {terminated: {exitCode: 1, reason: Error, startedAt: {{ $now | Quote }}, finishedAt: {{ $now | Quote }}}}
"""
_PULLS = """\
  restartCount: 0
  state: {waiting: {reason: ImagePullBackOff, message: {{ printf "Back-off pulling image %q" .image | Quote }}}}
"""


@dataclass(frozen=True)
class Played:
    """Which images misbehave, and the lines every container has logged (as `time stdout F text`)."""

    crashing: tuple[str, ...] = ()
    unpullable: tuple[str, ...] = ()
    log: str = "2026-11-20T12:00:00.000000000Z stdout F started\n"


def kwok_documents(played: Played, folder: Path) -> list[dict[str, Any]]:
    """kwok's configuration: the stages of pods (nodes keep kwok's own) and the logs it serves as a kubelet."""
    bad = [*played.crashing, *played.unpullable]
    found = [
        _stage("pod-runs", [_LIVES, _NEW, *_of(bad, "NotIn")], _status(_RUNS, phase="Running", ready=True)),
        _stage("pod-ends", [{"key": ".metadata.deletionTimestamp", "operator": "Exists"}],
               {"finalizers": {"empty": True}, "delete": True}),
        _completes(),
    ]  # fmt: skip
    if played.crashing:
        message = "Back-off restarting failed container"
        status = _status(_CRASHES, phase="Running", ready=False, event=("BackOff", message))
        found.append(_stage("pod-crashes", [_LIVES, _NEW, *_of(played.crashing, "In")], status))
    if played.unpullable:
        message = "Failed to pull image: rpc error: code = NotFound desc = manifest unknown: not found"
        status = _status(_PULLS, phase="Pending", ready=False, event=("Failed", message))
        found.append(_stage("pod-waits-for-image", [_LIVES, _NEW, *_of(played.unpullable, "In")], status))
    (folder / "container.log").write_text(played.log, encoding="utf-8")
    log = {"logsFile": str(folder / "container.log"), "previousLogsFile": str(folder / "container.log")}
    return [*found, {"apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": "ClusterLogs", "metadata": {"name": "all"},
                     "spec": {"logs": [log]}}]  # fmt: skip


def _of(images: list[str] | tuple[str, ...], operator: str) -> list[dict[str, Any]]:
    return [{"key": _IMAGES, "operator": operator, "values": list(images)}] if images else []


def _stage(name: str, chosen: list[dict[str, Any]], then: dict[str, Any]) -> dict[str, Any]:
    spec = {"resourceRef": _POD, "selector": {"matchExpressions": chosen}, "next": then}
    return {**_STAGE, "metadata": {"name": name}, "spec": spec}


def _status(body: str, *, phase: str, ready: bool, event: tuple[str, str] | None = None) -> dict[str, Any]:
    why = "" if ready else ", reason: ContainersNotReady, message: containers with unready status"
    values = {"ready": str(ready), "is_ready": str(ready).lower(), "why": why, "phase": phase}
    then: dict[str, Any] = {"statusTemplate": _HEAD % values + body + _TAIL % values}
    if event:
        then["event"] = {"type": "Warning", "reason": event[0], "message": event[1]}
    return then


def _completes() -> dict[str, Any]:
    """Pods of a Job end well as soon as they ran."""
    chosen: list[dict[str, Any]] = [
              _LIVES, {"key": ".status.phase", "operator": "In", "values": ["Running"]},
              {"key": ".metadata.ownerReferences.[].kind", "operator": "In", "values": ["Job"]}]  # fmt: skip
    template = (
        "{{ $now := Now }}\ncontainerStatuses:\n{{ range .spec.containers }}\n- image: {{ .image | Quote }}\n"
        '  imageID: ""\n  name: {{ .name | Quote }}\n  ready: false\n  restartCount: 0\n  started: false\n'
        "  state: {terminated: {exitCode: 0, reason: Completed, startedAt: {{ $now | Quote }}, "
        "finishedAt: {{ $now | Quote }}}}\n{{ end }}\nphase: Succeeded\n"
    )
    return _stage("pod-completes", chosen, {"statusTemplate": template})

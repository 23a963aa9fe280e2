"""Images that do not come, containers that do not start, probes that fail an application that is well."""

from __future__ import annotations

from typing import Any

import pytest

from bot.analysis.kubernetes.images import judge
from tests.analysis.kubernetes.building import (
    ago,
    best,
    container,
    event,
    log,
    matches,
    node,
    pod,
)

Raw = dict[str, Any]


def waiting(reason: str, message: str = "") -> Raw:
    return {"ready": False, "state": {"waiting": {"reason": reason, "message": message}}}


PULL = 'Failed to pull image "registry.test/app:1": '


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ("dial tcp: lookup registry.test on 10.0.0.2:53: no such host", "image_registry_dns_failure"),
        ("Temporary failure in name resolution", "image_registry_dns_failure"),
        ("rpc error: code = NotFound desc = registry.test/app:1: not found", "incorrect_image_reference"),
        ("manifest unknown: manifest unknown", "incorrect_image_reference"),
        ("couldn't parse image name: invalid reference format", "incorrect_image_reference"),
        ("failed to authorize: failed to fetch anonymous token: 401 Unauthorized", "missing_image_pull_secret"),
        ("unexpected status: 403 Forbidden", "missing_image_pull_secret"),
    ],
)
def test_why_an_image_does_not_come(said: str, cause: str) -> None:
    stuck = pod("web", states=[waiting("ImagePullBackOff", "Back-off pulling image")])
    found = matches(stuck, event(stuck, "Failed", PULL + said), node())
    assert best(found) == ("app/web", cause)
    assert best(matches(pod("web"), node())) == ("", "")


def test_an_image_error_of_a_pod_that_is_gone_says_nothing() -> None:
    gone = pod("old")
    leftover = event(gone, "Failed", PULL + "not found")
    assert best(matches(pod("web"), leftover, node())) == ("", "")


def test_a_mirror_and_docker_hub_leave_two_readings() -> None:
    hub = judge("pull access denied, repository does not exist or may require authorization")
    assert {cause for cause, _ in hub} == {"incorrect_image_reference", "missing_image_pull_secret"}
    told = "failed to resolve docker.io/library/app:x: HEAD https://mirror.test/app?ns=docker.io: 403 Forbidden"
    assert judge(told)[0][0] == "incorrect_image_reference"
    assert judge(told, lacks_secret=True)[0][0] == "missing_image_pull_secret"


def test_a_secret_that_is_not_there() -> None:
    stuck = pod("web", states=[waiting("CreateContainerConfigError", 'secret "web-db" not found')])
    assert best(matches(stuck, node())) == ("app/web", "missing_secret_binding")
    mounts = pod("web", states=[waiting("ContainerCreating")])
    told = event(mounts, "FailedMount", 'MountVolume.SetUp failed for volume "v" : secret "web-db" not found')
    assert best(matches(mounts, told, node())) == ("app/web", "missing_secret_binding")
    assert best(matches(pod("web"), event(pod("web"), "FailedMount", 'secret "web-db" not found'))) == ("", "")


def crashed(code: int, reason: str = "Error", *, restarts: int = 4) -> Raw:
    ended = {"exitCode": code, "reason": reason, "startedAt": ago(2), "finishedAt": ago(2)}
    state = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}
    return {"ready": False, "restartCount": restarts, "state": state, "lastState": {"terminated": ended}}


DISK = {"volumes": [{"name": "d", "hostPath": {"path": "/mnt/d"}}], "securityContext": {"runAsUser": 999}}


def test_a_volume_that_may_not_be_used() -> None:
    mounted = container(volumeMounts=[{"name": "d", "mountPath": "/data"}])
    fails = pod("db", containers=[mounted], states=[crashed(1)], spec=DISK)
    denied = log("db", "Can't open the log file /data/x: Permission denied")
    sure, unsure = matches(fails, node(), logs=[denied]), matches(fails, node())
    assert best(sure) == best(unsure) == ("app/db", "volume_mount_permission_denied")
    assert sure[0].confidence > unsure[0].confidence + 0.2
    # Without a volume of its own, the same end is something else.
    assert best(matches(pod("db", states=[crashed(1)]), node(), logs=[denied])) == ("", "")


def test_a_container_killed_for_memory() -> None:
    assert best(matches(pod("web", states=[crashed(137, "OOMKilled")]), node())) == ("app/web", "oom_killed")
    stuck = pod("web", states=[waiting("ContainerCreating")])
    told = "runc create failed: container init was OOM-killed (memory limit too low?)"
    assert best(matches(stuck, event(stuck, "FailedCreatePodSandBox", told))) == ("app/web", "oom_killed")
    assert best(matches(pod("web", states=[crashed(1)]), node())) == ("", "")


def test_a_full_heap_and_an_unexplained_kill() -> None:
    heap = log("web", 'Exception in thread "main" java.lang.OutOfMemoryError: Java heap space')
    assert best(matches(pod("web", states=[crashed(1)]), node(), logs=[heap])) == ("app/web", "oom_killed")
    hard = pod("web", states=[crashed(137)])
    assert best(matches(hard, node())) == ("app/web", "oom_killed")
    # A liveness probe kills in the same way.
    probe = event(hard, "Unhealthy", "Liveness probe failed: timeout")
    assert best(matches(hard, probe, node())) == ("", "")


def test_an_old_kill_is_no_news() -> None:
    ended = {"exitCode": 137, "reason": "OOMKilled", "finishedAt": ago(600)}
    well = {"ready": True, "restartCount": 1, "state": {"running": {"startedAt": ago(599)}}}
    assert best(matches(pod("web", states=[{**well, "lastState": {"terminated": ended}}]), node())) == ("", "")


def test_two_containers_want_one_port() -> None:
    pair = [container("main"), container("helper")]
    states = [{"ready": True, "state": {"running": {}}}, crashed(1)]
    found = matches(pod("web", containers=pair, states=states), node())
    assert best(found) == ("app/web", "service_sidecar_port_conflict")
    apart = [container("main"), container("helper", port=9090)]
    assert best(matches(pod("web", containers=apart, states=states), node())) == ("", "")
    told = log("web", "nginx: [emerg] bind() to 0.0.0.0:8080 failed (98: Address already in use)")
    found = matches(pod("web", containers=apart, states=states), node(), logs=[told])
    assert best(found) == ("app/web", "service_sidecar_port_conflict")


def probed(kind: str, probe: Raw, other: Raw | None = None) -> Raw:
    also = "readinessProbe" if kind == "liveness" else "livenessProbe"
    usual = {"tcpSocket": {"port": 8080}, "periodSeconds": 10}
    return container() | {f"{kind}Probe": probe, also: other or usual}


REFUSED = "probe failed: dial tcp 10.1.1.1:{}: connect: connection refused"


def failing(kind: str, probe: Raw, message: str, *, other: Raw | None = None) -> list[Raw]:
    """A pod whose probe fails: restarted by a liveness probe, kept out by a readiness probe."""
    running = {"running": {"startedAt": ago(1)}}
    ended = {"exitCode": 137, "reason": "Error", "startedAt": ago(3), "finishedAt": ago(1)}
    state = {"ready": True, "restartCount": 3, "state": running, "lastState": {"terminated": ended}}
    if kind == "readiness":
        state = {"ready": False, "restartCount": 0, "state": running}
    sick = pod("web", containers=[probed(kind, probe, other)], states=[state])
    return [sick, event(sick, "Unhealthy", f"{kind.title()} {message}", count=9), node()]


@pytest.mark.parametrize("kind", ["liveness", "readiness"])
def test_a_probe_on_the_wrong_port_or_in_the_wrong_protocol(kind: str) -> None:
    wrong = failing(kind, {"tcpSocket": {"port": 9999}, "periodSeconds": 10}, REFUSED.format(9999))
    assert best(matches(*wrong)) == ("app/web", f"{kind}_probe_incorrect_port")
    said = 'probe failed: Get "http://10.1.1.1:8080/": malformed HTTP response "x"'
    spoken = failing(kind, {"httpGet": {"port": 8080, "path": "/"}, "periodSeconds": 10}, said)
    assert best(matches(*spoken)) == ("app/web", f"{kind}_probe_incorrect_protocol")
    well = pod("web", containers=[probed(kind, {"tcpSocket": {"port": 8080}})])
    assert best(matches(well, event(well, "Unhealthy", f"{kind.title()} probe failed: timeout", count=2))) == ("", "")


def test_a_liveness_probe_without_patience() -> None:
    strict = {"tcpSocket": {"port": 8080}, "initialDelaySeconds": 1, "periodSeconds": 1, "failureThreshold": 1}
    found = matches(*failing("liveness", strict, REFUSED.format(8080)))
    assert best(found) == ("app/web", "liveness_probe_incorrect_timing")
    patient = strict | {"periodSeconds": 20, "failureThreshold": 3}
    later = matches(*failing("liveness", patient, REFUSED.format(8080)))
    assert later[0].confidence < 0.6 < found[0].confidence


def test_a_readiness_probe_that_is_right_about_a_sick_application() -> None:
    right = failing("readiness", {"tcpSocket": {"port": 8080}, "periodSeconds": 10}, REFUSED.format(8080))
    assert best(matches(*right)) == ("", "")


def test_settings_tell_when_the_api_has_forgotten_the_events() -> None:
    sick, _, host = failing("readiness", {"tcpSocket": {"port": 9999}, "periodSeconds": 10}, "")
    assert best(matches(sick, host)) == ("app/web", "readiness_probe_incorrect_port")
    fine, _, host = failing("readiness", {"tcpSocket": {"port": 8080}, "periodSeconds": 10}, "")
    assert best(matches(fine, host)) == ("", "")

"""Containers that do not start or do not stay, in the words of other runtimes, languages and probes."""

from __future__ import annotations

from typing import Any

import pytest

from bot.analysis.kubernetes.images import judge
from tests.analysis.kubernetes.building import ago, best, container, event, log, matches, node, pod, service

Raw = dict[str, Any]
DNS, NAME, RIGHT = "image_registry_dns_failure", "incorrect_image_reference", "missing_image_pull_secret"


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        # docker, CRI-O, containerd
        ('Error response from daemon: Get "https://reg.corp/v2/": dial tcp: lookup reg.corp: no such host', DNS),
        ("pinging container registry reg.corp: dial tcp: lookup reg.corp on 10.96.0.10:53: server misbehaving", DNS),
        ("dial tcp: lookup reg.corp on 10.0.0.2:53: read udp 10.0.0.5:424->10.0.0.2:53: i/o timeout", DNS),
        ("dial tcp: lookup reg.corp on [::1]:53: read udp: read: connection refused", DNS),
        ("Error response from daemon: manifest for nginx:bad not found: manifest unknown", NAME),
        ("reading manifest bad in docker.io/library/nginx: manifest unknown", NAME),
        ("no match for platform in manifest: not found", NAME),
        (
            'Failed to apply default image tag "Web:1": couldn\'t parse image name "Web:1": invalid reference format',
            NAME,
        ),
        ("unexpected status from HEAD request to https://reg/v2/x/manifests/1: 404 Not Found", NAME),
        ("name unknown: The repository with name 'x' does not exist in the registry with id '1'", NAME),
        ("no basic auth credentials", RIGHT),
        (
            "failed to fetch oauth token: unexpected status from GET request to https://auth.reg: 401 Unauthorized",
            RIGHT,
        ),
        ("unauthorized: unauthorized to access repository: lib/x, action: pull", RIGHT),
        ("unable to retrieve auth token: invalid username/password: unauthorized", RIGHT),
        ('denied: Unauthenticated request. Unauthenticated requests do not have permission "download"', RIGHT),
        ("toomanyrequests: You have reached your unauthenticated pull rate limit.", ""),
        ("x509: certificate signed by unknown authority", ""),
        ("write /var/lib/containerd/x: no space left on device", ""),
        ("dial tcp 10.0.0.9:443: i/o timeout", ""),
    ],
)
def test_what_registries_and_runtimes_say_of_an_image(said: str, cause: str) -> None:
    found = [c for c, sure in judge('Failed to pull image "x/y:1": ' + said) if sure >= 0.5]
    assert found == ([cause] if cause else [])


def waiting(reason: str, message: str = "", **more: Any) -> Raw:
    return {"ready": False, "state": {"waiting": {"reason": reason, "message": message}}, **more}


def crashed(code: int, *, restarts: int = 4, message: str = "", reason: str = "Error", **more: Any) -> Raw:
    ended = {"exitCode": code, "reason": reason, "message": message, "startedAt": ago(2), "finishedAt": ago(2)}
    return waiting("CrashLoopBackOff", restartCount=restarts, lastState={"terminated": ended}, **more)


def test_the_waiting_message_of_newer_kubelets_tells_when_events_are_gone() -> None:
    said = 'Back-off pulling image "registry.test/app:1": ErrImagePull: failed to pull: manifest unknown'
    assert best(matches(pod("api", states=[waiting("ImagePullBackOff", said)]), node())) == ("app/api", NAME)


@pytest.mark.parametrize(
    "said",
    [
        'secret "db-login" not found',
        "couldn't find key password in Secret shop/db-login",
        'MountVolume.SetUp failed for volume "keys" : references non-existent secret key: tls.key',
    ],
)
def test_a_missing_secret_or_a_key_of_one(said: str) -> None:
    stuck = pod("api", states=[waiting("CreateContainerConfigError", said)])
    assert best(matches(stuck, node())) == ("app/api", "missing_secret_binding")


@pytest.mark.parametrize("said", ['configmap "env" not found', "couldn't find key url in ConfigMap shop/env"])
def test_a_missing_config_map_is_no_secret(said: str) -> None:
    assert best(matches(pod("api", states=[waiting("CreateContainerConfigError", said)]), node())) == ("", "")


def test_a_mount_that_came_late_does_not_explain_a_later_crash() -> None:
    fails = pod("api", states=[crashed(1)])
    late = event(fails, "FailedMount", 'MountVolume.SetUp failed for volume "v" : secret "db" not found')
    assert best(matches(fails, late, node())) == ("", "")


DISK = {"volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]}
MOUNTED = container(volumeMounts=[{"name": "d", "mountPath": "/var/lib/store"}])


@pytest.mark.parametrize(
    "line",
    [
        "mkdir: cannot create directory '/var/lib/store/x': Permission denied",
        "mysqld: Can't create/write to file '/var/lib/store/is_writable' (OS errno 13 - Permission denied)",
        'FATAL: data directory "/var/lib/store" has wrong ownership',
        "Error: EACCES: permission denied, open '/var/lib/store/db.json'",
        "System.UnauthorizedAccessException: Access to the path '/var/lib/store/k' is denied.",
        "java.nio.file.AccessDeniedException: /var/lib/store/nodes",
        "OSError: [Errno 30] Read-only file system: '/var/lib/store/a'",
        "PermissionError: [Errno 13] Permission denied: '/var/lib/store/a'",
        "chown: changing ownership of '/var/lib/store': Operation not permitted",
    ],
)
def test_a_volume_refused_in_other_languages(line: str) -> None:
    fails = pod("db", containers=[MOUNTED], states=[crashed(1)], spec=DISK)
    found = matches(fails, node(), logs=[log("db", line)])
    assert (best(found), found[0].confidence > 0.9) == (("app/db", "volume_mount_permission_denied"), True)
    # The kubelet keeps the last words of a container where no log is read.
    told = pod("db", containers=[MOUNTED], states=[crashed(1, message=line)], spec=DISK)
    assert matches(told, node())[0].confidence > 0.9


@pytest.mark.parametrize(
    "line",
    [
        "listen tcp :80: bind: permission denied",
        "ERROR: permission denied for table orders",
        "rpc error: code = PermissionDenied desc = permission denied",
        "dial unix /var/run/docker.sock: connect: permission denied",
    ],
)
def test_other_rights_that_lack_are_no_volume(line: str) -> None:
    fails = pod("db", containers=[MOUNTED], states=[crashed(1)], spec=DISK)
    found = matches(fails, node(), logs=[log("db", line)])
    assert not [m for m in found if m.cause == "volume_mount_permission_denied" and m.confidence > 0.6]


@pytest.mark.parametrize(
    "line",
    [
        "There is insufficient memory for the Java Runtime Environment to continue.",
        "Error: Could not reserve enough space for 2097152KB object heap",
        "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory",
        "fatal error: runtime: cannot allocate memory",
        "Unhandled exception. System.OutOfMemoryException: Exception of type was thrown.",
        "PHP Fatal error: Allowed memory size of 134217728 bytes exhausted",
        "terminate called after throwing an instance of 'std::bad_alloc'",
    ],
)
def test_memory_that_is_full_in_other_languages(line: str) -> None:
    assert best(matches(pod("api", states=[crashed(1)]), node(), logs=[log("api", line)])) == ("app/api", "oom_killed")
    assert best(matches(pod("api"), node(), logs=[log("api", line)])) == ("", "")


@pytest.mark.parametrize(
    "said",
    [
        "runc create failed: unable to start container process: container init was OOM-killed (memory limit too low?)",
        "set memory limit 4194304 too low; should be at least 12582912 bytes",
        "Error response from daemon: Minimum memory limit allowed is 6MB.",
        "unable to set memory limit to 1048576 (current usage: 2936832, peak usage: 3022848)",
    ],
)
def test_a_limit_below_what_a_runtime_needs(said: str) -> None:
    stuck = pod("api", states=[waiting("CreateContainerError", said)])
    assert best(matches(stuck, node())) == ("app/api", "oom_killed")
    told = pod("api", states=[crashed(128, message=said, reason="StartError")])
    assert best(matches(told, node())) == ("app/api", "oom_killed")


def test_an_init_container_killed_for_memory() -> None:
    sick = pod("api", states=[waiting("PodInitializing")], spec={"initContainers": [container("prepare")]})
    killed = crashed(137, reason="OOMKilled")
    sick["status"]["initContainerStatuses"] = [{"name": "prepare", **killed}]
    assert best(matches(sick, node())) == ("app/api", "oom_killed")


PAIR = [container("main"), container("helper", port=9090)]


@pytest.mark.parametrize(
    "line",
    [
        "Web server failed to start. Port 8080 was already in use.",
        "java.net.BindException: Address already in use",
        "Error: listen EADDRINUSE: address already in use :::8080",
        "OSError: [Errno 98] Address already in use",
        "[ERROR] Connection in use: ('0.0.0.0', 8080)",
        "panic: listen tcp :8080: bind: address already in use",
        "Failed to bind to address http://[::]:8080: address already in use.",
        "cannot bind '0.0.0.0:8080': Address already in use",
    ],
)
def test_a_port_that_is_taken_in_other_languages(line: str) -> None:
    states = [{"ready": True, "state": {"running": {}}}, crashed(1)]
    found = matches(pod("api", containers=PAIR, states=states), node(), logs=[log("api", line)])
    assert best(found) == ("app/api", "service_sidecar_port_conflict")


@pytest.mark.parametrize(
    "line",
    ["java.net.BindException: Cannot assign requested address", "bind() to 0.0.0.0:80 failed: Permission denied"],
)
def test_a_port_that_cannot_be_had_for_another_reason(line: str) -> None:
    states = [{"ready": True, "state": {"running": {}}}, crashed(1)]
    assert best(matches(pod("api", containers=PAIR, states=states), node(), logs=[log("api", line)])) == ("", "")


@pytest.mark.parametrize(
    "words",
    [
        {"command": ["nc", "-lk", "8080"]},
        {"args": ["--http-port=8080"]},
        {"args": ["-listen=:8080"]},
        {"args": ["TCP-LISTEN:8080,fork", "TCP:db:3306"]},
        {"command": ["sh", "-c", "java -Dserver.port=8080 -jar x.jar"]},
        {"command": ["python3", "-m", "http.server", "8080"]},
        {"env": [{"name": "SERVER_PORT", "value": "8080"}]},
    ],
)
def test_a_sidecar_told_to_listen_where_the_application_does(words: Raw) -> None:
    helper = {"name": "helper", "image": "registry.test/helper:1", **words}
    states = [{"ready": True, "state": {"running": {}}}, crashed(1)]
    found = matches(pod("api", containers=[container("main"), helper], states=states), node())
    assert best(found) == ("app/api", "service_sidecar_port_conflict")
    elsewhere = {"name": "helper", "image": "registry.test/helper:1", "env": [{"name": "DB_PORT", "value": "8080"}]}
    assert best(matches(pod("api", containers=[container("main"), elsewhere], states=states), node())) == ("", "")


def probed(kind: str, probe: Raw, message: str, *, code: int = 137, **more: Any) -> list[Raw]:
    running = {"running": {"startedAt": ago(1)}}
    ended = {"exitCode": code, "reason": "Error", "startedAt": ago(3), "finishedAt": ago(1)}
    state = {"ready": True, "restartCount": 3, "state": running, "lastState": {"terminated": ended}}
    if kind == "readiness":
        state = {"ready": False, "restartCount": 0, "state": running}
    sick = pod("api", containers=[container(**more) | {f"{kind}Probe": probe}], states=[state])
    return [sick, event(sick, "Unhealthy", f"{kind.title()} probe {message}", count=9), node()]


@pytest.mark.parametrize("kind", ["liveness", "readiness"])
@pytest.mark.parametrize(
    "message",
    [
        'failed: Get "https://10.1.1.1:8080/": http: server gave HTTP response to HTTPS client',
        'failed: Get "https://10.1.1.1:8080/": tls: first record does not look like a TLS handshake',
        'failed: Get "https://10.1.1.1:8080/": remote error: tls: unrecognized name',
        'failed: Get "http://10.1.1.1:8080/": EOF',
        "errored: rpc error: code = Unavailable desc = error reading server preface: http2: frame too large",
        "failed: error: this server does not implement the grpc health protocol (grpc.health.v1.Health)",
        "failed: HTTP probe failed with statuscode: 426",
        "failed: HTTP probe failed with statuscode: 401",
    ],
)
def test_a_probe_in_a_language_that_is_not_spoken(kind: str, message: str) -> None:
    probe = {"httpGet": {"port": 8080, "path": "/"}, "periodSeconds": 10}
    assert best(matches(*probed(kind, probe, message))) == ("app/api", f"{kind}_probe_incorrect_protocol")


def test_an_application_that_answers_that_it_is_unwell_is_asked_rightly() -> None:
    probe = {"httpGet": {"port": 8080, "path": "/"}, "periodSeconds": 10}
    said = "failed: HTTP probe failed with statuscode: 503"
    assert best(matches(*probed("readiness", probe, said))) == ("", "")


def test_ports_of_services_stand_for_those_that_a_container_does_not_declare() -> None:
    probe = {"tcpSocket": {"port": 9999}, "periodSeconds": 10}
    said = "failed: dial tcp 10.1.1.1:9999: connect: connection refused"
    cluster = probed("readiness", probe, said, ports=[])
    found = matches(*cluster, service("api", target=8080))
    assert best(found) == ("app/api", "readiness_probe_incorrect_port")
    right = probed("readiness", {"tcpSocket": {"port": 8080}}, said.replace("9999", "8080"), ports=[])
    assert best(matches(*right, service("api", target=8080))) == ("", "")


def test_a_process_that_ends_by_itself_is_not_killed_by_its_probe() -> None:
    strict = {"tcpSocket": {"port": 8080}, "initialDelaySeconds": 1, "periodSeconds": 1, "failureThreshold": 1}
    said = "failed: dial tcp 10.1.1.1:8080: connect: connection refused"
    by_itself, killed = (matches(*probed("liveness", strict, said, code=code))[0] for code in (2, 143))
    assert by_itself.confidence < 0.6 < killed.confidence
    told = probed("liveness", strict, said, code=2)
    ended = event(told[0], "Killing", "Container main failed liveness probe, will be restarted")
    assert matches(*told, ended)[0].confidence > 0.6


def test_less_patience_than_the_defaults_give_a_slow_start() -> None:
    hasty = {"tcpSocket": {"port": 8080}, "initialDelaySeconds": 10, "periodSeconds": 10, "failureThreshold": 1}
    said = "failed: dial tcp 10.1.1.1:8080: connect: connection refused"
    found = matches(*probed("liveness", hasty, said, code=143))
    assert (best(found), found[0].confidence > 0.7) == (("app/api", "liveness_probe_incorrect_timing"), True)


def test_what_ended_days_ago_is_no_news() -> None:
    old = {"exitCode": 137, "reason": "Error", "startedAt": ago(4000), "finishedAt": ago(3000)}
    away = {"ready": False, "restartCount": 2, "state": {"running": {"startedAt": ago(2999)}}}
    state = {**away, "lastState": {"terminated": old}}
    strict = {"tcpSocket": {"port": 8080}, "initialDelaySeconds": 1, "periodSeconds": 1, "failureThreshold": 1}
    sick = pod("api", containers=[container(livenessProbe=strict)], states=[state])
    assert best(matches(sick, node())) == ("", "")
    lately = {**state, "lastState": {"terminated": old | {"finishedAt": ago(9)}}}
    sick = pod("api", containers=[container(livenessProbe=strict)], states=[lately])
    assert best(matches(sick, node()))[1] in {"oom_killed", "liveness_probe_incorrect_timing"}

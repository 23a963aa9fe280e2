"""The pure mapping of Kubernetes API objects, on objects written as the API returns them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.kubernetes.changes import change_items, template_differences
from connectors.kubernetes.cluster import configmap_item, node_item, quota_item
from connectors.kubernetes.identity import service_of, service_of_name, workload_of
from connectors.kubernetes.logs import level_and_message, parse
from connectors.kubernetes.objects import (
    cronjob_item,
    daemonset_item,
    deployment_item,
    event_item,
    hpa_item,
    job_item,
    pod_item,
    rollout_state,
    statefulset_item,
)
from connectors.kubernetes.podspec import container_fields, spec_fields
from connectors.kubernetes.reading import quantity, stamp, stamp_text
from connectors.kubernetes.references import existing_in, reference_items
from connectors.kubernetes.services import service_item
from connectors.kubernetes.storage import claim_item, mismatches
from tests.connectors.kubernetes_data import NAMESPACE, NOW, ago, deployment, named, pod, replicaset, service

Object = dict[str, Any]


@pytest.mark.parametrize(
    ("text", "value"),
    [("250m", 0.25), ("1Gi", 1024.0**3), ("2", 2.0), ("1e3", 1000.0), ("100M", 1e8), ("15671348Ki", 15671348 * 1024.0)],
)
def test_quantities(text: str, value: float) -> None:
    assert quantity(text) == pytest.approx(value)


def test_quantities_that_are_none() -> None:
    assert [quantity(value) for value in ("", "x", "1Zi", None, True, "--1", "1..2")] == [None] * 7


def test_times_keep_their_moment() -> None:
    assert stamp_text("2026-01-10T08:48:10.123456789+02:00") == "2026-01-10T06:48:10.123456Z"
    assert stamp("yesterday") is None


def test_service_is_named_by_label_then_by_workload() -> None:
    assert service_of({"metadata": {"name": "x", "labels": {"app": "a", "app.kubernetes.io/name": "b"}}}) == "b"
    bare = pod("web", "abcde")
    bare["metadata"]["labels"] = {"pod-template-hash": "5d4c7b9f66"}
    assert (service_of(bare), workload_of(bare)) == ("web", ("Deployment", "web"))
    run = named("Pod", "nightly-29385720-abcde", owner=("Job", "nightly-29385720"))
    assert workload_of(run) == ("CronJob", "nightly")
    assert service_of_name("Pod", "cart-redis-6f89c99b76-jqhhw") == "cart-redis"
    assert service_of_name("Pod", "db-0") == "db"
    assert service_of_name("ReplicaSet", "web-6f89c99b76") == "web"


def test_container_spec_is_typed_and_secrets_are_masked() -> None:
    probe = {"httpGet": {"path": "/ok", "port": "http", "scheme": "HTTPS"}, "periodSeconds": 5, "timeoutSeconds": 1}
    raw: Object = {
        "name": "c",
        "image": "i:1",
        "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": probe,
        "env": [
            {"name": "DB_PASSWORD", "value": "hunter2"},
            {"name": "DB_URL", "value": "postgres://u:hunter2@db:5432/x"},
            {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        ],
    }
    found: Any = container_fields(raw)
    assert found["probes"]["readiness"]["port_number"] == 8080
    assert found["probes"]["readiness"]["scheme"] == "HTTPS"
    assert found["env"][0] == {"name": "DB_PASSWORD", "masked": True}
    assert found["env"][1]["value"] == "postgres://db:5432/x"
    assert found["env"][2] == {"name": "KEY", "from": "Secret", "ref": "s", "key": "k"}
    assert "hunter2" not in json.dumps(found)


def test_command_arguments_lose_their_secrets() -> None:
    found: Any = container_fields({"args": ["--password=hunter2", "--db-token", "hunter3", "--port=80"]})
    assert found["args"] == ["--password=[masked]", "--db-token", "[masked]", "--port=80"]


def test_placement_is_kept() -> None:
    required = "requiredDuringSchedulingIgnoredDuringExecution"
    term = {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]}
    anti = {"labelSelector": {"matchLabels": {"app": "web"}}, "topologyKey": "kubernetes.io/hostname"}
    found: Any = spec_fields(
        {
            "nodeSelector": {"zone": "a"},
            "dnsPolicy": "None",
            "dnsConfig": {"nameservers": ["10.1.1.1"]},
            "affinity": {
                "nodeAffinity": {required: {"nodeSelectorTerms": [term]}},
                "podAntiAffinity": {required: [anti]},
            },
            "tolerations": [{"key": "k", "effect": "NoSchedule"}],
            "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}],
        }
    )
    assert found["affinity"]["node_required"] == [[{"key": "disk", "operator": "In", "values": ["ssd"]}]]
    assert found["affinity"]["pod_anti_required"][0]["labels"] == {"app": "web"}
    assert found["dns_config"] == {"nameservers": ["10.1.1.1"]}
    assert found["volumes"] == [{"name": "v", "kind": "PersistentVolumeClaim", "ref": "data"}]


@pytest.mark.parametrize(
    ("change", "state"),
    [
        ({}, "complete"),
        ({"spec": {"paused": True}}, "paused"),
        ({"spec": {"replicas": 0}}, "scaled_to_zero"),
        ({"status": {"availableReplicas": 0}}, "unavailable"),
        ({"status": {"updatedReplicas": 1}}, "progressing"),
        ({"status": {"conditions": [{"type": "Progressing", "reason": "ProgressDeadlineExceeded"}]}}, "failed"),
    ],
)
def test_rollout_states(change: Object, state: str) -> None:
    made = deployment("web", "web:1")
    for part, fields in change.items():
        made[part] |= fields
    assert rollout_state(made) == state


def test_rollback_goes_live_when_its_set_was_scaled_up_again() -> None:
    old = replicaset("web", "aaaaaaaaa1", "web:1", revision=3, minutes=500)
    old["metadata"]["annotations"]["deployment.kubernetes.io/revision-history"] = "1"
    bad = replicaset("web", "bbbbbbbbb2", "web:2", revision=2, minutes=60)
    scaled = named("Event", "e") | {"message": "Scaled up replica set web-aaaaaaaaa1 to 2", "lastTimestamp": ago(5)}
    scaled["involvedObject"] = {"kind": "Deployment", "name": "web"}
    first, second = change_items([deployment("web", "web:1", revision=3)], [old, bad], events=[scaled])[:2]
    assert (first.version, stamp_text(first.at)) == ("web:1", ago(5))
    assert "rolled back" in first.what
    assert second.version == "web:2"


def test_restart_config_and_scale_are_told_apart() -> None:
    first = replicaset("web", "aaaaaaaaa1", "web:1", revision=1, minutes=500)
    restarted = replicaset("web", "bbbbbbbbb2", "web:1", revision=2, minutes=60)
    note = {"kubectl.kubernetes.io/restartedAt": ago(60)}
    restarted["spec"]["template"]["metadata"]["annotations"] = note
    tuned = replicaset("web", "ccccccccc3", "web:1", revision=3, minutes=30, env=[{"name": "POOL", "value": "1"}])
    tuned["spec"]["template"]["metadata"]["annotations"] = note
    scaled = named("Event", "e") | {"message": "Scaled down replica set web-ccccccccc3 to 0 from 2"}
    scaled |= {"involvedObject": {"kind": "Deployment", "name": "web"}, "lastTimestamp": ago(5)}
    sizes = named("Event", "h") | {"message": "New size: 6; reason: cpu above target", "lastTimestamp": ago(4)}
    sizes["involvedObject"] = {"kind": "HorizontalPodAutoscaler", "name": "web"}
    found = change_items([deployment("web", "web:1", revision=3)], [first, restarted, tuned], events=[scaled, sizes])
    assert [change.change for change in found] == ["scale", "scale", "config", "restart", "deployment"]
    assert found[1].what == "scaled down to 0 replicas from 2"
    assert found[2].what == "revision 3: env of web: POOL"


def test_an_edited_config_map_is_a_change_of_who_uses_it() -> None:
    web = deployment(
        "web", "web:1", env=[{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "conf", "key": "a"}}}]
    )
    edited = named("ConfigMap", "conf", managedFields=[{"manager": "kubectl-edit", "time": ago(7)}])
    unused = named("ConfigMap", "other", managedFields=[{"manager": "x", "time": ago(6)}])
    (change,) = change_items([web], [], config_maps=[edited, unused])
    assert (change.service, change.change, change.by, stamp_text(change.at)) == (
        "web",
        "config",
        "kubectl-edit",
        ago(7),
    )


def test_masked_values_still_count_as_a_difference() -> None:
    one = replicaset("web", "a", "web:1", revision=1, minutes=9, env=[{"name": "API_TOKEN", "value": "old"}])
    two = replicaset("web", "b", "web:1", revision=2, minutes=8, env=[{"name": "API_TOKEN", "value": "new"}])
    assert template_differences(one, two) == ["env of web: API_TOKEN"]


@pytest.mark.parametrize(
    ("port", "problem"),
    [
        ({"port": 80, "targetPort": "http"}, None),
        ({"port": 8080}, None),
        ({"port": 80, "targetPort": "grpc"}, "port_name_unknown"),
        ({"port": 80, "targetPort": 9}, "port_mismatch"),
        ({"port": 80, "targetPort": 8080, "protocol": "UDP"}, "protocol_mismatch"),
    ],
)
def test_ports_of_services(port: Object, problem: str | None) -> None:
    endpoints = {"metadata": {"name": "web", "namespace": NAMESPACE}, "subsets": [{"addresses": [{"ip": "10.0.0.1"}]}]}
    item = service_item(service("web", {"app": "web"}, port), [endpoints], [pod("web", "aaaaa")])
    assert item.fields.get("problem") == problem


def test_service_without_ready_pods_or_with_a_wrong_selector() -> None:
    sick = pod("web", "aaaaa", ready=False)
    assert service_item(service("web", {"app": "web"}, {"port": 8080}), [], [sick]).fields["problem"] == "no_ready_pods"
    lost = service_item(service("web", {"app": "wbe"}, {"port": 8080}), [], [sick])
    assert lost.fields["problem"] == "selector_matches_nothing"
    assert lost.fields["namesake_labels"] == {"app": "web", "pod-template-hash": "5d4c7b9f66"}
    pods_unknown = service_item(service("web", {"app": "web"}, {"port": 8080}), [], None)
    assert pods_unknown.fields["problem"] == "no_endpoints"
    unknown = service_item(service("web", {"app": "web"}, {"port": 8080}), None, None)
    assert {"problem", "endpoints_ready"} & set(unknown.fields) == set()


def test_what_cannot_be_read_is_not_called_missing() -> None:
    env = [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}, {"name": "B", "value": "db:5432"}]
    web = deployment("web", "web:1", env=env)
    assert reference_items(web, existing_in(NAMESPACE)) == []
    gone = reference_items(web, existing_in(NAMESPACE, secret_keys={"other": None}, services=[]))
    assert {item.name for item in gone} == {"web:Secret/s[k]", "web:ServiceAddress/db:5432"}
    there = existing_in(NAMESPACE, secret_keys={"s": {"other"}}, services=[service("db", {}, {"port": 5432})])
    assert [item.fields["missing_part"] for item in reference_items(web, there)] == ["key"]
    env[0]["valueFrom"]["secretKeyRef"]["optional"] = True  # type: ignore[index]
    assert reference_items(web, there) == []


def test_addresses_outside_the_namespace_are_left_alone() -> None:
    values = ["db.other.svc:5432", "https://api.example.com:443/x", "localhost:80", "12:30", "a b:1", "x.y.z.example:1"]
    web = deployment("web", "web:1", env=[{"name": f"V{i}", "value": v} for i, v in enumerate(values)])
    assert reference_items(web, existing_in(NAMESPACE, services=[])) == []


def test_why_a_volume_does_not_fit() -> None:
    claim = named("PersistentVolumeClaim", "data") | {
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
        "status": {"phase": "Pending"},
    }
    volume: Object = {
        "metadata": {"name": "pv"},
        "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"]},
    }
    assert mismatches(claim, volume) == []
    volume["spec"]["claimRef"] = {"namespace": NAMESPACE, "name": "other"}
    assert mismatches(claim, volume) == ["occupied"]
    claim["spec"]["selector"] = {"matchLabels": {"tier": "gold"}}
    assert claim_item(claim, [volume]).fields["candidates"] == [
        {"volume": "pv", "mismatches": ["selector", "occupied"]}
    ]


def test_events_of_the_new_api() -> None:
    made = named("Event", "e") | {
        "regarding": {"kind": "Pod", "name": "web-5d4c7b9f66-aaaaa"},
        "note": "boom",
        "eventTime": ago(9),
        "series": {"count": 4, "lastObservedTime": ago(1)},
    }
    fields = event_item(made, {("Pod", "web-5d4c7b9f66-aaaaa")}).fields
    assert (fields["message"], fields["count"], fields["vanished"]) == ("boom", 4, False)
    assert (fields["first_at"], fields["last_at"], fields["service"]) == (ago(9), ago(1), "web")


def test_quota_without_room_and_config_without_secrets() -> None:
    status = {
        "hard": {"requests.cpu": "1", "pods": "0", "memory": "2Gi"},
        "used": {"requests.cpu": "900m", "pods": "0"},
    }
    assert quota_item(named("ResourceQuota", "q") | {"status": status}).fields["exhausted"] == ["pods"]
    config = configmap_item(
        named("ConfigMap", "c") | {"data": {"host": "db", "api_token": "hunter2", "big": "x" * 999}}
    )
    assert (config.fields["keys"], config.fields["values"]) == (["api_token", "big", "host"], {"host": "db"})


def test_levels_of_lines() -> None:
    assert level_and_message("E0301 12:00:00.1 7 x.go:1] no") == ("error", "E0301 12:00:00.1 7 x.go:1] no")
    assert level_and_message('{"level":"WARN","msg":"slow","err":"late"}') == ("warn", "slow: late")
    assert level_and_message("2026 [ERROR] boom")[0] == "error"
    assert level_and_message("listen tcp :80: bind: address already in use")[0] == "error"
    assert level_and_message("hello")[0] is None
    (line,) = parse(f"{ago(1)} hello\n\n", service="web")
    assert (line.message, stamp_text(line.at)) == ("hello", ago(1))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["metadata", "spec", "status", "containers", "env", "name", "ports", "template", "conditions"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(
        st.sampled_from(["metadata", "spec", "status", "involvedObject", "data", "kind"]), _JSON, max_size=5
    )
)
def test_no_shape_breaks_the_mapping(obj: Object) -> None:
    makers = [
        lambda: pod_item(obj, NOW),
        lambda: node_item(obj, NOW, [obj]),
        lambda: deployment_item(obj, [obj]),
        lambda: statefulset_item(obj),
        lambda: daemonset_item(obj),
        lambda: job_item(obj),
        lambda: cronjob_item(obj),
        lambda: hpa_item(obj),
        lambda: event_item(obj, set()),
        lambda: claim_item(obj, [obj]),
        lambda: service_item(obj, [obj], [obj]),
        lambda: configmap_item(obj),
        lambda: quota_item(obj),
    ]
    for make in makers:
        json.dumps(make().model_dump(mode="json"))
    reference_items(obj, existing_in("", config_maps=[obj], services=[obj], claims=[obj], service_accounts=[obj]))
    change_items([obj], [obj], events=[obj], config_maps=[obj], nodes=[obj], others=[obj])

"""The library is right and complete; wrong files are refused with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.domain.evidence import Finding, FindingKind, Hypothesis
from bot.errors import InvalidConfiguration
from connectors.model import Tool
from connectors.registry import connector_class
from runbooks.loader import (
    LIBRARY,
    load_good,
    load_library,
    load_runbook,
    parse_runbook,
    runbook_path,
    search,
)
from runbooks.model import fill

GOOD = """---
title: Roll back
owner: reliability
version: "1"
reviewed: 2026-11-20
triggers: {causes: [bad_deployment]}
checks:
  - {source: kubernetes, tool: list_changes, arguments: {services: ["{service}"]}}
changes:
  - title: Roll back {service}
    source: kubernetes
    tool: rollback_workload
    arguments: {namespace: "{namespace}", name: "{workload}", to_revision: "{previous_revision}"}
---

Go back.
"""
CAUSES = """
containerd_unavailable cpu_capacity_mismatch db_connection_exhaustion db_read_only deployment_zero_replicas
gateway_misroute image_registry_dns_failure incorrect_image_reference kube_proxy_unavailable kube_scheduler_unavailable
kubelet_unavailable liveness_probe_incorrect_port liveness_probe_incorrect_protocol liveness_probe_incorrect_timing
memory_capacity_mismatch missing_image_pull_secret missing_secret_binding missing_service_account
mysql_invalid_credentials mysql_invalid_port namespace_cpu_quota_exceeded namespace_memory_quota_exceeded
namespace_pod_quota_exceeded namespace_service_quota_exceeded namespace_storage_quota_exceeded node_affinity_mismatch
node_cordon_mismatch node_network_delay node_network_packet_loss node_selector_mismatch oom_killed
pod_anti_affinity_conflict pod_cpu_overload pod_network_delay pv_binding_occupied pvc_access_mode_mismatch
pvc_capacity_mismatch pvc_selector_mismatch pvc_storage_class_mismatch readiness_probe_incorrect_port
readiness_probe_incorrect_protocol service_dns_resolution_failure service_env_var_address_mismatch
service_port_mapping_mismatch service_protocol_mismatch service_selector_mismatch service_sidecar_port_conflict
taint_toleration_mismatch volume_mount_permission_denied
bad_deployment config_change dependency_slow dependency_failing database_lock_contention database_slow_query
database_replication_lag traffic_surge cpu_saturation memory_leak disk_full network_delay network_loss
certificate_expired dns_failure queue_backlog cache_failure external_outage code_exception
""".split()


def tools() -> dict[str, dict[str, Tool]]:
    kinds = ("kubernetes", "prometheus", "postgresql")
    return {kind: {n: b.tool for n, b in connector_class(kind)._tools.items()} for kind in kinds}


def test_the_library_is_right() -> None:
    books = load_library(tools=tools())
    assert len(books) >= 25
    assert len({book.title for book in books}) == len(books)


def test_every_cause_has_a_runbook() -> None:
    covered = {cause for book in load_library() for cause in book.triggers.causes}
    assert [cause for cause in CAUSES if cause not in covered] == []


def test_undo_is_there_wherever_a_size_or_a_revision_changes() -> None:
    reversible = {"scale_workload", "set_autoscaler_bounds", "cordon_node", "uncordon_node", "pause_rollout"}
    lacking = [
        f"{book.id}: {change.title}"
        for book in load_library()
        for change in book.changes
        if change.tool in reversible and change.undo is None and book.id != "scale-up-from-zero"
    ]
    assert lacking == []


def broken(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new, 1)


WRONG = {
    "unknown tool": (broken("rollback_workload", "rm_rf"), 12, "has no tool 'rm_rf'"),
    "a read as change": (
        broken("tool: rollback_workload", "tool: list_pods"),
        12,
        "is a read; here stand changes only",
    ),
    "a write as check": (broken("tool: list_changes", "tool: delete_pod"), 8, "is a write; here stand reads only"),
    "unknown parameter": (broken("to_revision:", "force: true, to_revision:"), 13, "rollback_workload takes:"),
    "a bound parameter": (broken("to_revision:", "uid: x, to_revision:"), 13, "rollback_workload takes:"),
    "missing parameter": (broken('name: "{workload}", ', ""), 13, "also needs: name"),
    "out of bounds": (broken('"{previous_revision}"', "0"), 13, "greater than or equal to 1"),
    "unknown fact": (broken("{previous_revision}", "{secret}"), 13, "{secret} is not a fact"),
    "unknown key": (broken("owner:", "shell: rm\nowner:"), 3, "unknown key"),
    "no owner": (broken("owner: reliability\n", ""), 2, "owner: is required and missing"),
    "no trigger": (broken("{causes: [bad_deployment]}", "{}"), 6, "would never fit"),
    "unknown finding": (broken("causes: [bad_deployment]", "findings: [vibes]"), 6, "triggers.findings.0"),
    "a date that is none": (broken("2026-11-20", "soon"), 5, "reviewed"),
    "a tag": (broken("owner: reliability", "owner: !!python/object/apply:os.getcwd []"), 3, ""),
    "an alias": (broken("owner: reliability", "owner: &a reliability\nsquad: *a"), None, "aliases"),
    "a variable": (broken("owner: reliability", "owner: ${HOME}"), 3, "HOME"),
    "twice": (broken("owner: reliability", "owner: a\nowner: b"), 4, "twice"),
    "no prose": (broken("\nGo back.\n", ""), None, "no prose"),
    "its own id": (broken("owner:", "id: x\nowner:"), 3, "file's name is the id"),
}


@pytest.mark.parametrize("name", list(WRONG))
def test_what_is_wrong_is_told_with_file_and_line(name: str) -> None:
    text, line, words = WRONG[name]
    with pytest.raises(InvalidConfiguration) as caught:
        parse_runbook(text, Path("library/bad-book.md"), tools=tools())
    said = str(caught.value)
    assert "library/bad-book.md" in said
    assert words in said
    if line is not None:
        assert f"bad-book.md:{line}:" in said


@pytest.mark.parametrize("text", ["", "no front matter", "---\ntitle: x\n", "\n---\n---\nx", "---\n- a\n---\nx"])
def test_a_file_that_is_no_runbook_is_refused(text: str) -> None:
    with pytest.raises(InvalidConfiguration):
        parse_runbook(text, Path("bad-book.md"))


@pytest.mark.parametrize("name", ["../secrets", "a/b", "..", "a\x00b", "A", "", "x" * 10 + "/../../etc/passwd"])
def test_an_id_cannot_leave_the_folder(name: str) -> None:
    with pytest.raises(InvalidConfiguration):
        runbook_path(name)


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "library"
    folder.mkdir()
    (tmp_path / "outside.md").write_text(GOOD, encoding="utf-8")
    (folder / "inside.md").symlink_to(tmp_path / "outside.md")
    with pytest.raises(InvalidConfiguration, match="leads out"):
        load_runbook(folder / "inside.md", folder=folder)


def test_one_wrong_file_does_not_silence_the_rest(tmp_path: Path) -> None:
    (tmp_path / "good-book.md").write_text(GOOD, encoding="utf-8")
    (tmp_path / "bad-book.md").write_text("nothing", encoding="utf-8")
    books, wrong = load_good(tmp_path, tools=tools())
    assert [book.id for book in books] == ["good-book"]
    assert len(wrong) == 1


def test_a_large_file_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "large.md").write_text(GOOD + "x" * 200_000, encoding="utf-8")
    with pytest.raises(InvalidConfiguration, match="larger"):
        load_runbook(tmp_path / "large.md", folder=tmp_path)


def test_facts_keep_their_type_and_missing_ones_are_named() -> None:
    filled = fill({"to": "{revision}", "text": "to {revision}", "all": ["{service}"]}, {"revision": 4, "service": "a"})
    assert filled == {"to": 4, "text": "to 4", "all": ["a"]}
    with pytest.raises(KeyError):
        fill("{node}", {})


def hypothesis(cause: str, *kinds: FindingKind, name: str = "payment-service") -> Hypothesis:
    supporting = tuple(
        Finding(id=kind.value, kind=kind, component=f"app/{name}", statement="x", evidence=("ev_1",)) for kind in kinds
    )
    return Hypothesis(component=f"app/{name}", cause=cause, confidence=0.9, statement="x", supporting=supporting)


def test_the_cause_chooses_the_runbook() -> None:
    books = {book.id: book for book in load_library()}
    one = hypothesis("bad_deployment", FindingKind.CHANGE_BEFORE_ONSET)
    assert books["roll-back-release"].fit(one) > 2.0
    assert books["raise-capacity-for-surge"].fit(one) == 0.0
    scaler = books["raise-autoscaler-bounds"]
    assert scaler.fit(hypothesis("traffic_surge")) == 0.0, "without an autoscaler it does not fit"
    assert scaler.fit(hypothesis("traffic_surge"), {"autoscaler": "web"}) > 0.0


def test_search_finds_by_all_words() -> None:
    books = load_library()
    assert search(books, "lock")[0].id == "end-blocking-session"
    assert search(books, "roll back release")[0].id == "roll-back-release"
    assert search(books, "zebra") == []
    assert search(books, "") == []


def test_the_readme_of_a_folder_is_no_runbook() -> None:
    assert all(path.parent == LIBRARY for path in LIBRARY.glob("*.md"))

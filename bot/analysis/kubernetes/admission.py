"""Pods, Services and claims that the API refused to make: quotas and missing accounts."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bot.analysis.kubernetes.addresses import addresses_of
from bot.analysis.kubernetes.cluster import Cluster, Thing, template_containers
from bot.analysis.kubernetes.match import Match
from bot.analysis.kubernetes.scheduling import scheduler_message
from bot.domain.evidence import FindingKind
from connectors.kubernetes.reading import labels_of, mapping, objects, selects, text

_K = FindingKind
_EXCEEDED = re.compile(
    r"exceeded quota: (?P<quota>[^,]+), requested: (?P<asked>\S+?),? used: (?P<used>\S+?),? limited: (?P<limit>[^\s:]+)"
)
_MUST = re.compile(r"failed quota: (?P<quota>[^:]+): must specify (?P<asked>[\w.,-]+)")
_ACCOUNT = re.compile(r'service ?accounts? "?(?P<name>[^"\s]+?)"? (?:was )?not found', re.I)
_CLAIM_MISSING = re.compile(r'persistentvolumeclaims? "(?P<name>[^"]+)" not found', re.I)


def resource_cause(resource: str) -> str | None:
    """Which quota cause a limited resource stands for; the names are those of the Kubernetes API.

    https://kubernetes.io/docs/concepts/policy/resource-quotas/
    """
    short = resource.removeprefix("requests.").removeprefix("limits.").removeprefix("count/")
    if short in {"cpu", "memory"}:
        return f"namespace_{short}_quota_exceeded"
    if short == "pods":
        return "namespace_pod_quota_exceeded"
    if short == "services" or short.startswith("services."):
        return "namespace_service_quota_exceeded"
    if short == "storage" or short.startswith("persistentvolumeclaims") or "storageclass.storage.k8s.io" in short:
        return "namespace_storage_quota_exceeded"
    return None


def refusals(cluster: Cluster, workload: Thing) -> Iterator[tuple[str, str]]:
    """Why the API does not let a workload have its pods now: messages with their evidence, newest first."""
    for condition in workload.parts("conditions"):
        if text(condition, "type") == "ReplicaFailure" and text(condition, "status") == "True":
            yield text(condition, "message") or "", workload.evidence
    for event in cluster.replicaset_events(workload, "FailedCreate"):
        yield event.said("message"), event.evidence


def quota_refuses_pods(cluster: Cluster) -> Iterator[Match]:
    """A workload is short of pods and the API says which quota is full."""
    for workload in cluster.stuck:
        for message, evidence in refusals(cluster, workload):
            found = _EXCEEDED.search(message) or _MUST.search(message)
            if found:
                yield from _quota_matches(workload, message, evidence, found)
                break


def _quota_matches(workload: Thing, message: str, evidence: str, found: re.Match[str]) -> Iterator[Match]:
    namespace = workload.item.namespace or "default"
    for resource in dict.fromkeys(part.partition("=")[0] for part in found["asked"].split(",")):
        cause = resource_cause(resource)
        if cause is None:
            continue
        parts = found.groupdict()
        text_ = f"quota {found['quota'].strip()} of namespace {namespace} refuses pods of {workload.name}"
        if "limit" in parts:
            text_ += f": asked {parts['asked']}, used {parts['used']}, limited to {parts['limit']}"
        yield Match(
            f"namespace/{namespace}", cause, 0.95 if "limit" in parts else 0.75, _K.QUOTA_EXCEEDED, text_,
            f"Pods of {workload.name} are made while the quota stays as it is.", (evidence,),
            {"object": found["quota"].strip(), "namespace": namespace, "deployment": workload.name,
             "resource": resource, "message": message[:300]},
        )  # fmt: skip


def quota_keeps_service_away(cluster: Cluster) -> Iterator[Match]:
    """The count of Services is used up, and a workload that listens has no Service while others have."""
    for quota in cluster.of("ResourceQuota"):
        resource = next((r for r in _full(quota) if resource_cause(r) == "namespace_service_quota_exceeded"), None)
        if resource is None:
            continue
        namespace = quota.item.namespace or "default"
        lonely = [w for w in _listening(cluster, namespace) if not _served(cluster, w)]
        wanted = [w for w in lonely if _expected(cluster, w)]
        hard = mapping(quota.fields, "hard").get(resource)
        known = ", ".join(sorted(w.name for w in lonely)[:3])
        text_ = f"quota {quota.name} of namespace {namespace} allows {hard} Services and all are used"
        text_ += f"; {known} listens and has no Service" if known else ""
        yield Match(
            f"namespace/{namespace}", "namespace_service_quota_exceeded", 0.93 if wanted else 0.7 if lonely else 0.25,
            _K.QUOTA_EXCEEDED, text_, "Every application has its Service, or a further one can be made.",
            (quota.evidence, *(w.evidence for w in lonely)),
            {"object": quota.name, "namespace": namespace, "resource": resource, "hard": hard},
        )  # fmt: skip


def _full(quota: Thing) -> list[str]:
    exhausted = quota.fields.get("exhausted")
    return [str(name) for name in exhausted] if isinstance(exhausted, list) else []


def _listening(cluster: Cluster, namespace: str) -> list[Thing]:
    near = [w for w in cluster.workloads if (w.item.namespace or "default") == namespace]
    return [w for w in near if any(objects(c, "ports") for c in template_containers(w))]


def _expected(cluster: Cluster, workload: Thing) -> bool:
    """Whether somebody calls it: known from calls, from addresses in the environment, or from a probe of it."""
    if cluster.graph.callers.get(workload.app):
        return True
    if any(t.said("service") in {workload.name, workload.app} for t in cluster.of("Reachability")):
        return True
    hosts = (a.host.partition(".")[0] for w in cluster.workloads if w is not workload for a in addresses_of(cluster, w))
    return any(host in {workload.name, workload.app} for host in hosts)


def _served(cluster: Cluster, workload: Thing) -> bool:
    labels = labels_of(workload.fields, "template", "labels")
    if workload.name in cluster.services or workload.app in cluster.services:
        return True
    return any(selects(labels_of(s.fields, "selector"), labels) for s in cluster.services.values())


def quota_keeps_claim_away(cluster: Cluster) -> Iterator[Match]:
    """A pod waits for a claim that does not exist, in a namespace whose storage is limited by a quota."""
    for pod in cluster.pods:
        missing = _CLAIM_MISSING.search(scheduler_message(cluster, pod))
        for quota in cluster.of("ResourceQuota") if missing else ():
            limits = {r: v for r, v in mapping(quota.fields, "hard").items() if _is_storage(r)}
            if not limits or quota.item.namespace != pod.item.namespace or missing is None:
                continue
            namespace = pod.item.namespace or "default"
            shown = ", ".join(f"{r} {v}" for r, v in limits.items())
            yield Match(
                f"namespace/{namespace}", "namespace_storage_quota_exceeded", 0.9, _K.QUOTA_EXCEEDED,
                f"claim {missing['name']} of {pod.app} was never made, and quota {quota.name} limits {shown}",
                "The claim asks for less than the quota leaves, or nobody tried to make it.",
                (quota.evidence, pod.evidence),
                {"object": quota.name, "namespace": namespace, "claim": missing["name"], "pod": pod.name},
            )  # fmt: skip


def _is_storage(resource: str) -> bool:
    return resource_cause(resource) == "namespace_storage_quota_exceeded"


def account_missing(cluster: Cluster) -> Iterator[Match]:
    """A workload is short of pods because its ServiceAccount is not there."""
    for workload in cluster.stuck:
        # The newest refusal counts: an account made late leaves older ones behind.
        message, evidence = next(iter(refusals(cluster, workload)), ("", ""))
        found = _ACCOUNT.search(message)
        if found and workload.count("updated") < workload.count("desired"):
            yield _account(workload, found["name"], evidence)
    for reference in cluster.of("ConfigReference"):
        owner = cluster.workload_of(reference.app)
        if reference.said("kind") == "ServiceAccount" and owner is not None and owner in cluster.stuck:
            yield _account(owner, reference.said("ref"), reference.evidence)


def _account(workload: Thing, name: str, evidence: str) -> Match:
    return Match(
        workload.component, "missing_service_account", 0.95, _K.CONFIG_REFERENCE_MISSING,
        f"pods of {workload.name} cannot be made: ServiceAccount {name} does not exist",
        f"ServiceAccount {name} exists in the namespace.", (evidence,),
        {"object": workload.name, "namespace": workload.item.namespace, "ref": name, "service": workload.app},
    )  # fmt: skip


SIGNATURES = (quota_refuses_pods, quota_keeps_service_away, quota_keeps_claim_away, account_missing)

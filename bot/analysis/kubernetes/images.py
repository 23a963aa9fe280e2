"""Images that do not come: the registry's name, the image's name, or the right to read it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bot.analysis.kubernetes.cluster import Cluster, Thing
from bot.analysis.kubernetes.match import Match
from bot.domain.evidence import FindingKind
from connectors.kubernetes.reading import text
from connectors.model import JsonObject

_K = FindingKind
_WAITING = frozenset(
    {"ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"}
)
_NAME = re.compile(
    r"no such host|server misbehaving|name resolution|lookup \S+( on \S+)?: (?!.*refused)|Name or service not known|"
    r"lookup \S+ on \S+:53: .*refused|could not resolve host|unknown host|name does not resolve|no address associated",
    re.I,
)
_RIGHT = re.compile(
    r"failed to authorize|unauthori[sz]ed|not authori[sz]ed|\b401\b|\b403\b|forbidden|no basic auth|"
    r"authentication (?:is )?required|requires? authentication|(?:invalid|incorrect) username(?:/| or )password|"
    r"unauthenticated|authorization failed|access (?:to the resource )?(?:is )?denied|insufficient_scope|"
    r"\bdenied: (?!requested access to the resource is denied)|permission \S+ denied",
    re.I,
)
_ABSENT = re.compile(
    r"not found|NotFound|manifest unknown|manifest for \S+ not|name unknown|repository (?:name )?does not exist|"
    r"invalid reference format|couldn't parse image|no matching manifest|no match for platform|tag \S* ?does not exist|"
    r"no such image|unknown (?:tag|blob)|\b404\b|repository name must be|is not present with pull policy",
    re.I,
)
_MIRROR = re.compile(r"[?&]ns=")
_OFFICIAL = re.compile(r"docker\.io/library/")
_HUB_UNSURE = re.compile(
    r"repository does not exist or may require|pull access denied|requested access to the resource is denied|"
    r"denied on resource .{0,80}\(or it may not exist\)",
    re.I,
)
_NOT_ITS_FAULT = re.compile(r"toomanyrequests|\b429\b|rate limit|x509:|no space left|HTTP response to HTTPS", re.I)
"""Limits of the registry, its certificate, a full disk: neither the image's name nor a missing right."""
_OF_CAUSE = {
    "image_registry_dns_failure": ("the registry's name does not resolve", "The registry's name resolves on the node."),
    "incorrect_image_reference": ("the registry has no such image or tag", "The registry lists this image and tag."),
    "missing_image_pull_secret": (
        "the registry refuses it without valid credentials",
        "The image can be pulled with the pull secrets of the pod.",
    ),
}


def image_does_not_come(cluster: Cluster) -> Iterator[Match]:
    """A container waits for its image; the kubelet's last message tells which of three things is wrong."""
    for pod in cluster.pods:
        for container in pod.parts("containers"):
            if (text(container, "reason") or "") not in _WAITING:
                continue
            message, evidence = _message(cluster, pod, container)
            lacks_secret = _lacks_secret(cluster, pod)
            for cause, confidence in judge(message, lacks_secret=lacks_secret):
                yield _match(pod, container, cause, confidence, (pod.evidence, evidence))


def judge(message: str, *, lacks_secret: bool = False) -> list[tuple[str, float]]:
    """Causes with confidence for what a runtime says about a failed pull.

    Docker Hub answers the same to a missing repository and to a missing right, so both are kept there.
    """
    if _NOT_ITS_FAULT.search(message):
        return []
    if _HUB_UNSURE.search(message):
        right = 0.85 if lacks_secret else 0.5
        return [("incorrect_image_reference", 1.35 - right - 0.3 * lacks_secret), ("missing_image_pull_secret", right)]
    if _NAME.search(message):
        return [("image_registry_dns_failure", 0.95)]
    if _RIGHT.search(message) and _MIRROR.search(message) and not lacks_secret:
        # A mirror refuses what it does not carry; official images are public, so a right is not what they lack.
        public = bool(_OFFICIAL.search(message))
        return [("incorrect_image_reference", 0.85 if public else 0.6), ("missing_image_pull_secret", 0.4)]
    if _RIGHT.search(message):
        return [("missing_image_pull_secret", 0.95)]
    if _ABSENT.search(message) or "InvalidImageName" in message:
        return [("incorrect_image_reference", 0.95)]
    if lacks_secret:
        return [("missing_image_pull_secret", 0.8)]
    return [("incorrect_image_reference", 0.45), ("missing_image_pull_secret", 0.3)]


def _message(cluster: Cluster, pod: Thing, container: JsonObject) -> tuple[str, str]:
    """The most telling message: the container's own, or an event of this pod that names its image."""
    own = f"{text(container, 'reason')}: {text(container, 'message') or ''}"
    if "Back-off" not in own and len(own) > 60:
        return own, pod.evidence
    image = text(container, "image") or ""
    events = cluster.events_of("Pod", pod.name, "Failed", "InspectFailed", "ErrImagePull")
    telling = [e for e in events if "pull" in e.said("message").lower() and image in e.said("message")]
    return (telling[0].said("message"), telling[0].evidence) if telling else (own, pod.evidence)


def _lacks_secret(cluster: Cluster, pod: Thing) -> bool:
    if cluster.events_of("Pod", pod.name, "FailedToRetrieveImagePullSecret"):
        return True
    missing = (r for r in cluster.of("ConfigReference") if r.app == pod.app)
    return any(r.said("where") == "imagePullSecrets" for r in missing)


def _match(pod: Thing, container: JsonObject, cause: str, confidence: float, evidence: tuple[str, ...]) -> Match:
    image = text(container, "image") or "its image"
    words, disproof = _OF_CAUSE[cause]
    return Match(
        pod.component, cause, confidence, _K.IMAGE_PULL_FAILED,
        f"{pod.name} cannot pull {image}: {words}", disproof, evidence,
        {"object": pod.app, "pod": pod.name, "image": image, "namespace": pod.item.namespace, "service": pod.app,
         "container": text(container, "name")},
    )  # fmt: skip


SIGNATURES = (image_does_not_come,)

"""Signatures of broken clusters: 49 causes, each a small pure function over typed objects, logs and measures."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bot.analysis.facts import Facts
from bot.analysis.kubernetes import (
    addresses,
    admission,
    databases,
    gateways,
    images,
    nodes,
    performance,
    probes,
    routing,
    scheduling,
    startup,
)
from bot.analysis.kubernetes.cluster import cluster_of
from bot.analysis.kubernetes.match import Match, Signature, strongest
from bot.domain.evidence import Finding, Hypothesis
from connectors.model import Item

__all__ = ["SIGNATURES", "kubernetes_findings", "kubernetes_hypotheses", "kubernetes_matches"]

SIGNATURES: tuple[Signature, ...] = (
    *admission.SIGNATURES,
    *scheduling.SIGNATURES,
    *images.SIGNATURES,
    *startup.SIGNATURES,
    *probes.SIGNATURES,
    *routing.SIGNATURES,
    *addresses.SIGNATURES,
    *gateways.SIGNATURES,
    *databases.SIGNATURES,
    *nodes.SIGNATURES,
    *performance.SIGNATURES,
)


def kubernetes_matches(items: Sequence[tuple[Item, str]], *, now: datetime, facts: Facts | None = None) -> list[Match]:
    """Every signature that fits, best first. Each item comes with its evidence id."""
    cluster = cluster_of(items, now=now, facts=facts)
    return strongest(match for signature in SIGNATURES for match in signature(cluster))


def kubernetes_findings(
    items: Sequence[tuple[Item, str]], *, now: datetime, facts: Facts | None = None
) -> list[Finding]:
    return [match.finding() for match in kubernetes_matches(items, now=now, facts=facts)]


def kubernetes_hypotheses(
    items: Sequence[tuple[Item, str]], *, now: datetime, facts: Facts | None = None
) -> list[Hypothesis]:
    return [match.hypothesis() for match in kubernetes_matches(items, now=now, facts=facts)]

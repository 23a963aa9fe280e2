"""What correlation expects of the Kubernetes signatures, which are a part of their own."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import cast

from bot.analysis.facts import Facts
from bot.domain.evidence import Finding, Hypothesis
from connectors.model import Item

KubernetesFindings = Callable[..., list[Finding]]
"""`(items: Sequence[tuple[Item, str]], *, now, facts: Facts | None) -> list[Finding]`; items with evidence ids."""

KubernetesHypotheses = Callable[..., list[Hypothesis]]
"""The same, `-> list[Hypothesis]`; confidence is the signature's own. Facts give logs, series and calls."""


def kubernetes_findings(
    items: Sequence[tuple[Item, str]], *, now: datetime, facts: Facts | None = None
) -> list[Finding] | None:
    """Findings of the signatures; None while that part is not installed."""
    made = _part("kubernetes_findings")
    return cast(KubernetesFindings, made)(items, now=now, facts=facts) if made else None


def kubernetes_hypotheses(
    items: Sequence[tuple[Item, str]], *, now: datetime, facts: Facts | None = None
) -> list[Hypothesis]:
    """Hypotheses of the signatures; none while that part is not installed."""
    made = _part("kubernetes_hypotheses")
    return cast(KubernetesHypotheses, made)(items, now=now, facts=facts) if made else []


def _part(name: str) -> object | None:
    try:
        module = importlib.import_module("bot.analysis.kubernetes")
    except ModuleNotFoundError:
        return None
    found: object | None = getattr(module, name, None)
    return found

"""Which metric queries tell the health of services, and their answers as canonical series. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from connectors.datadog.api import Plot
from connectors.model import Series

# Operations that serve requests, as tracers name them; clients, queries and caches are left out.
SERVING = (
    "http.server.request",
    "web.request",
    "servlet.request",
    "grpc.server",
    "grpc.server.request",
    "express.request",
    "fastapi.request",
    "flask.request",
    "django.request",
    "starlette.request",
    "aiohttp.request",
    "rack.request",
    "rails.request",
    "aspnet.request",
    "aspnet_core.request",
    "netty.request",
    "spring.handler",
    "akka-http.request",
    "gin.request",
    "http.request",
    "server.request",
)
_HITS = re.compile(r"^trace\.(.+)\.hits$")
_MOST_OPERATIONS = 6


class Wish(NamedTuple):
    """One query and what its answer means."""

    query: str
    metric: str
    unit: str
    factor: float = 1.0
    operation: str | None = None


def operations(names: Sequence[str]) -> list[str]:
    """Serving operations among the names of metrics, usual ones first."""
    found = [match[1] for name in names if (match := _HITS.match(name))]
    serving = [one for one in found if one in SERVING or one.endswith((".server", ".server.request"))]
    order = {name: place for place, name in enumerate(SERVING)}
    return sorted(set(serving), key=lambda one: (order.get(one, len(order)), one))[:_MOST_OPERATIONS]


def request_wishes(found: Sequence[str], scope: str) -> list[Wish]:
    """Rate, errors and latency of each serving operation, per service."""
    wishes = []
    for one in found:
        hits, errors = f"sum:trace.{one}.hits{scope} by {{service}}", f"sum:trace.{one}.errors{scope} by {{service}}"
        wishes += [
            Wish(f"{hits}.as_rate()", "request_rate", "1/s", operation=one),
            Wish(f"{errors}.as_rate()", "error_rate", "1/s", operation=one),
            *(
                Wish(f"p{rank}:trace.{one}{scope} by {{service}}", f"latency_p{rank}", "s", operation=one)
                for rank in (50, 95, 99)
            ),
        ]
    return wishes


def use_wishes(scope: str) -> list[Wish]:
    """Resources of each service's containers."""
    by = f"{scope} by {{service}}"
    return [
        Wish(f"sum:container.cpu.usage{by}", "cpu_usage", "cores", 1e-9),
        Wish(f"sum:container.memory.usage{by}", "memory_usage", "bytes"),
        Wish(f"sum:container.memory.limit{by}", "_memory_limit", "bytes"),
        Wish(f"sum:kubernetes.containers.restarts{by}", "restarts", "count"),
    ]


def canonical(wishes: Sequence[Wish], plots: Sequence[Plot], *, step_s: float) -> list[Series]:
    """Series under their canonical names: of several serving operations of a service its busiest, and ratios."""
    busiest = _busiest(wishes, plots)
    found: dict[tuple[str, str], Series] = {}
    for plot in plots:
        wish = wishes[plot.query] if plot.query < len(wishes) else None
        service = plot.tags.get("service")
        if wish is None or service is None or (wish.operation and busiest.get(service) != wish.operation):
            continue
        labels = {"service": service} | ({"operation": wish.operation} if wish.operation else {})
        points = tuple((at, None if v is None else v * wish.factor) for at, v in plot.points)
        found[service, wish.metric] = Series(
            labels=labels, service=service, metric=wish.metric, unit=wish.unit, step_s=step_s, points=points
        )
    for service in sorted({service for service, _ in found}):
        _fill_errors(found, service)
        _ratio(found, service, "error_rate", "request_rate", "error_ratio")
        _ratio(found, service, "memory_usage", "_memory_limit", "memory_ratio")
    return [series for (_, metric), series in sorted(found.items()) if not metric.startswith("_")]


def _busiest(wishes: Sequence[Wish], plots: Sequence[Plot]) -> Mapping[str, str]:
    """The serving operation with most requests of each service."""
    totals: dict[str, dict[str, float]] = {}
    for plot in plots:
        wish = wishes[plot.query] if plot.query < len(wishes) else None
        service = plot.tags.get("service")
        if wish is None or wish.metric != "request_rate" or wish.operation is None or service is None:
            continue
        by_operation = totals.setdefault(service, {})
        by_operation[wish.operation] = by_operation.get(wish.operation, 0) + sum(v or 0 for _, v in plot.points)
    return {service: max(by, key=lambda one: by[one]) for service, by in totals.items()}


def _fill_errors(found: dict[tuple[str, str], Series], service: str) -> None:
    """Where requests were counted and errors were not, there were none: Datadog sends no zero counts."""
    rate = found.get((service, "request_rate"))
    if rate is None:
        return
    errors = found.get((service, "error_rate"))
    known = dict(errors.points) if errors else {}
    points = tuple((at, None if v is None else known.get(at) or 0.0) for at, v in rate.points)
    found[service, "error_rate"] = rate.model_copy(update={"metric": "error_rate", "points": points})


def _ratio(found: dict[tuple[str, str], Series], service: str, over: str, under: str, name: str) -> None:
    top, bottom = found.get((service, over)), found.get((service, under))
    if top is None or bottom is None:
        return
    values = dict(bottom.points)
    points = tuple((at, v / below if v is not None and (below := values.get(at)) else None) for at, v in top.points)
    found[service, name] = top.model_copy(update={"metric": name, "unit": "ratio", "points": points})

"""The sentences that the shop's services log, with a level and a usual frequency each."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bot.demo.world.plan import Plan, url_variable
from bot.demo.world.topology import POOL_PER_POD, SERVICES

Words = Callable[[random.Random], str]


@dataclass(frozen=True)
class Line:
    """One template: `say` fills it in; `weight` is its share among its service's lines."""

    level: str
    weight: float
    say: Words


def _order(dice: random.Random) -> str:
    return f"ord-{dice.randint(100000, 999999)}"


def _sku(dice: random.Random) -> str:
    return f"sku-{dice.randint(1000, 9999)}"


COMMON: tuple[Line, ...] = (
    Line("INFO", 0.20, lambda d: f"request completed in {d.randint(2, 90)} ms"),
    Line("DEBUG", 0.05, lambda d: f"connection {d.randint(1, 900)} reused after {d.randint(1, 60)} s idle"),
    Line("INFO", 0.02, lambda d: f"metrics flushed, {d.randint(200, 900)} points"),
    Line("INFO", 0.02, lambda d: f"config reloaded, {d.randint(0, 3)} keys changed"),
)

USUAL: Mapping[str, tuple[Line, ...]] = {
    "frontend": (
        Line("INFO", 0.4, lambda d: f"rendered page / in {d.randint(8, 60)} ms"),
        Line("INFO", 0.3, lambda d: f"rendered page /product/{d.randint(1, 4000)} in {d.randint(8, 70)} ms"),
        Line("WARN", 0.01, lambda d: f"client closed connection after {d.randint(20, 900)} ms"),
    ),
    "checkout-api": (
        Line("INFO", 0.5, lambda d: f"checkout {_order(d)} accepted, {d.randint(1, 9)} items"),
        Line("INFO", 0.2, lambda d: f"quote for {_order(d)} refreshed"),
        Line("WARN", 0.01, lambda d: f"idempotency key seen twice for {_order(d)}"),
    ),
    "payment-service": (
        Line("INFO", 0.5, lambda d: f"charge for {_order(d)} captured, amount {d.randint(500, 90000)} cents"),
        Line("INFO", 0.1, lambda d: f"refund for {_order(d)} booked"),
        Line("WARN", 0.012, lambda d: f"card issuer asked for a second factor, {_order(d)}"),
        Line("DEBUG", 0.1, lambda d: f"pool stats: active={d.randint(1, 4)} max={POOL_PER_POD}"),
    ),
    "cart-service": (
        Line("INFO", 0.5, lambda d: f"cart of user {d.randint(1, 90000)} read, {d.randint(0, 12)} lines"),
        Line("INFO", 0.2, lambda d: f"item {_sku(d)} added to cart"),
        Line("WARN", 0.01, lambda d: f"cache miss ratio {d.uniform(0.05, 0.2):.2f} above 0.05"),
    ),
    "inventory-service": (
        Line("INFO", 0.5, lambda d: f"stock of {_sku(d)} is {d.randint(0, 500)}"),
        Line("INFO", 0.1, lambda d: f"reservation for {_order(d)} held {d.randint(5, 15)} minutes"),
        Line("WARN", 0.01, lambda d: f"stock of {_sku(d)} below reorder point"),
    ),
    "user-service": (
        Line("INFO", 0.5, lambda d: f"session opened for user {d.randint(1, 90000)}"),
        Line("INFO", 0.2, lambda d: f"profile of user {d.randint(1, 90000)} read"),
        Line("WARN", 0.02, lambda d: f"wrong password for user {d.randint(1, 90000)}"),
    ),
    "shipping-service": (
        Line("INFO", 0.5, lambda d: f"quote for zone {d.randint(1, 9)} computed in {d.randint(3, 40)} ms"),
        Line("INFO", 0.1, lambda d: f"shipment {d.randint(10000, 99999)} handed to carrier"),
        Line("WARN", 0.01, lambda d: f"carrier answered late, used cached price for zone {d.randint(1, 9)}"),
    ),
    "notification-worker": (
        Line("INFO", 0.6, lambda d: f"message {d.randint(100000, 999999)} delivered by mail"),
        Line("INFO", 0.1, lambda d: f"batch of {d.randint(5, 40)} messages taken"),
        Line("WARN", 0.02, lambda d: f"mailbox full, retry {d.randint(1, 3)} of 3"),
    ),
}

ORDINARY_ERRORS: Mapping[str, Words] = {
    "frontend": lambda d: f"could not render /product/{d.randint(1, 4000)}: template data missing",
    "checkout-api": lambda d: (
        f"could not parse body of checkout request: unexpected end of input at {d.randint(1, 400)}"
    ),
    "payment-service": lambda d: f"card issuer unreachable for {_order(d)}, attempt {d.randint(1, 3)}",
    "cart-service": lambda d: f"cart of user {d.randint(1, 90000)} changed meanwhile, version {d.randint(1, 40)}",
    "inventory-service": lambda d: f"unknown sku {_sku(d)} in reservation",
    "user-service": lambda d: f"session store answered late for user {d.randint(1, 90000)}",
    "shipping-service": lambda d: f"no tariff for zone {d.randint(10, 99)}",
    "notification-worker": lambda d: f"mail server refused recipient of message {d.randint(100000, 999999)}",
}
"""What a service logs for the few requests that fail on any day."""


def warm_up(dice: random.Random) -> str:
    """What the service with the harmless blip logs meanwhile."""
    return f"cache warm-up of {dice.randint(200, 900)} entries took {dice.randint(2, 9)} s"


def started(service: str, version: str) -> str:
    """The first line of a new process."""
    return f"starting {service} version {version}, listening on :{SERVICES[service].port}"


def failures(plan: Plan, service: str) -> tuple[Line, ...]:
    """What `service` logs for each request that fails because of the trouble."""
    if service == plan.target and plan.fault in _TARGET:
        return _TARGET[plan.fault](plan)
    if plan.fault == "traffic_surge" and service == plan.dependency:
        return _TARGET["overloaded"](plan)
    return _caller(plan, service)


def slowness(plan: Plan, service: str) -> tuple[Line, ...]:
    """What `service` logs for a share of its requests that are slow because of the trouble."""
    if service != plan.target or plan.fault not in _SLOW:
        return ()
    return _SLOW[plan.fault](plan)


def _pool_lines(_plan: Plan) -> tuple[Line, ...]:
    return (
        Line("ERROR", 3, lambda d: f"could not charge {_order(d)}: connection timeout after 5000ms"),
        Line(
            "ERROR",
            1,
            lambda d: (
                "connection pool payment_db exhausted: "
                f"active={POOL_PER_POD} idle=0 max={POOL_PER_POD} waiting={d.randint(8, 40)}"
            ),
        ),
    )


def _lock_lines(_plan: Plan) -> tuple[Line, ...]:
    return (
        Line(
            "ERROR",
            3,
            lambda d: (
                "canceling statement due to lock timeout while updating tuple "
                f'({d.randint(0, 90)},{d.randint(1, 60)}) in relation "payments"'
            ),
        ),
        Line("ERROR", 1, lambda d: f"could not capture {_order(d)}: transaction rolled back"),
    )


def _leak_lines(plan: Plan) -> tuple[Line, ...]:
    return (Line("ERROR", 1, lambda d: f"request dropped, {plan.target} shutting down, {d.randint(1, 30)} in flight"),)


def _slow_lines(plan: Plan) -> tuple[Line, ...]:
    return (Line("ERROR", 1, lambda d: f"worker queue full, request refused after {d.randint(800, 2000)} ms"),)


def _overload_lines(_plan: Plan) -> tuple[Line, ...]:
    return (
        Line("ERROR", 1, lambda d: f"too many requests in flight: {d.randint(257, 400)}, limit 256, request refused"),
    )


def _config_lines(plan: Plan) -> tuple[Line, ...]:
    release = plan.bad_release
    assert release is not None
    url = release.environment[url_variable(plan.dependency)]
    host, _, port = url.removeprefix("http://").partition(":")
    why = f"lookup {host} on 10.96.0.10:53: no such host"
    if port == "8081":
        why = f"10.96.14.{len(host)}:{port}: connect: connection refused"
    path = SERVICES[plan.dependency].routes[0][1].split("{")[0]
    return (
        Line("ERROR", 3, lambda d: f'request {d.randint(10000, 99999)} failed: Get "{url}{path}": dial tcp: {why}'),
        Line("WARN", 1, lambda d: f"retry {d.randint(1, 3)} of 3 to {plan.dependency} at {url}"),
    )


_TARGET: Mapping[str, Callable[[Plan], tuple[Line, ...]]] = {
    "bad_deployment": _pool_lines,
    "missing_source": _pool_lines,
    "database_lock": _lock_lines,
    "memory_leak": _leak_lines,
    "dependency_slow": _slow_lines,
    "overloaded": _overload_lines,
    "config_change": _config_lines,
}


def _slow_leak(_plan: Plan) -> tuple[Line, ...]:
    return (
        Line(
            "WARN", 1, lambda d: f"garbage collection paused {d.randint(300, 1900)} ms, heap {d.randint(90, 99)} % full"
        ),
    )


def _slow_lock(_plan: Plan) -> tuple[Line, ...]:
    return (Line("WARN", 1, lambda d: f"still waiting for lock on payments after {d.randint(1000, 4900)} ms"),)


def _slow_pool(_plan: Plan) -> tuple[Line, ...]:
    return (Line("WARN", 1, lambda d: f"waited {d.randint(1500, 4900)} ms for a database connection"),)


_SLOW: Mapping[str, Callable[[Plan], tuple[Line, ...]]] = {
    "bad_deployment": _slow_pool,
    "database_lock": _slow_lock,
    "memory_leak": _slow_leak,
}


def _caller(plan: Plan, service: str) -> tuple[Line, ...]:
    """A caller blames the next service on the way to the trouble."""
    calls = [call.callee for call in SERVICES[service].calls]
    guilty = plan.dependency if plan.fault == "traffic_surge" else plan.target
    names = [callee for callee in calls if callee == guilty] or [
        callee for callee in calls if guilty in {c.callee for c in SERVICES[callee].calls}
    ]
    blamed = names[0] if names else (calls[0] if calls else service)
    method, route, _ = SERVICES[blamed].routes[0]
    if blamed == plan.target and plan.fault == "memory_leak":
        text = f"call to {blamed} failed: dial tcp 10.96.21.{len(blamed)}:8080: connect: connection refused"
    elif blamed == guilty and plan.fault in {"bad_deployment", "database_lock"}:
        text = f"call to {blamed} failed: {method} {route} timed out after 5000ms"
    else:
        text = f"call to {blamed} failed: {method} {route} answered 502"
        if blamed == guilty:
            text = text.replace("502", "503")
    return (Line("ERROR", 1, lambda d: f"{text}, request {d.randint(10000, 99999)}"),)

"""The small shop that the world plays: its services, who calls whom, and what each one costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

NAMESPACE = "shop"
ENVIRONMENT = "production"
DATABASE = "payment_db"
DATABASE_CONNECTIONS = 50
POOL_PER_POD = 11
POOL_USUAL = 9
REPORT_SESSIONS = 2
LOCK_WAITERS = 16
MEBIBYTE = 1024 * 1024


@dataclass(frozen=True)
class Call:
    """One edge of the call graph: how many calls to `callee` one request makes on average."""

    callee: str
    per_request: float


@dataclass(frozen=True)
class Service:
    """What one service is like on a good day; times in seconds, processor use in cores."""

    name: str
    squad: str
    language: str
    replicas: int
    median_s: float
    error_ratio: float
    cpu_s_per_request: float
    cpu_limit: float
    memory_bytes: int
    memory_limit_bytes: int
    routes: tuple[tuple[str, str, float], ...]
    calls: tuple[Call, ...] = ()
    port: int = 8080


def _service(
    name: str, squad: str, language: str, replicas: int, *, median_ms: float, cpu_ms: float, memory_mb: int,
    routes: tuple[tuple[str, str, float], ...], calls: tuple[Call, ...] = (), error_ratio: float = 0.001,
) -> Service:  # fmt: skip
    return Service(
        name=name,
        squad=squad,
        language=language,
        replicas=replicas,
        median_s=median_ms / 1000,
        error_ratio=error_ratio,
        cpu_s_per_request=cpu_ms / 1000,
        cpu_limit=0.5,
        memory_bytes=memory_mb * MEBIBYTE,
        memory_limit_bytes=512 * MEBIBYTE,
        routes=routes,
        calls=calls,
    )


EDGE_RATE = 60.0
"""Requests a second that reach the frontend from outside on an ordinary minute."""

SERVICES: Mapping[str, Service] = {
    service.name: service
    for service in (
        _service(
            "frontend", "storefront", "nodejs", 3, median_ms=18, cpu_ms=4, memory_mb=190,
            routes=(("GET", "/", 0.5), ("GET", "/product/{id}", 0.3), ("POST", "/checkout", 0.2)),
            calls=(Call("checkout-api", 0.25), Call("cart-service", 0.5), Call("user-service", 0.4)),
        ),
        _service(
            "checkout-api", "payment", "go", 4, median_ms=14, cpu_ms=16, memory_mb=140,
            routes=(("POST", "/v1/checkout", 0.7), ("GET", "/v1/checkout/{id}", 0.3)),
            calls=(
                Call("payment-service", 0.9),
                Call("cart-service", 1.0),
                Call("inventory-service", 0.8),
                Call("shipping-service", 0.6),
            ),
            error_ratio=0.002,
        ),
        _service(
            "payment-service", "payment", "java", 4, median_ms=35, cpu_ms=20, memory_mb=330,
            routes=(("POST", "/v1/charges", 0.75), ("GET", "/v1/charges/{id}", 0.2), ("POST", "/v1/refunds", 0.05)),
            error_ratio=0.003,
        ),
        _service(
            "cart-service", "storefront", "go", 3, median_ms=8, cpu_ms=4.5, memory_mb=120,
            routes=(("GET", "/v1/cart", 0.6), ("POST", "/v1/cart/items", 0.4)),
            calls=(Call("inventory-service", 0.3),),
        ),
        _service(
            "inventory-service", "fulfilment", "python", 3, median_ms=9, cpu_ms=7, memory_mb=170,
            routes=(("GET", "/v1/stock/{sku}", 0.85), ("POST", "/v1/reservations", 0.15)),
        ),
        _service(
            "user-service", "identity", "java", 2, median_ms=6, cpu_ms=5, memory_mb=260,
            routes=(("GET", "/v1/users/{id}", 0.8), ("POST", "/v1/sessions", 0.2)),
        ),
        _service(
            "shipping-service", "fulfilment", "python", 2, median_ms=12, cpu_ms=13, memory_mb=150,
            routes=(("POST", "/v1/quotes", 0.8), ("GET", "/v1/shipments/{id}", 0.2)),
        ),
        _service(
            "notification-worker", "identity", "python", 2, median_ms=40, cpu_ms=6, memory_mb=110,
            routes=(("POST", "/internal/deliver", 1.0),), error_ratio=0.004,
        ),
    )
}  # fmt: skip

ORDER = (
    "notification-worker",
    "user-service",
    "inventory-service",
    "shipping-service",
    "payment-service",
    "cart-service",
    "checkout-api",
    "frontend",
)
"""Every service after all it calls, so that one pass carries latency and errors upwards."""

NOTIFIED_BY = {"payment-service": 0.8, "shipping-service": 0.5}
"""Messages one request puts on the queue of notification-worker; nobody waits for them."""

SQUADS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "payment": ("C0PAYMENTS", ("payment", "checkout", "refund", "charge")),
    "storefront": ("C0STOREFRONT", ("cart", "storefront", "web")),
    "fulfilment": ("C0FULFILMENT", ("stock", "inventory", "shipping", "warehouse")),
    "identity": ("C0IDENTITY", ("login", "user", "account", "mail")),
}
"""Squad to its channel and its words."""


def callers(name: str) -> tuple[str, ...]:
    """Names of the services that call `name` directly."""
    return tuple(s.name for s in SERVICES.values() if any(call.callee == name for call in s.calls))


def upstream(name: str) -> tuple[str, ...]:
    """`name` and everything that directly or indirectly waits for it, nearest first."""
    seen = [name]
    for current in seen:
        seen.extend(caller for caller in callers(current) if caller not in seen)
    return tuple(seen)

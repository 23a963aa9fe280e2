"""What applications say about their database, and slowness without a broken object."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.model import Item
from tests.analysis.kubernetes.building import (
    best,
    container,
    deployment,
    log,
    matches,
    node,
    pod,
    series,
    service,
)

ENGINE = container(port=3306, image="mysql:8")


def bank(port: str = "3306") -> list[dict[str, Any]]:
    told = container(env=[{"name": "DB_HOST", "value": "store"}, {"name": "DB_PORT", "value": port}])
    client = [deployment("pay", containers=[told]), pod("pay", containers=[told]), service("pay")]
    engine = [deployment("store", containers=[ENGINE]), pod("store", containers=[ENGINE])]
    return [*client, *engine, service("store", port=3306, target=3306), node()]


@pytest.mark.parametrize(
    ("line", "component", "cause"),
    [
        ("Access denied for user 'pay'@'10.1.1.1' (using password: YES)", "app/pay", "mysql_invalid_credentials"),
        ("Data source rejected establishment: Too many connections", "app/store", "db_connection_exhaustion"),
        ("The MySQL server is running with the --read-only option so it cannot", "app/store", "db_read_only"),
    ],
)
def test_what_an_application_says_about_its_database(line: str, component: str, cause: str) -> None:
    assert best(matches(*bank(), logs=[log("pay", line)])) == (component, cause)
    assert best(matches(*bank(), logs=[log("pay", "payment declined by the bank")])) == ("", "")
    # The same line, as frequent as ever, explains nothing new.
    assert best(matches(*bank(), logs=[log("pay", line, count=10, baseline=10)])) == ("", "")


def test_a_wrong_port_of_the_database() -> None:
    found = matches(*bank("3307"))
    assert best(found) == ("app/pay", "mysql_invalid_port")
    refused = log("pay", "CommunicationsException: Communications link failure")
    assert matches(*bank("3307"), logs=[refused])[0].confidence > found[0].confidence
    assert best(matches(*bank())) == ("", "")


def test_a_port_that_only_the_declared_secret_tells() -> None:
    source = [{"secretRef": {"name": "pay-db"}}]
    told = container(envFrom=source)
    client = [deployment("pay", containers=[told]), pod("pay", containers=[told]), service("pay")]
    engine = [deployment("store", containers=[ENGINE]), pod("store", containers=[ENGINE])]
    cluster = [*client, *engine, service("store", port=3306, target=3306), node()]
    for port, wanted in (("3307", ("app/pay", "mysql_invalid_port")), ("3306", ("", ""))):
        values = {"PAY_HOST": "store", "PAY_PORT": port}
        secret = Item(api_kind="Secret", name="pay-db", namespace="shop", fields={"values": values})
        assert best(matches(*cluster, extra=[secret])) == wanted


CALLS = {"edge": ["cart", "pay", "mail"], "cart": ["store"]}


def town(**homes: str) -> list[dict[str, Any]]:
    apps = {"edge": "node-a", "cart": "node-a", "pay": "node-b", "mail": "node-b"} | homes
    return [o for app, home in apps.items() for o in (deployment(app), pod(app, node=home), service(app))]


def latencies(**slow_s: float) -> list[Any]:
    return [
        series(metric, 0.01, slow_s.get(app, 0.01), app=app)
        for app in ("edge", "cart", "pay", "mail")
        for metric in ("latency_p50", "latency_p95")
    ]


def idle() -> list[Any]:
    return [series("cpu_usage", 0.02, 0.02, app=app) for app in ("edge", "cart", "pay", "mail")]


def test_cpu_load_of_one_application() -> None:
    loaded = [series("cpu_usage", 0.02, 0.4, app="cart"), series("cpu_throttled_s", 0.0, 0.8, app="cart")]
    found = matches(*town(), measured=[*latencies(cart=0.2, edge=0.2), *loaded], calls=CALLS)
    assert best(found) == ("app/cart", "pod_cpu_overload")
    busier = [series("request_rate", 10, 300, app="cart")]
    assert "pod_cpu_overload" not in {m.cause for m in matches(*town(), measured=[*loaded, *busier], calls=CALLS)}


def test_a_limit_keeps_cpu_use_from_rising_many_times() -> None:
    rose, held = series("cpu_usage", 0.08, 0.18, app="edge"), series("cpu_throttled_s", 0.01, 0.7, app="edge")
    found = matches(*town(), measured=[*latencies(edge=0.2), rose, held], calls=CALLS)
    assert best(found) == ("app/edge", "pod_cpu_overload")
    causes = {m.cause for m in matches(*town(), measured=[*latencies(edge=0.2), rose], calls=CALLS)}
    assert "pod_cpu_overload" not in causes


def test_delay_around_one_application() -> None:
    found = matches(*town(), measured=[*latencies(cart=2.0, edge=2.0), *idle()], calls=CALLS)
    assert best(found) == ("app/cart", "pod_network_delay")
    assert matches(*town(), measured=[*latencies(), *idle()], calls=CALLS) == []


def test_delay_of_a_node() -> None:
    spiked = series("tcp_retransmits", 0.0, 0.8, on="node-a")
    measured = [*latencies(pay=2.0, mail=2.0, edge=2.0), *idle(), spiked]
    found = matches(*town(), node("node-a"), node("node-b"), measured=measured, calls=CALLS)
    assert best(found) in {("node/node-b", "node_network_delay"), ("node/node-a", "node_network_delay")}
    alone = matches(*town(), measured=[*latencies(pay=2.0, edge=2.0), *idle()], calls=CALLS)
    assert best(alone) == ("app/pay", "pod_network_delay")


def test_packets_lost_by_a_node() -> None:
    lost = series("tcp_retransmits", 0.0, 9.0, on="node-b")
    found = matches(*town(), measured=[*latencies(pay=0.4, edge=0.4), lost], calls=CALLS)
    assert best(found) == ("node/node-b", "node_network_packet_loss")
    # A node without applications of this shop has its own reasons.
    other = series("tcp_retransmits", 0.0, 9.0, on="node-z")
    causes = {m.cause for m in matches(*town(), measured=[*latencies(), other], calls=CALLS)}
    assert "node_network_packet_loss" not in causes


def test_alerts_stand_in_for_series() -> None:
    def alert(app: str, metric: str, before: float, after: float) -> Item:
        fields = {"service": app, "metric": metric, "baseline": before, "value": after, "state": "firing"}
        return Item(api_kind="Alert", name=f"{metric} {app}", fields=fields)

    found = matches(
        *town(),
        extra=[alert("cart", "cpu_usage", 0.02, 0.5), alert("cart", "cpu_throttled_s", 0.0, 0.9)],
        calls=CALLS,
    )
    assert best(found) == ("app/cart", "pod_cpu_overload")
    told = [alert("pay", "latency_p95", 0.01, 3.0), alert("edge", "latency_p95", 0.02, 3.0)]
    causes = [(m.component, m.cause) for m in matches(*town(), extra=told, calls=CALLS)]
    assert causes[0] == ("app/pay", "pod_network_delay")

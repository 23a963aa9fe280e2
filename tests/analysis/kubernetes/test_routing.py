"""Services, addresses, DNS settings and gateway routes that lead nowhere."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.kubernetes.routes import routes_of
from connectors.model import Item
from tests.analysis.kubernetes.building import (
    best,
    container,
    deployment,
    event,
    log,
    matches,
    node,
    pod,
    service,
)


def shop(**wrong: Any) -> list[dict[str, Any]]:
    return [deployment("web"), pod("web"), service("web", **wrong), node()]


def test_a_selector_that_no_pod_meets() -> None:
    found = matches(*shop(selector={"app": "web", "version": "v2"}))
    assert best(found) == ("app/web", "service_selector_mismatch")
    assert best(matches(*shop())) == ("", "")
    # No pods at all is not the selector's fault.
    assert best(matches(deployment("web", ready=0), service("web"), node())) == ("", "")


def test_one_of_several_roles_without_a_pod_is_no_fault() -> None:
    leader, follower = (
        service("db-leader", selector={"app": "db"}),
        service("db-follower", selector={"app": "db", "role": "follower"}),
    )
    assert best(matches(deployment("db"), pod("db"), leader, follower, node())) == ("", "")


@pytest.mark.parametrize(
    ("wrong", "cause"),
    [
        ({"target": 9999}, "service_port_mapping_mismatch"),
        ({"target": "http-web"}, "service_port_mapping_mismatch"),
        ({"protocol": "UDP"}, "service_protocol_mismatch"),
    ],
)
def test_a_service_that_sends_to_the_wrong_port(wrong: dict[str, Any], cause: str) -> None:
    assert best(matches(*shop(**wrong))) == ("app/web", cause)
    tried = Item(api_kind="Reachability", name="web", fields={"service": "web", "port": 80, "ok": True})
    assert best(matches(*shop(**wrong), extra=[tried])) == ("", "")


def test_a_deployment_at_zero() -> None:
    resting = deployment("web", ready=0, desired=0)
    assert best(matches(resting, service("web"), node())) == ("app/web", "deployment_zero_replicas")
    told = event(resting, "ScalingReplicaSet", "Scaled down replica set web-5f6d8c9b7d to 0 from 1")
    found = matches(resting, told, service("web"), node())
    assert found[0].confidence > matches(resting, service("web"), node())[0].confidence
    assert best(matches(*shop())) == ("", "")


def caller(value: str, name: str = "CART_ADDR") -> list[dict[str, Any]]:
    told = container(env=[{"name": name, "value": value}])
    return [deployment("web", containers=[told]), pod("web", containers=[told]), service("web"), node()]


CART = [deployment("cart"), pod("cart"), service("cart", port=7070)]


def test_an_address_in_the_environment() -> None:
    assert best(matches(*caller("cart:7071"), *CART)) == ("app/web", "service_env_var_address_mismatch")
    assert best(matches(*caller("http://carts:7070/api"), *CART)) == ("app/web", "service_env_var_address_mismatch")
    assert best(matches(*caller("cart:7070"), *CART)) == ("", "")
    assert best(matches(*caller("cart.shop.svc.cluster.local:7070"), *CART)) == ("", "")
    split = container(env=[{"name": "CART_HOST", "value": "cart"}, {"name": "CART_PORT", "value": "1"}])
    found = matches(deployment("web", containers=[split]), pod("web", containers=[split]), service("web"), *CART)
    assert best(found) == ("app/web", "service_env_var_address_mismatch")


def test_an_address_that_nobody_misses_is_no_cause() -> None:
    optional = caller("assistant:80")
    assert best(matches(*optional, *CART)) == ("", "")
    missed = log("web", "dial tcp: lookup assistant on 10.0.0.2:53: no such host")
    assert best(matches(*optional, *CART, logs=[missed])) == ("app/web", "service_env_var_address_mismatch")


def test_where_measurements_go_is_not_on_the_way_of_requests() -> None:
    telemetry = caller("http://collector:4317", "OTEL_EXPORTER_OTLP_ENDPOINT")
    missed = log("web", "failed to export: lookup collector on 10.0.0.2:53: no such host")
    assert best(matches(*telemetry, *CART, logs=[missed])) == ("", "")


def test_an_address_that_a_config_map_holds() -> None:
    config = {"kind": "ConfigMap", "metadata": {"name": "env", "namespace": "shop"}}
    told = container(envFrom=[{"configMapRef": {"name": "env"}}])
    web = [deployment("web", containers=[told]), pod("web", containers=[told]), service("web"), node()]
    wrong, right = config | {"data": {"CART_ADDR": "cart:7071"}}, config | {"data": {"CART_ADDR": "cart:7070"}}
    assert best(matches(*web, *CART, wrong)) == ("app/web", "service_env_var_address_mismatch")
    assert best(matches(*web, *CART, right)) == ("", "")


def test_a_right_address_whose_service_is_missing_is_not_the_callers_fault() -> None:
    missed = log("web", "dial tcp: lookup cart on 10.0.0.2:53: no such host")
    found = matches(*caller("cart:7070"), deployment("cart"), pod("cart"), logs=[missed])
    assert best(found) == ("", "")


def test_dns_settings_of_its_own() -> None:
    spec = {"dnsPolicy": "None", "dnsConfig": {"nameservers": ["192.0.2.1"]}}
    broken = [deployment("web", spec=spec), pod("web", spec=spec), service("web"), node()]
    assert best(matches(*broken)) == ("app/web", "service_dns_resolution_failure")
    spec = {"dnsPolicy": "Default"}
    outside = [deployment("web", spec=spec), pod("web", spec=spec), service("web"), node()]
    assert best(matches(*outside)) == ("", "")
    failing = log("web", "java.net.UnknownHostException: cart: Name or service not known")
    assert best(matches(*outside, logs=[failing])) == ("app/web", "service_dns_resolution_failure")
    usual = {"dnsPolicy": "ClusterFirst"}
    assert best(matches(deployment("web", spec=usual), pod("web", spec=usual), service("web"))) == ("", "")


ROUTES = """
spring:
  cloud:
    gateway:
      routes:
        - id: cart
          uri: http://{host}
          predicates:
            - Path=/api/v1/cart/**
"""


def gateway(host: str) -> list[dict[str, Any]]:
    config = {"kind": "ConfigMap", "metadata": {"name": "edge", "namespace": "shop"}}
    mounted = {"volumes": [{"name": "c", "configMap": {"name": "edge"}}]}
    edge = [deployment("edge", spec=mounted), pod("edge", spec=mounted), service("edge")]
    return [config | {"data": {"application.yml": ROUTES.format(host=host)}}, *edge, *shop(), *CART]


@pytest.mark.parametrize("host", ["carts:7070", "cart:7071", "web:80"])
def test_a_route_of_a_gateway(host: str) -> None:
    found = [m for m in matches(*gateway(host)) if m.cause == "gateway_misroute"]
    assert [m.component for m in found] == ["app/cart", "app/edge"]
    assert best(matches(*gateway("cart:7070"))) == ("", "")


def test_a_gateway_that_complains_about_its_route() -> None:
    told = log("edge", 'NotFoundException: 503 SERVICE_UNAVAILABLE "Unable to find instance for carts"')
    found = matches(deployment("edge"), pod("edge"), service("edge"), *CART, logs=[told])
    assert {m.component for m in found if m.cause == "gateway_misroute"} == {"app/edge", "app/cart"}
    right = log("edge", 'NotFoundException: 503 SERVICE_UNAVAILABLE "Unable to find instance for cart"')
    assert not matches(deployment("edge"), pod("edge"), service("edge"), *CART, logs=[right])


def test_routes_of_nginx_and_of_nonsense() -> None:
    text = "server { location /api/cart { proxy_pass http://cart:7070; } }"
    assert routes_of(text) == [{"path": "/api/cart", "host": "cart", "port": 7070}]
    assert routes_of("routes: [uri: {{{") == []
    assert routes_of("routes:\n- uri: 5\n- [x]\n") == []

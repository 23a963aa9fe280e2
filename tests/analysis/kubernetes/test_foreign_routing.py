"""Services, addresses, DNS, gateways and databases as other languages, layouts and namespaces tell them."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.kubernetes.routes import routes_of
from connectors.model import Item
from tests.analysis.kubernetes.building import (
    best,
    container,
    deployment,
    log,
    matches,
    node,
    pod,
    service,
)

Raw = dict[str, Any]
ADDRESS = "service_env_var_address_mismatch"


def app(name: str, *, port: int = 8080, **spec: Any) -> list[Raw]:
    box = container(port=port, **spec)
    return [deployment(name, containers=[box]), pod(name, containers=[box]), service(name, port=port, target=port)]


def test_a_service_that_chooses_the_pods_of_another() -> None:
    stray = service("orders", selector={"app": "users"})
    both = [*app("users"), deployment("orders"), pod("orders"), stray, node()]
    assert best(matches(*both)) == ("app/orders", "service_selector_mismatch")
    # A second Service for the same pods is an alias.
    assert best(matches(*app("users"), service("people", selector={"app": "users"}), node())) == ("", "")


MESH = {"name": "istio-proxy", "image": "istio/proxyv2:1", "ports": [{"containerPort": 15090}]}


def test_ports_of_a_mesh_are_not_those_of_the_application() -> None:
    silent = container(ports=[])
    meshed = [deployment("web", containers=[silent, MESH]), pod("web", containers=[silent, MESH])]
    assert best(matches(*meshed, service("web", target=8080), node())) == ("", "")


def test_a_pod_that_declares_no_port_tells_it_by_its_probe() -> None:
    asked = container(ports=[], readinessProbe={"httpGet": {"port": 8080}})
    bare = [deployment("web", containers=[asked]), pod("web", containers=[asked]), node()]
    found = matches(*bare, service("web", target=9000))
    assert best(found) == ("app/web", "service_port_mapping_mismatch")
    assert best(matches(*bare, service("web", target=8080))) == ("", "")
    tried = Item(api_kind="Reachability", name="web", fields={"service": "web", "port": 80, "ok": True})
    assert best(matches(*bare, service("web", target=9000), extra=[tried])) == ("", "")


def test_namesakes_in_two_namespaces_are_two_services() -> None:
    env = [{"name": "CART_ADDR", "value": "cart:7070"}]
    other = service("cart", port=9999)
    other["metadata"] = other["metadata"] | {"namespace": "staging"}
    cluster = [*app("web", env=env), *app("cart", port=7070), other, node()]
    assert best(matches(*cluster)) == ("", "")
    abroad = [{"name": "CART_ADDR", "value": "cart.staging.svc.cluster.local:9999"}]
    assert best(matches(*app("web", env=abroad), *cluster[3:])) == ("", "")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "postgresql://user@orders-dbb:5432/orders?sslmode=disable"),
        ("SPRING_DATASOURCE_URL", "jdbc:postgresql://orders-dbb:5432/orders"),
        ("ConnectionStrings__Main", "Server=orders-dbb;Port=5432;Database=orders"),
        ("PG_CONNECTION", "host=orders-dbb port=5432 user=orders"),
        ("STORE", "orders@tcp(orders-dbb:5432)/orders"),
        ("BROKERS", "orders-dbb:9092,orders-db-1:9092"),
    ],
)
def test_addresses_in_connection_strings(name: str, value: str) -> None:
    engine = app("orders-db", port=5432, image="postgres:16")
    wrong = app("web", env=[{"name": name, "value": value}])
    assert best(matches(*wrong, *engine, node())) == ("app/web", ADDRESS)
    if ":9092" not in value:
        right = app("web", env=[{"name": name, "value": value.replace("dbb", "db")}])
        assert best(matches(*right, *engine, node())) == ("", "")


def test_an_address_that_only_a_declared_secret_tells() -> None:
    box = container(envFrom=[{"secretRef": {"name": "web-db"}}])
    web = [deployment("web", containers=[box]), pod("web", containers=[box]), service("web")]
    for host, wanted in (("orders-dbb", ("app/web", ADDRESS)), ("orders-db", ("", ""))):
        values = {"WEB_DB_HOST": host, "WEB_DB_PORT": "5432"}
        secret = Item(api_kind="Secret", name="web-db", namespace="shop", fields={"values": values})
        engine = app("orders-db", port=5432, image="postgres:16")
        assert best(matches(*web, *engine, node(), extra=[secret])) == wanted


def test_a_variable_named_after_one_service_that_leads_to_another() -> None:
    env = [{"name": "PAYMENT_SERVICE_URL", "value": "http://mailer:8080"}]
    found = matches(*app("web", env=env), *app("payment-service"), *app("mailer"), node())
    assert best(found) == ("app/web", ADDRESS)
    right = [{"name": "PAYMENT_SERVICE_URL", "value": "http://payment-service:8080"}]
    assert best(matches(*app("web", env=right), *app("payment-service"), *app("mailer"), node())) == ("", "")


COMPLAINTS = [
    "dial tcp: lookup stock on 10.0.0.2:53: no such host",
    "java.net.UnknownHostException: stock",
    "Error: getaddrinfo ENOTFOUND stock",
    "requests.exceptions.ConnectionError: Failed to resolve 'stock' ([Errno -2] Name or service not known)",
    "System.Net.Sockets.SocketException: Name or service not known (stock:80)",
    "php_network_getaddresses: getaddrinfo for stock failed: Name does not resolve",
    "14 UNAVAILABLE: Name resolution failed for target dns:stock:80",
    "UNKNOWN: Unable to resolve host stock",
    "stock could not be resolved (3: Host not found)",
    "getaddrinfo: Name or service not known stock",
]


@pytest.mark.parametrize("line", COMPLAINTS)
def test_complaints_about_an_address_in_other_languages(line: str) -> None:
    lost = app("web", env=[{"name": "STOCK_URL", "value": "http://stock:80"}])
    found = matches(*lost, *app("mailer"), node(), logs=[log("web", line)])
    assert (best(found), found[0].confidence > 0.9) == (("app/web", ADDRESS), True)


@pytest.mark.parametrize("line", COMPLAINTS)
def test_complaints_confirm_dns_settings_of_its_own(line: str) -> None:
    spec = {"dnsPolicy": "Default"}
    own = [deployment("web", spec=spec), pod("web", spec=spec), service("web"), node()]
    assert best(matches(*own, logs=[log("web", line)])) == ("app/web", "service_dns_resolution_failure")
    usual = [deployment("web"), pod("web"), service("web"), node()]
    assert best(matches(*usual, logs=[log("web", line)])) == ("", "")


def test_a_database_outside_the_cluster_is_no_wrong_address() -> None:
    env = [{"name": "DB_HOST", "value": "orders-primary"}, {"name": "DB_PORT", "value": "5432"}]
    assert not matches(*app("web", env=env), *app("mailer"), node())
    told = log("web", 'could not translate host name "orders-primary" to address: Name or service not known')
    found = matches(*app("web", env=env), *app("mailer"), node(), logs=[told])
    assert best(found) == ("app/web", ADDRESS)


@pytest.mark.parametrize(
    ("servers", "sure"),
    [(["8.8.8.8"], True), (["169.254.20.10"], None), (["10.96.0.10"], False)],
)
def test_name_servers_that_may_be_the_clusters_own(servers: list[str], sure: bool | None) -> None:
    spec = {"dnsPolicy": "None", "dnsConfig": {"nameservers": servers}}
    found = matches(deployment("web", spec=spec), pod("web", spec=spec), service("web"), node())
    told = [m for m in found if m.cause == "service_dns_resolution_failure"]
    assert (told[0].confidence >= 0.5 if told and sure is not None else None) == sure


ROUTE = "SPRING_CLOUD_GATEWAY_ROUTES_{}_{}"


def edge(routes: list[tuple[str, str, str]], how: str = "env") -> list[Raw]:
    """A gateway whose routes (id, host, path) stand in variables or in the options of its runtime."""
    told: list[tuple[str, str]] = []
    for n, (name, host, path) in enumerate(routes):
        parts = (("ID", name), ("URI", f"lb://{host}"), ("PREDICATES", f"Path={path}"))
        told += [(ROUTE.format(n, part), value) for part, value in parts]
    if how == "env":
        return app("edge", env=[{"name": k, "value": v} for k, v in told])
    flags = [f"--spring.cloud.gateway.routes[{k.split('_')[4]}].{k.split('_')[5].lower()}={v}" for k, v in told]
    return app("edge", args=flags)


@pytest.mark.parametrize("how", ["env", "args"])
def test_routes_in_variables_and_on_the_command_line(how: str) -> None:
    shops = [one for name in ("orders", "users") for one in app(name)]
    wrong = edge([("orders", "users", "/api/orders/**")], how)
    assert {m.component for m in matches(*wrong, *shops, node()) if m.confidence > 0.7} == {"app/orders", "app/edge"}
    right = edge([("orders", "ORDERS", "/api/orders/**")], how)
    assert best(matches(*right, *shops, node())) == ("", "")


def test_one_path_that_speaks_of_nothing_its_target_is_called() -> None:
    names = ["orders", "users", "basket", "stock", "prices", "mails"]
    shops = [one for name in names for one in app(name)]
    usual = [(n, n, f"/api/{n}/**") for n in names]
    assert best(matches(*edge(usual), *shops, node())) == ("", "")
    odd = [*usual[:-1], ("mails", "mails", "/api/zzyq/**")]
    found = matches(*edge(odd), *shops, node())
    assert best(found) == ("app/mails", "gateway_misroute")


def test_groups_of_nginx_and_other_sites_are_no_services() -> None:
    text = "upstream back { server cart:7070; } server { location /api/cart { proxy_pass http://back; } }"
    assert routes_of(text) == [{"path": "/api/cart", "host": "cart", "port": 7070}]
    site = edge([("pay", "api.bank.com", "/pay/**")])
    assert best(matches(*site, node())) == ("", "")


def bank(image: str = "registry.test/team/mariadb-galera:11") -> list[Raw]:
    client = app("pay", env=[{"name": "DB_HOST", "value": "store"}, {"name": "DB_PORT", "value": "3306"}])
    return [*client, *app("store", port=3306, image=image), node()]


@pytest.mark.parametrize(
    ("line", "component", "cause"),
    [
        ("ERROR 1045 (28000): Access denied for user 'pay'@'%'", "app/pay", "mysql_invalid_credentials"),
        ("SQLSTATE[28000] [1045] Access denied", "app/pay", "mysql_invalid_credentials"),
        ("User pay already has more than 'max_user_connections' active connections", "app/store", "exhaustion"),
        ("FATAL: sorry, too many clients already", "app/store", "exhaustion"),
        ("FATAL: remaining connection slots are reserved for superuser", "app/store", "exhaustion"),
        ("ERROR: cannot execute INSERT in a read-only transaction", "app/store", "db_read_only"),
        ("Table 'orders' is read only", "app/store", "db_read_only"),
        ("READONLY You can't write against a read only replica.", "app/store", "db_read_only"),
    ],
)
def test_what_clients_of_other_languages_say(line: str, component: str, cause: str) -> None:
    found = best(matches(*bank(), logs=[log("pay", line)]))
    assert (found[0], cause in found[1]) == (component, True)


@pytest.mark.parametrize(
    "line",
    [
        "QueuePool limit of size 5 overflow 10 reached, connection timed out, timeout 30.00",
        "Knex: Timeout acquiring a connection. The pool is probably full.",
        "Cannot get a connection, pool error Timeout waiting for idle object",
    ],
)
def test_a_pool_that_is_dry_is_weaker_than_the_databases_word(line: str) -> None:
    found = matches(*bank(), logs=[log("pay", line)])
    assert (found[0].cause, found[0].confidence < 0.5) == ("db_connection_exhaustion", True)


def test_the_databases_own_log_names_whom_it_refuses() -> None:
    cluster = bank()
    cluster[1]["status"]["podIP"] = "10.244.1.7"
    told = log("store", "[Note] Access denied for user 'pay'@'10.244.1.7' (using password: YES)")
    assert best(matches(*cluster, logs=[told])) == ("app/pay", "mysql_invalid_credentials")
    probe = log("store", "[Note] Access denied for user 'root'@'10.99.9.9' (using password: NO)")
    assert best(matches(*cluster, logs=[probe])) == ("", "")

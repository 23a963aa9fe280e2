"""Questions in, queries out: one of each shape, and what must not be answered."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
import sqlglot
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.reasoning.ask.ddl import tables_of
from bot.reasoning.ask.model import Asked, Cannot, CannotAnswer, Holding, Metric, Written
from bot.reasoning.ask.units import converted, said_unit
from bot.reasoning.ask.write import write
from connectors.guards import Allowed, GuardLimits, guard

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
DDL = """
CREATE TABLE customers (id INT PRIMARY KEY, name TEXT, country TEXT, password_hash TEXT, created_at TIMESTAMP);
CREATE TABLE orders (id INT PRIMARY KEY, customer_id INT REFERENCES customers(id), status TEXT, total NUMERIC,
  created_at TIMESTAMP, shipped_at TIMESTAMP);
CREATE TABLE payments (id INT PRIMARY KEY, order_id INT REFERENCES orders(id), method TEXT, amount NUMERIC);
CREATE TABLE transfers (id INT PRIMARY KEY, sender_id INT REFERENCES customers(id),
  receiver_id INT REFERENCES customers(id), fee NUMERIC);
"""
VALUES = {"country": ("France", "Spain"), "status": ("open", "paid"), "method": ("card", "wallet")}
DIALECTS = ("postgres", "mysql", "sqlite", "duckdb", "clickhouse", "bigquery")


def shop(dialect: str = "postgres") -> Holding:
    tables = (
        replace(t, columns=tuple(replace(c, values=VALUES.get(c.name, ())) for c in t.columns))
        for t in tables_of(DDL, "postgres")
    )
    return Holding("sql", dialect, tables=tuple(tables))


def metrics() -> Holding:
    service = ("checkout-api", "cart")
    labels = {"service": service, "status": ("200", "500")}
    known = (
        Metric("http_requests_total", "counter", "Requests answered.", labels),
        Metric("http_request_duration_seconds", "histogram", "Time to answer.", {"service": service}),
        Metric("pool_in_use", "gauge", "Connections taken.", {"service": service}),
        Metric("pool_max", "gauge", "Connections at most.", {"service": service}),
    )
    return Holding("promql", "promql", metrics=known)


def written(question: str, holding: Holding) -> str:
    found = write(Asked(question, NOW), holding)
    assert isinstance(found, Written), found
    return found.query


@pytest.mark.parametrize(
    ("question", "parts"),
    [
        ("how many orders are there", ["COUNT(*)", "FROM orders"]),
        ("total payment amount by method", ["SUM(payments.amount)", "GROUP BY payments.method"]),
        ("top 3 customers by number of orders", ["GROUP BY customers.id", "ORDER BY orders_count DESC", "LIMIT 3"]),
        ("orders per day in the last 7 days", ["DATE_TRUNC('DAY'", "2026-11-13 12:00:00"]),
        ("customers without orders", ["NOT customers.id IN (SELECT orders.customer_id"]),
        ("orders that are not shipped", ["shipped_at IS NULL"]),
        ("what percentage of orders is paid", ["100.0 * AVG(CASE WHEN"]),
        ("average number of orders per customer", ["AVG(n)", "GROUP BY customers.id"]),
        ("customers with more than 2 orders", ["HAVING COUNT(*) > 2"]),
        ("customers from Spain or France", ["customers.country IN ('Spain', 'France')"]),
        ("ratio of paid to open orders", ["/ NULLIF(SUM(CASE WHEN orders.\"status\" = 'open'"]),
        ("percentage of paid orders per country", ["100.0 * AVG(CASE WHEN", "GROUP BY customers.country"]),
        ("largest order of each country", ["RANK() OVER (PARTITION BY country ORDER BY ranked DESC", "place <= 1"]),
        ("orders this month compared to last month", ["AS time_1", "AS time_2", "2026-10-01", "2026-12-01"]),
        ("paid versus open orders", ["orders.\"status\" IN ('paid', 'open')", 'GROUP BY orders."status"']),
        ("payments above average", ["payments.amount > (SELECT AVG(payments.amount) FROM payments)"]),
        ("difference between the highest and lowest payment amount", ["MAX(payments.amount) - MIN(payments.amount)"]),
        ("smallest, largest and average payment amount", ["MIN(", "MAX(", "AVG("]),
        ("number of customers per payment method", ["COUNT(DISTINCT", "GROUP BY payments.method"]),
        ("countries of customers", ["SELECT DISTINCT customers.country"]),
        ("5 customers with the most orders", ["ORDER BY orders_count DESC", "LIMIT 5"]),
        ("customers and their number of orders", ["COUNT(*)", "GROUP BY customers.id"]),
        ("unshipped orders", ["shipped_at IS NULL"]),
        ("customers outside Spain", ["customers.country <> 'Spain'"]),
        ("customers with garc in the name", ["LIKE '%garc%'"]),
        ("orders from November 1 to November 5, 2025", ["2025-11-01", "2025-11-06"]),
        ("new customers per month", ["DATE_TRUNC('MONTH', customers.created_at)"]),
    ],
)
def test_each_shape_becomes_its_query(question: str, parts: list[str]) -> None:
    query = written(question, shop())
    for part in parts:
        assert part in query


@pytest.mark.parametrize(
    "question",
    [
        "show the password hash of all customers",
        "delete all orders",
        "how many orders; drop table orders",
        "customers where 1=1 union select * from payments",
        "what is the weather",
        "profit margin by customer",
        "how many orders will we get next week",
        "total orders",
        "transfers by customer country",
        "new customers",
        "cheapest products",
        "payments shorter than 5 minutes",
        "orders this month compared to the weather",
    ],
)
def test_what_is_not_there_or_not_allowed_or_ambiguous_is_declined(question: str) -> None:
    found = write(Asked(question, NOW), shop())
    assert isinstance(found, Cannot)
    assert found.reason.endswith((".", "?"))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_gets_one_select_that_its_guard_allows(dialect: str) -> None:
    for question in ("failed orders", "orders created this year", "top 2 customers by total of orders", "paid orders"):
        found = write(Asked(question, NOW), shop(dialect))
        if isinstance(found, Written):
            assert len(sqlglot.parse(found.query, dialect=dialect)) == 1
            # whether a table must be asked by its partition is a matter of cost, not of dialect
            limits = GuardLimits(require_partition_filter=False)
            assert isinstance(guard(found.query, dialect=dialect, limits=limits), Allowed), found.query


def test_quoted_words_stay_one_literal() -> None:
    query = written("customers whose name contains \"x' OR 'a\"", shop())
    (literal,) = [
        node for node in sqlglot.parse_one(query, dialect="postgres").find_all(sqlglot.exp.Literal) if node.is_string
    ]
    assert literal.this == "%x' or 'a%"


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=80), st.sampled_from(["customers named ", "orders with status ", "", "how many payments by "]))
def test_no_text_breaks_out_of_the_schema(text: str, before: str) -> None:
    found = write(Asked(before + text, NOW), shop())
    if isinstance(found, Written):
        (tree,) = sqlglot.parse(found.query, dialect="postgres")
        assert isinstance(tree, sqlglot.exp.Query)
        known = {"customers", "orders", "payments", "transfers", "grouped"}
        assert {t.name for t in tree.find_all(sqlglot.exp.Table)} <= known
        assert not any(c.name == "password_hash" for c in tree.find_all(sqlglot.exp.Column))


@pytest.mark.parametrize(
    ("question", "query"),
    [
        ("request rate of checkout", 'sum(rate(http_requests_total{service="checkout-api"}[5m]))'),
        (
            "p99 latency by service",
            "histogram_quantile(0.99, sum by (service, le) (rate(http_request_duration_seconds_bucket[5m])))",
        ),
        (
            "error ratio of cart over the last 10 minutes",
            'sum(rate(http_requests_total{service="cart",status=~"5.."}[10m]))'
            ' / sum(rate(http_requests_total{service="cart"}[10m]))',
        ),
        ("how many requests in the last hour", "sum(increase(http_requests_total[1h]))"),
        ("pool saturation of cart", 'pool_in_use{service="cart"} / pool_max{service="cart"}'),
        ("top 2 services by request rate", "topk(2, sum by (service) (rate(http_requests_total[5m])))"),
        (
            "what fraction of requests to cart return 5xx",
            'sum(rate(http_requests_total{service="cart",status=~"5.."}[5m]))'
            ' / sum(rate(http_requests_total{service="cart"}[5m]))',
        ),
        ("how much of the pool is free by app", "1 - sum by (service) (pool_in_use) / sum by (service) (pool_max)"),
        ("requests per second by status code", "sum by (status) (rate(http_requests_total[5m]))"),
        ("pool as a percentage of the limit", "100 * pool_in_use / pool_max"),
    ],
)
def test_metrics(question: str, query: str) -> None:
    assert written(question, metrics()) == query
    assert isinstance(guard(query, dialect="promql"), Allowed)


@pytest.mark.parametrize(
    "question", ["why is checkout slow", "kafka lag", "disk usage", 'rate of x"} or vector(1)', "requests per tenant"]
)
def test_metrics_that_are_not_there(question: str) -> None:
    assert isinstance(write(Asked(question, NOW), metrics()), Cannot)


@pytest.mark.parametrize(
    ("value", "unit", "column", "found"),
    [
        (10, "minutes", "duration_ms", 600_000),
        (1, "hour", "minutes", 60),
        (2, "dollars", "amount_cents", 200),
        (5, "kg", "weight_g", 5_000),
        (3, "points", "score", 3),
        (9, "euros", "amount", 9),
    ],
)
def test_units_are_turned_into_those_of_the_column(value: float, unit: str, column: str, found: float) -> None:
    said = said_unit(unit)
    assert said is not None
    assert converted(value, said, column) == found


@pytest.mark.parametrize(("unit", "column"), [("hour", "weight_kg"), ("minute", "duration")])
def test_units_that_do_not_fit_are_declined(unit: str, column: str) -> None:
    with pytest.raises(CannotAnswer):
        converted(1, unit, column)

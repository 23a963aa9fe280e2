"""Tables, rows and roles of payment_db."""

from __future__ import annotations

from datetime import datetime

from bot.demo.world.plan import Plan

ROLES = {"postgres": "", "payment_app": "", "reader": ""}
"""Role to its attributes; `reader` may only look."""

SAMPLED = 10
"""One payment in this many is kept in the tables, and the table comments say so."""

_COUNT = 12_000
_RATE = 1.0

_SCHEMA = """
CREATE TABLE orders (
    id bigint PRIMARY KEY,
    user_id bigint NOT NULL,
    state text NOT NULL,
    amount_cents integer NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE TABLE payments (
    id bigint PRIMARY KEY,
    order_id bigint NOT NULL REFERENCES orders (id),
    status text NOT NULL,
    method text NOT NULL,
    amount_cents integer NOT NULL,
    failure_reason text,
    created_at timestamptz NOT NULL
);
CREATE TABLE refunds (
    id bigint PRIMARY KEY,
    payment_id bigint NOT NULL REFERENCES payments (id),
    amount_cents integer NOT NULL,
    reason text NOT NULL,
    created_at timestamptz NOT NULL
);
INSERT INTO orders
SELECT i, 1 + (i * 7919 + {shift}) % 4000, CASE WHEN i % 23 = 0 THEN 'cancelled' ELSE 'placed' END,
       500 + (i * 6151 + {shift}) % 60000,
       now() - make_interval(secs => CASE WHEN i > {count} - {recent} THEN ({count} - i) / {factor}
                                          ELSE {age_s} + {count} - {recent} - i END)
FROM generate_series(1, {count}) AS i;
INSERT INTO payments
SELECT id, id, CASE WHEN (id * 31 + {shift}) % 150 = 0 THEN 'failed' ELSE 'captured' END,
       (ARRAY['card', 'transfer', 'wallet'])[1 + id % 3], amount_cents,
       CASE WHEN (id * 31 + {shift}) % 150 = 0 THEN 'card declined' END, created_at + interval '20 milliseconds'
FROM orders;
UPDATE payments SET status = 'failed', failure_reason = '{reason}'
WHERE id > {count} - {recent} AND (id * 37 + {shift}) % 100 < {failing};
INSERT INTO refunds
SELECT i, i * 40, 500 + (i * 127) % 5000, 'returned', now() - make_interval(secs => (300 - i) * 40)
FROM generate_series(1, 300) AS i;
ALTER TABLE payments ADD CONSTRAINT payments_status CHECK (status IN ('captured', 'failed', 'refunding', 'refunded'));
CREATE SEQUENCE payment_ids START 1000001;
CREATE INDEX payments_created_at ON payments (created_at);
CREATE INDEX payments_order_id ON payments (order_id);
COMMENT ON TABLE payments IS 'One row for each tenth attempt to charge an order.';
COMMENT ON TABLE orders IS 'One row for each tenth order.';
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO payment_app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO payment_app;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;
GRANT pg_monitor TO reader;
ALTER ROLE reader SET default_transaction_read_only = on;
ANALYZE;
"""

_PAST = """
CREATE SCHEMA past;
CREATE VIEW past.pg_stat_activity AS
SELECT a.datid, a.datname, a.pid, a.leader_pid, a.usesysid, a.usename, a.application_name, a.client_addr,
       a.client_hostname, a.client_port, a.backend_start - s.age AS backend_start, a.xact_start - s.age AS xact_start,
       a.query_start - s.age AS query_start, a.state_change - s.age AS state_change, a.wait_event_type, a.wait_event,
       a.state, a.backend_xid, a.backend_xmin, a.query_id, a.query, a.backend_type
FROM pg_catalog.pg_stat_activity AS a
CROSS JOIN LATERAL (
    SELECT CASE WHEN a.usename = 'payment_app' AND a.state = 'idle in transaction' AND a.backend_start < '{opened_by}'
                THEN make_interval(secs => {age_s}) * CASE WHEN {even} THEN 0.5 + a.pid % 50 / 100.0 ELSE 1 END
                ELSE interval '0' END AS age
) AS s;
GRANT USAGE ON SCHEMA past TO reader;
GRANT SELECT ON past.pg_stat_activity TO reader;
ALTER ROLE reader SET search_path = past, pg_catalog, public;
"""
"""The incident is older than the server that plays it: to `reader`, the sessions it holds look as old as the story."""


def schema(plan: Plan) -> str:
    """Statements that make and fill the tables; payments since the onset come and fail as the services say."""
    reason, share = _FAILING.get(plan.fault, ("", 0.0))
    age_s = 0.0 if plan.onset is None else (plan.now - plan.onset).total_seconds()
    factor = payments_per_s(plan)
    return _SCHEMA.format(
        shift=plan.seed % 97,
        reason=reason,
        age_s=age_s,
        recent=round(age_s * factor),
        factor=factor,
        failing=round(100 * share * plan.share),
        count=_COUNT,
    )


def past(plan: Plan, opened_by: datetime) -> str:
    """Statements for the view that gives sessions opened before `opened_by` the age of the story."""
    age_s = 0.0 if plan.onset is None else (plan.now - plan.onset).total_seconds()
    even = "true" if plan.fault == "bad_deployment" else "false"
    return _PAST.format(opened_by=opened_by.isoformat(), age_s=age_s, even=even)


def payments_per_s(plan: Plan) -> float:
    """Rows of payments a second since the onset."""
    if plan.fault == "traffic_surge":
        return _RATE * plan.strength
    if plan.fault == "config_change" and plan.dependency == "payment-service":
        return _RATE * (1 - plan.share)
    return _RATE


def failure_reason(plan: Plan) -> str:
    """What payments that fail because of the trouble have as their reason."""
    return _FAILING.get(plan.fault, ("upstream error", 0.0))[0]


_FAILING = {"bad_deployment": ("connection timeout", 0.4), "database_lock": ("lock timeout", 0.2)}

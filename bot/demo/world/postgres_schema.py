"""Tables, rows and roles of payment_db."""

from __future__ import annotations

ROLES = {"postgres": "", "payment_app": "", "reader": ""}
"""Role to its attributes; `reader` may only look."""

SCHEMA = """
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
COMMENT ON TABLE payments IS 'One row for each attempt to charge an order.';
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO payment_app;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;
GRANT pg_monitor TO reader;
ALTER ROLE reader SET default_transaction_read_only = on;
"""


def rows(seed: int) -> str:
    """Statements that fill the tables; which payments failed depends on the seed."""
    shift = seed % 97
    return f"""
INSERT INTO orders
SELECT i, 1 + (i * 7919 + {shift}) % 4000, CASE WHEN i % 23 = 0 THEN 'cancelled' ELSE 'placed' END,
       500 + (i * 6151 + {shift}) % 60000, now() - make_interval(secs => (6000 - i) * 15)
FROM generate_series(1, 6000) AS i;
INSERT INTO payments
SELECT i, i, CASE WHEN (i * 31 + {shift}) % 150 = 0 THEN 'failed' ELSE 'captured' END,
       (ARRAY['card', 'transfer', 'wallet'])[1 + i % 3], 500 + (i * 6151 + {shift}) % 60000,
       CASE WHEN (i * 31 + {shift}) % 150 = 0 THEN 'card declined' END, now() - make_interval(secs => (6000 - i) * 15 - 2)
FROM generate_series(1, 6000) AS i;
INSERT INTO refunds
SELECT i, i * 40, 500 + (i * 127) % 5000, 'returned', now() - make_interval(secs => (150 - i) * 600)
FROM generate_series(1, 150) AS i;
CREATE INDEX payments_created_at ON payments (created_at);
CREATE INDEX payments_order_id ON payments (order_id);
ANALYZE;
"""

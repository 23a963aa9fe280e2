"""Prometheus and its relatives: Mimir, Thanos, Cortex, VictoriaMetrics."""

from connectors.prometheus.connector import PrometheusConnector

CONNECTOR = PrometheusConnector

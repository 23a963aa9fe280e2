"""Datadog: metrics, APM signals, monitors, events, logs, spans."""

from connectors.datadog.connector import DatadogConnector

CONNECTOR = DatadogConnector

"""Loki: logs by labels, folded into groups; free LogQL under a guard."""

from connectors.loki.connector import LokiConnector

CONNECTOR = LokiConnector

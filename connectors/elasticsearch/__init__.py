"""Elasticsearch 8 and 9: logs, errors, traces of requests and deployments, within bounds."""

from __future__ import annotations

from connectors.elasticsearch.connector import CONNECTOR

__all__ = ["CONNECTOR"]

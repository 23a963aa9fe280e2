"""OpenSearch: logs, rates, deployments and runbooks through the query DSL."""

from connectors.opensearch.connector import OpenSearchConnector

CONNECTOR = OpenSearchConnector

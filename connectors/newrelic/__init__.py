"""New Relic: NRQL through NerdGraph, APM signals, incidents, entities, deployments, logs."""

from connectors.newrelic.connector import NewRelicConnector

CONNECTOR = NewRelicConnector

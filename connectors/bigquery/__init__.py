"""BigQuery, over its REST interface."""

from connectors.bigquery.connector import BigqueryConnector

CONNECTOR = BigqueryConnector

"""ClickHouse 22.8 and later, over its HTTP interface."""

from connectors.clickhouse.connector import ClickhouseConnector

CONNECTOR = ClickhouseConnector

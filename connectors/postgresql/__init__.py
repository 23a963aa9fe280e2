"""PostgreSQL 12 and later."""

from connectors.postgresql.connector import PostgresqlConnector

CONNECTOR = PostgresqlConnector

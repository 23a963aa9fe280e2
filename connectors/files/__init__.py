"""Local files: logs folded into groups, CSV, Parquet and JSON as tables and series."""

from connectors.files.connector import FilesConnector

CONNECTOR = FilesConnector

"""Typed tools over any HTTP interface, described in the configuration."""

from connectors.http_tools.connector import HttpToolsConnector

CONNECTOR = HttpToolsConnector

"""MCP client: the reading tools of a Model Context Protocol server as tools of ours."""

from connectors.mcp.connector import McpConnector

CONNECTOR = McpConnector

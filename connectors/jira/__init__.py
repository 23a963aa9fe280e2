"""Jira, Cloud and Data Center: search, similar tickets; writes that run through the approval gate only."""

from connectors.jira.connector import JiraConnector

CONNECTOR = JiraConnector

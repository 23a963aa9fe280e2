"""Deliveries from Slack: checked, counted, de-duplicated, answered after the commit."""

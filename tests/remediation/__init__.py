"""Proposals, approvals, execution."""

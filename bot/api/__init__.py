"""The HTTP face: JSON under /api/v1, problem documents for errors, live views from the event log."""

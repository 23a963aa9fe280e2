"""Everything Inquest says in channels: a projection of the event log, drawn again whenever it changed."""

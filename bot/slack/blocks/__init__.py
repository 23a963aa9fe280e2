"""From the domain to Block Kit: pure functions, no I/O, no clock. Every limit of Slack is kept for every input."""

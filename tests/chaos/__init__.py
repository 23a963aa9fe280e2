"""Trials by force: processes are killed and frozen, databases restarted, Slack taken away. Judged from outside."""

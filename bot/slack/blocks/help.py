"""What a person can type, with examples."""

from __future__ import annotations

INVESTIGATE_HELP = """*Ask what went wrong*
`/investigate why is checkout slow since 14:00?`
`/investigate payment errors last 30 minutes --service payment-service --env production`
`/investigate what changed before the outage? --sources prometheus,kubernetes/production`
`/investigate is the database full? --dry-run` shows the plan and asks nothing

*Options*
`--since 14:00` or `--since "2 hours ago"` · `--service NAME` (several: a,b) · `--env NAME`
`--sources TYPE or TYPE/NAME` · `--dry-run`

*Steer it* (the id may be left out when only one fits)
`/investigate status [ID]` · `list` · `history` · `help`
`pause [ID]` · `resume [ID]` · `cancel [ID]` · `retry [ID]` · `handoff ID @person`

You can also mention me in a channel or thread, write to me directly,
or use *Investigate this* on any message.
Reply in the thread of a running investigation and I take it as a hint; ask there after it has ended and I follow up."""

ASK_HELP = """*Ask one source in plain words*
`/ask payment db: failed payments per hour today`
`/ask prometheus/main: p99 latency of checkout since 14:00`"""

SWEEPS_HELP = """*Scheduled checks*
`/sweeps` alone opens a form: make, change, pause, run and delete sweeps
`/sweeps list` · `/sweeps run NAME` · `/sweeps anomalies` · `/sweeps discover`
`/sweeps answers` shows what the buttons of alerts changed · `/sweeps forget FINGERPRINT` takes one back"""

RUNBOOKS_HELP = """*Search the runbooks*
`/runbooks connection pool exhausted`"""

PROMPTS = (
    ("Why is it slow?", "Why is checkout slow since 30 minutes?"),
    ("What changed?", "What changed in production in the last hour?"),
    ("Is all well?", "Is the payment service healthy right now?"),
)

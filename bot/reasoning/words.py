"""The words by which a question is read without a model."""

from __future__ import annotations

from bot.domain.question import IssueType

# Checked in this order when two kinds have as many words in the question.
ISSUE_WORDS: tuple[tuple[IssueType, frozenset[str]], ...] = tuple(
    (kind, frozenset(words.split()))
    for kind, words in (
        (IssueType.DATABASE, "database db postgres postgresql mysql mongodb deadlock lock locks replication sql"),
        (
            IssueType.LATENCY,
            "slow slower latency lag laggy p99 p95 timeout timeouts hangs hanging delay delays sluggish",
        ),
        (
            IssueType.ERRORS,
            "error errors fail fails failing failed failure failures 500 5xx 502 503 504 exception exceptions broken",
        ),
        (
            IssueType.AVAILABILITY,
            "down outage unavailable unreachable crash crashing crashed restarting restarts crashloop dead pending",
        ),
        (IssueType.SATURATION, "cpu memory oom disk full saturated saturation throttled leak leaking"),
        (IssueType.TRAFFIC, "traffic spike surge load requests drop"),
        (IssueType.DEPLOYMENT, "deploy deployment deployed release released rollout rollback version"),
        (IssueType.DATA, "missing wrong duplicate duplicated inconsistent stale"),
    )
)
STOP_WORDS = frozenset(
    "a an and are as at be by can could did do does for from has have how i in is it its me my not of on or our "
    "please show since so than that the their there these they this to us was we were what when where which who why "
    "will with you your last past ago minute minutes hour hours today yesterday now been being after before between "
    "around about suddenly very just all any some seeing see getting get got look looks like going happening "
    "happened wrong".split()
)
ENVIRONMENT_WORDS = {"prod": "production", "stage": "staging", "dev": "development"}
# Parts of service names that say nothing about which service is meant.
COMMON_PARTS = frozenset("service api app svc server db worker".split())

"""A process dies between a write to the cluster and its record; another one finds out what happened, from the target.

The long form is `python -m tests.benchmarks.remediation_kills`.
"""

from __future__ import annotations

from tests.benchmarks.remediation_kills import trial
from tests.support.servers import ClusterServer


def test_no_write_is_sent_twice_and_none_stays_unknown(cluster: ClusterServer) -> None:
    tally = trial(cluster, kills=8, lanes=2, seed=7)
    said = "\n".join(tally.lines())
    assert sum(tally.ends.values()) == 8, said
    assert sum(tally.killed.values()) - tally.killed["not (it was done before)"] >= 4, said
    assert (tally.twice, tally.wrong, tally.late) == ([], [], []), said

"""A slice of the made-up incidents: right first, no decoy blamed, the healthy called healthy."""

from __future__ import annotations

from bot.analysis import correlate
from bot.domain.states import Verdict
from tests.benchmarks.rca import answer
from tests.benchmarks.rca_incidents import make
from tests.benchmarks.rca_synthetic import component_of_fault, recording_of

CASES = 48
SEED = 101


def test_a_fresh_seed_meets_the_bars() -> None:
    right, decoys, faulty = 0, 0, 0
    for number in range(CASES):
        incident = make(SEED, number)
        recording = recording_of(incident)
        ranking = correlate(recording.file, now=recording.now)
        if not incident.faults:
            assert ranking.verdict is Verdict.NO_FAULT_FOUND, incident.name
            continue
        ranked = answer(recording, ranking)["ranking"]
        assert isinstance(ranked, list)
        faulty += 1
        right += ranked[0] in {component_of_fault(incident, n) for n in range(len(incident.faults))}
        decoys += ranked[0] in incident.decoys and ranking.verdict is Verdict.SUPPORTED
    assert right >= 0.85 * faulty
    assert decoys <= 0.05 * faulty

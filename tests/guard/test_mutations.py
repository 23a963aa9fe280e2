"""A short, seeded run of the mutations; the long one is tests.benchmarks.guard_mutations."""

import json
import random
from pathlib import Path

from connectors.guards import Allowed, guard
from tests.guard.mutations import variant

CORPUS = json.loads((Path(__file__).parent / "corpus.json").read_text())
SEED, COUNT = 20_261_120, 2_000


def test_no_variant_of_an_attack_is_accepted() -> None:
    rng = random.Random(SEED)
    attacks = [case for case in CORPUS if case["verdict"] == "refuse"]
    accepted = []
    for _ in range(COUNT):
        case = rng.choice(attacks)
        text = variant(case, rng, nesting=True)
        if isinstance(guard(text, dialect=case["dialect"]), Allowed):
            accepted.append((case["dialect"], text))
    assert accepted == []


def test_variants_of_benign_queries_stay_accepted() -> None:
    rng = random.Random(SEED)
    benign = [case for case in CORPUS if case["verdict"] == "allow"]
    refused = []
    for _ in range(COUNT // 4):
        case = rng.choice(benign)
        text = variant(case, rng, nesting=False)
        answer = guard(text, dialect=case["dialect"])
        if not isinstance(answer, Allowed):
            refused.append((case["dialect"], text, answer.reason))
    assert refused == []

"""How many points a second the streaming detector takes, in processor time of one core.

`python -m tests.benchmarks.detector_speed [--series N] [--points N]`. Where pyod is installed (it is
not among our requirements) the ratio to ECOD over full histories is measured in the same run.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import time

import numpy as np

from bot.analysis.anomaly.detector import Detector, Tuning
from bot.analysis.anomaly.scale import Floats
from tests.benchmarks.machine import speed_line

SWEEP = Tuning(threshold=3.0, memory=720, sample=240, sample_every=3)


def table(series: int, points: int) -> Floats:
    """Random walks with noise, [points, series]."""
    rng = np.random.default_rng(7)
    return 0.1 * rng.normal(size=(points, series)).cumsum(axis=0) + rng.normal(size=(points, series))


def streaming(values: Floats, tuning: Tuning) -> float:
    """Points a second."""
    detector = Detector(values.shape[1], tuning)
    began = time.process_time()
    for row in values:
        detector.update(row)
    return float(values.size / (time.process_time() - began))


def newest_points(values: Floats, tuning: Tuning, ticks: int = 20) -> float:
    """Verdicts a second on one new point of each series whose full history is known already."""
    detector = Detector(values.shape[1], tuning)
    for row in values[:-ticks]:
        detector.update(row)
    began = time.process_time()
    for row in values[-ticks:]:
        detector.update(row)
    return float(ticks * values.shape[1] / (time.process_time() - began))


def ecod(values: Floats, series: int = 50) -> float | None:
    """Series a second of ECOD fitted on each full history; None where pyod is not installed."""
    if importlib.util.find_spec("pyod") is None:
        return None
    model = importlib.import_module("pyod.models.ecod").ECOD
    model().fit(values[:, :1])  # the first one loads and compiles
    began = time.process_time()
    for column in range(min(series, values.shape[1])):
        model().fit(values[:, column : column + 1])
    return float(min(series, values.shape[1]) / (time.process_time() - began))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=256)
    parser.add_argument("--points", type=int, default=1_440)
    arguments = parser.parse_args()
    values = table(arguments.series, arguments.points)
    print(speed_line())
    for name, tuning in (("benchmark tuning", Tuning()), ("sweep tuning", SWEEP)):
        print(f"{name}: streaming {streaming(values, tuning):,.0f} points/s of one core")
    fresh = newest_points(values, SWEEP)
    print(f"newest point after {arguments.points} points of history: {fresh:,.0f} series/s")
    other = ecod(values)
    if other is not None:
        whole = streaming(values, SWEEP) / arguments.points
        print(f"ECOD over the full history: {other:,.0f} series/s")
        print(f"ratio for the newest point: {fresh / other:,.1f}; for every point of the history: {whole / other:,.2f}")


if __name__ == "__main__":
    main()

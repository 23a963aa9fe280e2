"""A small PromQL evaluator over any source of series, with Prometheus 2.x semantics."""

from bot.demo.world.promql.evaluate import Evaluator
from bot.demo.world.promql.values import PromqlError, RawSeries, Sample, Scalar, Text, Vector

__all__ = ["Evaluator", "PromqlError", "RawSeries", "Sample", "Scalar", "Text", "Vector"]

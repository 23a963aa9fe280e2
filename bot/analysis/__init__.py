"""Numbers and text, pure: detectors, change points, signatures, topology, ranking."""

from bot.analysis.correlate import correlate, hypothesis_key

__all__ = ["correlate", "hypothesis_key"]

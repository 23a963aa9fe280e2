"""Numbers and text, pure: detectors, change points, signatures, topology, ranking."""

from bot.analysis.correlate import correlate, hypothesis_key
from bot.analysis.telling import telling

__all__ = ["correlate", "hypothesis_key", "telling"]

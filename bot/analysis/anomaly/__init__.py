"""Streaming anomaly detection over many series at once: pure numpy, causal, with a bounded state per series."""

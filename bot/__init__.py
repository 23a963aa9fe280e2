"""Inquest: ask why something is broken, get an answer that cites its evidence."""

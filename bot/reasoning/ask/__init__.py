"""Turns a question into one query of one language, by templates over what the source holds; no model, no I/O."""

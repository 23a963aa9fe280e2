"""For every test: what is loaded by now stays out of collections, which would stop every loop for half a second."""

from __future__ import annotations

import gc

import pytest


def pytest_collection_finish(session: pytest.Session) -> None:
    """Tests are imported; none has run yet."""
    gc.collect()
    gc.freeze()

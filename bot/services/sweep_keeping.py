"""What a sweep has learned, as bytes: written every quarter of an hour, taken back after a restart. No pickle."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from pydantic import ValidationError

from bot.analysis.anomaly.state import pack, unpack
from bot.domain.anomaly import Signal
from bot.services.sweep_burn import Burns
from bot.services.sweep_watch import Place, Watch
from connectors.model import Series

_VERSION = 1
_PART = 500
_LARGEST_NOTES_BYTES = 50_000_000


def kept_parts(watch: Watch, *, until: float, burns: Burns | None = None) -> Iterator[bytes]:
    """The watch in parts of at most 500 series; `until` says, in seconds since 1970, how far its points reach.

    The windows of burn rates are in the first part.
    """
    places = list(watch.places.values())
    for first in range(0, len(places), _PART):
        group = places[first : first + _PART]
        rows = np.array([place.row for place in group], dtype=np.intp)
        recent, times = watch.recent(rows)
        notes = {"version": _VERSION, "until": until, "places": [_place_notes(watch, place) for place in group]}
        if burns is not None and not first:
            notes["burns"] = burns.state()
        yield pack(
            {
                **watch.detector.state(rows),
                "recent": recent,
                "times": times,
                "notes": np.frombuffer(json.dumps(notes).encode(), dtype=np.uint8),
            }
        )


def take_back(watch: Watch, parts: Iterable[bytes], *, burns: Burns | None = None) -> float:
    """Fill an empty watch, and `burns`; gives `until`. ValueError when the parts do not fit this version or sweep."""
    until = float("inf")
    for data in parts:
        state: dict[str, Any] = dict(unpack(data))
        notes = _notes(state.pop("notes", None))
        recent, times = state.pop("recent", None), state.pop("times", None)
        try:
            places = [_place(one) for one in notes["places"]]
            until = min(until, float(notes["until"]))
            rows = watch.adopt(places)
            watch.detector.restore(rows, state)
            watch.restore_recent(rows, recent, times)
            if burns is not None and "burns" in notes:
                burns.restore(notes["burns"])
        except (KeyError, TypeError, AttributeError, ValidationError) as error:
            raise ValueError(f"this is not what a sweep keeps: {type(error).__name__}") from error
    if until == float("inf"):
        raise ValueError("nothing was kept")
    return until


def _notes(array: Any) -> dict[str, Any]:
    if not isinstance(array, np.ndarray) or array.dtype != np.uint8 or array.nbytes > _LARGEST_NOTES_BYTES:
        raise ValueError("the notes are missing")
    found = json.loads(array.tobytes())
    if not isinstance(found, dict) or found.get("version") != _VERSION:
        raise ValueError("kept by another version")
    return found


def _place_notes(watch: Watch, place: Place) -> dict[str, Any]:
    return {
        "key": place.key,
        "series": place.series.model_dump(mode="json"),
        "last_at": place.last_at,
        "odd": place.odd.model_dump(mode="json") if place.odd else None,
        "calm": place.calm,
        "missing": watch.missing(place),
    }


def _place(notes: dict[str, Any]) -> Place:
    return Place(
        key=str(notes["key"]),
        row=-1,
        series=Series.model_validate(notes["series"]),
        last_at=float(notes["last_at"]),
        odd=Signal.model_validate(notes["odd"]) if notes["odd"] else None,
        calm=int(notes["calm"]),
        missing=int(notes["missing"]),
    )

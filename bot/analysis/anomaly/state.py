"""What is kept per series: arrays whose first axis is the series, saved, restored and cleared together."""

from __future__ import annotations

import io
from typing import ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

State: TypeAlias = dict[str, NDArray[np.generic]]
Rows: TypeAlias = NDArray[np.intp]


class PerSeries:
    """`kept` names the attributes that hold an entry per series, each with the value that a new series starts at."""

    kept: ClassVar[dict[str, float]]

    def state(self, rows: Rows) -> State:
        """Copies of what is kept of these series."""
        return {name: np.asarray(getattr(self, name))[rows].copy() for name in self.kept}

    def restore(self, rows: Rows, state: State) -> None:
        """Put back what `state` gave. ValueError when it was made with other lengths."""
        for name in self.kept:
            array = getattr(self, name)
            if state[name].shape != array[rows].shape:
                raise ValueError(f"{name} was kept in another shape")
            array[rows] = state[name]

    def clear(self, rows: Rows) -> None:
        """Make these series new."""
        for name, value in self.kept.items():
            getattr(self, name)[rows] = value


def pack(state: State) -> bytes:
    """Compressed bytes of a state. No pickle: `unpack` refuses anything but plain arrays."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **state)
    return buffer.getvalue()


def unpack(data: bytes) -> State:
    """The state that `pack` made. ValueError when it is something else."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (OSError, EOFError, KeyError, TypeError, ValueError) as error:
        raise ValueError("this is no kept state") from error

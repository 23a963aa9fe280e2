"""A small BERT encoder in numpy: tokens in, one vector a text out. Shapes and steps: https://arxiv.org/abs/1810.04805.

Only what sentence encoders of this family need: WordPiece, absolute positions, exact GELU, mean pooling, unit length.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
_LONGEST_WORD = 100
_ROOT_HALF = float(np.sqrt(0.5))


@dataclass(frozen=True)
class Shape:
    """What the file of the model says of it."""

    layers: int
    heads: int
    epsilon: float
    positions: int


def pieces(text: str, vocabulary: Mapping[str, int], *, most: int) -> list[int]:
    """WordPiece ids between [CLS] and [SEP], lower case and without accents; what is too long is cut."""
    found: list[int] = []
    for word in _words(text):
        found += _split(word, vocabulary)
        if len(found) >= most - 2:
            break
    return [vocabulary["[CLS]"], *found[: most - 2], vocabulary["[SEP]"]]


def _words(text: str) -> list[str]:
    plain = unicodedata.normalize("NFD", text.lower())
    spaced = []
    for letter in plain:
        kind = unicodedata.category(letter)
        if kind == "Mn" or (kind in ("Cc", "Cf") and not letter.isspace()):
            continue
        alone = kind[0] in "PS" or "一" <= letter <= "鿿"
        spaced.append(f" {letter} " if alone else letter)
    return "".join(spaced).split()


def _split(word: str, vocabulary: Mapping[str, int]) -> list[int]:
    """The longest known pieces from the left; an unknown word is one [UNK]."""
    if len(word) > _LONGEST_WORD:
        return [vocabulary["[UNK]"]]
    found, start = [], 0
    while start < len(word):
        end = len(word)
        while end > start and ("##" if start else "") + word[start:end] not in vocabulary:
            end -= 1
        if end == start:
            return [vocabulary["[UNK]"]]
        found.append(vocabulary[("##" if start else "") + word[start:end]])
        start = end
    return found


def encode(ids: Sequence[int], weights: Mapping[str, Any], shape: Shape) -> Floats:
    """The mean of the last layer over the tokens, of length 1."""
    state = (
        weights["embeddings.word_embeddings.weight"][list(ids)]
        + weights["embeddings.position_embeddings.weight"][: len(ids)]
        + weights["embeddings.token_type_embeddings.weight"][0]
    )
    state = _normed(state, weights, "embeddings.LayerNorm", shape)
    for number in range(shape.layers):
        state = _layer(state, weights, f"encoder.layer.{number}", shape)
    mean = state.mean(axis=0)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12), dtype=np.float32)


def _layer(state: Floats, weights: Mapping[str, Any], at: str, shape: Shape) -> Floats:
    query, key, value = (_heads(_dense(state, weights, f"{at}.attention.self.{n}"), shape) for n in _PARTS)
    scores = query @ key.transpose(0, 2, 1) / np.sqrt(np.float32(query.shape[-1]))
    scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
    mixed = (scores / scores.sum(axis=-1, keepdims=True)) @ value
    mixed = mixed.transpose(1, 0, 2).reshape(state.shape)
    mixed = _dense(mixed, weights, f"{at}.attention.output.dense")
    state = _normed(state + mixed, weights, f"{at}.attention.output.LayerNorm", shape)
    wide = _gelu(_dense(state, weights, f"{at}.intermediate.dense"))
    return _normed(state + _dense(wide, weights, f"{at}.output.dense"), weights, f"{at}.output.LayerNorm", shape)


_PARTS = ("query", "key", "value")


def _heads(state: Floats, shape: Shape) -> Floats:
    return state.reshape(len(state), shape.heads, -1).transpose(1, 0, 2)


def _dense(state: Floats, weights: Mapping[str, Any], name: str) -> Floats:
    return np.asarray(state @ weights[f"{name}.weight"].T + weights[f"{name}.bias"], dtype=np.float32)


def _normed(state: Floats, weights: Mapping[str, Any], name: str, shape: Shape) -> Floats:
    centred = state - state.mean(axis=-1, keepdims=True)
    spread = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + shape.epsilon)
    return np.asarray(centred / spread * weights[f"{name}.weight"] + weights[f"{name}.bias"], dtype=np.float32)


def _gelu(state: Floats) -> Floats:
    return np.asarray(0.5 * state * (1 + _erf(state * _ROOT_HALF)), dtype=np.float32)


def _erf(value: Floats) -> Floats:
    """Abramowitz and Stegun 7.1.26, wrong by at most 1.5e-7."""
    sign, size = np.sign(value), np.abs(value)
    t = 1 / (1 + 0.3275911 * size)
    series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    return np.asarray(sign * (1 - series * np.exp(-size * size)), dtype=np.float32)

